"""What tells one run from another: what has to be the same for a stopped run to go on."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minitorch_np.training.batches import Samples
    from minitorch_np.training.run import Run

ROWS = 1000
"""About how many samples are looked at to tell one data set from another."""


def fingerprint(run: Run) -> dict[str, Any]:
    """The model, the settings and the data of a run, in numbers and texts."""
    trainer, batches = run.trainer, run.batches
    frozen = [name for name, layer, _ in trainer.model.parameter_owners() if not layer.trainable]
    transform = batches.transform
    return {
        "model": re.sub(r" at 0x[0-9a-f]+", "", repr(trainer.model)),
        "frozen": frozen,
        "loss": settings(trainer.loss),
        "optimizer": settings(trainer.optimizer),
        "metrics": [metric.name for metric in trainer.metrics],
        "callbacks": [type(hook).__name__ for hook in run.hooks],
        "generator": type(trainer.rng.bit_generator).__name__,
        "samples": len(batches.samples.x),
        "batch size": batches.size,
        "micro-batch size": batches.micro_size,
        "shuffle": batches.shuffle,
        "transform": transform and getattr(transform, "__name__", type(transform).__name__),
        "data checksum": checksum(batches.samples),
        "validation checksum": run.held_out and checksum(run.held_out),
    }


def settings(thing: object) -> str:
    """The class of a loss or optimizer, and those of its settings that are numbers or texts."""
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in sorted(vars(thing).items())
        if not name.startswith("_")
        and name not in ("steps", "age", "last_rate", "state")
        and isinstance(value, (bool, int, float, str, np.ndarray, type(None)))
    }
    return (
        f"{type(thing).__name__}({', '.join(f'{name}={value!r}' for name, value in plain.items())})"
    )


def checksum(samples: Samples) -> int:
    """Of some of the inputs and all of the targets."""
    x, y, weights = samples
    found = 0
    for array in (x[:: max(1, len(x) // ROWS)], y, weights):
        found = found if array is None else zlib.crc32(array.tobytes(), found)
    return found
