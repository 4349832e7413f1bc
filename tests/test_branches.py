"""Layers side by side, and layers that do not learn: Add, Residual, Concatenate, freezing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Shape
from tests.bare_parameters import gathered


class Gate(mt.Layer):
    """y = value(x) * sigmoid(gate(x)): a user-defined layer, made of two others."""

    def __init__(self, units: int = 3) -> None:
        self.units = units
        self.value, self.gate, self.bend = mt.Dense(units), mt.Dense(units), mt.Sigmoid()

    def build(self, input_shape: Shape, *, rng: np.random.Generator, dtype: DType) -> Shape:
        shape = self.value.build_once(input_shape, rng=rng, dtype=dtype)
        self.gate.build_once(input_shape, rng=rng, dtype=dtype)
        return self.bend.build_once(shape, rng=rng, dtype=dtype)

    def forward(
        self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> Any:
        value, kept = self.value.forward(x)
        gate, kept_gate = self.gate.forward(x)
        bent, kept_bend = self.bend.forward(gate)
        return value * bent, (value, bent, kept, kept_gate, kept_bend)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        value, bent, kept, kept_gate, kept_bend = cache
        dx, gradients = self.value.backward(dy * bent, kept)
        dgate, _ = self.bend.backward(dy * value, kept_bend)
        assert dgate is not None
        other, gate = self.gate.backward(dgate, kept_gate)
        named = {f"value.{key}": g for key, g in gradients.items()}
        named |= {f"gate.{key}": g for key, g in gate.items()}
        return cast(Array, dx) + cast(Array, other), named


def built(layer: mt.Layer, shape: Shape = (3,)) -> mt.Layer:
    layer.initialize(shape, rng=np.random.default_rng(3), dtype=np.float64)
    return layer


def run(layer: mt.Layer, x: Array, dy: Array) -> tuple[Array, Array, dict[str, Array]]:
    """y, dx and the parameters' gradients."""
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(dy, cache)
    assert dx is not None
    return y, dx, gradients


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def three() -> list[mt.Layer]:
    return [mt.Dense(4), mt.Sequential("dense(2)", "tanh", "dense(4)"), mt.Dense(4)]


def test_add_is_the_sum(rng: np.random.Generator) -> None:
    parts = three()
    layer, x, dy = built(mt.Add(*parts)), rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    y, dx, gradients = run(layer, x, dy)
    alone = [run(part, x, dy) for part in parts]
    close(y, sum(each[0] for each in alone))
    close(dx, sum(each[1] for each in alone))
    for place, (_, _, own) in enumerate(alone):
        for name, gradient in own.items():
            close(gradients.pop(f"{place}.{name}"), gradient)
    assert gradients == {}
    assert list(layer.named_parameters())[:3] == ["0.weight", "0.bias", "1.0.weight"]


def test_concatenate_is_one_beside_the_other(rng: np.random.Generator) -> None:
    parts = [mt.Dense(4), mt.ReLU(), mt.Dense(1)]
    layer, x, dy = built(mt.Concatenate(*parts)), rng.normal(size=(5, 3)), rng.normal(size=(5, 8))
    y, dx, gradients = run(layer, x, dy)
    alone = [run(part, x, dy[:, at]) for part, at in zip(parts, CUTS, strict=True)]
    assert layer.output_shape == (8,)
    close(y, np.concatenate([each[0] for each in alone], axis=1))
    close(dx, sum(each[1] for each in alone))
    close(gradients["0.weight"], alone[0][2]["weight"])
    close(gradients["2.bias"], alone[2][2]["bias"])


CUTS = (slice(0, 4), slice(4, 7), slice(7, 8))


@pytest.mark.parametrize(("axis", "shape"), [(1, (3, 4, 5)), (2, (2, 7, 5)), (-1, (2, 4, 7))])
def test_concatenate_along_each_axis(axis: int, shape: Shape, rng: np.random.Generator) -> None:
    wider = list(shape)
    wider[axis - (axis > 0)] -= [2, 4, 5][axis - (axis > 0)]
    other = mt.Sequential("flatten", mt.Dense(int(np.prod(wider))), mt.Reshape(tuple(wider)))
    layer = built(mt.Concatenate(mt.Tanh(), other, axis=axis), (2, 4, 5))
    assert layer.output_shape == shape
    x = rng.normal(size=(3, 2, 4, 5))
    np.testing.assert_array_equal(layer(x), np.concatenate([np.tanh(x), other(x)], axis=axis))
    mt.assert_gradients(layer, x)


def test_residual_is_the_input_and_the_path(rng: np.random.Generator) -> None:
    dense, x, dy = mt.Dense(3), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    layer = built(mt.Residual(dense, "tanh"))
    y, dx, gradients = run(layer, x, dy)
    path_y, path_dx, own = run(built(mt.Sequential(dense, "tanh")), x, dy)
    close(y, x + path_y)
    close(dx, dy + path_dx)
    assert list(gradients) == ["0.0.weight", "0.0.bias"]
    close(gradients["0.0.weight"], own["0.weight"])


def test_residual_with_a_shortcut(rng: np.random.Generator) -> None:
    layer = built(mt.Residual("dense(4)", "relu", shortcut=mt.Dense(4, use_bias=False)))
    x = rng.normal(size=(5, 3))
    assert list(layer.named_parameters()) == ["0.0.weight", "0.0.bias", "1.weight"]
    weight, bias, short = layer.named_parameters().values()
    close(layer(x), np.maximum(x @ weight.T + bias, 0) + x @ short.T)
    mt.assert_gradients(layer, x)


def nested() -> mt.Sequential:
    """A small ResNet, an inception block in it, ends of every kind."""
    convolution = mt.Conv2D(4, 3, padding="same", use_bias=False)
    block = mt.Residual(convolution, mt.BatchNorm(), "relu", shortcut=mt.Conv2D(4, 1))
    inception = mt.Concatenate(
        mt.Conv2D(2, 1), mt.Sequential(mt.Conv2D(2, 1), mt.Conv2D(3, 3, padding="same")), "relu"
    )
    return mt.Sequential(
        block,
        mt.Residual(mt.Add(mt.Conv2D(4, 1), mt.Residual("tanh"))),
        inception,
        mt.GlobalAveragePool2D(),
        mt.LayerNorm(),
        "dense(3)",
        input_shape=(2, 4, 4),
        seed=0,
        dtype=np.float64,
    )


def test_branches_in_branches(rng: np.random.Generator) -> None:
    model, x = nested(), rng.normal(size=(4, 2, 4, 4))
    mt.assert_gradients(model, x)
    y, cache = model.forward(x)
    dy = rng.normal(size=y.shape)
    expected = model.backward(dy, cache)[1]
    flat = gathered(model, model.backward(dy, cache, need_dx=False)[1])
    close(flat, np.concatenate([expected[name].ravel() for name in model.named_parameters()]))
    assert set(expected) == set(model.named_parameters())


def test_a_bias_before_a_batch_norm_is_no_fault(rng: np.random.Generator) -> None:
    """Its gradient is 0, of which rounding makes 1e-17: neither relatively near to anything, nor
    linear, nor the same in float32, and yet right.
    """
    model = mt.Sequential(mt.Residual("dense(3)", mt.BatchNorm()), input_shape=3, seed=0)
    mt.assert_gradients(model, rng.normal(size=(8, 3)))


MADE: list[Callable[[], list[mt.Layer | str]]] = [
    lambda: [mt.Add("tanh", mt.Dense(3)), "dense(2)"],
    lambda: [mt.Residual("dense(3)", "relu"), mt.Residual("dense(2)", shortcut="dense(2)")],
    lambda: [mt.Concatenate("relu", mt.Add("dense(4)", "dense(4)"), axis=-1), "dense(2)"],
    lambda: [Gate(), mt.Residual(Gate(), mt.BatchNorm()), mt.PReLU(0.1, per_channel=True)],
    lambda: [
        mt.Reshape((1, 3, 1)),
        mt.Conv2D(4, (3, 1), padding=(1, 0), groups=1),
        mt.MaxPool2D((2, 1), stride=1),
        mt.AveragePool2D(1),
        mt.GELU("tanh"),
        mt.Flatten(),
        mt.Dropout(0.2),
        mt.LayerNorm(epsilon=1e-3),
        "log_softmax",
    ],
    lambda: [mt.Residual(shared := mt.Dense(3), "tanh", shared), mt.Concatenate(shared, "relu")],
]


@pytest.mark.parametrize("make", MADE)
def test_what_is_saved_is_loaded(make: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    model = mt.Sequential(*make(), input_shape=3, seed=0)
    x = rng.normal(size=(6, 3)).astype(np.float32)
    model.forward(x, train=True, rng=rng)  # moves what is running
    model.save(tmp_path / "m.npz")
    loaded = mt.Sequential.load(tmp_path / "m.npz", custom_layers=[Gate])
    np.testing.assert_array_equal(loaded(x), model(x))
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert repr(loaded) == repr(model)


def test_a_layer_in_two_branches_has_the_sum_of_both_gradients(rng: np.random.Generator) -> None:
    shared = mt.Dense(3)
    model = mt.Sequential(
        mt.Add(shared, mt.Sequential("tanh", shared)), mt.Concatenate(shared, "relu"), input_shape=3
    )
    built(model)
    assert list(model.named_parameters()) == ["0.0.weight", "0.0.bias"]
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 6))
    mt.assert_gradients(model, x)
    twin = mt.Sequential(
        mt.Add("dense(3)", mt.Sequential("tanh", "dense(3)")), mt.Concatenate("dense(3)", "relu")
    )
    built(twin)
    for array in twin.named_parameters().values():
        array[...] = shared.weight if array.ndim == 2 else shared.bias
    _, dx, gradients = run(model, x, dy)
    _, other_dx, apart = run(twin, x, dy)
    close(dx, other_dx)
    for key in ("weight", "bias"):
        total = sum(g for name, g in apart.items() if name.endswith(key))
        close(gradients[f"0.0.{key}"], total)
    flat = gathered(model, model.backward(dy, model.forward(x)[1], need_dx=False)[1])
    close(flat, np.concatenate([g.ravel() for g in gradients.values()]))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            mt.Add("dense(3)", "dense(4)"),
            r"Sequential\[1\] Add: .*equal output shapes, got \(3,\), \(4,\)",
        ),
        (
            mt.Residual("dense(4)"),
            r"Sequential\[1\] Residual: .*\(3,\) of its input, got \(4,\): set",
        ),
        (mt.Residual("dense(4)", shortcut="dense(5)"), r"\(5,\) of the shortcut, got \(4,\)"),
        (
            mt.Concatenate("dense(3)", mt.Reshape((3, 1))),
            r"Sequential\[1\] Concatenate: .*along axis 1 only.*\(3,\), \(3, 1\)",
        ),
        (mt.Concatenate("relu", "tanh", axis=2), r"along axis 2 only"),
        (
            mt.Add("relu", mt.Sequential("relu", mt.Conv2D(2, 3))),
            r"Sequential\[1\] Add\[1\] Sequential\[1\] Conv2D\(2, 3\): expected samples of shape",
        ),
        (
            mt.Residual(mt.Add("relu", mt.LayerNorm(2))),
            r"Sequential\[1\] Residual\[0\] Sequential\[0\] Add\[1\] LayerNorm",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(layer: mt.Layer, message: str) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        mt.Sequential("dense(3)", layer, input_shape=5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Add("relu", cast(Any, 3)), r"Add\[1\]: expected a Layer.*got 3"),
        (lambda: mt.Concatenate("relu", axis=0), "axis of a batch other than 0.*got 0"),
        (lambda: mt.Concatenate("relu", axis=cast(Any, "1")), "axis.*got '1'"),
        (lambda: mt.Residual(), "at least one layer, got none"),
        (lambda: mt.Residual("relu", shortcut=cast(Any, 3)), r"Residual\[1\]: expected a Layer"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


def test_a_branch_that_breaks_its_promise_is_not_spread_over_the_others() -> None:
    class Sum(mt.ReLU):
        def value(self, z: Array) -> Array:
            return cast(Array, z.sum(axis=1, keepdims=True))

    model = mt.Sequential(mt.Add("identity", Sum()), input_shape=3)
    with pytest.raises(mt.ShapeError):
        model(np.ones((2, 3)))


def test_an_error_of_the_readers_own_says_which_branch_it_was() -> None:
    class Broken(mt.ReLU):
        def value(self, z: Array) -> Array:
            raise RuntimeError("broken")

    model = mt.Sequential(mt.Add("identity", Broken()), input_shape=3)
    with pytest.raises(RuntimeError, match="broken") as caught:
        model(np.ones((2, 3)))
    assert "in the forward of Add[1] Broken()" in caught.value.__notes__


def trained(model: mt.Sequential, epochs: int = 2) -> set[str]:
    """Train it; the names of what has changed, a single bit being enough."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(32, *model.input_shape)), rng.integers(0, 2, 32)
    before = model.state_dict()
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0).fit(
        x, y, epochs=epochs, batch_size=8
    )
    after = model.state_dict()
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


def four() -> mt.Sequential:
    return mt.Sequential(
        "dense(4)", mt.BatchNorm(), "dense(4)", "tanh", "dense(2)", input_shape=3, seed=0
    )


@pytest.mark.parametrize("places", [(0,), (2,), (4,), (0, 2), (0, 4), (1,), (0, 1, 2)])
def test_frozen_layers_keep_every_bit(places: tuple[int, ...]) -> None:
    model = four()
    for place in places:
        model[place].trainable = False
        assert not model[place].trainable
    assert trained(model) == {n for n in model.state_dict() if int(n[0]) not in places}


def test_what_is_not_frozen_learns_as_it_would() -> None:
    """The step of the others is the same, to the bit, as where nothing is frozen."""
    frozen, free = four(), four()
    frozen[2].trainable = False
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(8, 3)), rng.integers(0, 2, 8)
    for model in (frozen, free):
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1)).fit(x, y)
    for name, array in frozen.state_dict().items():
        if not name.startswith("2."):
            np.testing.assert_array_equal(array, free.state_dict()[name])


def test_all_frozen_and_unfrozen_again() -> None:
    model = four()
    everything = set(model.state_dict())
    model.trainable = False
    assert not any(layer.trainable for layer in model.walk())
    assert trained(model) == set()
    model[2].trainable = True
    assert trained(model) == {"2.weight", "2.bias"}
    model.trainable = True
    assert trained(model) == everything
    assert set(model.named_parameters()) < everything  # and all arrays are in their places
    mt.assert_gradients(model, np.random.default_rng(0).normal(size=(4, 3)))


@pytest.mark.parametrize("prefix", ["0.", "0.0.", "0.0.1.", "1.1.", "1."])
def test_freezing_within_containers(prefix: str) -> None:
    def part(model: mt.Layer, places: list[str]) -> mt.Layer:
        return part(model.sublayers()[places[0]], places[1:]) if places else model

    model = mt.Sequential(
        mt.Residual("dense(3)", "dense(3)", mt.BatchNorm(), shortcut="dense(3)"),
        mt.Concatenate("dense(2)", mt.Sequential("tanh", "dense(2)"), "dense(2)"),
        "dense(2)",
        input_shape=3,
        seed=0,
    )
    part(model, prefix.split(".")[:-1]).trainable = False
    assert trained(model) == {n for n in model.state_dict() if not n.startswith(prefix)}


def test_a_shared_layer_is_frozen_in_all_its_places() -> None:
    shared = mt.Dense(3)
    model = mt.Sequential(mt.Add(shared, "dense(3)"), "tanh", shared, "dense(2)", input_shape=3)
    shared.trainable = False
    assert trained(model) == {"0.1.weight", "0.1.bias", "3.weight", "3.bias"}


def test_a_layer_of_the_readers_own_can_be_frozen_in_part() -> None:
    for model, prefix in (
        (mt.Sequential("dense(3)", Gate(2), input_shape=3, seed=0), "1."),
        (mt.Sequential(mt.Residual(Gate()), "dense(2)", input_shape=3, seed=0), "0.0.0."),
    ):
        gate = next(layer for layer in model.walk() if isinstance(layer, Gate))
        everything = set(model.state_dict())
        gate.gate.trainable = False
        assert everything - trained(model) == {f"{prefix}gate.weight", f"{prefix}gate.bias"}
        gate.trainable = False
        assert trained(model) == {name for name in everything if not name.startswith(prefix)}
        gate.trainable = True
        assert trained(model) == everything


def test_a_layer_may_be_frozen_before_it_is_built() -> None:
    dense = mt.Dense(3)
    dense.trainable = False
    model = mt.Sequential(dense, "dense(2)", input_shape=3, seed=0)
    assert trained(model) == {"1.weight", "1.bias"}
    taken = mt.Sequential(dense, "dense(2)", input_shape=3, seed=1)  # transfer to another model
    assert trained(taken) == {"1.weight", "1.bias"}
    np.testing.assert_array_equal(taken[0].named_parameters()["weight"], dense.weight)
