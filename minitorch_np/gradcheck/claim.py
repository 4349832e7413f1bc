"""A claimed gradient, and how exact it and its numeric counterpart can be.

The whole computation is repeated with all arrays changed by a few units in the last place; what
changes by that is rounding, in the value and in the gradient. So a gradient that is a sum of terms
that cancel, as that of a bias before BatchNorm, is held against the size of its terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.numeric import (
    EPSILON,
    KAPPA,
    Sides,
    cotangent,
    largest,
    root_mean_square,
    slopes,
)
from minitorch_np.gradcheck.targets import Target

RUNS, MORE_RUNS = 3, 12
"""So many runs measure the rounding; more of them before anything is called wrong."""

ULPS = 8
"""By up to so many units in the last place the arrays of such a run are changed, never by 0."""

SPACING, POINTS, LINES = 1e-5, 8, 4
"""Rounding is also measured on so many points this far apart (over the arrays), on so many lines;
the least counts, for a line may run over a corner."""

ROUGH = 1e-9
"""What is rougher than this share of the value is no rounding in float64: a number was rounded to
float32 on the way, or a corner lies on all lines."""

MANY = 20_000
"""In arrays of more entries than this no ties are looked for."""

PLAUSIBLE = 1e6
"""The terms of a gradient are at most so many times the value over the array's size."""

VANISHING = 1e-11
"""A gradient that changes the value by this share of itself may be rounded away on the way."""

CLOSER = 2.0**-12
"""How much shorter the steps are when a difference is looked at again."""


class Claim:
    """The gradient that is claimed for u . F, and how much of it is rounding."""

    def __init__(self, target: Target, rng: np.random.Generator) -> None:
        self.target, self.rng = target, np.random.default_rng(rng.integers(2**63))
        self.origin = target.value()
        self.u = cotangent(rng, self.origin.shape)
        self.v = cotangent(rng, self.origin.shape)
        self.gradients = target.gradients(self.u)
        arrays = target.arrays
        shapes = {name: gradient.shape for name, gradient in self.gradients.items()}
        self.fitting = [name for name, array in arrays.items() if shapes.get(name) == array.shape]
        self.infinite = {n: np.flatnonzero(~np.isfinite(self.gradients[n])) for n in self.fitting}
        for name in self.fitting:
            if len(self.infinite[name]):
                self.gradients[name] = np.nan_to_num(self.gradients[name], posinf=0, neginf=0)
        self.size = float(np.linalg.norm(self.u * self.origin))
        self._equal: dict[str, tuple[int, AnyArray]] = {}
        self._lowest: list[AnyArray] = []
        self._highest: list[AnyArray] = []
        self.natural_size = max(self.size, *map(self._size_at, (-1.0, 1.0)))
        self.sigma = EPSILON * self.natural_size + 1e-300
        self.noise = dict.fromkeys(self.fitting, 0.0)
        again = target.gradients(self.u)
        self.repeats = {name for name in self.fitting if self._repeats(name, again[name])}
        self.refined = False
        self.repeat(RUNS)

    def refine(self) -> bool:
        """Measure the rounding with more runs. Returns False where that has been done already."""
        if self.refined:
            return False
        self.refined = True
        self.repeat(MORE_RUNS)
        rough = min(self._roughness() for _ in range(LINES))
        if rough < ROUGH * self.natural_size:
            self.sigma = max(self.sigma, rough)
        return True

    def _roughness(self) -> float:
        """The rounding of the value, by its fourth differences along a line.

        Where 1 - z is rounded and z is nearly 1, a change of a few units in the last place changes
        all by the same rounding: this shows it. Fourth differences of what is smooth are as good as
        zero; those of numbers that are off by sigma at random are sqrt(70) sigma in the mean.
        Source: More and Wild 2011, "Estimating computational noise".
        """
        arrays = self.target.arrays
        line = {n: SPACING * a * cotangent(self.rng, a.shape) for n, a in arrays.items()}
        try:
            rows = []
            for k in range(POINTS):
                with self.target.moved({n: k * step for n, step in line.items()}):
                    rows.append(self.terms().reshape(-1))
        except Exception:  # not defined there
            return 0.0
        rough = float(np.linalg.norm(np.diff(rows, 4, axis=0))) / math.sqrt(70 * (POINTS - 4))
        return rough if math.isfinite(rough) else 0.0

    def repeat(self, runs: int) -> None:
        """Compute all of it again, each time with all arrays a little different."""
        for _ in range(runs):
            # A value may be off by what a change of each entry makes of it. A gradient may jump
            # where entries that are equal, or zero, do not stay so.
            arrays = self.target.arrays
            with self.target.moved(
                {n: a * EPSILON * self._draw(a.shape) for n, a in arrays.items()}
            ):
                terms = self.u * self.target.value()
            with self.target.moved({n: a * self._ulps(n, a) for n, a in arrays.items()}):
                found = self.target.gradients(self.u * (1 + EPSILON * self._draw(self.u.shape)))
            made = [terms, np.array(terms.sum()), *(found[name] for name in self.fitting)]
            first = not self._lowest
            self._lowest = made if first else list(map(np.fmin, self._lowest, made))
            self._highest = made if first else list(map(np.fmax, self._highest, made))
        spread = [high - low for low, high in zip(self._lowest, self._highest, strict=True)]
        self.sigma = max(self.sigma, float(np.linalg.norm(spread[0])), float(spread[1]))
        self.value_noise = 2 * largest(spread[0])  # no entry of u is below 0.5
        self.noise = {n: largest(s) for n, s in zip(self.fitting, spread[2:], strict=True)}

    def rounding(self, name: str) -> float:
        """How far the claimed gradient may be off by rounding alone."""
        noise = self.noise[name] if name in self.repeats else 0.0
        own = KAPPA * (noise + 2 * EPSILON * largest(self.gradients[name]))
        return own + self.vanishing(name)

    def vanishing(self, name: str) -> float:
        """A gradient so small that it may be lost inside of what is composed, else 0.

        What a saturated layer rounds away can't be seen at the end.
        """
        if not self.target.composed:
            return 0.0
        return VANISHING * self.natural_size / root_mean_square(self.target.arrays[name])

    @property
    def ulps_of_dy(self) -> float:
        """Where a saturated p makes 1 - p all rounding, it is rounding of the size of dy itself."""
        return 64 * EPSILON * self.size

    def _repeats(self, name: str, again: Array) -> bool:
        """Whether the same call gives the same gradient: if not, its changes are no rounding."""
        size = self.size / root_mean_square(self.target.arrays[name])
        drift = largest(np.nan_to_num(again) - np.nan_to_num(self.gradients[name]))
        return drift <= 1e-13 * max(largest(self.gradients[name]), size)

    def scale(self, name: str) -> float:
        """The size of the terms that the gradient is the sum of, as far as it shows in rounding.

        Noise of more than any plausible terms is no rounding, and shows nothing.
        """
        if name not in self.repeats:
            return largest(self.gradients[name])
        plausible = PLAUSIBLE * self.size / root_mean_square(self.target.arrays[name])
        terms = min(self.noise[name] / (ULPS * EPSILON), plausible)
        return max(largest(self.gradients[name]), terms)

    def terms(self) -> Array:
        """u (F - F at the point), output by output, for the arrays as they are now."""
        terms: Array = self.u * (self.target.value() - self.origin)
        return terms

    def line(self, name: str, direction: Array) -> Callable[[float], Array]:
        """t -> u (F(p + t d) - F(p)), output by output: what is common to both cancels exactly."""
        array = self.target.arrays[name]
        start = array.copy()

        def move(t: float) -> Array:
            array[...] = start + t * direction
            try:
                return self.terms()
            finally:
                array[...] = start

        return move

    def entry_line(self, name: str, place: int) -> Callable[[float], Array]:
        """The same along one entry, without touching the others."""
        flat = self.target.arrays[name].reshape(-1)
        start = float(flat[place])

        def move(t: float) -> Array:
            flat[place] = start + t
            try:
                return self.terms()
            finally:
                flat[place] = start

        return move

    def compare(
        self,
        move: Callable[[float], Array],
        claimed: float,
        size: float,
        scale: float,
        margin: float,
    ) -> tuple[Sides, float, float]:
        """The slopes of a line, |analytic - numeric| over the tolerance, and the tolerance.

        A difference is looked at again with much shorter steps: a staircase of small steps looks
        straight from afar.
        """
        found = slopes(move, size, self.sigma, scale)
        tolerance = KAPPA * found.error + margin
        distance = found.distance(claimed, tolerance)
        if tolerance < distance < math.inf:
            near = slopes(move, size * CLOSER, self.sigma, scale)
            closer = KAPPA * near.error + margin
            if near.distance(claimed, closer) <= closer < 0.1 * distance:
                found, tolerance, distance = near, closer, near.distance(claimed, closer)
        return found, distance / tolerance if tolerance else math.inf, tolerance

    def _ulps(self, name: str, array: Array) -> Array:
        """Relative changes, the same for equal entries, so that zeros and ties stay."""
        if array.size > MANY:
            steps = self._draw(array.shape)
        else:
            if name not in self._equal:
                values, places = np.unique(array, return_inverse=True)
                self._equal[name] = values.size, places.reshape(array.shape)
            count, places = self._equal[name]
            steps = self._draw((count,))[places]
        return EPSILON * steps

    def _draw(self, shape: tuple[int, ...]) -> Array:
        """Whole numbers from -ULPS to ULPS, but never 0."""
        steps = self.rng.integers(-ULPS, ULPS, shape)
        return (steps + (steps >= 0)).astype(np.float64)

    def _size_at(self, share: float) -> float:
        """The size of the value at zero (-1), as log 2 of softplus, or far away (1)."""
        arrays = self.target.arrays
        steps = {
            n: share * (a if share < 0 else root_mean_square(a) * cotangent(self.rng, a.shape))
            for n, a in arrays.items()
        }
        try:
            with self.target.moved(steps):
                size = float(np.linalg.norm(self.u * self.target.value()))
        except Exception:  # not defined there
            return 0.0
        return size if math.isfinite(size) else 0.0
