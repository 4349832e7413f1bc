"""A run in a file: stopped anywhere, it goes on as if nothing had happened.

Everything that the rest of a run depends on is written down: parameters and running statistics, the
optimizer's memory and its number of steps, the random generator, where in which epoch the run is
and in which order that epoch takes its samples, what the epoch has added up to so far, the history,
and what callbacks remember. A resumed run therefore ends bit for bit where an uninterrupted one
ends.

The file is an .npz of arrays and one JSON text, without pickle, and complete or not there at all
(see `layers.storage`).
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, MinitorchError, ModelFileError
from minitorch_np.layers.storage import read_state, remove_leftovers, write_state

if TYPE_CHECKING:
    from minitorch_np.training.run import Run

FORMAT = 1
"""Raised whenever an older version of this package could not go on from the file rightly."""

FINGERPRINT_ROWS = 1000
"""About how many samples are looked at to tell one data set from another."""


class Checkpoint:
    """Writes the run to `path` after each epoch, and after every `every` steps if that is given.

    With `resume`, `fit` goes on with the run in `path`; where there is no such file yet, it begins.
    The arguments of `fit`, the model and the data must be those of that run, but for `epochs`;
    `resumed` tells afterwards whether it went on. Without `resume`, a file that exists is an error,
    so that no run is lost.

    Raises ConfigurationError for a file that exists, or one of another run, ModelFileError for one
    that can't be read.
    """

    def __init__(self, path: StrPath, *, every: int | None = None, resume: bool = False) -> None:
        if every is not None and (not isinstance(every, (int, np.integer)) or every < 1):
            raise ConfigurationError(f"Checkpoint: expected every >= 1 or None, got {every!r}")
        self.path, self.every, self.resume = os.fspath(path), every, resume
        self.resumed = False

    def begin(self, run: Run) -> None:
        """Go on with the run in the file, or see that there is none."""
        exists = os.path.exists(self.path)
        if exists and not self.resume:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected a new file, got one that holds a run: set "
                "resume to go on with it, or choose another"
            )
        remove_leftovers(self.path)
        self.resumed = exists
        if exists:
            state = read_state(self.path)
            try:
                self._restore(run, state)
            except ConfigurationError:
                raise
            except (LookupError, TypeError, ValueError, MinitorchError) as error:
                raise ModelFileError(
                    f"checkpoint {self.path}: expected a run written by minitorch_np, got one that "
                    f"is incomplete or of another version ({type(error).__name__}: {error})"
                ) from None

    def after_step(self, run: Run) -> None:
        """Save, if it is time to."""
        if self.every and run.batch % self.every == 0:
            self.save(run)

    def save(self, run: Run) -> None:
        """Write the run as it stands."""
        trainer, totals = run.trainer, run.totals
        write_state(
            self.path,
            {
                "format": FORMAT,
                "run": fingerprint(run),
                "model": trainer.model.state_dict(),
                "optimizer": trainer.optimizer.state_dict(),
                "generator": trainer.rng.bit_generator.state,
                "epoch_began": run.epoch_began,
                "epoch": run.epoch,
                "batch": run.batch,
                "loss": totals.loss,
                "weight": totals.weight,
                "counts": list(totals.counts),
                "history": run.history.history,
                "stopped": trainer.stop_training,
                "callbacks": [hook.state_dict() for hook in run.hooks],
            },
        )

    def _restore(self, run: Run, state: dict[str, Any]) -> None:
        if not 1 <= state["format"] <= FORMAT:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected format {FORMAT} or older, got "
                f"{state['format']}: read it with a newer minitorch_np"
            )
        now, then = fingerprint(run), state["run"]
        differ = [
            f"{key} {then.get(key)!r}, now {now[key]!r}" for key in now if now[key] != then.get(key)
        ]
        if differ:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected the same run as then, got another: "
                f"{'; '.join(differ)}"
            )
        trainer = run.trainer
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.rng.bit_generator.state = state["generator"]
        trainer.stop_training = state["stopped"]
        run.epoch_began, run.epoch, run.batch = state["epoch_began"], state["epoch"], state["batch"]
        run.totals.loss, run.totals.weight = state["loss"], state["weight"]
        run.totals.counts = state["counts"]
        run.history.restore(state["history"])
        for hook, remembered in zip(run.hooks, state["callbacks"], strict=True):
            hook.load_state_dict(remembered)


def fingerprint(run: Run) -> dict[str, Any]:
    """What has to be the same for a run to go on: the model, the settings, the data."""
    trainer, batches = run.trainer, run.batches
    x, y, weights = batches.samples
    step = max(1, len(x) // FINGERPRINT_ROWS)
    data = 0
    for array in (x[::step], y, weights):
        data = data if array is None else zlib.crc32(array.tobytes(), data)
    frozen = [name for name, layer, _ in trainer.model.parameter_owners() if not layer.trainable]
    return {
        "model": repr(trainer.model),
        "frozen": frozen,
        "loss": type(trainer.loss).__name__,
        "optimizer": type(trainer.optimizer).__name__,
        "metrics": [metric.name for metric in trainer.metrics],
        "callbacks": [type(hook).__name__ for hook in run.hooks],
        "samples": len(x),
        "batch size": batches.size,
        "micro-batch size": batches.micro_size,
        "shuffle": batches.shuffle,
        "data checksum": data,
    }
