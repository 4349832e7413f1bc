"""What layers require of the arrays that they are given."""

from __future__ import annotations

from minitorch_np.arrays import Array, Shape
from minitorch_np.errors import ShapeError
from minitorch_np.layers.base import Layer


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
