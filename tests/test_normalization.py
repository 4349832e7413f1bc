"""BatchNorm, LayerNorm, Dropout, Embedding, Flatten and Reshape."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array, DType, Shape


def built(layer: mt.Layer, shape: Shape, dtype: DType = np.float64) -> Any:
    layer.initialize(shape, rng=np.random.default_rng(3), dtype=dtype)
    return layer


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def same(layer: mt.Layer, state: dict[str, Array]) -> None:
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, state[name], name)


def scattered(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers far from mean 0 and variance 1."""
    return rng.normal(3, 2, shape) * np.arange(1, shape[1] + 1).reshape(-1, *(1,) * len(shape[2:]))


def classifier(**arguments: Any) -> mt.Sequential:
    return mt.Sequential(
        mt.Dense(4), mt.BatchNorm(), mt.ReLU(), mt.Dense(2), input_shape=3, seed=0, **arguments
    )


IMAGES = [(3,), (3, 4, 5)]


@pytest.mark.parametrize("shape", IMAGES)
def test_batch_norm_gives_mean_0_and_variance_1(shape: Shape, rng: np.random.Generator) -> None:
    layer, x = built(mt.BatchNorm(epsilon=1e-12), shape), scattered(rng, 20, *shape)
    axes = (0, 2, 3)[: x.ndim - 1]
    y, _ = layer.forward(x, train=True)
    close(y.mean(axis=axes), 0)
    close(y.var(axis=axes), 1, 1e-10)
    layer.weight[:], layer.bias[:] = [1, 2, -3], [0.5, 0, 7]
    y, _ = layer.forward(x, train=True)
    close(y.mean(axis=axes), layer.bias)
    close(y.std(axis=axes), np.abs(layer.weight), 1e-10)


@pytest.mark.parametrize("shape", IMAGES)
def test_running_statistics_follow_pytorchs_rule(shape: Shape, rng: np.random.Generator) -> None:
    layer = built(mt.BatchNorm(momentum=0.3), shape)
    axes = (0, 2, 3)[: len(shape)]
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(4):
        x = scattered(rng, 6, *shape)
        layer.forward(x, train=True)
        mean = 0.7 * mean + 0.3 * x.mean(axis=axes)
        variance = 0.7 * variance + 0.3 * x.var(axis=axes, ddof=1)
        close(layer.running_mean, mean)
        close(layer.running_var, variance)


@pytest.mark.parametrize("shape", IMAGES)
def test_prediction_uses_the_running_statistics(shape: Shape, rng: np.random.Generator) -> None:
    layer, x = built(mt.BatchNorm(), shape), scattered(rng, 6, *shape)
    layer.running_mean[:], layer.running_var[:] = [1, 2, 3], [4, 9, 16]
    before = layer.state_dict()
    each = (-1, *(1,) * (x.ndim - 2))
    expected = (x - np.reshape([1, 2, 3], each)) / np.sqrt(np.reshape([4, 9, 16], each) + 1e-5)
    close(layer(x), expected)
    close(layer(x[:1]), expected[:1])  # one sample does not depend on the others
    same(layer, before)


def test_a_frozen_batch_norm_uses_and_keeps_them(rng: np.random.Generator) -> None:
    layer, x = built(mt.BatchNorm(), (3,)), scattered(rng, 6, 3)
    layer.forward(x, train=True)
    layer.trainable = False
    before = layer.state_dict()
    y, cache = layer.forward(x, train=True)
    np.testing.assert_array_equal(y, layer(x))
    dx, gradients = layer.backward(np.ones_like(y), cache)
    close(dx, np.ones_like(x) * layer.weight / np.sqrt(layer.running_var + 1e-5))
    assert set(gradients) == {"weight", "bias"}
    same(layer, before)
    layer.trainable = True
    layer.forward(x, train=True)
    assert (layer.running_mean != before["running_mean"]).all()


@pytest.mark.parametrize("layer", [mt.BatchNorm(), mt.LayerNorm(), mt.LayerNorm(3)], ids=repr)
def test_gradients_match_finite_differences(layer: mt.Layer, rng: np.random.Generator) -> None:
    layer.initialize((2, 3, 4), rng=rng, dtype=np.float64)
    before = layer.state_dict()
    mt.assert_gradients(layer, scattered(rng, 5, 2, 3, 4))
    same(layer, before)


def test_a_batch_of_one_sample_comes_out_as_the_bias() -> None:
    layer = built(mt.BatchNorm(), (3,))
    layer.bias[:] = [1, 2, 3]
    y, cache = layer.forward(np.array([[5.0, -1.0, 1e6]]), train=True)
    np.testing.assert_array_equal(y, [[1, 2, 3]])
    dx, gradients = layer.backward(np.ones((1, 3)), cache)
    np.testing.assert_array_equal(dx, np.zeros((1, 3)))
    assert np.isfinite(gradients["weight"]).all()
    assert np.isfinite(layer.running_var).all()


def test_a_constant_feature_is_no_division_by_zero() -> None:
    y, cache = built(mt.BatchNorm(), (2,)).forward(np.full((8, 2), 7.0), train=True)
    assert (y == 0).all()
    assert (built(mt.LayerNorm(), (2,))(np.full((8, 2), 7.0)) == 0).all()


def test_buffers_are_saved_and_are_no_parameters(tmp_path: Path, rng: np.random.Generator) -> None:
    model = classifier()
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(), seed=0).fit(x, y, epochs=2)
    assert list(model.named_buffers()) == ["1.running_mean", "1.running_var"]
    assert set(model.state_dict()) == {*model.named_parameters(), *model.named_buffers()}
    assert model.count_parameters() == (3 * 4 + 4) + (4 + 4) + (4 * 2 + 2)
    model.save(tmp_path / "m.npz")
    loaded = mt.Sequential.load(tmp_path / "m.npz")
    same(loaded, model.state_dict())
    np.testing.assert_array_equal(loaded(x), model(x))
    other = classifier()
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(x), model(x))
    state = model.state_dict()
    del state["1.running_var"]
    with pytest.raises(mt.DataError, match="1.running_var is missing"):
        other.load_state_dict(state)


def test_a_copy_of_the_state_is_a_copy(rng: np.random.Generator) -> None:
    model = classifier()
    state = model.state_dict()
    model.forward(rng.normal(size=(8, 3)).astype(np.float32), train=True)
    assert (state["1.running_mean"] == 0).all()
    assert (model.named_buffers()["1.running_mean"] != 0).all()


def test_evaluation_leaves_the_statistics_alone(rng: np.random.Generator) -> None:
    model = classifier()
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD())
    before = model.state_dict()
    trainer.evaluate(x, y)
    model.predict(x)
    same(model, before)


def test_a_fit_that_is_refused_takes_the_statistics_back(rng: np.random.Generator) -> None:
    """As it does the parameters: the NaN is met when two batches have been trained on."""
    model, x = classifier(), rng.normal(size=(24, 3))
    before, x[20] = model.state_dict(), np.nan
    with pytest.raises(mt.DataError, match="row 20"):
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD()).fit(
            x, np.zeros(24, int), batch_size=8, shuffle=False
        )
    same(model, before)


def test_after_a_divergence_the_statistics_are_finite_too(rng: np.random.Generator) -> None:
    model, x = classifier(), rng.normal(size=(64, 3))
    with pytest.raises(mt.DivergenceError):
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(1e30), seed=0).fit(
            x, np.arange(64) % 2, epochs=30, batch_size=8
        )
    for name, array in model.state_dict().items():
        assert np.isfinite(array).all(), name


def test_layer_norm_is_of_each_sample(rng: np.random.Generator) -> None:
    x = scattered(rng, 5, 3, 4)
    for axes in (1, 2):
        layer = built(mt.LayerNorm(axes, epsilon=1e-12), (3, 4))
        assert layer.weight.shape == (3, 4)[-axes:]
        y, _ = layer.forward(x, train=True)
        over = tuple(range(-axes, 0))
        close(y.mean(axis=over), 0)
        close(y.var(axis=over), 1, 1e-9)
        np.testing.assert_array_equal(layer(x), y)
        np.testing.assert_array_equal(layer(x[2:3]), y[2:3])
        close(layer(x * 100 + 7), y, 1e-8)  # neither scale nor offset of a sample matters


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_keep_the_dtype_and_work_far_from_zero(
    dtype: DType, rng: np.random.Generator
) -> None:
    x = (rng.normal(size=(64, 3, 8, 8)) + 1000).astype(dtype)
    for layer in (mt.BatchNorm(), mt.LayerNorm(3)):
        y, cache = built(layer, (3, 8, 8), dtype).forward(x, train=True)
        dx, gradients = layer.backward(y, cache)
        for array in (y, dx, *gradients.values(), *layer.named_buffers().values()):
            assert array is not None
            assert array.dtype == dtype
        assert y.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.BatchNorm(1.5), "momentum.*from 0 to 1, got 1.5"),
        (lambda: mt.BatchNorm(float("nan")), "momentum.*got nan"),
        (lambda: mt.BatchNorm(cast(Any, "0.1")), "momentum.*got '0.1'"),
        (lambda: mt.BatchNorm(cast(Any, None)), "momentum.*got None"),
        (lambda: mt.BatchNorm(epsilon=0), "BatchNorm: .*epsilon.*greater than 0, got 0"),
        (lambda: mt.LayerNorm(epsilon=-1), "LayerNorm: .*epsilon.*got -1"),
        (lambda: mt.LayerNorm(epsilon=cast(Any, "tiny")), "epsilon.*got 'tiny'"),
        (lambda: mt.LayerNorm(0), "trailing_axes.*at least 1.*got 0"),
        (lambda: mt.LayerNorm(cast(Any, (3,))), r"trailing_axes.*got \(3,\)"),
        (lambda: mt.Dropout(1), "rate to be .* at least 0 and smaller than 1, got 1"),
        (lambda: mt.Dropout(-0.1), "rate.*got -0.1"),
        (lambda: mt.Dropout(cast(Any, "half")), "rate.*got 'half'"),
        (lambda: mt.Embedding(0, 3), "vocabulary.*got 0"),
        (lambda: mt.Embedding(3, cast(Any, 2.0)), "dimensions.*got 2.0"),
        (lambda: mt.Reshape((0, 3)), r"at least 1.*got \(0, 3\)"),
        (lambda: mt.Reshape((-1, -1)), "at most one -1"),
        (lambda: mt.Reshape(cast(Any, None)), "shape of one sample.*got None"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.BatchNorm(), (3, 4), r"\[0\] BatchNorm\(\).*\(features,\) or .*got \(3, 4\)"),
        (mt.LayerNorm(3), (3, 4), r"at least 3 axes, got \(3, 4\)"),
        (mt.Reshape((2, 5)), 12, r"Reshape\(\(2, 5\)\): expected samples of 10 entries, got 12"),
        (mt.Reshape((5, -1)), 12, "5 entries or a multiple, got 12"),
    ],
)
def test_what_does_not_fit_is_said(layer: mt.Layer, shape: Any, message: str) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        mt.Sequential(layer, input_shape=shape)


@pytest.mark.parametrize("layer", [mt.BatchNorm(), mt.LayerNorm(), mt.Flatten()], ids=repr)
def test_samples_of_another_shape_are_refused(layer: mt.Layer) -> None:
    """As Dense and Conv2D refuse them, and with our own error."""
    built(layer, (3,))
    for train in (False, True):
        for shape in ((5, 4), (3,)):
            with pytest.raises(mt.ShapeError):
                layer.forward(np.ones(shape), train=train)


@given(st.floats(0.05, 0.95))
def test_dropout_keeps_the_mean_and_drops_its_share(rate: float) -> None:
    x = np.ones((200, 200))
    y, cache = mt.Dropout(rate).forward(x, train=True, rng=np.random.default_rng(0))
    dropped = (y == 0).mean()
    five_sigma = 5 * np.sqrt(rate * (1 - rate) / x.size)
    assert abs(dropped - rate) < five_sigma
    assert abs(y.mean() - 1) < five_sigma / (1 - rate)
    close(y[y != 0], 1 / (1 - rate))
    dx, gradients = mt.Dropout(rate).backward(x, cache)
    np.testing.assert_array_equal(dx, y)  # the same entries
    assert gradients == {}


def test_one_seed_drops_the_same_in_both_dtypes() -> None:
    x = np.random.default_rng(1).normal(size=(50, 7))
    masks = []
    for array in (x, x.astype(np.float32), np.asfortranarray(x)):
        y, _ = mt.Dropout(0.3).forward(array, train=True, rng=np.random.default_rng(5))
        assert y.dtype == array.dtype
        masks.append(y == 0)
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])
    other, _ = mt.Dropout(0.3).forward(x, train=True, rng=np.random.default_rng(6))
    assert ((other == 0) != masks[0]).any()


def test_dropout_without_a_generator_and_without_training() -> None:
    layer, x = mt.Dropout(0.5), np.arange(6.0).reshape(2, 3)
    with pytest.raises(mt.ConfigurationError, match=r"Dropout\(\): expected a generator.*rng="):
        layer.forward(x, train=True)
    for y, cache in (layer.forward(x), mt.Dropout(0).forward(x, train=True)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(y, x)
        np.testing.assert_array_equal(layer.backward(x, cache)[0], x)


def test_training_with_dropout_repeats_with_its_seed(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    found = []
    for seed in (1, 1, 2):
        model = mt.Sequential("dense(8)", "relu", "dropout", "dense(2)", input_shape=3, seed=0)
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=seed).fit(
            x, y, epochs=2, shuffle=False
        )
        found.append(model.state_dict()["0.weight"])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_an_embedding_looks_rows_up(rng: np.random.Generator) -> None:
    layer = built(mt.Embedding(5, 2), (2, 3))
    assert layer.output_shape == (2, 3, 2)
    x = np.array([[[0, 1, 4], [1, 1, 2]]])
    for indices in (x, x.astype(np.float64), x.tolist()):
        np.testing.assert_array_equal(layer(indices), layer.weight[x])
    dy = rng.normal(size=(1, 2, 3, 2))
    dx, gradients = layer.backward(dy, layer.forward(x)[1])
    np.testing.assert_array_equal(dx, np.zeros(x.shape))
    rows = gradients["weight"]
    close(rows[1], dy[0, 0, 1] + dy[0, 1, 0] + dy[0, 1, 1])  # looked up three times
    close(rows[[0, 4, 2]], [dy[0, 0, 0], dy[0, 0, 2], dy[0, 1, 2]])
    assert (rows[3] == 0).all()
    mt.assert_gradients(layer, x.astype(float))


@pytest.mark.parametrize("wrong", [5, -1, 0.5, np.nan, np.inf])
def test_an_index_that_is_none_is_named_with_its_place(wrong: float) -> None:
    layer, x = built(mt.Embedding(5, 2), (3,)), np.zeros((4, 3))
    x[2, 1] = wrong
    with pytest.raises(
        mt.DataError, match=rf"Embedding\(5, 2\).*0 to 4, got {float(wrong)} at \(2, 1\)"
    ):
        layer.forward(x)


def test_a_vocabulary_that_float32_can_not_count() -> None:
    layer = mt.Embedding(2**24 + 1, 1)
    with pytest.raises(mt.ConfigurationError, match="at most 16777216 rows.*float64"):
        layer.initialize((3,), rng=np.random.default_rng(0), dtype=np.float32)


def words(rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    """Sentences of four words, and whether there are more of the first three words than not."""
    x = rng.integers(0, 6, (120, 4))
    return x, ((x < 3).sum(axis=1) > 2).astype(int)


def test_an_embedding_learns(rng: np.random.Generator, tmp_path: Path) -> None:
    x, y = words(rng)
    model = mt.Sequential(mt.Embedding(6, 3), mt.Flatten(), mt.Dense(2), input_shape=4, seed=0)
    before = model.state_dict()["0.weight"]
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.SGD(0.5), metrics=[mt.Accuracy()], seed=0
    )
    history = trainer.fit(x, y, epochs=30, batch_size=20)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    assert (model.state_dict()["0.weight"] != before).all()
    model.save(tmp_path / "m.npz")
    np.testing.assert_array_equal(mt.Sequential.load(tmp_path / "m.npz")(x), model(x))


def test_training_on_a_wrong_index_changes_nothing(rng: np.random.Generator) -> None:
    x, y = words(rng)
    x[100, 2] = 6
    model = mt.Sequential(mt.Embedding(6, 3), mt.Flatten(), mt.Dense(2), input_shape=4, seed=0)
    before = model.state_dict()
    with pytest.raises(mt.DataError, match="0 to 5, got 6 in sequence 100"):
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.5)).fit(x, y, batch_size=20)
    same(model, before)


def test_flatten_and_reshape_keep_the_order(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 5))
    for layer, shape in (
        (mt.Flatten(), (60,)),
        (mt.Reshape((5, -1)), (5, 12)),
        (mt.Reshape((4, 3, 5)), (4, 3, 5)),
        (mt.Reshape((1, -1, 1)), (1, 60, 1)),
    ):
        built(layer, (3, 4, 5))
        assert layer.output_shape == shape
        for array in (x, np.asfortranarray(x)):
            y, cache = layer.forward(array)
            np.testing.assert_array_equal(y, x.reshape(2, *shape))
            dx, gradients = layer.backward(y, cache)
            np.testing.assert_array_equal(dx, x)
            assert gradients == {}
    assert repr(mt.Reshape((5, -1))) == "Reshape((5, -1))"
    assert repr(mt.Flatten()) == "Flatten()"


def test_flatten_in_two_models() -> None:
    """It has no parameters; what another model's images look like is no business of this one."""
    flatten = mt.Flatten()
    first = mt.Sequential(flatten, input_shape=(2, 3))
    second = mt.Sequential(flatten, input_shape=(4, 5))
    assert second(np.ones((1, 4, 5))).shape == (1, 20)
    assert first(np.ones((1, 2, 3))).shape == (1, 6)
