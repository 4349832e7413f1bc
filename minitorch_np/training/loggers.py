"""Callbacks that record a run."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import Any

from minitorch_np.arrays import StrPath
from minitorch_np.training.callback import Callback
from minitorch_np.training.trainer import Trainer
from minitorch_np.validation import flag
from minitorch_np.validation import path as checked_path


class CSVLogger(Callback):
    """Writes a line per epoch to the CSV file `path`: the epoch, counted from 0 as in Keras, and
    its numbers.

    An existing file is overwritten, or continued with `append`. A resumed run keeps the lines of
    completed epochs.
    """

    only_first_rank = True

    def __init__(self, path: StrPath, append: bool = False) -> None:
        self.path, self.append = checked_path(self, "path", path), flag(self, "append", append)

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        self._done, self._begun = trainer.run.epoch, 0
        if self.append and os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self._begun = len(file.readlines())
        elif not self._done:
            with open(self.path, "w"):
                pass

    def state_dict(self) -> dict[str, Any]:
        return {"begun": self._begun}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        # Keep the lines of completed epochs and cut off the rest in one system call: if the process
        # is killed before or after it, no line is lost.
        self._begun = state["begun"]
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                kept = file.readlines()[: (self._begun or 1) + self._done]
            os.truncate(self.path, sum(map(len, kept)))

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        with open(self.path, "a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow(["epoch", *numbers])
            writer.writerow([epoch, *numbers.values()])


class LearningRateLogger(Callback):
    """Adds "learning_rate" to the history: the rate of each epoch's last step.

    Callbacks after it in the list see the number too.
    """

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        numbers["learning_rate"] = trainer.optimizer.last_rate
