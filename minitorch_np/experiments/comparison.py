"""The result of a comparison: what was measured, what it is worth, and why it is so."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.statistics import (
    Difference,
    Interval,
    compare_pairs,
    mean_interval,
    ranking,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("name", "seed", "rate", "accuracy", "loss", "seconds", "steps", "error")
"""Of the CSV, a line a run."""


class Reached(NamedTuple):
    """How many runs reached the target accuracy, and the median of their steps and seconds."""

    runs: int
    steps: float
    seconds: float


class Comparison(NamedTuple):
    """What `compare` returns. `results` has a dictionary for each configuration and seed.

    `configurations` are what was trained, each at the learning rate that it was compared at.
    """

    names: list[str]
    rates: dict[str, float]
    seeds: list[int]
    results: list[dict[str, Any]]
    tuning: list[dict[str, Any]]
    target: float
    size: float
    configurations: Sequence[Configuration] = ()

    def of(self, name: str, key: str = "accuracy") -> Array:
        """A number of all runs of a configuration that did not fail, by seed."""
        seeds = set(self.common_seeds)
        runs = [run for run in self.results if run["name"] == name and run["seed"] in seeds]
        return np.array([run[key] for run in runs])

    @property
    def common_seeds(self) -> list[int]:
        """The seeds from which no configuration failed: those that can be compared in pairs."""
        failed = {run["seed"] for run in self.failures}
        return [seed for seed in self.seeds if seed not in failed]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The runs that failed, and with what."""
        return [run for run in self.results if "error" in run]

    def interval(self, name: str, key: str = "accuracy") -> Interval:
        """The mean over seeds, and its 95 % interval."""
        return mean_interval(self.of(name, key))

    @property
    def differences(self) -> list[Difference]:
        """Every pair of configurations, tested on their paired accuracies."""
        if not self.common_seeds:
            return []
        return compare_pairs({name: self.of(name) for name in self.names}, self.size)

    @property
    def ranking(self) -> str:
        """The order in words, and which of the differences were detected."""
        if not self.common_seeds:
            return "no seed from which all configurations could be trained"
        return ranking({name: self.of(name) for name in self.names}, self.differences)

    def reached(self, name: str) -> Reached:
        """When a configuration's runs first had the target accuracy on the test data."""
        steps, seconds = [], []
        for run in self.results:
            if run["name"] != name or "error" in run:
                continue
            accuracies = run["curves"]["test_accuracy"]
            epoch = next((n for n, a in enumerate(accuracies, 1) if a >= self.target), None)
            if epoch is not None:
                steps.append(run["steps"] * epoch / len(accuracies))
                seconds.append(run["seconds"] * epoch / len(accuracies))
        if not steps:
            return Reached(0, float("nan"), float("nan"))
        return Reached(len(steps), float(np.median(steps)), float(np.median(seconds)))

    def words(self, name: str) -> list[str]:
        """What was ill with a configuration's networks at the end, most frequent first."""
        runs = [run for run in self.results if run["name"] == name and "error" not in run]
        kinds: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for run in runs:
            for text in run["words"]:
                kind = text.partition(":")[0] + text.rpartition(" since")[0].rpartition(" ")[2]
                kinds[kind] += 1
                examples.setdefault(kind, text)
        return [f"{examples[kind]} ({n} of {len(runs)} runs)" for kind, n in kinds.most_common()]

    def table(self) -> str:
        """All of it as text."""
        from minitorch_np.reports.text import comparison_text

        return comparison_text(self)

    def plot(self) -> Figure:
        """The learning curves, as a matplotlib Figure. Raises MissingExtraError without it."""
        from minitorch_np.reports.plots import learning_curves

        return learning_curves(self)

    def _repr_html_(self) -> str:
        from minitorch_np.reports.page import fragment

        return fragment(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists and numbers, as for JSON."""
        return {
            "configurations": [
                {
                    "name": name,
                    "learning_rate": self.rates[name],
                    "accuracy": self.interval(name)._asdict() if self.common_seeds else None,
                    "loss": self.interval(name, "loss")._asdict() if self.common_seeds else None,
                    "reached": self.reached(name)._asdict(),
                    "words": self.words(name),
                }
                for name in self.names
            ],
            "pairs": [
                each._asdict()
                | {"difference": each.difference._asdict(), "detected": each.detected}
                for each in self.differences
            ],
            "ranking": self.ranking,
            "seeds": self.seeds,
            "target": self.target,
            "size": self.size,
            "tuned": bool(self.tuning),
            "runs": self.results,
            "tuning": self.tuning,
        }

    def to_csv(self) -> str:
        """A line for each run."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.results)
        return text.getvalue()

    def __str__(self) -> str:
        return self.table()
