"""Is one network better than another, or was it luck?

Two networks that are trained once give two numbers, and the numbers differ. Trained again from
other seeds they differ again. So each is trained from several seeds, and the question is whether
the differences, seed by seed, are larger than what chance makes of them.

The differences are paired: both networks of a pair saw the same data in the same order. A paired
t-test says how surprising their mean would be if there were no true difference. Where several pairs
are compared, one in twenty would look surprising by chance alone, so the p-values are corrected
(Holm 1979). An effect size says how large the difference is beside its own scatter, and the power
analysis how many seeds one would need to see a difference of a given size.

The t distribution comes from SciPy (extra `stats`). Without it there are no p-values, and intervals
come from resampling the seeds (the bootstrap, Efron 1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError

RESAMPLES = 9999
"""How often the bootstrap draws. Its seed is fixed: the same numbers give the same interval."""


class Interval(NamedTuple):
    """A mean, and the range that holds the true one with so much confidence."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Difference(NamedTuple):
    """What two configurations differ by, the first minus the second, over seeds.

    - `difference` is the mean with its 95 % interval;
    - `p` is the paired t-test's, `corrected` the same after Holm; None without SciPy;
    - `effect` is Cohen's d_z: the mean over the standard deviation of the differences;
    - `seeds_needed` would show a difference of the stated size four times out of five.
    """

    first: str
    second: str
    difference: Interval
    p: float | None
    corrected: float | None
    effect: float
    seeds_needed: int

    @property
    def detected(self) -> bool:
        """Whether the difference is more than chance: by the corrected test, or without one by the
        interval, which then is not corrected for the number of pairs."""
        if self.corrected is None:  # one seed has no interval, and detects nothing
            return self.difference.low > 0 or self.difference.high < 0
        return self.corrected < 0.05


def mean_interval(values: Sequence[float] | Array, confidence: float = 0.95) -> Interval:
    """The mean and its interval: Student's with SciPy, else by bootstrap. One value has none:
    NaN.
    """
    sample = np.asarray(values, dtype=float)
    mean, n = float(sample.mean()), len(sample)
    if n < 2:
        return Interval(mean, math.nan, math.nan)
    spread = float(sample.std(ddof=1))
    if not spread:
        return Interval(mean, mean, mean)
    stats = _scipy_stats()
    if stats is None:
        return Interval(mean, *_bootstrap(sample, confidence))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_p(differences: Sequence[float] | Array) -> float | None:
    """The two-sided p-value of a paired t-test; None without SciPy, 1 where all are 0."""
    sample = np.asarray(differences, dtype=float)
    if len(sample) < 2:
        return None
    stats = _scipy_stats()
    if stats is None:
        return None
    spread = float(sample.std(ddof=1))
    if not spread:  # every seed gave the same difference: none, or one that can't be chance
        return 1.0 if not sample[0] else 0.0
    t = float(sample.mean()) / (spread / math.sqrt(len(sample)))
    return float(2 * stats.t.sf(abs(t), len(sample) - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number: the k-th smallest of n times n - k + 1, not
    falling.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected


def seeds_needed(
    differences: Sequence[float] | Array, size: float, power: float = 0.8, level: float = 0.05
) -> int:
    """How many seeds a paired test at `level` needs to see a true difference of `size` with
    probability `power`, given how much the differences scatter.

    n = ((z_(1 - level/2) + z_power) s / size)^2 + z_(1 - level/2)^2 / 2, the last term for the t
    distribution's heavier tails (Guenther 1981, "Sample size formulas for normal theory t tests");
    with SciPy, as many more as the noncentral t distribution asks for. Raises ConfigurationError
    unless size > 0.
    """
    if not size > 0:
        raise ConfigurationError(f"seeds_needed: expected a size greater than 0, got {size!r}")
    sample = np.asarray(differences, dtype=float)
    spread = float(sample.std(ddof=1)) if len(sample) > 1 else math.nan
    if math.isnan(spread):
        return 0
    normal = NormalDist()
    z, z_power = normal.inv_cdf(1 - level / 2), normal.inv_cdf(power)
    n = max(2, math.ceil(((z + z_power) * spread / size) ** 2 + z * z / 2))
    stats = _scipy_stats()
    while stats is not None and spread:
        limit = stats.t.ppf(1 - level / 2, n - 1)
        if stats.nct.sf(limit, n - 1, size / spread * math.sqrt(n)) >= power:
            break
        n += 1
    return n


def compare_pairs(samples: dict[str, Array], size: float) -> list[Difference]:
    """Every pair of samples, seed by seed; `size` is the difference that one would care to see."""
    names = list(samples)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    gaps = [np.asarray(samples[a], float) - np.asarray(samples[b], float) for a, b in pairs]
    p_values = [paired_p(gap) for gap in gaps]
    found = []
    for (a, b), gap, p, corrected in zip(pairs, gaps, p_values, holm(p_values), strict=True):
        spread = float(gap.std(ddof=1)) if len(gap) > 1 else math.nan
        mean = float(gap.mean())
        effect = mean / spread if spread else (0.0 if not mean else math.copysign(math.inf, mean))
        needed = seeds_needed(gap, size)
        found.append(Difference(a, b, mean_interval(gap), p, corrected, effect, needed))
    return found


def ranking(samples: dict[str, Array], differences: list[Difference]) -> str:
    """The order of the means in words, and which of the differences were detected.

    Two are "a > b" or "a ~ b". Of more, not being told apart is not handed on: a may be better than
    c where neither can be told from b; so the order and what was detected are said apart.
    """
    order = sorted(samples, key=lambda name: -float(np.mean(samples[name])))
    better = {
        (d.first, d.second) if d.difference.mean > 0 else (d.second, d.first)
        for d in differences
        if d.detected
    }
    if len(order) == 2:
        return f"{order[0]} {'>' if better else '~'} {order[1]}"
    found = [f"{a} > {b}" for a in order for b in order if (a, b) in better]
    return f"by mean: {', '.join(order)}; detected: {', '.join(found) or 'no difference'}"


def _bootstrap(sample: Array, confidence: float) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = sample[rng.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError:
        return None
    return stats
