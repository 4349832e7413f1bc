"""Batches of data that is not in memory.

They yield the pieces of an epoch's batches, as `Batches` does for arrays. The samples are read,
converted and checked a group of batches at a time, by a thread that reads ahead.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.sources.ahead import ReadAhead
from minitorch_np.sources.order import (
    BLOCK_BYTES,
    WINDOW_BYTES,
    in_turn,
    own_rows,
    windows,
    without_first,
)
from minitorch_np.sources.reading import Span, block_rows, checked_at, read, rows_of, spans
from minitorch_np.sources.stores import Source
from minitorch_np.sources.stream import Stream
from minitorch_np.training.batches import Batches, Pieces, Samples, Transform

FIRST = 64
"""The number of samples of a source that are inspected before training."""

Check: TypeAlias = Callable[[Any, Any, Any], Samples]
"""Makes samples from inputs, targets and weights as they are read, or raises an error that says why
they can't be used."""


class Reading(NamedTuple):
    """The settings for reading data, as given to `fit`."""

    scale: float | None = None
    prefetch: int = 2
    window: int | None = None
    steps: int | None = None


class _ReadBatches(Batches):
    """The base of batches that are read: a thread reads groups of them ahead.

    `first` holds the first samples, converted as in a batch.
    """

    def __init__(
        self, check: Check, reading: Reading, transform: Transform | None, place: str
    ) -> None:
        self.check, self.reading, self.transform, self.place = check, reading, transform, place
        self.seen, self.cut, self.own = 0, None, None

    @abstractmethod
    def groups(self, order: Any, done: int) -> Iterator[tuple[Samples, list[Span], int]]:
        """The samples of an epoch except the first `done` batches, in groups of batches or pieces,
        the sizes of these, and the checksum of the batches read so far.
        """

    def epoch(self, order: Any, rng: Generator | None, done: int = 0) -> Pieces:
        with ReadAhead(self.groups(order, done), self.reading.prefetch) as groups:
            for samples, cuts, seen in groups:
                first = 0
                for span in cuts:
                    x, y, weights = samples.rows(slice(first, first + span.size))
                    first += span.size
                    if self.transform is not None:  # not in the thread: it draws from run's rng
                        x = self._transformed(x, rng)
                    if self.cut is not None:
                        part = slice(*self.cut(0, span.in_all or span.size))
                        if span.in_all is None:  # else only this rank's part was read
                            x, y, weights = Samples(x, y, weights).rows(part)
                    self.seen = seen
                    yield x, y, weights, span.complete

    def converted(self, x: Any) -> Any:
        return x  # converted when it was read

    def looked_at(self) -> Samples:
        return self.first

    def checked_rows(self, samples: Any, rows: Sequence[Any] | AnyArray) -> Samples:
        """The samples of these rows, converted. Raises ShapeError and DataError with the row."""
        return checked_at(
            lambda one: self.check(one[0], one[1], one[2] if one[2:] else None), samples, rows
        )


class SourceBatches(_ReadBatches):
    """Batches of `size` samples of a source; None means all of them. See `Batches`."""

    def __init__(
        self,
        source: Source,
        check: Check,
        reading: Reading,
        size: int | None,
        *,
        shuffle: bool,
        micro_size: int | None,
        transform: Transform | None,
    ) -> None:
        super().__init__(check, reading, transform, source.place)
        self.source = source
        self.samples_in_all = n = len(source)
        self.size = min(size or n, n)
        self.micro_size = min(micro_size or self.size, self.size)
        self.shuffle = shuffle and self.size < n
        block = max(1, BLOCK_BYTES // source.row_bytes)
        self.chunk = source.chunk or (block if reading.window else None)
        window = reading.window or max(1, WINDOW_BYTES // source.row_bytes)
        # With a window as large as the data, all rows are shuffled as in memory.
        self.window = window if self.chunk and window < n else None
        rows = np.arange(min(n, FIRST))
        self.first = self.checked_rows(_pair(source.read(rows), rows[0]), rows)

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The order of one epoch: a permutation of all rows, or a seed to shuffle in windows."""
        if not self.shuffle:
            return None
        return (
            rng.permutation(self.samples_in_all)
            if self.window is None
            else int(rng.integers(2**63))
        )

    def groups(self, order: Any, done: int) -> Iterator[tuple[Samples, list[Span], int]]:
        given = self.samples_in_all, self.size, self.micro_size, done
        cuts, blocks = spans(*given), without_first(self._blocks(order), done * self.size)
        if (own := self.own) is not None and self.transform is None:  # a transform needs all rows
            blocks = own_rows(blocks, (span.size for span in spans(*given)), own)
            cuts = (Span(len(range(n)[own(n)]), last, n) for n, last, _ in cuts)
        for group in read(self.source, blocks, cuts, self.reading.prefetch):
            samples = _pair(group.samples, group.rows[0])
            yield self.checked_rows(samples, group.rows), group.spans, 0

    def _blocks(self, order: Any) -> Iterator[AnyArray]:
        """The rows of an epoch, in the blocks in which they are read."""
        n = self.samples_in_all
        if self.window is not None and order is not None:
            return windows(n, self.chunk or 1, self.window, order)
        if self.chunk and order is not None:
            return in_turn(order, n, n)  # in ascending order: each chunk is read once
        return in_turn(order, n, block_rows(self.source, min(self.size, self.micro_size)))

    def identity(self) -> dict[str, Any]:
        mixed = f"windows of {self.window}, chunks of {self.chunk}"
        return {
            "samples": self.samples_in_all,
            "batch size": self.size,
            "micro-batch size": self.micro_size,
            "shuffle": mixed if self.shuffle and self.window else self.shuffle,
            "scale": self.reading.scale,
            "data checksum": self.source.identity(),
        }


class StreamBatches(_ReadBatches):
    """The batches of an iterable, in its order; `micro_size` divides them into pieces."""

    def __init__(
        self,
        stream: Stream,
        check: Check,
        reading: Reading,
        micro_size: int | None,
        transform: Transform | None,
    ) -> None:
        super().__init__(check, reading, transform, stream.place)
        self.stream, self.shuffle = stream, False
        first = stream.first()
        rows = [f"{row} of batch 0" for row in range(rows_of(first))]
        self.first = self.checked_rows(first, rows)
        self.samples_in_all = len(rows)  # at least
        self.micro_size = micro_size or len(rows)
        # Any batch may be larger than the first one.
        self.size = self.micro_size + 1 if micro_size else self.micro_size
        self._micro = micro_size

    def __len__(self) -> int:
        if self.stream.steps is None:
            raise ConfigurationError(
                f"{self.place}: expected steps_per_epoch with an iterable that has no length, got "
                "None"
            )
        return self.stream.steps

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The number of the epoch, since the iterable determines the order."""
        return epoch

    def groups(self, order: Any, done: int) -> Iterator[tuple[Samples, list[Span], int]]:
        for batch, place, seen in self.stream.epoch(order or 0, done, self.seen):
            n = rows_of(batch)
            rows = [f"{row} of batch {place}" for row in range(n)]
            cuts = list(spans(n, n, self._micro or n))
            yield self.checked_rows(batch, rows), cuts, seen

    def identity(self) -> dict[str, Any]:
        own = {"batch size": "as given", "micro-batch size": self._micro, "shuffle": False}
        given = self.stream.batches
        named = given if inspect.isfunction(given) else type(given).__qualname__
        return own | {
            "samples": f"{self.stream.steps} batches an epoch",
            "scale": self.reading.scale,
            "data checksum": named,
        }


def _pair(samples: Any, row: object) -> Any:
    """Samples (x, y) or (x, y, sample_weight) as they are. Raises DataError for anything else."""
    if isinstance(samples, tuple) and len(samples) in (2, 3):
        return samples
    raise DataError(
        f"x: expected samples (x, y) or (x, y, sample_weight), since no y is given, got "
        f"{type(samples).__name__} at row {row}"
    )
