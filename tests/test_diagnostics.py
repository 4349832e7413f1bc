"""What is ill in a network is found where it was planted, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments.diagnostics import words_since


def network(*layers: mt.Layer | str) -> mt.Sequential:
    return mt.Sequential(*layers, input_shape=784, seed=0)


def test_a_healthy_network_has_no_complaints(few: Any) -> None:
    x, y = few
    diagnosis = mt.diagnose(network(mt.Dense(10), "relu", mt.Dense(10)), x, y)
    assert diagnosis.words == []
    assert [(each.number, each.label) for each in diagnosis.layers] == [
        (1, "Dense(10)"),
        (1, "ReLU()"),
        (2, "Dense(10)"),
    ]
    assert "Dense(10)" in str(diagnosis)


def test_dead_units_are_counted(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    model.named_parameters()["0.bias"][:4] = -100
    diagnosis = mt.diagnose(model, x, y)
    assert diagnosis.layers[1].dead == 4
    assert diagnosis.words == ["layer 1 (ReLU()): 4 of 10 units dead"]


def test_a_channel_is_a_unit() -> None:
    x, y = np.random.default_rng(0).random((20, 1, 8, 8)), np.arange(20) % 3
    model = mt.Sequential(
        mt.Conv2D(5, 3), "relu", mt.Flatten(), mt.Dense(3), input_shape=(1, 8, 8), seed=0
    )
    model.named_parameters()["0.bias"][2] = -100
    assert mt.diagnose(model, x, y).layers[1].dead == 1


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "hard_sigmoid"])
def test_saturation_is_seen(name: str, few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), name, mt.Dense(10))
    assert mt.diagnose(model, x, y).words == []
    model.named_parameters()["0.bias"][:] = -50
    (text,) = [words for words in mt.diagnose(model, x, y).words if "saturated" in words]
    assert text.startswith("layer 1")
    assert "100%" in text


def test_a_gradient_that_fades_is_seen(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(20), "sigmoid", mt.Dense(20), "sigmoid", mt.Dense(10))
    model.named_parameters()["2.weight"][:] *= 0.02
    words = mt.diagnose(model, x, y).words
    assert any("-fold from layer 2 to layer 1" in text for text in words), words


def test_a_callback_says_since_when(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    diagnostics = mt.Diagnostics(x, y)

    class Kills(mt.Callback):
        def on_epoch_begin(self, trainer: mt.Trainer, epoch: int) -> None:
            if epoch == 1:
                trainer.model.named_parameters()["0.bias"][:3] = -100

    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05), seed=0)
    trainer.fit(x, y, epochs=3, callbacks=[Kills(), diagnostics])
    assert len(diagnostics.epochs) == 3
    assert diagnostics.words == ["layer 1 (ReLU()): 3 of 10 units dead since epoch 2"]
    assert words_since([]) == []


def test_steps_of_the_wrong_size_are_seen(few: Any) -> None:
    x, y = few
    for rate, size in ((1e-9, "small"), (20.0, "large")):
        model = network(mt.Dense(10), "tanh", mt.Dense(10))
        diagnostics = mt.Diagnostics(x, y)
        trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(rate), seed=0)
        trainer.fit(x, y, epochs=1, callbacks=[diagnostics])
        assert any(f"too {size}" in text for text in diagnostics.words), diagnostics.words


def test_the_model_is_not_changed(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), mt.BatchNorm(), "relu", mt.Dropout(0.5), mt.Dense(10))
    before = model.state_dict()
    mt.diagnose(model, x, y)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(mt.ShapeError):
        mt.diagnose(model, x[:, :5], y)
