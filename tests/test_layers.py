"""Each layer: its values against an independent source, its gradients, and the contract."""

import threading
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch_np as mt
from examples.custom_layer import Scale
from minitorch_np.arrays import Array, DType, Shape
from tests.bare_parameters import gathered

# (layer, shape of one sample): arguments that are not the defaults, sizes that differ.
CASES: list[tuple[mt.Layer, Shape]] = [
    (mt.Dense(4), (3,)),
    (mt.Dense(3, weight_initializer="uniform", bias_initializer="uniform"), (3,)),
    (mt.Dense(2, use_bias=False), (5,)),
    (mt.ReLU(), (4,)),
    (mt.LeakyReLU(0.3), (4,)),
    (mt.ELU(1.7), (4,)),
    (mt.Sigmoid(), (2, 3)),
    (mt.Softmax(), (5,)),
    (mt.Softmax(), (2, 3)),
    (mt.Sequential(mt.Dense(4), mt.ELU(0.6), mt.Sequential(mt.Dense(3), mt.Sigmoid())), (5,)),
]
IDS = [f"{type(layer).__name__}-{place}" for place, (layer, _) in enumerate(CASES)]
every_layer = pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)

# Made with 30 digits of precision: 1.7 (e^z - 1), 1 / (1 + e^-z), e^z_k / sum e^z_j.
REFERENCE = [
    (mt.ReLU(), [-2.0, -0.0, 0.0, 3.5], [0.0, 0.0, 0.0, 3.5]),
    (mt.LeakyReLU(0.3), [-2.0, 0.0, 3.5], [-0.6, 0.0, 3.5]),
    (
        mt.ELU(1.7),
        [-3.0, -1.0, -0.25, 0.0, 2.0],
        [-1.6153619837746314, -1.074604950008548, -0.37603866877861175, 0.0, 2.0],
    ),
    (
        mt.Sigmoid(),
        [-40.0, -2.0, -0.5, 0.0, 0.5, 2.0, 40.0],
        [
            4.248354255291589e-18,
            0.11920292202211756,
            0.37754066879814546,
            0.5,
            0.6224593312018546,
            0.8807970779778824,
            1.0,
        ],
    ),
    (
        mt.Softmax(),  # the notes' own example
        [1.3, 5.1, 2.2, 0.7, 1.1],
        [
            0.020190464732580682,
            0.9025376890165726,
            0.04966052987196011,
            0.011080761983386343,
            0.016530554395500215,
        ],
    ),
]


def built(layer: mt.Layer, shape: Shape, dtype: DType = np.float64) -> mt.Layer:
    fresh = type(layer).from_config(layer.config())
    fresh.initialize(shape, rng=np.random.default_rng(3), dtype=dtype)
    return fresh


def batch(shape: Shape, m: int = 6, dtype: DType = np.float64) -> Array:
    return np.random.default_rng(5).normal(size=(m, *shape)).astype(dtype)


@pytest.mark.parametrize(("layer", "z", "expected"), REFERENCE)
def test_values_are_the_reference(layer: mt.Layer, z: list[float], expected: list[float]) -> None:
    layer = built(layer, (len(z),))
    np.testing.assert_allclose(layer(np.array([z])), [expected], rtol=1e-15, atol=0)


def test_dense_is_the_weighted_sum() -> None:
    dense = built(mt.Dense(2), (3,))
    dense.load_state_dict({"weight": np.array([[1, 2, 3], [4, 5, 6]]), "bias": np.array([0.5, -1])})
    assert dense(np.array([[1.0, 0.0, -1.0], [2.0, 2.0, 2.0]])).tolist() == [[-1.5, -3], [12.5, 29]]


@every_layer
def test_gradients_match_finite_differences(layer: mt.Layer, shape: Shape) -> None:
    mt.assert_gradients(built(layer, shape), batch(shape), mode="exhaustive")


@every_layer
def test_nothing_that_is_handed_in_changes(layer: mt.Layer, shape: Shape) -> None:
    layer, x = built(layer, shape), batch(shape)
    before, state = x.copy(), layer.state_dict()
    y, cache = layer.forward(x, train=True)
    dy = batch(y.shape[1:])
    given_dy, kept_y = dy.copy(), y.copy()
    first = layer.backward(dy, cache)
    second = layer.backward(dy, cache)  # a pure function: the same once more
    np.testing.assert_array_equal(first[0], second[0])
    for name, gradient in first[1].items():
        np.testing.assert_array_equal(gradient, second[1][name])
        assert not np.shares_memory(gradient, layer.named_parameters()[name])
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, given_dy)
    np.testing.assert_array_equal(y, kept_y)
    for name, array in layer.named_parameters().items():
        np.testing.assert_array_equal(array, state[name])


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_shapes_are_kept(layer: mt.Layer, shape: Shape, dtype: DType) -> None:
    layer = built(layer, shape, dtype)
    for m in (1, 4):
        y, cache = layer.forward(batch(shape, m, dtype), train=True)
        dx, gradients = layer.backward(np.ones_like(y), cache)
        assert y.shape == (m, *layer.output_shape)
        assert dx is not None
        assert dx.shape == (m, *shape)
        for array in (y, dx, *gradients.values()):
            assert array.dtype == dtype


@every_layer
def test_float32_agrees_with_float64(layer: mt.Layer, shape: Shape) -> None:
    single, double = built(layer, shape, np.float32), built(layer, shape)
    x = batch(shape)
    y, cache = double.forward(x)
    y32, cache32 = single.forward(x.astype(np.float32))
    np.testing.assert_allclose(y32, y, atol=2e-6)
    dx, gradients = double.backward(np.ones_like(y), cache)
    dx32, gradients32 = single.backward(np.ones_like(y32), cache32)
    assert dx is not None
    assert dx32 is not None
    np.testing.assert_allclose(dx32, dx, atol=5e-6)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradients32[name], gradient, atol=2e-5)


@every_layer
def test_memory_layout_does_not_matter(layer: mt.Layer, shape: Shape) -> None:
    layer, x = built(layer, shape), batch(shape)
    strided = np.asfortranarray(np.repeat(x, 2, axis=0))[::2]
    assert not strided.flags.c_contiguous
    y, cache = layer.forward(x)
    other, other_cache = layer.forward(strided)
    np.testing.assert_allclose(other, y, rtol=1e-14)
    dy = batch(y.shape[1:])
    dx, _ = layer.backward(dy, cache)
    other_dx, _ = layer.backward(np.asfortranarray(dy), other_cache)
    assert dx is not None
    assert other_dx is not None
    np.testing.assert_allclose(other_dx, dx, rtol=1e-13, atol=1e-15)


@every_layer
def test_calls_do_not_disturb_each_other(layer: mt.Layer, shape: Shape) -> None:
    """Two forwards before a backward, and the same in threads: the cache is the caller's."""
    layer = built(layer, shape)
    inputs = [batch(shape) * scale for scale in (1.0, -0.5, 2.0, 0.1)]

    def gradient(x: Array) -> Array:
        y, cache = layer.forward(x)
        dx, _ = layer.backward(np.ones_like(y), cache)
        assert dx is not None
        return dx

    alone = [gradient(x) for x in inputs]
    forwards = [layer.forward(x) for x in inputs]
    for (y, cache), expected in zip(forwards, alone, strict=True):
        np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache)[0], expected)
    found: dict[int, Array] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: gradient(inputs[i])}))
        for i in range(len(inputs))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, expected in enumerate(alone):
        np.testing.assert_array_equal(found[place], expected)


@every_layer
def test_the_input_gradient_can_be_left_out(layer: mt.Layer, shape: Shape) -> None:
    layer = built(layer, shape)
    y, cache = layer.forward(batch(shape))
    dx, gradients = layer.backward(np.ones_like(y), cache, need_dx=False)
    assert dx is None
    for name, gradient in layer.backward(np.ones_like(y), cache)[1].items():
        np.testing.assert_array_equal(gradients[name], gradient)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_in_one_vector_are_the_same(layer: mt.Layer, shape: Shape, dtype: DType) -> None:
    layer = built(layer, shape, dtype)
    y, cache = layer.forward(batch(shape, dtype=dtype))
    dy = batch(y.shape[1:], dtype=dtype)
    expected = layer.backward(dy, cache)[1]
    ordered = [expected[name].ravel() for name in layer.named_parameters()]
    for upstream in (dy, dy.astype(np.float64)):  # one that is wider is converted
        flat = gathered(layer, layer.backward(upstream, cache, need_dx=False)[1])
        assert flat.dtype == (dtype if ordered else np.float64)
        np.testing.assert_allclose(flat, np.concatenate([np.zeros(0), *ordered]), 1e-5, 1e-6)


@every_layer
def test_config_makes_the_same_layer_again(layer: mt.Layer, shape: Shape) -> None:
    again = type(layer).from_config(layer.config())
    assert repr(again) == repr(layer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", [mt.ReLU(), mt.LeakyReLU(), mt.ELU(), mt.Sigmoid(), mt.Softmax()])
def test_no_overflow_at_large_inputs(layer: mt.Layer, dtype: DType) -> None:
    layer = built(layer, (5,), dtype)
    x = np.array([[-1e4, -1e3, 0.0, 1e3, 1e4]], dtype)
    y, cache = layer.forward(x)  # a warning would be an error
    dx, _ = layer.backward(np.ones_like(y), cache)
    assert dx is not None
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


def test_derivatives_at_the_corner_are_the_left_ones() -> None:
    zero = np.zeros((1, 1))
    for layer, left in ((mt.ReLU(), 0.0), (mt.LeakyReLU(0.3), 0.3), (mt.ELU(1.7), 1.7)):
        y, cache = layer.forward(zero)
        dx, _ = layer.backward(np.ones((1, 1)), cache)
        assert dx is not None
        assert dx.item() == pytest.approx(left, abs=1e-15)


def test_not_a_number_passes_through_activations() -> None:
    for layer in (mt.ReLU(), mt.LeakyReLU(), mt.ELU(), mt.Sigmoid()):
        assert np.isnan(layer.value(np.array([np.nan]))).all()


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50)), st.floats(-1e6, 1e6))
def test_softmax_rows_are_distributions_and_ignore_an_offset(z: Array, offset: float) -> None:
    softmax = mt.Softmax()
    p, _ = softmax.forward(z)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(softmax.forward(z + offset)[0], p, rtol=1e-8, atol=1e-12)


@given(hnp.arrays(np.float64, 6, elements=st.floats(-700, 700)))
def test_sigmoid_is_symmetric(z: Array) -> None:
    sigmoid = mt.Sigmoid()
    np.testing.assert_allclose(sigmoid.value(z) + sigmoid.value(-z), 1, rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.ELU(0), "alpha.*greater than 0.*got 0"),
        (lambda: mt.ELU(float("nan")), "alpha.*got nan"),
        (lambda: mt.ELU(float("inf")), "alpha.*got inf"),
        (lambda: mt.LeakyReLU(-0.1), "negative_slope.*from 0 to 1.*got -0.1"),
        (lambda: mt.LeakyReLU(2), "negative_slope"),
        (lambda: mt.LeakyReLU(cast(Any, "0.1")), "negative_slope"),
        (lambda: mt.Dense(0), "units.*got 0"),
        (lambda: mt.Dense(cast(Any, 2.5)), "units.*got 2.5"),
        (lambda: mt.Dense(3, weight_initializer="he"), "he_normal.*got 'he'"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


def test_a_dense_layer_wants_rows_of_features() -> None:
    with pytest.raises(mt.ShapeError, match=r"rows of features.*reshape"):
        mt.Dense(3).initialize((), rng=np.random.default_rng(0), dtype=np.float32)


@pytest.mark.parametrize("shape", [(0,), (-3,), (2.5,), "784"])
def test_a_shape_is_made_of_whole_numbers(shape: Any) -> None:
    with pytest.raises(mt.ShapeError, match="whole numbers of at least 1"):
        mt.ReLU().initialize(shape, rng=np.random.default_rng(0), dtype=np.float32)


def test_a_layer_that_is_not_built_says_so() -> None:
    dense = mt.Dense(3)
    for use in (
        lambda: dense.forward(np.ones((2, 4))),
        lambda: dense(np.ones((2, 4))),
        lambda: dense.named_parameters(),
    ):
        with pytest.raises(mt.NotBuiltError, match=r"Dense\(3\).*built.*initialize\("):
            use()
    assert not hasattr(dense, "weight")
    with pytest.raises(AttributeError, match="no attribute 'wieght'"):
        dense.wieght  # type: ignore[attr-defined]  # noqa: B018


def test_a_custom_layer_is_a_full_member(rng: np.random.Generator) -> None:
    model = mt.Sequential(mt.Dense(4), Scale(), mt.ReLU(), input_shape=3, seed=0, dtype="float64")
    assert list(model.named_parameters()) == ["0.weight", "0.bias", "1.scale"]
    mt.assert_gradients(model, rng.normal(size=(5, 3)))
    lone = Scale()
    assert lone.initialize(3, rng=rng, dtype=np.float64) == (3,)
    assert lone.built
    assert lone.input_shape == lone.output_shape == (3,)


def test_no_class_is_changed_and_build_alone_does_not_make_a_layer_ready(
    rng: np.random.Generator,
) -> None:
    lone = Scale()
    assert type(lone).__dict__["build"].__module__ == Scale.__module__
    assert not hasattr(type(lone).__dict__["build"], "__wrapped__")
    lone.build((3,), rng=rng, dtype=np.float64)
    for use in (lambda: lone(np.ones((2, 3))), lone.named_parameters, lone.state_dict):
        with pytest.raises(mt.NotBuiltError, match=r"Scale\(\).*call initialize\("):
            use()


def test_a_custom_layer_that_forgets_a_parameter_is_told() -> None:
    class Forgetful(Scale):
        def build(self, input_shape: Shape, *, rng: np.random.Generator, dtype: DType) -> Shape:
            return input_shape

    class Wide(Scale):
        def build(self, input_shape: Shape, *, rng: np.random.Generator, dtype: DType) -> Shape:
            self.scale = np.ones(input_shape)
            return input_shape

    for layer, got in ((Forgetful(), "None"), (Wide(), "float64")):
        with pytest.raises(mt.ConfigurationError, match=f"'scale'.*float32.*got {got}"):
            mt.Sequential(layer, input_shape=3)


def test_initializers_have_the_variance_that_they_promise(rng: np.random.Generator) -> None:
    fan_in, fan_out = 400, 100
    variance = {
        "he": 2 / fan_in,
        "glorot": 2 / (fan_in + fan_out),
        "lecun": 1 / fan_in,
        "uniform": 1 / 12,
        "zeros": 0.0,
    }
    for name, initializer in mt.initializers.INITIALIZERS.items():
        drawn = initializer(rng, (fan_out, fan_in), fan_in, fan_out)
        expected = variance[name.split("_")[0]]
        assert drawn.shape == (fan_out, fan_in)
        # The variance of 40,000 draws is known to about 1 %.
        assert drawn.var() == pytest.approx(expected, rel=0.05)
        assert abs(drawn.mean()) <= 5 * np.sqrt(expected / drawn.size)
        if name.endswith("uniform") and expected:
            assert np.abs(drawn).max() <= np.sqrt(3 * expected)
            assert np.abs(drawn).max() > 0.99 * np.sqrt(3 * expected)


def test_an_initializer_can_be_a_function_of_the_readers_own() -> None:
    def ones(rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.full(shape, float(fan_in))

    dense = built(mt.Dense(2), (3,))
    mine = mt.Dense(2, weight_initializer=ones, bias_initializer=mt.initializers.uniform)
    mine.initialize((3,), rng=np.random.default_rng(0), dtype=np.float32)
    assert (mine.weight == 3).all()
    assert mine.weight.dtype == np.float32
    assert mine.bias_initializer == "uniform"
    assert dense.output_shape == mine.output_shape
    with pytest.raises(mt.ShapeError, match=r"weight_initializer.*\(2, 3\).*got \(3,\)"):
        mt.Dense(2, weight_initializer=lambda r, s, i, o: np.ones(3)).initialize(
            (3,), rng=np.random.default_rng(0), dtype=np.float32
        )


def test_one_seed_is_one_start_in_both_dtypes() -> None:
    single, double = (mt.notes_network(seed=4, dtype=d) for d in ("float32", "float64"))
    for name, array in double.named_parameters().items():
        np.testing.assert_array_equal(array.astype(np.float32), single.named_parameters()[name])


def test_a_build_inside_of_a_build_counts() -> None:
    """`build` may call `build` of inner layers, including layers that it creates."""

    class Inside(mt.Layer):
        def __init__(self) -> None:
            self.first = mt.Dense(3)

        def build(self, input_shape: Any, *, rng: np.random.Generator, dtype: Any) -> Any:
            shape = self.first.build(input_shape, rng=rng, dtype=dtype)
            self.second = mt.Dense(2)
            return self.second.build(shape, rng=rng, dtype=dtype)

        def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
            h, first = self.first.forward(x)
            y, second = self.second.forward(h)
            return y, (first, second)

        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dh, own = self.second.backward(dy, cache[1])
            assert dh is not None
            dx, inner = self.first.backward(dh, cache[0])
            names = {f"first.{n}": g for n, g in inner.items()}
            return dx, {**names, **{f"second.{n}": g for n, g in own.items()}}

    model = mt.Sequential(Inside(), "relu", input_shape=4, seed=0)
    assert list(model.named_parameters()) == [
        "0.first.weight", "0.first.bias", "0.second.weight", "0.second.bias"
    ]  # fmt: skip
    inside = model[0]
    assert isinstance(inside, Inside)
    assert inside.second.input_shape == (3,)
    assert "build" not in vars(inside.second)
    assert mt.gradcheck(model)
