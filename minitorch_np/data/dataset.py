"""Images and their labels, as stored in files and as inputs of a network."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from minitorch_np.arrays import (
    Array,
    DType,
    Seed,
    aligned_empty,
    as_float_dtype,
    as_generator,
    as_targets,
    require_unmasked,
)
from minitorch_np.errors import DataError
from minitorch_np.signature import Explained
from minitorch_np.validation import instance, instances, number, require

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Grey values from 0, black, to 255, white; in MNIST the background is 0 and the ink is 255."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""Class numbers."""


class Images(metaclass=Explained):
    """n grey images of the same size, and their labels.

    - `images` is uint8 (n, height, width);
    - `labels` is int64 (n,); without labels, accessing it raises DataError;
    - `class_names` are the classes' names by number: those passed in, or the labels themselves if
      they are strings, which are numbered in alphabetical order, or else "0", "1", ...

    `images[:5]` are the first five, with their labels. Errors name `source`. Raises DataError for
    arrays of another kind, of different lengths, or empty.
    """

    def __init__(
        self,
        images: Pixels,
        labels: npt.NDArray[Any] | None = None,
        source: str = "images",
        class_names: Sequence[str] | None = None,
    ) -> None:
        instance("Images", "images", images, np.ndarray)
        if labels is not None:
            instance("Images", "labels", labels, np.ndarray)
        require_unmasked(images, source)
        if images.ndim != 3 or images.dtype != np.uint8:
            raise DataError(
                f"{source}: expected images as uint8 of shape (n, height, width), "
                f"got {images.dtype} of shape {images.shape}"
            )
        if len(images) == 0:
            raise DataError(f"{source}: expected at least one image, got none")
        if class_names is not None:
            class_names = instances("Images", "class_names", class_names, str)
        labels = None if labels is None else np.asanyarray(labels)
        if labels is not None and labels.dtype.kind in "UO" and labels.ndim:
            try:
                names, numbers = np.unique(labels.astype(str), return_inverse=True)
            except ValueError as error:  # an array of objects that are arrays themselves
                raise DataError(f"{source}: expected a string for each label: {error}") from None
            class_names = names.tolist() if class_names is None else class_names
            known = {name: number for number, name in enumerate(class_names)}
            new = [name for name in names.tolist() if name not in known]
            if new:
                raise DataError(f"{source}: expected labels of {list(class_names)}, got {new[0]!r}")
            labels = np.array([known[name] for name in names.tolist()])[numbers]
        if labels is not None and labels.shape != (len(images),):
            raise DataError(
                f"{source}: expected a label for each of the {len(images)} images, "
                f"got labels of shape {labels.shape}"
            )
        self.images = images
        self._labels = None if labels is None else _as_classes(labels, source)
        count = 0 if self._labels is None else int(self._labels.max()) + 1
        self.class_names = tuple(map(str, range(count)) if class_names is None else class_names)
        if len(self.class_names) < count:
            raise DataError(
                f"{source}: expected a name for each of {count} classes, got "
                f"{len(self.class_names)} names"
            )
        self.source = source

    @property
    def labels(self) -> Labels:
        """The class numbers (n,). Raises DataError if there are none."""
        if self._labels is None:
            raise DataError(
                f"{self.source}: expected a label column, got only pixels: "
                "in a CSV, the first column must be the label"
            )
        return self._labels

    @property
    def has_labels(self) -> bool:
        """Whether the images came with labels."""
        return self._labels is not None

    def features(self, dtype: DType = np.float32) -> Array:
        """The pixels as inputs of a network: (n, height * width), each in [0, 1] (x / 255)."""
        flat = self.images.reshape(len(self.images), -1)
        features = aligned_empty(flat.shape, as_float_dtype(dtype))
        return np.divide(flat, 255, out=features, dtype=features.dtype)

    def take(self, rows: slice | npt.NDArray[Any]) -> "Images":
        """Some of the images, with their labels."""
        rows = rows if isinstance(rows, slice) else as_targets(rows, "take: rows")
        labels = None if self._labels is None else self._labels[rows]
        return Images(self.images[rows], labels, self.source, self.class_names or None)

    def __getitem__(self, rows: int | slice | npt.NDArray[Any]) -> "Images":
        """The images in a slice, at a list of indices, or at one index."""
        if isinstance(rows, (int, np.integer)):
            rows = np.arange(len(self))[[rows]]
        return self.take(rows)

    def split(self, share: float, seed: Seed = None) -> "tuple[Images, Images]":
        """Two parts, divided at random with `seed`; the second holds the fraction `share`.

        Raises ConfigurationError for a share that leaves a part without images.
        """
        held_out = round(len(self) * number("split", "share", share, above=0, below=1))
        require(0 < held_out < len(self), "split", "a share that leaves both parts images", share)
        rows = as_generator(seed).permutation(len(self))
        return self.take(rows[held_out:]), self.take(rows[:held_out])

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, height, width = self.images.shape
        return f"Images({n:,} of {height}x{width}, {'' if self.has_labels else 'not '}labelled)"


def _as_classes(labels: npt.NDArray[Any], source: str) -> Labels:
    """Labels as class numbers. Raises DataError unless they are whole numbers of at least 0."""
    labels = as_targets(labels, f"{source}: labels")
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
