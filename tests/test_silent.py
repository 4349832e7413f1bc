"""What used to go wrong without a word, and advice that made things worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.losses import balanced_weights


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_a_normalization_whose_squares_overflow_is_a_divergence(norm: str) -> None:
    x = np.random.default_rng(0).normal(size=(8, 3)) * 1e25
    model = mt.Sequential(norm, mt.Dense(2), input_shape=3, seed=0)
    before = model.state_dict()
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(), seed=0)
    with pytest.raises(mt.DivergenceError, match=r"nan in the output of Sequential\[0\] \w+Norm"):
        trainer.fit(x, np.arange(8) % 2)
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_only_the_ratio_of_weights_counts() -> None:
    losses: list[mt.Loss] = [mt.SoftmaxCrossEntropy(), mt.CrossEntropy(), mt.MeanSquaredError()]
    for loss in losses:
        p, y = np.array([[0.25, 0.75], [0.5, 0.5]]), np.eye(2)
        value, cache = loss.forward(p, y, np.array([1e308, 1.5e308]))
        expected, other = loss.forward(p, y, np.array([2.0, 3.0]))
        assert value == pytest.approx(expected)
        np.testing.assert_allclose(loss.backward(cache), loss.backward(other))


def test_flags_are_true_or_false() -> None:
    for run in (
        lambda: mt.Dense(3, use_bias="no"),  # type: ignore[arg-type]
        lambda: mt.PReLU(per_channel=1),  # type: ignore[arg-type]
        lambda: mt.Dense(True),
    ):
        with pytest.raises(mt.ConfigurationError, match="expected (use_b|per_channel|units)"):
            run()


WRONG_SHAPES = [
    # what comes, what the model takes, the advice
    ((20, 8, 8, 3), (3, 8, 8), r"channels come first here, pass x.transpose\(0, 3, 1, 2\)"),
    ((20, 28, 28), (784,), r"pass x.reshape\(len\(x\), 784\)"),
    ((20, 784), (1, 28, 28), r"pass x.reshape\(len\(x\), 1, 28, 28\)"),
    ((20, 28, 28, 1), (1, 28, 28), r"pass x.reshape\(len\(x\), 1, 28, 28\)$"),
    ((20, 192), (3, 8, 8), r"x.reshape\(len\(x\), 3, 8, 8\) if each row .* one channel after"),
    ((20, 8, 3, 8), (3, 8, 8), r"got x of shape \(20, 8, 3, 8\)$"),
    ((3, 8, 8), (3, 8, 8), r"pass x\[np.newaxis\]"),
    ((20, 5), (4,), r"got x of shape \(20, 5\)$"),
]


@pytest.mark.parametrize(("got", "sample", "advice"), WRONG_SHAPES)
def test_advice_about_shapes_does_not_scramble(got: Any, sample: Any, advice: str) -> None:
    model = mt.Sequential(mt.Flatten(), mt.Dense(2), input_shape=sample)
    with pytest.raises(mt.ShapeError, match=advice):
        model.predict(np.zeros(got))


def test_channels_last_are_noticed_where_the_window_does_not_fit() -> None:
    with pytest.raises(mt.ShapeError, match=r"if the channels are last, x.transpose\(0, 3, 1, 2\)"):
        mt.Sequential(mt.Conv2D(4, 5), input_shape=(32, 32, 3))


POSITIONAL: dict[str, Callable[[], object]] = {
    r"write Dense\(10\); the inputs are counted by the model": lambda: mt.Dense(784, 10),  # type: ignore[arg-type]
    r"such as \[784, 64, 10\], got 64": lambda: mt.mlp(64, 32, 10),  # type: ignore[arg-type]
    "did you mean 'he_normal'": lambda: mt.Dense(3, "he_norml"),
}


@pytest.mark.parametrize("message", POSITIONAL)
def test_positional_habits(message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        POSITIONAL[message]()


def test_class_weights_of_labels_and_of_a_dictionary() -> None:
    labels = [0, 0, 0, 1, 2, 2]
    np.testing.assert_allclose(balanced_weights(labels), [2 / 3, 2, 1])
    weighted = mt.SoftmaxCrossEntropy(class_weights={1: 5, 2: 0.5})
    assert isinstance(weighted.class_weights, np.ndarray)
    np.testing.assert_array_equal(weighted.class_weights, [1, 5, 0.5])
    plain = mt.SoftmaxCrossEntropy(class_weights=[1, 5, 0.5])
    z, y = np.random.default_rng(0).normal(size=(6, 3)), np.array(labels)
    assert weighted.forward(z, y)[0] == plain.forward(z, y)[0]
    for wrong in (
        "abc",
        {},
        {"a": 1},
        {1.5: 1},
        {0: -1},
        [True],
        [1, 1e200],
        3,
        {10**9: 1},
    ):
        with pytest.raises(mt.ConfigurationError, match="class_weights"):
            mt.SoftmaxCrossEntropy(class_weights=wrong)  # type: ignore[arg-type]
    for bad in ([], [0, 2], [-1], [[1]], [0.5], "ab", None, [10**12]):
        with pytest.raises(mt.DataError, match="balanced_weights: expected"):
            balanced_weights(bad)


@pytest.mark.parametrize("rows", [False, True])
def test_balanced_class_weights_are_those_of_the_labels_of_fit(rows: bool) -> None:
    labels = np.array([0, 0, 0, 1, 2, 2, -1, -1])
    x = np.random.default_rng(0).normal(size=(8, 4))
    targets: Any = labels
    if rows:
        x, targets = x[:6], np.eye(3)[labels[:6]]

    def trained(weights: Any) -> mt.Trainer:
        model = mt.Sequential(mt.Dense(3), input_shape=4, seed=0)
        loss = mt.SoftmaxCrossEntropy(class_weights=weights, ignore_index=None if rows else -1)
        trainer = mt.Trainer(model, loss, mt.SGD(0.1), seed=0)
        trainer.fit(x, targets, epochs=3, batch_size=3)
        return trainer

    known, found = trained([2 / 3, 2, 1]), trained("balanced")
    assert isinstance(found.loss, mt.SoftmaxCrossEntropy)
    np.testing.assert_array_equal(found.loss.class_weights, [2 / 3, 2, 1])
    pairs = zip(known.model.state_dict().values(), found.model.state_dict().values(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    # Other labels do not change them.
    assert found.evaluate(x[:2], targets[:2]) == known.evaluate(x[:2], targets[:2])


def test_a_class_that_a_dictionary_does_not_name_counts_one() -> None:
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    found = []
    for weights in ({1: 5.0}, [1, 5.0, 1]):
        model = mt.Sequential(mt.Dense(3), input_shape=4, seed=0)
        loss = mt.SoftmaxCrossEntropy(0.1, class_weights=weights, ignore_index=-1)
        mt.Trainer(model, loss, "sgd", seed=0).fit(x, y, epochs=2)
        found.append(model.state_dict()["0.weight"])
    np.testing.assert_array_equal(found[0], found[1])
    two = mt.Sequential(mt.Dense(2), input_shape=4, seed=0)
    with pytest.raises(mt.ShapeError, match="each of 2 classes, got 3"):
        mt.Trainer(two, mt.SoftmaxCrossEntropy(class_weights={2: 5.0}), "sgd").step(x, y % 2)


def test_balanced_class_weights_need_labels_of_each_class() -> None:
    loss = mt.SoftmaxCrossEntropy(class_weights="balanced")
    assert repr(loss) == "SoftmaxCrossEntropy(class_weights='balanced')"
    with pytest.raises(mt.ConfigurationError, match="expected to be trained first"):
        loss.forward(np.zeros((2, 3)), np.array([0, 1]))
    trainer = mt.Trainer(mt.Sequential(mt.Dense(4), input_shape=2, seed=0), loss, mt.SGD(0.1))
    for labels, missing in (([0, 1, 2], 3), ([0, 2, 3], 1)):
        with pytest.raises(mt.DataError, match=f"none of class {missing}"):
            trainer.fit(np.zeros((3, 2)), np.array(labels))
    found = mt.find_learning_rate(trainer, np.ones((8, 2)), np.arange(8) % 4, steps=10)
    assert len(found.losses) > 1
    assert repr(trainer.loss) == "SoftmaxCrossEntropy(class_weights='balanced')"


def test_balanced_weights_are_scikit_learns() -> None:
    weight = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.random.default_rng(0).integers(0, 5, 200)
    expected = weight.compute_class_weight("balanced", classes=np.arange(5), y=labels)
    np.testing.assert_allclose(balanced_weights(labels), expected)
