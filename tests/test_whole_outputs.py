"""Whole outputs against what is written in `fixtures`, to the last digit and line width.

`python -m tests.test_whole_outputs` writes those files anew; what has changed in them is to be
read. The numbers of the comparisons are worked out in `test_statistics` and `test_compare`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.reports import page, text
from tests.drawn import drawn
from tests.handmade import COMPARISONS, four, many, of_numbers

FIXTURES = Path(__file__).with_name("fixtures")


def reports() -> str:
    """The text of each comparison."""
    with mock.patch.object(text, "terminal_width", return_value=500):
        return _listed({name: text.comparison_text(make()) for name, make in COMPARISONS.items()})


def _listed(made: dict[str, str]) -> str:
    return "".join(f"# {name}\n\n{said}\n\n" for name, said in made.items())


def pages() -> str:
    """What is on the pages, line by line, without the date, versions, and what is in pictures."""
    made: dict[str, str] = {}
    for name in ("four", "many", "of_numbers", "none_worked"):
        comparison = COMPARISONS[name]()
        with mock.patch.object(page, "svg", return_value="drawn"):
            html = page.page(comparison, "a command")
        html = re.sub(r"(?s)<style>.*?</style>", "", html)
        html = re.sub(r"(<dt>(?:Date|Versions)</dt>\s*<dd>).*", r"\1", html)
        made[name] = re.sub(r"\s*\n\s*", "\n", html)
        made[f"{name} in a notebook"] = re.sub(r"\s*\n\s*", "\n", page.fragment(comparison))
    return _listed(made)


# Pictures


def weighted(*layers: Any, shape: Any, **options: Any) -> mt.Sequential:
    """A model whose parameters are the numbers -1, -0.75, ... 1, over and over."""
    model = mt.Sequential(*layers, input_shape=shape, seed=0, dtype="float64", **options)
    numbers = np.linspace(-1, 1, 9)
    model.load_state_dict(
        {name: np.resize(numbers, a.shape) for name, a in model.state_dict().items()}
    )
    return model


def grid(*shape: int) -> Any:
    """Numbers from -1 to 2 in steps of 0.3, over and over, whose order says nothing."""
    return np.resize(np.arange(11) * 7 % 11 * 0.3 - 1, shape)


def figures() -> dict[str, Callable[[], Any]]:
    from minitorch_np.reports import model_plots, plots

    of_six = weighted(mt.Dense(3), "tanh", mt.Dense(2), shape=6)
    twenty, more = (weighted(mt.Dense(n), shape=2) for n in (20, 21))
    images = weighted(mt.Conv2D(3, 2), "relu", mt.Flatten(), mt.Dense(4), shape=(1, 3, 4))
    rows = weighted(mt.Dense(3), "relu", mt.Dense(120), shape=(2, 2))
    plane = weighted(mt.Dense(3), shape=2)
    classes = [0, 0, 1, 2, 2, 2, 2, 1]
    said = [0, 1, 1, 2, 2, 0, 2, 1]
    p = np.array([0.05, 0.15, 0.18, 0.5, 0.55, 0.95, 1.0, 0.3])
    return {
        "overview of four": lambda: plots.overview(four()),
        "differences of many": lambda: plots.differences(many()),
        "runs of R2": lambda: plots.runs(of_numbers()),
        "curves of R2": lambda: plots.learning_curves(of_numbers()),
        "times alone": lambda: plots.times(COMPARISONS["alone"]()),
        "none worked": lambda: plots.overview(COMPARISONS["none_worked"]()),
        "activations of four": lambda: plots.plot_activations(four()),
        "one activation": lambda: plots.plot_activations("relu"),
        "weights": lambda: model_plots.plot_weights(of_six, (2, 3)),
        "weights of 20": lambda: model_plots.plot_weights(twenty, (1, 2)),
        "weights of 21": lambda: model_plots.plot_weights(more, (1, 2)),
        "confusion": lambda: model_plots.plot_confusion(classes, said),
        "confusion of names": lambda: model_plots.plot_confusion(
            [["ant", "bee", "moth"][k] for k in classes], [["ant", "bee", "moth"][k] for k in said]
        ),
        "confusion of 13": lambda: model_plots.plot_confusion(
            [0, 12, 12], [0, 12, 3], [f"{k}" for k in range(13)]
        ),
        "errors": lambda: model_plots.plot_errors(of_six, grid(9, 6), [0, 1] * 4 + [0], (2, 3)),
        "one error": lambda: model_plots.plot_errors(of_six, grid(9, 6), [1] * 9, (3, 2), n=1),
        "no errors": lambda: model_plots.plot_errors(
            of_six, grid(2, 6), of_six.predict_classes(grid(2, 6)), (2, 3)
        ),
        "calibration": lambda: model_plots.plot_calibration([0, 0, 1, 1, 0, 1, 1, 0], p),
        "calibration of two": lambda: model_plots.plot_calibration(
            [0, 0, 1, 1, 0, 1, 1, 0], np.stack([1 - p, p], 1), bins=4
        ),
        "saliency": lambda: mt.plot_saliency(of_six, grid(3, 6), image_shape=(2, 3)),
        "saliency of one": lambda: mt.plot_saliency(of_six, grid(9, 6), 1, (3, 2), n=1),
        "responses to images": lambda: mt.plot_activations(images, grid(22, 1, 3, 4)),
        "responses to rows": lambda: mt.plot_activations(rows, grid(3, 2, 2)),
        "boundary": lambda: mt.plot_boundary(plane, grid(7, 2), [0, 1, 2, 0, 1, 2, 0]),
        "boundary of names": lambda: mt.plot_boundary(
            weighted(mt.Dense(2), shape=2), grid(4, 2) * [1, 0], ["b", "a", "b", "a"]
        ),
    }  # fmt: skip


def pictures() -> str:
    return _listed({name: drawn(make()) for name, make in figures().items()})


OUTPUTS = {"reports.txt": reports, "pages.txt": pages, "pictures.txt": pictures}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_said_and_drawn(name: str) -> None:
    if name != "reports.txt":
        pytest.importorskip("matplotlib" if name == "pictures.txt" else "jinja2")
    said, expected = OUTPUTS[name](), (FIXTURES / name).read_text(encoding="utf-8")
    assert said.splitlines() == expected.splitlines()


if __name__ == "__main__":
    for name, write in OUTPUTS.items():
        (FIXTURES / name).write_text(write(), encoding="utf-8")
