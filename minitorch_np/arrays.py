"""Type aliases and helpers for arrays, shared by all other modules.

A batch of samples is an array with one sample in each row: its shape is `(m, *sample_shape)`, where
m is the number of samples. The notes put samples in columns; the README has a table between the
two. Numbers are float32 unless float64 is asked for.
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
from minitorch_np.validation import is_whole

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""Floating-point numbers: inputs, outputs, parameters, gradients."""

AnyArray: TypeAlias = npt.NDArray[Any]
"""An array of any kind of number: labels may be integers, or one-hot floats."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one sample, without the batch axis."""

DType: TypeAlias = Any
"""float32 or float64, as whatever NumPy takes for a dtype."""

BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Where BLAS libraries look for how many threads to use, once, when they are loaded."""

StrPath: TypeAlias = str | os.PathLike[str]
"""The path of a file: a text or a pathlib.Path. (pathlib takes a fifth of this package's import, so
it is imported where it is used.)"""

if TYPE_CHECKING:
    Generator: TypeAlias = np.random.Generator
else:  # NumPy loads its generators, a fifth of its import, when they are used
    Generator = ForwardRef("np.random.Generator", module=__name__)
"""The source of all randomness."""

Seed: TypeAlias = Generator | int | None
"""What a generator can be made of: a number, a generator to share, or None for a fresh one."""


def as_shape(shape: object) -> Shape:
    """The shape of one sample as a tuple: 784 and [784] both mean (784,).

    Raises ShapeError unless it is made of whole numbers of at least 1.
    """
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not all(is_whole(n) and 1 <= n < 2**48 for n in sizes):
        raise ShapeError(
            f"shape of one sample: expected whole numbers of at least 1, got {shape!r}: "
            "write 784 or (28, 28), without the batch axis"
        )
    return tuple(int(n) for n in sizes)


def as_shapes(shape: object) -> Any:
    """The same for what may have several inputs: a tuple of shapes, ((8,), (3,)), stays one."""
    several = isinstance(shape, (tuple, list)) and bool(shape)
    if several and all(isinstance(part, (tuple, list)) for part in shape):  # type: ignore[attr-defined]
        return tuple(map(as_shape, shape))  # type: ignore[call-overload]
    return as_shape(shape)


def each(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """function(x), or where x is a tuple, as the inputs of a graph are, the tuple of what the
    function gives for each of its parts. The parts of `others` go with those of x.
    """
    return tuple(map(function, x, *others)) if isinstance(x, tuple) else function(x, *others)


def parts(x: Any) -> tuple[Any, ...]:
    """The arrays, or shapes, of a model's inputs or outputs, of which there may be one."""
    several = isinstance(x, tuple) and bool(x) and not isinstance(x[0], int)
    return x if several else (x,)


def count(x: Any) -> int:
    """How many samples a batch has. Raises DataError where its parts have different numbers."""
    if not isinstance(x, tuple):
        return len(x)
    lengths = sorted(set(map(len, x)))
    if len(lengths) > 1:
        raise DataError(f"expected as many samples in each part, got {lengths}")
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
    except TypeError:
        found = None
    if found not in (np.float32, np.float64) or dtype is None:
        raise ConfigurationError(f"dtype: expected float32 or float64, got {dtype!r}")
    return np.dtype(found)


def as_generator(seed: Seed) -> Generator:
    """The generator that a seed stands for; a generator stands for itself.

    Raises ConfigurationError for a seed that is negative or not a whole number.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"seed: expected a whole number of at least 0, a Generator or None, got {seed!r}"
        ) from None


def as_batch(x: object, dtype: DType, place: str) -> Array:
    """Any array-like as a C-contiguous array of `dtype`, copied only if needed.

    Raises DataError for anything that is not made of real numbers or has no rows.
    """
    array = as_rows(x, place)
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
        return np.ascontiguousarray(array, dtype=dtype)


def as_rows(x: object, place: str) -> AnyArray:
    """The same in the array's own dtype: whole numbers, such as the pixels of a memory-mapped file,
    can be converted a batch at a time.
    """
    array = as_targets(x, place, "an array of numbers")
    if array.ndim == 0 or len(array) == 0:
        raise DataError(f"{place}: expected at least one sample, got shape {array.shape}")
    return array


def as_targets(y: object, place: str, expected: str = "numbers") -> AnyArray:
    """Whatever array-like the caller has as an array of numbers. Raises DataError for others, and
    for a masked array that hides some of its entries.
    """
    require_unmasked(y, place)
    try:
        array = np.asarray(y)
    except ValueError as error:  # rows of different lengths
        raise DataError(
            f"{place}: expected rows of one length: {error}; sequences of different lengths are "
            "padded by data.pad_sequences, which also says how long each is"
        ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{place}: expected {expected}, got {array.dtype} ({type(y).__name__})")
    return array


def require_unmasked(x: object, place: str) -> None:
    """Raise DataError for a masked array that hides some of its entries."""
    masked: Any = sys.modules.get("numpy.ma")  # loaded where there is a masked array
    if masked and isinstance(x, masked.MaskedArray) and masked.is_masked(x):
        where = tuple(np.argwhere(masked.getmaskarray(x))[0].tolist())
        raise DataError(
            f"{place}: expected all entries, got a masked array without the one at {where}: drop "
            "such samples, or fill the gaps with .filled(...)"
        )


@functools.lru_cache(maxsize=16)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """n ones, to sum with: `ones(len(x), x.dtype).dot(x)` is `x.sum(axis=0)`.

    Of a small matrix, such as the 64x10 of a step of the notes' network, it takes a third of the
    time of NumPy's sum, which is written for large ones.
    """
    vector = np.ones(n, dtype)
    vector.flags.writeable = False
    return vector


def aligned_empty(shape: Shape, dtype: DType) -> Array:
    """np.empty, beginning on a cache line (64 bytes), where NumPy promises 16 bytes.

    A product with a matrix that straddles cache lines takes up to 1.4 times as long.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@functools.cache
def keep_freed_memory() -> None:
    """Ask the C library to keep the memory of freed arrays for the next ones.

    glibc gives large freed blocks back to the system, and each step then pays for fresh pages. Once
    a block of up to 32 MB was allocated and freed, it keeps blocks of that size. Elsewhere it does
    nothing.
    """
    np.empty(31 * 2**20, np.uint8)


def all_finite(x: Any) -> bool:
    """Whether no entry of an array, or of several, is NaN or infinite.

    The sum of squares tells in half of the time of `np.isfinite(x).all()`, which decides where that
    sum overflows. (`vdot` does not warn of an overflow.)
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
                "drop the sample, or put a number there that makes sense, such as the mean"
            )


def checksum(arrays: Iterable[AnyArray | None]) -> int:
    """Of all entries of the arrays, their shapes and their kinds of number."""
    found = 0
    for array in (part for each in arrays for part in parts(each)):
        if array is not None:
            found = zlib.crc32(f"{array.dtype.str} {array.shape}".encode(), found)
            found = zlib.crc32(np.ascontiguousarray(array).data, found)
    return found
