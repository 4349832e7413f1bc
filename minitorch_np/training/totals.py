"""What an epoch adds up to: the mean loss, the metrics, and the gradient of a batch in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.training.batches import Samples

if TYPE_CHECKING:
    from minitorch_np.training.trainer import Trainer


class Totals:
    """Sums over batches of different weights, and the means that they come to."""

    def __init__(self, trainer: Trainer, samples: Samples) -> None:
        self.loss_function, self.metrics = trainer.loss, trainer.metrics
        _, targets, given = samples.rows(slice(1))
        self._even = trainer.loss.weights(targets, given) is None
        self.counts: list[AnyArray | int] = [0] * len(self.metrics)
        self.loss, self.weight = 0.0, 0.0

    def add(
        self, loss: float, scores: Array, targets: AnyArray, sample_weight: Array | None
    ) -> float:
        """Add a batch's mean loss and metrics; return what it weighs.

        Samples that do not count at all count in no metric, and the others equally.
        """
        weights = None if self._even else self.loss_function.weights(targets, sample_weight)
        weight = float(len(scores) if weights is None else weights.sum())
        self.loss += loss * weight
        self.weight += weight
        if not self.metrics:
            return weight
        if weights is not None:
            counted = self.loss_function.counted(targets, sample_weight)
            scores, targets = scores[counted], targets[counted]
        for place, metric in enumerate(self.metrics):
            self.counts[place] = self.counts[place] + metric.count(scores, targets)
        return weight

    def means(self) -> dict[str, float]:
        """The loss and the metrics, by name."""
        pairs = zip(self.metrics, self.counts, strict=True)
        values = {metric.name: metric.value(np.asarray(counts)) for metric, counts in pairs}
        return {"loss": self.loss / self.weight if self.weight else 0.0, **values}


class GradientSum:
    """The gradient of a batch, from those of its pieces: their mean, by weight."""

    def __init__(self, like: Array) -> None:
        self.sum = np.zeros_like(like)
        self.loss, self.weight = 0.0, 0.0

    def add(self, gradients: Array, loss: float, weight: float) -> None:
        """Add a piece's mean gradient and loss; `gradients` is used as scratch space."""
        gradients *= weight
        self.sum += gradients
        self.loss += loss * weight
        self.weight += weight

    def take(self, out: Array) -> float:
        """Write the batch's gradient to `out`, begin the next, and return the batch's loss."""
        weight = self.weight or 1.0
        np.divide(self.sum, weight, out=out)
        loss = self.loss / weight
        self.sum[...] = 0
        self.loss, self.weight = 0.0, 0.0
        return loss
