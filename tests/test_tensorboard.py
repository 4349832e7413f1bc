"""What TensorBoardLogger writes, read back by TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.training.step import propagate

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")

X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60) % 3
HELD_OUT = (X[40:] + 0.5, Y[40:])


def trainer_for(**arguments: Any) -> mt.Trainer:
    layers = (mt.Dense(4), mt.BatchNorm(), mt.Dropout(0.2), mt.Tanh(), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=0, dtype=np.float64)
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0, **arguments)


def read(folder: Path) -> Any:
    """Everything in the folder, as TensorBoard shows it."""
    module = "tensorboard.backend.event_processing.event_accumulator"
    found = pytest.importorskip(module).EventAccumulator(
        str(folder), {"tensors": 0, "scalars": 0, "histograms": 0}
    )
    return found.Reload()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scalars_histograms_and_the_confusion_matrix(tmp_path: Path) -> None:
    trainer = trainer_for(metrics=["accuracy"], classes=["a", "b", "c"])
    logger = mt.TensorBoardLogger(tmp_path)
    history = trainer.fit(X, Y, epochs=3, validation_data=HELD_OUT, callbacks=[logger])
    found = read(tmp_path)
    tags = found.Tags()
    assert set(tags["scalars"]) == {*history, "learning_rate"}
    for name, column in history.items():
        events = found.Scalars(name)
        assert [event.step for event in events] == [0, 1, 2]
        np.testing.assert_allclose([event.value for event in events], column, rtol=1e-6)
    assert [event.value for event in found.Scalars("learning_rate")] == [np.float32(0.1)] * 3
    parameters = trainer.model.named_parameters()
    names = {f"{kind}/{name}" for kind in ("weights", "gradients") for name in parameters}
    assert set(tags["histograms"]) == names
    x, y = X[:256], Y[:256]
    _, _, gradients = propagate(trainer.model, trainer.loss, x, y, None, np.random.default_rng(0))
    for name, array in parameters.items():
        for kind, values in (("weights", array), ("gradients", gradients[name])):
            last = found.Histograms(f"{kind}/{name}")[-1]
            assert last.step == 2
            shown = last.histogram_value
            assert shown.num == values.size
            np.testing.assert_allclose(
                [shown.min, shown.max, shown.sum],
                [values.min(), values.max(), values.sum()],
                rtol=1e-6,
                atol=1e-12,
            )
    event = found.Tensors("confusion_matrix/text_summary")[-1]
    table = event.tensor_proto.string_val[0].decode().splitlines()
    matrix = mt.confusion_matrix(HELD_OUT[1], trainer.model.predict_classes(HELD_OUT[0]))
    assert table[0] == r"| true \ predicted | a | b | c |"
    assert table[1] == "| --- | --- | --- | --- |"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert [row[0] for row in rows] == ["a", "b", "c"]
    np.testing.assert_array_equal([[int(n) for n in row[1:]] for row in rows], matrix)


def test_training_is_the_same_with_it(tmp_path: Path) -> None:
    """Dropout draws the same numbers, and the running statistics move as without."""
    states = []
    for callbacks in ([], [mt.TensorBoardLogger(tmp_path)]):
        trainer = trainer_for()
        trainer.fit(X, Y, epochs=3, batch_size=10, callbacks=callbacks)
        states.append(trainer.model.state_dict())
    for name, array in states[0].items():
        np.testing.assert_array_equal(states[1][name], array)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_resumed_run_goes_on(tmp_path: Path) -> None:
    path, folder = tmp_path / "run.npz", tmp_path / "log"
    for epochs in (2, 4):
        checkpoint = mt.Checkpoint(path, resume=True)
        callbacks = [mt.TensorBoardLogger(folder, histograms=2)]
        trainer_for().fit(X, Y, epochs=epochs, callbacks=callbacks, checkpoint=checkpoint)
    found = read(folder)
    assert [event.step for event in found.Scalars("loss")] == [0, 1, 2, 3]
    assert [event.step for event in found.Histograms("weights/0.weight")] == [0, 2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        (mt.Dense(1), mt.MeanSquaredError(), X[:, :1]),
        (mt.Dense(2), mt.BinaryCrossEntropy(), (X[:, :2] > 0).astype(float)),
        (mt.Dense(1), mt.BinaryCrossEntropy(), (X[:, 0] > 0).astype(float)),
        (mt.Dense(101), mt.SoftmaxCrossEntropy(), Y),
    ],
    ids=["numbers", "several labels", "yes or no", "too many classes"],
)
def test_models_of_other_kinds(last: mt.Layer, loss: mt.Loss, y: Any, tmp_path: Path) -> None:
    model = mt.Sequential(last, input_shape=5, seed=0)
    trainer = mt.Trainer(model, loss, "sgd(0.01)", seed=0)
    logger = mt.TensorBoardLogger(tmp_path, histograms=0)
    trainer.fit(X, y, epochs=2, validation_data=(X, y), callbacks=[logger])
    tags = read(tmp_path).Tags()
    assert set(tags["scalars"]) == {"loss", "val_loss", "learning_rate"}
    assert not tags["histograms"]
    single = model.output_shape == (1,) and isinstance(loss, mt.BinaryCrossEntropy)
    assert bool(tags["tensors"]) == single


def test_a_run_that_diverges_leaves_what_was_before(tmp_path: Path) -> None:
    class Broken(mt.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
            if epoch == 1:
                trainer.model.named_parameters()["0.weight"][...] = np.inf

    callbacks = [mt.TensorBoardLogger(tmp_path), Broken()]
    with pytest.raises(mt.DivergenceError):
        trainer_for().fit(X, Y, epochs=4, callbacks=callbacks)
    assert [event.step for event in read(tmp_path).Scalars("loss")] == [0, 1]


def test_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(mt.ConfigurationError, match="histograms to be a whole number"):
        mt.TensorBoardLogger(tmp_path, histograms=-1)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[tensorboard\]"):
        trainer_for().fit(X, Y, callbacks=[mt.TensorBoardLogger(tmp_path / "log")])
    assert not (tmp_path / "log").exists()
