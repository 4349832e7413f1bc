"""Composing models: shapes, names, sharing, nesting, and what is said of what does not fit."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from tests.bare_parameters import gathered


def small(**arguments: Any) -> mt.Sequential:
    return mt.Sequential(
        mt.Dense(4), mt.ReLU(), mt.Dense(3), **{"input_shape": 5, "seed": 0, **arguments}
    )


def test_repr_is_pytorchs_and_summary_is_keras(capsys: pytest.CaptureFixture[str]) -> None:
    model = mt.Sequential(
        mt.Dense(10), mt.Sequential(mt.ELU(1.7), mt.Dense(10)), input_shape=784, seed=0
    )
    assert repr(model).split("\n") == [
        "Sequential(",
        "  (0): Dense(10)",
        "  (1): Sequential(",
        "    (0): ELU(alpha=1.7)",
        "    (1): Dense(10)",
        "  )",
        ")",
    ]
    model.summary()
    table = capsys.readouterr().out
    assert table.startswith("Layer")
    assert "0  Dense(10)         (m, 10)        7,850" in table
    assert "  1  Dense(10)       (m, 10)          110" in table
    assert "Total params: 7,960 (31,840 bytes of float32)" in table


def test_a_layer_in_two_places_is_one_set_of_parameters(rng: np.random.Generator) -> None:
    shared = mt.Dense(4)
    model = mt.Sequential(
        shared,
        mt.Sigmoid(),
        mt.Sequential(mt.Sigmoid(), shared),
        shared,
        input_shape=4,
        seed=0,
        dtype=np.float64,
    )
    assert list(model.named_parameters()) == ["0.weight", "0.bias"]
    assert model.count_parameters() == 20
    mt.assert_gradients(model, rng.normal(size=(5, 4)))
    dy = np.ones((2, 4))
    _, cache = model.forward(dy)
    flat = gathered(model, model.backward(dy, cache, need_dx=False)[1])
    gradients = model.backward(dy, cache)[1]
    expected = [gradients["0.weight"].ravel(), gradients["0.bias"]]
    np.testing.assert_array_equal(flat, np.concatenate(expected))
    with pytest.raises(mt.ShapeError, match=r"Sequential\[1\] Dense\(4\): expected 3 features"):
        same = mt.Dense(4)
        mt.Sequential(same, same, input_shape=3)


def test_built_layers_keep_what_they_have_learned() -> None:
    encoder = mt.Sequential(mt.Dense(2), mt.ReLU(), input_shape=6, seed=0)
    kept = encoder.state_dict()["0.weight"]
    model = mt.Sequential(encoder, mt.Dense(6), input_shape=6, seed=1)
    np.testing.assert_array_equal(model.named_parameters()["0.0.weight"], kept)
    tail = mt.Sequential(model[1])  # built layers alone: nothing more to be told
    assert tail.built
    assert tail.input_shape == (2,)
    with pytest.raises(
        mt.ShapeError, match=r"Sequential\[1\].*expected 6 features.*got 5 features"
    ):
        mt.Sequential(mt.Dense(5), encoder, input_shape=3)
    with pytest.raises(mt.ShapeError, match="float32, for which it was built.*float64"):
        mt.Sequential(encoder, input_shape=6, dtype=np.float64)


def test_building_anew_starts_anew() -> None:
    model = small()
    first = model.state_dict()
    model.initialize((5,), rng=np.random.default_rng(1), dtype=np.float32)
    assert not np.array_equal(model.state_dict()["0.weight"], first["0.weight"])
    model.initialize((5,), rng=np.random.default_rng(0), dtype=np.float32)
    np.testing.assert_array_equal(model.state_dict()["0.weight"], first["0.weight"])
    model.initialize((8,), rng=np.random.default_rng(0), dtype=np.float64)
    assert model(np.ones((2, 8))).dtype == np.float64


def test_layers_by_name_and_in_a_list() -> None:
    model = mt.Sequential([mt.Dense(3), "leaky_relu(0.2)", "dense(4)", "ELU"], input_shape=2)
    assert [repr(layer) for layer in model] == [
        "Dense(3)",
        "LeakyReLU(negative_slope=0.2)",
        "Dense(4)",
        "ELU()",
    ]
    assert len(model) == 4
    assert isinstance(model[-1], mt.ELU)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "at least one layer"),
        ((mt.ReLU,), r"Sequential\[0\]: expected a Layer.*write parentheses"),
        ((mt.Dense(3), 5), r"Sequential\[1\]: expected a Layer or the name of one, got 5"),
        (("swoosh",), r"Sequential\[0\]: expected the name .* got 'swoosh': did you mean 'swish'"),
        (("elu(0)",), r"alpha"),
        (("elu(x)",), r"elu\(x\)"),
        (("relu(1)",), r"relu\(1\)"),
    ],
)
def test_what_is_not_a_layer(layers: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.Sequential(*layers, input_shape=3)


@pytest.mark.parametrize("dtype", ["float16", int, "banana", None])
def test_only_two_dtypes(dtype: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="float32 or float64"):
        small(dtype=dtype)


def test_a_wrong_feature_count_names_the_layer() -> None:
    model = small()
    for use in (model, model.predict, model.predict_classes, model.forward):
        with pytest.raises(
            mt.ShapeError, match=r"Sequential\[0\] Dense\(4\): expected 5 features.*\(2, 4\)"
        ):
            use(np.ones((2, 4), np.float32))
    with pytest.raises(mt.ShapeError, match=r"pass x\[np.newaxis\]"):
        model(np.ones(5))
    with pytest.raises(mt.ShapeError, match=r"pass x.reshape\(len\(x\), 784\)"):
        mt.notes_network()(np.zeros((3, 28, 28)))
    assert issubclass(mt.ShapeError, ValueError)


def test_a_layer_whose_build_and_forward_disagree_is_found() -> None:
    class Liar(mt.ReLU):
        def build(
            self, input_shape: tuple[int, ...], *, rng: np.random.Generator, dtype: Any
        ) -> tuple[int, ...]:
            return (7,)

    class Sum(mt.ReLU):
        def value(self, z: Array) -> Array:
            total: Array = z.sum(axis=1, keepdims=True)
            return total

    model = mt.Sequential(Liar(), mt.Dense(2), input_shape=5)
    with pytest.raises(mt.ShapeError, match=r"Sequential\[1\] Dense\(2\): expected 7.*\(3, 5\)"):
        model(np.ones((3, 5)))
    summed = mt.Sequential(Sum(), input_shape=5)
    for use in (summed, summed.predict):  # and not a silent broadcast into (3, 5)
        with pytest.raises(mt.ShapeError, match=r"outputs of shape \(m, 5\).*got \(3, 1\)"):
            use(np.ones((3, 5)))


def test_the_mistakes_of_a_first_layer_are_explained() -> None:
    class NoCache(mt.ReLU):
        def forward(self, x: Array, **_: Any) -> Any:
            return np.maximum(x, 0)

    class NoShape(mt.ReLU):
        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            return None

    model = mt.Sequential("relu", NoCache(), input_shape=5)
    with pytest.raises(ValueError, match="unpack") as caught:
        model(np.ones((3, 5)))
    assert caught.value.__notes__ == ["in the forward of Sequential[1] NoCache()"]
    with pytest.raises(mt.ShapeError):
        model(np.ones((2, 5)))  # two rows unpack; what comes of it does not fit
    with pytest.raises(mt.ConfigurationError, match=r"NoShape\(\).build: expected it to return"):
        mt.Sequential(NoShape(), input_shape=5)


def test_a_layer_with_an_array_for_an_argument_can_be_shown() -> None:
    class Shift(mt.ReLU):
        def __init__(self, mean: Any = 0.0) -> None:
            self.mean = mean

    assert repr(Shift(np.zeros(2))) == "Shift(mean=array([0., 0.]))"
    assert repr(Shift()) == "Shift()"


def test_dy_of_another_shape_does_not_broadcast() -> None:
    model = mt.Sequential(mt.Dense(3), mt.ReLU(), input_shape=5, seed=0)
    _, cache = model.forward(np.ones((4, 5), np.float32))
    for dy in (np.ones((1, 3)), np.ones((4, 1)), np.ones(3)):
        with pytest.raises(mt.ShapeError, match="expected dy of shape"):
            model.backward(dy, cache)
    softmax = mt.Softmax()
    _, p = softmax.forward(np.ones((4, 3)))
    with pytest.raises(mt.ShapeError, match="expected dy of shape"):
        softmax.backward(np.ones((1, 3)), p)


def test_a_build_that_fails_changes_nothing() -> None:
    class Picky(mt.ReLU):
        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            if input_shape != (5,):
                raise mt.ShapeError("expected 5")
            return input_shape

    dense, model = mt.Dense(5), mt.Sequential(mt.Dense(5), Picky(), input_shape=3, seed=0)
    before = model.state_dict()
    with pytest.raises(mt.ShapeError, match=r"Sequential\[1\]"):
        mt.Sequential(mt.Sequential(dense, mt.Dense(4)), Picky(), input_shape=7)
    assert not dense.built
    assert mt.Sequential(dense, input_shape=6).built
    with pytest.raises(mt.ShapeError):
        model.initialize((3, 2), rng=np.random.default_rng(0), dtype=np.float64)
    assert model(np.ones((2, 3))).dtype == np.float32
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])


def test_building_anew_with_layers_shared_across_containers() -> None:
    shared = mt.Dense(5)
    model = mt.Sequential(mt.Sequential(shared), mt.Sequential(shared), input_shape=5, seed=1)
    first = model.state_dict()
    model.initialize((5,), rng=np.random.default_rng(1), dtype=np.float32)
    np.testing.assert_array_equal(model.state_dict()["0.0.weight"], first["0.0.weight"])
    with pytest.raises(mt.ShapeError, match=r"Sequential\[1\] Sequential\[0\] Dense"):
        model.initialize((7,), rng=np.random.default_rng(1), dtype=np.float32)


def test_not_a_number_is_not_predicted_on() -> None:
    model, x = small(), np.ones((3000, 5))
    x[2500, 2] = np.nan
    for use in (model.predict, model.predict_proba, model.predict_classes):
        with pytest.raises(mt.DataError, match="predict: x.*nan at row 2500, column 2"):
            use(x)
    x[2500, 2] = -np.inf
    with pytest.raises(mt.DataError, match="-inf at row 2500, column 2"):
        model.predict(x)
    x[2500, 2] = 1e300  # too large for float32
    with pytest.raises(mt.DataError, match="inf at row 2500, column 2"):
        model.predict(x)


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="seed: expected a whole number"):
        small(seed=seed)


def test_a_backward_with_wrong_names_or_shapes_is_found() -> None:
    class Wrong(mt.Layer):
        parameter_names = ("weight", "bias")
        answer: Any = {}

        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> tuple[int, ...]:
            self.weight, self.bias = np.ones((2, 3), dtype), np.ones(2, dtype)
            return (2,)

        def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
            return x.dot(self.weight.T), x

        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            return None, self.answer

    for answer, message in (
        ({"wieght": np.ones((2, 3))}, "gradient of weight.*got none"),
        ({"weight": np.ones((3, 2)), "bias": np.ones(2)}, r"weight.*\(2, 3\).*\(3, 2\)"),
        ({"weight": np.ones((1, 3)), "bias": np.ones(2)}, r"weight.*\(2, 3\).*\(1, 3\)"),
    ):
        model = mt.Sequential(Wrong(), input_shape=3)
        Wrong.answer = answer
        with pytest.raises(mt.ShapeError, match=f"Wrong.*{message}"):
            mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD()).fit(np.ones((2, 3)), [0, 1])


def test_a_layer_without_arguments_takes_none() -> None:
    for arguments, options in (((1,), {}), ((), {"slope": 1})):
        with pytest.raises(TypeError, match="ReLU: expected"):
            mt.ReLU(*arguments, **options)


def test_a_model_without_shapes_says_so() -> None:
    model = mt.Sequential(mt.Dense(3))
    for use in (
        lambda: model(np.ones((1, 2))),
        lambda: model.predict(np.ones((1, 2))),
        lambda: model.summary(),
        lambda: mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD()),
        lambda: model.save("nowhere.npz"),
    ):
        with pytest.raises(mt.NotBuiltError, match="input_shape="):
            use()


def test_predictions(few: Any) -> None:
    x, _ = few
    model = mt.notes_network(seed=0)
    np.testing.assert_allclose(model.predict(x, batch_size=7), model(x), rtol=1e-5, atol=1e-6)
    probabilities = model.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(model.predict_classes(x), probabilities.argmax(axis=1))
    literal = mt.notes_network(output_activation="softmax", seed=0)
    np.testing.assert_array_equal(literal.predict_proba(x), literal.predict(x))
    np.testing.assert_allclose(literal.predict_proba(x), probabilities, rtol=1e-5, atol=1e-7)
    assert model.predict([[0] * 784]).dtype == np.float32  # lists and integers will do
    for wrong in (model.predict_proba, model.predict_classes):
        with pytest.raises(mt.DataError, match="at least one sample"):
            wrong(np.ones((0, 784)))
    with pytest.raises(mt.ShapeError, match="two or more classes"):
        mt.Sequential(mt.Dense(1), input_shape=2).predict_proba(np.ones((2, 2)))
    with pytest.raises(mt.DataError, match="expected an array of numbers"):
        model.predict([["a"] * 784])
    with pytest.raises(mt.ConfigurationError, match="batch_size"):
        model.predict(x, batch_size=0)


def test_predict_needs_memory_for_a_slice_only() -> None:
    model = mt.Sequential(mt.Dense(500), mt.ReLU(), mt.Dense(2), input_shape=10, seed=0)
    x = np.ones((50_000, 10), np.float32)
    tracemalloc.start()
    model.predict(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    all_at_once = x.shape[0] * 500 * 4
    assert peak < all_at_once / 10


def test_state_dict_reports_all_that_is_wrong_at_once() -> None:
    model = small()
    state = model.state_dict()
    before = model.state_dict()
    del state["0.bias"]
    state["2.weight"] = np.ones((4, 3), np.float32)
    state["5.extra"] = np.ones(1)
    with pytest.raises(mt.DataError) as caught:
        model.load_state_dict(state)
    for part in ("0.bias is missing", "5.extra is unexpected", r"2.weight: expected", "(4, 3)"):
        assert part in str(caught.value)
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])
    model.load_state_dict({"2.bias": np.arange(3)}, strict=False)
    assert model.named_parameters()["2.bias"].tolist() == [0, 1, 2]
