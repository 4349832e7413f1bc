"""The networks that have a name are what their names say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt


def test_mlp() -> None:
    model = mt.mlp([784, 512, 512, 10], seed=0)
    assert [layer.label for layer in model] == [
        "Dense(512)",
        "ReLU()",
        "Dense(512)",
        "ReLU()",
        "Dense(10)",
    ]
    assert model.count_parameters() == 669_706
    other = mt.mlp([4, 3, 2], activation="gelu(tanh)", output_activation="softmax", dropout=0.2)
    assert [layer.label for layer in other] == [
        "Dense(3)",
        "GELU(approximate='tanh')",
        "Dropout(rate=0.2)",
        "Dense(2)",
        "Softmax()",
    ]
    assert mt.mlp([4, 2]).count_parameters() == 10
    with pytest.raises(mt.ConfigurationError, match="sizes of inputs"):
        mt.mlp([4])


def test_lenet5() -> None:
    model = mt.lenet5(seed=0)
    assert model.count_parameters() == 61_706  # as published, with all maps connected
    assert model.input_shape == (1, 28, 28)
    assert [layer.output_shape for layer in model if isinstance(layer, mt.Conv2D)] == [
        (6, 28, 28),
        (16, 10, 10),
    ]
    tanh = mt.lenet5("tanh", pool="average_pool2d", classes=3)
    assert tanh.output_shape == (3,)
    assert isinstance(tanh[2], mt.AveragePool2D)


def test_lenet5_learns(digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(1500))
    x = part.features().reshape(-1, 1, 28, 28)
    trainer = mt.Trainer(
        mt.lenet5(seed=0), mt.SoftmaxCrossEntropy(), mt.Adam(0.003), metrics=[mt.Accuracy()], seed=0
    )
    history = trainer.fit(x, part.labels, epochs=3)
    assert history["accuracy"][-1] > 0.88
    xt = digits.test.features().reshape(-1, 1, 28, 28)
    assert trainer.evaluate(xt, digits.test.labels)["accuracy"] > 0.85


@pytest.mark.whole
def test_the_larger_networks_on_full_mnist(full_mnist: mt.data.Digits) -> None:
    """One epoch each is on the way to what `benchmarks.accuracy` shows."""
    for model, least in ((mt.mlp([784, 512, 512, 10], seed=0), 0.955), (mt.lenet5(seed=0), 0.97)):
        x, xt = (
            part.features().reshape(-1, *model.input_shape)
            for part in (full_mnist.train, full_mnist.test)
        )
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.Adam(0.001), metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(x, full_mnist.train.labels, batch_size=128)
        assert trainer.evaluate(xt, full_mnist.test.labels)["accuracy"] > least
        assert np.isfinite(model.predict(xt[:5])).all()


@pytest.mark.parametrize(
    "make", [mt.notes_network, mt.lenet5, lambda seed: mt.mlp([6, 4, 3], seed=seed)]
)
def test_a_seed_fixes_the_first_weights(make: Any) -> None:
    one, same, other = (make(seed=seed).state_dict()["0.weight"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_sizes_are_those_of_the_layers() -> None:
    model = mt.mlp([7, 5, 4, 3])
    assert model.input_shape == (7,)
    assert [a.shape for n, a in model.named_parameters().items() if n.endswith("weight")] == [
        (5, 7),
        (4, 5),
        (3, 4),
    ]
    assert model.dtype == np.float32
    assert mt.mlp([7, 3], dtype="float64").dtype == np.float64
    notes = mt.notes_network()
    assert [a.shape for a in notes.named_parameters().values()] == [
        (10, 784),
        (10,),
        (10, 10),
        (10,),
    ]
    small = mt.notes_network(hidden=4, features=6, classes=3)
    assert [a.shape for a in small.named_parameters().values()] == [(4, 6), (4,), (3, 4), (3,)]
