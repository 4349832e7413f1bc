"""Callbacks: the hooks that `fit` calls between steps and epochs, and the progress display.

A callback is called as training progresses, and may act on it: stop training, lower the learning
rate, write a file. `Callback` lists the hooks.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from minitorch_np.signature import Described
from minitorch_np.text import decimal, wrapped
from minitorch_np.training.display import bar, in_notebook, is_watched
from minitorch_np.validation import require


class Callback(Described):
    """The contract of all callbacks. The hooks are Keras'; each does nothing until overridden.

    `trainer` is the Trainer whose `fit` calls them.
    """

    shows_progress: bool = False
    """Whether it shows the run's progress, so that `fit` adds no display of its own."""

    only_first_rank: bool = False
    """Whether it only writes or shows something, and is called on the first of several ranks."""

    def on_train_begin(self, trainer: Any, epochs: int, batches: int) -> None:
        """Before the first epoch; `batches` is the number of steps per epoch."""

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        """After a step, with the batch's mean loss as it was before the step."""

    def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
        """After an epoch and its validation; `numbers` go into the history and may be added to."""

    def on_train_end(self, trainer: Any) -> None:
        """After the last epoch; not called if an error stopped training."""

    def state_dict(self) -> dict[str, Any]:
        """The callback's state, for a checkpoint: numbers, strings, arrays, lists and dictionaries
        of these.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state in a resumed run; called right after on_train_begin."""


class Progress(Callback):
    """Prints a line per epoch to `file` (None: standard output) and shows a bar during the epoch.

    The bar needs tqdm (extra `progress`) and a terminal or a notebook. `fit` adds this callback by
    itself in a terminal or a notebook.
    """

    shows_progress = only_first_rank = True

    def __init__(self, file: TextIO | None = None) -> None:
        writes = file is None or hasattr(file, "write")
        require(writes, self, "a file to write to, or None", file)
        self.file = file
        self._bar: Any = None
        self._silent = False

    def on_train_begin(self, trainer: Any, epochs: int, batches: int) -> None:
        self._epochs, self._batches = epochs, batches

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        self._bar = bar(self._batches, f"epoch {epoch + 1}/{self._epochs}", trainer.run.batch)

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
        self.close()
        shown = "  ".join(f"{name} {decimal(number)}" for name, number in numbers.items())
        if self._silent:
            return
        line = f"epoch {epoch + 1:{len(str(self._epochs))}}/{self._epochs}  {shown}"
        try:  # flushed, so that a log keeps up with the training
            print(wrapped(line) if self.file is None else line, file=self.file, flush=True)
        except BrokenPipeError:  # the reader is gone, as in `train | head`
            self._silent = True

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def progress(verbose: bool | int | None, hooks: Sequence[Callback]) -> list[Progress]:
    """The callback that shows progress, if any: none if there is no terminal or notebook, or if one
    of `hooks` shows it already.

    Raises ConfigurationError for another `verbose`.
    """
    if verbose is not None:  # numbers are Keras' way
        right = isinstance(verbose, (int, np.bool_)) and verbose in (0, 1, 2)
        require(right, "fit", "verbose to be True, False or None", verbose)
        return [Progress()] if verbose else []
    if not is_watched() or any(hook.shows_progress for hook in hooks):
        return []
    return [Progress(sys.stdout if in_notebook() else sys.stderr)]
