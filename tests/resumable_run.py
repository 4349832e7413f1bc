"""A real training run with all that has a state, for a process that is killed: see test_checkpoint.

python resumable_run.py CHECKPOINT OUT
"""

import sys
from pathlib import Path
from typing import Any

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


def main(checkpoint: str, out: str) -> None:
    """Train, or go on training, and save the model and the history."""
    part = mt.data.load_mnist().train.take(slice(800))
    x, y = part.features(), part.labels
    schedules = mt.schedules
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
        mt.AdamW(schedules.warmup(20, schedules.cosine(0.01, 400))),
        metrics=[mt.Accuracy(), mt.F1()],
        seed=0,
    )
    history = trainer.fit(
        x,
        y,
        epochs=8,
        batch_size=32,
        validation_split=0.1,
        transform=mt.data.Shift(1),
        callbacks=[
            Thaws(),
            mt.EarlyStopping("val_accuracy", patience=20),
            mt.LearningRateLogger(),
            mt.CSVLogger(Path(out).with_suffix(".csv")),
        ],
        checkpoint=mt.Checkpoint(checkpoint, every=3, resume=True),
    )
    model.save(out)
    Path(out).with_suffix(".txt").write_text(repr(history.history))


if __name__ == "__main__":
    main(*sys.argv[1:])
