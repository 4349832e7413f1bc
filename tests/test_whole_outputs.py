"""Whole outputs against what is written in `fixtures`, word by word and digit by digit.

`python -m tests.test_whole_outputs` writes those files anew; what has changed in them is to be
read. The numbers of the comparisons are worked out in `test_statistics` and `test_compare`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck.inside import paths
from minitorch_np.reports import model_page, page, playground, text, trace, trace_page
from tests.drawn import drawn, numbers_of
from tests.handmade import COMPARISONS, four, many, of_numbers
from tests.written import require_written, write


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


def weighted(*layers: Any, shape: Any) -> mt.Sequential:
    """A model whose parameters are the numbers -1, -0.75, ... 1, over and over."""
    model = mt.Sequential(*layers, input_shape=shape, seed=0, dtype="float64")
    fill(model)
    return model


def fill(model: Any) -> None:
    """Put those numbers into a model; what has to be positive gets their size."""
    numbers = np.linspace(-1, 1, 9)
    arrays = {name: np.resize(numbers, a.shape) for name, a in model.state_dict().items()}
    positive = {name: np.abs(a) for name, a in arrays.items() if name.endswith("running_var")}
    model.load_state_dict(arrays | positive)


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


# Steps and models


def steps() -> str:
    """Each array of some steps: to which part it belongs, its formula and its numbers."""
    chained = weighted(mt.Dense(3), "leaky_relu(0.1)", mt.Dense(2), "tanh", shape=4)
    added = weighted(
        mt.Dense(3),
        mt.Residual(mt.Dense(3), "tanh", mt.Dense(3, use_bias=False)),
        mt.Add(mt.Dense(2), mt.Dense(2)),
        shape=4,
    )
    images = weighted(
        mt.Conv2D(2, (2, 1), padding=1), "relu", mt.Flatten(), mt.Dense(2), shape=(1, 2, 2)
    )
    a, b = mt.Input(4, name="a"), mt.Input(3, name="b")
    h = mt.Dense(2)(a)
    g = mt.Add()(mt.Tanh()(h), mt.Dense(2)(b), h)
    graph = mt.Graph([a, b], [mt.Dense(1).named("price")(g), h], seed=0, dtype="float64")
    fill(graph)
    labels, two = np.array([0, 1, 1]), (grid(3, 4), grid(3, 3))
    entropy = mt.SoftmaxCrossEntropy()
    made = {
        "a chain": mt.trace(chained, entropy, grid(3, 4), labels, optimizer="sgd(0.5)"),
        "a chain of scores": mt.trace(chained[:3], entropy, grid(3, 4), labels, optimizer="adam"),
        "a chain and numbers": mt.trace(chained, "mean_squared_error", grid(3, 4), grid(3, 2)),
        "sums": mt.trace(added, entropy, grid(3, 4), labels),
        "images": mt.trace(images, entropy, grid(3, 1, 2, 2), labels),
        "a graph": mt.trace(graph, ["mean_squared_error"] * 2, two, (grid(3, 1), grid(3, 2))),
    }
    return _listed({name: f"{_step(step)}\n\n{_table(step)}" for name, step in made.items()})


def _step(step: mt.Trace) -> str:
    lines = []
    for each in step.arrays.values():
        how = "" if each.product is None else f"\n    {each.product}"
        numbers = f"{each.value.shape} {numbers_of(each.value)}"
        lines.append(f"{each.part} | {each.name} = {each.formula}: {numbers}{how}")
    return "\n".join(lines)


def _table(step: mt.Trace) -> str:
    with mock.patch.object(trace, "terminal_width", return_value=200):
        return str(step)


def plain(data: Any, key: str = "") -> Any:
    """Data of a page with fewer digits, and with numbers for what is in base64."""
    if isinstance(data, dict):
        return {name: plain(each, name) for name, each in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(each) for each in data]
    if key in ("numbers", "pixels") and isinstance(data, str):
        content = base64.b64decode(data)
        return numbers_of(np.frombuffer(content, "<f4" if key == "numbers" else "u1"))
    return round(data, 6) if isinstance(data, float) else data


def scripts() -> str:
    """What the scripts of pages are told: of models, a step, and points."""
    every = weighted(
        mt.Reshape((1, 2, 2)),
        mt.Conv2D(4, (2, 1), padding="same", groups=1, use_bias=False),
        *(mt.BatchNorm(), mt.PReLU(0.2, per_channel=True), mt.GroupNorm(2, epsilon=0.1)),
        *(mt.MaxPool2D(2, stride=1, padding="same"), mt.AveragePool2D((1, 2)), "leaky_relu(0.2)"),
        *(mt.Sequential(mt.LayerNorm(3), mt.Dropout(0.1)), mt.GlobalAveragePool2D()),
        *(mt.Residual(mt.Dense(4), "gelu(tanh)"), mt.RMSNorm(), mt.Dense(3), "log_softmax"),
        shape=4,
    )
    images = np.resize(np.arange(25) * 10, (25, 2, 2)).astype(np.uint8)
    examples = mt.data.Images(images, np.arange(25) % 3, class_names=("a", "b", "c"))
    ends: dict[str, list[mt.Layer | str]] = {
        "softmax": [mt.Dense(3), "softmax"],
        "sigmoid": [mt.Dense(3), "sigmoid"],
        "scores": [mt.Dense(2)],
        "logits": [mt.Dense(2)],
    }
    points = playground.as_points(grid(9, 2) + np.arange(9)[:, None], list("ababbcabc"), ("u", "v"))
    chained = weighted(mt.Dense(3), "tanh", mt.Dense(2), shape=4)
    step = mt.trace(chained, "softmax_cross_entropy", grid(3, 4), np.array([0, 1, 1]))
    made: dict[str, Any] = {
        "a model": model_page.as_json(every, None),
        "examples": {
            key: model_page.as_json(weighted(mt.Dense(3), shape=4), examples)[key]
            for key in ("names", "examples")
        },
        "points": playground.as_json(points, "mine"),
        "no points": playground.as_json(None, ""),
        "a step": {
            part["title"]: part["arrays"]
            for part in trace_page.as_json(list(step.arrays.values()))["parts"]
        },
    }
    for name, layers in ends.items():
        ended = weighted(*layers, shape=4)
        ended.exclusive_classes = False if name == "logits" else None
        told = model_page.as_json(ended, None)
        made[name] = {key: told[key] for key in ("side", "names", "outputs", "teachable")}
    return _listed({name: _lines(plain(data)) for name, data in made.items()})


def _lines(data: dict[str, Any]) -> str:
    """A line for each entry, or if it is a list of layers or the like, for each of those."""
    lines = []
    for key, value in data.items():
        several = isinstance(value, list) and value and isinstance(value[0], dict)
        rows = [json.dumps(each) for each in value] if several else [json.dumps(value)]
        lines += [f"{key}:", *("  " + row for row in rows)] if several else [f"{key}: {rows[0]}"]
    return "\n".join(lines)


def networks() -> str:
    """The layers of the networks that have a name, from the inside out, with their shapes."""
    made: dict[str, mt.Sequential | mt.Graph] = {
        "notes": mt.notes_network(seed=0),
        "notes with options": mt.notes_network(
            "elu", "softmax", hidden=4, features=6, classes=3, initializer="he_normal", seed=0
        ),
        "mlp": mt.mlp([6, 5, 4, 3], "tanh", "softmax", dropout=0.2, initializer="zeros", seed=0),
        "autoencoder": mt.autoencoder([6, 5, 4, 2], seed=0),
        "vae": mt.vae([6, 5, 4, 2], seed=0),
        "lenet5": mt.lenet5(seed=0),
        "resnet": mt.resnet(14, input_shape=(1, 7, 6), classes=3, width=2, seed=0),
        "unet": mt.unet((1, 8, 4), 3, depth=2, width=2, seed=0),
        "gpt": mt.gpt(5, 4, 2, 2, 4, dropout=0.1, seed=0),
        "char_rnn": mt.char_rnn(5, 4, 3, 2, cell="gru", dropout=0.1, seed=0),
    }
    return _listed({name: "\n".join(_network(model)) for name, model in made.items()})


def _network(model: Any) -> list[str]:
    lines = [f"{model.input_shape} to {model.output_shape} of {model.dtype}"]
    for path, layer in paths(model):
        arrays = {name: array.shape for name, array in layer.named_parameters().items()}
        own = "" if layer.sublayers() else f" {arrays}"
        shapes = f"{layer.input_shape} to {layer.output_shape}" if layer.built else "not built"
        lines.append(f"{path} {layer.label}: {shapes}{own}")
    return lines


OUTPUTS = {
    "networks.txt": networks,
    "reports.txt": reports,
    "pages.txt": pages,
    "pictures.txt": pictures,
    "steps.txt": steps,
    "scripts.txt": scripts,
}
NEEDS = {"pages.txt": "jinja2", "pictures.txt": "matplotlib"}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_said_and_drawn(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    require_written(name, OUTPUTS[name]())


if __name__ == "__main__":
    for name, make in OUTPUTS.items():
        write(name, make())
