"""Derivatives by finite differences, each with an error bar that has been measured.

A slope is (f(x + h) - f(x - h)) / 2h, and two things spoil it. With a large h the curve bends
between the two points (truncation). With a small one the two values agree in so many digits that
what is left of their difference is rounding (noise). So the slope is taken at h, 2h, 4h and 8h.
Were it not for the bend, the four would agree; from how they differ, most of the bend is taken out
(Richardson's extrapolation), and what the last step of that changes is the truncation error that
may remain. It is done twice, with the first three and the last three, since one alone may agree
with itself by chance. The noise is measured too: at points so near to each other that the function
is a straight line, whatever is not straight is rounding.

A tolerance made of the two has no free constant but a factor of safety. It is as tight as the
function allows, at any scale of the inputs.

Sources: Richardson 1911; Hamming, "Introduction to Applied Numerical Analysis", 1971 (difference
tables); More and Wild 2011, "Estimating computational noise".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import MinitorchError
from minitorch_np.gradcheck.subjects import Subject

EPSILON = float(np.finfo(np.float64).eps)

STEP = 5e-4
"""The smallest of the four steps, over the size of what is moved."""

MULTIPLES = (1.0, 2.0, 4.0, 8.0)
"""The steps, over the smallest."""

SHRINK, SHRINKS = 16.0, 5
"""A kink within reach of the steps is escaped by steps so many times smaller, so many times."""

KAPPA = 4.0
"""The factor of safety on all error bars: the only constant of policy."""


class Slope(NamedTuple):
    """The derivative of a scalar function of one variable at 0, and what is known about it.

    `left` and `right` are the slopes of the two sides; they differ at a kink.
    """

    value: float
    error: float
    left: float
    right: float
    kind: str  # "smooth", "kink", "jump"
    step: float


def line(subject: Subject, name: str, direction: Array, u: Array) -> Callable[[float], float]:
    """t -> u . (F(p + t d) - F(p)), where p is the array `name` and F the subject's value.

    The difference is taken first, entry by entry: what is common to both cancels exactly.
    """
    array = subject.arrays[name]
    start, origin = array.copy(), subject.value()

    def phi(t: float) -> float:
        array[...] = start + t * direction
        try:
            moved = subject.value()
        finally:
            array[...] = start
        return float(np.vdot(u, moved - origin))

    return phi


def entry_line(
    subject: Subject, name: str, place: int, u: Array, origin: Array
) -> Callable[[float], float]:
    """The same along one entry, without touching the others; `origin` is the value at 0."""
    flat = subject.arrays[name].reshape(-1)
    start = float(flat[place])

    def phi(t: float) -> float:
        flat[place] = start + t
        try:
            moved = subject.value()
        finally:
            flat[place] = start
        return float(np.vdot(u, moved - origin))

    return phi


def noise(phi: Callable[[float], float], size: float, floor: float) -> float:
    """The standard deviation of phi's rounding error, at least `floor`.

    Third differences of values 1e-9 `size` apart: a line, and a parabola too, leave nothing in
    them, so what is there is noise, times the square root of 20 (1 + 9 + 9 + 1).
    """
    values = np.array([phi(1e-9 * size * k) for k in range(8)])
    third = np.diff(values, n=3)
    return max(float(np.sqrt(np.mean(third**2) / 20)), floor)


def slope(phi: Callable[[float], float], size: float, sigma: float, scale: float = 0.0) -> Slope:
    """The derivative of phi at 0, where phi(0) = 0, phi's variable is of `size`, its noise sigma.

    Steps that meet a kink, or the end of what phi is defined on, are made smaller until they do
    not; a kink that stays is at 0 itself. Steps in which there is little but noise are made larger,
    until the noise is small beside the slope, or beside `scale`.
    """
    step = power_of_two(STEP * size)
    found = _measure(phi, step, sigma)
    if found.kind == "smooth":
        return _widened(phi, found, sigma, scale)
    best, bends = found, [abs(found.right - found.left)]
    for _ in range(SHRINKS):
        step /= SHRINK
        found = _measure(phi, step, sigma)
        bends.append(abs(found.right - found.left))
        # In steps that are too small a kink drowns in the noise: it has to have gone, not just
        # to be no longer certain.
        gone = bends[-1] <= max(bends[-2] / 2, 1e-6 * max(abs(found.value), scale))
        if found.kind == "smooth" and gone:
            return found
        best = min(best, found, key=lambda measured: measured.error)
    if bends[-1] > SHRINK * bends[-2] / 2 and bends[-1] > KAPPA * found.error:
        return best._replace(kind="jump")  # the nearer, the steeper: the value itself jumps
    # A wider step has less noise, but may have a kink on either side of 0 and take them for one.
    both = KAPPA * (best.error + found.error)
    agree = abs(best.left - found.left) <= both and abs(best.right - found.right) <= both
    return best if agree else found


def _widened(phi: Callable[[float], float], found: Slope, sigma: float, scale: float) -> Slope:
    for _ in range(SHRINKS):
        if sigma / found.step <= 1e-9 * max(abs(found.value), scale):
            break
        wider = _measure(phi, SHRINK * found.step, sigma)
        if wider.kind != "smooth" or wider.error >= found.error:
            break
        found = wider
    return found


def _measure(phi: Callable[[float], float], h: float, sigma: float) -> Slope:
    try:
        up = np.array([phi(k * h) for k in MULTIPLES])
        down = np.array([phi(-k * h) for k in MULTIPLES])
    except MinitorchError:  # outside of what phi is defined on, such as a negative probability
        return Slope(math.nan, math.inf, math.nan, math.nan, "kink", h)
    steps = h * np.array(MULTIPLES)
    rounding = sigma / h
    value, truncation = _extrapolate((up - down) / (2 * steps), order=2)
    right, right_error = _extrapolate(up / steps, order=1)
    left, left_error = _extrapolate(-down / steps, order=1)
    # Where f is smooth the two sides agree, but for what their extrapolation leaves; at a kink they
    # differ by the same at any h. Noise is amplified sixfold by the one-sided tableau.
    sides = right_error + left_error + 6 * rounding
    scale = max(abs(value), abs(left), abs(right))
    smooth = abs(right - left) <= KAPPA * sides + 8 * EPSILON * scale
    settled = truncation <= 1e-7 * scale + 4 * rounding
    if smooth and settled:
        return Slope(value, truncation + rounding, left, right, "smooth", h)
    return Slope(value, sides, left, right, "kink", h)


def _extrapolate(slopes: Array, order: int) -> tuple[float, float]:
    """Richardson's tableau for slopes at h, 2h, 4h; and its error, judged by that at 2h, 4h, 8h.

    The error of a central difference is a series in h^2 (order 2), of a one-sided one in h.
    """
    p, q = 2.0**order, 4.0**order
    first, second, third = ((p * fine - wide) / (p - 1) for fine, wide in pairwise(slopes))
    corner, coarse = ((q * a - b) / (q - 1) for a, b in ((first, second), (second, third)))
    # The coarse corner is 8^order times as far off, in theory; an 8th of that is on the safe side.
    return float(corner), float(max(abs(corner - first), abs(corner - coarse) / 8))


def power_of_two(number: float) -> float:
    """The power of two nearest to a positive number: adding it rounds as little as can be."""
    return 2.0 ** round(math.log2(number))


def root_mean_square(array: Array) -> float:
    """The size of an array's entries; 1 for one that is all zero."""
    size = float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
    return size if size > 0 and math.isfinite(size) else 1.0
