"""Sources with rows: arrays in memory or on disk, and data sets that yield one sample at a time.

A source has two operations: its number of samples, and reading samples by their row numbers. Stores
of arrays are read in slices, which all of them support and which is fastest. What is read is
checked, so that a truncated file, or a sample of another shape, leads to an error that names the
row, not to wrong numbers.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, aligned_empty, checksum
from minitorch_np.errors import DataError, MinitorchError, ShapeError
from minitorch_np.io.arrays import in_words
from minitorch_np.sources.order import BLOCK_BYTES

AFFORDABLE = 64 * 2**20
"""The largest number of bytes of a source that is read to identify its data."""

PAGE = mmap.PAGESIZE
"""The unit in which the system reads a mapped file."""

SAMPLED = 64
"""The number of rows that are read instead of a larger source."""


class Source(ABC):
    """Samples that are read by their row numbers; `place` is their name in errors.

    - `chunk`: the number of rows that are stored and read together; None if any row costs the same;
    - `row_bytes`: the approximate size of one sample.
    """

    chunk: int | None = None
    row_bytes: int = 1

    def __init__(self, x: Any, place: str) -> None:
        self.x, self.place = x, place
        self.n = self.count()
        if not self.n:
            raise DataError(f"{place}: expected at least one sample, got none")

    def count(self) -> int:
        """The current number of samples."""
        shape = getattr(self.x, "shape", None)
        if shape == ():
            raise DataError(f"{self.place}: expected at least one axis, got a single number")
        return len(self.x) if shape is None else int(shape[0])

    def __len__(self) -> int:
        return self.n

    @abstractmethod
    def read(self, rows: AnyArray) -> Any:
        """The samples in these rows, one in each row of an array, or of the arrays of a tree. For a
        source with chunks, the rows are in ascending order.
        """

    def ahead(self, rows: AnyArray) -> Any:
        """The same, called shortly before they are used: arrays, or `Later`, to pick from."""
        return self.read(rows)

    def identity(self) -> str:
        """A text that identifies the data: size, dtype and the checksum of all rows or a sample."""
        rows = np.arange(self.n)
        if self.n * self.row_bytes > AFFORDABLE:
            rows = np.unique(np.linspace(0, self.n - 1, SAMPLED).astype(np.intp))
        block = max(1, BLOCK_BYTES // self.row_bytes)
        found = 0
        for first in range(0, len(rows), block):
            read = np.ascontiguousarray(self.read(rows[first : first + block]))
            found = zlib.crc32(read.data, found)
        return f"{self.n} x {read.shape[1:]} {read.dtype.str}, {len(rows)} rows {found:08x}"

    def require_length(self, row: object) -> None:
        """Raise DataError if the number of samples has changed."""
        now = self.count()
        if now != self.n:
            raise DataError(
                f"{self.place}: expected {self.n} samples, as at the beginning, got {now} when row "
                f"{row} was read: do not change the data while a run reads it"
            )

    def unreadable(self, row: object, error: Exception) -> DataError:
        """The error that names a row that could not be read."""
        return DataError(
            f"{self.place}: expected to read row {row}, got {in_words(error)}: "
            "was the data deleted, or is it damaged?"
        )


class Later:
    """Rows of an array that are copied only when they are picked, into the cache of the core that
    uses them. It would have to fetch a copy that another core made ahead.

    Picked rows are valid until the next pick.
    """

    def __init__(self, source: InMemory, rows: AnyArray) -> None:
        self.source, self.rows = source, rows
        self.room = source.x[:0]

    def __getitem__(self, places: Any) -> AnyArray:
        rows = self.rows[places]
        if len(self.room) < len(rows):
            self.room = aligned_empty((len(rows), *self.room.shape[1:]), self.room.dtype)
        return self.source.picked(rows, self.room[: len(rows)])


class InMemory(Source):
    """An array in memory."""

    def __init__(self, x: AnyArray, place: str) -> None:
        super().__init__(x, place)
        self.row_bytes = max(1, x.nbytes // len(x))
        # Of any other array, `take` would copy all of it.
        self.simple = x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative and x.size > 0

    def read(self, rows: AnyArray) -> AnyArray:
        found: AnyArray = self.x[_as_slice(rows)]
        return found

    def picked(self, rows: AnyArray, room: AnyArray) -> AnyArray:
        """The same; written into the memory `room` if that is faster."""
        found: AnyArray = self.x.take(rows, 0, room, "clip") if self.simple else self.x[rows]
        return found

    def ahead(self, rows: AnyArray) -> Any:
        return Later(self, rows)

    def identity(self) -> str:
        return f"{self.n} x {self.x.shape[1:]} {self.x.dtype.str}, all {checksum([self.x]):08x}"


class _File:
    """The file of a source. HDF5 reads zeros where a file was truncated, and a memory map ends the
    process, so the size is checked before each read.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path if path and os.path.isfile(path) else None
        self.size = os.stat(self.path).st_size if self.path else 0

    def check(self, source: Source, row: object) -> None:
        """Raise DataError, naming the row, if the file is smaller than at the beginning."""
        if self.path is None:
            return
        try:
            size = os.stat(self.path).st_size
        except OSError as error:
            raise source.unreadable(row, error) from error
        if size < self.size:
            raise DataError(
                f"{source.place}: expected {self.path} with {self.size:,} bytes, as at the "
                f"beginning, got {size:,} when row {row} was to be read"
            )


class Mapped(InMemory):
    """A memory-mapped file: np.memmap. Reading ahead touches a byte of each page, so that the page
    is in memory when the rows are copied.
    """

    def __init__(self, x: AnyArray, place: str) -> None:
        name = getattr(x, "filename", None)
        self.file = _File(None if name is None else os.fspath(name))
        super().__init__(np.asarray(x), place)
        if self.simple:
            self.pages = self.x.reshape(-1).view(np.uint8).reshape(len(self.x), -1)[:, ::PAGE]

    def read(self, rows: AnyArray) -> AnyArray:
        self.file.check(self, rows[0])
        found: AnyArray = self.x[rows]  # a copy
        return found

    def picked(self, rows: AnyArray, room: AnyArray) -> AnyArray:
        self.file.check(self, rows[0])
        return super().picked(rows, room)

    def ahead(self, rows: AnyArray) -> Any:
        if not self.simple:
            return self.read(rows)
        self.file.check(self, rows[0])
        self.pages[rows]
        return Later(self, rows)

    identity = Source.identity


class Sliced(Source):
    """A store with `shape`, `dtype` and slices: h5py.Dataset, zarr.Array, a Dask array.

    Raises DataError for a source that can't be read, ShapeError for rows of another shape.
    """

    def __init__(self, x: Any, place: str) -> None:
        super().__init__(x, place)
        self.sample_shape = tuple(x.shape[1:])
        self.row_bytes = max(1, math.prod(self.sample_shape) * np.dtype(x.dtype).itemsize)
        chunks = getattr(x, "shards", None) or getattr(x, "chunks", None)
        along = chunks[0] if chunks else max(1, BLOCK_BYTES // self.row_bytes)
        self.chunk = int(max(along) if isinstance(along, tuple) else along)  # Dask's differ
        name = getattr(getattr(x, "file", None), "filename", None)  # h5py's
        self.file = _File(name if isinstance(name, str) else None)
        # Zarr silently reads a missing chunk as zeros.
        self._written = self._chunks_written()

    def read(self, rows: AnyArray) -> AnyArray:
        self.require_length(rows[0])
        self.file.check(self, rows[0])
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        if len(edges) == 2:
            return self._run(int(rows[0]), int(rows[-1]) + 1)
        out = np.empty((len(rows), *self.sample_shape), self.x.dtype)
        for first, last in itertools.pairwise(edges):
            out[first:last] = self._run(int(rows[first]), int(rows[last - 1]) + 1)
        return out

    def _run(self, first: int, last: int) -> AnyArray:
        """The rows from `first` to `last` - 1."""
        try:
            found = np.asarray(self.x[first:last])
        except (MinitorchError, MemoryError):
            raise
        except Exception as error:
            raise self.unreadable(self._first_unreadable(first, last), error) from error
        if found.shape != (last - first, *self.sample_shape):
            raise ShapeError(
                f"{self.place}: expected rows {first} to {last - 1} of shape {self.sample_shape}, "
                f"got {found.shape}"
            )
        if self._written and self._has_blank_rows(found[:: self.chunk]):
            self._require_written(first, last)
        return found

    def _first_unreadable(self, first: int, last: int) -> int:
        """The first row that can't be read, by bisection; chunks are read as a whole."""
        while last - first > 1:
            middle = (first + last) // 2
            try:
                np.asarray(self.x[first:middle])
                first = middle
            except Exception:
                last = middle
        return first

    def _has_blank_rows(self, rows: AnyArray) -> bool:
        blank: AnyArray = (rows == self.x.fill_value).reshape(len(rows), -1).all(axis=1)
        return bool(blank.any())

    def _chunks_written(self) -> int:
        written = getattr(self.x, "nchunks_initialized", 0)
        return int(written) if isinstance(written, (int, np.integer)) else 0

    def _require_written(self, first: int, last: int) -> None:
        """Raise DataError if chunks were removed, since a blank row may be one of theirs."""
        written = self._chunks_written()
        if written < self._written:
            raise DataError(
                f"{self.place}: expected {self._written} chunks, as at the beginning, got {written}"
                f" when rows {first} to {last - 1} were read"
            )


class ByIndex(Source):
    """A map-style data set: it has `len(x)`, and `x[i]` is one sample or a tuple (x, y)."""

    def __init__(self, x: Any, place: str) -> None:
        super().__init__(x, place)
        self._like = tree(np.asarray, self._sample(0))
        leaves = list[AnyArray]()
        tree(leaves.append, self._like)
        self.row_bytes = max(1, sum(leaf.nbytes for leaf in leaves))

    def read(self, rows: AnyArray) -> Any:
        self.require_length(rows[0])
        samples = [tree(np.asarray, self._sample(int(row))) for row in rows]
        for row, sample in zip(rows, samples, strict=True):
            if shapes(sample) != shapes(self._like):
                raise ShapeError(
                    f"{self.place}: expected samples of shape {shapes(self._like)}, as the first "
                    f"one, got {shapes(sample)} at row {row}"
                )
        return tree(lambda *leaves: np.stack(leaves), *samples)

    def _sample(self, row: int) -> Any:
        try:
            return self.x[row]
        except (MinitorchError, MemoryError):
            raise
        except Exception as error:
            raise self.unreadable(row, error) from error

    def identity(self) -> str:
        # Not its content: many such data sets apply random changes at each access.
        return f"{type(self.x).__qualname__} of {self.n}, {shapes(self._like)}"


class Columns(Source):
    """Inputs, targets and weights from separate sources: a sample is a row of each.

    Raises ShapeError if they have different lengths.
    """

    def __init__(self, x: Any, y: Any, weights: Source | None, place: str) -> None:
        self.columns = (x, y) if weights is None else (x, y, weights)
        self.parts = list[Source]()
        tree(self.parts.append, self.columns)
        super().__init__(self.columns, place)
        self.chunk = max((part.chunk for part in self.parts if part.chunk), default=None)
        self.row_bytes = sum(part.row_bytes for part in self.parts)

    def count(self) -> int:
        lengths = [len(part) for part in self.parts]
        if len(set(lengths)) > 1:
            named = ", ".join(f"{part.place}: {len(part)}" for part in self.parts)
            raise ShapeError(f"expected as many targets as samples, got {named}")
        return lengths[0]

    def read(self, rows: AnyArray) -> Any:
        return tree(lambda part: part.read(rows), self.columns)

    def ahead(self, rows: AnyArray) -> Any:
        return tree(lambda part: part.ahead(rows), self.columns)

    def identity(self) -> str:
        return "; ".join(part.identity() for part in self.parts)


class Part(Source):
    """The rows from `first` to `last` - 1 of a source, as a source; errors name rows of `whole`."""

    def __init__(self, whole: Source, first: int, last: int) -> None:
        self.whole, self.first, self.last = whole, first, last
        super().__init__(whole, whole.place)
        self.chunk, self.row_bytes = whole.chunk, whole.row_bytes

    def count(self) -> int:
        return self.last - self.first

    def read(self, rows: AnyArray) -> Any:
        return self.whole.read(rows + self.first)

    def ahead(self, rows: AnyArray) -> Any:
        return self.whole.ahead(rows + self.first)

    def identity(self) -> str:
        return f"rows {self.first} to {self.last} of {self.whole.identity()}"


def tree(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply a function to the leaves of trees of tuples, lists and dictionaries; returns a tree."""
    first = trees[0]
    if isinstance(first, (tuple, list)):
        return tuple(tree(function, *leaves) for leaves in zip(*trees, strict=True))
    if isinstance(first, Mapping):
        return {key: tree(function, *(one[key] for one in trees)) for key in first}
    return function(*trees)


def shapes(x: Any) -> Any:
    """The shapes of the arrays of a tree."""
    return tree(lambda leaf: leaf.shape, x)


def _as_slice(rows: AnyArray) -> Any:
    """The rows as a slice, if they are consecutive."""
    first, last = int(rows[0]), int(rows[-1])
    follow = last - first == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    return slice(first, last + 1) if follow else rows
