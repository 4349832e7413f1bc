"""Progress of a run: a bar within an epoch, a line after it.

The bar is tqdm's, where tqdm is installed (extra `progress`) and there is a terminal to draw on.
The lines are always printed.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from minitorch_np.training.trainer import Callback, Trainer
from minitorch_np.validation import require


class Progress(Callback):
    """Prints a line an epoch to `file` (None: standard output), and shows a bar on stderr."""

    def __init__(self, file: TextIO | None = None) -> None:
        writes = file is None or hasattr(file, "write")
        require(writes, self, "a file to write to, or None", file)
        self.file = file
        self._bar: Any = None
        self._silent = False

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        self.epochs, self.batches = epochs, batches

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self._bar = _bar(self.batches, f"epoch {epoch + 1}/{self.epochs}", trainer.run.batch)

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        if self._bar is not None:
            self._bar.close()
        width = len(str(self.epochs))
        shown = "  ".join(f"{name} {number:.4f}" for name, number in numbers.items())
        if self._silent:
            return
        try:  # flushed, so that a log is as far as the training is
            print(f"epoch {epoch + 1:{width}}/{self.epochs}  {shown}", file=self.file, flush=True)
        except BrokenPipeError:  # who reads has gone, as in `train | head`: no reason to stop
            self._silent = True


def _bar(total: int, label: str, done: int) -> Any:
    """A bar that goes when it is full, or None where there is nothing to draw it with or on."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=label, initial=done, leave=False)
