"""Converts a picture of a digit to the form of MNIST's.

MNIST's digits are white on black, scaled so that the longer side of the ink is 20 pixels, and put
into 28x28 pixels so that the centre of mass of the ink is the centre of the image. A network
trained on them expects this form, so a photographed or drawn digit is converted to it.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section III.
"""

import math
import os
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from minitorch_np.arrays import StrPath
from minitorch_np.data.dataset import Pixels
from minitorch_np.errors import DataError, MissingExtraError
from minitorch_np.io.arrays import in_words
from minitorch_np.io.bounded import open_file, require_room
from minitorch_np.signature import explained
from minitorch_np.text import SHADES
from minitorch_np.validation import instance, require
from minitorch_np.validation import path as checked_path

SIDE, INK_SIDE = 28, 20

LARGE = 1000
"""A picture whose sides are several times this long is reduced first: a digit needs no more."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""The supported formats; some of Pillow's others run programs or fail in unexpected ways."""

FAINTEST = 0.15
"""Pixels that differ from the background by more than this fraction of the largest difference are
ink; less is paper grain and the shade of a photograph."""


@explained
def load_image(path: StrPath) -> Pixels:
    """A PNG, JPEG or other picture of one digit, as uint8 (28, 28) in the form of MNIST.

    It is converted to grey, inverted if its background is bright, cropped to the ink, scaled to
    20x20 and centred by mass in 28x28. The input of a network is `load_image(path).reshape(1, -1) /
    255`. Raises DataError for a file that is not a picture, or that shows nothing,
    MissingExtraError without Pillow (extra `images`).
    """
    return normalise(_read_grey(path), str(path))


def normalise(grey: npt.NDArray[Any], place: str = "image") -> Pixels:
    """The same for grey values (height, width) of any range, dark on bright or bright on dark."""
    from PIL import Image

    # The background is the median of the border, dark or bright.
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey.astype(np.float64) - np.median(border))
    ink[ink < FAINTEST * ink.max()] = 0.0
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    if ink.max() < 8.0:
        raise DataError(f"{place}: expected a digit that stands out from its background, got none")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INK_SIDE / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    picture = Image.fromarray(np.rint(255 * ink / ink.max()).astype(np.uint8))
    small = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS), np.float64)
    if small.max() < 1:
        raise DataError(f"{place}: expected a digit, found specks that vanish at {SIDE}x{SIDE}")
    # Thin strokes have become faint: stretch them to full ink, as in MNIST.
    return _centred_by_mass(np.rint(255 * small / small.max()).astype(np.uint8))


def _centred_by_mass(ink: Pixels) -> Pixels:
    """`ink` in a black 28x28 image, with its centre of mass in the middle as far as it fits."""
    mass = ink.astype(np.float64)
    corner = []
    for axis, side in enumerate(ink.shape):
        centre = mass.sum(axis=1 - axis) @ (np.arange(side) + 0.5) / mass.sum()
        corner.append(int(np.clip(round(SIDE / 2 - centre), 0, SIDE - side)))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    return image


def _read_grey(path: StrPath) -> Pixels:
    """The picture in grey, upright, with transparent parts white."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtraError("Pillow", "images", "reading a picture") from None
    checked_path("load_image", "path", path)
    try:
        with open_file(path) as file, warnings.catch_warnings():
            # require_room is stricter than this warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            stored = os.fstat(file.fileno()).st_size
            opened = Image.open(file, formats=FORMATS)
            opened.draft(None, (LARGE, LARGE))  # decodes a large JPEG at a reduced size
            require_room(path, 4 * math.prod(opened.size), stored)
            upright = ImageOps.exif_transpose(opened)
            upright = upright.reduce(max(1, min(upright.size) // LARGE))
            if upright.mode[0] in "IF":  # 16 bits, 32 bits or floats: grey already
                return _as_bytes(np.asarray(upright, np.float64))
            picture = upright.convert("RGBA")
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds of errors for damaged pictures
        if isinstance(error, OSError) and error.errno is not None:
            raise  # missing or not readable: the system's own message is best
        raise DataError(
            f"{path}: expected a picture ({', '.join(FORMATS)}), got another file or a damaged "
            f"one ({in_words(error)})"
        ) from None
    paper = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(paper, picture).convert("L"))


def _as_bytes(grey: npt.NDArray[Any]) -> Pixels:
    """Grey values of any range, stretched to 0 to 255."""
    low, high = float(grey.min()), float(grey.max())
    stretched: Pixels = np.rint(255 * (grey - low) / ((high - low) or 1)).astype(np.uint8)
    return stretched


@explained
def as_text(image: Pixels) -> str:
    """An image as characters, denser for brighter pixels, with two rows of pixels per line.

    Raises ConfigurationError unless it is a grey image (height, width).
    """
    instance("as_text", "image", image, np.ndarray)
    right = image.ndim == 2 and image.size > 0 and image.dtype.kind in "fiu"
    require(right, "as_text", "a grey image (height, width)", image)
    height = len(image) - len(image) % 2
    pairs = image[:height].reshape(height // 2, 2, -1).mean(axis=1)
    levels = np.rint(pairs / 255 * (len(SHADES) - 1)).astype(int)
    return "\n".join("".join(SHADES[level] for level in row).rstrip() for row in levels)
