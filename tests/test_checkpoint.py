"""A run that is stopped anywhere and resumed ends bit for bit where the uninterrupted one ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks.kills import differences, killed_run, straight_run
from minitorch_np.io.arrays import read_state, write_state
from tests.commands import Done, run

X, Y = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3


def test_sigkill_at_random_moments(tmp_path: Path) -> None:
    """Processes are killed a few times, resumed, and end as if nothing had been; `benchmarks/kills`
    does the same a hundred times.
    """
    straight, whole = straight_run(tmp_path)
    for writers in (1, 2):
        folder = tmp_path / str(writers)
        folder.mkdir()
        killed_run(folder, whole, 2, writers, np.random.default_rng())
        assert not differences(straight, folder, writers)


class Stop(mt.Callback):
    """Interrupts after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}  # so it is no setting, by which runs are told apart

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.steps -= 1
        if not self.steps:
            raise KeyboardInterrupt


def trainer_for(seed: int | None = 0, optimizer: mt.Optimizer | None = None) -> mt.Trainer:
    model = mt.Sequential(
        mt.Dense(4), "tanh", mt.Dropout(0.3), mt.Dense(3), input_shape=5, seed=seed
    )
    return mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), optimizer or mt.SGD(0.1, momentum=0.9), seed=seed
    )


@pytest.mark.parametrize("stop", [1, 7, 8, 13])
@pytest.mark.parametrize("settings", [{}, {"batch_size": 20, "micro_batch_size": 7}])
def test_every_step_can_be_the_last(stop: int, settings: dict[str, Any], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"epochs": 5, "batch_size": 8, "validation_split": 0.1} | settings
    straight = trainer_for()
    expected = straight.fit(X, Y, callbacks=[Stop(10**9)], **arguments)
    path = tmp_path / "run.npz"
    stopped = mt.Checkpoint(path, every=1)
    with pytest.raises(KeyboardInterrupt):
        trainer_for().fit(X, Y, callbacks=[Stop(stop)], checkpoint=stopped, **arguments)
    resumed = trainer_for(seed=None)  # whatever it starts with is replaced
    checkpoint = mt.Checkpoint(path, every=1, resume=True)
    if stop == 1:  # a callback that fails at the very first step comes before the checkpoint
        path.unlink(missing_ok=True)
        resumed = trainer_for()
    history = resumed.fit(X, Y, callbacks=[Stop(10**9)], checkpoint=checkpoint, **arguments)
    assert checkpoint.resumed == (stop != 1)
    assert history.history == expected.history
    for name, array in straight.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    """Its numbers would be those of the first seed, under the name of the other."""
    path = tmp_path / "run.npz"
    first = trainer_for().fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path))
    with pytest.raises(mt.ConfigurationError, match="got another: seed 0, now 7"):
        trainer_for(seed=7).fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path, resume=True))
    again = trainer_for(seed=None).fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path, resume=True))
    assert again.history == first.history


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    straight = trainer_for()
    straight.fit(X, Y, epochs=5)
    trainer_for().fit(X, Y, epochs=2, checkpoint=mt.Checkpoint(path))
    longer = trainer_for()
    history = longer.fit(X, Y, epochs=5, checkpoint=mt.Checkpoint(path, resume=True))
    assert history.epochs == 5
    for name, array in straight.model.state_dict().items():
        np.testing.assert_array_equal(array, longer.model.state_dict()[name])


def test_a_run_that_was_stopped_early_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"

    def callbacks() -> list[mt.Callback]:
        return [mt.EarlyStopping("loss", min_delta=1e9)]

    first = trainer_for().fit(X, Y, epochs=9, callbacks=callbacks(), checkpoint=mt.Checkpoint(path))
    again = trainer_for()
    history = again.fit(
        X, Y, epochs=9, callbacks=callbacks(), checkpoint=mt.Checkpoint(path, resume=True)
    )
    assert history.history == first.history
    assert first.epochs < 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 9}, "batch size 8, now 9"),
        ({"micro_batch_size": 4}, "micro-batch size 8, now 4"),
        ({"transform": mt.data.Shift(1)}, r"transform None, now 'Shift\("),
        ({"shuffle": False}, "shuffle True, now False"),
        ({"x": X + 1}, "data checksum"),
        ({"optimizer": mt.Adam()}, "optimizer 'SGD.*, now 'Adam"),
        ({"callbacks": [mt.LearningRateLogger()]}, "callbacks"),
    ],
)
def test_another_run_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trainer_for().fit(X, Y, batch_size=8, checkpoint=mt.Checkpoint(path))
    arguments: dict[str, Any] = {"x": X, "y": Y, "batch_size": 8, "epochs": 2} | change
    other = trainer_for(optimizer=arguments.pop("optimizer", None))
    before = other.model.state_dict()
    with pytest.raises(mt.ConfigurationError, match=message):
        other.fit(**arguments, checkpoint=mt.Checkpoint(path, resume=True))
    for name, array in other.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_no_run_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trainer_for().fit(X, Y, checkpoint=mt.Checkpoint(path))
    content = path.read_bytes()
    with pytest.raises(mt.ConfigurationError, match="expected a new file.*resume"):
        trainer_for().fit(X, Y, checkpoint=mt.Checkpoint(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "text", "model", "key", "format"])
def test_what_is_no_checkpoint_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trainer_for().fit(X, Y, checkpoint=mt.Checkpoint(path))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "text":
        path.write_text("hello")
    elif damage == "model":
        trainer_for().model.save(path)
    else:
        state = read_state(path)
        if damage == "key":
            del state["generator"]
        else:
            state["format"] = 99
        write_state(path, state)
    with pytest.raises((mt.ModelFileError, mt.ConfigurationError), match=re.escape(str(path))):
        trainer_for().fit(X, Y, checkpoint=mt.Checkpoint(path, resume=True))


def test_states_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    state = {
        "generator": np.random.Generator(np.random.MT19937(3)).bit_generator.state,
        "nested": [{"a": np.arange(3)}, None, True, 1.5, "text"],
        "large": 2**127 + 1,
        "numbers": [np.float32(0.1), np.int64(3)],
    }
    write_state(path, state)
    found = read_state(path)
    np.testing.assert_array_equal(found["nested"][0]["a"], np.arange(3))
    assert found["large"] == 2**127 + 1
    assert found["numbers"] == [float(np.float32(0.1)), 3]
    generator = np.random.Generator(np.random.MT19937(9))
    generator.bit_generator.state = found["generator"]
    assert generator.random() == np.random.Generator(np.random.MT19937(3)).random()


def test_the_command_line(tmp_path: Path) -> None:
    def train(*arguments: str) -> Done:
        return run("train", "--epochs", 3, *arguments, cwd=tmp_path)

    assert train("--out", "straight.npz").returncode == 0
    into = ("--checkpoint", "run", "--out", "resumed.npz")
    assert train(*into, "--checkpoint-every", "7").returncode == 0
    again = train(*into)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    (tmp_path / "resumed.npz").unlink()
    resumed = train(*into, "--resume", "--checkpoint-every", "7")
    assert resumed.returncode == 0
    compare_models(tmp_path / "straight.npz", tmp_path / "resumed.npz")
    alone = train("--resume")
    assert alone.returncode == 2
    assert "--checkpoint DIR" in alone.stderr


def compare_models(one: Path, other: Path) -> None:
    states = [mt.Sequential.load(path).state_dict() for path in (one, other)]
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])


def test_a_checkpoint_before_any_run(tmp_path: Path) -> None:
    """Nothing has been resumed, nothing is unless that is asked for, and folders are made."""
    checkpoint = mt.Checkpoint(tmp_path / "new" / "folder" / "run.npz")
    assert (checkpoint.resumed, checkpoint.resume, checkpoint.every) == (False, False, None)
    trainer_for().fit(X, Y, checkpoint=checkpoint)
    assert not checkpoint.resumed
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["run.npz"]
