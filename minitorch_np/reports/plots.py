"""Pictures of a comparison: the runs, their differences, and the learning curves.

Each function returns a matplotlib Figure, and raises MissingExtraError without matplotlib (see
`figures`). Each configuration has its own colour and line style. Pictures of one trained model are
in `model_plots`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import layer_from_name
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.verdicts import Verdict
from minitorch_np.figures import COLOURS, STYLES, WIDTH, Axes, Figure, empty, new_figure
from minitorch_np.layers import Activation, Layer, Sequential
from minitorch_np.reports.responses import responses
from minitorch_np.signature import explained

ROW, CURVES = 0.62, 3.6
"""The heights of a row of dots, and of a picture of curves."""

MOST_PAIRS = 10
"""If there are more pairs, only those with the best configuration are drawn."""

ZOOM = 0.2
"""Accuracies further below the best than this are drawn at the edge."""

REACH = 4.0
"""Activation functions are drawn from -REACH to REACH."""


def overview(comparison: Comparison) -> Figure:
    """One figure of everything: runs, differences, learning curves, accuracy against time."""
    panels = [(_draw_runs, _rows_height(comparison.names))]
    if pairs := shown_pairs(comparison):
        panels.append((_draw_differences, _rows_height(pairs)))
    if comparison.curves:
        panels += [(_draw_curves, CURVES), (_draw_times, CURVES)]
    figure = new_figure(WIDTH, sum(height for _, height in panels))
    heights = [height for _, height in panels]
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).flat
    for axes, (draw, _) in zip(grid, panels, strict=True):
        draw(axes, comparison)
    return figure


def runs(comparison: Comparison) -> Figure:
    """A row for each configuration: its runs as dots, sorted, their median and its interval."""
    return _single(_draw_runs, comparison, _rows_height(comparison.names))


def differences(comparison: Comparison) -> Figure:
    """A row for each pair: the differences by seed as dots, their mean and its interval.

    Raises ConfigurationError if there are no pairs.
    """
    pairs = shown_pairs(comparison)
    if not pairs:
        raise ConfigurationError(
            "differences: expected two or more configurations, got no pair to compare"
        )
    return _single(_draw_differences, comparison, _rows_height(pairs))


def learning_curves(comparison: Comparison) -> Figure:
    """The median test accuracy, or R2, by epoch."""
    return _single(_draw_curves, comparison, CURVES)


def times(comparison: Comparison) -> Figure:
    """The median test accuracy, or R2, by seconds of training."""
    return _single(_draw_times, comparison, CURVES)


def shown_pairs(comparison: Comparison) -> list[Verdict]:
    """All pairs, or if they are many, only those with the reference or the best."""
    if len(comparison.verdicts) <= MOST_PAIRS:
        return comparison.verdicts
    centre = comparison.reference or comparison.ranking[0]
    return [each for each in comparison.verdicts if centre in (each.first, each.second)]


def _single(
    draw: Callable[[Axes, Comparison], None], comparison: Comparison, height: float
) -> Figure:
    figure = new_figure(WIDTH, height)
    draw(figure.add_subplot(), comparison)
    return figure


def _rows_height(rows: Sequence[object]) -> float:
    return 1.15 + ROW * len(rows)


def _draw_runs(axes: Axes, comparison: Comparison) -> None:
    """Draw the runs; collapsed ones are crosses, and those too far out are at the edge."""
    low, high = drawn_range(comparison)
    n = len(comparison.seeds)
    for row, name in enumerate(comparison.ranking):
        accuracies, lost = comparison.accuracies(name), np.array(comparison.collapsed(name))
        order = np.argsort(accuracies, kind="stable")
        heights = row + 0.25 - 0.4 * (np.arange(n) + 0.5) / n
        x, collapsed = np.maximum(accuracies[order], low), lost[order]
        colour = COLOURS[comparison.names.index(name) % len(COLOURS)]
        axes.plot(x[~collapsed], heights[~collapsed], "o", color=colour, ms=4, mew=0)
        axes.plot(x[collapsed], heights[collapsed], "x", color="#B00020", ms=5)
        summary = comparison.summaries[name]
        if math.isfinite(summary.interval.low):
            ends = np.clip(summary.interval, low, high)
            axes.plot(ends, [row + 0.36] * 2, "-", color="black", lw=2)
        axes.plot([max(summary.median, low)], [row + 0.36], "D", color="black", ms=5)
        count = f", {summary.collapsed} of {n} collapsed" if summary.collapsed else ""
        group = f" ({comparison.groups[name]})" if comparison.groups[name] else ""
        _row_title(axes, row, f"{name}{group}: median {summary.median:.4f}{count}")
    axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    axes.set_xlabel(
        f"test {comparison.measure.name}: a dot is a run, a cross a collapsed\n"
        "run; black: median and 95 % interval"
    )
    _rows(axes, comparison.ranking)


def drawn_range(comparison: Comparison) -> tuple[float, float]:
    """The range of accuracies to draw: that of the runs that worked, if most did, but not far below
    the best."""
    shown = np.concatenate([comparison.accuracies(name) for name in comparison.names])
    lost = np.concatenate([comparison.collapsed(name) for name in comparison.names])
    if lost.mean() < 0.5:
        shown = shown[~lost]
    high = float(shown.max())
    medians = [each.median for each in comparison.summaries.values() if each.median >= high - ZOOM]
    low = max(float(shown.min()), min([*medians, high]) - ZOOM / 2)
    room = 0.08 * (high - low) or 0.01
    return low - 2 * room, min(1.0, high + room)


def _draw_differences(axes: Axes, comparison: Comparison) -> None:
    """Draw the differences; the mean is filled if detected; dots too far out are at the edge."""
    pairs = shown_pairs(comparison)
    known = [end for each in pairs for end in each.interval if math.isfinite(end)]
    reach = [*known, *(each.difference for each in pairs), 2 * comparison.size]
    low, high = min(*reach, -2 * comparison.size), max(reach)
    low, high = low - 0.08 * (high - low), high + 0.08 * (high - low)
    axes.axvspan(-comparison.size, comparison.size, color="0.9", lw=0)
    axes.axvline(0, color="black", lw=1)
    for row, each in enumerate(pairs):
        gaps = comparison.accuracies(each.first) - comparison.accuracies(each.second)
        left, right = gaps < low, gaps > high
        for marker, some in (("o", ~left & ~right), ("<", left), (">", right)):
            if some.any():  # an empty unclipped line would take up space in the layout
                x, y = np.clip(gaps[some], low, high), np.full(some.sum(), row - 0.02)
                axes.plot(x, y, marker, color=COLOURS[5], ms=4, mew=0, clip_on=marker == "o")
        if math.isfinite(each.interval.low):
            axes.plot(each.interval, [row + 0.25] * 2, "-", color=COLOURS[0], lw=2)
        fill = COLOURS[0] if each.detected else "white"
        axes.plot(
            [each.difference], [row + 0.25], "D", color=COLOURS[0], markerfacecolor=fill, ms=6
        )
        _row_title(axes, row, f"{each.first} \N{MINUS SIGN} {each.second}: {each.kind}")
    axes.set_xlim(low, high)
    axes.set_xlabel(
        f"difference of test {comparison.measure.several} (grey: below {comparison.size:g})\n"
        "a dot is a seed; diamond: mean, filled if detected"
    )
    _rows(axes, pairs)


def _row_title(axes: Axes, row: int, text: str) -> None:
    # parse_math=False: names may contain "$", but not mathematics.
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    axes.text(
        0.01,
        row - 0.3,
        text,
        transform=axes.get_yaxis_transform(),
        va="center",
        size=9,
        bbox=paper,
        parse_math=False,
    )


def _rows(axes: Axes, rows: Sequence[object]) -> None:
    axes.set_yticks([])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    for row in range(1, len(rows)):
        axes.axhline(row - 0.5, color="0.85", lw=0.8)
    axes.grid(axis="x", alpha=0.3)


def _draw_curves(axes: Axes, comparison: Comparison) -> None:
    epochs = {name: np.arange(1, len(curve) + 1) for name, curve in comparison.curves.items()}
    _draw_lines(axes, comparison, epochs)
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)


def _draw_times(axes: Axes, comparison: Comparison) -> None:
    seconds = {
        name: np.arange(1, len(curve) + 1) / len(curve) * comparison.summaries[name].seconds
        for name, curve in comparison.curves.items()
    }
    _draw_lines(axes, comparison, seconds)
    axes.set_xlabel("seconds of training (median)")


def _draw_lines(axes: Axes, comparison: Comparison, x: dict[str, Any]) -> None:
    """Draw median test accuracies, from the point where they begin to differ."""
    if not comparison.curves:
        empty(axes, "no runs to show: all failed")
        return
    drawn = [name for name in comparison.ranking if name in comparison.curves]
    for name in drawn:
        place = comparison.names.index(name)
        curve = comparison.curves[name]
        axes.plot(
            x[name],
            curve,
            STYLES[place % len(STYLES)],
            color=COLOURS[place % len(COLOURS)],
            marker="o" if len(curve) == 1 else "",  # one point makes no line
            lw=1.8 if place % len(STYLES) else 2.6,  # thicker: others may cover it
        )
    tops = [float(curve.max()) for curve in comparison.curves.values()]
    early = [float(curve[len(curve) // 5]) for curve in comparison.curves.values()]
    low = max(min(early), max(tops) - ZOOM)
    room = 0.06 * (max(tops) - low) or 0.01
    axes.set_ylim(low - room, max(tops) + room)
    axes.set_ylabel(f"median test {comparison.measure.name}")
    axes.grid(alpha=0.3)
    _legend(axes, drawn)


@explained
def plot_activations(*what: Comparison | Iterable[Layer | str] | Layer | str | AnyArray) -> Figure:
    """A Figure of the activation functions of layers, or of a comparison's configurations, and
    their derivatives: `plot_activations("relu", mt.ELU(1.7))`, `plot_activations(model)`.

    `plot_activations(model, x)`, with a Sequential and samples x (m, *input_shape), shows the
    outputs of each layer for the first samples instead, see `responses`.

    Raises ConfigurationError if there are no activations; for a model and samples as `responses`.
    """
    if len(what) == 2 and isinstance(what[0], Sequential) and not isinstance(what[1], (Layer, str)):
        return responses(what[0], what[1])
    found = activations(what)
    if not found:
        raise ConfigurationError("plot_activations: expected an elementwise activation, got none")
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
    for axes in grid[len(found) :]:  # unused places in the last row
        axes.remove()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def activations(what: object) -> dict[str, Activation]:
    """The different activations in `what`, including nested layers, by their repr."""
    if isinstance(what, str):
        what = layer_from_name(what)
    if isinstance(what, Activation):
        return {repr(what): what}
    if isinstance(what, Comparison):
        what = [each.layers for each in what.configurations]
    inside = what.layers if isinstance(what, Composite) else what
    found: dict[str, Activation] = {}
    listed = isinstance(inside, Iterable) and not isinstance(inside, np.ndarray)
    for each in inside if listed else ():  # type: ignore[attr-defined]
        found |= activations(each)
    return found


def _legend(axes: Axes, names: Sequence[str]) -> None:
    # The texts are set afterwards: in labels, "_" would hide them and "$" start mathematics.
    handles: list[Any] = list(axes.lines)
    legend = axes.legend(
        handles,
        ["-"] * len(names),
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        handlelength=3,
        fontsize=9,
        frameon=False,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
