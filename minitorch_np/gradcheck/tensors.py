"""One array's gradient held against finite differences: entry by entry, or along directions.

Every entry costs six evaluations, so a small array is checked whole. A large one is checked along
random directions: d/dt u . F(p + t d) has to be the sum of the gradient times d. A direction sees
every wrong entry at once; when one fails, it is halved again and again until the entry is found.
"""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.diagnosis import explain
from minitorch_np.gradcheck.numeric import (
    EPSILON,
    KAPPA,
    Slope,
    entry_line,
    line,
    noise,
    root_mean_square,
    slope,
)
from minitorch_np.gradcheck.report import TensorResult
from minitorch_np.gradcheck.subjects import Subject

DIRECTIONS = 2
"""How many random directions stand for a large array."""


class Claim:
    """The gradient that is claimed for u . F, and how far rounding may take it from linear."""

    def __init__(self, subject: Subject, rng: np.random.Generator) -> None:
        self.origin = subject.value()
        self.u = cotangent(rng, self.origin.shape)
        v = cotangent(rng, self.origin.shape)
        self.gradients = subject.gradients(self.u)
        other, both = subject.gradients(v), subject.gradients(self.u - 3 * v)
        self.defects: dict[str, float] = {}
        for name, gradient in self.gradients.items():
            if name not in subject.arrays or gradient.shape != subject.arrays[name].shape:
                continue  # the contract about names and shapes says so
            linear = gradient - 3 * other[name]
            scale = largest(gradient) + 3 * largest(other[name])
            self.defects[name] = largest(both[name] - linear) / scale if scale else 0.0
        # Rounding in the value itself is at least some ulps of its terms.
        self.floor = 4 * EPSILON * float(np.linalg.norm(self.u * self.origin)) + 1e-300

    def rounding(self, name: str) -> float:
        """How far the claimed gradient may be off by rounding alone, in absolute terms."""
        # A defect that is more than rounding breaks the contract of linearity; no slack for it.
        defect = min(self.defects[name], 1e-11)
        return (KAPPA * defect + 8 * EPSILON) * largest(self.gradients[name])


def check_entries(subject: Subject, name: str, claim: Claim) -> TensorResult:
    """Every entry of the array `name`."""
    array, gradient = subject.arrays[name], claim.gradients[name].reshape(-1)
    result = TensorResult(name, array.size, entries=array.size)
    size, sigma = root_mean_square(array), _sigma(subject, name, claim)
    scale, allowance = largest(gradient), claim.rounding(name)
    worst_tolerance = 0.0
    left, right = np.empty(array.size), np.empty(array.size)
    for place in range(array.size):
        phi = entry_line(subject, name, place, claim.u, claim.origin)
        entry_size = max(abs(float(array.reshape(-1)[place])), size)
        found = slope(phi, entry_size, sigma)
        tolerance = KAPPA * found.error + allowance
        worst_tolerance = max(worst_tolerance, tolerance)
        smooth = found.kind == "smooth"
        left[place], right[place] = (found.value,) * 2 if smooth else (found.left, found.right)
        _judge(result, found, float(gradient[place]), tolerance, place)
    _conclude(result, array.shape, worst_tolerance, scale)
    if result.wrong:
        for side in (left, right):  # at a kink either may be what the formula stands for
            true = side.reshape(array.shape)
            result.cause = explain(subject, name, claim.gradients[name], true, claim.u)
            if result.cause:
                break
    return result


def check_directions(
    subject: Subject, name: str, claim: Claim, rng: np.random.Generator
) -> TensorResult:
    """Random directions of the array `name`; one that fails leads to the wrong entry."""
    array, gradient = subject.arrays[name], claim.gradients[name]
    result = TensorResult(name, array.size, directions=DIRECTIONS)
    size, sigma = root_mean_square(array), _sigma(subject, name, claim)
    scale, worst_tolerance = 0.0, 0.0
    for _ in range(DIRECTIONS):
        direction = cotangent(rng, array.shape)
        ratio, found, _expected, tolerance = _along(subject, name, claim, direction, size, sigma)
        # What a direction adds up to is the size of the gradient times the root of its length.
        scale = max(scale, float(np.linalg.norm(gradient * direction)))
        worst_tolerance = max(worst_tolerance, tolerance)
        result.ratio = max(result.ratio, ratio)
        if found.kind == "kink":
            result.kinks += 1
        if ratio > 1:
            _locate(result, subject, name, claim, direction, size, sigma)
            break
    result.resolution = worst_tolerance / scale if scale else 0.0
    if not scale:
        result.remark = ZERO
    return result


ZERO = "the gradient is zero everywhere: nothing to compare; check at another point"


def _along(
    subject: Subject, name: str, claim: Claim, direction: Array, size: float, sigma: float
) -> tuple[float, Slope, float, float]:
    """Error over tolerance along a direction, and what it is made of."""
    found = slope(line(subject, name, direction, claim.u), size, sigma)
    products = claim.gradients[name] * direction
    expected = float(products.sum())
    rounding = claim.rounding(name) * float(np.linalg.norm(direction))
    tolerance = KAPPA * found.error + rounding + 4 * EPSILON * float(np.abs(products).sum())
    return _distance(found, expected) / tolerance, found, expected, tolerance


def _locate(
    result: TensorResult,
    subject: Subject,
    name: str,
    claim: Claim,
    direction: Array,
    size: float,
    sigma: float,
) -> None:
    """Halve the set of entries that a failing direction moves until one is left."""
    places = np.flatnonzero(direction)
    while len(places) > 1:
        half = places[: len(places) // 2]
        masked = np.zeros(direction.size)
        masked[half] = direction.reshape(-1)[half]
        ratio, *_ = _along(subject, name, claim, masked.reshape(direction.shape), size, sigma)
        places = half if ratio > 1 else places[len(places) // 2 :]
    phi = entry_line(subject, name, int(places[0]), claim.u, claim.origin)
    found = slope(phi, size, sigma)
    result.wrong = 1
    result.analytic = float(claim.gradients[name].reshape(-1)[places[0]])
    result.numeric = found.value
    result.place = _unravel(int(places[0]), direction.shape)


def _judge(
    result: TensorResult, found: Slope, analytic: float, tolerance: float, place: int
) -> None:
    """Take one entry into the result."""
    ratio = _distance(found, analytic) / tolerance
    if found.kind != "smooth":
        result.kinks += 1
    if ratio > 1:
        result.wrong += 1
    if ratio > result.ratio:
        result.ratio, result.analytic, result.numeric = ratio, analytic, found.value
        result.place = (place,)


def _distance(found: Slope, analytic: float) -> float:
    """How far a claimed derivative is from the numeric one; at a kink, from between its sides."""
    if found.kind == "smooth":
        return abs(analytic - found.value)
    if math.isnan(found.value):
        return math.inf
    low, high = sorted((found.left, found.right))
    return max(0.0, low - analytic, analytic - high)


def _conclude(
    result: TensorResult, shape: tuple[int, ...], worst_tolerance: float, scale: float
) -> None:
    if result.place is not None:
        result.place = _unravel(result.place[0], shape)
    result.resolution = worst_tolerance / scale if scale else 0.0
    if not scale and not result.wrong:
        result.remark = ZERO


def _sigma(subject: Subject, name: str, claim: Claim) -> float:
    """The noise of u . F near the present point, along a fixed direction of the array `name`."""
    array = subject.arrays[name]
    direction = np.cos(np.arange(array.size, dtype=np.float64)).reshape(array.shape)
    phi = line(subject, name, direction, claim.u)
    return noise(phi, root_mean_square(array), claim.floor)


def cotangent(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers of both signs, none of them near zero."""
    sized: Array = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return sized


def largest(array: Array) -> float:
    """The largest absolute value; 0 for an empty array."""
    return float(np.abs(array).max()) if array.size else 0.0


def _unravel(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(place, shape))
