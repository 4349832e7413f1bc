"""Runs forward with a wrong derivative of one operation: does backward make the same mistake?

A gradient often lacks one path, or has a wrong derivative of one function. To find it, forward runs
on arrays that record the operations applied to them. Then it runs again, with only the derivative
of one operation changed: one operand is treated as a constant, or tanh(z) changes as z does. If the
slope of that forward is the gradient that backward returns, this is the mistake in backward.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array

Place = tuple[Any, ...]
"""An operation in forward: the lines that lead to it, and its name."""

SYMBOLS = {
    "matmul": "@",
    "multiply": "*",
    "add": "+",
    "subtract": "-",
    "divide": "/",
    "power": "**",
}
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
"""Frequent mistakes in the derivative of y = f(z)."""


class Spoiled(NamedTuple):
    """The change of an operation's derivative: "fixed", "at output" or one of DERIVATIVES."""

    place: Place
    argument: int
    kind: str
    rounds: range


class Tape:
    """The operations of one run of forward, with their operands and results."""

    def __init__(self, named: dict[str, Array]) -> None:
        self.named = named
        self.texts: dict[Place, tuple[str, list[str]]] = {}
        self.kept: dict[tuple[Place, int], tuple[list[Any], Any]] = {}
        self.rounds: dict[Place, int] = {}
        self.order: list[tuple[str, Place, int]] = []
        self.done = 0
        self.spoiled: Spoiled | None = None
        self.recording = True
        self.moving: set[tuple[Place, int]] | None = None

    def run(self, call: Callable[..., Any], name: str, values: list[Any]) -> Any:
        """The result of an operation, which is recorded or changed."""
        plain = [_plain(value) for value in values]
        if self.recording:
            return self._record(call, name, values, plain)
        place, turn = self._next(name)
        spoiled = self.spoiled
        if spoiled and spoiled.place == place and turn in spoiled.rounds:
            return _tracked(_spoil(call, plain, *self.kept[place, turn], spoiled))
        if self.moving is not None:
            before = self.kept[place, turn][0]
            self.moving |= {(place, k) for k, v in enumerate(plain) if _differs(v, before[k])}
        return _tracked(call(*plain))

    def _record(
        self, call: Callable[..., Any], name: str, values: list[Any], plain: list[Any]
    ) -> Any:
        frame, trail = _forward()
        place = (*trail, name)
        turn = self.rounds.get(place, 0)
        self.rounds[place] = turn + 1
        self.order.append((name, place, turn))
        result = call(*plain)
        if place not in self.texts:
            words = [_word(v, frame, self.named) for v in values]
            self.texts[place] = _text(name, words), words
        self.kept[place, turn] = copy.deepcopy(plain), copy.deepcopy(result)
        return _tracked(result)

    def _next(self, name: str) -> tuple[Place, int]:
        """The next operation, found by its number: walking the stack would take longer."""
        expected, place, turn = self.order[self.done]
        if expected != name:
            raise RuntimeError("forward takes another path than when it was recorded")
        self.done += 1
        return place, turn

    def moved_by(self, target: Any, array: Array, step: Array) -> set[tuple[Place, int]]:
        """The operations and operands that change when an array is moved; others can't matter."""
        self.moving = set()
        try:
            self._value_at(target, array, array + step)
            return self.moving
        finally:
            self.moving = None

    def _value_at(self, target: Any, array: Array, moved: Array) -> AnyArray:
        start = array.copy()
        array[...], self.done = moved, 0
        try:
            return np.asarray(target.value()).reshape(-1)
        finally:
            array[...] = start

    def slope(self, target: Any, array: Array, direction: Array, spoiled: Spoiled) -> AnyArray:
        """d value / d t of the changed forward for `array + t * direction`, with a small step."""
        near = self.difference(target, array, direction, spoiled)
        far = self.difference(target, array, 2 * direction, spoiled)
        return np.asarray((8 * near - far) / 12)

    def difference(self, target: Any, array: Array, step: Array, spoiled: Spoiled) -> AnyArray:
        """The changed value one step ahead minus that one step back: half the cost of `slope`."""
        self.spoiled = spoiled
        try:
            back, ahead = (self._value_at(target, array, array + t * step) for t in (-1.0, 1.0))
        finally:
            self.spoiled = None
        return np.asarray(ahead - back)


def _spoil(
    call: Callable[..., Any], now: list[Any], before: list[Any], result: Any, spoiled: Spoiled
) -> Any:
    """An operation's result with another derivative with respect to one operand."""
    k, kind = spoiled.argument, spoiled.kind
    step = now[k] - before[k]

    def at(values: list[Any], operand: Any) -> Any:
        return call(*values[:k], operand, *values[k + 1 :])

    if kind == "fixed":
        return at(now, before[k])
    if kind in DERIVATIVES:
        return result + DERIVATIVES[kind](result, before[k]) * step
    return result + (at(before, result + step) - at(before, result))


def _differs(value: Any, before: Any) -> bool:
    return isinstance(value, np.ndarray) and not np.array_equal(value, before, equal_nan=True)


_tape: list[Tape] = []


class Tracked(np.ndarray[Any, Any]):
    """An array whose operations are passed to the tape."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        call, options = getattr(ufunc, method), _plain(options)
        if method not in ("__call__", "reduce") or not _tape:
            return call(*_plain(inputs), **options)
        out = options.pop("out", None)
        given, rest = (inputs[:1], inputs[1:]) if method == "reduce" else (inputs, ())
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if out is not None and method == "__call__" and "where" in options:
            # What is left out keeps the number that it had in `out`.
            before = np.array(_plain(out[0]))

            def partly(*v: Any) -> Any:
                return call(*v, out=before.copy(), **options)

            result = _tape[-1].run(partly, name, list(given))
        else:
            result = _tape[-1].run(lambda *v: call(*v, *rest, **options), name, list(given))
        if out is None:
            return result
        out[0][...] = _plain(result)
        return out[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        options = _plain(kwargs)
        if not _tape or func.__name__ in ("shape", "ndim", "size", "copyto"):
            return func(*_plain(args), **options)
        # The arrays in an argument of concatenate are separate operands.
        groups = [list(arg) if isinstance(arg, (tuple, list)) else None for arg in args]
        flat = [v for g, arg in zip(groups, args, strict=True) for v in ([arg] if g is None else g)]

        def call(*values: Any) -> Any:
            left = iter(values)
            given = [next(left) if g is None else [next(left) for _ in g] for g in groups]
            return func(*given, **options)

        return _tape[-1].run(call, func.__name__, flat)


def _plain(values: Any) -> Any:
    kind = type(values)
    if kind is Tracked:
        return values.view(np.ndarray)
    if kind is np.ndarray:
        return values
    if isinstance(values, (tuple, list)):
        return type(values)(_plain(item) for item in values)
    if isinstance(values, dict):
        return {key: _plain(item) for key, item in values.items()}
    return values


def _tracked(value: Any) -> Any:
    real = isinstance(value, (np.ndarray, np.floating)) and value.dtype.kind == "f"
    return np.asarray(value).view(Tracked) if real else value


def _forward() -> tuple[Any, Place]:
    """The innermost frame outside of NumPy, and the lines that lead to it from forward."""
    frame: Any = sys._getframe(4)
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
    """The name of a value in the frame that uses it."""
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
    holders = [
        (space, key, value)
        for space in spaces
        for key, value in space.items()
        if any(value is array for array in target.arrays.values())
    ]
    tape = Tape(dict(target.arrays))
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
    """Descriptions and changes to try: first in all rounds of a loop, then in some."""
    places = [place for place in tape.texts if not place[-1].startswith(NO_PATH)]
    counts = [(place, sum(key[0] == place for key in tape.kept)) for place in places]
    loops = [
        some
        for p, n in counts
        for some in (
            (p, f" in all rounds but the first of {n}", range(1, n)),
            (p, f" in all rounds but the last of {n}", range(n - 1)),
            (p, f" in the first of {n} rounds", range(1)),
        )
        if n > 1
    ]
    for place, which, rounds in [(p, "", range(n)) for p, n in counts] + loops:
        for words, argument, kind in _of_operation(tape, place):
            yield words + which, Spoiled(place, argument, kind, rounds)


def _of_operation(tape: Tape, place: Place) -> Iterator[tuple[str, int, str]]:
    """Description, operand and kind of the possible mistakes in one operation's derivative."""
    (text, words), (before, result) = tape.texts[place], tape.kept[place, 0]
    alike = [p for p, (other, _) in tape.texts.items() if other == text]
    here = f"`{text}`"
    if len(alike) > 1:
        here += f" (use {alike.index(place) + 1} of {len(alike)})"
    arrays = [k for k, v in enumerate(before) if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    for k in arrays:
        word = f"`{words[k]}`" if words[k] != "..." else f"operand {k + 1}"
        if words[k] != "..." and words.count(words[k]) > 1:
            word += f" as operand {k + 1}"
        yield f"{word} of {here}" if len(arrays) > 1 else here, k, "fixed"
    if len(arrays) == 1 and np.shape(result) == before[arrays[0]].shape:
        for kind in ("at output", *DERIVATIVES):
            yield here, arrays[0], kind
