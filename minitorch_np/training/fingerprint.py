"""What identifies a run: what has to be the same for a stopped run to go on."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_np.training.batches import Samples
from minitorch_np.training.loop import Loop

ROWS = 1000
"""About how many samples the checksum of a data set covers."""


def fingerprint(loop: Loop, callbacks: Sequence[object]) -> dict[str, Any]:
    """The model, the settings and the data of a run, in numbers and texts."""
    batches = loop.batches
    owners = loop.model.parameter_owners()
    transform = batches.transform
    return {
        "model": re.sub(r" at 0x[0-9a-f]+", "", repr(loop.model)),
        "frozen": [name for name, layer, _ in owners if layer.frozen],
        "loss": settings(loop.loss),
        "optimizer": settings(loop.optimizer),
        "metrics": [metric.name for metric in loop.metrics],
        "callbacks": [type(callback).__name__ for callback in callbacks],
        "generator": type(loop.rng.bit_generator).__name__,
        "samples": len(batches.samples.x),
        "batch size": batches.size,
        "micro-batch size": batches.micro_size,
        "shuffle": batches.shuffle,
        "transform": transform and getattr(transform, "__name__", type(transform).__name__),
        "data checksum": checksum(batches.samples),
        "validation checksum": loop.held_out and checksum(loop.held_out),
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
