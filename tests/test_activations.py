"""The activations beyond the notes': their values, their ends, their names and their arguments."""

import gc
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch_np as mt
from minitorch_np.arrays import Array, DType

NEW: list[mt.Layer] = [
    mt.SELU(),
    mt.PReLU(0.3),
    mt.PReLU(0.3, per_channel=True),
    mt.ReLU6(),
    mt.HardSigmoid(),
    mt.Tanh(),
    mt.Softplus(),
    mt.Softplus(2.5),
    mt.SiLU(),
    mt.HardSwish(),
    mt.Mish(),
    mt.GELU(),
    mt.GELU("tanh"),
    mt.Identity(),
    mt.LogSoftmax(),
]
every_new = pytest.mark.parametrize("layer", NEW, ids=repr)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Made with 40 digits of precision, and rounded once.
REFERENCE: list[tuple[mt.Layer, list[float], list[float]]] = [
    (
        mt.SELU(),
        [-40.0, -3.0, -0.25, 0.0, 0.5, 1e4],
        [
            -1.7580993408473768,
            -1.670568728767112,
            -0.38889019747811904,
            0.0,
            0.5253504936777402,
            10507.009873554805,
        ],
    ),
    (mt.PReLU(0.3), [-1e4, -2.0, -0.5, 0.0, 3.5, 1e4], [-3e3, -0.6, -0.15, 0.0, 3.5, 1e4]),
    (mt.ReLU6(), [-1e4, -2.0, 0.0, 0.5, 6.0, 1e4], [0.0, 0.0, 0.0, 0.5, 6.0, 6.0]),
    (
        mt.HardSigmoid(),
        [-1e4, -2.5, -0.5, 0.0, 0.7, 1e4],
        [0.0, 0.08333333333333333, 0.4166666666666667, 0.5, 0.6166666666666667, 1.0],
    ),
    (
        mt.Tanh(),
        [-40.0, -2.0, -1e-9, 0.0, 0.5, 3.0],
        [-1.0, -0.9640275800758169, -1e-9, 0.0, 0.46211715726000974, 0.9950547536867305],
    ),
    (
        mt.Softplus(),
        [-40.0, -2.0, -0.5, 0.0, 3.0, 1e4],
        [
            4.248354255291589e-18,
            0.1269280110429725,
            0.4740769841801067,
            0.6931471805599453,
            3.048587351573742,
            1e4,
        ],
    ),
    (
        mt.Softplus(2.5),
        [-40.0, -2.0, -0.5, 0.0, 3.0, 1e4],
        [
            1.4880303904083345e-44,
            0.0026861393956472274,
            0.10077163253814915,
            0.2772588722239781,
            3.000221172590144,
            1e4,
        ],
    ),
    (
        mt.SiLU(),
        [-40.0, -2.0, -0.5, 0.0, 3.0, 1e4],
        [
            -1.6993417021166355e-16,
            -0.23840584404423512,
            -0.18877033439907273,
            0.0,
            2.8577223804672998,
            1e4,
        ],
    ),
    (
        mt.HardSwish(),
        [-1e4, -2.5, -0.5, 0.0, 2.9, 1e4],
        [0.0, -0.20833333333333334, -0.20833333333333334, 0.0, 2.8516666666666666, 1e4],
    ),
    (
        mt.Mish(),
        [-40.0, -2.0, -0.5, 0.0, 3.0, 1e4],
        [
            -1.6993417021166355e-16,
            -0.2525014826957089,
            -0.22074377465173,
            0.0,
            2.9865350049679575,
            1e4,
        ],
    ),
    (
        mt.GELU(),
        [-1e4, -8.0, -6.0, -2.0, -0.5, 0.0, 3.0, 1e4],
        [
            0.0,
            -4.976768459417427e-15,
            -5.9195258702261885e-09,
            -0.04550026389635842,
            -0.15426876936299344,
            0.0,
            2.99595030590511,
            1e4,
        ],
    ),
    (
        mt.GELU("tanh"),
        [-1e4, -3.0, -2.0, -0.5, 0.0, 0.5, 3.0, 1e4],
        [
            0.0,
            -0.003637392081773019,
            -0.04540230591222498,
            -0.15428599017485609,
            0.0,
            0.34571400982514394,
            2.996362607918227,
            1e4,
        ],
    ),
    (mt.Identity(), [-1e4, -0.5, 0.0, 0.25, 3.0, 1e4], [-1e4, -0.5, 0.0, 0.25, 3.0, 1e4]),
    (
        mt.LogSoftmax(),
        [1.3, 5.1, 2.2, 0.7, -1000.0],
        [
            -3.885876120327241,
            -0.08587612032724161,
            -2.9858761203272413,
            -4.485876120327242,
            -1005.1858761203273,
        ],
    ),
]


def built(layer: mt.Layer, features: int, dtype: DType = np.float64) -> mt.Layer:
    fresh = type(layer).from_config(layer.config())
    fresh.initialize((features,), rng=np.random.default_rng(3), dtype=dtype)
    return fresh


def slopes(layer: mt.Layer, z: list[float]) -> Array:
    """g'(z) at each z."""
    y, cache = built(layer, len(z)).forward(np.array([z]))
    dx = built(layer, len(z)).backward(np.ones_like(y), cache)[0]
    assert dx is not None
    return dx.reshape(-1)


@pytest.mark.parametrize(("layer", "z", "expected"), REFERENCE)
def test_values_are_the_reference(layer: mt.Layer, z: list[float], expected: list[float]) -> None:
    y = built(layer, len(z))(np.array([z]))
    np.testing.assert_allclose(y, [expected], rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_of_many_numbers_is_that_of_each(dtype: DType) -> None:
    layer, z = mt.GELU(), np.linspace(-9, 9, 70_000, dtype=dtype).reshape(7, 10_000)
    z[3, 5] = 0
    a = layer.value(z)
    slopes = layer.derivative(z, a)
    assert (a == np.stack([layer.value(row) for row in z])).all()
    assert (slopes == np.stack([layer.derivative(*rows) for rows in zip(z, a, strict=True)])).all()
    assert slopes[3, 5] == 0.5
    assert (layer.value(z.T) == a.T).all()


def test_gelu_far_out_and_its_tanh_where_it_cancels() -> None:
    far = built(mt.GELU(), 2)(np.array([[-30.0, -20.0]]))
    np.testing.assert_allclose(
        far, [[-1.472014178144456e-196, -5.507248237212467e-88]], rtol=1e-13, atol=0
    )
    tanh = built(mt.GELU("tanh"), 1)(np.array([[-6.0]]))
    np.testing.assert_allclose(tanh, [[-8.439646700762303e-11]], rtol=0, atol=1e-16)


@every_new
def test_gradients_match_finite_differences(layer: mt.Layer, rng: np.random.Generator) -> None:
    mt.assert_gradients(built(layer, 4), rng.normal(size=(6, 4)) * 3, mode="exhaustive")


@every_new
@both_dtypes
def test_no_overflow_and_the_dtype_is_kept(layer: mt.Layer, dtype: DType) -> None:
    layer = built(layer, 5, dtype)
    x = np.array([[-1e4, -1e2, 0.0, 1e2, 1e4]], dtype)
    y, cache = layer.forward(x)  # a warning would be an error
    dx, gradients = layer.backward(np.ones_like(y), cache)
    assert dx is not None
    for array in (y, dx, *gradients.values()):
        assert np.isfinite(array).all()
        assert array.dtype == dtype
    assert y.shape == dx.shape == x.shape


@every_new
def test_no_overflow_far_beyond(layer: mt.Layer) -> None:
    """float32 goes up to 3e38; a square of what is still a fine number does not fit."""
    layer = built(layer, 2, np.float32)
    y, cache = layer.forward(np.array([[-1e20, 1e20]], np.float32))
    dx, _ = layer.backward(np.ones_like(y), cache)
    assert dx is not None
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@every_new
def test_not_a_number_passes_through(layer: mt.Layer) -> None:
    assert np.isnan(built(layer, 2)(np.full((1, 2), np.nan))).all()


@every_new
def test_images_are_taken_too(layer: mt.Layer, rng: np.random.Generator) -> None:
    layer.initialize((2, 3, 4), rng=rng, dtype=np.float64)
    assert layer.output_shape == (2, 3, 4)
    mt.assert_gradients(layer, rng.normal(size=(3, 2, 3, 4)))


def test_derivatives_at_the_corners_are_the_left_ones() -> None:
    np.testing.assert_allclose(slopes(mt.ReLU6(), [0.0, 6.0]), [0, 1])
    np.testing.assert_allclose(slopes(mt.HardSigmoid(), [-3.0, 3.0]), [0, 1 / 6])
    np.testing.assert_allclose(slopes(mt.HardSwish(), [-3.0, 3.0]), [0, 1.5])
    np.testing.assert_allclose(slopes(mt.PReLU(0.3), [0.0]), [0.3])
    np.testing.assert_allclose(slopes(mt.SELU(), [0.0]), [mt.SELU.SCALE * mt.SELU.ALPHA])


def test_derivatives_at_the_ends() -> None:
    """What each function looks like from far away: 0, 1, or its own slope."""
    far = [-1e4, 1e4]
    for layer in (mt.Softplus(), mt.SiLU(), mt.HardSwish(), mt.Mish(), mt.GELU(), mt.GELU("tanh")):
        np.testing.assert_array_equal(slopes(layer, far), [0, 1])
    for bounded in (mt.Tanh(), mt.HardSigmoid(), mt.ReLU6()):
        np.testing.assert_array_equal(slopes(bounded, far), [0, 0])


@given(hnp.arrays(np.float64, 6, elements=st.floats(-700, 700)))
def test_the_halves_of_smooth_relus_differ_by_z(z: Array) -> None:
    """g(z) - g(-z) = z for z P(z) with P(z) + P(-z) = 1, and for softplus; tanh is odd."""
    for layer in (mt.SiLU(), mt.GELU(), mt.GELU("tanh"), mt.Softplus(), mt.HardSwish()):
        np.testing.assert_allclose(layer.value(z) - layer.value(-z), z, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(mt.Tanh().value(-z), -mt.Tanh().value(z))


@given(hnp.arrays(np.float64, 40, elements=st.floats(-20, 20)))
def test_the_approximate_gelu_is_near(z: Array) -> None:
    assert np.abs(mt.GELU("tanh").value(z) - mt.GELU().value(z)).max() < 5e-4


def test_selu_keeps_mean_and_variance(rng: np.random.Generator) -> None:
    a = mt.SELU().value(rng.normal(size=1_000_000))
    assert abs(a.mean()) < 0.01
    assert a.var() == pytest.approx(1, abs=0.01)


def test_log_softmax_is_the_logarithm_of_softmax(rng: np.random.Generator) -> None:
    z = rng.normal(size=(4, 5))
    log_p, _ = mt.LogSoftmax().forward(z)
    np.testing.assert_allclose(np.exp(log_p), mt.Softmax().forward(z)[0], rtol=1e-13)
    np.testing.assert_allclose(mt.LogSoftmax().forward(log_p)[0], log_p, rtol=1e-13)
    np.testing.assert_allclose(mt.LogSoftmax().forward(z + 1e6)[0], log_p, rtol=1e-8)
    model = mt.Sequential("dense(3)", "log_softmax", input_shape=5, seed=0)
    np.testing.assert_allclose(model.predict_proba(z), np.exp(model(z)), rtol=1e-6)
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD()).fit(z, [0, 1, 2, 0])
    with pytest.raises(mt.ConfigurationError, match="probabilities"):
        mt.Trainer(model, mt.CrossEntropy(), mt.SGD())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.GELU("erf"), "'none' or 'tanh', got 'erf'"),
        (lambda: mt.GELU(cast(Any, True)), "'none' or 'tanh', got True"),
        (lambda: mt.Softplus(0), "beta.*greater than 0.*got 0"),
        (lambda: mt.Softplus(-1), "beta.*got -1"),
        (lambda: mt.Softplus(float("inf")), "beta.*got inf"),
        (lambda: mt.Softplus(cast(Any, "1")), "beta.*got '1'"),
        (lambda: mt.PReLU(float("nan")), "initial_slope.*finite.*got nan"),
        (lambda: mt.PReLU(cast(Any, None)), "initial_slope.*got None"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


NAMES = [
    ("gelu(tanh)", mt.GELU("tanh")),
    ("gelu", mt.GELU()),
    ("gelu(approximate=tanh)", mt.GELU("tanh")),
    ("swish", mt.SiLU()),
    ("SiLU", mt.SiLU()),
    ("linear", mt.Identity()),
    ("conv2d(6, 5, padding=same)", mt.Conv2D(6, 5, padding="same")),
    (" Conv_2D ( 6,5 , stride = 2 ) ", mt.Conv2D(6, 5, stride=2)),
    ("prelu(0.1)", mt.PReLU(0.1)),
    ("hard_swish", mt.HardSwish()),
    ("HardSigmoid", mt.HardSigmoid()),
    ("softplus(beta=2)", mt.Softplus(2)),
    ("relu6", mt.ReLU6()),
    ("selu", mt.SELU()),
    ("log_softmax", mt.LogSoftmax()),
    ("max_pool2d(3, 2)", mt.MaxPool2D(3, 2)),
    ("global_average_pool2d()", mt.GlobalAveragePool2D()),
    ("batch_norm(epsilon=0.001)", mt.BatchNorm(epsilon=0.001)),
    ("layer_norm", mt.LayerNorm()),
    ("dropout(0.2)", mt.Dropout(0.2)),
    ("embedding(10, 3)", mt.Embedding(10, 3)),
    ("flatten", mt.Flatten()),
    ("reshape(-1)", mt.Reshape((-1,))),
]


@pytest.mark.parametrize(("name", "layer"), NAMES)
def test_layers_have_names(name: str, layer: mt.Layer) -> None:
    assert repr(mt.Sequential(name)[0]) == repr(layer)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("swosh", "got 'swosh': did you mean 'swish'"),
        ("gelu(erf)", r"gelu\(erf\).*'none' or 'tanh'"),
        ("gelu(aproximate=tanh)", "aproximate"),
        ("gelu(tanh, approximate=tanh)", "approximate"),
        ("relu6(5)", r"relu6\(5\)"),
        ("conv2d(6)", r"conv2d\(6\).*kernel_size"),
        ("conv2d(6, 5, padding=smae)", "padding to be valid, same.*got 'smae'"),
        ("activation", "expected the name of a layer, got 'activation'"),
        ("", "expected name\\(arguments\\), got ''"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.Sequential(name)


def test_no_is_no_in_a_name_too() -> None:
    """Either it is understood or refused; a bias that was not wanted is neither."""
    try:
        model = mt.Sequential("dense(3, use_bias=False)", input_shape=2)
    except mt.ConfigurationError:
        return
    assert list(model.named_parameters()) == ["0.weight"]


def test_a_layer_of_the_readers_own_is_found_by_its_name() -> None:
    class Swish(mt.Activation):
        def value(self, z: Array) -> Array:
            return z * 2

        def derivative(self, z: Array, a: Array) -> Array:
            return np.full_like(z, 2)

    assert mt.Sequential("Swish", input_shape=1)(np.ones((1, 1))) == 2
    del Swish
    gc.collect()  # so that no other test meets it


@pytest.mark.parametrize("per_channel", [False, True])
def test_prelu_learns_its_slope(per_channel: bool, rng: np.random.Generator) -> None:
    """Descent on the mean of (y - wanted)^2 / 2, where the slopes that give `wanted` are known."""
    wanted = np.array([0.6, -0.2, 1.5]) if per_channel else np.array([0.6])
    model = mt.Sequential(mt.PReLU(per_channel=per_channel), input_shape=3, dtype=np.float64)
    slope = model.named_parameters()["0.weight"]
    assert slope.shape == wanted.shape
    assert (slope == 0.25).all()
    x = rng.normal(size=(200, 3))
    target = np.where(x > 0, x, wanted * x)
    for _ in range(200):
        y, cache = model.forward(x, train=True)
        slope -= model.backward((y - target) / len(x), cache)[1]["0.weight"]
    np.testing.assert_allclose(slope, wanted, atol=1e-6)
    y, cache = model.forward(x)
    np.testing.assert_allclose(y, target, atol=1e-5)


def test_prelu_slopes_stand_for_channels(rng: np.random.Generator) -> None:
    layer = mt.PReLU(per_channel=True)
    layer.initialize((2, 3, 3), rng=rng, dtype=np.float64)
    layer.weight[:] = [0.5, 2.0]
    y = layer(-np.ones((1, 2, 3, 3)))
    assert (y[0, 0] == -0.5).all()
    assert (y[0, 1] == -2).all()


def test_a_trainer_moves_the_slope(rng: np.random.Generator) -> None:
    model = mt.Sequential("dense(4)", "prelu", "dense(2)", input_shape=3, seed=0)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    before = model.state_dict()["1.weight"]
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.5), seed=0).fit(x, y, epochs=3)
    assert model.state_dict()["1.weight"] != before
