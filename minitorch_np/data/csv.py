"""Digits in a CSV file, as in Kaggle's digit-recognizer competition.

One image a line: its label if it has one, then its pixels, row by row, each a whole number from 0
to 255. The first line may name the columns: `label,pixel0,pixel1,...`. Without such a line, a file
whose columns make a square (784 = 28x28) has no labels, and one with a column more has.

NumPy reads the numbers. When it meets something else, the file is read again line by line, slowly,
to say in which line and column that is.
"""

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.data.dataset import Images, Pixels
from minitorch_np.errors import DataError
from minitorch_np.validation import path as checked_path


def load_csv(path: StrPath) -> Images:
    """The images in a CSV file, with their labels if it has any.

    Raises DataError, with file and line, for a file without images, a line with fewer or more
    columns than the first, and a value that is not a whole number from 0 to 255.
    """
    columns = _read_head(path)
    try:
        table = _read_numbers(path, skip=columns.header_lines)
        if table.shape[1] != len(columns.names):
            raise ValueError(f"{len(columns.names)} names, {table.shape[1]} columns")
    except (ValueError, DeprecationWarning, UserWarning) as error:
        for problem in _problems(path, columns):
            raise DataError(problem) from None
        raise DataError(f"{path}: expected whole numbers from 0 to 255: {error}") from None
    labels = table[:, 0].copy() if columns.labelled else None
    # A view: the label column stays in memory rather than all the pixels being copied.
    pixels = table[:, 1:] if columns.labelled else table
    images = pixels.reshape(len(table), columns.side, columns.side)
    return Images(images, labels, source=str(path))


class _Columns(NamedTuple):
    header_lines: int
    names: list[str]
    labelled: bool
    side: int


def _read_head(path: StrPath) -> _Columns:
    """What the first line tells about the columns."""
    with open(checked_path("load_csv", "path", path), "rb") as binary:
        if b"\0" in binary.read(4096):
            raise DataError(
                f"{path}: expected a CSV file, got a binary one: "
                "for IDX files give load_mnist, or --data, the folder that they are in"
            )
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        number, line = next(((n, t) for n, t in enumerate(file, 1) if t.strip()), (1, ""))
    if not line:
        raise DataError(f"{path}:1: expected label,pixel0,... or numbers, got an empty file")
    fields = [field.strip().strip('"') for field in line.split(",")]
    # Columns may be named by numbers, as in label,0,1,2: then the first field tells.
    header = fields[0].lower() == "label" or (
        any(field[:1].isalpha() for field in fields) and not fields[-1].isdigit()
    )
    n = len(fields)
    labelled = fields[0].lower() == "label" if header else math.isqrt(n) ** 2 != n
    pixels = n - labelled
    side = math.isqrt(pixels)
    if side == 0 or side**2 != pixels:
        raise DataError(
            f"{path}:{number}: expected 784 pixel columns (28x28; any square will do), "
            f"with or without a label column before them, got {n} columns"
        )
    names = fields if header else [f"column {i}" for i in range(1, n + 1)]
    return _Columns(number if header else 0, names, labelled, side)


def _read_numbers(path: StrPath, skip: int) -> Pixels:
    with warnings.catch_warnings():
        # NumPy before 2.3 turns 256 into 0 with a DeprecationWarning; no rows is a UserWarning.
        warnings.simplefilter("error")
        return np.loadtxt(
            path,
            np.uint8,
            delimiter=",",
            skiprows=skip,
            comments=None,
            ndmin=2,
            encoding="utf-8-sig",
        )


def _problems(path: StrPath, columns: _Columns) -> Iterator[str]:
    """Each thing that is wrong with the file's lines, in order."""
    images = 0
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
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
                if not (text.isascii() and text.isdigit() and int(text) <= 255):
                    yield (
                        f"{path}:{number}: expected a whole number from 0 to 255 in {name}, "
                        f"got {text!r}"
                    )
    if not images:
        yield f"{path}:{columns.header_lines + 1}: expected at least one image, got only a header"
