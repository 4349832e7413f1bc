"""MNIST: 28x28 images of handwritten digits, 60,000 for training and 10,000 for testing.

A part of it, 10,000 and 2,000, is in this package, so that everything runs without a download. The
whole set is read from a folder with the four files under their usual names.
"""

import os

from minitorch_np.arrays import StrPath
from minitorch_np.data.dataset import Digits, Images
from minitorch_np.data.idx import load_idx
from minitorch_np.errors import DataError
from minitorch_np.signature import explained
from minitorch_np.validation import path as checked_path

SAMPLE = os.path.join(os.path.dirname(__file__), "sample")
"""The folder with the digits that come with this package."""


@explained
def load_mnist(path: StrPath | None = None) -> Digits:
    """The digits in a folder, `.train` and `.test`; without a folder, those in this package.

    The folder has train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each plain or as .gz. Raises DataError where one is missing, damaged,
    or has another number of entries than its partner.
    """
    folder = SAMPLE if path is None else checked_path("load_mnist", "path", path)
    if os.path.isfile(folder):
        raise DataError(f"{path}: expected a folder, got a file: for a CSV use load_csv")
    return Digits(train=_load_part(folder, "train"), test=_load_part(folder, "t10k"))


def _load_part(folder: str, part: str) -> Images:
    images_path = _find(folder, f"{part}-images-idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = load_idx(images_path), load_idx(labels_path)
    if images.ndim != 3:
        raise DataError(
            f"{images_path}: expected images, that is three axes, got shape {images.shape}"
        )
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(
            f"{labels_path}: expected a label for each of the {len(images):,} images in "
            f"{os.path.basename(images_path)}, got labels of shape {labels.shape}"
        )
    return Images(images, labels, source=images_path)


def _find(folder: str, name: str) -> str:
    # Some copies of MNIST write a dot in the middle: train-images.idx3-ubyte.
    for candidate in (name, name + ".gz", name.replace("-idx", ".idx")):
        if os.path.isfile(path := os.path.join(folder, candidate)):
            return path
    raise DataError(
        f"{folder}: expected a folder with the four MNIST files, found no {name} or {name}.gz"
    )
