"""The layers inside a layer, and the inputs that each of them receives in a call."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, each
from minitorch_np.core.layer import Layer
from minitorch_np.gradcheck.packed import as_one, pack
from minitorch_np.gradcheck.targets import LayerTarget


def calls_inside(layer: Layer, x: Array, seed: int) -> Iterator[tuple[str, Layer, Array]]:
    """Every layer inside, with its path and the inputs that it receives; the innermost first."""
    traced = copy.deepcopy(layer)
    seen: dict[str, Array] = {}
    inside = dict(paths(traced))
    for path, part in inside.items():
        _record(part, path, seen)
    try:
        LayerTarget(traced, x.copy(), seed=seed).value()
    except Exception:  # reported by the check of the whole
        return
    for path, part in paths(layer):
        if path in seen and part.built:
            yield path, as_one(part), seen[path]


def paths(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """Every layer inside and its path, such as "1.0", the innermost first."""
    for name, part in layer.sublayers().items():
        yield from paths(part, f"{prefix}{name}.")
        yield f"{prefix}{name}", part


def _record(part: Layer, path: str, seen: dict[str, Array]) -> None:
    """Make a layer (of a copy) store the first batch that it receives."""
    forward = part.forward

    def recording(x: Any, **options: Any) -> Any:
        seen.setdefault(path, pack(each(np.array, x)))
        return forward(x, **options)

    setattr(part, "forward", recording)
