"""The result of a comparison, as data: the measurements, and the statistics on them.

Tests and intervals are computed once, at their first use. The presentation is in `reports`.
"""

from __future__ import annotations

import csv
import importlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median, median_low
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import Array, StrPath
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Finding
from minitorch_np.experiments.measure import ACCURACY, EXPLAINED, Measure, worth
from minitorch_np.experiments.statistics import Interval, median_interval, proportion_interval
from minitorch_np.experiments.verdicts import Sample, Verdict, groups, verdicts

Result: TypeAlias = dict[str, Any]

COLUMNS = ("name", "seed", "rate", "loss", "seconds", "steps", "lost", "error")
"""The columns of the CSV besides the measure; it has a line per run."""


class Summary(NamedTuple):
    """One configuration's runs.

    - `mean` and `median` of all test accuracies (or of the other measure), where a failed run
      counts as chance; `interval` is that of the median; `worked` is the median of the runs that
      did not collapse;
    - `collapsed`: the number of `runs` that failed, or in which a class has a recall of 0 on the
      test data, or R2 is not above 0; `collapses` is the interval of their fraction;
    - `failed`: the number of runs that ended in an error;
    - `loss` and `seconds`: medians over the runs that did not fail;
    - `steps`: the median number of steps to the target accuracy on the training data; runs that did
      not reach it count as infinite; `reached` is the number of runs that did.
    """

    name: str
    rate: float
    runs: int
    mean: float
    median: float
    interval: Interval
    worked: float
    collapsed: int
    collapses: Interval
    failed: int
    loss: float
    seconds: float
    steps: float
    reached: int


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of `compare`.

    - `configurations`, each at the learning rate at which it was compared;
    - `results` has a dictionary for each configuration and seed, `tuning` for each run for the
      choice of a rate; `edges` are the names whose best rate is the lowest or highest tried;
    - `size` is the smallest difference that matters; the steps to the training accuracy `target`
      are reported;
    - `reference` is the configuration that all others are compared with, None for all pairs;
    - `samples` are the numbers of training and test samples, `outputs` that of classes, or of
      numbers per sample; `measure` is the quantity that is compared;
    - `resampled`: whether each seed used another sample of the training data;
    - `notes` are further remarks on how the comparison was made.
    """

    configurations: Sequence[Configuration]
    seeds: list[int]
    results: list[Result]
    tuning: list[Result] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    target: float = 0.9
    size: float = 0.005
    reference: str | None = None
    samples: tuple[int, int] = (0, 0)
    outputs: int = 10
    resampled: bool = False
    notes: list[str] = field(default_factory=list)
    measure: Measure = ACCURACY

    @property
    def names(self) -> list[str]:
        """The configurations' names."""
        return [configuration.name for configuration in self.configurations]

    @cached_property
    def runs(self) -> dict[str, list[Result]]:
        """Each configuration's results, in the order of the seeds."""
        found: dict[str, list[Result]] = {name: [] for name in self.names}
        place = {seed: number for number, seed in enumerate(self.seeds)}
        for run in sorted(self.results, key=lambda run: place[run["seed"]]):
            found[run["name"]].append(run)
        return found

    @property
    def failures(self) -> list[Result]:
        """The results of failed runs, with their errors."""
        return [run for run in self.results if "error" in run]

    def whole(self, name: str) -> list[Result]:
        """The runs of a configuration that did not fail."""
        return [run for run in self.runs[name] if "error" not in run]

    @property
    def chance(self) -> float:
        """The value that a failed run counts as: an accuracy of 1 / classes, or an R2 of 0."""
        return 1 / self.outputs if self.measure == ACCURACY else 0.0

    def accuracies(self, name: str) -> Array:
        """The test accuracies by seed, or the values of R2; a failed run, or an R2 below 0, counts
        as chance."""
        return np.array([worth(run, self.chance) for run in self.runs[name]])

    def collapsed(self, name: str) -> list[bool]:
        """Whether each run, by seed, failed, or a class has a recall of 0 on the test data, or R2
        is not above 0."""
        return [
            "error" in run or bool(run["lost"]) or run.get(EXPLAINED.key, 1.0) <= 0
            for run in self.runs[name]
        ]

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """Each configuration's runs in numbers."""
        return {each.name: self._summary(each) for each in self.configurations}

    def _summary(self, configuration: Configuration) -> Summary:
        name = configuration.name
        accuracies, collapsed, whole = self.accuracies(name), self.collapsed(name), self.whole(name)
        worked = [a for a, lost in zip(accuracies, collapsed, strict=True) if not lost]
        steps = [self.steps_to_target(run) for run in self.runs[name]]
        return Summary(
            name,
            configuration.rate,
            len(accuracies),
            float(accuracies.mean()),
            float(median(accuracies)),
            median_interval(accuracies),
            float(median(worked)) if worked else math.nan,
            sum(collapsed),
            proportion_interval(sum(collapsed), len(collapsed)),
            len(accuracies) - len(whole),
            median([run["loss"] for run in whole]) if whole else math.nan,
            median([run["seconds"] for run in whole]) if whole else math.nan,
            float(median(steps)),
            sum(map(math.isfinite, steps)),
        )

    def steps_to_target(self, run: Result) -> float:
        """The number of steps after which a run first reached the target accuracy (or R2) in an
        epoch, on the training data; infinite if never."""
        accuracies = run.get("curves", {}).get(self.measure.key, [])
        for epoch, accuracy in enumerate(accuracies, 1):
            if accuracy >= self.target:
                return float(run["steps"] * epoch / len(accuracies))
        return math.inf

    @cached_property
    def curves(self) -> dict[str, Array]:
        """The median test accuracy (or R2) after each epoch, by name; without configurations whose
        runs all failed."""
        curve = f"test_{self.measure.key}"
        return {
            name: np.median([run["curves"][curve] for run in runs], axis=0)
            for name in self.names
            if (runs := self.whole(name))
        }

    @cached_property
    def ranking(self) -> list[str]:
        """The names, the best mean test accuracy first."""
        return sorted(self.names, key=lambda name: -self.summaries[name].mean)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict on each pair, the better one by mean first, in the order of the ranking."""
        samples = {
            name: Sample(self.accuracies(name), np.array(self.collapsed(name)))
            for name in self.names
        }
        place = {name: number for number, name in enumerate(self.ranking)}
        found = [each.turned for each in verdicts(samples, self.size, self.reference)]
        return sorted(found, key=lambda each: (place[each.first], place[each.second]))

    @cached_property
    def groups(self) -> dict[str, str]:
        """Letters for each name: two that share one were not found to differ. There are none if not
        all pairs were compared."""
        few = any(each.kind == "too few seeds" for each in self.verdicts)
        if self.reference is not None or few or len(self.names) == 1:
            return dict.fromkeys(self.names, "")
        return groups(self.ranking, self.verdicts)

    def findings(self, name: str) -> list[Finding]:
        """The findings in a configuration's networks, the most frequent first; numbers are medians.

        Lost classes are those of the test data.
        """
        found: dict[Any, list[Finding]] = {}
        for run in self.whole(name):
            for each in map(Finding.of, run["findings"]):
                found.setdefault(each.key, []).append(each)
        merged = [
            same[0]._replace(
                value=median_low(each.value for each in same),
                since=median_low(each.since or 1 for each in same),
                ill=2 * sum(each.ill for each in same) >= len(same),
                runs=len(same),
            )
            for same in found.values()
        ]
        return sorted(merged, key=lambda each: (not each.ill, -each.runs, each.path))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as dictionaries, lists and numbers, ready for JSON."""
        return {
            "configurations": [
                {
                    **self.summaries[name]._asdict(),
                    "interval": self.summaries[name].interval._asdict(),
                    "collapses": self.summaries[name].collapses._asdict(),
                    "group": self.groups[name],
                    "findings": [each._asdict() for each in self.findings(name)],
                }
                for name in self.names
            ],
            "pairs": [
                each._asdict() | {"interval": each.interval._asdict(), "detected": each.detected}
                for each in self.verdicts
            ],
            "ranking": self.ranking,
            "seeds": self.seeds,
            "measure": self.measure.key,
            "target": self.target,
            "size": self.size,
            "reference": self.reference,
            "tuned": bool(self.tuning),
            "edges": self.edges,
            "resampled": self.resampled,
            "notes": self.notes,
            "runs": self.results,
            "tuning": self.tuning,
        }

    def report(self, path: StrPath | None = None) -> Any:
        """The Report of `mt.report`: text, HTML for notebooks, `plot()` and `write(...)`.

        With `path`, it is also written there as an HTML page. Raises OSError if that fails.
        """
        # `reports` imports this room, so it is imported only here.
        made = importlib.import_module("minitorch_np.reports").report(self)
        if path is not None:
            made.write(path)
        return made

    def _repr_html_(self) -> str | None:
        shown: str | None = self.report()._repr_html_()
        return shown

    def to_csv(self) -> str:
        """The runs as CSV text, a line for each."""
        text = io.StringIO()
        columns = (*COLUMNS[:3], self.measure.key, *COLUMNS[3:])
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for run in self.results:
            writer.writerow(run | {"lost": " ".join(map(str, run.get("lost", [])))})
        return text.getvalue()

    def __repr__(self) -> str:
        order = ", ".join(self.ranking)
        n = len(self.seeds)
        return f"Comparison({n} seed{'s' * (n > 1)}; by mean: {order}; .report() tells more)"
