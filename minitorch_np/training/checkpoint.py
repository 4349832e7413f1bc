"""Saves a run to a file, from which it can be resumed as if it had never stopped.

Everything that the rest of a run depends on is saved: parameters and running statistics, which
layers are frozen, the optimizer's state and number of steps, the random generator, the epoch and
the step, the order of that epoch's samples, the sums of the epoch so far, the history, and the
state of the callbacks. A resumed run therefore gives the same result, bit for bit, as an
uninterrupted one.

The file is an .npz of arrays and one JSON text, without pickle, and is written completely or not at
all.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, ModelFileError
from minitorch_np.io.arrays import in_words, read_state, write_state
from minitorch_np.io.atomic import remove_leftovers
from minitorch_np.signature import Described
from minitorch_np.text import excerpt
from minitorch_np.training.fingerprint import versions
from minitorch_np.validation import (
    LARGEST,
    flag,
    instances,
    is_number,
    number,
    require,
    whole,
)
from minitorch_np.validation import path as checked_path

FORMAT = 3
"""Increment when older versions of this package can't resume from the file correctly."""

IN_OLD_FILES = frozenset(
    {"samples", "batch size", "micro-batch size", "shuffle", "generator", "frozen"}
)
"""The entries that files of format 2 or older record in today's form."""


class Checkpoint(Described):
    """Saves the run to `path` after each epoch, and after every `every` steps if that is given.

    With `resume`, `fit` continues the run in `path`, or starts one if the file does not exist. The
    arguments of `fit`, the model and the data must be those of that run, except for `epochs`.
    Afterwards `resumed` says whether a run was continued. Without `resume`, an existing file is an
    error, so that no run is lost.

    Raises ConfigurationError if the file exists and `resume` is not set, or if it belongs to
    another run, ModelFileError if it can't be read.
    """

    def __init__(self, path: StrPath, *, every: int | None = None, resume: bool = False) -> None:
        self.path = checked_path(self, "path", path)
        self.every = None if every is None else whole(self, "every", every)
        self.resume = flag(self, "resume", resume)
        self.resumed = False

    def begin(
        self, run: Mapping[str, Any], epochs: int, load: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Call `load` with the state in the file; if there is none, check that one can be written.

        `run` identifies this run, see `fingerprint`. Raises as the class says.
        """
        exists = os.path.exists(self.path)
        if exists and not self.resume:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected a new file, got one that holds a run: set "
                "resume to continue it, or choose another file"
            )
        folder = os.path.dirname(os.path.realpath(self.path))
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):  # checked now, before any training could be lost
            raise ConfigurationError(
                f"checkpoint {self.path}: expected a writable folder, got {folder}"
            )
        remove_leftovers(self.path)
        self.resumed = exists
        if not exists:
            return
        state = read_state(self.path)
        try:
            self._require_same(run, epochs, state)
            _require_form(state)
            load(state)
        except ConfigurationError:
            raise
        except Exception as error:  # the file's content can be anything
            raise ModelFileError(
                f"checkpoint {self.path}: expected a run written by minitorch_np, got one that is "
                f"incomplete or of another version ({in_words(error)}): move it away to start again"
            ) from None
        written, now = state.get("versions", "an older version of minitorch_np"), versions()
        if repr(written) != repr(now):
            warnings.warn(
                f"checkpoint {self.path}: expected the versions that wrote it, "
                f"{excerpt(written, 200)}, got {now}: the run continues, but the result may not be "
                "the same bit for bit",
                stacklevel=2,
            )

    def save(self, run: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write the state of a run to the file."""
        head = {"format": FORMAT, "versions": versions(), "run": run}
        write_state(self.path, {**head, **state})

    def _require_same(self, run: Mapping[str, Any], epochs: int, state: Mapping[str, Any]) -> None:
        """Raise ConfigurationError unless the file holds this run and it can be continued."""
        if not 1 <= state["format"] <= FORMAT:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected format {FORMAT} or older, got "
                f"{state['format']}: read it with a newer minitorch_np"
            )
        then = state["run"]
        compared = run.keys() if state["format"] == FORMAT else run.keys() & IN_OLD_FILES
        if None in (run.get("seed"), then.get("seed")):  # any start is replaced by the file's state
            compared = compared - {"seed"}
        differ = [_difference(k, then.get(k), run[k]) for k in compared if run[k] != then.get(k)]
        if differ:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected the same run, got another: {'; '.join(differ)}"
            )
        if state["epoch"] > epochs:
            raise ConfigurationError(
                f"checkpoint {self.path}: expected epochs of at least {state['epoch']}, which are "
                f"done, got {epochs}"
            )


def _require_form(state: Mapping[str, Any]) -> None:
    """Raise ValueError unless the state has every entry a loop needs, in the right form."""
    try:
        epochs = whole("state", "epoch", state["epoch"], 0)
        whole("state", "batch", state["batch"], 0)
        for name, least in {"loss": -LARGEST, "weight": 0}.items():
            number("state", name, state[name], least)
        for name, column in state["history"].items():
            require(len(column) <= epochs and all(map(is_number, column)), name, "numbers", column)
        counts, metrics = state["counts"], len(state["run"]["metrics"])
        right = all(isinstance(count, (np.ndarray, int, float)) for count in counts)
        right = right and len(counts) == metrics
        require(right, "state", f"counts of {metrics} metrics", counts)
        flag("state", "stopped", state["stopped"])
        instances("state", "callbacks", state["callbacks"], dict)
        instances("state", "frozen", state.get("frozen", []), bool)  # not in format 1
    except ConfigurationError as error:
        raise ValueError(error) from None


def _difference(name: str, then: object, now: object) -> str:
    """Both values as text, cut to begin shortly before they differ."""
    texts = [repr(then), repr(now)]
    same = next((n for n, pair in enumerate(zip(*texts, strict=False)) if len(set(pair)) > 1), 0)
    if same > 80:
        texts = [f"{text[:24]}...{text[same - 40 :]}" for text in texts]
    shown = [excerpt(text, 160) for text in texts]
    return f"{name} {shown[0]}, now {shown[1]}"
