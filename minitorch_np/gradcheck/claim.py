"""A claimed gradient, and the rounding errors of it and of its numeric counterpart.

The whole computation is repeated with all arrays changed by a few units in the last place. The
resulting changes of the value and of the gradient are rounding errors. So a gradient whose terms
cancel, such as that of a bias before BatchNorm, is compared relative to the size of its terms.
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
"""The number of runs that measure the rounding, and of those before a gradient is called wrong."""

ULPS = 8
"""The arrays of such a run are changed by up to this many units in the last place, never by 0."""

SPACING, POINTS, LINES = 1e-5, 8, 4
"""Rounding is also measured on lines of points: their distance over the array's size, their number,
and the number of lines. The smallest result counts, since a line may cross a corner."""

ROUGH = 1e-9
"""A roughness above this fraction of the value is not float64 rounding: a number was rounded to
float32, or all lines cross a corner."""

MANY = 20_000
"""Arrays with more entries than this are not searched for ties."""

PLAUSIBLE = 1e6
"""The largest plausible size of a gradient's terms, over the value divided by the array's size."""

VANISHING = 1e-11
"""A gradient that changes the value by this fraction of itself may be lost in rounding."""

CLOSER = 2.0**-12
"""The factor by which steps are shortened when a difference is measured again."""


class Claim:
    """The gradient that is claimed for u . F, and its rounding error; u is drawn unless given."""

    def __init__(self, target: Target, rng: np.random.Generator, u: Array | None = None) -> None:
        self.target, self.rng = target, np.random.default_rng(rng.integers(2**63))
        self.origin = target.value()
        self.u = cotangent(rng, self.origin.shape) if u is None else u
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
        """Measure the rounding with more runs. Returns False if that has been done already."""
        if self.refined:
            return False
        self.refined = True
        self.repeat(MORE_RUNS)
        rough = min(self._roughness() for _ in range(LINES))
        if rough < ROUGH * self.natural_size:
            self.sigma = max(self.sigma, rough)
        return True

    def _roughness(self) -> float:
        """The rounding of the value, from its fourth differences along a line.

        If z is nearly 1, small changes of the arrays leave the rounding error of 1 - z the same, so
        `repeat` does not notice it; this does. Fourth differences of a smooth function are almost
        zero; those of random errors of size sigma are sqrt(70) sigma on average. Source: More and
        Wild 2011, "Estimating computational noise".
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
        """Repeat the computation with small changes of all arrays."""
        for _ in range(runs):
            # For the value, each entry is changed by itself. For the gradient, zeros and equal
            # entries stay so, since it may jump there.
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
        """The largest error of the claimed gradient that rounding can explain."""
        noise = self.noise[name] if name in self.repeats else 0.0
        own = KAPPA * (noise + 2 * EPSILON * largest(self.gradients[name]))
        return own + self.vanishing(name)

    def vanishing(self, name: str) -> float:
        """The size below which a gradient may be lost inside a composed function; else 0.

        Changes that a saturated layer rounds away do not reach the output.
        """
        if not self.target.composed:
            return 0.0
        return VANISHING * self.natural_size / root_mean_square(self.target.arrays[name])

    @property
    def ulps_of_dy(self) -> float:
        """The rounding error where p is saturated and 1 - p is all rounding: that of dy itself."""
        return 64 * EPSILON * self.size

    def _repeats(self, name: str, again: Array) -> bool:
        """Whether the same call gives the same gradient; if not, its changes are not rounding."""
        size = self.size / root_mean_square(self.target.arrays[name])
        drift = largest(again - self.gradients[name])
        if not math.isfinite(drift):  # rare, and nan_to_num is slow
            drift = largest(np.nan_to_num(again) - np.nan_to_num(self.gradients[name]))
        return drift <= 1e-13 * max(largest(self.gradients[name]), size)

    def scale(self, name: str) -> float:
        """The size of the terms that add up to the gradient, estimated from its rounding.

        Noise above that of any plausible terms is not rounding, and is ignored.
        """
        if name not in self.repeats:
            return largest(self.gradients[name])
        plausible = PLAUSIBLE * self.size / root_mean_square(self.target.arrays[name])
        terms = min(self.noise[name] / (ULPS * EPSILON), plausible)
        return max(largest(self.gradients[name]), terms)

    def terms(self) -> Array:
        """u (F - F at the point), output by output, for the current arrays."""
        terms: Array = self.u * (self.target.value() - self.origin)
        return terms

    def line(self, name: str, direction: Array) -> Callable[[float], Array]:
        """t -> u (F(p + t d) - F(p)), output by output: common terms cancel exactly."""
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
        """The same along one entry, leaving the others alone."""
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

        A difference is measured again with much shorter steps, since a staircase of small steps
        looks straight to longer ones.
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
        """Relative changes, the same for equal entries, so that zeros and ties are preserved."""
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
        """The size of the value with all arrays zero (share -1) or moved by their size (1)."""
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
