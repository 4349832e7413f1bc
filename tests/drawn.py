"""A figure in words: everything that is drawn in it, and how, but no pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

FEW = 24
"""Of more numbers than that, the first and last are given, their number and their sum."""


def drawn(figure: Any) -> str:
    """A line for the figure, and for each of its axes and of what is in them."""
    size, layout = figure.get_size_inches(), type(figure.get_layout_engine()).__name__
    lines = [f"figure {numbers_of(size)}, {layout}", *map(_text, figure.texts)]
    lines += [line for each in figure.legends for line in _legend(each, figure.transFigure)]
    for axes in figure.axes:
        lines += [*_axes(axes), *("  " + line for line in _content(axes))]
    return "\n".join(lines)


def _n(value: Any) -> str:
    return f"{0.0 if abs(value) < 1e-9 else float(value):.4g}"


def numbers_of(values: Any) -> str:
    found: Any = np.ma.filled(np.ma.asarray(values, float), np.nan).reshape(-1)
    if found.size <= FEW:
        return " ".join(map(_n, found))
    return f"{_n(found[0])} ... {_n(found[-1])}, {found.size} of sum {_n(np.nansum(found))}"


def _look(artist: Any, *names: str) -> str:
    """Those of its properties that are asked for, and that it has."""
    found = {name: getattr(artist, f"get_{name}")() for name in names}
    return ", ".join(f"{name} {_shown(each)}" for name, each in found.items() if each is not None)


def _shown(value: Any) -> str:
    if isinstance(value, (str, bool)):
        return str(value)
    return numbers_of(value) if isinstance(value, Iterable) else _n(value)


def _axes(axes: Any) -> list[str]:
    from matplotlib.ticker import FixedLocator

    place = axes.get_subplotspec()
    at = "beside"
    if place is not None:
        rows, columns, first, _ = place.get_geometry()
        ratios = place.get_gridspec().get_height_ratios()
        at = f"{first} of {rows} x {columns} of heights {numbers_of(ratios)}"
    limits = f"x {numbers_of(axes.get_xlim())}, y {numbers_of(axes.get_ylim())}"
    lines = [f"axes {at}, aspect {axes.get_aspect()}, {limits}"]
    x, y = axes.xaxis, axes.yaxis
    for name, text in (("title", axes.title), ("x", x.label), ("y", y.label)):
        if text.get_text():
            lines.append(f"  {name} {text.get_text()!r}: {_look(text, 'fontsize', 'parse_math')}")
    for name, axis in (("x", x), ("y", y)):
        is_fixed = isinstance(axis.get_major_locator(), FixedLocator)
        ticks = numbers_of(axis.get_ticklocs()) if is_fixed or name == "x" else "free"
        labels = axis.get_ticklabels() if is_fixed and len(axis.get_ticklocs()) else []
        if labels:
            names = [text.get_text() for text in labels]
            ticks += f" {names} {_look(labels[0], 'rotation', 'parse_math')}"
        grid = [line for line in axis.get_gridlines() if line.get_visible()]
        ticks += f", grid {_look(grid[0], 'alpha')}" if grid else ""
        lines.append(f"  ticks of {name}: {ticks}")
    return lines


def _content(axes: Any) -> list[str]:
    lines = []
    for line in axes.lines:
        look = _look(line, "color", "alpha", "linestyle", "linewidth")
        if line.get_marker() not in ("None", ""):
            look += ", " + _look(line, "marker", "markersize", "markeredgewidth", "markerfacecolor")
        label = "" if line.get_label().startswith("_") else f" {line.get_label()!r}"
        clip = "" if line.get_clip_on() else ", not clipped"
        x, y = numbers_of(line.get_xdata()), numbers_of(line.get_ydata())
        lines.append(f"line{label}: x {x}; y {y}; {look}{clip}")
    for patch in axes.patches:
        place = _look(patch, "x", "y", "width", "height")
        lines.append(f"box: {place}; {_look(patch, 'facecolor', 'linewidth')}")
    for image in axes.images:
        place = f"limits {numbers_of(image.get_clim())}, extent {numbers_of(image.get_extent())}"
        how = f"{image.get_cmap().name}, {image.get_interpolation()}, origin {image.origin}"
        array = image.get_array()
        lines.append(f"image {numbers_of(array.shape)}: {numbers_of(array)}; {place}; {how}")
    for each in axes.collections:
        look = _look(each, "facecolor", "edgecolor", "linewidth")
        if hasattr(each, "levels"):
            ends = np.concatenate([path.vertices for path in each.get_paths()])
            lines.append(f"contour {numbers_of(each.levels)}: {numbers_of(ends)}; {look}")
        elif hasattr(each, "get_sizes"):
            label, sizes = each.get_label(), numbers_of(each.get_sizes())
            (path,) = each.get_paths()
            where = (
                f"{numbers_of(each.get_offsets())}; sizes {sizes} of {len(path.vertices)} corners"
            )
            lines.append(f"points {label!r}: {where}, {look}")
    lines += map(_text, axes.texts)
    if axes.get_legend() is not None:
        lines += _legend(axes.get_legend(), axes.transAxes)
    return lines


def _text(text: Any) -> str:
    box = text.get_bbox_patch()
    paper = "" if box is None else f", on {_look(box, 'facecolor', 'edgecolor')}"
    paper += "" if box is None else f", pad {_n(box.get_boxstyle().pad * text.get_fontsize())}"
    look = _look(text, "fontsize", "weight", "ha", "va", "parse_math")
    return f"text {text.get_text()!r} at {numbers_of(text.get_position())}: {look}{paper}"


def _legend(legend: Any, among: Any) -> list[str]:
    texts, box = legend.get_texts(), legend.get_bbox_to_anchor().transformed(among.inverted())
    names = [text.get_text() for text in texts]
    look = f"{_look(texts[0], 'fontsize', 'parse_math')}, frame {legend.get_frame_on()}"
    place = f"at {legend._loc} {legend._outside_loc} of {numbers_of(box.extents)}"
    how = f"{legend._ncols} columns, handles {_n(legend.handlelength)}"
    return [f"legend {names}: {place}, {how}, {look}"]
