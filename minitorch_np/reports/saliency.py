"""Saliency maps: the gradient of a class's score with respect to the inputs.

The backward pass also returns dx, the change of the score with each pixel. Where it is large, the
prediction depends on that pixel. Source: Simonyan et al. 2013 (arXiv:1312.6034).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    Shape,
    as_batch,
    as_shape,
    as_targets,
    describe_batch,
)
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.figures import WIDTH, Figure, new_figure, show_signed
from minitorch_np.reports.model_plots import bare
from minitorch_np.signature import explained
from minitorch_np.validation import instance, whole

ROWS = 256
"""The number of samples that are processed at a time."""


@explained
def saliency(model: Model, x: object, classes: object = None) -> Array:
    """The gradient of a class's score with respect to the inputs: ds[k]/dx, as x, for each sample.

    Parameters:
        model: a built model with one input of numbers and a score for each class, (m, K).
        x: samples (m, *input_shape).
        classes: the class k, one for all samples or (m,) for each; None: the one with the highest
            score. The score is the model's output, before the softmax if that is part of the loss.

    Layers work as in prediction. Raises ShapeError for a model with other outputs or for invalid
    classes, ConfigurationError for a model that takes indices, which have no gradient, or several
    inputs.
    """
    model, array = _checked("saliency", model, x)
    chosen = _classes("saliency", model, len(array), classes)
    found = np.empty_like(array)
    for start in range(0, len(array), ROWS):
        part = slice(start, start + ROWS)
        scores, cache = model.forward(array[part])
        rows = np.arange(len(scores))
        k = scores.argmax(axis=1) if chosen is None else chosen[part]
        dy = np.zeros_like(scores)
        dy[rows, k] = 1
        dx, _ = model.backward(dy, cache)
        assert dx is not None
        found[part] = dx
    return found


@explained
def plot_saliency(
    model: Model, x: object, classes: object = None, image_shape: Shape = (28, 28), n: int = 8
) -> Figure:
    """A Figure of the first n images, each with the gradient of its class's score.

    Where it is red, a larger pixel raises the score; where blue, it lowers it. Each image has its
    own scale. `classes` as in `saliency`. Raises as `saliency`, and ShapeError if the samples are
    not images of `image_shape`; MissingExtraError without matplotlib.
    """
    n, image_shape = whole("plot_saliency", "n", n), as_shape(image_shape)
    model, array = _checked("plot_saliency", model, x)
    if len(image_shape) != 2 or math.prod(image_shape) != math.prod(model.input_shape):
        raise ShapeError(
            f"plot_saliency: expected samples of image_shape (height, width) {image_shape}, got "
            f"{model.input_shape}"
        )
    chosen = _classes("plot_saliency", model, len(array), classes)
    array = array[:n]
    shown = model.predict(array).argmax(axis=1) if chosen is None else chosen[:n]
    gradients = saliency(model, array, shown)
    pairs = min(2, len(array))
    rows = -(-len(array) // pairs)
    figure = new_figure(WIDTH, 0.1 + rows * (WIDTH / (2 * pairs) + 0.3))
    grid = list(figure.subplots(rows, 2 * pairs, squeeze=False).flat)
    for place, (image, gradient, k) in enumerate(zip(array, gradients, shown, strict=True)):
        axes, beside = grid[2 * place : 2 * place + 2]
        axes.imshow(image.reshape(image_shape), cmap="gray_r", interpolation="none")
        axes.set_title("image", fontsize="small")
        show_signed(beside, gradient.reshape(image_shape), gradient)
        beside.set_title(f"of class {k}'s score", fontsize="small")
    bare(grid, 2 * len(array))
    return figure


def _checked(place: str, model: Any, x: object) -> tuple[Model, Array]:
    instance(place, "model", model, Model)
    model.require_built()
    if model.several_inputs or model.index_limit is not None:
        raise ConfigurationError(
            f"{place}: expected a model with one input of numbers, got one that takes "
            f"{'several inputs' if model.several_inputs else 'indices'}"
        )
    shape = model.output_shape
    if len(shape) != 1 or not isinstance(shape[0], int):
        raise ShapeError(
            f"{place}: expected a model with a score for each class, (m, K), got outputs of "
            f"{describe_batch(shape)}"
        )
    array = as_batch(x, model.dtype, f"{place}: x")
    model.check_input(array)
    return model, array


def _classes(place: str, model: Model, m: int, classes: object) -> AnyArray | None:
    """The class of each sample, (m,), or None. Raises ShapeError for invalid classes."""
    if classes is None:
        return None
    given, count = as_targets(classes, f"{place}: classes"), model.output_shape[0]
    right = given.dtype.kind in "iu" and given.shape in ((), (m,))
    if not right or given.min(initial=0) < 0 or given.max(initial=0) >= count:
        raise ShapeError(
            f"{place}: expected classes from 0 to {count - 1}, one for all or one for each of {m} "
            f"samples, got {classes!r:.60}"
        )
    return np.broadcast_to(given, m)
