"""Convolution and pooling against the definition, written as plain loops."""

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Shape
from minitorch_np.layers import convolution
from minitorch_np.layers.grid import Padding, Pair


class Case(NamedTuple):
    """A window on images, and the images' shape."""

    shape: Shape
    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair
    filters: int
    groups: int
    samples: int


def sizes(most: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(1, most), st.integers(1, most))


@st.composite
def cases(draw: st.DrawFn, pool: bool = False) -> Case:
    kernel, stride = draw(sizes(3)), draw(sizes(3))
    dilation = (1, 1) if pool else draw(sizes(2))
    most = min(kernel) - 1 if pool else 2  # a pool's window always has a pixel in it
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            st.integers(0, most),
            st.tuples(st.integers(0, most), st.integers(0, most)),
        )
    )
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = (draw(st.integers(n, n + 4)) for n in extent)
    groups = 1 if pool else draw(st.integers(1, 2))
    channels, filters = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    shape, samples = (channels, height, width), draw(st.integers(1, 3))
    return Case(shape, kernel, stride, padding, dilation, filters, groups, samples)


def placed(case: Case) -> tuple[Pair, Pair]:
    """How many places the window has, and how much border there is before the first row, column."""
    counts, before = [], []
    for axis in (0, 1):
        n, s = case.shape[1 + axis], case.stride[axis]
        extent = (case.kernel[axis] - 1) * case.dilation[axis] + 1
        if case.padding == "same":
            counts.append(math.ceil(n / s))
            before.append(max((counts[axis] - 1) * s + extent - n, 0) // 2)
        else:
            p: Any = 0 if case.padding == "valid" else case.padding
            before.append(p if isinstance(p, int) else p[axis])
            counts.append((n + 2 * before[axis] - extent) // s + 1)
    return (counts[0], counts[1]), (before[0], before[1])


def pixels(case: Case) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Each place of the window, each of its pixels, and the image's pixel that this one meets."""
    (rows, columns), (top, left) = placed(case)
    for r, q in np.ndindex(rows, columns):
        for i, j in np.ndindex(*case.kernel):
            row = r * case.stride[0] + i * case.dilation[0] - top
            column = q * case.stride[1] + j * case.dilation[1] - left
            if 0 <= row < case.shape[1] and 0 <= column < case.shape[2]:
                yield (r, q), (i, j), (row, column)


def conv(case: Case, dtype: DType = np.float64, **arguments: Any) -> mt.Conv2D:
    _, kernel, stride, padding, dilation, filters, groups, _ = case
    arguments = {"bias_initializer": "uniform", **arguments}
    layer = mt.Conv2D(filters, kernel, stride, padding, dilation, groups, **arguments)
    layer.initialize(case.shape, rng=np.random.default_rng(3), dtype=dtype)
    return layer


def images(case: Case, seed: int = 5) -> Array:
    return np.random.default_rng(seed).normal(size=(case.samples, *case.shape))


def close(a: Array | None, b: Array) -> None:
    assert a is not None
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def backward(layer: mt.Layer, x: Array, dy: Array) -> Array:
    """dL/dx for dL/dy."""
    dx, _ = layer.backward(dy, layer.forward(x)[1])
    assert dx is not None
    return dx


@settings(max_examples=80, deadline=None)
@given(cases())
def test_convolution_is_its_definition(case: Case) -> None:
    layer, x = conv(case), images(case)
    y, cache = layer.forward(x)
    dy = np.random.default_rng(7).normal(size=y.shape)
    expected = np.zeros((case.samples, case.filters, *placed(case)[0]))
    expected += layer.bias.reshape(-1, 1, 1)
    dx, dw = np.zeros_like(x), np.zeros_like(layer.weight)
    channels, filters = case.shape[0] // case.groups, case.filters // case.groups
    for (r, q), (i, j), (row, column) in pixels(case):
        for o, c in np.ndindex(case.filters, channels):
            seen = o // filters * channels + c
            expected[:, o, r, q] += layer.weight[o, c, i, j] * x[:, seen, row, column]
            dx[:, seen, row, column] += layer.weight[o, c, i, j] * dy[:, o, r, q]
            dw[o, c, i, j] += (x[:, seen, row, column] * dy[:, o, r, q]).sum()
    close(y, expected)
    ours, gradients = layer.backward(dy, cache)
    close(ours, dx)
    close(gradients["weight"], dw)
    close(gradients["bias"], dy.sum(axis=(0, 2, 3)))


@settings(max_examples=60, deadline=None)
@given(cases(pool=True))
def test_pools_are_their_definition(case: Case) -> None:
    x = np.round(images(case))  # with many equal numbers: the first counts
    places: dict[Pair, list[Pair]] = {}
    for place, _, pixel in pixels(case):
        places.setdefault(place, []).append(pixel)
    largest = mt.MaxPool2D(case.kernel, case.stride, case.padding)
    mean = mt.AveragePool2D(case.kernel, case.stride, case.padding)
    for layer in (largest, mean):
        layer.initialize(case.shape, rng=np.random.default_rng(0), dtype=np.float64)
        y, cache = layer.forward(x)
        dy = np.random.default_rng(7).normal(size=y.shape)
        expected = np.zeros((case.samples, case.shape[0], *placed(case)[0]))
        dx = np.zeros_like(x)
        for m, c in np.ndindex(x.shape[:2]):
            for place, inside in places.items():
                window = [x[m, c][p] for p in inside]
                if layer is largest:
                    expected[m, c][place] = max(window)
                    dx[m, c][inside[window.index(max(window))]] += dy[m, c][place]
                else:
                    expected[m, c][place] = sum(window) / len(window)
                    for p in inside:
                        dx[m, c][p] += dy[m, c][place] / len(window)
        close(y, expected)
        close(layer.backward(dy, cache)[0], dx)
        assert layer.backward(dy, cache, need_dx=False) == (None, {})


@settings(max_examples=30, deadline=None)
@given(cases(), st.floats(-3, 3), st.floats(-3, 3))
def test_convolution_is_linear(case: Case, a: float, b: float) -> None:
    layer, x, z = conv(case, use_bias=False), images(case), images(case, 6)
    together, apart = layer(a * x + b * z), a * layer(x) + b * layer(z)
    close(together, apart)
    # And its backward is the adjoint: <dy, A x> = <A' dy, x>.
    dy = np.random.default_rng(7).normal(size=together.shape)
    assert np.vdot(dy, layer(x)) == pytest.approx(np.vdot(backward(layer, x, dy), x), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(cases(), cases(pool=True))
def test_an_image_that_moves_by_the_stride_moves_the_outputs_by_one(a: Case, b: Case) -> None:
    for case in (a._replace(padding="valid"), b._replace(padding="valid")):
        down, across = case.stride
        height, width = case.shape[1:]
        wider = case._replace(shape=(case.shape[0], height + down, width + across))
        x = images(wider)
        layer, moved = (conv(c) for c in (wider, case))
        moved.load_state_dict(layer.state_dict())
        close(layer(x)[:, :, 1:, 1:], moved(x[:, :, down:, across:].copy()))
        for kind in (mt.MaxPool2D, mt.AveragePool2D):
            undilated = math.ceil(height / 3), math.ceil(width / 3)
            pool, other = kind(undilated, case.stride), kind(undilated, case.stride)
            pool.initialize(wider.shape, rng=np.random.default_rng(0), dtype=np.float64)
            other.initialize(case.shape, rng=np.random.default_rng(0), dtype=np.float64)
            close(pool(x)[:, :, 1:, 1:], other(x[:, :, down:, across:].copy()))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5))
def test_same_is_as_large_as_the_input_over_the_stride(
    height: int, width: int, kernel: int, stride: int
) -> None:
    wanted = math.ceil(height / stride), math.ceil(width / stride)
    for layer in (
        mt.Conv2D(2, kernel, stride, "same"),
        mt.Conv2D(2, kernel, stride, "same", dilation=2),
        mt.MaxPool2D(kernel, stride, "same"),
        mt.AveragePool2D(kernel, stride, "same"),
    ):
        layer.initialize((2, height, width), rng=np.random.default_rng(0), dtype=np.float64)
        assert layer.output_shape == (2, *wanted)
        assert layer(np.ones((1, 2, height, width))).shape == (1, 2, *wanted)


def test_a_convolution_with_one_pixel_is_a_dense_layer(rng: np.random.Generator) -> None:
    model = mt.Sequential(mt.Conv2D(3, 1), input_shape=(5, 4, 4), dtype=np.float64, seed=0)
    dense = mt.Sequential(mt.Dense(3), input_shape=5, dtype=np.float64)
    state = model.state_dict()
    dense.load_state_dict({**state, "0.weight": state["0.weight"].reshape(3, 5)})
    x = rng.normal(size=(2, 5, 4, 4))
    flat = dense(x.transpose(0, 2, 3, 1).reshape(-1, 5))
    close(model(x), flat.reshape(2, 4, 4, 3).transpose(0, 3, 1, 2))


def test_global_average_is_the_mean_of_each_channel(rng: np.random.Generator) -> None:
    layer, x = mt.GlobalAveragePool2D(), rng.normal(size=(2, 3, 4, 5))
    layer.initialize((3, 4, 5), rng=rng, dtype=np.float64)
    close(layer(x), x.mean(axis=(2, 3)))
    close(backward(layer, x, np.ones((2, 3))), np.full(x.shape, 1 / 20))


EXAMPLES = [
    mt.Conv2D(4, 3, 2, "same", groups=2),
    mt.Conv2D(4, (2, 3), dilation=2),
    mt.Conv2D(4, 1),
    mt.MaxPool2D(3, 2, 1),
    mt.AveragePool2D(2, padding="same"),
    mt.GlobalAveragePool2D(),
]


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
def test_memory_layout_does_not_matter(layer: mt.Layer, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 2, 6, 7))
    layer.initialize((2, 6, 7), rng=rng, dtype=np.float64)
    y, cache = layer.forward(x)
    dy = rng.normal(size=y.shape)
    dx, gradients = layer.backward(dy, cache)
    assert dx is not None
    for other in (
        np.asfortranarray(x),
        np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
        np.ascontiguousarray(x[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
        np.repeat(x, 2, axis=3)[..., ::2],
    ):
        again, other_cache = layer.forward(other)
        close(again, y)
        other_dx, other_gradients = layer.backward(np.asfortranarray(dy), other_cache)
        close(other_dx, dx)
        for name, gradient in gradients.items():
            close(other_gradients[name], gradient)


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_that_is_handed_in_changes(
    layer: mt.Layer, dtype: DType, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(1, 2, 6, 7)).astype(dtype)  # one sample: the layout that needs no copy
    layer.initialize((2, 6, 7), rng=rng, dtype=dtype)
    y, cache = layer.forward(x)
    dy = rng.normal(size=y.shape).astype(dtype)
    kept = x.copy(), y.copy(), dy.copy()
    dx, gradients = layer.backward(dy, cache)
    assert dx is not None
    np.testing.assert_array_equal(layer.backward(dy, cache)[0], dx)
    for array, before in zip((x, y, dy), kept, strict=True):
        np.testing.assert_array_equal(array, before)
    for fresh in (y, dx, *gradients.values()):
        assert fresh.dtype == dtype
        assert not np.shares_memory(fresh, x)


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
@pytest.mark.parametrize("windows", [(1, 20), (50, 1000)])
def test_a_batch_is_its_samples(
    layer: mt.Layer,
    windows: tuple[int, int],
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many rows of places and samples are taken at a time."""
    monkeypatch.setattr(convolution, "LEAST", windows[0])
    monkeypatch.setattr(convolution, "MOST", windows[1])
    x = rng.normal(size=(5, 2, 6, 7))
    layer.initialize((2, 6, 7), rng=rng, dtype=np.float64)
    y = layer(x)
    close(y, np.concatenate([layer(x[i : i + 1]) for i in range(5)]))
    one_by_one = [backward(layer, x[i : i + 1], y[i : i + 1]) for i in range(5)]
    close(backward(layer, x, y), np.concatenate(one_by_one))


def test_the_first_of_equal_numbers_has_the_gradient() -> None:
    layer, x = mt.MaxPool2D(2, 1), np.zeros((1, 1, 3, 3))
    layer.initialize((1, 3, 3), rng=np.random.default_rng(0), dtype=np.float64)
    dx = backward(layer, x, np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx[0, 0].tolist() == [[1, 2, 0], [3, 4, 0], [0, 0, 0]]
    x[0, 0, 1, 1] = -0.0  # no smaller than 0
    dx = backward(layer, x, np.ones((1, 1, 2, 2)))
    assert dx[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_the_border_is_in_no_maximum_and_no_mean() -> None:
    x = np.full((1, 1, 2, 2), -5.0)
    for layer in (mt.MaxPool2D(2, 1, 1), mt.AveragePool2D(2, 1, 1)):
        layer.initialize((1, 2, 2), rng=np.random.default_rng(0), dtype=np.float64)
        assert (layer(x) == -5).all()
        assert layer.output_shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Conv2D(0, 3), "filters.*at least 1.*got 0"),
        (lambda: mt.Conv2D(4, 0), "window.*at least 1.*got 0"),
        (lambda: mt.Conv2D(4, cast(Any, (3, 3, 3))), r"window.*two.*got \(3, 3, 3\)"),
        (lambda: mt.Conv2D(4, cast(Any, 3.0)), "window.*got 3.0"),
        (lambda: mt.Conv2D(4, 3, stride=0), "stride.*at least 1.*got 0"),
        (lambda: mt.Conv2D(4, 3, dilation=(1, 0)), r"dilation.*got \(1, 0\)"),
        (lambda: mt.Conv2D(4, 3, padding=-1), "padding.*valid, same.*at least 0.*got -1"),
        (lambda: mt.Conv2D(4, 3, padding="full"), "padding.*valid, same.*got 'full'"),
        (lambda: mt.Conv2D(4, 3, padding=cast(Any, np.ones(2))), "padding"),
        (lambda: mt.Conv2D(4, 3, groups=0), "groups.*got 0"),
        (lambda: mt.MaxPool2D(0), "window.*got 0"),
        (lambda: mt.AveragePool2D(2, stride=cast(Any, "2")), "stride.*got '2'"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.Conv2D(4, 3), 784, r"\[0\] Conv2D\(4, 3\).*channels, height, width.*\(784,\).*Reshape"),
        (mt.Conv2D(4, 3), (28, 28), r"channels, height, width.*\(28, 28\)"),
        (mt.Conv2D(4, 5), (1, 4, 9), "at least 5 rows.*got 4"),
        (mt.Conv2D(4, 3, dilation=3), (1, 9, 6), "at least 7 columns.*got 6"),
        (mt.Conv2D(4, 7, padding=1), (1, 4, 9), "at least 7 rows.*got 6"),
        (mt.MaxPool2D(3), (1, 3, 2), r"MaxPool2D\(pool_size=3\).*at least 3 columns.*got 2"),
        (mt.AveragePool2D(2, padding=2), (1, 8, 8), "padding smaller than the window"),
        (mt.GlobalAveragePool2D(), (3,), r"channels, height, width.*\(3,\)"),
    ],
)
def test_what_does_not_fit_is_said(layer: mt.Layer, shape: Any, message: str) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        mt.Sequential(layer, input_shape=shape)


def test_groups_divide_channels_and_filters() -> None:
    with pytest.raises(mt.ConfigurationError, match="filters that 2 groups divide, got 3"):
        mt.Conv2D(3, 3, groups=2)
    with pytest.raises(mt.ShapeError, match=r"Sequential\[0\].*2 groups divide, got 3"):
        mt.Sequential(mt.Conv2D(4, 3, groups=2), input_shape=(3, 8, 8))


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
def test_images_of_another_shape_are_refused(layer: mt.Layer) -> None:
    layer.initialize((2, 6, 7), rng=np.random.default_rng(0), dtype=np.float64)
    for shape in ((2, 6, 7), (3, 1, 6, 7), (3, 2, 7, 6), (3, 84)):
        with pytest.raises(mt.ShapeError, match=r"x of shape \(m, 2, 6, 7\), got x of shape"):
            layer.forward(np.ones(shape))


@pytest.mark.parametrize("layer", EXAMPLES, ids=repr)
def test_dy_of_another_batch_is_not_spread_over_this_one(layer: mt.Layer) -> None:
    layer.initialize((2, 6, 7), rng=np.random.default_rng(0), dtype=np.float64)
    y, cache = layer.forward(np.ones((3, 2, 6, 7)))
    with pytest.raises(ValueError, match="shape|size|mismatch"):
        layer.backward(np.ones((1, *y.shape[1:])), cache)


def test_a_pool_in_two_places_of_different_size() -> None:
    """It has no parameters, so one is as good as two: PyTorch's users write self.pool twice."""
    pool = mt.MaxPool2D()
    model = mt.Sequential(pool, pool, input_shape=(1, 8, 8))
    assert model(np.eye(8)[np.newaxis, np.newaxis])[0, 0].tolist() == [[1, 0], [0, 1]]


def peak(layer: mt.Layer, shape: Shape, samples: int) -> float:
    """The most memory of a forward and a backward, in inputs and outputs together."""
    layer.initialize(shape, rng=np.random.default_rng(0), dtype=np.float32)
    x = np.ones((samples, *shape), np.float32)
    tracemalloc.start()
    y, cache = layer.forward(x, train=True)
    layer.backward(y, cache)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / (x.nbytes + y.nbytes)


def test_the_windows_of_a_batch_are_never_copied_all_at_once() -> None:
    """All windows of 5 x 5 would be 14 times the inputs and outputs of this layer."""
    assert peak(mt.Conv2D(8, 5), (8, 28, 28), 128) < 4
    assert peak(mt.Conv2D(8, 3, padding="same", groups=8), (8, 28, 28), 128) < 4
    assert peak(mt.MaxPool2D(), (8, 28, 28), 128) < 3
    assert peak(mt.AveragePool2D(), (8, 28, 28), 128) < 3


def test_nor_are_they_where_the_images_have_one_row() -> None:
    assert peak(mt.Conv2D(4, (1, 25)), (4, 1, 500), 256) < 8
