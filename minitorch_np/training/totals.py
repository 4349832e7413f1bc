"""Accumulates the mean loss and the metrics of an epoch."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array, count, each
from minitorch_np.losses import Loss
from minitorch_np.training.batches import Samples
from minitorch_np.training.metric import Metric


class Totals:
    """Sums over batches, and their means.

    `even` says whether all samples count the same. If so, the weight of a batch is its number of
    samples, otherwise the loss determines it.
    """

    def __init__(self, loss_function: Loss, metrics: Sequence[Metric], samples: Samples) -> None:
        self.loss_function, self.metrics, self.samples = loss_function, metrics, samples
        _, targets, weights = samples
        self.even = loss_function.weights(targets, weights) is None
        self.loss, self.weight = 0.0, 0.0
        self.counts: list[AnyArray | int] = [0] * len(metrics)

    def weigh(self, targets: Any, weights: Array | None) -> float:
        """The weight of a batch in the mean loss."""
        counts = self.loss_function.weights(targets, weights)
        return float(count(targets) if counts is None else counts.sum())

    def count(self, scores: Any, targets: Any, weights: Array | None) -> None:
        """Add a batch to the metrics; samples of weight 0 are left out, others count equally."""
        if not self.even:
            counted = self.loss_function.counted(targets, weights)
            scores, targets = (each(operator.getitem, part, counted) for part in (scores, targets))
        for place, metric in enumerate(self.metrics):
            self.counts[place] = metric.merge(self.counts[place], metric.count(scores, targets))

    def merged(self) -> Totals:
        """The sums over all processes; here there is only one."""
        return self

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the sums in a checkpoint."""
        self.loss, self.weight, self.counts = state["loss"], state["weight"], state["counts"]

    def means(self) -> dict[str, float]:
        """The loss and the metrics, by name."""
        pairs = zip(self.metrics, self.counts, strict=True)
        values = {metric.name: metric.value(np.asarray(counts)) for metric, counts in pairs}
        return {"loss": self.loss / self.weight if self.weight else 0.0, **values}
