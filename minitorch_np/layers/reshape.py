"""The same numbers in another shape: from images to rows of features, and back.

Nothing is computed, and usually nothing is copied: the output is a view of the input.
"""

from __future__ import annotations

import math

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.validation import is_whole, require


class Reshape(Layer):
    """Each sample in another shape: (m, *input_shape) to (m, *shape).

    One size in `shape` may be -1: whatever is left. dx is dy in the shape of x. Raises
    ConfigurationError for invalid sizes, ShapeError where the number of entries differs.
    """

    keeps_values = True
    keeps_steps = False

    def __init__(self, shape: Shape) -> None:
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        right = all(is_whole(n) and (n >= 1 or n == -1) for n in sizes) and sizes.count(-1) < 2
        expected = "the shape of one sample, of sizes of at least 1 and at most one -1"
        require(right, self, expected, shape)
        self.shape = tuple(int(n) for n in sizes)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        entries, known = math.prod(input_shape), abs(math.prod(self.shape))
        if entries % known or (-1 not in self.shape and entries != known):
            raise ShapeError(
                f"{self!r}: expected samples of {known} entries"
                f"{' or a multiple' if -1 in self.shape else ''}, got {entries}, "
                f"of shape {input_shape}"
            )
        return tuple(entries // known if n == -1 else n for n in self.shape)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return x.reshape(len(x), *self.output_shape), x.shape

    def backward(self, dy: Array, cache: Shape, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (cache[0], *self.output_shape))
        return dy.reshape(cache), {}


class Flatten(Reshape):
    """Each sample as one row of features: (m, channels, height, width) to (m, features).

    dx is dy in the shape of x.
    """

    def __init__(self) -> None:
        super().__init__((-1,))
