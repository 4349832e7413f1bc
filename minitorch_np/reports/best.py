"""The best network of a comparison, for its page: the weights, and the errors.

A comparison keeps numbers but no networks. So the best network is trained once more, which gives
the same result, since everything random in a run comes from its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import Shape
from minitorch_np.data import Digits
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.measure import ACCURACY
from minitorch_np.experiments.task import Data, as_arrays, train
from minitorch_np.figures import Figure
from minitorch_np.layers import Sequential
from minitorch_np.reports import model_plots
from minitorch_np.training import confusion_matrix

Picture = tuple[Callable[[], "Figure"], str, str]
"""A function that draws it, its text alternative, and its caption."""


class Best(NamedTuple):
    """A trained network, a description of it, and its pictures."""

    model: Sequential
    words: str
    pictures: list[Picture]


def best_network(comparison: Comparison, data: Data) -> Best:
    """The configuration with the highest mean, trained again from the first seed that worked."""
    name = comparison.ranking[0]
    run = comparison.whole(name)[0]
    configuration = next(each for each in comparison.configurations if each.name == name)
    arrays, seed = as_arrays(data), run["seed"]
    model, history = train(configuration, seed, arrays, resample=comparison.resampled)
    measure = comparison.measure
    found, before = history[f"val_{measure.key}"][-1], run[measure.key]
    same = "as" if math.isclose(found, before) else f"not quite the {before:.4f}"
    words = (
        f"{name}, trained once more from seed {seed}: its test {measure.name} is {found:.4f}, "
        f"{same} in the comparison. Other seeds give other networks."
    )
    shape = image_shape(data)
    pictures = _weights(model, shape)
    if measure == ACCURACY:
        pictures += _errors(model, arrays, shape)
    return Best(model, words, pictures)


def _weights(model: Sequential, shape: Shape | None) -> list[Picture]:
    dense = model_plots.first_dense(model)
    if shape is None or dense is None or dense.weight.shape[1] != math.prod(shape):
        return []
    return [
        (
            lambda: model_plots.plot_weights(model, shape),
            f"The weights of the {dense.units} units of the first layer as images.",
            "The pixels that raise (red) and lower (blue) the output of each first-layer unit.",
        )
    ]


def _errors(model: Sequential, arrays: tuple[Any, ...], shape: Shape | None) -> list[Picture]:
    xt, yt = arrays[2:]
    true, taken = model_plots.class_numbers(yt), model.predict_classes(xt)
    counts = confusion_matrix(true, taken)
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    said = f"Confusion matrix: {np.trace(counts)} of {len(true)} are right"
    if wrong.any():
        said += f"; most often, {row} is taken for {column}, {wrong[row, column]} times"
    found: list[Picture] = [
        (
            lambda: model_plots.plot_confusion(true, taken),
            f"{said}.",
            "Confusion matrix: rows are true classes, columns predicted ones.",
        )
    ]
    if shape is not None and wrong.any():
        found.append(
            (
                lambda: model_plots.plot_errors(model, xt, true, shape),
                "The wrongly classified images with the highest probability, with their true and "
                "predicted classes.",
                "The most confident errors, with the predicted probability.",
            )
        )
    return found


def image_shape(data: Data) -> Shape | None:
    """(height, width) of the samples if they are grey images, else None."""
    if data is None or isinstance(data, Digits):
        return None if data is None else data.train.images.shape[1:]
    shape: Shape = np.asarray(data[0]).shape[1:]
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    side = math.isqrt(math.prod(shape))
    if len(shape) == 1 and side > 3 and side * side == shape[0]:
        return side, side
    return shape if len(shape) == 2 else None
