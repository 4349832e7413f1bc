"""Forward, run with one of its operations spoiled: would backward be right for that?

A gradient often lacks one path, or the derivative of one function. So forward is run on arrays that
tell which operations they go through. Then one operation at a time is spoiled in its derivative
alone: one operand is held fast, or tanh(z) moves as z does. If the gradient of what comes out is
the one that backward gives, that is what backward does wrong.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array

Place = tuple[Any, ...]
"""An operation in forward: the lines that lead to it, and its name."""

SYMBOLS = {"matmul": "@", "multiply": "*", "add": "+", "subtract": "-", "divide": "/"}
SYMBOLS |= {"power": "**"}
REDUCTIONS = {"add": "sum", "maximum": "max", "minimum": "min", "multiply": "prod"}
NO_PATH = ("greater", "less", "equal", "sign", "zeros_like", "ones_like", "empty_like", "shape")


DERIVATIVES: dict[str, Callable[[AnyArray, AnyArray], Any]] = {
    "1 (it is left out)": lambda y, z: 1.0,
    "y, its output": lambda y, z: y,
    "1 - y, with its output y": lambda y, z: 1 - y,
    "1 - y**2, with its output y": lambda y, z: 1 - y * y,
    "y * (1 - y), with its output y": lambda y, z: y * (1 - y),
    "z, its input": lambda y, z: z,
    "1 - z**2, with its input z": lambda y, z: 1 - z * z,
    "z * (1 - z), with its input z": lambda y, z: z * (1 - z),
    "y > 0, by its output y": lambda y, z: y > 0,
    "z > 0, by its input z": lambda y, z: z > 0,
}
"""What people take for the derivative of y = f(z)."""


class Spoiled(NamedTuple):
    """What is done to an operation: "fixed", "at output", "transposed" or one of DERIVATIVES."""

    place: Place
    argument: int
    kind: str
    rounds: frozenset[int]


class Tape:
    """The operations of one run of forward, with their operands and results."""

    def __init__(self, named: dict[str, Array]) -> None:
        self.named = named
        self.texts: dict[Place, tuple[str, list[str]]] = {}
        self.kept: dict[tuple[Place, int], tuple[list[Any], Any]] = {}
        self.rounds: dict[Place, int] = {}
        self.spoiled: Spoiled | None = None
        self.recording = True

    def run(self, call: Callable[..., Any], name: str, values: list[Any]) -> Any:
        """The result of an operation, recorded or spoiled."""
        frame, trail = _forward()
        place = (*trail, name)
        turn = self.rounds.get(place, 0)
        self.rounds[place] = turn + 1
        plain = [_plain(value) for value in values]
        if self.recording:
            result = call(*plain)
            if place not in self.texts:
                words = [_word(v, frame, self.named) for v in values]
                self.texts[place] = _text(name, words), words
            self.kept[place, turn] = [_copy(v) for v in plain], _copy(result)
            return _tracked(result)
        spoiled = self.spoiled
        if spoiled is None or spoiled.place != place or turn not in spoiled.rounds:
            return _tracked(call(*plain))
        before, result = self.kept[place, turn]
        now = plain[spoiled.argument]
        then = before[spoiled.argument]
        if spoiled.kind == "fixed":
            plain[spoiled.argument] = then
            return _tracked(call(*plain))
        if spoiled.kind in DERIVATIVES:
            with np.errstate(all="ignore"):
                return _tracked(result + DERIVATIVES[spoiled.kind](result, then) * (now - then))
        moved = list(before)
        if spoiled.kind == "at output":
            moved[spoiled.argument] = result
            there = call(*moved)
            moved[spoiled.argument] = result + (now - then)
            return _tracked(result + (call(*moved) - there))
        other = 1 - spoiled.argument
        pair = [now - then, now - then]
        pair[other] = np.swapaxes(before[other], -1, -2)
        here = call(*plain[: spoiled.argument], then, *plain[spoiled.argument + 1 :])
        return _tracked(here + call(*pair))


_tape: list[Tape] = []


class Tracked(np.ndarray[Any, Any]):
    """An array whose operations go by way of the tape."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        options = {key: _plain(value) for key, value in options.items()}
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if method in ("at", "reduceat", "accumulate", "outer") or not _tape:
            if out is not None:
                options["out"] = _plain(out)
            return getattr(ufunc, method)(*_plain(inputs), **options)
        call = getattr(ufunc, method)
        rest = list(inputs[1:]) if method == "reduce" else []
        given = list(inputs[:1]) if method == "reduce" else list(inputs)
        result = _tape[-1].run(lambda *v: call(*v, *rest, **options), name, given)
        if out is None:
            return result
        first = out[0] if isinstance(out, tuple) else out
        _plain(first)[...] = _plain(result)
        return first

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        options = _plain(kwargs)
        if not _tape or func.__name__ in ("shape", "ndim", "size", "copyto"):
            return func(*_plain(args), **options)
        flat: list[Any] = []
        for arg in args:  # the arrays of concatenate are operands of their own
            flat += list(arg) if isinstance(arg, (tuple, list)) else [arg]

        def call(*values: Any) -> Any:
            left, given = list(values), []
            for arg in args:
                if isinstance(arg, (tuple, list)):
                    given.append(type(arg)(left[: len(arg)]))
                    del left[: len(arg)]
                else:
                    given.append(left.pop(0))
            return func(*given, **options)

        return _tape[-1].run(call, func.__name__, flat)


def _plain(values: Any) -> Any:
    if isinstance(values, Tracked):
        return values.view(np.ndarray)
    if isinstance(values, (tuple, list)):
        return type(values)(_plain(item) for item in values)
    if isinstance(values, dict):
        return {key: _plain(item) for key, item in values.items()}
    return values


def _tracked(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.floating)) and np.asarray(value).dtype.kind == "f":
        return np.asarray(value).view(Tracked)
    return value


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _forward() -> tuple[Any, Place]:
    """The frame outside of NumPy that computes, and the lines that lead to it from forward."""
    frame: Any = sys._getframe(3)
    inner, trail = None, []
    while frame is not None:
        path = frame.f_code.co_filename
        if path != __file__ and "/numpy/" not in path:
            inner = inner or frame
            trail.append((path, frame.f_lineno, frame.f_lasti))
            if path.endswith("targets.py") or len(trail) > 12:
                break
        frame = frame.f_back
    return inner, tuple(trail)


def _word(value: Any, frame: Any, named: dict[str, Array]) -> str:
    """What a value is called where it is used."""
    if not isinstance(value, np.ndarray):
        return f"{value:g}" if isinstance(value, (int, float)) else "..."
    for name, local in (frame.f_locals if frame is not None else {}).items():
        if local is value:
            return str(name)
    for name, array in named.items():
        if value.size and np.may_share_memory(_plain(value), _plain(array)):
            return name if value.shape == array.shape else f"{name}[...]"
    return "..."


def _text(name: str, words: list[str]) -> str:
    if name.endswith(".reduce"):
        return f"{REDUCTIONS.get(name[:-7], name[:-7])}({words[0]})"
    if len(words) == 2 and name in SYMBOLS:
        return f"{words[0]} {SYMBOLS[name]} {words[1]}"
    return f"{name}({', '.join(words)})"


@contextlib.contextmanager
def recorded(target: Any) -> Iterator[Tape]:
    """A target whose arrays are tracked for as long as the context lasts."""
    layer = getattr(target, "layer", None)
    spaces = [vars(target), target.arrays]
    spaces += [vars(part) for part in (layer.walk() if layer is not None else ())]
    arrays = list(target.arrays.items())
    holders = [
        (space, key, array)
        for space in spaces
        for key, value in space.items()
        for _, array in arrays
        if value is array
    ]
    tape = Tape(dict(arrays))
    _tape.append(tape)
    try:
        for space, key, array in holders:
            space[key] = array.view(Tracked)
        target.value()
        tape.recording = False
        yield tape
    finally:
        _tape.pop()
        for space, key, array in holders:
            space[key] = array


def hypotheses(tape: Tape) -> Iterator[tuple[str, Spoiled]]:
    """What may be spoiled, and words for it: first in all rounds of a loop, then in some."""
    every = list(_hypotheses(tape))
    yield from (item for item in every if " round" not in item[0])
    yield from (item for item in every if " round" in item[0])


def _hypotheses(tape: Tape) -> Iterator[tuple[str, Spoiled]]:
    for (text, words), place in [(t, p) for p, t in tape.texts.items()]:
        name = place[-1]
        if name.startswith(NO_PATH):
            continue
        alike = [p for p, (other, _) in tape.texts.items() if other == text]
        call = f" (use {alike.index(place) + 1} of {len(alike)})" if len(alike) > 1 else ""
        n = sum(key[0] == place for key in tape.kept)
        sets = {"": set(range(n))}
        if n > 1:
            sets |= {
                f" in all rounds but the first of {n}": set(range(1, n)),
                f" in all rounds but the last of {n}": set(range(n - 1)),
                f" in the first of {n} rounds": {0},
                f" in the last of {n} rounds": {n - 1},
            }
        before, result = tape.kept[place, 0]
        arrays = [
            k for k, v in enumerate(before) if isinstance(v, np.ndarray) and v.dtype.kind == "f"
        ]
        for which, rounds in sets.items():
            for k in arrays:
                word = f"`{words[k]}`" if words[k] != "..." else f"operand {k + 1}"
                if words[k] != "..." and words.count(words[k]) > 1:
                    word = f"{word} as operand {k + 1}"
                word = f"{word} of `{text}`{call}" if len(arrays) > 1 else f"`{text}`{call}"
                yield f"{word}{which}", Spoiled(place, k, "fixed", frozenset(rounds))
            if len(arrays) == 1 and np.shape(result) == before[arrays[0]].shape:
                for kind in ("at output", *DERIVATIVES):
                    yield (
                        f"`{text}`{call}{which}",
                        Spoiled(place, arrays[0], kind, frozenset(rounds)),
                    )
            if name == "matmul" and len(arrays) == 2:
                for k in arrays:
                    shape = before[1 - k].shape
                    if len(shape) > 1 and shape[-1] == shape[-2]:
                        text_of = f"`{words[1 - k]}` of `{text}`{call}{which}"
                        yield text_of, Spoiled(place, k, "transposed", frozenset(rounds))


def slope(target: Any, tape: Tape, spoiled: Spoiled, move: Callable[[float], None]) -> AnyArray:
    """d value / d t of the spoiled forward along a move."""
    tape.spoiled, moved = spoiled, []
    try:
        for t in (-2.0, -1.0, 1.0, 2.0):
            move(t)
            tape.rounds.clear()
            moved.append(np.asarray(target.value()).reshape(-1))
    finally:
        move(0.0)
        tape.spoiled = None
    a, b, c, d = moved
    return np.asarray((8 * (c - b) - (d - a)) / 12)
