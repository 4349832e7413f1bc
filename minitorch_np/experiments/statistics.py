"""Statistical tests of whether one network is better than another.

Two networks that are trained once give different numbers, and other seeds give other differences.
So each is trained from several seeds, and the question is whether the differences, seed by seed,
are larger than chance explains.

If two networks were equally good, each difference could equally well have the other sign. The
sign-flip test (Fisher 1935) flips the signs in all possible ways and counts how often the mean is
as far from 0 as the observed one. It makes no assumption about the distribution of the accuracies,
which matters: a network that collapses in one run out of five has differences that are far from
normal, and Student's t-test overlooks it.

If several pairs are compared, one in twenty would look surprising by chance alone, so p-values are
corrected (Holm 1979) and intervals are simultaneous: all of them hold at once in 95 of 100
comparisons. Counts, such as collapses, have exact intervals (Clopper and Pearson 1934) and Fisher's
exact test.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ConfigurationError
from minitorch_np.validation import shown

LEVEL = 0.05
"""The probability that a whole comparison claims a difference where there is none."""

ALL_SIGNS = 12
"""Up to this many seeds all sign patterns are used; beyond, DRAWS fixed random ones."""

DRAWS = 9_999
"""The number of random sign patterns, in addition to the observed one."""

FEWEST_SEEDS = 8
"""With fewer seeds, even equal signs throughout are not sufficient evidence."""

POWER = 0.8
"""The probability of detecting the difference with the number of seeds given as needed."""

MOST_SEEDS = 1_000
"""A larger number of needed seeds is not given."""


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float

    def inside(self, size: float) -> bool:
        """Whether it lies entirely between -size and size."""
        return -size < self.low and self.high < size


class SignFlip:
    """The sign-flip test of the mean of `values` (n,), and its confidence interval.

    Flip the signs of some of the values around a hypothetical mean c: the new mean is at least as
    far from c as the old one exactly if c lies between the mean of the flipped values and the mean
    of the others. So each sign pattern has a range [low, high], the p-value of the hypothesis "the
    mean is c" is the fraction of ranges that contain c, and the interval of confidence 1 - level
    contains all c whose p-value is above `level`. The observed pattern, where nothing is flipped,
    has no second mean: its range is unbounded.
    """

    def __init__(self, values: Sequence[float] | Array) -> None:
        sample = np.asarray(values, dtype=float)
        kept = sign_patterns(len(sample))
        counts = kept.sum(axis=1)
        sums = kept @ sample
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = sums / counts, (sample.sum() - sums) / (len(sample) - counts)
        whole = counts == len(sample)
        self.lows = np.sort(np.where(whole, -math.inf, np.minimum(one, other)))
        self.highs = np.sort(np.where(whole, math.inf, np.maximum(one, other)))
        self.mean = float(sample.mean())
        rounding = 1e-12 * float(np.abs(sample).max())  # a mean of 0 that rounding made 1e-19 is 0
        for ends in (self.lows, self.highs):
            ends[np.abs(ends) <= rounding] = 0.0

    def p(self, mean: float = 0.0) -> float:
        """The two-sided p-value of the hypothesis that the true mean is `mean`."""
        if mean <= self.mean:  # every range holds the observed mean
            return float(np.mean(self.lows <= mean))
        return float(np.mean(self.highs >= mean))

    def interval(self, level: float = LEVEL) -> Interval:
        """The means that the test does not reject at `level`; unbounded for few values."""
        place = min(math.floor(level * len(self.lows)), len(self.lows) - 1)
        return Interval(float(self.lows[place]), float(self.highs[-1 - place]))


@functools.lru_cache(maxsize=4)
def sign_patterns(n: int) -> AnyArray:
    """Which of n values keep their signs, a pattern per row; the first pattern keeps all.

    A pattern and its opposite are equivalent, so there are 2^(n-1) patterns.
    """
    if n <= ALL_SIGNS:
        flipped: AnyArray = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
        return np.logical_not(flipped)
    drawn = np.random.default_rng(0).integers(0, 2, (DRAWS, n)) == 0
    return np.vstack([np.ones((1, n), bool), drawn])


def fewest_seeds(pairs: int) -> int:
    """The smallest number of seeds with which a difference can be detected among `pairs` pairs."""
    n = FEWEST_SEEDS
    while 0.5 ** (n - 1) * pairs > LEVEL:
        n += 1
    return n


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number: the k-th smallest of n is multiplied by n - k + 1,
    and made monotonic.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return corrected


def hedges_g(differences: Sequence[float] | Array) -> float:
    """The effect size of paired differences: mean over standard deviation, corrected for few.

    g_z = (1 - 3 / (4 (n - 1) - 1)) mean / s. NaN for fewer than three differences, infinite if all
    are the same and not 0. Source: Hedges 1981, "Distribution theory for Glass's estimator of
    effect size".
    """
    sample = np.asarray(differences, dtype=float)
    n, mean = len(sample), float(sample.mean())
    if n < 3:
        return math.nan
    if np.ptp(sample) <= 1e-12 * np.abs(sample).max():
        return math.copysign(math.inf, mean) if sample.any() else 0.0
    return (1 - 3 / (4 * (n - 1) - 1)) * mean / float(sample.std(ddof=1))


def median_interval(values: Sequence[float] | Array, level: float = LEVEL) -> Interval:
    """The median's interval: from the k-th smallest value to the k-th largest.

    It misses the true median if at most k - 1 values are on one side of it, which has a binomial
    probability for any distribution. Unbounded for fewer than 6 values at 95 %.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n, k = len(ordered), 0
    while 2 * binomial_tail(k, n, 0.5) <= level:
        k += 1
    return Interval(float(ordered[k - 1]), float(ordered[-k])) if k else _EVERYTHING


_EVERYTHING = Interval(-math.inf, math.inf)


def binomial_tail(k: int, n: int, p: float) -> float:
    """The probability of at most k successes of n, each of probability p."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def proportion_interval(k: int, n: int, level: float = LEVEL) -> Interval:
    """The exact interval of a proportion, given k successes of n (Clopper and Pearson 1934)."""
    half = level / 2
    low = _root(lambda p: binomial_tail(n - k, n, 1 - p) < half) if k else 0.0
    high = _root(lambda p: binomial_tail(k, n, p) > half) if k < n else 1.0
    return Interval(low, high)


def _root(below: Callable[[float], bool]) -> float:
    """The point between 0 and 1 where a condition that holds at 0 stops holding."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def fisher(a: int, n: int, b: int, m: int) -> float:
    """The two-sided p-value of Fisher's exact test for a of n and b of m."""
    total = a + b

    def chance(k: int) -> float:
        return math.comb(n, k) * math.comb(m, total - k) / math.comb(n + m, total)

    possible = [chance(k) for k in range(max(0, total - m), min(n, total) + 1)]
    return min(1.0, math.fsum(p for p in possible if p <= chance(a) * (1 + 1e-7)))


def seeds_needed(
    differences: Sequence[float] | Array, size: float, level: float = LEVEL
) -> int | None:
    """The number of seeds with which a sign-flip test at `level` detects a true mean of `size` with
    probability POWER, given the observed differences; None for more than MOST_SEEDS.

    Experiments are simulated from the observed differences, shifted to that mean. Since the spread
    of few differences is uncertain, each simulated experiment draws its own, given the observed
    one. Raises ConfigurationError unless size > 0.
    """
    if not size > 0:
        raise ConfigurationError(f"seeds_needed: expected a size greater than 0, got {shown(size)}")
    sample = np.asarray(differences, dtype=float)
    if len(sample) < 2:
        return None
    # Bisection, since the power grows with the number of seeds.
    low, high = FEWEST_SEEDS - 1, FEWEST_SEEDS
    while _power(sample, size, high, level) < POWER:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if _power(sample, size, middle, level) >= POWER else (middle, high)
        )
    return high if high <= MOST_SEEDS else None


EXPERIMENTS, PATTERNS, MANY = 400, 1_000, 50
"""The number of simulated experiments for each number of seeds, of sign patterns for each test, and
of seeds from which flipped means are taken as normal."""


def _power(sample: Array, size: float, n: int, level: float) -> float:
    """The fraction of simulated experiments with n seeds in which a mean of `size` is detected."""
    rng = np.random.default_rng(n)
    before = len(sample)
    spread = np.sqrt(before / rng.chisquare(before - 1, EXPERIMENTS))
    drawn = (sample - sample.mean())[rng.integers(before, size=(n, EXPERIMENTS))]
    experiments = size + spread * drawn
    sums = np.abs(experiments.sum(axis=0))
    if n > MANY:
        limit = NormalDist().inv_cdf(1 - level / 2)
        return float(np.mean(sums >= limit * np.sqrt(np.square(experiments).sum(axis=0))))
    signs = 1.0 - 2.0 * rng.integers(0, 2, (PATTERNS, n))
    exceeded = np.count_nonzero(np.abs(signs @ experiments) >= sums * (1 - 1e-12), axis=0)
    return float(np.mean((exceeded + 1) / (PATTERNS + 1) <= level))
