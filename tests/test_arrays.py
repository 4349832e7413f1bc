"""The look for numbers that are not finite, which stands before everything that is trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitorch_np.arrays import DType, all_finite, ones

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
