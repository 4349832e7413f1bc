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
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, MinitorchError, ModelFileError
from minitorch_np.layers.storage import read_state, remove_leftovers, write_state

if TYPE_CHECKING:
    from minitorch_np.training.run import Run

FORMAT = 1
"""Raised whenever an older version of this package could not go on from the file rightly."""


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
        """Go on with the run in the file, or see that there is none, and that one can be
        written.
        """
        exists = os.path.exists(self.path)
        if exists and not self.resume:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected a new file, got one that holds a run: set "
                "resume to go on with it, or choose another"
            )
        folder = os.path.dirname(os.path.realpath(self.path))
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):  # before anything is trained that could then be lost
            raise ConfigurationError(
                f"checkpoint {self.path}: expected a folder that can be written to, got {folder}"
            )
        remove_leftovers(self.path)
        self.resumed = exists
        self._remembered: list[Any] = []
        if exists:
            state, before = read_state(self.path), run.good
            try:
                self._restore(run, state)
                run.good.take()
            except ConfigurationError:
                raise
            except (LookupError, TypeError, ValueError, MinitorchError) as error:
                before.restore()
                raise ModelFileError(
                    f"checkpoint {self.path}: expected a run written by minitorch_np, got one that "
                    f"is incomplete or of another version ({type(error).__name__}: {error}): "
                    "move it away to begin anew"
                ) from None

    def begin_callbacks(self, run: Run) -> None:
        """Give callbacks back what they remembered, now that they have begun."""
        for hook, remembered in zip(run.hooks, self._remembered, strict=False):
            hook.load_state_dict(remembered)

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
                "run": run.fingerprint,
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
        now, then = run.fingerprint, state["run"]
        differ = [
            f"{key} {then.get(key)!r}, now {now[key]!r}" for key in now if now[key] != then.get(key)
        ]
        if differ:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected the same run as then, got another: "
                f"{'; '.join(differ)}"
            )
        if state["epoch"] > run.epochs:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected epochs of at least {state['epoch']}, which are "
                f"done, got {run.epochs}"
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
        self._remembered = state["callbacks"]
