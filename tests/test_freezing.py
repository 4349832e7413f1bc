"""Layers frozen and freed while a model learns: what moves, and that a run can be resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)).astype(np.float32), np.arange(40) % 3


class Thaws(mt.Callback):
    """Freezes and frees layers at some steps, in the middle of epochs too, and interrupts."""

    def __init__(self, stop: int) -> None:
        self.stop, self.steps = stop, 0

    def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
        self.steps = 0

    def on_epoch_begin(self, trainer: mt.Trainer, epoch: int) -> None:
        if epoch == 1:
            trainer.model[0].trainable = False
        if epoch == 3:
            trainer.model.trainable = True

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.steps += 1
        if self.steps in (3, 12):
            trainer.model[1].trainable = False
        if self.steps in (7, 14):
            trainer.model[4].trainable = self.steps == 14
            trainer.model[1].trainable = True
        if self.steps == self.stop:
            raise KeyboardInterrupt

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps, "stop": self.stop}

    def load_state_dict(self, state: object) -> None:
        assert isinstance(state, dict)
        self.steps = state["steps"]


RULES: list[Callable[[], mt.Optimizer]] = [
    lambda: mt.SGD(0.1, momentum=0.9, clip_norm=0.5),
    lambda: mt.AdamW(0.01),
    lambda: mt.Lion(0.003),
]


def run(rule: Callable[[], mt.Optimizer], stop: int, path: Path | None) -> mt.Trainer:
    layers = (mt.Dense(4), mt.BatchNorm(), "tanh", mt.Dropout(0.3), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), rule(), seed=0)
    checkpoint = None if path is None else mt.Checkpoint(path, every=1, resume=True)
    trainer.fit(X, Y, epochs=4, batch_size=9, callbacks=[Thaws(stop)], checkpoint=checkpoint)
    return trainer


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_run_is_resumed_bit_for_bit_wherever_it_stops(
    first: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each rule at every third step; at every step with --whole."""
    rule = RULES[first - 1]
    expected = run(rule, -1, None)
    for stop in range(1, 21) if request.config.getoption("--whole") else range(first, 21, 3):
        path = tmp_path / f"{stop}.npz"
        with pytest.raises(KeyboardInterrupt):
            run(rule, stop, path)
        found = run(rule, -1, path)
        assert found.run.history.history == expected.run.history.history
        for name, array in expected.model.state_dict().items():
            np.testing.assert_array_equal(array, found.model.state_dict()[name])
        for name, value in expected.optimizer.state_dict().items():
            np.testing.assert_array_equal(value, found.optimizer.state_dict()[name])


def test_freezing_takes_effect_at_the_next_step() -> None:
    model = mt.Sequential(mt.Dense(4), "tanh", mt.Dense(3), input_shape=5, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.01), seed=0)
    trainer.step(X, Y)
    model[0].trainable = False
    before = model.state_dict()
    trainer.step(X, Y)
    after = model.state_dict()
    np.testing.assert_array_equal(before["0.weight"], after["0.weight"])
    assert (before["2.weight"] != after["2.weight"]).any()
    model[0].trainable = True
    trainer.step(X, Y)
    moved = np.abs(model.state_dict()["0.weight"] - after["0.weight"])
    assert 0 < moved.max() < 0.02  # Adam's step, with the memory that it had
    assert trainer.optimizer.state_dict()["ages"] == [2, 2, 3, 3]


def test_what_lies_below_the_lowest_layer_that_learns_is_not_computed() -> None:
    class Fails(mt.Tanh):
        def derivative(self, z: object, a: object) -> None:  # type: ignore[override]
            raise AssertionError

    model = mt.Sequential(mt.Dense(4), Fails(), mt.Dense(3), input_shape=5, seed=0)
    model[0].trainable = False
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    trainer.fit(X, Y)
    y, cache = model.forward(X)
    with pytest.raises(AssertionError):
        model.backward(y, cache)  # all gradients are asked for
