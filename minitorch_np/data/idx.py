"""IDX, the file format of MNIST.

A file is one array: two zero bytes, a byte for the dtype, a byte for the number of axes, each
axis's length as four bytes, and then the numbers in C order; everything is big-endian. Files are
often compressed with gzip, which is recognized by its first two bytes.

Source: the description that LeCun, Cortes and Burges published with MNIST.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from minitorch_np.arrays import StrPath
from minitorch_np.errors import DataError
from minitorch_np.io.atomic import replacing
from minitorch_np.io.bounded import read_bytes
from minitorch_np.signature import explained
from minitorch_np.validation import instance
from minitorch_np.validation import path as checked_path

_KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

AXES = 32
"""The largest number of axes that every version of NumPy accepts."""


@explained
def load_idx(path: StrPath) -> npt.NDArray[Any]:
    """The array in an IDX file, plain or gzip, in this machine's byte order.

    Raises DataError for a file that is not IDX, is truncated, or is longer than its header says;
    FileNotFoundError if it does not exist.
    """
    import struct

    content = read_bytes(checked_path("load_idx", "path", path))
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _KINDS:
        raise DataError(
            f"{path}: expected an IDX file, which begins with 00 00 and a type such as 08, "
            f"got {content[:4].hex(' ') or 'an empty file'}"
        )
    kind, axes = np.dtype(_KINDS[content[2]]), content[3]
    if axes > AXES:
        raise DataError(f"{path}: expected an array of at most {AXES} axes, got {axes}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{path}: expected the lengths of {axes} axes, got {len(content)} bytes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    wanted = math.prod(shape) * kind.itemsize
    if len(content) - start != wanted:
        word = "truncated" if len(content) - start < wanted else "longer than it says"
        raise DataError(
            f"{path}: expected {wanted:,} bytes of data for shape {shape}, "
            f"got {len(content) - start:,}: the file is {word}"
        )
    try:
        array = np.frombuffer(content, kind, offset=start).reshape(shape)
    except ValueError as error:  # one axis is empty, and another too long for any array
        raise DataError(f"{path}: expected an array, got shape {shape}: {error}") from None
    return array.astype(kind.newbyteorder("="))


@explained
def save_idx(path: StrPath, array: npt.NDArray[Any]) -> None:
    """Write an array as IDX; gzip if `path` ends in .gz. Raises DataError for other dtypes."""
    checked_path("save_idx", "path", path)
    kind = instance("save_idx", "array", array, np.ndarray).dtype.newbyteorder(">")
    import gzip
    import struct

    code = next((code for code, name in _KINDS.items() if np.dtype(name) == kind), None)
    if code is None or array.ndim > 255:
        raise DataError(f"{path}: expected a dtype that IDX knows, got {array.dtype}")
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    content = head + array.astype(kind).tobytes()
    if str(path).endswith(".gz"):
        content = gzip.compress(content, mtime=0)  # no time stamp: same array, same file
    with replacing(path) as file:
        file.write(content)
