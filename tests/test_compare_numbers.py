"""`compare` of networks whose outputs are numbers: measured by R2, in true words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments.task import as_arrays, train


def numbers(rows: int, seed: int, outputs: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    y = np.stack([np.sin(2 * x[:, n]) + x[:, 3] for n in range(outputs)], axis=1)
    return x, y[:, 0] if outputs == 1 else y


def test_a_loss_of_numbers_is_measured_by_r2(tmp_path: Path) -> None:
    data = (*numbers(300, 0), *numbers(200, 1))
    far = mt.Configuration("far", ["tanh", mt.Dense(1)], 1e-9, epochs=4)
    arguments: dict[str, Any] = {"data": data, "seeds": 8, "learning_rates": [0.02, 0.1]}
    arguments |= {"epochs": 4, "loss": "mse", "folder": tmp_path}
    found = mt.compare(["relu", "tanh", far], **arguments)
    assert found.measure.key == "r2"
    for run in found.whole("relu"):
        model, _ = train(found.configurations[0], run["seed"], as_arrays(data))
        predicted, true = model.predict(data[2].astype(np.float32))[:, 0], data[3]
        spread = np.square(true - true.mean()).sum()
        assert run["r2"] == pytest.approx(1 - np.square(predicted - true).sum() / spread, rel=1e-5)
    # What is no better than the mean counts as 0, however far off, and has collapsed.
    assert min(run["r2"] for run in found.runs["far"]) < 0
    assert found.accuracies("far").min() == 0
    assert found.summaries["far"].collapsed == sum(run["r2"] <= 0 for run in found.runs["far"])
    assert found.summaries["relu"].collapsed == 0
    said = str(mt.report(found))
    assert "Test R2 over 8 seeds" in said
    assert "Median test R2 by epoch" in said
    assert "accurac" not in said
    assert "seed,rate,r2,loss" in found.to_csv()
    again = mt.compare(["relu", "tanh", far], resume=True, **arguments)
    assert again.results == found.results


def test_several_numbers_a_sample_and_losses_side_by_side() -> None:
    data = (*numbers(100, 0, 2), *numbers(50, 1, 2))
    layers: list[mt.Layer | str] = [mt.Dense(5), "tanh", mt.Dense(2)]
    pair = [
        mt.Configuration("squares", layers, 0.1, epochs=2, loss="mse"),
        mt.Configuration("huber", layers, 0.1, epochs=2, loss="huber(0.5)"),
    ]
    found = mt.compare(pair, data, seeds=2)
    assert [each.loss for each in found.configurations] == ["mse", "huber(0.5)"]
    assert found.accuracies("squares").tolist() != found.accuracies("huber").tolist()
    # A run that failed counts as 0.
    failed = {"name": "huber", "seed": 0, "error": "DivergenceError"}
    kept = [run for run in found.results if run["seed"] == 0 and run["name"] != "huber"]
    broken = replace(found, results=[*kept, failed], seeds=[0])
    assert broken.accuracies("huber").tolist() == [0]
    assert "no better than the mean of the targets (an R2 of 0)" in str(mt.report(broken))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "binary_cross_entropy"}, "a loss over classes, .* or of numbers"),
        ({"loss": mt.Huber()}, "loss to be the name of one"),
        ({"loss": "mze"}, "compare: loss: "),
        ({"loss": "mse", "configurations": None}, "expected activations that suit mse"),
        ({"configurations": ["relu", mt.Configuration("n", ["relu"], loss="mse")]}, "all over cla"),
    ],
)
def test_losses_that_cannot_be_compared(arguments: dict[str, Any], message: str) -> None:
    data = (*numbers(20, 0), *numbers(20, 1))
    given: dict[str, Any] = {"configurations": ["relu"], "data": data, "seeds": 1} | arguments
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.compare(**given)


def test_labels_of_a_single_class_are_refused() -> None:
    x, y = np.ones((20, 3)), np.full(20, 7)
    for labels in (y, np.eye(10)[y]):
        with pytest.raises(mt.DataError, match="two or more classes, got only class 7: there is"):
            mt.compare(["relu"], (x, labels, x, labels), seeds=1)


def test_targets_that_are_all_the_same_have_no_r2() -> None:
    x, y = numbers(20, 0)
    with pytest.raises(mt.DataError, match="test targets that differ"):
        mt.compare(["relu"], (x, y, x, 0 * y), seeds=1, loss="mse")
