"""Reading from a source: recognizes sources, and reads their samples in groups.

A thread reads blocks of rows ahead, and does nothing else with them: it would compete with the
training for Python's lock (the GIL), and the core that trains would have to fetch what the other
one has converted. An epoch is a sequence of spans, one for each batch or piece of a batch.
Consecutive spans form a group, which is taken from the blocks, checked and converted in one go when
it is used: for a small network it holds several batches.
"""

from __future__ import annotations

import re
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    aligned_empty,
    each,
    parts,
    require_finite,
)
from minitorch_np.errors import DataError, ShapeError
from minitorch_np.sources.ahead import ReadAhead
from minitorch_np.sources.order import BLOCK_BYTES, in_turn
from minitorch_np.sources.stores import ByIndex, Columns, InMemory, Mapped, Sliced, Source, tree
from minitorch_np.sources.stream import Stream

T = TypeVar("T")

Kind: TypeAlias = Literal["memory", "store", "samples", "batches"]
"""Where data is: in memory (anything that NumPy can convert to an array); in a store with `shape`,
`dtype` and slices; in a data set that yields one sample at a time; in an iterable of batches."""

HELD = ("__array_interface__", "__dlpack__", "iloc")
"""Attributes of arrays, tensors and data frames, which are in memory."""


def kind_of(x: Any) -> Kind:
    """The kind of x; anything else counts as "memory" and is left to NumPy."""
    if type(x) is np.ndarray or isinstance(x, (Sequence, Mapping, Set, type)):
        return "memory"
    if isinstance(x, np.memmap):
        return "store"
    if any(hasattr(x, name) for name in HELD) or _is_buffer(x):
        return "memory"
    if hasattr(x, "__getitem__"):
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return "store"
        if hasattr(x, "__len__"):
            return "memory" if hasattr(x, "__array__") else "samples"
    return "batches" if callable(x) or hasattr(x, "__iter__") else "memory"


def _is_buffer(x: Any) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def as_source(x: Any, place: str, in_memory: Callable[[Any], AnyArray]) -> Source:
    """x as a source; anything in memory is converted to an array by the function `in_memory`.

    Raises DataError for an iterable of batches.
    """
    kind = kind_of(x)
    if kind == "batches":
        raise DataError(
            f"{place}: expected an array, or a data set with a length, got {type(x).__name__}: "
            "pass an iterable of batches (x, y) as x, without y"
        )
    if kind == "memory":
        return InMemory(in_memory(x), place)
    if kind == "samples":
        return ByIndex(x, place)
    return Mapped(x, place) if isinstance(x, np.memmap) else Sliced(x, place)


Rows: TypeAlias = Sequence[Any] | AnyArray
"""The names of samples in errors: row numbers, or strings."""


class Span(NamedTuple):
    """A batch, or a piece of one: its number of samples, and whether it is the last of its batch.

    If only one process's part of it is read, `in_all` is the number of samples of all parts.
    """

    size: int
    complete: bool = True
    in_all: int | None = None


class Group(NamedTuple):
    """The samples of some spans, as a tree of arrays, and the rows that they come from. They are
    valid until the next group. For an iterable, `seen` is the checksum of the batches read so far.
    """

    samples: Any
    rows: Rows
    spans: list[Span]
    seen: int = 0


def spans(n: int, size: int, micro_size: int, done: int = 0) -> Iterator[Span]:
    """The spans of the batches of `size` out of n samples, except the first `done` batches."""
    for start in range(done * size, n, size):
        stop = min(start + size, n)
        for first in range(start, stop, micro_size):
            last = min(first + micro_size, stop)
            yield Span(last - first, last == stop)


def grouped(cuts: Iterable[Span], most: int) -> Iterator[list[Span]]:
    """Groups of consecutive spans with at most `most` samples, but at least one span each."""
    group, size = list[Span](), 0
    for span in cuts:
        if group and size + span.size > most:
            yield group
            group, size = [], 0
        group.append(span)
        size += span.size
    if group:
        yield group


def read(
    source: Source,
    blocks: Iterator[AnyArray],
    cuts: Iterator[list[Span]],
    prefetch: int,
    prepared: Callable[[Any, AnyArray], Any] = lambda samples, rows: samples,
) -> abc.Generator[Group, None, None]:
    """The samples in the rows of the blocks, in groups; up to `prefetch` blocks are read ahead.

    `prepared` is called with the samples of each block before they are used, and returns those to
    take groups from.
    """
    loaded = (_Block(source, rows) for rows in blocks)
    with ReadAhead(loaded, prefetch) as ready:
        block, at = None, 0
        for group in cuts:
            need, taken = sum(span.size for span in group), list[tuple[Any, AnyArray]]()
            while need:
                if block is None or at == len(block.rows):
                    block, at = next(ready), 0
                    block.samples = prepared(block.samples, block.stored)
                last = min(at + need, len(block.rows))
                taken.append(block.take(at, last))
                need -= last - at
                at = last
            samples, rows = taken[0]
            if len(taken) > 1:
                samples = tree(_joined, *(one for one, _ in taken))
                rows = np.concatenate([one for _, one in taken])
            yield Group(samples, rows, group)


def _joined(*leaves: AnyArray) -> AnyArray:
    """Parts of a group as one array of their class."""
    return np.concatenate(leaves).view(type(leaves[0]))


class _Block:
    """The samples in some rows. Those of a source with chunks are `stored` in ascending order, and
    `picks` are their places there in the requested order.
    """

    def __init__(self, source: Source, rows: AnyArray) -> None:
        self.rows = self.stored = rows
        self.picks = None
        if source.chunk and (np.diff(rows) < 0).any():
            self.stored = np.sort(rows)
            self.picks = np.searchsorted(self.stored, rows)
        self.samples = source.ahead(self.stored)

    def take(self, first: int, last: int) -> tuple[Any, AnyArray]:
        """The samples from place `first` to `last` - 1 of the order, and their rows."""
        picks: Any = slice(first, last) if self.picks is None else self.picks[first:last]
        return tree(lambda leaf: leaf[picks], self.samples), self.rows[first:last]


def converted(
    x: Any, dtype: DType, scale: float | None, place: str, kept: dict[int, Array] | None = None
) -> Any:
    """The samples in `dtype`, times `scale`: a copy; or with `kept`, in memory that the next call
    uses again, and unchanged samples as they are.

    Raises DataError, with row and column, for a NaN or infinity.
    """
    rooms = {} if kept is None else kept

    def one(part: AnyArray, number: int) -> Array:
        if kept is not None and scale is None and part.dtype == dtype:
            return part
        room = rooms.get(number)
        if room is None or room.shape[1:] != part.shape[1:] or len(room) < len(part):
            room = rooms[number] = aligned_empty(part.shape, dtype)
        out = room[: len(part)]
        # Numbers too large for float32 are refused as infinite.
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(out, part, casting="unsafe")
            if scale is not None:  # a product that also converts takes longer
                np.multiply(out, out.dtype.type(scale), out=out)
        return out

    made = each(one, x, tuple(range(len(x))) if isinstance(x, tuple) else 0)
    whole = all(part.dtype.kind in "uib" for part in parts(x))
    if not whole or abs(scale or 1) > 1:  # else they are finite
        require_finite(made, place)
    return made


def checked_at(check: Callable[[Any], T], samples: Any, rows: Rows) -> T:
    """The result of `check` on the samples. Raises its error with the row of the source, which is
    that of the first sample that fails on its own.
    """
    try:
        return check(samples)
    except (DataError, ShapeError) as error:
        for place, row in enumerate(rows):
            try:
                check(tree(lambda leaf, at=place: leaf[at : at + 1], samples))
            except (DataError, ShapeError) as own:
                text = str(own)
                known, found = re.subn(r"\b(row|sequence) 0\b", rf"\g<1> {row}", text, count=1)
                raise type(own)(known if found else f"{text} (row {row})") from None
        raise error


def inputs_in(
    x: Any, batch_size: int, place: str, batch: Callable[[Any], T]
) -> abc.Generator[T, None, None]:
    """The results of `batch` on inputs that are read: `batch_size` samples at a time, or a batch of
    an iterable. If samples or batches are (x, y), only x is used.
    """
    if kind_of(x) == "batches":
        pieces: Any = ReadAhead(_of_stream(x, place), 2)
    else:
        pieces = closing(_of_source(x, batch_size, place))
    with pieces as given:
        for samples, rows in given:
            yield checked_at(batch, samples[0] if isinstance(samples, tuple) else samples, rows)


def _of_stream(x: Any, place: str) -> Iterator[tuple[Any, Rows]]:
    for number, given in enumerate(Stream(x, None, place).opened()):
        batch = tree(np.asarray, given)
        yield batch, [f"{row} of batch {number}" for row in range(rows_of(batch))]


def _of_source(x: Any, batch_size: int, place: str) -> Iterator[tuple[Any, Rows]]:
    def source(part: Any) -> Source:
        return as_source(part, place, np.asarray)

    several = isinstance(x, tuple)
    whole = Columns(tuple(map(source, x)), (), None, place) if several else source(x)
    n = len(whole)
    blocks = in_turn(None, n, block_rows(whole, batch_size))
    for group in read(whole, blocks, grouped(spans(n, batch_size, batch_size), 1), 2):
        yield group.samples, group.rows


def block_rows(source: Source, unit: int) -> int:
    """The number of rows to read at a time: a multiple of the chunk, or of `unit`."""
    most = 1 if isinstance(source, ByIndex) else max(1, BLOCK_BYTES // source.row_bytes)
    unit = source.chunk or unit
    return unit * max(1, most // unit)


def rows_of(tree_of_arrays: Any) -> int:
    """The number of samples in a batch."""
    leaves = list[AnyArray]()
    tree(leaves.append, tree_of_arrays)
    return len(leaves[0]) if leaves and leaves[0].ndim else 0
