"""Draws the decision boundaries of a model with two features."""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, require_finite
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.figures import COLOURS, WIDTH, Figure, new_figure
from minitorch_np.reports.model_plots import class_numbers
from minitorch_np.signature import explained
from minitorch_np.training.labels import as_names
from minitorch_np.validation import instance

GRID = 200
"""The number of grid squares along each axis."""

MARKERS = "os^DvP*"
"""The marker of each class."""

STRONGEST = 0.75
"""The share of a class's colour where the model is certain; the points are darker."""


@explained
def plot_boundary(model: Model, x: object, y: object) -> Figure:
    """A Figure of the plane in the colours of the predicted classes, with the points x (m, 2).

    The paler the colour, the less certain the model is; black lines separate the most probable
    classes. y holds class numbers (m,), one-hot rows, or names, which are numbered in alphabetical
    order.

    Raises ShapeError for a model without exactly two features or points of another shape, DataError
    for points that are not finite, ConfigurationError for more classes than there are colours,
    MissingExtraError without matplotlib.
    """
    instance("plot_boundary", "model", model, Model)
    model.require_built()
    if model.input_shape != (2,):
        raise ShapeError(
            f"plot_boundary: expected a model with two features, got one with {model.input_shape}"
        )
    points = as_batch(x, np.float64, "plot_boundary: x")
    named = as_names(y)
    names: list[str] = []
    if named is None or not named.ndim:
        labels = class_numbers(y)
    else:
        labels = np.unique(named, return_inverse=True)[1]
        names = np.unique(named).tolist()
    if points.shape != (len(labels), 2):
        raise ShapeError(
            "plot_boundary: expected points (m, 2) and a class for each, got shapes "
            f"{points.shape} and {labels.shape}"
        )
    require_finite(points, "plot_boundary: x")
    low, high = points.min(axis=0), points.max(axis=0)
    room = 0.12 * np.where(high > low, high - low, 1)
    (left, bottom), (right, top) = low - room, high + room
    across, up = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    p = model.predict_proba(grid)
    classes = max(p.shape[1], int(labels.max()) + 1)
    if classes > len(COLOURS):
        raise ConfigurationError(
            f"plot_boundary: expected at most {len(COLOURS)} classes, got {classes}"
        )
    return _drawn(points, labels, names, p, across, up)


def _drawn(
    points: Array, labels: AnyArray, names: list[str], p: Array, across: Array, up: Array
) -> Figure:
    """A Figure of the probabilities p on the grid of `across` and `up`, and the points."""
    figure = new_figure(WIDTH, WIDTH)
    axes = figure.add_subplot()
    ends = (across[0], across[-1], up[0], up[-1])
    colours = shaded(p).reshape(GRID, GRID, 3)
    axes.imshow(colours, origin="lower", extent=ends, aspect="auto", interpolation="bilinear")
    best = p.argmax(axis=1).reshape(GRID, GRID)
    for k in range(1, p.shape[1]) if p.shape[1] == 2 else range(p.shape[1]):
        if 0 < (best == k).sum() < best.size:
            axes.contour(across, up, best == k, [0.5], colors="black", linewidths=0.8)
    for k in np.unique(labels):
        mine = points[labels == k]
        style = {"marker": MARKERS[k], "s": 26, "edgecolors": "white", "linewidths": 0.6}
        axes.scatter(mine[:, 0], mine[:, 1], color=COLOURS[k], **style, label=f"class {k}")
    axes.set(xlim=ends[:2], ylim=ends[2:], xlabel="x1", ylabel="x2")
    legend = figure.legend(loc="outside upper center", ncols=4, frameon=False)
    for text, name in zip(legend.get_texts(), names, strict=False):
        text.set_parse_math(False)  # names may contain "$", but not mathematics
        text.set_text(name)
    return figure


def shaded(p: Array) -> Array:
    """A colour (m, 3) for each row of probabilities (m, K): that of the most probable class, paler
    for lower probabilities, white if all are equal.
    """
    numbers = [[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in COLOURS]
    best: AnyArray = p.argmax(axis=1)
    sure = (p.max(axis=1) - 1 / p.shape[1]) / (1 - 1 / p.shape[1])
    shade: Array = 1 - STRONGEST * sure[:, np.newaxis] * (1 - np.array(numbers)[best])
    return shade
