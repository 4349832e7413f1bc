"""A learning rate for each configuration: the best of a grid, on a part of the training data.

A rate that suits one network harms another, so a comparison at one rate for all says little. Each
configuration is trained at each rate, with seeds that are not used in the comparison, and measured
on held-out training samples. One seed excludes most rates, the others decide between the best. If
the best rate is the first or the last of the grid, the grid is extended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.measure import worth
from minitorch_np.validation import is_number, wrong

Result: TypeAlias = dict[str, Any]

RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""The initial grid of rates."""

TUNING_SEEDS, FINALISTS = 3, 3
"""The number of seeds over which the measure is averaged, and of the best rates that are compared.
"""

FIRST_TUNING_SEED = 1_000_000
"""The first seed for tuning, far from those of the comparison."""

EXTENSIONS = 6
"""The most rates that are tried beyond each end of the grid."""

SIMPLE = (1.0, 2.0, 5.0)
"""The leading digits of the rates by which the grid is extended."""


def checked_rates(rates: Sequence[float] | None) -> list[float]:
    """The rates, in order. Raises ConfigurationError unless they are positive finite numbers."""
    listed = isinstance(rates, Iterable) and not isinstance(rates, str)
    listed = listed and getattr(rates, "ndim", 1) == 1
    given = list(rates) if listed else [] if rates is not None else list(RATES)  # type: ignore[arg-type]
    if not given or not all(is_number(rate) and 0 < rate < float("inf") for rate in given):
        raise wrong("learning_rates", "one or more finite numbers greater than 0", rates)
    return sorted({float(rate) for rate in given})


def tune(
    configurations: Sequence[Configuration],
    rates: Sequence[float],
    seeds: int,
    run: Callable[[list[tuple[Configuration, int]]], list[Result]],
) -> list[Result]:
    """Run what is needed to choose a rate for each configuration; returns the results."""
    first, *others = (FIRST_TUNING_SEED + number for number in range(seeds))
    tuned = run([(at(each, rate), first) for each in configurations for rate in rates])
    finalists = [
        at(each, rate)
        for each in configurations
        for rate in _best_rates(each.name, tuned)[:FINALISTS]
    ]
    tuned += run([(each, seed) for each in finalists for seed in others])
    for _ in range(EXTENSIONS):
        further = [at(each, rate) for each in configurations if (rate := beyond(each.name, tuned))]
        if not further:
            break
        tuned += run([(each, seed) for each in further for seed in (first, *others)])
    return tuned


def at(configuration: Configuration, rate: float) -> Configuration:
    """The configuration with that learning rate."""
    return configuration._replace(learning_rate=rate)


def means_by_rate(name: str, tuned: Sequence[Result]) -> dict[float, tuple[float, int]]:
    """The mean of a configuration's measure at each rate, where a failed run counts as 0, and its
    number of seeds."""
    found: dict[float, list[float]] = {}
    for result in tuned:
        if result["name"] == name:
            found.setdefault(result["rate"], []).append(worth(result))
    return {rate: (sum(each) / len(each), len(each)) for rate, each in sorted(found.items())}


def best_rate(name: str, tuned: Sequence[Result]) -> float:
    """The rate with the highest mean over all seeds; the smallest if there are several."""
    return _best_rates(name, tuned)[0]


def _best_rates(name: str, tuned: Sequence[Result]) -> list[float]:
    """The rates that were tried with the most seeds, the best first."""
    means = means_by_rate(name, tuned)
    most = max(seeds for _, seeds in means.values())
    finalists = [rate for rate, (_, seeds) in means.items() if seeds == most]
    return sorted(finalists, key=lambda rate: -means[rate][0])


def beyond(name: str, tuned: Sequence[Result]) -> float | None:
    """The rate to try next if the best is at an end of the grid, else None."""
    rates = list(means_by_rate(name, tuned))
    best = best_rate(name, tuned)
    if best == rates[-1]:
        return _next(best, up=True)
    return _next(best, up=False) if best == rates[0] else None


def _next(rate: float, up: bool) -> float:
    """The next rate of the form 1, 2 or 5 times a power of ten."""
    simple = [float(f"{digit:g}e{power}") for power in range(-12, 13) for digit in SIMPLE]
    if up:
        return min((each for each in simple if each > rate * 1.001), default=10 * rate)
    return max((each for each in simple if each < rate * 0.999), default=rate / 10)
