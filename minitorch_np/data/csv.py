"""Digits in a CSV file, as in Kaggle's digit-recognizer competition.

Each line is an image: its label if it has one, then its pixels, row by row, each a whole number
from 0 to 255. The first line may name the columns: `label,pixel0,pixel1,...`; then the label, or
`class`, may also be the last one. Without such a line, a file whose number of columns is a square
(784 = 28x28) has no labels, and one with one more column has.

NumPy reads the numbers. If that fails, the file is read again line by line, to name the line and
column of the error.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.data.dataset import Images, Pixels
from minitorch_np.errors import DataError
from minitorch_np.io.bounded import open_file
from minitorch_np.signature import explained
from minitorch_np.text import excerpt
from minitorch_np.validation import path as checked_path

LONGEST = 2**20
"""The most characters in a line: 512x512 pixels fit."""

LABELS = frozenset({"label", "labels", "class", "target", "digit", "y"})
"""The possible names of a label column."""

INDICES = frozenset({"", "index", "id", "unnamed: 0"})
"""The possible names of a column of row numbers."""

FEW = 20
"""In fewer lines than this, any column may be in order by accident."""


@explained
def load_csv(path: StrPath) -> Images:
    """The images in a CSV file, with their labels if it has any.

    Raises DataError, with file and line, for a file without images, a line with fewer or more
    columns than the first, a value that is not a whole number from 0 to 255, and labels that are
    row numbers, or pixels.
    """
    columns = read_head(path)
    try:
        table = _read_numbers(path, skip=columns.header_lines)
        if table.shape[1] != len(columns.names):
            raise ValueError(f"{len(columns.names)} names, {table.shape[1]} columns")
    except (ValueError, DeprecationWarning, UserWarning) as error:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = enumerate(iter(lambda: file.readline(LONGEST), ""), 1)
            for problem in problems(path, columns, lines):
                raise DataError(problem) from None
        raise DataError(f"{path}: expected whole numbers from 0 to 255: {error}") from None
    if columns.label is None:
        pixels, labels = table, None
    else:
        # A view: the label column stays in memory rather than all the pixels being copied.
        pixels = table[:, :-1] if columns.label else table[:, 1:]
        labels = table[:, columns.label].copy()
        _require_labels(path, labels, table[:, -1])
    images = pixels.reshape(len(table), columns.side, columns.side)
    return Images(images, labels, source=str(path))


class Columns(NamedTuple):
    """The columns of a file, by its first line."""

    header_lines: int
    names: list[str]
    label: int | None  # 0, or -1 for the last
    side: int


def read_head(path: StrPath) -> Columns:
    """The columns, according to the first line. Raises DataError for other files."""
    with open_file(checked_path("load_csv", "path", path)) as binary:
        begin = binary.read(4096)
    if b"\0" in begin or begin[:2] == b"\x1f\x8b":
        raise DataError(
            f"{path}: expected a CSV file, got a binary one: unpack it if it is compressed; for "
            "IDX files pass their folder to load_mnist, or --data"
        )
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = enumerate(iter(lambda: file.readline(LONGEST), ""), 1)
        number, line = next(((n, t) for n, t in lines if t.strip()), (1, ""))
    if not line:
        raise DataError(f"{path}:1: expected label,pixel0,... or numbers, got an empty file")
    place = f"{path}:{number}"
    if len(line) >= LONGEST:
        raise DataError(
            f"{place}: expected a line of up to {LONGEST:,} characters, got a longer one"
        )
    other = next((mark for mark in ";\t|" if line.count(mark) > line.count(",")), None)
    if other:
        raise DataError(f"{place}: expected commas between the columns, got {other!r}")
    fields = [field.strip().strip('"') for field in line.split(",")]
    first, last = fields[0].lower(), fields[-1].lower()
    # Columns may be named by numbers, as in label,0,1,2: then the first field decides.
    header = (
        first in LABELS
        or last in LABELS
        or (any(field[:1].isalpha() for field in fields) and not fields[-1].isdigit())
    )
    n = len(fields)
    if header and first in INDICES:
        raise DataError(
            f"{place}: expected a label or pixels in the first column, got row numbers: write the "
            "file without them, as with DataFrame.to_csv(path, index=False)"
        )
    label = 0 if first in LABELS else -1 if last in LABELS else None
    label = label if header else None if math.isqrt(n) ** 2 == n else 0
    side = math.isqrt(n - (label is not None))
    if side == 0 or side**2 != n - (label is not None):
        raise DataError(
            f"{place}: expected 784 pixel columns (28x28; any square is fine), with or without a "
            f"label column before them, got {n} columns: drop all others, such as row numbers"
        )
    names = fields if header else [f"column {i}" for i in range(1, n + 1)]
    return Columns(number if header else 0, names, label, side)


def _require_labels(path: StrPath, labels: Pixels, last: Pixels) -> None:
    """Raise DataError if a label column seems to hold something else."""
    n, remedy = len(labels), "the label must be the first column, or be named in a header"
    if n >= FEW and (np.diff(labels) == 1).all():
        raise DataError(f"{path}: expected labels in the first column, got row numbers: {remedy}")
    if n >= FEW and not labels.any() and 1 < len(np.unique(last)) <= last.max() + 1 <= 10:
        raise DataError(
            f"{path}: expected labels in the first column, got only 0, and possible labels in the "
            f"last one: {remedy}"
        )


def _read_numbers(path: StrPath, skip: int) -> Pixels:
    # NumPy decompresses a file by its name, such as .gz; reading by name is faster.
    plain = not os.fspath(path).endswith((".gz", ".bz2", ".xz"))
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        # NumPy before 2.3 turns 256 into 0 with a DeprecationWarning; no rows give a UserWarning.
        warnings.simplefilter("error")
        source = path if plain else stack.enter_context(open(path, encoding="utf-8-sig"))
        return np.loadtxt(
            source,
            np.uint8,
            delimiter=",",
            skiprows=skip,
            comments=None,
            ndmin=2,
            encoding="utf-8-sig",
        )


def problems(path: StrPath, columns: Columns, lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    """The errors in a file's numbered lines, in order."""
    images = 0
    for number, line in lines:
        if number <= columns.header_lines or not line.strip():
            continue
        images += 1
        fields = line.split(",")
        if len(fields) != len(columns.names):
            yield (
                f"{path}:{number}: expected {len(columns.names)} columns, as in the first "
                f"line, got {len(fields)}"
            )
        for name, field in zip(columns.names, fields, strict=False):
            text = field.strip()
            right = text.isascii() and text.isdigit() and len(text.lstrip("0")) <= 3
            if not right or int(text) > 255:
                yield (
                    f"{path}:{number}: expected a whole number from 0 to 255 in "
                    f"{excerpt(name)}, got '{excerpt(text)}'{_cause(name, text, images)}"
                )
    if not images:
        yield f"{path}:{columns.header_lines + 1}: expected at least one image, got only a header"


def _cause(name: str, text: str, line: int) -> str:
    """The probable cause of a value that is not a pixel, as the end of a message."""
    if name == "column 1" and text in (str(line), str(line - 1)):
        return ": are these row numbers? Write the file without them"
    try:
        share = 0 <= float(text) <= 1
    except ValueError:
        return ""
    return ": pixels from 0 to 1 must be multiplied by 255 and rounded" if share else ""
