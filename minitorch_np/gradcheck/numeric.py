"""Slopes by finite differences, each with a measured error bar.

The slope of f at 0 is about (f(h) - f(0)) / h, with two sources of error. With a large h the curve
bends between the two points (truncation). With a small one the two values agree in so many digits
that their difference is mostly rounding. So f is evaluated at h, 2h, 4h and 8h, and the bend is
extrapolated away (Richardson): from all four values, from the first three, and from the last three.
The differences of the three results estimate the remaining truncation error.

Each side of 0 is measured on its own. Where f is smooth the two sides agree; at a corner, such as
ReLU's at 0, they do not, and any number between the two is a derivative. A corner of the
derivative, such as ELU's at 0, needs no rule of its own either: each side of it is smooth.

Source: Richardson 1911; the weights solve sum_k w_k k^p = (1 if p = 1 else 0) for k = 1, 2, 4, 8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import MinitorchError

EPSILON = float(np.finfo(np.float64).eps)

STEP = 5e-4
"""The smallest of the first four steps, over the size of the array that is moved."""

MULTIPLES = (1.0, 2.0, 4.0, 8.0)
"""The four steps as multiples of the smallest."""

WEIGHTS = np.array(
    [
        [64 / 21, -4 / 3, 1 / 6, -1 / 168],  # exact for polynomials of degree 4
        [8 / 3, -1.0, 1 / 12, 0.0],  # of degree 3
        [0.0, 4 / 3, -1 / 2, 1 / 24],  # of degree 3, from steps twice as long
    ]
)

GOAL = 1e-9
"""An error of this fraction of the slope is small enough."""

IRREGULAR = 0.005
"""The truncation error over the steepness of a step, above which the function has no slope: it is
0.07 at a jump, 0.02 where f is like the square root at 0, and falls with the step elsewhere."""

SHRINK, LENGTHEN, TRIES = 16.0, 512.0, 8
"""The factors by which steps are made shorter near a corner or where f bends, and at most longer
while rounding dominates, and the number of attempts."""

KAPPA = 4.0
"""The safety factor on all error bars."""


class Sides(NamedTuple):
    """The slopes of a function on the left and on the right of a point, and their error.

    `low` and `high` bound every number that is a derivative of the sum of all outputs if each
    output has one corner here: output by output the lesser and the greater of its two slopes.
    """

    left: float
    right: float
    low: float
    high: float
    error: float
    regular: bool = True

    @property
    def value(self) -> float:
        """The mean of the two slopes."""
        return (self.left + self.right) / 2

    def at_corner(self, margin: float = 0.0) -> bool:
        """Whether the two slopes differ by more than their errors and `margin`."""
        return not abs(self.right - self.left) <= 2 * KAPPA * self.error + margin

    def distance(self, claim: float, margin: float) -> float:
        """How far a claimed derivative lies outside of what the two sides allow (0 if unknown)."""
        low, high = sorted((self.left, self.right))
        if self.at_corner(margin):
            low, high = min(low, self.low), max(high, self.high)
        return max(0.0, low - claim, claim - high) if math.isfinite(self.error) else 0.0


UNKNOWN = Sides(math.nan, math.nan, math.nan, math.nan, math.inf)


def slopes(move: Callable[[float], Array], size: float, sigma: float, scale: float = 0.0) -> Sides:
    """The slopes at 0 of the sum of `move(t)`, an array of terms that are all 0 at t = 0.

    `size` is that of the array that t is added to, `sigma` the rounding error of the sum. Several
    steps are tried and the one with the least error is used; an error of `GOAL` times the slope, or
    times `scale`, is small enough.
    """
    best, longer = UNKNOWN, True
    h = power_of_two(STEP * size)
    longest = max(LENGTHEN * h, STEP)  # a parameter of 1e-17 is as good as zero
    for _ in range(TRIES):
        found = _measure(move, h, sigma)
        longer = longer and found.error < best.error
        best = min(best, found, key=lambda sides: sides.error)
        goal = GOAL * max(scale, abs(best.left), abs(best.right))
        rounding = KAPPA * sigma / h
        if best.error <= goal:
            break
        longer = longer and rounding > found.error / 2 and h < longest
        if longer:
            h *= power_of_two(min(LENGTHEN, rounding / goal)) if goal > 0 else LENGTHEN
            h = min(h, power_of_two(longest))
            continue
        h /= SHRINK
        if KAPPA * sigma / h >= best.error:  # rounding alone would exceed the present error
            break
    return best if best.regular else UNKNOWN


def _measure(move: Callable[[float], Array], h: float, sigma: float) -> Sides:
    try:
        rows = [move(sign * k * h).reshape(-1) for sign in (-1.0, 1.0) for k in MULTIPLES]
    except MinitorchError:  # outside the domain of f, such as a negative probability
        return UNKNOWN
    terms = np.array(rows).reshape(2, len(MULTIPLES), -1)
    each = WEIGHTS @ terms
    each /= h
    each[0] *= -1
    sums = np.add.reduce(each, axis=2).tolist()
    error = max(max(abs(best - near), abs(best - far) / 8) for best, near, far in sums)
    left, right = sums[0][0], sums[1][0]
    if not math.isfinite(left + right + error):
        return UNKNOWN
    rounding = KAPPA * sigma / h
    regular = error <= rounding
    if not regular:
        height = float(np.abs(np.add.reduce(terms, axis=2)).max())
        regular = error <= IRREGULAR * height / h
    # Corners of several outputs may cancel in the sum, so each output's sides are compared.
    low, high = (np.add.reduce(side(*each[:, 0])) for side in (np.minimum, np.maximum))
    return Sides(left, right, float(low), float(high), error + rounding, regular)


def power_of_two(number: float) -> float:
    """The power of two nearest to a positive number: adding it causes the least rounding."""
    return 2.0 ** round(math.log2(number))


def root_mean_square(array: Array) -> float:
    """The size of an array's entries; 1 for one that is all zero."""
    flat = array.reshape(-1)
    size = math.sqrt(flat @ flat / flat.size) if flat.size else 0.0
    return size if size > 0 and math.isfinite(size) else 1.0


def largest(array: Array) -> float:
    """The largest absolute value; 0 for an empty array."""
    return float(np.abs(array).max()) if array.size else 0.0


def cotangent(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers of both signs, none of them near zero."""
    return rng.uniform(0.5, 1.5, shape) * _signs(rng, shape)


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    signs: Array = 1.0 - 2.0 * rng.integers(0, 2, shape)
    return signs


def generic_step(rng: np.random.Generator, array: Array) -> Array:
    """A step of +-(0.15 to 0.45) of each entry, or of the array's size for a zero entry."""
    sizes = np.where(array == 0, root_mean_square(array), np.abs(array))
    step: Array = (
        sizes * rng.uniform(0.15, 0.45, array.shape) * rng.choice([-1.0, 1.0], array.shape)
    )
    return step
