"""Arrays before they are trained on: finite, of numbers, in one dtype, in words and in sums."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitorch_np.arrays import (
    AnyArray,
    DType,
    aligned_empty,
    all_finite,
    as_float_dtype,
    as_generator,
    as_rows,
    as_targets,
    checksum,
    count,
    describe_batch,
    describe_shape,
    in_dtype,
    ones,
    require_finite,
)
from minitorch_np.errors import ConfigurationError, DataError

SHAPES = [(5,), (1, 3), (7, 1), (4, 2, 3), (0, 3)]


@given(
    shape=st.sampled_from(SHAPES[:-1]),
    dtype=st.sampled_from([np.float32, np.float64]),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    place=st.integers(0, 10**6),
)
def test_one_that_is_not_finite_is_found_wherever_it_is(
    shape: tuple[int, ...], dtype: DType, bad: float, place: int
) -> None:
    """Also beside numbers whose squares overflow."""
    x = np.full(shape, np.finfo(dtype).max, dtype)
    assert all_finite(x)
    x.flat[place % x.size] = bad
    assert not all_finite(x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [0.0, -1.0, 1e-45, 1e-38, 3e38])
def test_finite_numbers_are_finite(shape: tuple[int, ...], value: float) -> None:
    assert all_finite(np.full(shape, value, np.float32))


def test_ones_are_shared_and_stay_ones() -> None:
    vector = ones(3, np.dtype(np.float32))
    assert vector is ones(3, np.dtype(np.float32))
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 2


def test_several_arrays_are_finite_together() -> None:
    fine, wrong = np.ones((2, 3)), np.array([[0.0, 1.0], [2.0, np.inf]])
    assert all_finite((fine, np.array([1, 2]))) is True
    assert all_finite((fine, wrong)) is all_finite((wrong, fine)) is False
    require_finite((fine, fine), "x")
    said = "x[1]: expected finite numbers, got inf at row 1, column 1: drop the sample, or replace"
    with pytest.raises(DataError) as error:
        require_finite((fine, wrong), "x")
    assert str(error.value).startswith(said)
    with pytest.raises(DataError, match=r"^y: expected finite numbers, got nan at row 2: drop"):
        require_finite(np.array([1.0, 2.0, np.nan]), "y")


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), (100,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_new_memory_begins_at_a_line_of_the_cache(shape: tuple[int, ...], dtype: DType) -> None:
    for _ in range(5):
        made = aligned_empty(shape, dtype)
        assert made.ctypes.data % 64 == 0 or not made.size
        assert (made.shape, made.dtype) == (shape, np.dtype(dtype))
        made[...] = 1


def test_shapes_in_words() -> None:
    two: Any = ((3,), (2, 4))
    assert describe_shape((784,)) == "784 features"
    assert describe_shape((28, 28)) == "samples of shape (28, 28)"
    assert describe_shape(two) == "3 features and samples of shape (2, 4)"
    assert describe_batch(()) == "(m)"
    assert describe_batch((2, 4)) == "(m, 2, 4)"
    assert describe_batch(two) == "(m, 3), (m, 2, 4)"


def test_samples_are_counted_in_all_parts() -> None:
    assert count(np.ones((3, 2))) == count((np.ones((3, 2)), [1, 2, 3])) == 3
    with pytest.raises(DataError, match=r"as many samples in each, got 3 and 2 and 3$"):
        count((np.ones((3, 2)), [1, 2], [1, 2, 3]))


class OnADevice:
    """As a tensor with a gradient, which NumPy can't have."""

    def __array__(self, *given: object, **options: object) -> AnyArray:
        raise RuntimeError("call detach() first")


def test_what_is_no_array_of_numbers() -> None:
    for wrong, said in (
        (OnADevice(), "x: expected numbers, got OnADevice: call detach() first"),
        (["a"], "x: expected numbers, got <U1 (list)"),
        ([None], "x: expected numbers, got object (list)"),
        (1j, "x: expected numbers, got complex128 (complex)"),
        ([[1], [1, 2]], "x: expected rows of equal length: "),
    ):
        with pytest.raises(DataError) as error:
            as_targets(wrong, "x")
        assert str(error.value).startswith(said)
    for nothing in (3.0, np.zeros((0, 2))):
        with pytest.raises(DataError, match=r"^x: expected at least one sample, got shape \("):
            as_rows(nothing, "x")


def test_dtypes_and_seeds() -> None:
    assert as_float_dtype("float32") is as_float_dtype(np.float32) is np.dtype(np.float32)
    for dtype in (np.float16, int, None, "text", 3):
        with pytest.raises(ConfigurationError, match="^dtype: expected float32 or float64, got "):
            as_float_dtype(dtype)
    for seed in (-1, 0.5, "x"):
        with pytest.raises(ConfigurationError, match="^seed: expected a whole number of at least"):
            as_generator(seed)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    assert as_generator(rng) is rng


def test_what_is_in_its_dtype_is_not_copied() -> None:
    x = np.ones((3, 2), np.float32)
    assert in_dtype(x, np.float32) is x
    assert in_dtype(x, np.float64).dtype == np.float64
    turned = in_dtype(x.T, np.float32)
    assert turned.flags.c_contiguous
    assert np.isinf(in_dtype(np.array([1e300]), np.float32)).all()


def test_a_checksum_tells_arrays_apart() -> None:
    x = np.arange(6.0)
    others = [x.reshape(2, 3), x.astype(np.float32), x[::-1], x[:5], np.arange(6)]
    sums = [checksum([array]) for array in (x, *others)]
    assert len(set(sums)) == len(sums)
    assert checksum([None, x.copy(), None]) == checksum([x]) != checksum([x, x])
    assert checksum([(x, x)]) == checksum([x, x])  # type: ignore[list-item]
    assert checksum([]) == 0
