"""A graph as a picture: inputs at the top, outputs at the bottom, an arrow for each array.

Each box is one row below the lowest box that feeds into it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from minitorch_np.arrays import describe_batch
from minitorch_np.figures import COLOURS, Figure, new_figure

LONGEST = 26
"""The most characters of a label that are shown."""


def draw(graph: Any) -> Figure:
    """The picture of a Graph. Raises MissingExtraError without matplotlib."""
    inputs = len(graph.input_names)
    labels = [*graph.input_names, *(layer.label for layer in graph.layers)]
    shapes = [*graph.input_shapes, *(layer.output_shape for layer in graph.layers)]
    rows = [0] * inputs
    for sources in graph.wiring:
        rows.append(1 + max(rows[one] for one in sources))
    sizes, taken, places = Counter(rows), Counter[int](), list[tuple[float, float]]()
    widest = max(sizes.values())
    for row in rows:
        across = (taken[row] + 0.5 + (widest - sizes[row]) / 2) * 2.6
        places.append((across, -row * 1.0))
        taken[row] += 1
    figure = new_figure(max(3.0, 2.6 * widest), 0.8 * (max(rows) + 1) + 0.4)
    axes = figure.add_subplot()
    for value, ((x, y), label) in enumerate(zip(places, labels, strict=True)):
        end = value in graph.ends
        colour = COLOURS[2] if value < inputs else COLOURS[1] if end else COLOURS[0]
        name = f" -> {graph.output_names[graph.ends.index(value)]}" if end else ""
        short = label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."
        axes.text(
            x,
            y,
            f"{short}{name}\n{describe_batch(shapes[value])}",
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": colour},
        )
    for place, sources in enumerate(graph.wiring):
        for one in sources:
            far = rows[inputs + place] - rows[one] > 1  # bent around the boxes in between
            axes.annotate(
                "",
                places[inputs + place],
                places[one],
                arrowprops={
                    "arrowstyle": "->",
                    "shrinkA": 14,
                    "shrinkB": 14,
                    "connectionstyle": f"arc3,rad={0.25 if far else 0}",
                },
            )
    axes.set_xlim(0, 2.6 * widest)
    axes.set_ylim(-max(rows) - 0.6, 0.6)
    axes.axis("off")
    return figure
