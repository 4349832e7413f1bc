"""A picture of the outputs of every layer for some samples."""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import Array, as_batch
from minitorch_np.errors import ShapeError
from minitorch_np.figures import WIDTH, Figure, new_figure, show_signed
from minitorch_np.layers import Sequential

MOST_SAMPLES, MOST_UNITS, MOST_MAPS, MOST_LAYERS = 20, 100, 24, 40
"""The most samples, units, maps and layers that are shown."""


def responses(model: Sequential, x: object) -> Figure:
    """A Figure with a panel for each layer: for outputs (m, units) a row per sample and a column
    per unit, for images the first sample's maps side by side.

    Red is above zero, blue below; each layer has its own scale. Raises NotBuiltError for a model
    that is not built, ShapeError for samples or outputs of another shape, MissingExtraError without
    matplotlib.
    """
    model.require_built()
    array = as_batch(x, model.dtype, "plot_activations: x")
    model.check_input(array)
    outputs = list(model.outputs(array[:MOST_SAMPLES]).items())[:MOST_LAYERS]
    labels = {name: layer.label for name, layer in model.sublayers().items()}
    pictures = [_picture(y) for _, y in outputs]
    heights = [0.5 + WIDTH * min(0.6, max(0.12, p.shape[0] / p.shape[1])) for p in pictures]
    figure = new_figure(WIDTH, sum(heights))
    panels = figure.subplots(len(outputs), 1, squeeze=False, height_ratios=heights).flat
    for axes, (name, y), picture in zip(panels, outputs, pictures, strict=True):
        show_signed(axes, picture, picture, aspect="auto" if y.ndim == 2 else "equal")
        zero = f", {np.mean(y == 0):.0%} zero" if (y == 0).any() else ""
        title = f"{name} {labels[name]}: from {y.min():.3g} to {y.max():.3g}{zero}"
        axes.set_title(title, fontsize="small", parse_math=False)
        axes.set(xticks=[], yticks=[])
        if y.ndim == 2:
            units = "units" if y.shape[1] <= MOST_UNITS else f"the first {MOST_UNITS} units"
            axes.set_xlabel(units, fontsize="small")
            axes.set_ylabel("samples", fontsize="small")
    return figure


def _picture(y: Array) -> Array:
    """A layer's outputs as the matrix to draw; NaN between the maps of an image."""
    if y.ndim == 2:
        return y[:, :MOST_UNITS]
    first = y[0] if y.ndim == 4 else y[0][np.newaxis]
    if first.ndim != 3:
        raise ShapeError(
            f"plot_activations: expected outputs that are units, steps or maps, got {y.shape}"
        )
    maps = first[:MOST_MAPS]
    columns = math.ceil(math.sqrt(2 * len(maps)))
    rows = -(-len(maps) // columns)
    _, height, width = maps.shape
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan, y.dtype)
    for k, each in enumerate(maps):
        top, left = (height + 1) * (k // columns), (width + 1) * (k % columns)
        sheet[top : top + height, left : left + width] = each
    return sheet
