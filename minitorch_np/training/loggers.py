"""Callbacks that write down what happens."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from minitorch_np.training.callbacks import Callback

if TYPE_CHECKING:
    from minitorch_np.training.trainer import Trainer


class CSVLogger(Callback):
    """Writes a line an epoch to the CSV file `path`: the epoch, counted from 0 as in Keras, and its
    numbers.

    A file that exists is written anew, or with `append` gone on with. A resumed run keeps the lines
    of the epochs that it has done.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self.path, self.append = Path(path), append

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        done = trainer.run.epoch
        if done and self.path.exists() and not self.append:
            lines = self.path.read_text().splitlines(keepends=True)
            self.path.write_text("".join(lines[: 1 + done]))
        elif not self.append:
            self.path.write_text("")
        else:
            self.path.touch()

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow(["epoch", *numbers])
            writer.writerow([epoch, *numbers.values()])


class LearningRateLogger(Callback):
    """Adds "learning_rate" to the history: the rate of each epoch's last step.

    Callbacks that stand after it in the list see it too.
    """

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        numbers["learning_rate"] = trainer.optimizer.last_rate
