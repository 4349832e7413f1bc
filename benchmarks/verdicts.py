"""Error rates of `minitorch-np compare`, for families of configurations with known differences.

Measured are false claims where all are equal, under four kinds of noise; the rate at which a
difference is detected; the simultaneous coverage of the intervals; and the power at the suggested
number of seeds. The noise is generated, or drawn from 200 real runs of each default configuration,
which are trained first (15 minutes on two cores) and kept in FOLDER.

    python -m benchmarks.verdicts FOLDER [--families 1000] [--jobs 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array, Generator
from minitorch_np.cli.arguments import positive_integer
from minitorch_np.experiments.statistics import LEVEL, SignFlip, seeds_needed
from minitorch_np.experiments.verdicts import Sample, Verdict, verdicts

RUNS, SIZE = 200, 0.005
"""Real runs of each configuration, and the difference that matters."""

NOTES = ("leaky_relu+elu", "relu+relu", "sigmoid+sigmoid", "relu+softmax")
"""The four configurations of the notes; the default is these and sigmoid+softmax."""

PAIR = {"relu+relu", "relu+softmax"}
"""One of which collapses, and one of which does not."""

Noise: TypeAlias = Callable[[Generator, int], Array]
"""Draws the noise of n seeds."""


def normal(rng: Generator, n: int) -> Array:
    """Normal noise, as accuracies vary without collapses."""
    return rng.normal(0, 0.003, n)


def heavy_tailed(rng: Generator, n: int) -> Array:
    """Student's t with three degrees of freedom."""
    return 0.002 * rng.standard_t(3, n)


def collapsing(share: float) -> Noise:
    """Normal, but for a share of runs that lose up to half of their accuracy."""

    def noise(rng: Generator, n: int) -> Array:
        lost = (rng.random(n) < share) * rng.uniform(0.1, 0.5, n)
        return normal(rng, n) - lost

    return noise


NOISES = {
    "normal noise": normal,
    "heavy-tailed noise": heavy_tailed,
    "10 % of runs collapse": collapsing(0.1),
    "40 % of runs collapse": collapsing(0.4),
}


def main() -> None:
    """Train, simulate, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the real runs are, or are to be kept")
    parser.add_argument("--families", type=positive_integer, default=1000)
    parser.add_argument("--jobs", type=positive_integer, default=2)
    arguments = parser.parse_args()
    families = arguments.families
    false_claims(families)
    small_differences(None, families)
    rates = {"at the rate 0.05": [0.05], "at tuned rates": None}
    for words, learning_rates in rates.items():
        folder = arguments.folder / words.replace(" ", "_")
        runs = real_runs(folder, learning_rates, arguments.jobs)
        detected(runs, words, families)
        if learning_rates is None:
            small_differences(runs, families)
            power_as_promised(runs, families // 5)


def real_runs(folder: Path, rates: list[float] | None, jobs: int) -> dict[str, Sample]:
    """The default configurations, from RUNS seeds."""
    found = mt.compare(seeds=RUNS, learning_rates=rates, jobs=jobs, folder=folder, resume=True)
    return {
        name: Sample(found.accuracies(name), np.array(found.collapsed(name)))
        for name in found.names
    }


def false_claims(families: int) -> None:
    """Four equal configurations: any claim of a difference is false."""
    for words, noise in NOISES.items():
        for n in (10, 20):
            claims = sum(
                any(each.detected for each in found)
                for found in simulated([noise] * 4, [0.0] * 4, n, families)
            )
            print(f"false claims, {words}, {n} seeds: {_share(claims, families)}", flush=True)


def simulated(
    noises: list[Noise], gaps: list[float], n: int, families: int
) -> Iterator[list[Verdict]]:
    """Verdicts on families with a common effect of each seed, own noise and gaps."""
    rng = np.random.default_rng(n)
    for _ in range(families):
        shared = rng.normal(0.9, 0.005, n)
        columns = [shared + gap + noise(rng, n) for noise, gap in zip(noises, gaps, strict=True)]
        samples = {f"c{k}": Sample(each, each < 0.85) for k, each in enumerate(columns)}
        yield verdicts(samples, SIZE, plan=False)


def detected(runs: dict[str, Sample], words: str, families: int) -> None:
    """Print how often a pair is detected as different in samples of the real runs."""
    rng = np.random.default_rng(0)
    for name, sample in runs.items():
        print(
            f"{RUNS} runs {words}, {name}: mean {sample.accuracies.mean():.4f}, "
            f"{sample.collapsed.sum()} collapsed"
        )
    for names in (NOTES, tuple(runs)):
        for n in (10, 15, 20):
            seen = 0
            for _ in range(families):
                rows = rng.choice(RUNS, n, replace=False)
                found = verdicts(
                    {name: _rows(runs[name], rows) for name in names}, SIZE, plan=False
                )
                seen += any(each.detected for each in found if {each.first, each.second} == PAIR)
            print(
                f"{' and '.join(sorted(PAIR))} {words}, {n} seeds of {len(names)} configurations: "
                f"detected in {_share(seen, families)}",
                flush=True,
            )
    first = verdicts({name: _rows(runs[name], np.arange(10)) for name in NOTES}, SIZE, plan=False)
    (pair,) = (each for each in first if {each.first, each.second} == PAIR)
    print(f"the first ten seeds: {pair.kind}, p = {pair.p:.4f}, after Holm {pair.corrected:.4f}")


def _rows(sample: Sample, rows: AnyArray) -> Sample:
    return Sample(sample.accuracies[rows], sample.collapsed[rows])


def small_differences(runs: dict[str, Sample] | None, families: int) -> None:
    """Families of four, one of which is better than the others by `gap`."""
    words = "made paired noise" if runs is None else "real paired noise"
    for gap in (0.006, SIZE):
        for n in (10, 20):
            seen = equal = off_zero = undecided = covered = 0
            for found in _shifted(runs, gap, n, families):
                truths = [gap * (each.first == "c0") for each in found]
                seen += found[0].detected
                equal += found[0].kind == "equal"
                open_ones = [each for each in found if not each.detected]
                undecided += len(open_ones)
                off_zero += sum(each.interval[0] > 0 or each.interval[1] < 0 for each in open_ones)
                covered += all(
                    each.interval.low <= truth <= each.interval.high
                    for each, truth in zip(found, truths, strict=True)
                )
            print(
                f"a difference of {gap:g}, {words}, {n} seeds: detected in "
                f"{_share(seen, families)}, called equal within {SIZE:g} in "
                f"{_share(equal, families)}; intervals off 0 beside pairs that are not told apart: "
                f"{off_zero} of {undecided}; all intervals hold in {_share(covered, families)}",
                flush=True,
            )


def _shifted(
    runs: dict[str, Sample] | None, gap: float, n: int, families: int
) -> Iterator[list[Verdict]]:
    """Verdicts on four configurations, the first better by `gap`. Their noise has a standard
    deviation of 0.004, or is that of real runs; the fourth is the second from other seeds."""
    rng = np.random.default_rng(1)
    kinds = ("leaky_relu+elu", "relu+softmax", "sigmoid+softmax", "relu+softmax")
    for _ in range(families):
        rows, others = rng.integers(RUNS, size=(2, n))
        samples = {}
        for place, name in enumerate(kinds):
            if runs is None:
                luck = rng.normal(0, 0.004, n)
            else:
                accuracies = runs[name].accuracies
                luck = accuracies[rows if place < 3 else others] - accuracies.mean()
            samples[f"c{place}"] = Sample(0.9 + gap * (place == 0) + luck, np.zeros(n, bool))
        yield verdicts(samples, SIZE, plan=False)


def power_as_promised(runs: dict[str, Sample], pilots: int) -> None:
    """New experiments with the number of seeds that a pilot suggested for detecting SIZE."""
    real = runs["leaky_relu+elu"].accuracies - runs["relu+softmax"].accuracies
    real = real - real.mean()
    kinds: dict[str, Noise] = {
        "normal": normal,
        "heavy-tailed": heavy_tailed,
        "real": lambda rng, n: rng.choice(real, n),
    }
    level = LEVEL / 6
    for words, noise in kinds.items():
        for before in (10, 20):
            rng = np.random.default_rng(2)
            seen, asked = [], []
            for _ in range(pilots):
                n = seeds_needed(noise(rng, before) + 0.002, SIZE, level)
                if n is not None:
                    asked.append(n)
                    seen += [SignFlip(noise(rng, n) + SIZE).p() <= level for _ in range(5)]
            print(
                f"{words} noise, pilots of {before}: {np.median(asked):.0f} seeds are said to be "
                f"needed (median), and of such experiments {np.mean(seen):.1%} detect {SIZE:g}",
                flush=True,
            )


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%} ({count} of {of})"


if __name__ == "__main__":
    main()
