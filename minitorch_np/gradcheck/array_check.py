"""Compares one array's gradient with finite differences: entry by entry, or along directions.

Every entry costs eight evaluations, so a small array is checked completely. A large one is checked
along random directions: d/dt u . F(p + t d) must be the sum of the gradient times d. A direction
detects a wrong entry anywhere; when one fails, it is bisected until the entry is found. Equal
entries are also moved together: at a tie the maximum is free to choose which of them gets the
gradient, but together they must get all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.claim import MANY, Claim
from minitorch_np.gradcheck.numeric import (
    EPSILON,
    Sides,
    cotangent,
    largest,
    root_mean_square,
    slopes,
)
from minitorch_np.gradcheck.report import TensorResult

CLEAR, CLEAR_COMPOSED = 10.0, 100.0
"""At a poor resolution, a gradient is wrong if it is off by this many tolerances. In a composed
function this always applies, since the error bars of saturated inner values are too short."""

TINY = 1e-9
"""A gradient this small, relative to the arrays, may belong to a value that is lost in rounding."""

FAINT = 1e-7
"""In a composed function, a difference that changes the value by less than this fraction, when the
array changes by its size, is decided at other points: it may be due to corners."""

LOST = 1e-6
"""In a composed function, a slope that changes the value by less than this fraction, when the array
changes by its size, may be lost in rounding: it is never called wrong."""

INDEPENDENT = 1e-9
"""A value that changes by less than this fraction of itself does not depend on the array."""

FAR = (1.0, -0.3, 3.0)
"""The distances, over the array's size, at which this is tested."""


class Effort(NamedTuple):
    """Arrays of at most `few` entries are checked entry by entry, others along `directions`."""

    few: int
    directions: int


def check_array(
    claim: Claim, name: str, effort: Effort, rng: np.random.Generator, needed: float
) -> TensorResult:
    """Check the array `name`; a gradient that seems wrong is checked again with finer estimates."""
    array = claim.target.arrays[name]
    result = TensorResult(name, array.size, needed=needed)
    if _is_comparable(result, claim):
        state = rng.bit_generator.state
        _check(result, claim, effort, rng)
        if result.wrong and claim.refine():
            rng.bit_generator.state = state
            result = TensorResult(name, array.size, needed=needed)
            _check(result, claim, effort, rng)
        if result.wrong and result.ratio < _clear(claim, result):
            result.wrong, result.suspect, result.cause = 0, result.wrong, ""
            result.doubt = "Rounding is too large here to tell. Give other x."
        if not result.wrong and not largest(claim.gradients[name]):
            _judge_zero(result, claim)
        elif not result.wrong and result.resolution > needed:
            _judge_small(result, claim)
    return result


def _clear(claim: Claim, result: TensorResult) -> float:
    """The number of tolerances above which a gradient is wrong without a check at other points."""
    sizes = {name: root_mean_square(array) for name, array in claim.target.arrays.items()}
    effect = largest(claim.gradients[result.name]) * sizes[result.name]
    if 0 < effect < TINY * max(sizes.values()):
        return math.inf  # as GELU's at -10: the value is lost in the rounding of 1 + tanh
    if claim.target.composed:
        difference = abs(result.analytic - result.numeric) * sizes[result.name]
        faint = difference < FAINT * claim.natural_size or may_be_lost(claim, result)
        return math.inf if faint else CLEAR_COMPOSED
    return CLEAR if result.resolution > result.needed else 1.0


def may_be_lost(claim: Claim, result: TensorResult) -> bool:
    """Whether the difference may come from corners or rounding inside a composed function."""
    slope = max(abs(result.analytic), abs(result.numeric))
    effect = slope * root_mean_square(claim.target.arrays[result.name])
    return claim.target.composed and effect < LOST * claim.natural_size


def _check(result: TensorResult, claim: Claim, effort: Effort, rng: np.random.Generator) -> None:
    if result.size <= effort.few:
        _check_entries(result, claim, rng)
    else:
        _check_directions(result, claim, effort.directions, rng)


def _check_entries(result: TensorResult, claim: Claim, rng: np.random.Generator) -> None:
    """Check each entry by itself, then equal entries together."""
    array, gradient = claim.target.arrays[result.name], claim.gradients[result.name].reshape(-1)
    size, scale = root_mean_square(array), claim.scale(result.name)
    margin = claim.rounding(result.name)
    result.entries = array.size
    result.left, result.right = np.zeros(array.shape), np.zeros(array.shape)
    for place, at in enumerate(array.reshape(-1).tolist()):
        found, ratio, tolerance = claim.compare(
            claim.entry_line(result.name, place),
            float(gradient[place]),
            max(abs(at), size),
            scale,
            margin,
        )
        result.left.flat[place], result.right.flat[place] = found.left, found.right
        if found.error == math.inf:
            result.jumps += 1
            continue
        _judge(result, found, float(gradient[place]), ratio, place)
        result.kinks += found.at_corner(tolerance)
        result.resolution = max(result.resolution, tolerance / scale if scale else 0.0)
    if 2 * result.jumps > array.size:
        result.doubt = NOT_MEASURED
    if not result.wrong and not result.jumps:
        for direction in _of_ties(array, rng):
            _try_direction(result, claim, direction, of_ties=True)


def _check_directions(
    result: TensorResult, claim: Claim, directions: int, rng: np.random.Generator
) -> None:
    """Check along random directions of all entries; one that fails leads to the wrong entry."""
    array = claim.target.arrays[result.name]
    tried = [(cotangent(rng, array.shape), False) for _ in range(directions)]
    for direction, of_ties in [*tried, *((d, True) for d in _of_ties(array, rng))]:
        _try_direction(result, claim, direction, of_ties)
        if result.wrong:
            break
        result.directions += 1


def _of_ties(array: Array, rng: np.random.Generator) -> Iterator[Array]:
    """A direction in which equal entries move together, if there are any."""
    if array.size > MANY:
        return
    values, places = np.unique(array, return_inverse=True)
    if values.size < array.size:
        yield cotangent(rng, values.shape)[places.reshape(array.shape)]


def _try_direction(result: TensorResult, claim: Claim, direction: Array, of_ties: bool) -> None:
    found, ratio, tolerance = _along(claim, result.name, direction)
    if not math.isfinite(found.error):
        result.doubt = result.doubt if of_ties else NOT_MEASURED
        return
    # Along a direction, the gradient's terms add up to about its size times the root of the length.
    gradient, length = claim.gradients[result.name], float(np.linalg.norm(direction))
    scale = float(np.linalg.norm(gradient * direction))
    if claim.scale(result.name) > largest(gradient):  # terms that cancel
        scale = max(scale, length * claim.scale(result.name))
    if not result.entries:
        result.kinks += found.at_corner(tolerance)
        result.resolution = max(result.resolution, tolerance / scale if scale else 0.0)
    result.ratio = max(result.ratio, ratio)
    if ratio > 1:
        result.wrong = 1
        result.analytic, result.numeric = float((gradient * direction).sum()), found.value
        if of_ties:
            result.cause = (
                "equal entries, moved together, change the value by another amount than their "
                "gradients add up to: at a tie the gradient is counted twice, or lost"
            )
        else:
            _locate(result, claim, direction)


def _along(claim: Claim, name: str, direction: Array) -> tuple[Sides, float, float]:
    """`Claim.compare` along a direction."""
    size, length = root_mean_square(claim.target.arrays[name]), float(np.linalg.norm(direction))
    products = claim.gradients[name] * direction
    scale = claim.scale(name) * length / max(1.0, math.sqrt(direction.size))
    margin = claim.rounding(name) * length + 4 * EPSILON * float(np.abs(products).sum())
    return claim.compare(claim.line(name, direction), float(products.sum()), size, scale, margin)


SAMPLED = 24
"""The number of further entries of a large array that are measured once one of them is wrong."""


def _locate(result: TensorResult, claim: Claim, direction: Array) -> None:
    """Bisect the set of entries that a failing direction moves until one is left."""
    gradient, name = claim.gradients[result.name], result.name
    places = np.flatnonzero(direction)
    while len(places) > 1:
        half = places[: len(places) // 2]
        masked = np.zeros(direction.size)
        masked[half] = direction.reshape(-1)[half]
        _, ratio, _ = _along(claim, name, masked.reshape(direction.shape))
        places = half if ratio > 1 else places[len(places) // 2 :]
    located = int(places[0])
    spread = np.unique(np.linspace(0, gradient.size - 1, SAMPLED).astype(int))
    sample = np.array([located, *(place for place in spread.tolist() if place != located)])
    numeric, ratios = np.empty(len(sample)), np.empty(len(sample))
    size, margin = root_mean_square(claim.target.arrays[name]), claim.rounding(name)
    for row, place in enumerate(sample.tolist()):
        claimed = float(gradient.flat[place])
        found, ratios[row], _ = claim.compare(
            claim.entry_line(name, place), claimed, size, claim.scale(name), margin
        )
        numeric[row] = found.value
    result.entries, result.wrong = len(sample), max(1, int((ratios > 1).sum()))
    worst = int(np.argmax(ratios))
    result.analytic, result.numeric = float(gradient.flat[sample[worst]]), float(numeric[worst])
    result.place = unravel(int(sample[worst]), gradient.shape)
    result.sample = (sample, numeric)


def _is_comparable(result: TensorResult, claim: Claim) -> bool:
    """Whether the gradient can be compared: it has the right shape and is finite.

    Where the slope itself is infinite, as sqrt's at 0, no number would be right.
    """
    name, gradient = result.name, claim.gradients.get(result.name)
    if not np.isfinite(claim.origin).all():
        result.doubt = "The value is not finite here. Give other x."
        return False
    if name not in claim.fitting:
        got = "none" if gradient is None else f"one of shape {np.shape(gradient)}"
        shape = claim.target.arrays[name].shape
        result.wrong, result.ratio = result.size, math.inf
        result.cause = f"expected a gradient of shape {shape}, got {got}"
        return False
    for place in claim.infinite[name][:SAMPLED]:
        size = root_mean_square(claim.target.arrays[name])
        found = slopes(claim.entry_line(name, int(place)), size, claim.sigma)
        if found.error < math.inf:
            result.wrong, result.ratio = len(claim.infinite[name]), math.inf
            result.place = unravel(int(place), claim.target.arrays[name].shape)
            result.analytic, result.numeric = math.nan, found.value
            result.cause = "it is not finite"
            return False
    return True


def _judge(result: TensorResult, found: Sides, claimed: float, ratio: float, at: int) -> None:
    """Add one entry to the result."""
    if ratio > 1:
        result.wrong += 1
        result.places.append(at)
    if ratio > result.ratio:
        nearest = min((found.left, found.right), key=lambda side: abs(side - claimed))
        result.ratio, result.analytic, result.numeric = ratio, claimed, nearest
        result.place = unravel(at, result.left.shape)


NOT_MEASURED = "The value can't be measured around this point: it jumps, or is not defined there."


def _judge_zero(result: TensorResult, claim: Claim) -> None:
    """Judge a gradient of zero: it is right if the value does not depend on the array at all."""
    array = claim.target.arrays[result.name]
    values = []
    for far in FAR:
        step = far * root_mean_square(array) * cotangent(claim.rng, array.shape)
        with claim.target.moved({result.name: step}):
            try:
                values.append(largest(claim.terms()))
            except Exception:  # not defined there
                values.append(math.inf)
    if max(values) <= INDEPENDENT * claim.size:
        result.doubt, result.resolution = "", 0.0
        result.remark = (
            "Zero is right: the value stays the same when this array is moved by up to three times "
            "its size."
        )
    else:
        result.doubt = (
            "The gradient is zero here, yet the value depends on this array: its units are "
            "probably dead. Give other x, or another seed."
        )


def _judge_small(result: TensorResult, claim: Claim) -> None:
    """Judge a gradient that can't be distinguished from rounding."""
    result.doubt = result.doubt or (
        "The value changes here by hardly more than its rounding, so that an error of "
        f"{min(100.0, 100 * result.resolution):.1g} % would not be seen. Is something saturated? "
        "Give smaller x."
    )


def unravel(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of an entry, given its position in memory order."""
    return tuple(int(i) for i in np.unravel_index(place, shape))
