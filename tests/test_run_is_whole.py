"""What an engineer stumbled over once: nothing of a run is lost, ignored, or trained on unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 6)).astype(np.float32), np.arange(60) % 3


def trainer_for(model: mt.Sequential, rate: float = 0.1) -> mt.Trainer:
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(rate, momentum=0.9), seed=0)


class NoGradient(mt.Layer):
    """Forgets dx."""

    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        return 2 * x, None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return None, {}


@pytest.mark.parametrize("nested", [False, True])
def test_a_layer_that_hands_no_gradient_on_is_named(nested: bool) -> None:
    inner: list[mt.Layer] = [mt.Dense(6), NoGradient()]
    layers = [mt.Residual(*inner)] if nested else inner
    model = mt.Sequential(*layers, mt.Dense(3), input_shape=6, seed=0)
    with pytest.raises(mt.ShapeError, match="NoGradient.*input's gradient, got None"):
        trainer_for(model).fit(X, Y)


def test_parameters_that_are_replaced_during_fit_go_on_learning() -> None:
    class Clips(mt.Callback):
        def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
            layer = trainer.model[0]
            assert isinstance(layer, mt.Dense)
            layer.weight = np.clip(layer.weight, -0.3, 0.3)
            weights.append(layer.weight.copy())
            mt.Sequential(layer, "tanh", input_shape=6)  # a probe of the same layer

    weights: list[Array] = []
    model = mt.Sequential(mt.Dense(4), "tanh", mt.Dense(3), input_shape=6, seed=0)
    trainer_for(model).fit(X, Y, epochs=3, callbacks=[Clips()])
    assert np.abs(weights[1] - weights[0]).max() > 1e-4
    assert np.abs(weights[2] - weights[1]).max() > 1e-4


def test_a_learning_rate_that_a_callback_lowers_is_resumed(tmp_path: Path) -> None:
    class Halves(mt.Callback):
        def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
            assert isinstance(trainer.optimizer.learning_rate, float)
            trainer.optimizer.learning_rate *= 0.5

    def run(epochs: int, path: Path) -> dict[str, list[float]]:
        model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
        return (
            trainer_for(model)
            .fit(
                X,
                Y,
                epochs=epochs,
                callbacks=[mt.LearningRateLogger(), Halves()],
                checkpoint=mt.Checkpoint(path, resume=True),
            )
            .history
        )

    whole = run(4, tmp_path / "whole.npz")
    run(2, tmp_path / "parts.npz")
    assert run(4, tmp_path / "parts.npz") == whole
    assert whole["learning_rate"] == [0.1, 0.05, 0.025, 0.0125]


@pytest.mark.parametrize(
    "other",
    [
        mt.SGD(5.0, momentum=0.9),
        mt.SGD(0.1, momentum=0.5),
        mt.SGD(0.1, momentum=0.9, weight_decay=0.1),
    ],
)
def test_other_settings_are_another_run(other: mt.Optimizer, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
    trainer_for(model).fit(X, Y, checkpoint=mt.Checkpoint(path))
    again = mt.Trainer(model, mt.SoftmaxCrossEntropy(), other)
    with pytest.raises(mt.ConfigurationError, match="optimizer 'SGD"):
        again.fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path, resume=True))
    smoothed = mt.Trainer(model, mt.SoftmaxCrossEntropy(0.5), mt.SGD(0.1, momentum=0.9))
    with pytest.raises(mt.ConfigurationError, match="label_smoothing=0.5"):
        smoothed.fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path, resume=True))
    with pytest.raises(mt.ConfigurationError, match="epochs of at least 3"):
        fewer = tmp_path / "fewer.npz"
        trainer_for(model).fit(X, Y, epochs=3, checkpoint=mt.Checkpoint(fewer))
        trainer_for(model).fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(fewer, resume=True))


def test_buffers_that_are_replaced_come_back_after_a_divergence() -> None:
    class Mean(mt.Identity):
        buffer_names = ("mean",)

        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            self.mean = np.zeros(input_shape, dtype)
            return input_shape

        def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
            if train:
                self.mean = 0.5 * self.mean + x.mean(axis=0)
            return super().forward(x)

    model = mt.Sequential(mt.Dense(4), Mean(), mt.Dense(3), input_shape=6, seed=0)
    with pytest.raises(mt.DivergenceError):
        trainer_for(model, 1e25).fit(X, Y, epochs=9, batch_size=10)
    assert np.abs(model.named_buffers()["1.mean"]).max() < 100


def test_a_log_that_is_gone_on_with_keeps_what_was_before(tmp_path: Path) -> None:
    log, path = tmp_path / "log.csv", tmp_path / "run.npz"

    def fit(epochs: int, checkpoint: mt.Checkpoint | None) -> None:
        model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
        logger = mt.CSVLogger(log, append=True)
        trainer_for(model).fit(X, Y, epochs=epochs, callbacks=[logger], checkpoint=checkpoint)

    fit(4, None)
    first = log.read_text()
    fit(2, mt.Checkpoint(path))
    with log.open("a") as file:
        file.write("2,0.1\n")  # of an epoch after the last checkpoint
    fit(4, mt.Checkpoint(path, resume=True))
    assert log.read_text().startswith(first)
    assert [line.split(",")[0] for line in log.read_text().splitlines()[5:]] == list("0123")


def test_a_kill_while_a_log_is_cut_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, path = tmp_path / "log.csv", tmp_path / "run.npz"

    def fit(epochs: int) -> None:
        model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
        checkpoint = mt.Checkpoint(path, resume=True)
        callbacks = [mt.CSVLogger(log)]
        trainer_for(model).fit(X, Y, epochs=epochs, callbacks=callbacks, checkpoint=checkpoint)

    fit(2)
    before = log.read_text()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.truncate", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(3)
    assert log.read_text() == before
    fit(3)
    assert log.read_text().startswith(before)
    assert [line.split(",")[0] for line in log.read_text().splitlines()[1:]] == list("012")


def test_a_callback_that_begins_empty_has_its_state_back(tmp_path: Path) -> None:
    class Losses(mt.Callback):
        def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
            self.losses: list[float] = []

        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            self.losses.append(loss)

        def state_dict(self) -> dict[str, Any]:
            return {"losses": self.losses}

        def load_state_dict(self, state: Any) -> None:
            self.losses = state["losses"]

    path, callback = tmp_path / "run.npz", Losses()
    for epochs in (1, 3):
        model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
        checkpoint = mt.Checkpoint(path, resume=True)
        trainer = trainer_for(model)
        trainer.fit(X, Y, epochs=epochs, batch_size=20, callbacks=[callback], checkpoint=checkpoint)
    assert len(callback.losses) == 9


def test_an_epoch_that_was_begun_is_ended(tmp_path: Path) -> None:
    """Stopped by a callback in the middle of an epoch, then killed, then resumed."""

    class Stops(mt.Callback):
        def __init__(self, dies: bool) -> None:
            self.dies, self.steps = dies, 0

        def state_dict(self) -> dict[str, Any]:
            return {"dies": self.dies}

        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            self.steps += 1
            trainer.stop_training = trainer.stop_training or batch == 2
            if self.dies and batch == 4:
                raise KeyboardInterrupt

    def run(path: Path, dies: bool) -> mt.Sequential:
        model = mt.Sequential(mt.Dense(3), input_shape=6, seed=0)
        trainer_for(model).fit(
            X,
            Y,
            epochs=3,
            batch_size=10,
            callbacks=[Stops(dies)],
            checkpoint=mt.Checkpoint(path, every=1, resume=True),
        )
        return model

    expected = run(tmp_path / "whole.npz", False).state_dict()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts.npz", True)
    found = run(tmp_path / "parts.npz", False).state_dict()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, found[name])


def test_layers_in_a_list_are_layers() -> None:
    class Chain(mt.Layer):
        def __init__(self, units: int) -> None:
            self.units = units
            self.blocks = [mt.Dense(units), mt.Dense(units)]

        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            for block in self.blocks:
                input_shape = block.build_once(input_shape, rng=rng, dtype=dtype)
            return input_shape

        def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
            x, first = self.blocks[0].forward(x)
            x, second = self.blocks[1].forward(x)
            return x, (first, second)

        def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
            gradients: dict[str, Array] = {}
            for place in (1, 0):
                dy, own = self.blocks[place].backward(dy, cache[place])  # type: ignore[assignment]
                gradients |= {f"blocks.{place}.{name}": array for name, array in own.items()}
            return dy, gradients

    model = mt.Sequential(Chain(4), input_shape=6, seed=0)
    assert list(model.named_parameters())[:2] == ["0.blocks.0.weight", "0.blocks.0.bias"]
    assert mt.gradcheck(model)


def test_a_convolutional_network_is_checked_on_real_digits(digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(2))
    x = part.features().reshape(-1, 1, 28, 28)
    assert mt.gradcheck(mt.lenet5(seed=0), x, part.labels)
