"""Residual connections: a layer's output is added to its input.

The layer then only has to learn the difference, and the gradient can bypass it: dx = dy + the
gradient through the layer.
"""

from __future__ import annotations

from minitorch_np.arrays import Shape
from minitorch_np.core.branches import Add
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ShapeError
from minitorch_np.layers.activations import Identity


class Residual(Add):
    """A residual connection: y = x + f(x), where f calls the layers of `path` one after the other.

    x is (m, *shape), and so is y. If f changes the shape, `shortcut` is a layer that gives x the
    same shape, such as Dense(units) or Conv2D(channels, 1): y = shortcut(x) + f(x). The parameters'
    names begin with "0." for the path and "1." for the shortcut. Raises ShapeError if the two
    shapes differ. Source: He et al. 2015 (arXiv:1512.03385).
    """

    def __init__(self, *path: Layer | str, shortcut: Layer | str | None = None) -> None:
        body = Sequential(*path)
        super().__init__(body, Identity() if shortcut is None else shortcut)
        self.path = body.layers
        self.shortcut = None if shortcut is None else self.layers[1]

    def combined_shape(self, shapes: list[Shape]) -> Shape:
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"Residual: expected a path that gives the shape {shapes[1]} of "
                f"{'its input' if self.shortcut is None else 'the shortcut'}, got {shapes[0]}: "
                "set shortcut=, a layer that brings the input to the path's shape"
            )
        return shapes[0]
