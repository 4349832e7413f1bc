"""Pictures of a trained model: weights, confusion matrix, worst errors, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, as_batch, as_rows, as_shape
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.figures import COLOURS, WIDTH, Axes, Figure, empty, new_figure, show_signed
from minitorch_np.layers import Dense, Dropout, Flatten, Sequential
from minitorch_np.losses.base import refuse
from minitorch_np.signature import explained
from minitorch_np.training import confusion_matrix
from minitorch_np.training.labels import as_names, numbered
from minitorch_np.training.probability_metrics import reliability
from minitorch_np.validation import instance, instances, whole

MOST_UNITS = 40
"""The most units that are shown."""

MOST_CLASSES = 30
"""The largest confusion matrix in which the numbers are readable."""


@explained
def plot_weights(model: Sequential, image_shape: Shape = (28, 28)) -> Figure:
    """A Figure of the weights of the first Dense layer: an image per unit, on a common scale.

    Raises ConfigurationError for a model that does not begin with a Dense layer, ShapeError if its
    inputs are not images of `image_shape`, MissingExtraError without matplotlib.
    """
    layer = first_dense(instance("plot_weights", "model", model, Sequential))
    image_shape = as_shape(image_shape)
    if layer is None:
        raise ConfigurationError(
            f"plot_weights: expected a model that begins with a Dense layer, got {model!r}"
        )
    if len(image_shape) != 2 or math.prod(image_shape) != layer.weight.shape[1]:
        raise ShapeError(
            f"plot_weights: expected an image_shape (height, width) of {layer.weight.shape[1]} "
            f"pixels, as many as {layer!r} has inputs, got {image_shape}"
        )
    units = layer.weight[:MOST_UNITS]
    columns = min(5 if len(units) <= 20 else 8, len(units))
    rows = -(-len(units) // columns)
    figure = new_figure(WIDTH, 0.5 + rows * ((WIDTH - 0.8) / columns + 0.25))
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for unit, (axes, weights) in enumerate(zip(grid, units, strict=False)):
        image = show_signed(axes, weights.reshape(image_shape), units)
        axes.set_title(f"unit {unit}", fontsize="small", pad=3)
    bare(list(figure.axes), len(units))
    shown = f"the first {len(units)} of {layer.units}" if len(units) < layer.units else "all"
    figure.colorbar(image, ax=figure.axes, shrink=0.8, aspect=30)
    figure.suptitle(f"Weights of {layer!r}, {shown} units", fontsize="medium")
    return figure


def first_dense(model: Sequential) -> Dense | None:
    """The Dense layer that receives the model's inputs, or None."""
    seeing = next((each for each in model if not isinstance(each, (Flatten, Dropout))), None)
    return seeing if isinstance(seeing, Dense) else None


@explained
def plot_confusion(
    labels: object, predicted: object, classes: Sequence[str] | None = None
) -> Figure:
    """A Figure of the confusion matrix: true classes in rows, predicted ones in columns.

    Labels and predictions are class numbers (m,) or one-hot rows, and `classes` their names; or
    both are names. Correct ones are blue, errors orange, each on its own scale, since errors are
    few. Raises ShapeError unless there is a prediction for each label, ConfigurationError for more
    classes than can be shown, MissingExtraError without matplotlib.
    """
    if classes is not None:
        classes = instances("plot_confusion", "classes", classes, str)
    true, found = as_names(labels), as_names(predicted)
    if true is None or found is None:
        true, found = class_numbers(labels), class_numbers(predicted)
    elif true.ndim != 1 or found.ndim != 1:
        raise ShapeError(
            f"plot_confusion: expected two lists of labels, got shapes {true.shape}, {found.shape}"
        )
    else:
        classes = tuple(classes or np.unique(np.concatenate([true, found])).tolist())
        true, found = (numbered(each, classes, "plot_confusion") for each in (true, found))
    counts = confusion_matrix(true, found, None if classes is None else len(classes))
    n = len(counts)
    if n > MOST_CLASSES:
        raise ConfigurationError(f"plot_confusion: expected up to {MOST_CLASSES} classes, got {n}")
    figure = new_figure(WIDTH, 1 + 0.82 * WIDTH)
    axes = figure.add_subplot()
    right = np.eye(n, dtype=bool)
    errors = max(1, int(counts[~right].max(initial=0)))
    hits = np.ma.masked_array(counts, ~right)
    axes.imshow(hits, cmap="Blues", vmin=0, vmax=1.5 * max(1, int(counts.max())))
    axes.imshow(np.ma.masked_array(counts, right), cmap="Oranges", vmin=0, vmax=1.5 * errors)
    for row, column in np.argwhere(counts):
        weight = "bold" if row == column else "normal"
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            weight=weight,
            fontsize=10 if n <= 12 else 6,
        )
    names = [str(k) for k in range(n)] if classes is None else list(classes)
    turned = 90 if max(map(len, names)) > 3 else 0
    axes.set_xticks(range(n), names, rotation=turned)
    axes.set_yticks(range(n), names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # names may contain "$", but not mathematics
    share = np.trace(counts) / max(1, counts.sum())
    axes.set(xlabel="predicted", ylabel="true", title=f"{share:.2%} of {counts.sum():,} are right")
    return figure


def class_numbers(labels: object) -> AnyArray:
    """Class numbers (m,) from class numbers, a column (m, 1) of them, or one-hot rows.

    Raises DataError or ShapeError for anything else.
    """
    array = as_rows(labels, "labels")
    array = array[:, 0] if array.shape[1:] == (1,) else array
    if array.ndim == 2 and array.size:
        array = np.argmax(array, axis=1)
    if array.ndim != 1:
        raise ShapeError(f"labels: expected class numbers (m,), got shape {array.shape}")
    wrong = ~((array >= 0) & (array == np.floor(array)) & (array < 2**31))
    refuse(wrong, array, "labels: expected class numbers")
    return array.astype(np.int64)


@explained
def plot_errors(
    model: Sequential, x: Array, labels: object, image_shape: Shape = (28, 28), n: int = 12
) -> Figure:
    """A Figure of the n most confident errors, the worst first.

    Above each image are the true class, the predicted class and its probability. Raises ShapeError
    if the samples are not images of `image_shape` or the labels not as many, MissingExtraError
    without matplotlib.
    """
    instance("plot_errors", "model", model, Sequential)
    image_shape, n = as_shape(image_shape), whole("plot_errors", "n", n)
    x = as_batch(x, model.dtype, "plot_errors: x")
    if len(image_shape) != 2 or math.prod(image_shape) != math.prod(x.shape[1:]):
        raise ShapeError(
            f"plot_errors: expected samples of image_shape (height, width) {image_shape}, "
            f"got {x.shape[1:]}"
        )
    true = class_numbers(labels)
    if len(true) != len(x):
        raise ShapeError(
            f"plot_errors: expected a label for each sample, got {len(x)} and {len(true)}"
        )
    chances = model.predict_proba(x)
    taken = chances.argmax(axis=1)
    sure = chances.max(axis=1)
    wrong = np.flatnonzero(taken != true)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:n]
    columns = min(4, max(1, len(worst)))
    rows = max(1, -(-len(worst) // columns))
    figure = new_figure(WIDTH, 0.1 + rows * (WIDTH / 4 + 0.42))
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, place in zip(grid, worst, strict=False):
        axes.imshow(x[place].reshape(image_shape), cmap="gray_r", interpolation="none")
        title = f"is {true[place]}, taken for {taken[place]}\n({_percent(float(sure[place]))})"
        axes.set_title(title, fontsize="small")
    bare(list(figure.axes), len(worst))
    if not len(worst):
        empty(figure.add_subplot(), "no errors")
        bare(list(figure.axes), 1)
    return figure


@explained
def plot_calibration(labels: object, probabilities: object, bins: int = 10) -> Figure:
    """A Figure of the reliability diagram: the fraction that is right in each bin of probability.

    `probabilities` are those of class 1, (m,), or of each class, (m, K), as `predict_proba` returns
    them; then those of the predicted class are used. On the diagonal, 70 % of the samples with a
    probability of 70 % are right. Source: Guo et al. 2017, arXiv:1706.04599. Raises ShapeError for
    shapes that do not match, DataError for numbers that are not probabilities, MissingExtraError
    without matplotlib.
    """
    p, true = as_batch(probabilities, np.float64, "plot_calibration"), class_numbers(labels)
    if true.shape != p.shape[:1]:
        raise ShapeError(
            "plot_calibration: expected one probability for each label, got shapes "
            f"{p.shape} and {true.shape}"
        )
    if p.ndim == 2 and p.shape[1] > 1:
        p, true = p.max(axis=1), p.argmax(axis=1) == true
    refuse(~((p >= 0) & (p <= 1)), p, "plot_calibration: expected probabilities from 0 to 1")
    whole("plot_calibration", "bins", bins)
    n, right, promised = reliability(true.reshape(-1), p.reshape(-1), bins)
    filled = n > 0
    error = float(np.abs(right - promised).sum() / n.sum())
    figure = new_figure(WIDTH, 1.25 * WIDTH)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], ":", color="0.5", label="perfectly calibrated")
    x, y = promised[filled] / n[filled], right[filled] / n[filled]
    axes.plot(x, y, "o-", color=COLOURS[0], label="this model")
    axes.set(ylabel="share that is right", ylim=(-0.03, 1.03), xlim=(0, 1))
    axes.set_title(f"calibration error {error:.4f}", fontsize="medium")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    below.bar((np.arange(bins) + 0.5) / bins, n, 0.9 / bins, color=COLOURS[5])
    below.set(xlabel="probability", ylabel="samples")
    return figure


def _percent(chance: float) -> str:
    # 99.97 % must not be shown as 100 %.
    return "> 99.9 %" if chance > 0.9995 else f"{chance:.1%}".replace("%", " %")


def bare(grid: list[Axes], used: int) -> None:
    """Remove the ticks of the used axes, and the unused axes themselves."""
    for axes in grid[:used]:
        axes.set(xticks=[], yticks=[])
    for axes in grid[used:]:
        axes.remove()
