"""Images and their labels, as a file holds them and as a network takes them."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from minitorch_np.arrays import Array, DType, aligned_empty, as_float_dtype, as_targets
from minitorch_np.errors import DataError
from minitorch_np.validation import instance

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Grey values from 0, black, to 255, white; in MNIST the ground is 0 and the ink is 255."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""Class numbers."""


class Images:
    """n grey images of the same size, and their labels.

    - `images` is uint8 (n, height, width);
    - `labels` is int64 (n,); to ask for it where there are none raises DataError.

    `source` says in errors where they come from. Raises DataError for arrays of another kind, of
    different lengths, or empty.
    """

    def __init__(
        self, images: Pixels, labels: npt.NDArray[Any] | None = None, source: str = "images"
    ) -> None:
        instance("Images", "images", images, np.ndarray)
        if labels is not None:
            instance("Images", "labels", labels, np.ndarray)
        if images.ndim != 3 or images.dtype != np.uint8:
            raise DataError(
                f"{source}: expected images as uint8 of shape (n, height, width), "
                f"got {images.dtype} of shape {images.shape}"
            )
        if len(images) == 0:
            raise DataError(f"{source}: expected at least one image, got none")
        if labels is not None and labels.shape != (len(images),):
            raise DataError(
                f"{source}: expected a label for each of the {len(images)} images, "
                f"got labels of shape {labels.shape}"
            )
        self.images = images
        self._labels = None if labels is None else _as_classes(labels, source)
        self.source = source

    @property
    def labels(self) -> Labels:
        """The class numbers (n,). Raises DataError where there are none."""
        if self._labels is None:
            raise DataError(
                f"{self.source}: expected a label column, got pixels only: "
                "for a CSV, the first column has to be the label"
            )
        return self._labels

    @property
    def has_labels(self) -> bool:
        """Whether the images came with labels."""
        return self._labels is not None

    def features(self, dtype: DType = np.float32) -> Array:
        """The pixels as a network takes them: (n, height * width), each in [0, 1] (x / 255)."""
        flat = self.images.reshape(len(self.images), -1)
        features = aligned_empty(flat.shape, as_float_dtype(dtype))
        return np.divide(flat, 255, out=features, dtype=features.dtype)

    def take(self, rows: slice | npt.NDArray[Any]) -> "Images":
        """Some of the images, with their labels."""
        chosen = rows if isinstance(rows, slice) else as_targets(rows, "take: rows")
        labels = None if self._labels is None else self._labels[chosen]
        return Images(self.images[chosen], labels, self.source)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, height, width = self.images.shape
        return f"Images({n:,} of {height}x{width}, {'' if self.has_labels else 'not '}labelled)"


def _as_classes(labels: npt.NDArray[Any], source: str) -> Labels:
    """Labels as class numbers; DataError for what is not a whole number of at least 0."""
    if labels.dtype.kind not in "fiu":
        raise DataError(f"{source}: expected labels that are numbers, got {labels.dtype}")
    wrong = ~((labels >= 0) & (labels == np.floor(labels)) & (labels < 2**31))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{source}: expected labels that are whole numbers from 0, got {labels[row]} at {row}"
        )
    return labels.astype(np.int64)


class Digits(NamedTuple):
    """A training set and a test set."""

    train: Images
    test: Images
