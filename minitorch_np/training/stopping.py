"""Callbacks that watch one number: to stop early, save the best model, lower the rate."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from minitorch_np.arrays import Array, StrPath
from minitorch_np.errors import ConfigurationError
from minitorch_np.training.callback import Callback
from minitorch_np.training.history import smaller_is_better
from minitorch_np.training.trainer import Trainer
from minitorch_np.validation import choice, flag, instance, number, require, whole
from minitorch_np.validation import path as checked_path


class Monitor(Callback):
    """A callback that watches the number `monitor`, such as "val_loss".

    `mode` is "min" if smaller is better, "max" if larger is better; "auto" chooses "min" for losses
    and errors and "max" for accuracies, precision, recall, F1, AUC and R2. An improvement of
    `min_delta` or less does not count. Raises ConfigurationError for another mode, or for a number
    that the run does not measure.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        self.monitor = instance(self, "monitor", monitor, str)
        self.mode = choice(self, "mode", mode, ("auto", "min", "max"))
        self.min_delta = number(self, "min_delta", min_delta, 0)
        self.best: float | None = None
        if mode == "auto":
            smaller = smaller_is_better(monitor)
            if smaller is None:
                raise ConfigurationError(
                    f"monitor {monitor!r}: expected mode 'min' or 'max' with it, since its name "
                    "does not say which is better"
                )
            self.smaller = smaller
        else:
            self.smaller = mode == "min"

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        columns = trainer.run.columns
        if self.monitor not in columns:
            raise ConfigurationError(
                f"{type(self).__name__}: expected monitor to be one of {', '.join(columns)}, got "
                f"{self.monitor!r}: is there no validation_data, or no such metric?"
            )
        self.best = None

    def improved(self, numbers: Mapping[str, float]) -> bool:
        """Whether this epoch's number is the best so far; if so, remembers it."""
        number = numbers[self.monitor]
        if math.isnan(number):
            return False
        gain = math.inf
        if self.best is not None:
            gain = self.best - number if self.smaller else number - self.best
        if gain > self.min_delta:
            self.best = number
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]


class EarlyStopping(Monitor):
    """Stops when `monitor` has not improved for `patience` epochs (at least one), as in Keras.

    With `restore_best` the model ends with the parameters and running statistics of its best epoch,
    even if training was not stopped early. `best_epoch` is that epoch, counted from 0. Raises as
    Monitor, and ConfigurationError unless patience >= 0.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        *,
        mode: str = "auto",
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole(self, "patience", patience, 0)
        self.restore_best = flag(self, "restore_best", restore_best)
        self.best_epoch, self.best_state = 0, dict[str, Array]()

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        super().on_train_begin(trainer, epochs, batches)
        self.best_epoch, self.best_state = 0, {}

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        if self.improved(numbers):
            self.best_epoch = epoch
            self.best_state = trainer.model.state_dict() if self.restore_best else {}
        elif epoch - self.best_epoch >= max(1, self.patience):
            trainer.stop_training = True

    def on_train_end(self, trainer: Trainer) -> None:
        if self.best_state:
            trainer.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        own = {"best_epoch": self.best_epoch, "best_state": self.best_state}
        return super().state_dict() | own

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.best_epoch, self.best_state = state["best_epoch"], state["best_state"]


class ModelCheckpoint(Monitor):
    """Saves the model to `path` after each epoch, as in Keras.

    With `save_best_only`, only after epochs in which `monitor` improved. `path` may contain the
    epoch, counted from 1, and numbers: "digits-{epoch:02d}-{val_loss:.3f}.npz". The file holds a
    model, to be loaded with Sequential.load; to resume a run, use Checkpoint. Raises as Monitor,
    and ConfigurationError for a path that contains other names.
    """

    only_first_rank = True

    def __init__(
        self,
        path: StrPath,
        monitor: str = "val_loss",
        *,
        save_best_only: bool = False,
        mode: str = "auto",
        min_delta: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.path = checked_path(self, "path", path)
        self.save_best_only = flag(self, "save_best_only", save_best_only)

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        if self.save_best_only:
            super().on_train_begin(trainer, epochs, batches)
        else:
            self.best = None

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        if self.save_best_only and not self.improved(numbers):
            return
        try:
            path = self.path.format(epoch=epoch + 1, **numbers)
        except (LookupError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"ModelCheckpoint: expected a path that names epoch and {', '.join(numbers)} only, "
                f"got {self.path!r} ({type(error).__name__}: {error})"
            ) from None
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        trainer.model.save(path)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when `monitor` has stopped improving, as in Keras.

    It has stopped improving after `patience` epochs without improvement. The rate does not fall
    below `min_rate`, and the optimizer keeps it when `fit` ends. Raises ConfigurationError for
    numbers out of range, and for an optimizer whose rate follows a schedule; and as Monitor.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: str = "auto",
        min_delta: float = 1e-4,
        min_rate: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = number(self, "factor", factor, above=0, below=1)
        self.patience = whole(self, "patience", patience, 0)
        self.min_rate = number(self, "min_rate", min_rate, 0)
        self.waited = 0

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        super().on_train_begin(trainer, epochs, batches)
        rate = trainer.optimizer.learning_rate
        expected = "an optimizer whose learning_rate is a number, not a schedule"
        require(not callable(rate), self, expected, rate)
        self.waited = 0

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.waited = 0 if self.improved(numbers) else self.waited + 1
        rate = trainer.optimizer.learning_rate
        if self.waited >= max(1, self.patience) and not callable(rate):
            lower = max(rate * self.factor, self.min_rate)
            trainer.optimizer.learning_rate, self.waited = float(min(rate, lower)), 0

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited = state["waited"]
