"""What a run that fails has found: the first number that is not finite, a shape that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.training.divergence import divergence, first_not_finite
from minitorch_np.training.inputs import warn_of_size
from minitorch_np.training.snapshot import Snapshot

X, Y = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) % 2


def model(*layers: Any) -> mt.Sequential:
    inner = mt.Sequential(mt.BatchNorm(), *layers, mt.Dense(2))
    return mt.Sequential(mt.Dense(4), inner, input_shape=3, seed=0, dtype=np.float64)


class Spoils(mt.Identity):
    """Makes one number of its output, or of its gradient, infinite."""

    forwards = True

    def forward(self, x: Any, **options: Any) -> Any:
        y = x.copy()
        y[0, 0] = np.inf if self.forwards else y[0, 0]
        return y, None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dx = dy.copy()
        dx[1, 1] = -np.inf
        return dx, {}


class Backwards(Spoils):
    forwards = False


class Scaled(mt.Layer):
    parameter_names = ("weight",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.weight = np.ones(input_shape, dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x * self.weight, None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * self.weight, {"weight": np.full(self.weight.shape, np.nan)}


class Infinite(mt.MeanSquaredError):
    def forward(self, *given: Any) -> Any:
        return -np.inf, super().forward(*given)[1]


def test_the_first_number_that_is_not_finite() -> None:
    loss = mt.SoftmaxCrossEntropy()
    inside = "Sequential[1] Sequential[1] "
    for layer, said in (
        (Spoils(), f"inf in the output of {inside}Spoils()"),
        (Backwards(), f"-inf in the gradient of its input, in {inside}Backwards()"),
        (Scaled(), f"nan in the gradient of weight, in {inside}Scaled()"),
    ):
        assert first_not_finite(model(layer), loss, X, Y) == said
    spoilt = model("tanh")
    assert first_not_finite(spoilt, loss, X, Y) == ""
    found = first_not_finite(spoilt, Infinite(), X, np.ones((8, 2)))
    assert found == "a loss of -inf from Infinite, on finite outputs"
    spoilt.named_parameters()["1.0.bias"][2] = np.nan
    said = "nan in the parameter bias of Sequential[1] Sequential[0] BatchNorm()"
    assert first_not_finite(spoilt, loss, X, Y) == said
    spoilt.named_parameters()["0.weight"][1] = -np.inf
    assert first_not_finite(spoilt, loss, X, Y).startswith("-inf in the parameter weight of ")


def test_a_divergence_is_described_and_taken_back() -> None:
    run = mt.Trainer(model("tanh"), "softmax_cross_entropy", "sgd")
    good = Snapshot(run.model, run.optimizer)
    before = run.model.state_dict()
    run.model.named_parameters()["0.weight"][...] = np.nan
    error = divergence(run.model, run.loss, X, Y, "step 3 of the epoch", good)
    assert str(error) == (
        "training: expected finite numbers, got nan in the parameter weight of Sequential[0] "
        "Dense(4) at step 3 of the epoch: stopped, and restored the last snapshot with a finite "
        "loss; try a smaller learning rate"
    )
    for name, array in run.model.state_dict().items():  # running statistics too
        np.testing.assert_array_equal(array, before[name])
    fine = divergence(run.model, run.loss, X, Y, "the end", good)
    assert "got others at the end: stopped" in str(fine)
    spoilt = mt.Trainer(model(Scaled()), "softmax_cross_entropy", "sgd")
    good = Snapshot(spoilt.model, spoilt.optimizer)
    spoilt.model.named_parameters()["0.bias"][0] = np.inf  # from a gradient some steps ago
    error = divergence(spoilt.model, spoilt.loss, X, Y, "step 1", good)
    assert "got nan in the gradient of weight, in " in str(error)


@pytest.mark.parametrize(
    ("transform", "got"),
    [
        (lambda x, rng: x[:, :2], "float64 of shape (4, 2)"),
        (lambda x, rng: x[:3], "float64 of shape (3, 3)"),
        (lambda x, rng: x.astype(str), f"{np.zeros(1).astype(str).dtype} of shape (4, 3)"),
        (lambda x, rng: None, "object of shape ()"),
    ],
)
def test_a_transform_keeps_the_shape(transform: Any, got: str) -> None:
    run = mt.Trainer(model(), "softmax_cross_entropy", "sgd")
    with pytest.raises(mt.ShapeError) as error:
        run.fit(X, Y, batch_size=4, transform=transform, verbose=False)
    said = f"transform: expected an array of numbers of shape (4, 3), as the batch, got {got}"
    assert str(error.value) == said


def test_a_transform_of_several_inputs_gives_as_many() -> None:
    a, b = mt.Input(3, "a"), mt.Input(1, "b")
    graph = mt.Graph([a, b], mt.Dense(2)(mt.Concatenate()(a, b)), seed=0)
    run = mt.Trainer(graph, "softmax_cross_entropy", "sgd")
    for wrong in (lambda x, rng: x[0], lambda x, rng: x[:1], lambda x, rng: [*x]):
        with pytest.raises(mt.ShapeError, match="^transform: expected a tuple of 2 arrays, as the"):
            run.fit((X, X[:, :1]), Y, transform=wrong, verbose=False)
    run.fit((X, X[:, :1]), Y, transform=lambda x, rng: (x[0], x[1] * 2), verbose=False)


class Promises(mt.Identity):
    def forward(self, x: Any, **options: Any) -> Any:
        return x[:, :2], None


def test_what_a_graph_gives_is_what_its_layers_promised() -> None:
    a = mt.Input(3)
    graph = mt.Graph(a, [mt.Dense(2)(a), Promises()(a)], seed=0, dtype=np.float64)
    with pytest.raises(mt.ShapeError) as error:
        graph.forward(X)
    assert str(error.value) == (
        "Graph: expected outputs of shape (m, 2), (m, 3), as its layers' build promised, got (8, 2)"
        ", (8, 2): a layer's build and forward disagree"
    )
    right = mt.Graph(a, [mt.Dense(2)(a), mt.Tanh()(a)], seed=0, dtype=np.float64)
    _, cache = right.forward(X)
    with pytest.raises(mt.ShapeError) as error:
        right.backward((np.ones((8, 2)), np.ones((8, 2))), cache)
    said = "expected dy of shape (m, 2), (m, 3), as the outputs, got (8, 2), (8, 2)"
    assert str(error.value) == f"Graph.backward: {said}"


def test_epochs_that_are_done_are_not_undone(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"

    def fit(epochs: int) -> mt.History:
        run = mt.Trainer(model(), "softmax_cross_entropy", "sgd", seed=0)
        each = mt.Checkpoint(path, resume=True)
        history = run.fit(X, Y, epochs=epochs, checkpoint=each, verbose=False)
        assert each.resumed is (epochs > 3)
        return history

    fit(3)
    with pytest.raises(mt.ConfigurationError) as error:
        fit(2)
    said = f"checkpoint {path}: expected epochs of at least 3, which are done, got 2"
    assert str(error.value) == said
    assert fit(4).epochs == 4


@pytest.mark.parametrize(
    ("low", "high", "advice"),
    [
        (0.0, 255.0, "x / 255"),
        (0.0, 101.0, "x / 255"),
        (0.0, 100.0, "(x - x.mean(axis=0)) / x.std(axis=0)"),
        (0.0, 256.0, "(x - x.mean(axis=0)) / x.std(axis=0)"),
        (-1.0, 255.0, "(x - x.mean(axis=0)) / x.std(axis=0)"),
    ],
)
def test_the_advice_for_large_inputs(low: float, high: float, advice: str) -> None:
    x = np.full((4, 3), high)
    x[0, 0] = low
    plain = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    with pytest.warns(UserWarning, match="about size 1") as warned:
        warn_of_size(plain, x)
    assert str(warned[0].message) == (
        f"fit: x: expected inputs of about size 1, got numbers from {low:.3g} to {high:.3g}: "
        f"training may fail; write {advice}, with the same numbers for all data of this model"
    )
    warn_of_size(model(), X)
    warn_of_size(mt.Sequential(mt.BatchNorm(), mt.Dense(2), input_shape=3, seed=0), x)


class Stored:
    shape, dtype = (8, 4), X.dtype

    def __getitem__(self, part: slice) -> Any:
        return np.ones((8, 4))[part]


def test_predictions_of_a_source_of_another_shape() -> None:
    with pytest.raises(
        mt.ShapeError, match=r"expected 3 features.*got x of shape \(1, 4\) \(row 0\)$"
    ):
        model().predict(Stored())
