"""A comparison as pictures: how the networks learned, and how far apart they are.

Each function returns a matplotlib Figure, to show in a notebook or to save to a file. Figures are
made without pyplot, so that nothing is left open and no window appears. The colours can be told
apart by the colour-blind (Okabe and Ito 2008), and each has a line style of its own too.

matplotlib is the extra `plot`; without it, these functions raise MissingExtraError. What one
trained model has to show is in `model_plots`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.statistics import mean_interval
from minitorch_np.layers import Activation, Layer, layer_from_name
from minitorch_np.layers.composite import Composite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Blue, vermilion, green, purple, orange, sky, black."""

STYLES = ("-", "--", "-.", ":")
"""Line styles. Their number and that of the colours have no common divisor: 28 combinations."""

WIDTH = 6.4
"""Of a figure, in inches: what fits a page, and can still be read when a phone shrinks it."""

REACH = 4.0
"""How far on both sides of 0 an activation function is drawn."""


def learning_curves(comparison: Comparison) -> Figure:
    """Mean test accuracy by epoch, with the 95 % interval over seeds as a band."""
    figure = new_figure(WIDTH, 4.2)
    axes = figure.add_subplot()
    drawn = []
    for place, name in enumerate(comparison.names):
        runs = accuracies(comparison, name)
        if not len(runs):
            continue
        intervals = [mean_interval(column) for column in runs.T]
        epochs = np.arange(1, len(intervals) + 1)
        colour, style = COLOURS[place % len(COLOURS)], STYLES[place % len(STYLES)]
        marker = "o" if len(epochs) == 1 else ""  # one point makes no line
        width = 1.8 if place % len(STYLES) else 3  # what is drawn over a whole line is to be seen
        means = [each.mean for each in intervals]
        axes.plot(epochs, means, style, color=colour, marker=marker, lw=width)
        low, high = [each.low for each in intervals], [each.high for each in intervals]
        if not math.isnan(low[0]):
            axes.fill_between(epochs, low, high, color=colour, alpha=0.15, lw=0)
        drawn.append(name)
    axes.set(xlabel="epoch", ylabel="test accuracy")
    axes.set_title(f"Mean over {_count(comparison.common_seeds, 'seed')}, with 95 % intervals")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    if drawn:
        _legend(axes, drawn)
    else:
        empty(axes, "no run to show: all failed")
    return figure


def accuracies(comparison: Comparison, name: str) -> Array:
    """The test accuracies (runs, epochs) of a configuration, from the seeds that are compared.

    Where there is no seed from which all could be trained, those of all runs that did not fail.
    """
    runs = [run for run in comparison.results if run["name"] == name and "error" not in run]
    common = [run for run in runs if run["seed"] in comparison.common_seeds] or runs
    return np.array([run["curves"]["test_accuracy"] for run in common])


def paired_differences(comparison: Comparison) -> Figure:
    """A row a pair: each seed's difference as a dot, their mean and its 95 % interval.

    The diamond is filled where the difference was detected. Raises ConfigurationError where there
    are no pairs.
    """
    pairs = comparison.differences
    if not pairs:
        raise ConfigurationError(
            "paired_differences: expected two or more configurations and a seed from which all "
            "were trained, got no pair"
        )
    figure = new_figure(WIDTH, 1.5 + 0.55 * len(pairs))
    axes = figure.add_subplot()
    axes.axvspan(-comparison.size, comparison.size, color="0.92", lw=0)
    axes.axvline(0, color="black", lw=1)
    for row, pair in enumerate(pairs):
        gaps = comparison.of(pair.first) - comparison.of(pair.second)
        axes.plot(gaps, np.full(len(gaps), row + 0.22), "o", color=COLOURS[5], ms=5, alpha=0.7)
        mean, low, high = pair.difference
        fill = COLOURS[0] if pair.detected else "white"
        if not math.isnan(low):
            axes.plot([low, high], [row, row], "-", color=COLOURS[0], lw=2)
        axes.plot([mean], [row], "D", color=COLOURS[0], markerfacecolor=fill, ms=7)
    labels = [f"{pair.first}\n\N{MINUS SIGN} {pair.second}" for pair in pairs]
    axes.set_yticks(range(len(pairs)), labels, parse_math=False)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xlabel(
        f"difference of test accuracies, seed by seed (grey: less than {comparison.size:g})\n"
        "diamond: mean and 95 % interval; filled: detected; dot: a seed"
    )
    axes.grid(axis="x", alpha=0.3)
    return figure


def activation_functions(what: Comparison | Iterable[Layer | str]) -> Figure:
    """The activation functions of a comparison's configurations, or of layers, and their
    derivatives.

    Raises ConfigurationError where there are none.
    """
    found = activations(what)
    if not found:
        raise ConfigurationError(
            "activation_functions: expected an activation that works number by number, got none"
        )
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = new_figure(WIDTH, 0.6 + 2.3 * rows)
    z = np.linspace(-REACH, REACH, 801)
    grid = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axes, (name, layer) in zip(grid, found.items(), strict=False):
        a = layer.value(z)
        axes.axhline(0, color="0.7", lw=0.8)
        axes.axvline(0, color="0.7", lw=0.8)
        axes.plot(z, a, "-", color=COLOURS[0], lw=2, label="function g")
        axes.plot(z, layer.derivative(z, a) * np.ones(len(z)), "--", color=COLOURS[1], lw=2)
        axes.lines[-1].set_label("derivative g'")
        axes.set_title(name, parse_math=False, fontsize="medium")
        axes.set_xticks([-4, -2, 0, 2, 4])
    for axes in grid[len(found) :]:  # what is left of the last row
        axes.remove()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def activations(what: Comparison | Iterable[Layer | str]) -> dict[str, Activation]:
    """The different activations in it, by what they are called, those in nested layers too."""
    if isinstance(what, Comparison):
        what = [layer for each in what.configurations for layer in each.layers]
    found: dict[str, Activation] = {}
    for given in what:
        layer = layer_from_name(given) if isinstance(given, str) else given
        if isinstance(layer, Composite):
            found |= activations(layer.layers)
        elif isinstance(layer, Activation):
            found[repr(layer)] = layer
    return found


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. Raises MissingExtraError without matplotlib."""
    try:
        import matplotlib  # noqa: F401  # the parent first: a part of it may be there without it
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "drawing a picture") from None
    return Figure(figsize=(width, height), layout="constrained")


def empty(axes: Axes, why: str) -> None:
    """Say in the place of a picture why there is none."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)


def _legend(axes: Axes, names: Sequence[str]) -> None:
    # The texts are put in afterwards: as labels, "_" would hide them and "$" be mathematics.
    handles: list[Any] = list(axes.lines)
    legend = axes.legend(handles, ["-"] * len(names), loc="best", handlelength=3)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def _count(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
