"""Converts a CSV file of any size to arrays that need not be read into memory.

The numbers are written to two .npy files, which `np.load(path, mmap_mode="r")` opens: `big.npy` has
a row for each line, and `big.labels.npy` the labels. The file is read a block of lines at a time.
After each block the progress is saved, so that an interrupted conversion can be continued. The two
files get their final names at the end.
"""

from __future__ import annotations

import json
import math
import os
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.data.csv import LABELS, LONGEST, Columns, problems, read_head
from minitorch_np.data.dataset import Images
from minitorch_np.errors import DataError, MinitorchError
from minitorch_np.io.atomic import replacing
from minitorch_np.io.bounded import open_file
from minitorch_np.signature import explained
from minitorch_np.text import excerpt
from minitorch_np.validation import choice, require
from minitorch_np.validation import path as checked_path

BLOCK = 4 * 2**20
"""The number of bytes that are read at a time."""

KINDS = ("uint8", "float32", "float64")
"""Pixels from 0 to 255, or any numbers."""


class Converted(NamedTuple):
    """The result of `convert_csv`: the paths and sizes. `labels` is None if the file has none;
    `resumed` is the number of rows that an earlier, interrupted conversion had written.
    """

    x: str
    labels: str | None
    rows: int
    columns: int
    resumed: int


@explained
def convert_csv(
    path: StrPath,
    out: StrPath,
    *,
    dtype: str = "uint8",
    label: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> Converted:
    """Write the numbers of a CSV file to `out`, a .npy file, and its labels to a second one.

    Parameters:
        dtype: "uint8" for pixels from 0 to 255 with the columns of `load_csv`; "float32" or
            "float64" for any numbers.
        label: for any numbers, the name of the label column; by default one called label, class,
            target or the like, if there is one.
        progress: called with the number of bytes read, after each block.

    The memory needed does not depend on the size of the file. Raises DataError, with file and line,
    for a line with fewer or more columns than the first or an invalid value; if `out` exists; or if
    an unfinished conversion of another file exists.
    """
    source, target = (
        checked_path("convert_csv", "path", path),
        checked_path("convert_csv", "out", out),
    )
    choice("convert_csv", "dtype", dtype, KINDS)
    require(progress is None or callable(progress), "convert_csv", "a function progress", progress)
    if not target.endswith(".npy"):
        raise DataError(f"{target}: expected a name that ends in .npy")
    columns = read_head(source) if dtype == "uint8" else _any_head(source, label)
    work = _Work(source, target, columns, np.dtype(dtype))
    try:
        work.run(progress)
    finally:
        work.close()
    return work.finish()


def labels_path(path: str) -> str:
    """The path of the labels that belong to the rows in `path`."""
    return f"{path.removesuffix('.npy')}.labels.npy"


@explained
def load_converted(path: StrPath) -> Images:
    """The images written by `convert_csv`, memory-mapped. Raises DataError for other files."""
    place = checked_path("load_converted", "path", path)
    try:
        with open_file(place):
            pixels = np.load(place, mmap_mode="r", allow_pickle=False)
        found = labels_path(place)
        there = os.path.exists(found)
        labels = np.load(found, mmap_mode="r", allow_pickle=False) if there else None
        side = math.isqrt(pixels.shape[1]) if pixels.ndim == 2 else 0
    except (MinitorchError, OSError):
        raise
    except Exception as error:  # on damaged files NumPy raises many kinds; an .npz has no axes
        raise DataError(
            f"{place}: expected a .npy file of numbers, and of labels beside it, got one that is "
            f"truncated, damaged or something else ({type(error).__name__})"
        ) from None
    if pixels.dtype != np.uint8 or side**2 != pixels.size // max(1, len(pixels)):
        raise DataError(
            f"{place}: expected rows of 28x28 pixels, or another square, as uint8, got "
            f"{pixels.dtype} of shape {pixels.shape}: train on other numbers with Trainer.fit"
        )
    return Images(pixels.reshape(len(pixels), side, side), labels, place)


class _Work:
    """A conversion: the source, the files written, and the progress."""

    def __init__(self, source: str, target: str, columns: Columns, dtype: np.dtype[Any]) -> None:
        self.source, self.target, self.columns, self.dtype = source, target, columns, dtype
        self.note = f"{target}.part.json"
        self.label = columns.label
        self.width = len(columns.names) - (self.label is not None)
        state = os.stat(source)
        self.identity = {
            "source": os.path.basename(source),
            "bytes": state.st_size,
            "modified": state.st_mtime_ns,
            "columns": columns.names,
            "label": self.label,
            "dtype": dtype.str,
        }
        self.offset, self.line, self.rows = 0, 0, 0
        self._go_on()
        self.resumed = self.rows
        self.files = [self._open(name, shape) for name, shape in self._parts()]

    def _parts(self) -> list[tuple[str, tuple[int, ...]]]:
        """The files to write, and the shape of a row in each."""
        parts: list[tuple[str, tuple[int, ...]]] = [(self.target, (self.width,))]
        return parts + ([] if self.label is None else [(labels_path(self.target), ())])

    def _go_on(self) -> None:
        """Read the progress of an earlier conversion. Raises DataError if it is another one."""
        if not os.path.exists(self.note):
            for name, _ in self._parts():
                if os.path.exists(name):
                    raise DataError(f"{name}: expected a new file, got one that exists: remove it")
            return
        try:
            with open(self.note, encoding="utf-8") as file:
                then = json.load(file)
            same = then["identity"] == self.identity and then.pop("checksum") == _checksum(then)
            self.offset, self.line, self.rows = (then[k] for k in ("offset", "line", "rows"))
        except (ValueError, KeyError, TypeError, RecursionError):
            same = False
        if not same:
            raise DataError(
                f"{self.note}: expected a conversion of {self.source} as it is now, got one of "
                "another file, with other arguments or changed by hand: remove it to start again"
            )

    def _open(self, name: str, shape: tuple[int, ...]) -> IO[bytes]:
        """The unfinished file, cut to the saved progress. Raises DataError if it is shorter."""
        begun = self.rows and (os.path.exists(f"{name}.part") or os.path.exists(name))
        if self.rows and not begun:
            raise DataError(f"{name}.part: expected the file that {self.note} names, got none")
        unfinished = not os.path.exists(name) or not self.rows
        file = open(f"{name}.part" if unfinished else name, "r+b" if begun else "w+b")  # noqa: SIM115
        head = _header(0, shape, self.dtype)
        if not begun:
            file.write(head)
        size = len(head) + self.rows * math.prod(shape) * self.dtype.itemsize
        found = file.seek(0, os.SEEK_END)
        if found < size:
            file.close()
            raise DataError(
                f"{name}.part: expected at least {size:,} bytes, as {self.note} says, got "
                f"{found:,}: remove both to start again"
            )
        if unfinished:
            file.truncate(size)
        file.seek(size)
        return file

    def run(self, progress: Callable[[int], object] | None) -> None:
        """Convert the rest, a block at a time."""
        with open_file(self.source) as file:
            while self._skip_head(file) and (lines := file.readlines(BLOCK)):
                table = self._table(lines)
                if self.label is not None:
                    place = self.label % len(self.columns.names)
                    self.files[1].write(np.ascontiguousarray(table[:, place]).data)
                    table = np.delete(table, place, axis=1)
                self.files[0].write(np.ascontiguousarray(table).data)
                self.rows += len(table)
                self.line += len(lines)
                self.offset = file.tell()
                self._write_note()
                if progress is not None:
                    progress(self.offset)
        if not self.rows:
            raise DataError(f"{self.source}: expected at least one row of numbers, got none")

    def _skip_head(self, file: IO[bytes]) -> bool:
        file.seek(self.offset)
        while self.line < self.columns.header_lines:
            file.readline()
            self.line += 1
            self.offset = file.tell()
        return True

    def _table(self, lines: list[bytes]) -> AnyArray:
        """The numbers of some lines. Raises DataError for the first invalid line."""
        texts = [line.decode("utf-8-sig", "replace") for line in lines]
        try:
            if max(map(len, texts)) > LONGEST:
                raise ValueError("a line is too long")
            if not any(text.strip() for text in texts):
                return np.empty((0, len(self.columns.names)), self.dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy before 2.3 turns 256 into 0 with a warning
                table = np.loadtxt(texts, self.dtype, delimiter=",", comments=None, ndmin=2)
            if table.shape[1] != len(self.columns.names):
                raise ValueError(f"{len(self.columns.names)} names, {table.shape[1]} columns")
        except (ValueError, DeprecationWarning, UserWarning) as error:
            numbered = enumerate(texts, self.line + 1)
            find = problems if self.dtype == np.uint8 else _other_problems
            for problem in find(self.source, self.columns, numbered):
                raise DataError(problem) from None
            raise DataError(f"{self.source}: expected numbers: {error}") from None
        return table

    def _write_note(self) -> None:
        """Save the progress, after flushing the files to the disk."""
        for file in self.files:
            file.flush()
            os.fsync(file.fileno())
        at = {"offset": self.offset, "line": self.line, "rows": self.rows}
        told = {"identity": self.identity, **at}
        with replacing(self.note) as file:
            file.write(json.dumps(told | {"checksum": _checksum(told)}).encode())

    def finish(self) -> Converted:
        """Write the number of rows into the files, and rename them to their final names."""
        for name, shape in self._parts():
            if not os.path.exists(f"{name}.part"):
                continue  # renamed by an earlier conversion that was interrupted here
            with open(f"{name}.part", "r+b") as file:
                file.write(_header(self.rows, shape, self.dtype))
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{name}.part", name)
        os.remove(self.note)
        labels = None if self.label is None else labels_path(self.target)
        return Converted(self.target, labels, self.rows, self.width, self.resumed)

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()


def _checksum(told: Mapping[str, Any]) -> int:
    """The checksum of a progress note: one that was edited would give a wrong table."""
    return zlib.crc32(json.dumps(told, sort_keys=True).encode())


def _header(rows: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of a .npy file. NumPy pads it, so that its size is the same for any number of
    rows.
    """
    import io

    file = io.BytesIO()
    told = {"descr": dtype.str, "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(file, told)
    return file.getvalue()


def _any_head(path: str, label: str | None) -> Columns:
    """The columns of a file of any numbers, whose first line may name them."""
    with open_file(path) as file:
        text = file.readline(LONGEST).decode("utf-8-sig", "replace")
    names = [field.strip().strip('"') for field in text.split(",")]
    named = not all(map(_is_number, names))
    if not text.strip():
        raise DataError(f"{path}:1: expected names of columns, or numbers, got an empty line")
    if label is not None and (not named or label not in names):
        raise DataError(f"{path}:1: expected a column named {label!r}, got {excerpt(str(names))}")
    known = [name for name in names if (name == label if label else name.lower() in LABELS)]
    place = names.index(known[0]) if named and known else None
    shown = names if named else [f"column {i}" for i in range(1, len(names) + 1)]
    return Columns(int(named), shown, place, 0)


def _other_problems(path: str, columns: Columns, lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    """The errors in lines of any numbers."""
    for number, line in lines:
        if not line.strip():
            continue
        fields = line.split(",")
        if len(fields) != len(columns.names):
            yield (
                f"{path}:{number}: expected {len(columns.names)} columns, as in the first line, "
                f"got {len(fields)}"
            )
        for name, field in zip(columns.names, fields, strict=False):
            if not _is_number(field):
                yield (
                    f"{path}:{number}: expected a number in {excerpt(name)}, got "
                    f"'{excerpt(field.strip())}'"
                )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
