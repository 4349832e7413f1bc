"""Common parts of all pictures: an empty figure, and colours.

Figures are created without pyplot, so that none stays open and no window appears; a notebook shows
the figure at the end of a cell, and `figure.savefig(path)` saves it. matplotlib is the extra
`plot`; without it, `new_figure` raises MissingExtraError.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.errors import MissingExtraError

Figure: TypeAlias = Any
"""A matplotlib.figure.Figure; the library is imported when one is made."""

Axes: TypeAlias = Any
"""A matplotlib.axes.Axes."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky, black: distinguishable for the colour-blind (Okabe
and Ito 2008)."""

STYLES = ("-", "--", "-.", ":")
"""Line styles; with the colours, whose number has no common divisor, they give 28 combinations."""

WIDTH = 4.6
"""The width of a figure in inches, narrow enough that its text is readable on a phone."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. Raises MissingExtraError without matplotlib."""
    try:
        import matplotlib  # noqa: F401  # the parent first: a namespace part may exist without it
        from matplotlib import figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "drawing a picture") from None
    return figure.Figure(figsize=(width, height), layout="constrained")


def show_signed(axes: Axes, image: AnyArray, among: AnyArray, **options: Any) -> Any:
    """Show an image with white for zero; the largest number of `among` has the darkest colour."""
    scale = float(np.nanmax(np.abs(among))) or 1.0
    limits = {"vmin": -scale, "vmax": scale}
    return axes.imshow(image, cmap="RdBu_r", interpolation="none", **limits, **options)


def empty(axes: Axes, why: str) -> None:
    """Show a text instead of a picture."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
