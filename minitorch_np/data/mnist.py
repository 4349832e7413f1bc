"""MNIST: 28x28 images of handwritten digits, 60,000 for training and 10,000 for testing.

A sample, 10,000 and 2,000, is in this package, so that everything runs without a download. The
whole set is downloaded by name, or read from a folder with the four files under their usual names.
Fashion-MNIST has pictures of clothes in the same format, and is harder.
"""

import os
from collections.abc import Sequence

from minitorch_np.arrays import StrPath
from minitorch_np.data.dataset import Digits, Images
from minitorch_np.data.download import FASHION_MNIST, MNIST, fetch
from minitorch_np.data.idx import load_idx
from minitorch_np.errors import DataError
from minitorch_np.signature import explained
from minitorch_np.validation import path as checked_path

SAMPLE = os.path.join(os.path.dirname(__file__), "sample")
"""The folder with the digits of this package."""

CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""The classes of Fashion-MNIST."""


@explained
def load_mnist(path: StrPath | None = None, cache: StrPath | None = None) -> Digits:
    """Digits, `.train` and `.test`: those of this package, all of MNIST, or those in a folder.

    Parameters:
        path: None for the 12,000 of this package; "full" for all 70,000, which are downloaded the
            first time (11 MB; extra `data`); or a folder with train-images-idx3-ubyte,
            train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain
            or as .gz.
        cache: the folder for downloaded files; by default the one in the environment variable
            MINITORCH_NP_DATA, or the user's cache.

    Raises DataError if a file is missing or damaged, if images and labels differ in number, or if a
    file can't be downloaded with the right checksum; MissingExtraError without pooch.
    """
    if isinstance(path, str) and path == "full":
        return _load(fetch(MNIST, cache, "load_mnist"))
    folder = SAMPLE if path is None else checked_path("load_mnist", "path", path)
    if os.path.isfile(folder):
        raise DataError(f"{path}: expected a folder, got a file: for a CSV use load_csv")
    return _load(folder)


@explained
def load_fashion_mnist(cache: StrPath | None = None) -> Digits:
    """Pictures of clothes, 28x28: 60,000 in `.train`, 10,000 in `.test`.

    They are downloaded the first time (30 MB); `class_names` are the kinds of clothes. `cache` and
    errors as in `load_mnist("full")`. Source: Xiao, Rasul and Vollgraf 2017 (arXiv:1708.07747).
    """
    return _load(fetch(FASHION_MNIST, cache, "load_fashion_mnist"), CLOTHES)


def _load(folder: str, class_names: Sequence[str] | None = None) -> Digits:
    return Digits(
        train=_load_part(folder, "train", class_names), test=_load_part(folder, "t10k", class_names)
    )


def _load_part(folder: str, part: str, class_names: Sequence[str] | None) -> Images:
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
    return Images(images, labels, images_path, class_names)


def _find(folder: str, name: str) -> str:
    # Some copies of MNIST have a dot in the middle: train-images.idx3-ubyte.
    for candidate in (name, name + ".gz", name.replace("-idx", ".idx")):
        if os.path.isfile(path := os.path.join(folder, candidate)):
            return path
    raise DataError(
        f"{folder}: expected a folder with the four MNIST files, found no {name} or {name}.gz"
    )
