"""Callbacks that stop, keep the best, and write down."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import schedules
from minitorch_np.arrays import Array

X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60) % 3
HELD_OUT = (X[40:] + 0.5, Y[40:])


def trainer_for(**arguments: Any) -> mt.Trainer:
    layers = (mt.Dense(4), mt.BatchNorm(), mt.Tanh(), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=0, dtype=np.float64)
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0, **arguments)


def assert_same(one: dict[str, Array], other: dict[str, Array]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


class Script(mt.Callback):
    """Puts numbers of the test's in the place of those measured; keeps each epoch's state."""

    def __init__(self, values: list[float], name: str = "val_loss") -> None:
        self.values, self.name, self.states = values, name, list[dict[str, Array]]()

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        numbers[self.name] = self.values[epoch]
        self.states.append(trainer.model.state_dict())


def run(
    values: list[float], *callbacks: mt.Callback, name: str = "val_loss"
) -> tuple[mt.Trainer, Script]:
    """A run of which each epoch's number is given."""
    script, trainer = Script(values, name), trainer_for(metrics=[mt.Accuracy()])
    trainer.fit(
        *(X, Y), epochs=len(values), validation_data=HELD_OUT, callbacks=[script, *callbacks]
    )
    return trainer, script


@pytest.mark.parametrize(
    ("values", "patience", "epochs"),
    [
        ([3, 2, 1, 0.5], 0, 4),
        ([3, 2, 2.5, 1], 0, 3),
        ([3, 2, 2, 1], 0, 3),  # as good is not better
        ([3, 2, 2.5, 1, 0], 1, 3),
        ([3, 2, 2.5, 1, 2, 0, 1], 2, 7),
        ([3, 2, 2.5, 2.5, 1], 2, 4),
        ([3, 4, 4, 4, 4, 4, 4], 3, 4),  # the example in Keras' manual: "Only 4 epochs are run."
        ([3, 4, 4, 2, 4, 4, 4, 4], 3, 7),
    ],
)
def test_patience_is_keras(values: list[float], patience: int, epochs: int) -> None:
    """Stopped after so many epochs in a row that were no better, but after one at least."""
    stopping = mt.EarlyStopping(patience=patience)
    _, script = run(values, stopping)
    assert len(script.states) == epochs
    assert stopping.best_epoch == int(np.argmin(values[:epochs]))


@pytest.mark.parametrize(
    ("arguments", "values", "best"),
    [
        ({"min_delta": 0.5}, [3.0, 2.6, 2.4, 2.0, 1.9], 2),
        ({"min_delta": 0.5}, [3.0, 2.5, 2.0, 1.5, 1.75], 2),  # by more than min_delta
        ({"mode": "max"}, [1.0, 3.0, 2.0, 2.5, 0.0], 1),
        ({"mode": "max", "min_delta": 1}, [1.0, 1.5, 2.5, 3.0, 3.5], 2),
        ({"mode": "min"}, [-1.0, -3.0, -2.0], 1),
        ({"monitor": "val_accuracy"}, [0.1, 0.3, 0.2], 1),
        ({"monitor": "loss"}, [0.3, 0.1, 0.2], 1),
        ({"monitor": "accuracy", "mode": "min"}, [0.3, 0.1, 0.2], 1),
        ({}, [math.nan, 3.0, 2.0, 4.0], 2),  # what is not a number is no better than anything
        ({}, [3.0, math.nan, 2.0, 4.0], 2),
    ],
)
def test_what_is_better(arguments: dict[str, Any], values: list[float], best: int) -> None:
    stopping = mt.EarlyStopping(**{"patience": 9, **arguments})
    trainer, script = run(values, stopping, name=stopping.monitor)
    assert stopping.best_epoch == best
    assert_same(trainer.model.state_dict(), script.states[best])


@pytest.mark.parametrize("patience", [1, 9])
def test_the_best_is_brought_back_or_not(patience: int) -> None:
    """Parameters and running statistics, whether training was stopped or not."""
    values = [3.0, 1.0, 2.0, 2.0, 2.0]
    trainer, script = run(values, mt.EarlyStopping(patience=patience))
    assert set(script.states[1]) > {"1.running_mean", "1.running_var"}
    assert_same(trainer.model.state_dict(), script.states[1])
    trainer, script = run(values, mt.EarlyStopping(patience=patience, restore_best=False))
    assert_same(trainer.model.state_dict(), script.states[-1])


def test_a_second_fit_is_watched_anew() -> None:
    stopping = mt.EarlyStopping(patience=9)
    run([0.1, 0.2], stopping)
    trainer, script = run([3.0, 2.0, 1.0, 4.0], stopping)
    assert stopping.best_epoch == 2
    assert_same(trainer.model.state_dict(), script.states[2])


def test_a_number_that_nobody_measures() -> None:
    trainer = trainer_for(metrics=[mt.Accuracy()])
    before = trainer.model.state_dict()
    for callback in (
        mt.EarlyStopping(),
        mt.EarlyStopping("val_accuracy"),
        mt.EarlyStopping("acc"),
        mt.ModelCheckpoint("never.npz", save_best_only=True),
    ):
        with pytest.raises(mt.ConfigurationError, match=r"one of loss, accuracy, got '\w+'"):
            trainer.fit(X, Y, callbacks=[callback])
    assert_same(trainer.model.state_dict(), before)


@pytest.mark.parametrize(
    "arguments",
    [
        *[{"mode": bad} for bad in ("largest", None)],
        *[{"min_delta": bad} for bad in (-0.1, math.nan, math.inf, "0")],
        *[{"patience": bad} for bad in (-1, 1.5, None, "3")],
    ],
)
def test_arguments_out_of_range(arguments: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="expected"):
        mt.EarlyStopping(**arguments)


class Stop(mt.Callback):
    """Stops at an epoch's end, or before the first."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch, self.ended = epoch, 0

    def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
        trainer.stop_training = self.epoch is None

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        trainer.stop_training = epoch == self.epoch

    def on_train_end(self, trainer: mt.Trainer) -> None:
        self.ended += 1


def test_any_callback_can_stop() -> None:
    trainer, stop = trainer_for(), Stop(2)
    assert trainer.fit(X, Y, epochs=9, callbacks=[stop]).epochs == 3
    assert trainer.stop_training
    assert stop.ended == 1
    assert trainer.fit(X, Y, epochs=2).epochs == 2
    assert not trainer.stop_training
    before = trainer.model.state_dict()
    assert trainer.fit(X, Y, callbacks=[mt.EarlyStopping("loss"), Stop(None)]).epochs == 0
    assert_same(trainer.model.state_dict(), before)


def test_models_are_saved_under_names(tmp_path: Path) -> None:
    path = tmp_path / "a{epoch:02d}-{val_loss:.1f}.npz"
    trainer, script = run([0.5, 0.75, 0.25], mt.ModelCheckpoint(path))
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["a01-0.5.npz", "a02-0.8.npz", "a03-0.2.npz"]
    for file, state in zip(files, script.states, strict=True):
        model = mt.Sequential.load(file)
        assert_same(model.state_dict(), state)
    np.testing.assert_array_equal(model.predict(X), trainer.model.predict(X))


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({}, [0, 2]),
        ({"mode": "max"}, [0, 1, 4]),
        ({"min_delta": 0.3}, [0]),
        ({"save_best_only": False}, [0, 1, 2, 3, 4]),
    ],
)
def test_only_the_best_is_saved(arguments: dict[str, Any], kept: list[int], tmp_path: Path) -> None:
    checkpoint = mt.ModelCheckpoint(
        str(tmp_path / "{epoch}.npz"), **{"save_best_only": True, **arguments}
    )
    _, script = run([0.5, 0.75, 0.25, 0.5, 0.9], checkpoint)
    assert {file.name for file in tmp_path.iterdir()} == {f"{epoch + 1}.npz" for epoch in kept}
    last = mt.Sequential.load(tmp_path / f"{kept[-1] + 1}.npz")
    assert_same(last.state_dict(), script.states[kept[-1]])


@pytest.mark.parametrize("name", ["{val_loss}", "{}", "{epoch", "{loss:d}", "{epoch.big}"])
def test_names_of_what_there_is_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(mt.ConfigurationError, match="ModelCheckpoint: expected a path"):
        trainer_for().fit(X, Y, callbacks=[mt.ModelCheckpoint(tmp_path / name)])
    assert not list(tmp_path.iterdir())


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_csv_has_a_header_and_a_line_an_epoch(tmp_path: Path) -> None:
    path, trainer = tmp_path / "log.csv", trainer_for(metrics=[mt.Accuracy()])
    path.write_text("something else\n")
    callbacks = [mt.CSVLogger(path)]
    history = trainer.fit(X, Y, epochs=3, validation_data=HELD_OUT, callbacks=callbacks)
    header, *lines = rows(path)
    assert header == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [line[0] for line in lines] == ["0", "1", "2"]
    for place, name in enumerate(header[1:], start=1):
        assert [float(line[place]) for line in lines] == history[name]  # to the last digit
    trainer.fit(X, Y, epochs=2, callbacks=callbacks)
    assert rows(path)[0] == ["epoch", "loss", "accuracy"]
    assert len(rows(path)) == 3
    trainer.fit(X, Y, callbacks=[mt.CSVLogger(path, append=True)])
    assert [line[0] for line in rows(path)] == ["epoch", "0", "1", "0"]
    new = tmp_path / "new.csv"
    trainer.fit(X, Y, callbacks=[mt.CSVLogger(new, append=True)])
    assert [line[0] for line in rows(new)] == ["epoch", "0"]


def test_the_learning_rate_is_written_down(tmp_path: Path) -> None:
    path, model = tmp_path / "log.csv", mt.Sequential(mt.Dense(3), input_shape=5, seed=0)
    optimizer = mt.SGD(schedules.step_decay(1.0, every=2, factor=0.5))
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer)
    callbacks = [mt.LearningRateLogger(), mt.CSVLogger(path)]
    history = trainer.fit(X, Y, epochs=3, batch_size=20, callbacks=callbacks)
    assert history["learning_rate"] == [0.5, 0.25, 0.0625]  # of steps 2, 5 and 8
    assert [line[-1] for line in rows(path)] == ["learning_rate", "0.5", "0.25", "0.0625"]


def test_a_folder_is_made_for_models(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for it" / "{epoch}.npz"
    trainer_for().fit(X, Y, epochs=2, callbacks=[mt.ModelCheckpoint(path)])
    assert sorted(file.name for file in path.parent.iterdir()) == ["1.npz", "2.npz"]
