"""Finds another function for which a wrong gradient would be right.

It is the same function with another number, parameter or mode, or with a wrong derivative of one
operation. Such a function is computed, and its slopes are compared with the analytic gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.evidence import STEP, Evidence, slopes
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.tape import hypotheses, recorded
from minitorch_np.gradcheck.wording import number, same


def same_as_elsewhere(case: Evidence) -> Iterator[str]:
    """It is the gradient of the same function with another setting or array."""
    order = np.argsort(-np.abs(case.residue).reshape(-1), kind="stable")
    probes = [int(p) for p in order[:3] if case.wrong.flat[p]]
    for text, change in (*_other_settings(case.target), *_other_arrays(case)):
        with contextlib.suppress(Exception), change:
            if case.target.value().shape != case.u.shape:
                continue
            found = case.u.reshape(-1) @ slopes(case.target, case.array, probes)[0]
            if not same(found, case.analytic.reshape(-1)[probes], case.scale):
                continue
            every = range(case.array.size)
            if case.fits(case.gradient(slopes(case.target, case.array, every)[0])):
                yield f"it would be right for {text}"


def _other_settings(target: Any) -> Iterator[tuple[str, Any]]:
    owners = [*target.layer.walk()] if hasattr(target, "layer") else []
    owners += [target.loss] if hasattr(target, "loss") else []
    for owner in owners:
        for key, value in vars(owner).items():
            if key.startswith("_") or key in ("built", "trainable"):
                continue
            if isinstance(value, bool):
                yield f"{key} = {not value}", _setting(owner, key, not value)
            elif isinstance(value, float) or (isinstance(value, int) and value > 0):
                inverse = 1 / value if value else 0.0
                for other in (0.0, 1.0, 2.0, -value, 1 - value, inverse, value**2):
                    if other != value:
                        words = f"{key} = {other:.6g}, not {value:.6g}"
                        yield words, _setting(owner, key, type(value)(other))
    if hasattr(target, "train"):
        mode = "prediction" if target.train else "training"
        yield mode, _setting(target, "train", not target.train)
    if getattr(target, "sample_weight", None) is not None:
        yield "no sample weights", _setting(target, "sample_weight", None)


def _other_arrays(case: Evidence) -> Iterator[tuple[str, Any]]:
    for name, array in case.target.arrays.items():
        changes = {f"{name} = 0": np.zeros_like(array)}
        if name in ("x", "scores"):
            changes |= {
                f"y in the place of {name}": case.y,
                f"abs({name}) in the place of {name}": np.abs(array),
                f"-{name} in the place of {name}": -array,
                "sample 0 in the place of all samples": np.broadcast_to(array[:1], array.shape),
            }
        else:
            changes[f"{name} = 1"] = np.ones_like(array)
            if array.ndim == 2 and array.shape[0] == array.shape[1]:
                changes[f"{name} transposed"] = array.T
                changes[f"{name} = the identity"] = np.eye(len(array))
        for axis in range(array.ndim):
            changes[f"{name} reversed along axis {axis}"] = np.flip(array, axis)
        for other, second in case.target.arrays.items():
            if other != name:
                changes[f"{other} in the place of {name}"] = second
        for text, value in changes.items():
            if value.shape == array.shape and not np.array_equal(value, array):
                yield text, case.target.moved({name: value - array})


@contextlib.contextmanager
def _setting(owner: Any, key: str, value: Any) -> Iterator[None]:
    before = getattr(owner, key)
    setattr(owner, key, value)
    try:
        yield
    finally:
        setattr(owner, key, before)


def spoiled(case: Evidence) -> Iterator[str]:
    """Backward would be right if one operation of forward had another derivative."""
    if case.array.size > 400:
        return
    rng = np.random.default_rng(0)
    step = STEP / 2 * root_mean_square(case.array)
    shape, u = case.array.shape, case.u.reshape(-1)
    directions = [np.where(case.known, rng.normal(size=shape), 0.0) for _ in range(2)]
    goals, true = (
        np.array([np.vdot(g, d) for d in directions]) for g in (case.analytic, case.numeric)
    )
    limit = 1e-6 * case.scale * float(np.sqrt(case.array.size))
    second = ""  # a missing path explains more than one that counts twice
    with recorded(case.target) as tape:

        def slope(direction: Array) -> Array:
            moved = tape.slope(case.target, case.array, step * direction, change)
            return np.asarray(moved / step)

        moving = tape.moved_by(case.target, case.array, step * directions[0])
        for words, change in hypotheses(tape):
            if (change.place, change.argument) not in moving:
                continue
            found: list[float] = []
            tried = directions if change.kind == "fixed" else directions[:1]
            with contextlib.suppress(Exception):
                rough = [tape.difference(case.target, case.array, step * d, change) for d in tried]
                if not _may_fit(np.array(rough) @ u / (2 * step), goals, true, ROUGH * limit):
                    continue
                found.append(float(u @ slope(directions[0])))
                if change.kind == "fixed" or abs(found[0] - goals[0]) <= limit:
                    found.append(float(u @ slope(directions[1])))
            share = _share(np.array(found), goals, true, limit) if len(found) == 2 else None
            if share is None or (share and (second or change.kind != "fixed")):
                continue
            if case.array.size < 3 and share and number(share).startswith("0."):
                continue
            jacobian = np.zeros((u.size, case.array.size))
            for place in np.flatnonzero(case.known):
                jacobian[:, place] = slope(np.eye(case.array.size)[place].reshape(shape))
            if _is_claimed(case, jacobian + share * (case.jacobian - jacobian)):
                second = _of_spoiled(words, change.kind, share)
                if not share:
                    break
    if second:
        yield second


ROUGH = 100.0
"""The error of a slope from two values may be this many times that of one from four."""


def _may_fit(rough: Array, goals: Array, true: Array, limit: float) -> bool:
    """Whether slopes from two values, in one or two directions, do not rule the hypothesis out."""
    if len(rough) == 1:
        return bool(abs(rough[0] - goals[0]) <= limit)
    lost = true - rough
    k = int(np.abs(lost).argmax())
    if abs(lost[k]) <= limit:
        return True
    share = (goals[k] - rough[k]) / lost[k]
    return bool(np.abs(rough + share * lost - goals).max() <= limit)


def _share(found: Array, goals: Array, true: Array, limit: float) -> float | None:
    """How often the changed path counts: 0 if not at all; None if that does not explain it."""
    lost = true - found
    k = int(np.abs(lost).argmax())
    if abs(lost[k]) <= limit:
        return None
    share = float((goals[k] - found[k]) / lost[k])
    if abs(share * lost[k]) <= limit:
        share = 0.0
    fits = np.abs(found + share * lost - goals).max() <= limit
    return share if fits and abs(share - 1) >= 1e-5 else None


def _is_claimed(case: Evidence, jacobian: Array) -> bool:
    if case.claimed is None:
        return case.fits(case.gradient(jacobian))
    scale = float(np.abs(case.claimed).max() + np.abs(jacobian).max())
    return same(jacobian, case.claimed, scale)


def _of_spoiled(words: str, kind: str, share: float) -> str:
    if kind == "fixed":
        if not share:
            return f"the path through {words} is missing: it is taken for a constant"
        return f"the path through {words} counts {number(share)} times"
    if kind == "at output":
        return f"the derivative of {words} is taken at its output, not at its input"
    return f"the derivative of {words} is taken as {kind}"
