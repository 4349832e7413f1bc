"""Batches of data that is not in memory.

They yield the pieces of an epoch's batches, as `Batches` does for arrays. A thread reads the
samples ahead. They are checked and converted just before they are used, when they are in the
processor's cache.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections import abc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Generator, each, parts
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.sources.ahead import ReadAhead
from minitorch_np.sources.order import (
    BLOCK_BYTES,
    GROUP_NUMBERS,
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
    grouped,
    read,
    rows_of,
    spans,
)
from minitorch_np.sources.stores import ByIndex, Source, tree
from minitorch_np.sources.stream import Stream
from minitorch_np.training.batches import Batches, Pieces, Samples, Transform

FIRST = 64
"""The number of samples of a source that are inspected before training."""


class Checks(NamedTuple):
    """Functions that make samples from what is read, or raise an error that says why they can't.

    - `inputs(x, kept)` are the inputs of a piece, converted: see `reading.converted`;
    - `answers(y, weights, n)` are the targets and the weights of n samples.
    """

    inputs: Callable[[Any, dict[int, Array] | None], Any]
    answers: Callable[[Any, Any, int], tuple[Any, Any]]


class Reading(NamedTuple):
    """The settings for reading data, as given to `fit`."""

    scale: float | None = None
    prefetch: int = 2
    window: int | None = None
    steps: int | None = None


class _ReadBatches(Batches):
    """The base of batches that are read: a thread reads ahead.

    `first` holds the first samples, converted as in a batch.
    """

    def __init__(
        self,
        checks: Checks,
        reading: Reading,
        transform: Transform | None,
        micro_size: int | None,
        place: str,
    ) -> None:
        self.checks, self.reading, self.transform, self.place = checks, reading, transform, place
        self.micro, self.seen, self.cut, self.own = micro_size, 0, None, None

    @abstractmethod
    def groups(self, order: Any, done: int) -> abc.Generator[Group, None, None]:
        """The groups of an epoch after its first `done` batches; targets and weights are ready."""

    def epoch(self, order: Any, rng: Generator | None, done: int = 0) -> Pieces:
        kept, check = dict[int, Array](), self.checks.inputs
        with closing(self.groups(order, done)) as groups:
            for samples, rows, cuts, seen in groups:
                inputs, *others = samples
                group = Samples(checked_at(lambda x: check(x, kept), inputs, rows), *others)
                first = 0
                for span in cuts:
                    x, y, weights = group.rows(slice(first, first + span.size))
                    first += span.size
                    if self.transform is not None:
                        x = self._transformed(each(np.copy, x), rng)
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

    def answered(self, samples: Any, rows: Rows) -> tuple[Any, ...]:
        """The inputs unchanged, targets and weights in the form that the loss needs.

        Raises ShapeError and DataError with the row.
        """
        if not (isinstance(samples, tuple) and len(samples) in (2, 3)):
            raise DataError(
                f"{self.place}: expected samples (x, y) or (x, y, sample_weight), since no y is "
                f"given, got {type(samples).__name__} at row {rows[0]}"
            )
        x, *others = samples

        def answers(some: Any) -> Any:
            return self.checks.answers(some[0], some[1] if some[1:] else None, rows_of(some))

        y, weights = checked_at(answers, tree(lambda leaf: leaf[:], tuple(others)), rows)
        return (x, y) if weights is None else (x, y, weights)

    def all_checked(self, samples: Any, rows: Rows) -> Samples:
        """The samples of these rows, ready for training. Raises as `answered`."""
        x, *others = self.answered(samples, rows)
        return Samples(checked_at(lambda x: self.checks.inputs(x, None), x, rows), *others)


class SourceBatches(_ReadBatches):
    """Batches of `size` samples of a source; None means all of them. See `Batches`."""

    def __init__(
        self,
        source: Source,
        checks: Checks,
        reading: Reading,
        transform: Transform | None,
        micro_size: int | None,
        size: int | None,
        *,
        shuffle: bool,
    ) -> None:
        super().__init__(checks, reading, transform, micro_size, source.place)
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
        self.first = self.all_checked(source.read(rows), rows)
        numbers = sum(part.size for part in parts(self.first.x)) // len(rows)
        self.most = 1 if isinstance(source, ByIndex) else GROUP_NUMBERS // max(1, numbers)

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The order of one epoch: a permutation of all rows, or a seed to shuffle in windows."""
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
        if (own := self.own) is not None and self.transform is None:  # a transform needs all rows
            blocks = own_rows(blocks, (span.size for span in spans(*given)), own)
            cuts = (Span(len(range(n)[own(n)]), last, n) for n, last, _ in cuts)
        # Windows are large: one is in use, and one is read ahead.
        by_window = self.window is not None and order is not None
        ahead = min(self.reading.prefetch, 1) if by_window else self.reading.prefetch
        return read(self.source, blocks, grouped(cuts, self.most), ahead, self.answered)

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
        checks: Checks,
        reading: Reading,
        transform: Transform | None,
        micro_size: int | None,
    ) -> None:
        super().__init__(checks, reading, transform, micro_size, stream.place)
        self.stream, self.shuffle = stream, False
        first = stream.first()
        rows = [f"{row} of batch 0" for row in range(rows_of(first))]
        self.first = self.all_checked(first, rows)
        self.samples_in_all = len(rows)  # at least
        self.micro_size = micro_size or len(rows)
        # Any batch may be larger than the first one.
        self.size = self.micro_size + 1 if micro_size else self.micro_size

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

    def groups(self, order: Any, done: int) -> abc.Generator[Group, None, None]:
        given = self.stream.epoch(order or 0, done, self.seen)
        with ReadAhead(given, self.reading.prefetch) as batches:
            for batch, place, seen in batches:
                n = rows_of(batch)
                rows = [f"{row} of batch {place}" for row in range(n)]
                cuts = list(spans(n, n, self.micro or n))
                yield Group(self.answered(batch, rows), rows, cuts, seen)

    def identity(self) -> dict[str, Any]:
        own = {"batch size": "as given", "micro-batch size": self.micro, "shuffle": False}
        given = self.stream.batches
        named = given if inspect.isfunction(given) else type(given).__qualname__
        return own | {
            "samples": f"{self.stream.steps} batches an epoch",
            "scale": self.reading.scale,
            "data checksum": named,
        }
