"""One array's gradient held against finite differences: entry by entry, or along directions.

Every entry costs eight evaluations, so a small array is checked whole. A large one is checked along
random directions: d/dt u . F(p + t d) has to be the sum of the gradient times d. A direction sees
every wrong entry at once; when one fails, it is halved again and again until the entry is found.
"""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.diagnosis import explain, explain_ratio
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
from minitorch_np.gradcheck.report import (
    AT_KINKS,
    WORST_RESOLUTION_OF_WHOLE,
    ZERO,
    TensorResult,
)
from minitorch_np.gradcheck.subjects import Subject


class Claim:
    """The gradient that is claimed for u . F, and how far rounding may take it from linear."""

    def __init__(self, subject: Subject, rng: np.random.Generator) -> None:
        self.origin, self.composed = subject.value(), subject.composed
        self.u = cotangent(rng, self.origin.shape)
        v = cotangent(rng, self.origin.shape)
        self.gradients = subject.gradients(self.u)
        other, both = subject.gradients(v), subject.gradients(self.u - 3 * v)
        self.size = float(np.linalg.norm(self.u * self.origin))
        # In what is composed a gradient may be zero in truth, as that of a bias before a BatchNorm,
        # and all there is of it is rounding. Then a small part of what it might have been is the
        # scale: the value's size over the array's.
        self.least = {
            name: 0.01 * self.size / root_mean_square(array) if self.composed else 0.0
            for name, array in subject.arrays.items()
        }
        self.defects: dict[str, float] = {}
        for name, gradient in self.gradients.items():
            if name not in subject.arrays or gradient.shape != subject.arrays[name].shape:
                continue  # the contract about names and shapes says so
            linear = gradient - 3 * other[name]
            scale = max(largest(gradient) + 3 * largest(other[name]), self.least[name])
            self.defects[name] = largest(both[name] - linear) / scale if scale else 0.0
        # Rounding in the value itself is at least some ulps of its terms.
        self.floor = 4 * EPSILON * self.size + 1e-300
        self.sigma = _noise(subject, self.u, self.floor)

    def rounding(self, name: str, size: float) -> float:
        """How far the claimed gradient may be off by rounding alone, for an array of `size`.

        An ulp of the value over the array's size is what no formula need be better than.
        """
        # A defect that is more than rounding breaks the contract of linearity; no slack for it.
        defect = min(self.defects[name], 1e-11)
        relative = KAPPA * defect + 8 * EPSILON
        return relative * largest(self.gradients[name]) + KAPPA * self.floor / size

    def resolution(self, name: str, size: float, tolerance: float, scale: float) -> float:
        """Which share of a gradient of `scale` could have been seen, for an array of `size`.

        Where there is nothing but rounding, the value's size over the array's stands for the scale;
        each layer has been checked by itself on a gradient that is not zero.
        """
        if self.composed and 0 < scale <= tolerance:
            scale = self.size / size
        return tolerance / scale if scale else 0.0


def check_entries(subject: Subject, name: str, claim: Claim) -> TensorResult:
    """Every entry of the array `name`."""
    array, gradient = subject.arrays[name], claim.gradients[name].reshape(-1)
    result = TensorResult(name, array.size, entries=array.size)
    if _not_finite(result, claim):
        return result
    size, scale = root_mean_square(array), largest(gradient)
    allowance = claim.rounding(name, size)
    worst_tolerance = 0.0
    left, right = np.empty(array.size), np.empty(array.size)
    for place in range(array.size):
        phi = entry_line(subject, name, place, claim.u, claim.origin)
        entry_size = max(abs(float(array.reshape(-1)[place])), size)
        found = slope(phi, entry_size, claim.sigma, scale)
        tolerance = KAPPA * found.error + allowance
        worst_tolerance = max(worst_tolerance, tolerance)
        smooth = found.kind == "smooth"
        left[place], right[place] = (found.value,) * 2 if smooth else (found.left, found.right)
        claimed = float(gradient[place])
        if _distance(found, claimed) > tolerance:
            tolerance += summation(subject, name, place, claim, found.step)
        if claim.composed and found.kind == "kink" and _distance(found, claimed) > tolerance:
            result.kinks, result.remark = result.kinks + 1, AT_KINKS
            continue
        _judge(result, found, claimed, tolerance, place)
    result.resolution = claim.resolution(name, size, worst_tolerance, scale)
    _conclude(result, array.shape, scale)
    if result.wrong:
        for side in (left, right):  # at a kink either may be what the formula stands for
            true = side.reshape(array.shape)
            result.cause = explain(subject, name, claim.gradients[name], true, claim.u)
            if result.cause:
                break
    return result


def summation(subject: Subject, name: str, place: int, claim: Claim, step: float) -> float:
    """How far rounding may take the sum of u dF/dp over all outputs, where its terms cancel.

    The terms are taken from a step of a size that has been seen to be good.
    """
    flat = subject.arrays[name].reshape(-1)
    start = float(flat[place])
    flat[place] = start + step
    terms = claim.u * (subject.value() - claim.origin) / step
    flat[place] = start
    return KAPPA * EPSILON * float(np.abs(terms).sum())


def check_directions(
    subject: Subject, name: str, claim: Claim, rng: np.random.Generator, directions: int
) -> TensorResult:
    """Random directions of the array `name`; one that fails leads to the wrong entry."""
    array, gradient = subject.arrays[name], claim.gradients[name]
    result = TensorResult(name, array.size, directions=directions)
    if _not_finite(result, claim):
        return result
    scale, worst_tolerance = 0.0, 0.0
    for _ in range(directions):
        direction = cotangent(rng, array.shape)
        ratio, found, tolerance = _along(subject, name, claim, direction)
        # What a direction adds up to is the size of the gradient times the root of its length.
        scale = max(scale, float(np.linalg.norm(gradient * direction)))
        worst_tolerance = max(worst_tolerance, tolerance)
        result.ratio = max(result.ratio, ratio)
        if found.kind != "smooth":
            result.kinks += 1
        if found.kind == "kink" and ratio > 1:  # many kinks at once need not give a subgradient
            result.remark = AT_KINKS
        elif not ratio <= 1:
            _locate(result, subject, name, claim, direction)
            break
    size = root_mean_square(array)
    result.resolution = claim.resolution(name, size, worst_tolerance, scale)
    result.needed = WORST_RESOLUTION_OF_WHOLE if claim.composed else result.needed
    if not scale:
        result.remark = ZERO
    if result.remark:
        result.ratio = min(result.ratio, 1.0)
    return result


def _along(
    subject: Subject, name: str, claim: Claim, direction: Array
) -> tuple[float, Slope, float]:
    """Error over tolerance along a direction, the slope that was found, and the tolerance."""
    size = root_mean_square(subject.arrays[name])
    found = slope(line(subject, name, direction, claim.u), size, claim.sigma)
    products = claim.gradients[name] * direction
    expected = float(products.sum())
    rounding = claim.rounding(name, size) * float(np.linalg.norm(direction))
    tolerance = KAPPA * found.error + rounding + 4 * EPSILON * float(np.abs(products).sum())
    return _distance(found, expected) / tolerance, found, tolerance


def _locate(
    result: TensorResult, subject: Subject, name: str, claim: Claim, direction: Array
) -> None:
    """Halve the set of entries that a failing direction moves until one is left."""
    places = np.flatnonzero(direction)
    while len(places) > 1:
        half = places[: len(places) // 2]
        masked = np.zeros(direction.size)
        masked[half] = direction.reshape(-1)[half]
        ratio, *_ = _along(subject, name, claim, masked.reshape(direction.shape))
        places = half if ratio > 1 else places[len(places) // 2 :]
    _sample(result, subject, name, claim, int(places[0]))


SAMPLED = 24
"""How many more entries of a large array are looked at once one of them is wrong."""


def _sample(result: TensorResult, subject: Subject, name: str, claim: Claim, located: int) -> None:
    """Look at the entry that was located and at others, for how many are wrong, and how."""
    flat, size = claim.gradients[name].reshape(-1), root_mean_square(subject.arrays[name])
    spread = np.linspace(0, flat.size - 1, SAMPLED).astype(int)
    places = [located, *(int(place) for place in spread if place != located)]
    values = np.empty(len(places))
    for row, place in enumerate(places):
        phi = entry_line(subject, name, place, claim.u, claim.origin)
        values[row] = slope(phi, size, claim.sigma, largest(flat)).value
    claimed = flat[places]
    off = np.abs(claimed - values) > 1e-6 * (largest(values) + largest(claimed))
    result.entries = len(places)
    result.wrong = max(1, int(off.sum()))
    result.analytic, result.numeric = float(claimed[0]), float(values[0])
    result.place = _unravel(located, claim.gradients[name].shape)
    if off.sum() > len(places) / 2:
        result.cause = explain_ratio(subject, claimed, values, claim.gradients[name].shape)


def _not_finite(result: TensorResult, claim: Claim) -> bool:
    """Whether there is nothing to compare with: a gradient, or a value, that is not finite."""
    bad = np.argwhere(~np.isfinite(claim.gradients[result.name]))
    if not np.isfinite(claim.origin).all():
        result.remark = "the value is not finite here: check at another point"
    elif len(bad):
        result.wrong, result.ratio = len(bad), math.inf
        result.place = tuple(int(i) for i in bad[0])
        result.analytic = float(claim.gradients[result.name][result.place])
        result.numeric = math.nan
        result.cause = "it is not finite"
    return bool(result.remark or result.wrong)


def _judge(
    result: TensorResult, found: Slope, analytic: float, tolerance: float, place: int
) -> None:
    """Take one entry into the result."""
    ratio = _distance(found, analytic) / tolerance
    if found.kind != "smooth":
        result.kinks += 1
    if not ratio <= 1:
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


def _conclude(result: TensorResult, shape: tuple[int, ...], scale: float) -> None:
    if result.place is not None:
        result.place = _unravel(result.place[0], shape)
    if not scale and not result.wrong:
        result.remark = ZERO


def _noise(subject: Subject, u: Array, floor: float) -> float:
    """The noise of u . F near the present point, along a direction of the subject's first array.

    A kink within that short stretch would be taken for noise. So where there is much more of it
    than a few ulps, other directions are tried, and the quietest counts.
    """
    name, array = next(iter(subject.arrays.items()))
    size, quietest = root_mean_square(array), math.inf
    for frequency in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0):
        wave = np.cos(frequency * np.arange(array.size, dtype=np.float64))
        direction = math.copysign(1.0, frequency) * wave.reshape(array.shape)
        quietest = min(quietest, noise(line(subject, name, direction, u), size, floor))
        if quietest <= 30 * floor:
            break
    return quietest


def cotangent(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers of both signs, none of them near zero."""
    sized: Array = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return sized


def largest(array: Array) -> float:
    """The largest absolute value; 0 for an empty array."""
    return float(np.abs(array).max()) if array.size else 0.0


def _unravel(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(place, shape))
