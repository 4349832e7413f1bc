"""Type aliases and helpers for arrays, shared by all other modules.

A batch of samples is an array with one sample in each row: its shape is `(m, *sample_shape)`, where
m is the number of samples. The notes put samples in columns; a table in the README compares the
two. Numbers are float32 by default, or float64.
"""

import functools
import math
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ForwardRef, TypeAlias

import numpy as np
import numpy.typing as npt

from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.validation import is_whole, shown

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""Floating-point numbers: inputs, outputs, parameters, gradients."""

AnyArray: TypeAlias = npt.NDArray[Any]
"""An array of any kind of number: labels may be integers, or one-hot floats."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one sample, without the batch axis."""

DType: TypeAlias = Any
"""float32 or float64, in any form that NumPy accepts as a dtype."""

BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""The environment variables from which BLAS libraries read the number of threads when loaded."""

StrPath: TypeAlias = str | os.PathLike[str]
"""The path of a file: a string or a pathlib.Path. (pathlib takes a fifth of this package's import
time, so it is imported where it is used.)"""

if TYPE_CHECKING:
    Generator: TypeAlias = np.random.Generator
else:  # NumPy loads numpy.random, a fifth of its import time, at first use
    Generator = ForwardRef("np.random.Generator", module=__name__)
"""The source of all randomness."""

Seed: TypeAlias = Generator | int | None
"""The seed of a generator: a number, a generator to share, or None for a random seed."""


def as_shape(shape: object) -> Shape:
    """The shape of one sample as a tuple: 784 and [784] both mean (784,).

    Raises ShapeError unless it consists of whole numbers of at least 1.
    """
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not all(is_whole(n) and 1 <= n < 2**48 for n in sizes):
        raise ShapeError(
            f"shape of one sample: expected whole numbers of at least 1, got {shown(shape)}: "
            "write 784 or (28, 28), without the batch axis"
            + ("; sequences are padded to one length" if any(n is None for n in sizes) else "")
        )
    return tuple(int(n) for n in sizes)


def as_shapes(shape: object) -> Any:
    """The same for one or several inputs: a tuple of shapes, ((8,), (3,)), stays one."""
    several = isinstance(shape, (tuple, list)) and bool(shape)
    if several and all(isinstance(part, (tuple, list)) for part in shape):  # type: ignore[attr-defined]
        return tuple(map(as_shape, shape))  # type: ignore[call-overload]
    return as_shape(shape)


def each(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """function(x), or, if x is a tuple like the inputs of a graph, the tuple of the function's
    results for its parts, together with those of `others`.
    """
    return tuple(map(function, x, *others)) if isinstance(x, tuple) else function(x, *others)


def parts(x: Any) -> tuple[Any, ...]:
    """The arrays, or shapes, of a model's inputs or outputs as a tuple, even if only one."""
    several = isinstance(x, tuple) and bool(x) and not isinstance(x[0], int)
    return x if several else (x,)


def count(x: Any) -> int:
    """The number of samples in a batch. Raises DataError if it differs between its parts."""
    if not isinstance(x, tuple):
        return len(x)
    lengths = list(map(len, x))
    if len(set(lengths)) > 1:
        got = " and ".join(map(str, lengths))
        raise DataError(f"a batch of {len(x)} arrays: expected as many samples in each, got {got}")
    return lengths[0]


def describe_shape(shape: Shape) -> str:
    """A sample's shape in words, for errors: "784 features", "samples of shape (28, 28)"."""
    if len(parts(shape)) > 1:
        return " and ".join(map(describe_shape, parts(shape)))
    return f"{shape[0]} features" if len(shape) == 1 else f"samples of shape {shape}"


def describe_batch(shape: Shape) -> str:
    """The shape of a batch of samples, for errors and tables: "(m, 784)"."""
    if len(parts(shape)) > 1:
        return ", ".join(map(describe_batch, parts(shape)))
    return "(" + ", ".join(["m", *map(str, shape)]) + ")"


def as_float_dtype(dtype: DType) -> np.dtype[Any]:
    """float32 or float64 as a NumPy dtype. Raises ConfigurationError for any other."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if found not in (np.float32, np.float64) or dtype is None:
        raise ConfigurationError(f"dtype: expected float32 or float64, got {shown(dtype)}")
    return np.dtype(found)


def as_generator(seed: Seed) -> Generator:
    """A generator with that seed; a generator is returned as it is.

    Raises ConfigurationError for a seed that is negative or not a whole number.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"seed: expected a whole number of at least 0, a Generator or None, got {shown(seed)}"
        ) from None


def as_batch(x: object, dtype: DType, place: str) -> Array:
    """Any array-like as a C-contiguous array of `dtype`, copied only if needed.

    Raises DataError for anything that does not consist of real numbers or has no rows.
    """
    return in_dtype(as_rows(x, place), dtype)


def in_dtype(array: AnyArray, dtype: DType) -> Array:
    """An array of numbers as a C-contiguous array of `dtype`, copied only if needed."""
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # numbers too large for float32 are refused as infinite
        return np.ascontiguousarray(array, dtype=dtype)


def as_rows(x: object, place: str) -> AnyArray:
    """The same in the array's own dtype, so that whole numbers, such as the pixels of a memory-
    mapped file, can be converted a batch at a time. Raises DataError as `as_batch`.
    """
    array = as_targets(x, place, "an array of numbers")
    if array.ndim == 0 or len(array) == 0:
        raise DataError(f"{place}: expected at least one sample, got shape {array.shape}")
    return array


def as_targets(y: object, place: str, expected: str = "numbers") -> AnyArray:
    """An array-like as an array of numbers. Raises DataError for anything else, and for a masked
    array with masked entries.
    """
    if type(y) is not np.ndarray:
        require_unmasked(y, place)
    try:
        array = np.asarray(y)
    except ValueError as error:  # rows of different lengths
        rows: Any = y
        pair = isinstance(y, list) and len(y) == 2 and all(map(np.iterable, y))
        pair = pair and len(rows[0]) == len(rows[1]) and not any(map(np.iterable, rows[1]))
        remedy = _PAIR if pair and np.iterable(rows[0][0]) else _RAGGED
        raise DataError(f"{place}: expected rows of equal length: {error}{remedy}") from None
    except (RuntimeError, TypeError) as error:  # a tensor with a gradient, or on another device
        raise DataError(f"{place}: expected {expected}, got {type(y).__name__}: {error}") from None
    if array.dtype.kind not in "fiub":
        nested = array.dtype == object and any(map(np.ndim, array.flat))
        raise DataError(
            f"{place}: expected {expected}, got {array.dtype} ({type(y).__name__})"
            + (_RAGGED if nested else "")
        )
    return array


_PAIR = "; pass sequences and their lengths as a tuple, (x, lengths)"
_RAGGED = (
    "; pad sequences of different lengths with data.pad_sequences, which also returns their lengths"
)


def row_of_whole(ids: object, place: str) -> AnyArray:
    """A row of whole numbers, such as tokens, (n,). Raises DataError for anything else."""
    array = as_targets(ids, place)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise DataError(
            f"{place}: expected one row of whole numbers, got {array.dtype} of shape {array.shape}"
        )
    return array if array.size else array.astype(np.intp)


def require_unmasked(x: object, place: str) -> None:
    """Raise DataError for a masked array with masked entries."""
    masked: Any = sys.modules.get("numpy.ma")  # loaded if there is any masked array
    if masked and isinstance(x, masked.MaskedArray) and masked.is_masked(x):
        where = tuple(np.argwhere(masked.getmaskarray(x))[0].tolist())
        raise DataError(
            f"{place}: expected all entries, got a masked array without the one at {where}: drop "
            "such samples, or fill the gaps with .filled(...)"
        )


@functools.lru_cache(maxsize=16)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """n ones, to sum with: `ones(len(x), x.dtype).dot(x)` is `x.sum(axis=0)`.

    For a small matrix, such as the 64x10 of a step of the notes' network, it takes a third of the
    time of NumPy's sum, which is optimized for large ones.
    """
    vector = np.ones(n, dtype)
    vector.flags.writeable = False
    return vector


def aligned_empty(shape: Shape, dtype: DType) -> Array:
    """np.empty, aligned to a cache line (64 bytes), where NumPy guarantees 16 bytes.

    A product with an unaligned matrix takes up to 1.4 times as long.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@functools.cache
def keep_freed_memory() -> None:
    """Ask the C library to keep the memory of freed arrays for the next ones.

    glibc returns large freed blocks to the system, so each step would allocate new pages. Once a
    block of up to 32 MB was allocated and freed, it keeps blocks of that size. With other C
    libraries this has no effect.
    """
    np.empty(31 * 2**20, np.uint8)


def all_finite(x: Any) -> bool:
    """Whether no entry of an array, or of several, is NaN or infinite.

    The sum of squares takes half the time of `np.isfinite(x).all()`, which decides only if the sum
    overflows. (`vdot` does not warn of an overflow.)
    """
    if isinstance(x, tuple):
        return all(map(all_finite, x))
    if x.dtype.kind != "f":
        return True
    flat = x.ravel("K")  # in the order of memory: nothing is copied
    return math.isfinite(np.vdot(flat, flat)) or bool(np.isfinite(flat).all())


def require_finite(x: Any, place: str) -> None:
    """Raise DataError with row and column of the first NaN or infinity in `x`, if there is one."""
    if all_finite(x):
        return
    if isinstance(x, tuple):
        for number, part in enumerate(x):
            require_finite(part, f"{place}[{number}]")
    for row in range(len(x)):
        bad = np.argwhere(~np.isfinite(x[row]))
        if len(bad):
            where = f"row {row}" + "".join(f", column {i}" for i in bad[0])
            raise DataError(
                f"{place}: expected finite numbers, got {x[(row, *bad[0])]} at {where}: "
                "drop the sample, or replace the value, for example by the mean"
            )


def checksum(arrays: Iterable[AnyArray | None]) -> int:
    """A checksum of all entries of the arrays, their shapes and dtypes."""
    found = 0
    for array in (part for each in arrays for part in parts(each)):
        if array is not None:
            found = zlib.crc32(f"{array.dtype.str} {array.shape}".encode(), found)
            found = zlib.crc32(np.ascontiguousarray(array).data, found)
    return found
