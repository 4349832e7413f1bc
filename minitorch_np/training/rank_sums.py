"""Sums over several processes that train together: losses, gradients, and the sums of an epoch.

Each class replaces one that a single process uses: the loss, `Accumulator` and `Totals`. `ranks` is
the `Ranks` of this process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, each
from minitorch_np.core.layer import Gradients
from minitorch_np.losses import Loss
from minitorch_np.training.batches import Samples
from minitorch_np.training.metric import Metric
from minitorch_np.training.step import Accumulator
from minitorch_np.training.totals import Totals

SMALL = 2**16
"""Up to this many numbers are added up together with the loss in one non-blocking call."""


class SummedLoss:
    """Wraps a loss: the gradient is that of the sum over the samples, not of their mean.

    It is not a `Loss`, since backward is not the derivative of forward.
    """

    def __init__(self, loss: Loss, ranks: Any) -> None:
        self.loss, self.ranks = loss, ranks

    def forward(
        self, scores: Any, targets: Any, sample_weight: Array | None = None
    ) -> tuple[float, Any]:
        given = () if sample_weight is None else (sample_weight,)
        value, cache = self.loss.forward(scores, targets, *given)
        return value, (cache, self.ranks.weight(self.loss, targets, sample_weight))

    def backward(self, cache: Any) -> Any:
        own, weight = cache
        return each(lambda dy: dy * weight, self.loss.backward(own))


class ReducedGradients(Accumulator):
    """The loss and the gradients of a batch: the sums over its pieces and over all ranks, divided
    by the weight of all samples. All gradients are stored in one vector.
    """

    def __init__(self, ranks: Any) -> None:
        super().__init__()
        self.ranks, self.begun = ranks, False
        self.flat = np.empty(0)
        self.places: dict[str, slice] = {}

    def add(self, loss: float, gradients: Gradients, weight: float) -> None:
        self.loss += loss * weight
        self.weight += weight
        if gradients.keys() != self.places.keys():  # the first piece, or layers were (un)frozen
            self._arrange(gradients)
        for name, place in self.places.items():
            if self.begun:
                self.flat[place] += gradients[name].reshape(-1)
            else:
                self.flat[place] = gradients[name].reshape(-1)
        self.begun = True

    def _arrange(self, gradients: Gradients) -> None:
        ends = np.cumsum([gradient.size for gradient in gradients.values()]).tolist()
        starts = [0, *ends[:-1]]
        self.places = dict(zip(gradients, map(slice, starts, ends), strict=True))
        self.flat = np.zeros(ends[-1] + 2, next(iter(gradients.values())).dtype)
        self.begun = False
        self.shapes = [gradient.shape for gradient in gradients.values()]

    def take(self) -> tuple[float, Gradients]:
        # For a long vector the two numbers are sent first: after that all ranks are here, so the
        # blocking Allreduce, which is faster, is safe. For a short one, a single call is faster.
        sums = self.flat[-2:] = self.loss, self.weight
        if len(self.flat) > SMALL:
            sums = self.ranks.total(np.array(sums)).tolist()
            self.ranks.reduce(self.flat)
        else:
            self.flat = self.ranks.total(self.flat)
            sums = self.flat[-2:].tolist()
        loss, weight = sums[0], sums[1] or 1.0
        self.flat /= weight
        self.loss, self.weight, self.begun = 0.0, 0.0, False
        places = zip(self.places.items(), self.shapes, strict=True)
        return loss / weight, {
            name: self.flat[part].reshape(shape) for (name, part), shape in places
        }


class RankTotals(Totals):
    """The sums of an epoch over all ranks; until `merged`, this rank's part of them."""

    def __init__(self, ranks: Any, loss: Loss, metrics: Sequence[Metric], samples: Samples) -> None:
        super().__init__(loss, metrics, samples)
        self.ranks, self.even = ranks, False

    def weigh(self, targets: Any, weights: Array | None) -> float:
        weight: float = self.ranks.weight(self.loss_function, targets, weights)
        return weight

    def count(self, scores: Any, targets: Any, weights: Array | None) -> None:
        if not (self.ranks.whole and self.ranks.rank):
            super().count(scores, targets, weights)

    def merged(self) -> Totals:
        parts = self.ranks.gather((self.loss, self.weight, self.counts))
        found = Totals(self.loss_function, self.metrics, self.samples)
        found.loss, found.weight = (math.fsum(part[n] for part in parts) for n in (0, 1))
        for place, metric in enumerate(self.metrics):
            for part in parts:
                if not isinstance(part[2][place], int):
                    found.counts[place] = metric.merge(found.counts[place], part[2][place])
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        if not self.ranks.rank:
            super().restore(state)
