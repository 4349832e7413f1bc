"""Checks all arrays of a target at a point, and near it if that is inconclusive.

A network of zeros is at the corner of each of its ReLUs, and a saturated one hardly changes at all.
At such a point a comparison means little. So an inconclusive array is checked again with all arrays
moved: by 1 % of their size, then by more.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.array_check import CLEAR, FAR, Effort, check_array, may_be_lost
from minitorch_np.gradcheck.claim import Claim
from minitorch_np.gradcheck.diagnosis import explain
from minitorch_np.gradcheck.numeric import (
    cotangent,
    generic_step,
    largest,
    root_mean_square,
)
from minitorch_np.gradcheck.report import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    WORST_RESOLUTION,
    WORST_RESOLUTION_OF_WHOLE,
    GradientCheck,
    TensorResult,
)
from minitorch_np.gradcheck.rules import broken
from minitorch_np.gradcheck.targets import Target

ASIDE = (0.01, 0.3, 1.0, 3.0, 1.0, 3.0)
"""The distances, over the arrays' sizes, of the other points to check."""

ELSEWHERE = 4
"""The number of other batches on which a single layer is checked: a clip at 1 needs an input above
1."""

VANISHED = 1e-5
"""A gradient inside a composed function has vanished if its array changes the value by less than
this fraction of it."""

NEARBY = (1e-8, 1e-10)
"""The distances at which to test whether the gradient jumps while the value does not."""

ABRUPT = 1e-3
"""A gradient that changes by this fraction of itself over the first distance also jumps."""

NEIGHBOURS = 12
"""The number of nearby points of this test."""


def check_arrays(
    result: GradientCheck,
    target: Target,
    effort: Effort,
    rng: np.random.Generator,
    allow: dict[str, str],
) -> Claim | None:
    """Check every array of a target and add the results to `result`; None if it does not run."""
    try:
        claim = Claim(target, rng)
    except Exception as error:  # a user-defined layer that does not run is a finding
        result.contracts.append(broken("forward and backward run", error))
        return None
    needed = WORST_RESOLUTION_OF_WHOLE if target.composed else WORST_RESOLUTION
    found = {name: check_array(claim, name, effort, rng, needed) for name in target.arrays}
    # Where several corners of a composed function meet, there may be no derivative at all.
    unsure = [n for n, r in found.items() if r.status == INCONCLUSIVE or _at_corners(r, claim)]
    if unsure and np.isfinite(claim.origin).all():
        _look_aside(found, unsure, claim, rng, needed)
    for name, tensor in found.items():
        if tensor.wrong and name in allow:
            tensor.allowed, tensor.doubt = allow[name], ""
        if tensor.wrong and not tensor.cause and not tensor.allowed:
            tensor.cause = explain(target, claim, tensor)
        result.tensors.append(tensor)
    return claim


def check_elsewhere(
    result: GradientCheck, target: Target, rng: np.random.Generator, allow: dict[str, str]
) -> None:
    """Check a single layer on other data, along directions, and add a part for an error there."""
    for _ in range(ELSEWHERE):
        inputs = {n: a for n, a in target.arrays.items() if n in ("x", "scores")}
        steps = _random_steps(inputs, rng.uniform(0.3, 1.2), rng)
        if _is_wrong_at(steps, "at other data", result, target, rng, allow):
            return


def check_beside_special_values(
    result: GradientCheck, target: Target, rng: np.random.Generator, allow: dict[str, str]
) -> None:
    """Check with constant arrays of 0, 1 or -1 (initial scales and biases) moved: at these values
    a missing factor or term would not be noticed.
    """
    special = {n: a for n, a in target.arrays.items() if a.flat[0] in (-1, 0, 1) and not np.ptp(a)}
    steps = {name: generic_step(rng, array) for name, array in special.items()}
    if steps:
        values = ", ".join(f"{array.flat[0]:g}" for array in special.values())
        where = f"with {', '.join(special)} moved away from {values}"
        _is_wrong_at(steps, where, result, target, rng, allow)


def _is_wrong_at(
    steps: dict[str, Array],
    where: str,
    result: GradientCheck,
    target: Target,
    rng: np.random.Generator,
    allow: dict[str, str],
) -> bool:
    """Whether a gradient is wrong with a step added to some arrays; if so, add a part for it."""
    with target.moved(steps):
        try:
            claim = Claim(target, rng)
        except Exception:  # not defined there
            return False
        for name in target.arrays:
            found = check_array(claim, name, Effort(0, 1), rng, WORST_RESOLUTION)
            if found.wrong and name not in allow:
                found.cause = found.cause or explain(target, claim, found)
                result.parts.append(GradientCheck(where, [found]))
                return True
    return False


def _look_aside(
    found: dict[str, TensorResult],
    unsure: list[str],
    claim: Claim,
    rng: np.random.Generator,
    needed: float,
) -> None:
    """Check uncertain arrays at other points, at increasing distances."""
    arrays = claim.target.arrays
    places = [
        (f"at a point moved by {100 * share:g} %", _random_steps(arrays, share, rng))
        for share in ASIDE
    ]
    unit: dict[str, Array] = {n: a / root_mean_square(a) - a for n, a in arrays.items()}
    for where, steps in [*places, ("with all arrays scaled to the size of 1", unit)]:
        if not unsure:
            break
        entries = max(found[name].entries if found[name].suspect else 0 for name in unsure)
        for name, again in _check_at(claim, steps, unsure, rng, needed, entries).items():
            if again.status == FAIL or (again.status == PASS and _decides(again, found[name])):
                what = "Several corners meet" if found[name].wrong else "Inconclusive"
                again.remark = f"{what} at the given point; checked {where}."
                found[name], unsure = again, [n for n in unsure if n != name]
    for name in unsure:
        result = found[name]
        if result.suspect and result.ratio >= CLEAR and not may_be_lost(claim, result):
            # A clear difference that no other point has refuted.
            result.wrong, result.doubt = result.suspect, ""
            if not _at_corners(result, claim, ABRUPT):
                continue
        if result.wrong:
            result.wrong, result.cause = 0, ""
            result.doubt = (
                "Corners meet here, or the value changes abruptly, so that a comparison means "
                "nothing. Other points were inconclusive too. Give other x, or another seed."
            )
        elif name in claim.fitting and not largest(claim.gradients[name]):
            _look_far(result, claim, rng, needed)
        elif name in claim.fitting and result.ratio <= 1 and _vanishes(claim, name):
            result.doubt, result.resolution = "", 0.0
            result.remark = (
                "Practically zero: the value hardly depends on it, here and at other points. Its "
                "layer has been checked by itself."
            )


def _decides(there: TensorResult, here: TensorResult) -> bool:
    """Whether a pass at another point is precise enough to refute the difference found here."""
    if not here.suspect or not here.resolution:  # there is no difference to refute
        return True
    return there.resolution <= 0.3 * here.ratio * here.resolution


def _random_steps(
    arrays: dict[str, Array], share: float, rng: np.random.Generator
) -> dict[str, Array]:
    """A random step for each array, of a fraction of its size."""
    return {n: share * root_mean_square(a) * rng.normal(size=a.shape) for n, a in arrays.items()}


def _vanishes(claim: Claim, name: str) -> bool:
    """Whether a gradient is lost in the rounding of a composed function."""
    effect = largest(claim.gradients[name]) * root_mean_square(claim.target.arrays[name])
    return effect < VANISHED * claim.natural_size


def _look_far(result: TensorResult, claim: Claim, rng: np.random.Generator, needed: float) -> None:
    """Accept a zero gradient if the slope is zero at other points too: a step function, as sign."""
    array = claim.target.arrays[result.name]
    for far in FAR:
        steps = {result.name: far * root_mean_square(array) * cotangent(rng, array.shape)}
        again = _check_at(claim, steps, [result.name], rng, needed).get(result.name)
        if again is None or again.resolution or again.ratio > 1:
            return
    result.doubt, result.resolution = "", 0.0
    result.remark = "Zero is right: the value is constant between its jumps."


def _check_at(
    claim: Claim,
    steps: dict[str, Array],
    names: list[str],
    rng: np.random.Generator,
    needed: float,
    entries: int = 0,
) -> dict[str, TensorResult]:
    """Check some arrays at another point, those of at most `entries` entries on each of them; no
    results if the target is not defined there.
    """
    with claim.target.moved(steps):
        try:
            there = Claim(claim.target, rng)
        except Exception:
            return {}
        found = {name: check_array(there, name, Effort(entries, 1), rng, needed) for name in names}
        for result in found.values():
            if _at_corners(result, there):
                result.wrong, result.doubt = 0, "Several corners meet there too."
        return found


def _at_corners(result: TensorResult, claim: Claim, least: float = 0.0) -> bool:
    """Whether a gradient that seems wrong is one of several valid ones at a corner.

    The median of four equal numbers does not change when one of them does; yet it has a gradient,
    that of any order of the four. So points very close are compared: if the gradient differs as
    much at a hundredth of the distance, and the value does not, the gradient jumps. Each entry may
    then be any number between the gradients around. Jumps below the fraction `least` of the
    gradient do not count, since rounding to float32 causes them everywhere.
    """
    tie = result.cause and not claim.target.composed
    if result.status != FAIL or result.name not in claim.fitting or tie:
        return False
    beside: list[Array] = []
    jumps = np.zeros(claim.gradients[result.name].shape, bool)
    for _ in range(NEIGHBOURS):
        direction = _random_steps(claim.target.arrays, 1.0, claim.rng)
        (far_value, far), (near_value, near) = (
            _changes(claim, result.name, direction, size) for size in NEARBY
        )
        if largest(near_value) > 0.3 * largest(far_value) + claim.sigma:
            return claim.target.composed  # the value itself jumps: nothing can be said here
        beside.append(claim.gradients[result.name] + near)
        small = 100 * claim.noise[result.name] + least * largest(claim.gradients[result.name])
        jumps |= np.abs(near) > np.maximum(0.3 * np.abs(far), small)
        if claim.target.composed:  # a corner that lies between the two distances
            jumps |= np.abs(far) > ABRUPT * largest(claim.gradients[result.name])
    if claim.target.composed or not result.places:  # corners of many outputs add up
        return bool(jumps.any())
    others = np.array(beside).reshape(NEIGHBOURS, -1)[:, result.places]
    here = claim.gradients[result.name].reshape(-1)[result.places]
    margin = claim.rounding(result.name)
    between = (others.min(axis=0) - margin <= here) & (here <= others.max(axis=0) + margin)
    return bool(jumps.reshape(-1)[result.places].all() and between.all())


def _changes(
    claim: Claim, name: str, direction: dict[str, Array], size: float
) -> tuple[Array, Array]:
    """The changes of the value and of a gradient over a small step."""
    with claim.target.moved({n: size * step for n, step in direction.items()}):
        return claim.terms(), claim.target.gradients(claim.u)[name] - claim.gradients[name]
