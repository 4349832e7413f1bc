"""Training on several processes at once: data-parallel, over MPI.

Each process (a rank) has the whole model and takes its part of each batch. It runs forward and back
on these samples alone; then the gradients of all ranks are added up in one Allreduce, and each rank
makes the same update. So the models stay equal, and the result is that of one process with the
whole batch.

The mean over a batch is that over all of its samples, wherever they are. So a rank sums its
gradients (its dy is multiplied by what its samples weigh), and the sum over all ranks is divided by
the weight of all samples: parts of different sizes and samples of different weights come out right.

A rank that waits for others also looks for a message that one of them has failed, and then raises
the same error: nobody waits for a rank that does not come.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Generator, count
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Gradients
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError, MinitorchError, RankError
from minitorch_np.losses import Loss, SeveralLosses
from minitorch_np.text import excerpt
from minitorch_np.training.batches import Batches, Cut, Samples
from minitorch_np.training.draws import draws
from minitorch_np.training.metric import Metric
from minitorch_np.training.rank_sums import RankTotals, ReducedGradients, SummedLoss
from minitorch_np.training.step import Accumulator, propagate
from minitorch_np.training.totals import Totals

Load: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Sets or writes the state of a run."""

FAILED = 1
"""The tag of the message that a rank sends to all others when it fails."""

PATIENCE = 2_000
"""After so many looks, about a millisecond, a rank that waits leaves the core to others."""


class Alone:
    """One process: nothing is shared."""

    rank, size = 0, 1
    cut: Cut | None = None

    propagate = staticmethod(propagate)
    accumulator, totals = Accumulator, Totals

    def share(self, n: int) -> slice:
        """Which of n samples this rank evaluates."""
        return slice(n)

    def first_reads(self, load: Load, begin: Callable[[Load], None]) -> None:
        """Let the first rank begin with a checkpoint; what it loads, all load."""
        begin(load)

    def first_writes(self, write: Load, state: Mapping[str, Any]) -> None:
        """Let the first rank write the state, to which all have contributed."""
        if not self.rank:
            write(state)

    def part(self, loss: Loss, samples: Samples) -> Samples:
        """This rank's part of one batch."""
        return samples

    def reduced(
        self, loss: Loss, samples: Samples, value: float, gradients: Gradients
    ) -> tuple[float, Gradients]:
        """The loss and the gradients of the whole of that batch."""
        return value, gradients


class Ranks(Alone):
    """The processes of an MPI communicator, of which this one has the number `rank`.

    What they do together stands in a `with` block: it ends on all of them, or with an error on all.
    """

    def __init__(self, communicator: Any, model: Model) -> None:
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()
        self._parent, self._model = communicator, model
        self._here: Any = None
        self._unfinished: list[Any] = []
        self._rows, self._all_rows, self.whole = slice(0, 0), 0, False

    # Together, or not at all

    def __enter__(self) -> Self:
        # Others' failures arrive on a communicator of our own, and none is used after one.
        if self._here is None:
            self._here = self._parent.Dup()
        if self.rank:  # the first one warns
            self._quiet = warnings.catch_warnings(action="ignore", category=UserWarning)
            self._quiet.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.rank:
            self._quiet.__exit__(None, None, None)
        try:
            if error is None:
                self._arrive()
        except BaseException as found:
            error = found
            raise
        finally:
            if error is not None:
                if not hasattr(error, "rank_that_failed"):
                    self._tell(error)
                self._here = None

    def _tell(self, error: BaseException) -> None:
        """Send an error to all other ranks, whatever they wait for."""
        error.add_note(f"on rank {self.rank} of {self.size}")
        kind, text = type(error).__name__, str(error)
        said = text if isinstance(error, MinitorchError) else f"{kind}: {text}"
        for other in range(self.size):
            if other != self.rank:
                message = (self.rank, kind, said)
                self._unfinished.append(self._here.isend(message, other, FAILED))

    def _finish(self, request: Any, *buffers: AnyArray) -> None:
        """Wait for a request. Raises the error of a rank that failed meanwhile."""
        looks = 0
        while not request.Test():
            looks += 1
            if not looks % 64 and self._here.Iprobe(tag=FAILED):
                self._unfinished += [request, *buffers]  # MPI may still write to them
                rank, kind, said = self._here.recv(tag=FAILED)
                known = {cls.__name__: cls for cls in MinitorchError.__subclasses__()}
                cls = known.get(kind, RankError)
                cls = RankError if "__init__" in vars(cls) else cls
                error = cls(f"rank {rank}: {said}")
                vars(error)["rank_that_failed"] = rank
                raise error
            if looks > PATIENCE:
                time.sleep(1e-5)

    def _arrive(self) -> None:
        """Wait until all ranks are here."""
        self._finish(self._here.Ibarrier())

    def total(self, own: Array) -> Array:
        """The sum of the arrays of all ranks."""
        found = np.empty_like(own)
        self._finish(self._here.Iallreduce(own, found), own, found)
        return found

    def reduce(self, own: Array, total: Array) -> None:
        """The same for ranks that are all here, into an array that is there."""
        self._here.Allreduce(own, total)

    def gather(self, own: Any) -> list[Any]:
        """What each rank has to say, in their order."""
        self._arrive()
        found: list[Any] = self._here.allgather(own)
        return found

    def check_samples(self, loss: Loss, batches: Batches) -> None:
        """Raise ConfigurationError for samples that can't be divided."""
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

    def agree(self, described: Mapping[str, Any]) -> None:
        """Raise ConfigurationError on all ranks, with what differs, unless all say the same."""
        first, *others = self.gather(described)
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

    # Their parts of a batch

    def cut(self, first: int, last: int) -> tuple[int, int]:
        """This rank's part of a piece of a batch.

        Of fewer samples than ranks each takes all, and rank 0's count: so each draws the same
        random numbers, and measures the same statistics.
        """
        rows = last - first
        self.whole, self._all_rows = rows < self.size, rows
        part = slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)
        self._rows = slice(0, rows) if self.whole else part
        return first + self._rows.start, first + self._rows.stop

    def part(self, loss: Loss, samples: Samples) -> Samples:
        return samples.rows(slice(*self.cut(0, count(samples.x))))

    def reduced(
        self, loss: Loss, samples: Samples, value: float, gradients: Gradients
    ) -> tuple[float, Gradients]:
        batch = self.accumulator()
        batch.add(value, gradients, self.weight(loss, samples.y, samples.weights))
        return batch.take()

    def share(self, n: int) -> slice:
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def weight(self, loss: Loss, targets: Any, weights: Array | None) -> float:
        """How much this rank's samples count in the mean loss."""
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
            return propagate(model, SummedLoss(loss, self), x, y, weights, rng)
        finally:
            for layer in coupled:
                layer.all_parts = None

    @functools.cached_property
    def _coupled(self) -> list[Any]:
        """The layers that measure something over a batch."""
        return [layer for layer in self._model.walk() if hasattr(layer, "all_parts")]

    def mean(self, mean: Array) -> Array:
        """The mean over the samples of all ranks, of the mean over this one's."""
        own = self._rows.stop - self._rows.start
        total = self.total(mean.astype(np.float64) * own)
        return (total / self._all_rows).astype(mean.dtype)

    def count(self, numbers: int) -> int:
        """How many numbers all ranks have, of which this one has `numbers`."""
        return numbers * self._all_rows // (self._rows.stop - self._rows.start)

    def accumulator(self) -> Accumulator:  # type: ignore[override]
        """What adds up the gradients of a batch."""
        return ReducedGradients(self)

    def totals(self, loss: Loss, metrics: Sequence[Metric], samples: Samples) -> Totals:  # type: ignore[override]
        """What adds up an epoch."""
        return RankTotals(self, loss, metrics, samples)


def ranks_of(communicator: Any, model: Model, loss: Loss) -> Alone:
    """The ranks that train a model: those of a communicator, or one process without (None).

    Raises ConfigurationError for anything but a communicator of mpi4py, and for a layer or a loss
    that needs all samples of a batch in one place.
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
        whole = isinstance(layer, Composite)  # as its layers are
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
