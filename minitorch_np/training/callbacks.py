"""Hooks into training: what to do when it begins, after a batch, after an epoch, when it ends.

The hooks are Keras'. A callback of the reader's own overrides those that it needs; the others cost
nothing, for a hook that is not overridden is not called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minitorch_np.training.trainer import Trainer


class Callback:
    """The contract of all callbacks: every hook does nothing until it is overridden."""

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        """Before the first epoch; `batches` is the number of steps an epoch."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        """After a step, with the batch's mean loss as it was before the step."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        """After an epoch and its validation, with what goes into the history; may add to it."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch; not called where training was stopped by an error."""

    def state_dict(self) -> dict[str, Any]:
        """What it remembers of the run, for a checkpoint: numbers, texts, arrays, lists and
        dictionaries of these."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set that again, in a run that is resumed: after on_train_begin, before anything else."""
