"""Training on several processes at once: data-parallel, over MPI.

Each process (a rank) has the whole model and takes its part of each batch. It runs forward and back
on these samples alone; then the gradients of all ranks are added up in one Allreduce, and each rank
makes the same update. So the models stay equal, and the result is that of one process with the
whole batch.

The loss is the mean over all samples of a batch, on all ranks. So a rank sums its gradients (its dy
is multiplied by the weight of its samples), and the sum over all ranks is divided by the weight of
all samples. This is correct for parts of different sizes and samples of different weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import Array, Generator, count
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Gradients
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError
from minitorch_np.losses import Loss, SeveralLosses
from minitorch_np.text import excerpt
from minitorch_np.training.batches import Batches, Cut, Samples
from minitorch_np.training.callback import Callback
from minitorch_np.training.draws import draws
from minitorch_np.training.metric import Metric
from minitorch_np.training.rank_sums import RankTotals, ReducedGradients, SummedLoss
from minitorch_np.training.step import Accumulator, propagate
from minitorch_np.training.together import Together
from minitorch_np.training.totals import Totals

Load: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Sets the state of a run."""


class Alone:
    """A single process: nothing is shared."""

    rank, size = 0, 1
    cut: Cut | None = None
    own: Callable[[int], slice] | None = None

    propagate = staticmethod(propagate)
    accumulator, totals = Accumulator, Totals

    def check_samples(self, loss: Loss, batches: Batches) -> None:
        """Raise ConfigurationError for samples that can't be divided among the ranks."""

    def agree(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        """Raise ConfigurationError on all ranks, naming the differences, unless all agree."""

    def any(self, true: bool) -> bool:
        """Whether it is true on any rank."""
        return true

    def called(self, callbacks: list[Callback]) -> list[Callback]:
        """The callbacks to call on this rank: those that only write or show, on the first rank."""
        return callbacks

    def first_reads(self, load: Load, begin: Callable[[Load], None]) -> None:
        """Let the first rank read a checkpoint; all ranks load the state that it finds."""
        begin(load)

    def part(self, loss: Loss, samples: Samples) -> Samples:
        """This rank's part of one batch."""
        return samples

    def reduced(
        self, loss: Loss, samples: Samples, value: float, gradients: Gradients
    ) -> tuple[float, Gradients]:
        """The loss and the gradients of the whole batch."""
        return value, gradients


class Ranks(Together, Alone):
    """The processes of an MPI communicator; this one is number `rank`."""

    def __init__(self, communicator: Any, model: Model) -> None:
        super().__init__(communicator)
        self._model = model
        self._rows, self._all_rows, self.whole = slice(0, 0), 0, False

    def check_samples(self, loss: Loss, batches: Batches) -> None:
        n = batches.samples_in_all
        if n < self.size:
            raise ConfigurationError(
                f"fit: expected at least as many samples as ranks, {self.size}, got {n}: start "
                "fewer processes"
            )
        if isinstance(loss, SeveralLosses):
            loss.check_pieces(batches.first.y)

    def first_reads(self, load: Load, begin: Callable[[Load], None]) -> None:
        found: list[Mapping[str, Any]] = []

        def load_and_keep(state: Mapping[str, Any]) -> None:
            load(state)
            found.append(state)

        if not self.rank:
            begin(load_and_keep)
        for state in self.gather(found)[0]:
            if self.rank:
                load(state)

    def any(self, true: bool) -> bool:
        return any(self.gather(true))

    def called(self, callbacks: list[Callback]) -> list[Callback]:
        return [each for each in callbacks if not (self.rank and each.only_first_rank)]

    def agree(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        first, *others = self.gather(dict(describe()))
        differ = [
            f"{name}: {excerpt(repr(first.get(name)), 160)} on rank 0, "
            f"{excerpt(repr(other.get(name)), 160)} on rank {number}"
            for name in first
            for number, other in enumerate(others, 1)
            if other.get(name) != first[name]
        ]
        if differ:
            raise ConfigurationError(
                f"ranks: expected the same on all {self.size}, got {'; '.join(differ)}: give "
                "each the same seeds, model, arguments and data"
            )

    # Parts of a batch

    def own(self, rows: int) -> slice:
        """This rank's part of this many rows; all of them if there are fewer rows than ranks."""
        if rows < self.size:
            return slice(0, rows)
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def cut(self, first: int, last: int) -> tuple[int, int]:
        """This rank's part of a piece of a batch.

        If there are fewer samples than ranks, each rank computes all, and only rank 0's result
        counts: so all draw the same random numbers and measure the same statistics.
        """
        rows = last - first
        self.whole, self._all_rows = rows < self.size, rows
        self._rows = self.own(rows)
        return first + self._rows.start, first + self._rows.stop

    def part(self, loss: Loss, samples: Samples) -> Samples:
        return samples.rows(slice(*self.cut(0, count(samples.x))))

    def reduced(
        self, loss: Loss, samples: Samples, value: float, gradients: Gradients
    ) -> tuple[float, Gradients]:
        batch = self.accumulator()
        batch.add(value, gradients, self.weight(loss, samples.y, samples.weights))
        return batch.take()

    def weight(self, loss: Loss, targets: Any, weights: Array | None) -> float:
        """The weight of this rank's samples in the mean loss."""
        if self.whole and self.rank:
            return 0.0
        counts = loss.weights(targets, weights)
        return float(count(targets) if counts is None else counts.sum())

    def propagate(
        self, model: Any, loss: Loss, x: Any, y: Any, weights: Array | None, rng: Generator
    ) -> tuple[float, Any, Gradients]:
        """As `step.propagate`, for this rank's samples; the gradients are sums, not means."""
        coupled = [] if self.whole else self._coupled
        for layer in coupled:
            layer.all_parts = self
        if not self.whole:
            rng = draws()(rng.bit_generator, self._rows, self._all_rows)
        try:
            summed: Any = SummedLoss(loss, self)
            return propagate(model, summed, x, y, weights, rng)
        finally:
            for layer in coupled:
                layer.all_parts = None

    @functools.cached_property
    def _coupled(self) -> list[Any]:
        """The layers that compute statistics over a batch."""
        return [layer for layer in self._model.walk() if hasattr(layer, "all_parts")]

    def mean(self, mean: Array) -> Array:
        """The mean over the samples of all ranks, given the mean over this rank's."""
        own = self._rows.stop - self._rows.start
        total = self.total(mean.astype(np.float64) * own)
        return (total / self._all_rows).astype(mean.dtype)

    def count(self, numbers: int) -> int:
        """The number of entries on all ranks, given that of this rank."""
        return numbers * self._all_rows // (self._rows.stop - self._rows.start)

    def accumulator(self) -> Accumulator:  # type: ignore[override]
        """A new accumulator for the gradients of a batch."""
        return ReducedGradients(self)

    def totals(self, loss: Loss, metrics: Sequence[Metric], samples: Samples) -> Totals:  # type: ignore[override]
        """New totals of an epoch, or of an evaluation."""
        return RankTotals(self, loss, metrics, samples)


def ranks_of(communicator: Any, model: Model, loss: Loss) -> Alone:
    """The ranks that train a model: those of a communicator, or a single process for None.

    Raises ConfigurationError for anything but a communicator of mpi4py, and for a layer or a loss
    that needs all samples of a batch in one process.
    """
    if communicator is None:
        return Alone()
    needed = ("Get_rank", "Get_size", "Dup", "Iallreduce", "Ibarrier", "Iprobe", "allgather")
    if not all(hasattr(communicator, name) for name in needed):
        raise ConfigurationError(
            "Trainer: expected communicator to be one of mpi4py, such as MPI.COMM_WORLD, or None, "
            f"got {excerpt(repr(communicator), 80)}"
        )
    if communicator.Get_size() == 1:
        return Alone()
    for layer in model.walk():
        whole = isinstance(layer, Composite)  # decided by the layers inside
        if layer.couples_samples and not (whole or hasattr(layer, "all_parts")):
            raise ConfigurationError(
                f"Trainer: expected layers that treat each sample on its own, or measure means "
                f"over all ranks through `all_parts`, got {layer!r}: train it in one process"
            )
    if loss.couples_samples:
        raise ConfigurationError(
            f"Trainer: expected a loss of each sample on its own on several ranks, got {loss!r}, "
            "which compares the samples of a batch: train it in one process"
        )
    return Ranks(communicator, model)
