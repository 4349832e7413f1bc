"""Pictures show the data: what is checked are the things drawn, not their pixels."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments.statistics import mean_interval


def test_learning_curves_are_the_means(comparison: mt.Comparison, plots: Any) -> None:
    axes: Any = comparison.plot().axes[0]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    for name, line, band in zip(comparison.names, axes.lines, axes.collections, strict=True):
        runs = np.array(
            [r["curves"]["test_accuracy"] for r in comparison.results if r["name"] == name]
        )
        np.testing.assert_array_equal(line.get_xdata(), [1, 2])
        np.testing.assert_allclose(line.get_ydata(), runs.mean(axis=0))
        heights = band.get_paths()[0].vertices[:, 1]
        last = mean_interval(runs[:, -1])
        assert np.isclose(heights, last.low).any()
        assert np.isclose(heights, last.high).any()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == comparison.names


def test_learning_curves_of_one_epoch_one_seed_and_none(
    comparison: mt.Comparison, plots: Any
) -> None:
    short = [
        run | {"curves": {"test_accuracy": run["curves"]["test_accuracy"][:1]}}
        for run in comparison.results
        if run["seed"] == 0
    ]
    axes = plots.learning_curves(comparison._replace(results=short, seeds=[0])).axes[0]
    assert all(line.get_marker() == "o" for line in axes.lines)
    assert not axes.collections  # one seed has no interval
    failed = [{"name": r["name"], "seed": r["seed"], "error": "x"} for r in comparison.results]
    axes = plots.learning_curves(comparison._replace(results=failed)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["no run to show: all failed"]


def test_paired_differences_are_those_of_the_seeds(comparison: mt.Comparison, plots: Any) -> None:
    axes = plots.paired_differences(comparison).axes[0]
    first, second = comparison.names
    [pair] = comparison.differences
    zero, dots, bar, diamond = axes.lines
    assert set(zero.get_xdata()) == {0}
    np.testing.assert_allclose(dots.get_xdata(), comparison.of(first) - comparison.of(second))
    np.testing.assert_allclose(bar.get_xdata(), [pair.difference.low, pair.difference.high])
    np.testing.assert_allclose(diamond.get_xdata(), [pair.difference.mean])
    assert (diamond.get_markerfacecolor() != "white") == pair.detected
    [label] = axes.get_yticklabels()
    assert label.get_text() == f"{first}\n\N{MINUS SIGN} {second}"
    with pytest.raises(mt.ConfigurationError, match="two or more"):
        plots.paired_differences(comparison._replace(names=[first]))


def test_activation_functions_and_their_derivatives(comparison: mt.Comparison, plots: Any) -> None:
    figure = plots.activation_functions(comparison)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["LeakyReLU(negative_slope=0.1)", "ELU()", "Sigmoid()"]
    function, derivative = figure.axes[2].lines[-2:]
    z = function.get_xdata()
    assert (z[0], z[-1]) == (-4, 4)
    g = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(function.get_ydata(), g)
    np.testing.assert_allclose(derivative.get_ydata(), g * (1 - g))
    nested = mt.Sequential("relu", mt.Sequential("tanh"))
    assert len(plots.activation_functions([*nested, "relu", "softmax", "gelu"]).axes) == 3
    with pytest.raises(mt.ConfigurationError, match="got none"):
        plots.activation_functions(["softmax"])


def test_hidden_weights_share_a_scale(model_plots: Any) -> None:
    model = mt.Sequential(mt.Dense(3), "relu", mt.Dense(2), input_shape=12, seed=0)
    figure = model_plots.hidden_weights(model, (3, 4))
    images = [axes.images[0] for axes in figure.axes if axes.images]
    weights = model.state_dict()["0.weight"]
    assert len(images) == 3
    assert {image.get_clim() for image in images} == {(-abs(weights).max(), abs(weights).max())}
    for image, unit in zip(images, weights, strict=True):
        np.testing.assert_array_equal(image.get_array(), unit.reshape(3, 4))
    with pytest.raises(mt.ShapeError, match="12 pixels"):
        model_plots.hidden_weights(model)
    with pytest.raises(mt.ConfigurationError, match="Dense"):
        model_plots.hidden_weights(mt.Sequential("relu", mt.Dense(2), input_shape=3))
    flat = mt.Sequential(mt.Flatten(), mt.Dense(2), input_shape=(2, 2), seed=0)
    assert len(model_plots.hidden_weights(flat, (2, 2)).axes) == 3
    many = mt.Sequential(mt.Dense(50), input_shape=4, seed=0)
    figure = model_plots.hidden_weights(many, (2, 2))
    assert len([axes for axes in figure.axes if axes.get_title()]) == 40
    assert "the first 40 of 50" in figure.get_suptitle()


def test_confusion_writes_the_counts(model_plots: Any) -> None:
    axes = model_plots.confusion([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0]).axes[0]
    written = {(*text.get_position()[::-1],): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "2", (2, 0): "1"}
    assert axes.get_title() == "66.67% of 6 are right"
    one_hot = model_plots.confusion(np.eye(2), [0, 1]).axes[0]
    assert [text.get_text() for text in one_hot.texts] == ["1", "1"]
    with pytest.raises(mt.ShapeError, match="one length"):
        model_plots.confusion([0, 1], [0])
    with pytest.raises(mt.ConfigurationError, match="classes"):
        model_plots.confusion([0, 99], [0, 99])


def test_worst_errors_come_worst_first(model_plots: Any) -> None:
    x = np.log(np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]], np.float32))
    model = mt.Sequential(mt.Dense(2, use_bias=False), input_shape=2, seed=0)
    model.load_state_dict({"0.weight": np.eye(2, dtype=np.float32)})
    figure = model_plots.worst_errors(model, x, [0, 0, 0, 1], (1, 2))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["is 0, taken for 1\n(80.0 %)", "is 0, taken for 1\n(70.0 %)"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), x[2:3])
    assert len(model_plots.worst_errors(model, x, [1, 0, 0, 0], (1, 2), n=3).axes) == 3
    right = model_plots.worst_errors(model, x, [0, 1, 1, 1], (1, 2))
    assert [text.get_text() for text in right.axes[0].texts] == ["no errors"]
    with pytest.raises(mt.ShapeError, match="image_shape"):
        model_plots.worst_errors(model, x, [0, 1, 1, 1])


def test_pictures_need_matplotlib_and_leave_no_window(
    comparison: mt.Comparison, no_matplotlib: None
) -> None:
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[plot\]"):
        comparison.plot()


def test_pictures_leave_pyplot_alone() -> None:
    pytest.importorskip("matplotlib")
    script = (
        "import sys; from minitorch_np.reports import page, plots; "
        "assert 'matplotlib' not in sys.modules; "
        "page.svg(lambda: plots.activation_functions(['relu'])); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
