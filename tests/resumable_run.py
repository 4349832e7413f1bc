"""A real training run with all that has a state, for a process that is killed: see test_checkpoint.

python resumable_run.py CHECKPOINT OUT [KIND]
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt


class Thaws(mt.Callback):
    """Freezes and frees layers at some steps, in the middle of epochs."""

    def __init__(self) -> None:
        self.steps = 0

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.steps += 1
        if self.steps % 29 == 0:
            layer = trainer.model[self.steps % 2]
            layer.trainable = not layer.trainable

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state: Any) -> None:
        self.steps = state["steps"]


def digits() -> Any:
    """Inputs and labels."""
    part = mt.data.load_mnist().train.take(slice(800))
    return part.features(), part.labels


def plain() -> tuple[mt.Trainer, dict[str, Any]]:
    """Arrays in memory, augmented."""
    x, y = digits()
    model = mt.Sequential(
        mt.Dense(16),
        mt.BatchNorm(),
        "silu",
        mt.Dropout(0.2),
        mt.Dense(10),
        input_shape=784,
        seed=0,
    )
    trainer = mt.Trainer(
        model,
        mt.SoftmaxCrossEntropy(label_smoothing=0.1),
        mt.AdamW(mt.schedules.warmup(20, mt.schedules.cosine(0.01, 400))),
        metrics=[mt.Accuracy(), mt.F1()],
        seed=0,
    )
    more = {"x": x, "y": y, "batch_size": 32, "validation_split": 0.1}
    stopping = mt.EarlyStopping("val_accuracy", patience=20)
    return trainer, more | {"transform": mt.data.Shift(1), "callbacks": [Thaws(), stopping]}


def stateful() -> tuple[mt.Trainer, dict[str, Any]]:
    """Sequences whose state is carried from batch to batch."""
    ids = np.arange(4001) ** 2 % 11
    batches = list(mt.data.TextWindows(ids, 10).streams(8))
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    layers = [mt.Embedding(11, 6), mt.Dropout(0.1), mt.LSTM(12, return_sequences=True)]
    model = mt.Sequential(*layers, mt.Dense(11), input_shape=10, seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "adam(0.01)", metrics=["accuracy"], seed=0)
    more = {"x": x, "y": y, "batch_size": 8, "stateful": True, "shuffle": False}
    plateau = mt.ReduceLROnPlateau("loss", patience=1)
    return trainer, more | {"callbacks": [Thaws(), plateau]}


def several() -> tuple[mt.Trainer, dict[str, Any]]:
    """Two inputs and two losses, from batches that a function makes."""
    x, y = digits()
    left, right = mt.Input(392, name="left"), mt.Input(392, name="right")
    both = mt.Concatenate()(mt.Dense(8)(left), mt.Dense(8)(right))
    ends = [mt.Dense(10).named("digit")(both), mt.Dense(1).named("ink")(both)]
    losses = ["softmax_cross_entropy", "mean_squared_error"]
    trainer = mt.Trainer(
        mt.Graph([left, right], ends, seed=0), losses, "lion(0.001)", loss_weights=[1, 3], seed=0
    )

    def batches(epoch: int) -> Any:
        order = np.random.default_rng([3, epoch]).permutation(len(x))
        for rows in np.array_split(order, 25):
            yield (x[rows, :392], x[rows, 392:]), (y[rows], x[rows].mean(1, keepdims=True))

    return trainer, {"x": batches, "steps_per_epoch": 25, "callbacks": [Thaws()]}


def mapped() -> tuple[mt.Trainer, dict[str, Any]]:
    """Pixels in a memory-mapped file, mixed in windows, read ahead."""
    part = mt.data.load_mnist().train.take(slice(800))
    path = Path(tempfile.gettempdir()) / f"minitorch_np_pixels_{os.getpid()}.npy"
    np.save(path, part.images.reshape(800, 784))
    x = np.load(path, mmap_mode="r")
    path.unlink()  # what is mapped stays
    layers: list[Any] = [mt.Dense(16), "relu", mt.Dropout(0.2), mt.Dense(10)]
    model = mt.Sequential(*layers, input_shape=784, seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "rmsprop(0.002)", seed=0)
    more = {"x": x, "y": part.labels, "scale": 1 / 255, "shuffle_window": 200, "batch_size": 32}
    return trainer, more | {"validation_split": 0.1, "callbacks": [Thaws()]}


RUNS = {run.__name__: run for run in (plain, stateful, several, mapped)}


def main(checkpoint: str, out: str, kind: str = "plain") -> None:
    """Train, or go on training, and save the model and the history."""
    trainer, given = RUNS[kind]()
    log = mt.CSVLogger(Path(out).with_suffix(".csv"))
    given["callbacks"] += [mt.LearningRateLogger(), log]
    saved = mt.Checkpoint(checkpoint, every=3, resume=True)
    history = trainer.fit(epochs=8, checkpoint=saved, **given)
    trainer.model.save(out)
    Path(out).with_suffix(".txt").write_text(repr(history.history))


if __name__ == "__main__":
    main(*sys.argv[1:])
