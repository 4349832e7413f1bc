"""What all pictures share: an empty figure, and colours.

Figures are made without pyplot, so that nothing is left open and no window appears; a notebook
shows one that a cell ends with, and `figure.savefig(path)` saves it. matplotlib is the extra
`plot`; without it, `new_figure` raises MissingExtraError.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from minitorch_np.errors import MissingExtraError

Figure: TypeAlias = Any
"""A matplotlib.figure.Figure; the library is imported when one is made."""

Axes: TypeAlias = Any
"""A matplotlib.axes.Axes."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky, black: the colour-blind can tell them apart (Okabe
and Ito 2008)."""

STYLES = ("-", "--", "-.", ":")
"""Line styles. Their number and that of the colours have no common divisor: 28 combinations."""

WIDTH = 4.6
"""Of a figure, in inches: so narrow that its text can be read where a phone shrinks it."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. Raises MissingExtraError without matplotlib."""
    try:
        import matplotlib  # noqa: F401  # the parent first: a part of it may be there without it
        from matplotlib import figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "drawing a picture") from None
    return figure.Figure(figsize=(width, height), layout="constrained")


def empty(axes: Axes, why: str) -> None:
    """Say in the place of a picture why there is none."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
