"""Batches of data that is not in memory.

They are what `Batches` are for arrays: the pieces of an epoch's batches, one after the other. The
samples are read ahead by a thread, checked a group of batches at a time, and converted when it is
their turn, while they are in the processor's cache.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import abc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, DType, Generator, each
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
from minitorch_np.sources.reading import (
    Group,
    Rows,
    Span,
    block_rows,
    checked_at,
    converted,
    read,
    rows_of,
    spans,
)
from minitorch_np.sources.stores import Source
from minitorch_np.sources.stream import Stream
from minitorch_np.training.batches import Batches, Pieces, Samples, Transform

FIRST = 64
"""How many samples of a source are looked at before training."""

Check: TypeAlias = Callable[[Any, Any, Any], Samples]
"""Makes samples of inputs, targets and weights as they are read, or raises the error that says why
they can't be used; the inputs may be numbers of another kind."""


class Reading(NamedTuple):
    """How data is read, as `fit` is told."""

    scale: float | None = None
    prefetch: int = 2
    window: int | None = None
    steps: int | None = None


class _ReadBatches(Batches):
    """What batches that are read have in common: a thread reads ahead.

    `first` are the first samples, as a batch has them.
    """

    def __init__(
        self, check: Check, reading: Reading, dtype: DType, transform: Transform | None, place: str
    ) -> None:
        self.check, self.reading, self.transform, self.place = check, reading, transform, place
        self.dtype, self.scale = dtype, reading.scale
        self.seen, self.cut, self.own = 0, None, None

    @abstractmethod
    def groups(self, order: Any, done: int) -> abc.Generator[Group, None, None]:
        """What is read for an epoch but the first `done` batches."""

    def epoch(self, order: Any, rng: Generator | None, done: int = 0) -> Pieces:
        with closing(self.groups(order, done)) as groups:
            for group in groups:
                samples, first = self.checked_rows(group.samples, group.rows), 0
                for span in group.spans:
                    last = first + span.size
                    x, y, weights = samples.rows(slice(first, last))
                    x = checked_at(self.converted, x, group.rows[first:last])
                    first = last
                    if self.transform is not None:
                        x = self._transformed(each(np.copy, x), rng)
                    if self.cut is not None:
                        part = slice(*self.cut(0, span.in_all or span.size))
                        if span.in_all is None:  # else it is this rank's part already
                            x, y, weights = Samples(x, y, weights).rows(part)
                    self.seen = group.seen
                    yield x, y, weights, span.complete

    def converted(self, x: Any) -> Any:
        return converted(x, self.dtype, self.scale, self.place)

    def looked_at(self) -> Samples:
        return self.first._replace(x=self.converted(self.first.x))

    def checked_rows(self, samples: Any, rows: Rows) -> Samples:
        """The samples of these rows. Raises ShapeError and DataError with the row."""
        if not (isinstance(samples, tuple) and len(samples) in (2, 3)):
            raise DataError(
                f"{self.place}: expected samples (x, y) or (x, y, sample_weight), where no y is "
                f"given, got {type(samples).__name__} at row {rows[0]}"
            )
        return checked_at(lambda one: self.check(*(*one, None)[:3]), samples, rows)


class SourceBatches(_ReadBatches):
    """Batches of `size` samples of a source; None is all of them. See `Batches`."""

    def __init__(
        self,
        source: Source,
        check: Check,
        reading: Reading,
        size: int | None,
        *,
        shuffle: bool,
        place: str,
        dtype: DType,
        micro_size: int | None,
        transform: Transform | None,
    ) -> None:
        super().__init__(check, reading, dtype, transform, place)
        self.source = source
        self.samples_in_all = n = len(source)
        self.size = min(size or n, n)
        self.micro_size = min(micro_size or self.size, self.size)
        self.shuffle = shuffle and self.size < n
        block = max(1, BLOCK_BYTES // source.row_bytes)
        self.chunk = source.chunk or (block if reading.window else None)
        window = reading.window or max(1, WINDOW_BYTES // source.row_bytes)
        # A window that holds everything is a shuffle of everything, as in memory.
        self.window = window if self.chunk and window < n else None
        rows = np.arange(min(n, FIRST))
        self.first = self.checked_rows(source.read(rows), rows)

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The order of one epoch: of all rows; or a seed, for that of chunks and in windows."""
        if not self.shuffle:
            return None
        return (
            rng.permutation(self.samples_in_all)
            if self.window is None
            else int(rng.integers(2**63))
        )

    def groups(self, order: Any, done: int) -> abc.Generator[Group, None, None]:
        given = self.samples_in_all, self.size, self.micro_size, done
        cuts, blocks = spans(*given), without_first(self._blocks(order), done * self.size)
        if (own := self.own) is not None and self.transform is None:  # which is given all rows
            blocks = own_rows(blocks, (span.size for span in spans(*given)), own)
            cuts = (Span(len(range(n)[own(n)]), last, n) for n, last, _ in cuts)
        # Windows are large: of them one is used, and one is read ahead.
        by_window = self.window is not None and order is not None
        ahead = min(self.reading.prefetch, 1) if by_window else self.reading.prefetch
        return read(self.source, blocks, cuts, ahead)

    def _blocks(self, order: Any) -> Iterator[AnyArray]:
        """The rows of an epoch, as many at a time as are read at a time."""
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
    """The batches of an iterable, as they come; `micro_size` divides them into pieces."""

    def __init__(
        self,
        stream: Stream,
        check: Check,
        reading: Reading,
        *,
        dtype: DType,
        micro_size: int | None,
        transform: Transform | None,
    ) -> None:
        super().__init__(check, reading, dtype, transform, stream.place)
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
                f"{self.place}: expected steps_per_epoch with an iterable that does not tell its "
                "length, got None"
            )
        return self.stream.steps

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The number of the epoch: the iterable has an order of its own."""
        return epoch

    def groups(self, order: Any, done: int) -> abc.Generator[Group, None, None]:
        given = self.stream.epoch(order or 0, done, self.seen)
        with ReadAhead(given, self.reading.prefetch) as batches:
            for batch, place, seen in batches:
                n = rows_of(batch)
                rows = [f"{row} of batch {place}" for row in range(n)]
                yield Group(batch, rows, list(spans(n, n, self._micro or n)), seen)

    def identity(self) -> dict[str, Any]:
        own = {"batch size": "as given", "micro-batch size": self._micro, "shuffle": False}
        named = getattr(self.stream.batches, "__qualname__", type(self.stream.batches).__qualname__)
        return own | {
            "samples": f"{self.stream.steps} batches an epoch",
            "scale": self.reading.scale,
            "data checksum": named,
        }
