"""Of which other function would the gradient be right?

Of the same with another number, parameter or mode; or with one operation that has another
derivative.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.evidence import STEP, Evidence
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.tape import hypotheses, recorded, slope
from minitorch_np.gradcheck.wording import (
    number,
    same,
)


def same_as_elsewhere(case: Evidence) -> Iterator[str]:
    """It is the gradient of the same function with something in it changed."""
    order = np.argsort(-np.abs(case.residue).reshape(-1), kind="stable")
    probes = [int(p) for p in order[:3] if case.wrong.flat[p]]
    for text, change in _changes(case):
        with contextlib.suppress(Exception), change():
            if case.target.value().shape != case.u.shape:
                continue
            quick, _ = case.measure(probes)
            found = case.u.reshape(-1) @ quick
            if not same(found, case.analytic.reshape(-1)[probes], case.scale):
                continue
            full, _ = case.measure(range(case.array.size))
            if case.fits((case.u.reshape(-1) @ full).reshape(case.array.shape)):
                yield f"it would be right for {text}"


def _changes(case: Evidence) -> Iterator[tuple[str, Any]]:
    target = case.target
    owners: list[Any] = list(target.layer.walk()) if hasattr(target, "layer") else []
    owners += [target.loss] if hasattr(target, "loss") else []
    for owner in owners:
        for key, value in getattr(owner, "__dict__", {}).items():
            if key.startswith("_") or key in ("built", "trainable"):
                continue
            if isinstance(value, bool):
                yield f"{key} = {not value}", _setting(owner, key, not value)
            elif isinstance(value, float) or (isinstance(value, int) and value > 0):
                for other in (
                    0.0,
                    1.0,
                    2.0,
                    -value,
                    1 - value,
                    1 / value if value else 0.0,
                    value**2,
                ):
                    if other != value:
                        words = f"{key} = {other:.6g}, not {value:.6g}"
                        yield words, _setting(owner, key, type(value)(other))
    yield from _other_arrays(case)
    yield from _other_modes(target)


def _other_arrays(case: Evidence) -> Iterator[tuple[str, Any]]:
    target = case.target
    for name, array in target.arrays.items():
        if name in ("x", "scores"):
            changes = {
                f"y in the place of {name}": case.y,
                f"abs({name}) in the place of {name}": np.abs(array),
                f"-{name} in the place of {name}": -array,
                f"{name} = 0": np.zeros_like(array),
                "sample 0 in the place of all samples": np.broadcast_to(array[:1], array.shape),
            }
        else:
            changes = {f"{name} = 1": np.ones_like(array), f"{name} = 0": np.zeros_like(array)}
            if array.ndim == 2 and array.shape[0] == array.shape[1]:
                changes[f"{name} transposed"] = array.T
                changes[f"{name} = the identity"] = np.eye(len(array))
        for axis in range(array.ndim):
            changes[f"{name} reversed along axis {axis}"] = np.flip(array, axis)
        for other, second in target.arrays.items():
            if other != name and second.shape == array.shape:
                changes[f"{other} in the place of {name}"] = second.copy()
        for text, value in changes.items():
            if value.shape == array.shape and not np.array_equal(value, array):
                yield text, _moved(target, name, value.copy() - array)


def _other_modes(target: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(target, "train"):
        yield (
            "prediction" if target.train else "training",
            _setting(target, "train", not target.train),
        )
    if getattr(target, "sample_weight", None) is not None:
        yield "no sample weights", _setting(target, "sample_weight", None)
    if hasattr(target, "targets") and np.asarray(target.targets).dtype.kind == "f":
        for text, value in (("0", 0 * target.targets), ("1", 0 * target.targets + 1)):
            yield f"targets = {text}", _setting(target, "targets", value)


def _moved(target: Any, name: str, step: Array) -> Any:
    return lambda: target.moved({name: step})


def _setting(owner: Any, key: str, value: Any) -> Any:
    @contextlib.contextmanager
    def change() -> Iterator[None]:
        before = getattr(owner, key)
        setattr(owner, key, value)
        try:
            yield
        finally:
            setattr(owner, key, before)

    return change


def spoiled(case: Evidence) -> Iterator[str]:
    """Backward is right for a forward of which one operation has another derivative."""
    if case.array.size > 400:
        return
    rng = np.random.default_rng(0)
    step = STEP / 2 * root_mean_square(case.array)
    directions = [np.where(case.known, rng.normal(size=case.array.shape), 0.0) for _ in range(2)]
    u, start = case.u.reshape(-1), case.array.copy()
    goals = [float(np.vdot(case.analytic, d)) for d in directions]
    true = [float(np.vdot(case.numeric, d)) for d in directions]
    limit = 1e-6 * case.scale * float(np.sqrt(case.array.size))
    second = ""  # a path that is missing says more than one that counts twice

    def along(direction: Array) -> Callable[[float], None]:
        def move(t: float) -> None:
            case.array[...] = start + t * step * direction

        return move

    with recorded(case.target) as tape:
        for words, change in hypotheses(tape):
            slopes: list[float] = []
            with contextlib.suppress(Exception):
                for d, goal in zip(directions, goals, strict=True):
                    slopes.append(float(u @ slope(case.target, tape, change, along(d))) / step)
                    if change.kind != "fixed" and abs(slopes[-1] - goal) > limit:
                        break
                    if change.kind == "fixed" and abs(slopes[0] - true[0]) <= limit:
                        break
            factor = None
            if len(slopes) == 2:
                factor = _factor(change.kind, slopes, goals, true, limit)
            if factor is None or (second and abs(factor) > 1e-6):
                continue
            if case.array.size < 3 and abs(factor) > 1e-6 and number(factor).startswith("0."):
                continue
            found = np.zeros((u.size, case.array.size))
            for place in np.flatnonzero(case.known):
                one = np.zeros(case.array.size)
                one[place] = 1.0
                move = along(one.reshape(case.array.shape))
                found[:, place] = slope(case.target, tape, change, move) / step
            fitting = _is_claimed(case, found + factor * (case.jacobian - found))
            if fitting and abs(factor) < 1e-6:
                yield _of_spoiled(words, change.kind, factor)
                return
            if fitting:
                second = second or _of_spoiled(words, change.kind, factor)
    if second:
        yield second


def _is_claimed(case: Evidence, jacobian: Array) -> bool:
    if case.claimed is None:
        return case.fits((case.u.reshape(-1) @ jacobian).reshape(case.array.shape))
    scale = float(np.abs(case.claimed).max() + np.abs(jacobian).max())
    return same(jacobian, case.claimed, scale)


def _factor(
    kind: str, slopes: list[float], goals: list[float], true: list[float], limit: float
) -> float | None:
    """How often a path counts, 0 for another derivative; None if that does not fit."""
    factor = 0.0
    if kind == "fixed":  # analytic is linear in how often the path counts
        paths = [t - s for t, s in zip(true, slopes, strict=True)]
        if max(map(abs, paths)) <= limit:
            return None
        k = int(abs(paths[1]) > abs(paths[0]))
        factor = (goals[k] - slopes[k]) / paths[k]
        slopes = [s + factor * p for s, p in zip(slopes, paths, strict=True)]
    fits = all(abs(s - g) <= limit for s, g in zip(slopes, goals, strict=True))
    return factor if fits and abs(factor - 1) >= 1e-5 else None


def _of_spoiled(words: str, kind: str, factor: float) -> str:
    if kind == "fixed":
        if abs(factor) < 1e-6:
            return f"the path through {words} is missing: it is taken for a constant"
        return f"the path through {words} counts {number(factor)} times"
    if kind == "at output":
        return f"the derivative of {words} is taken at its output, not at its input"
    if kind == "1 (it is left out)" and (" * " in words or " / " in words):
        return f"the factor in {words} is left out on the way back"
    if kind.startswith(("y, ", "z, ")) and (" + " in words or " - " in words):
        return f"what comes back through {words} has a factor of its own value too much"
    if kind == "transposed":
        return f"{words} should be transposed, or should not, on the way back"
    return f"the derivative of {words} is taken as {kind}"
