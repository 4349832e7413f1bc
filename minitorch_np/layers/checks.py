"""What layers, losses and optimizers ask of their arguments, and how they say what is wrong."""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, Shape
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.layers.base import Layer


def positive(layer: object, name: str, number: int) -> int:
    """`number`, if it is a whole number of at least 1; ConfigurationError if it is not."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ConfigurationError(
            f"{_label(layer)}: expected {name} to be a whole number of at least 1, got {number!r}"
        )
    return int(number)


def _label(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def number_between(layer: object, name: str, value: float, least: float, most: float) -> float:
    """`value`, if it is a number from `least` to `most`; ConfigurationError if it is not."""
    real = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not real or not least <= float(value) <= most:
        limits = f"from {least:g} to {most:g}"
        if most > 1e300:
            limits = f"greater than {least:.1g}" if 0 < least < 1e-300 else f"of at least {least:g}"
            limits = "of any size" if least < -1e300 else limits.replace("5e-324", "0")
        raise ConfigurationError(
            f"{type(layer).__name__}: expected {name} to be a finite number {limits}, got {value!r}"
        )
    return float(value)


def require_input(layer: Layer, x: Array) -> None:
    """Raise ShapeError unless x is a batch of what the layer was built for."""
    layer.require_built()
    if x.shape[1:] != layer.input_shape or not x.ndim:
        sizes = "".join(f", {n}" for n in layer.input_shape)
        raise ShapeError(f"{layer!r}: expected x of shape (m{sizes}), got {x.shape}")


def require_gradient(layer: Layer, dy: Array, shape: Shape) -> None:
    """Raise ShapeError unless dy has the shape of the outputs."""
    if dy.shape != shape:
        raise ShapeError(
            f"{layer.label}.backward: expected dy of shape {shape}, as the outputs, got {dy.shape}"
        )
