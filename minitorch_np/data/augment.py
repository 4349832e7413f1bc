"""Data augmentation: images are shifted or rotated a little, at random for each batch.

A shifted three is still a three, and a network that has seen it shifted depends less on position.
These are batch transforms: `trainer.fit(..., transform=Shift(2))` changes each training batch, but
not the data itself, nor validation and test data.
"""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.errors import ShapeError
from minitorch_np.signature import Explained
from minitorch_np.validation import is_whole, number, require, whole


class ImageTransform(metaclass=Explained):
    """Moves the pixels of each image of a batch; pixels from outside the image are `fill`.

    A batch is (m, channels, height, width), (m, height, width), or (m, features) with the
    `image_shape` (height, width), by default a square. Subclasses define `positions`. Raises
    ShapeError for a batch that is not of images.
    """

    def __init__(self, image_shape: Shape | None = None, fill: float = 0.0) -> None:
        right = isinstance(image_shape, (tuple, list)) and len(image_shape) == 2
        right = right and all(is_whole(side) and side > 0 for side in image_shape or ())
        require(right or image_shape is None, self, "image_shape (height, width)", image_shape)
        self.image_shape, self.fill = image_shape, number(self, "fill", fill)

    def positions(self, m: int, rows: Array, columns: Array, rng: Generator) -> tuple[Array, Array]:
        """The source row and column of each pixel of m images, both broadcastable to (m, height,
        width), and not necessarily whole numbers.

        `rows` (height, 1) and `columns` (1, width) are the pixels' own, counted from the centre.
        """
        raise NotImplementedError

    def __call__(self, x: Array, rng: Generator) -> Array:
        """The transformed batch, a new array of the same shape and dtype."""
        height, width = self._image_shape(x)
        images = x.reshape(len(x), -1, height, width)
        middle = np.array([(height - 1) / 2, (width - 1) / 2])
        rows = np.arange(height)[:, np.newaxis] - middle[0]
        columns = np.arange(width)[np.newaxis, :] - middle[1]
        top, left = self.positions(len(x), rows, columns, rng)
        moved = _sampled(images, top + middle[0], left + middle[1], self.fill)
        return moved.reshape(x.shape).astype(x.dtype, copy=False)

    def _image_shape(self, x: Array) -> tuple[int, int]:
        if x.ndim in (3, 4):
            return x.shape[-2], x.shape[-1]
        features = x.shape[-1]
        side = math.isqrt(features)
        height, width = self.image_shape or (side, side)
        if x.ndim != 2 or height * width != features:
            raise ShapeError(
                f"{type(self).__name__}: expected images, (m, channels, height, width), or rows of "
                f"{height * width} pixels, got shape {x.shape}: set image_shape=(height, width)"
            )
        return height, width


class Shift(ImageTransform):
    """Shifts each image by a whole number of pixels, from -pixels to pixels, in both directions."""

    def __init__(
        self, pixels: int = 2, image_shape: Shape | None = None, fill: float = 0.0
    ) -> None:
        super().__init__(image_shape, fill)
        self.pixels = whole(self, "pixels", pixels, 0)

    def positions(self, m: int, rows: Array, columns: Array, rng: Generator) -> tuple[Array, Array]:
        down, right = rng.integers(-self.pixels, self.pixels, (2, m, 1, 1), endpoint=True)
        return rows - down, columns - right


class Rotate(ImageTransform):
    """Rotates each image about its centre by -degrees to degrees, counter-clockwise, with bilinear
    interpolation.
    """

    def __init__(
        self, degrees: float = 10.0, image_shape: Shape | None = None, fill: float = 0.0
    ) -> None:
        super().__init__(image_shape, fill)
        self.degrees = number(self, "degrees", degrees, 0)

    def positions(self, m: int, rows: Array, columns: Array, rng: Generator) -> tuple[Array, Array]:
        angles = np.radians(rng.uniform(-self.degrees, self.degrees, (m, 1, 1)))
        sine, cosine = np.sin(angles), np.cos(angles)
        return cosine * rows + sine * columns, cosine * columns - sine * rows


class Compose(metaclass=Explained):
    """Applies several transforms, one after the other."""

    def __init__(self, *transforms: ImageTransform) -> None:
        for transform in transforms:
            require(callable(transform), self, "transforms of a batch", transform)
        self.transforms = transforms

    def __call__(self, x: Array, rng: Generator) -> Array:
        """The batch after all transforms."""
        for transform in self.transforms:
            x = transform(x, rng)
        return x


def _sampled(images: Array, rows: Array, columns: Array, fill: float) -> Array:
    """The images (m, channels, height, width) at positions (m, height, width), interpolated from
    the four pixels around (bilinear). Outside the image is `fill`.
    """
    m, channels, height, width = images.shape
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=fill)
    # All positions beyond the border are equivalent: there is only `fill`.
    rows = np.broadcast_to(np.clip(rows, -1, height) + 1, (m, height, width))
    columns = np.broadcast_to(np.clip(columns, -1, width) + 1, (m, height, width))
    top = np.minimum(rows.astype(np.intp), height)
    left = np.minimum(columns.astype(np.intp), width)
    down = (rows - top).astype(images.dtype)[:, np.newaxis]
    right = (columns - left).astype(images.dtype)[:, np.newaxis]
    flat = wide.reshape(m, channels, -1)
    corner = (top * (width + 2) + left).reshape(m, 1, -1)

    def at(offset: int) -> Array:
        pixels: Array = np.take_along_axis(flat, corner + offset, axis=2)
        return pixels.reshape(m, channels, height, width)

    upper = at(0) * (1 - right) + at(1) * right
    lower = at(width + 2) * (1 - right) + at(width + 3) * right
    return upper * (1 - down) + lower * down
