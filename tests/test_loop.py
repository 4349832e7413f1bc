"""The loop of a run: which parameters are restored, how many samples are measured at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.training import loop
from minitorch_np.training.inputs import as_inputs
from minitorch_np.training.loop import evaluation_rows
from minitorch_np.training.outputs import OutputLoss

X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


def trainer(**given: Any) -> mt.Trainer:
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0, dtype=np.float64)
    return mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)", seed=0, **given)


class Diverges(mt.Callback):
    """Keeps the parameters after each step; after so many it says that the loss is infinite."""

    def __init__(self, steps: int) -> None:
        self.steps, self.kept = steps, list[Array]()

    def on_train_begin(self, trainer: mt.Trainer, epochs: int, steps: int) -> None:
        self.kept.append(trainer.model.state_dict()["0.weight"])

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.kept.append(trainer.model.state_dict()["0.weight"])
        if len(self.kept) == self.steps + 1:
            raise mt.DivergenceError("made up")


@pytest.mark.parametrize(
    ("steps", "restored"), [(1, 0), (3, 0), (4, 3), (7, 3), (8, 7), (9, 7), (14, 11)]
)
def test_a_divergence_restores_the_last_snapshot(
    steps: int, restored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one after each 4 steps, taken before the last of them; they go on across epochs."""
    monkeypatch.setattr(loop, "KEEP_EVERY", 3)
    run, hook = trainer(), Diverges(steps)
    with pytest.raises(mt.DivergenceError, match="made up"):
        run.fit(X, Y, epochs=9, batch_size=8, callbacks=[hook], verbose=False)
    np.testing.assert_array_equal(run.model.state_dict()["0.weight"], hook.kept[restored])
    assert len({array.tobytes() for array in hook.kept}) == steps + 1


def test_the_sizes_of_the_loop() -> None:
    assert (loop.KEEP_EVERY, loop.EVALUATION_ROWS, loop.EVALUATION_NUMBERS) == (50, 256, 33_554_432)


def test_how_many_samples_are_measured_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the outputs of all layers leave room for, at least one and at most 256."""
    model = mt.Sequential(mt.Dense(4), mt.Sequential("tanh", mt.Dense(2)), input_shape=3, seed=0)
    for numbers, rows in ((10 * 256, 256), (10 * 256 - 1, 255), (10**6, 256), (25, 2), (9, 1)):
        monkeypatch.setattr(loop, "EVALUATION_NUMBERS", numbers)
        assert evaluation_rows(model) == rows


def test_inputs_are_copied_only_where_they_must_be() -> None:
    model = trainer().model
    assert as_inputs(model, X, "fit") is X
    for x in (X.astype(np.float32), np.asfortranarray(X), X[:, ::-1]):
        found = as_inputs(model, x, "fit")
        assert (found.dtype, found.flags.c_contiguous) == (np.float64, True)
        np.testing.assert_array_equal(found, x)
    whole = np.ones((4, 3), np.uint8)
    assert as_inputs(model, whole, "fit") is whole  # converted a batch at a time
    assert as_inputs(model, whole, "step").dtype == np.float64
    with pytest.raises(mt.ShapeError, match=r"Sequential.*\(m, 3\).*got.*\(4, 2\)"):
        as_inputs(model, np.ones((4, 2)), "fit")


def test_a_loss_of_an_output_is_a_mean_over_all_batches() -> None:
    measured = OutputLoss(mt.SoftmaxCrossEntropy(ignore_index=0), 1, "kind")
    scores, targets = np.zeros((3, 4)), np.array([1, 0, 3])
    assert measured.name == "kind_loss"
    counts = measured.count((None, scores), (None, targets))
    np.testing.assert_allclose(counts, [2 * math.log(4), 2])
    none = measured.count((None, scores[:0]), (None, targets[:0]))
    np.testing.assert_array_equal(none, [0, 0])
    assert measured.value(counts + none) == pytest.approx(math.log(4))
    assert measured.value(none) == measured.value(np.array(0)) == 0.0


def test_a_list_of_one_loss_is_that_loss() -> None:
    model = trainer().model
    assert isinstance(mt.Trainer(model, ["mse"], "sgd").loss, mt.MeanSquaredError)
    assert isinstance(mt.Trainer(model, {"output": "mse"}, "sgd").loss, mt.MeanSquaredError)


def test_which_output_a_loss_or_a_metric_is_for() -> None:
    a = mt.Input(3)
    graph = mt.Graph(a, [mt.Dense(2).named("kind")(a), mt.Dense(1)(a)], seed=0)
    losses = {"output1": "mse", "kind": "softmax_cross_entropy"}
    found = mt.Trainer(graph, losses, "sgd", loss_weights={"output1": 2, "kind": 3})
    assert repr(found.loss) == "3 SoftmaxCrossEntropy() + 2 MeanSquaredError()"
    assert [metric.name for metric in found.metrics] == ["kind_loss", "output1_loss"]
    measured = mt.Trainer(graph, losses, "sgd", metrics={"output1": ["mae"]}).metrics
    assert [metric.name for metric in measured] == ["kind_loss", "output1_loss", "output1_mae"]
    listed = mt.Trainer(graph, losses, "sgd", metrics=[["accuracy"], []]).metrics
    assert [metric.name for metric in listed] == ["kind_loss", "kind_accuracy", "output1_loss"]
    for wrong, message in (
        ({"loss": "mse"}, r"expected a loss for each of 2 outputs \(kind, output1\), got 'mse'"),
        ({"metrics": ["accuracy", []]}, "expected metrics to be a list for each output"),
        ({"metrics": {"kind": "accuracy"}}, "expected metrics to be a list for each output"),
    ):
        with pytest.raises(mt.ConfigurationError, match=message):
            mt.Trainer(**({"model": graph, "loss": losses, "optimizer": "sgd"} | wrong))  # type: ignore[arg-type]


def test_a_step_needs_weights_that_count() -> None:
    with pytest.raises(mt.DataError, match=r"^fit: sample_weight: expected some greater than 0"):
        trainer().fit(X, Y, sample_weight=np.zeros(40), verbose=False)
    run = trainer()
    before = run.model.state_dict()
    assert run.step(X, Y, np.zeros(40)) == 0.0
    np.testing.assert_array_equal(run.model.state_dict()["0.weight"], before["0.weight"])


def test_names_of_metrics_differ_and_are_shown() -> None:
    run = trainer(metrics=["accuracy", mt.Recall(1)], classes=["no", "yes"])
    plain = f"Trainer({run.model.label}, SoftmaxCrossEntropy(), SGD(learning_rate=0.1)"
    assert repr(trainer()) == f"{plain})"
    shown = "metrics=[Accuracy(), Recall(label=1)], classes=['no', 'yes']"
    assert repr(run) == f"{plain}, {shown})"
    assert run.stop_training is False


@pytest.mark.parametrize(
    ("every", "saved"),
    [
        (None, [(1, 0), (2, 0)]),
        (1, [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0)]),
        (3, [(0, 3), (1, 0), (1, 3), (2, 0)]),
        (5, [(1, 0), (2, 0)]),
    ],
)
def test_when_a_run_is_saved(
    every: int | None, saved: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many steps of an epoch, and after the epoch; (epochs done, steps of the next)."""
    found = list[Any]()

    def save(self: Any, identity: Any, state: Any) -> None:
        found.append((state["epoch"], state["batch"]))

    monkeypatch.setattr(mt.Checkpoint, "save", save)
    each = mt.Checkpoint(tmp_path / "run.npz", every=every)
    trainer().fit(X, Y, epochs=2, batch_size=10, checkpoint=each, verbose=False)
    assert found == saved
