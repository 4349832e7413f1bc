"""Pictures show the data: what is checked are the things drawn, not their pixels."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from tests.handmade import four


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_each_run_is_a_dot_in_order(comparison: mt.Comparison, plots: Any) -> None:
    [axes] = plots.runs(comparison).axes
    lines, edge = list(axes.lines), plots.drawn_range(comparison)[0]
    for name in comparison.ranking:
        dots, crosses, bar, median = lines[:4]
        lines = lines[4:]
        lost = np.array(comparison.collapsed(name))
        expected = comparison.accuracies(name)
        np.testing.assert_allclose(dots.get_xdata(), np.maximum(np.sort(expected[~lost]), edge))
        # Those that are further out stand at the edge.
        shown = np.maximum(np.sort(expected[lost]), edge)
        np.testing.assert_allclose(crosses.get_xdata(), shown)
        np.testing.assert_allclose(median.get_xdata(), [max(np.median(expected), edge)])
        assert bar.get_xdata()[1] == pytest.approx(comparison.summaries[name].interval.high)
    assert [text.split(" (")[0] for text in texts(axes)] == comparison.ranking


def test_differences_are_those_of_the_seeds(comparison: mt.Comparison, plots: Any) -> None:
    [axes] = plots.differences(comparison).axes
    [pair] = comparison.verdicts
    gaps = comparison.accuracies(pair.first) - comparison.accuracies(pair.second)
    drawn = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() in "o<>"])
    assert len(drawn) == len(gaps)
    inside = next(line for line in axes.lines if line.get_marker() == "o").get_xdata()
    assert set(np.round(inside, 9)) <= set(np.round(gaps, 9))
    bar, diamond = axes.lines[-2:]
    np.testing.assert_allclose(bar.get_xdata(), pair.interval)
    np.testing.assert_allclose(diamond.get_xdata(), [pair.difference])
    assert (diamond.get_markerfacecolor() != "white") == pair.detected
    band = axes.patches[0]
    assert (band.get_x(), band.get_width()) == (-comparison.size, 2 * comparison.size)
    assert texts(axes) == [f"{pair.first} \N{MINUS SIGN} {pair.second}: {pair.kind}"]
    alone = replace(comparison, configurations=comparison.configurations[:1])
    alone = replace(alone, results=comparison.runs[comparison.names[0]])
    with pytest.raises(mt.ConfigurationError, match="two or more"):
        plots.differences(alone)


def test_curves_are_medians_by_epoch_and_by_time(comparison: mt.Comparison, plots: Any) -> None:
    for draw in (plots.learning_curves, plots.times):
        [axes] = draw(comparison).axes
        assert len({line.get_color() for line in axes.lines}) == 2
        assert len({line.get_linestyle() for line in axes.lines}) == 2
        assert [text.get_text() for text in axes.get_legend().get_texts()] == comparison.ranking
        for name, line in zip(comparison.ranking, axes.lines, strict=True):
            curves = [run["curves"]["test_accuracy"] for run in comparison.runs[name]]
            np.testing.assert_allclose(line.get_ydata(), np.median(curves, axis=0))
            seconds = comparison.summaries[name].seconds
            last = 2 if draw is plots.learning_curves else seconds
            np.testing.assert_allclose(line.get_xdata(), [last / 2, last])


def test_one_figure_has_all_of_it(comparison: mt.Comparison, plots: Any) -> None:
    figure = mt.report(comparison).plot()
    figure.draw_without_rendering()
    heights = [axes.get_position().height for axes in figure.axes]
    assert len(heights) == 4
    assert sum(heights) > 0.5  # no room is lost between them


def test_of_many_pairs_those_with_the_best_are_drawn(comparison: mt.Comparison, plots: Any) -> None:
    first = comparison.configurations[0]
    many = [first._replace(name=f"c{n}") for n in range(6)]
    runs = comparison.runs[first.name]
    results = [run | {"name": each.name} for each in many for run in runs]
    found = replace(comparison, configurations=many, results=results)
    assert len(found.verdicts) == 15
    assert len(plots.shown_pairs(found)) == 5
    assert all(found.ranking[0] in (v.first, v.second) for v in plots.shown_pairs(found))


@pytest.mark.parametrize(("most", "shown"), [(6, 6), (5, 3)])
def test_pairs_are_unfolded_if_they_are_few(
    most: int, shown: int, plots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minitorch_np.reports import page

    found = four()
    assert len(found.verdicts) == 6
    monkeypatch.setattr(plots, "MOST_PAIRS", most)
    monkeypatch.setattr(page, "_picture", lambda draw, *said: [("said", said)])
    picture, *folded = page._pairs(found)
    alternative, caption = picture[1]
    assert alternative.count(" minus ") == shown
    assert ("Only pairs with the best" in caption) == (shown < 6)
    assert [part["unfolded"] for _, part in folded] == [shown == 6] * 2


def test_pictures_of_one_epoch_one_seed_and_none(comparison: mt.Comparison, plots: Any) -> None:
    short = [
        run | {"curves": {name: curve[:1] for name, curve in run["curves"].items()}}
        for run in comparison.results
        if run["seed"] == 0
    ]
    once = replace(comparison, results=short, seeds=[0])
    assert all(line.get_marker() == "o" for line in plots.learning_curves(once).axes[0].lines)
    assert len(plots.overview(once).axes) == 4
    failed = [{"name": r["name"], "seed": r["seed"], "error": "x"} for r in comparison.results]
    none = replace(comparison, results=failed)
    assert texts(plots.learning_curves(none).axes[0]) == ["no runs to show: all failed"]
    assert len(plots.overview(none).axes) == 2


def test_activation_functions_and_their_derivatives(comparison: mt.Comparison, plots: Any) -> None:
    figure = plots.plot_activations(comparison)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["LeakyReLU(negative_slope=0.1)", "ELU()", "Sigmoid()"]
    function, derivative = figure.axes[2].lines[-2:]
    z = function.get_xdata()
    assert (z[0], z[-1]) == (-4, 4)
    g = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(function.get_ydata(), g)
    np.testing.assert_allclose(derivative.get_ydata(), g * (1 - g))
    nested = mt.Sequential("relu", mt.Sequential("tanh"))
    assert len(plots.plot_activations([*nested, "relu", "softmax", "gelu"]).axes) == 3
    with pytest.raises(mt.ConfigurationError, match="got none"):
        plots.plot_activations(["softmax"])


def test_hidden_weights_share_a_scale(model_plots: Any) -> None:
    model = mt.Sequential(mt.Dense(3), "relu", mt.Dense(2), input_shape=12, seed=0)
    figure = model_plots.plot_weights(model, (3, 4))
    images = [axes.images[0] for axes in figure.axes if axes.images]
    weights = model.state_dict()["0.weight"]
    assert len(images) == 3
    assert {image.get_clim() for image in images} == {(-abs(weights).max(), abs(weights).max())}
    for image, unit in zip(images, weights, strict=True):
        np.testing.assert_array_equal(image.get_array(), unit.reshape(3, 4))
    with pytest.raises(mt.ShapeError, match="12 pixels"):
        model_plots.plot_weights(model)
    with pytest.raises(mt.ConfigurationError, match="Dense"):
        model_plots.plot_weights(mt.Sequential("relu", mt.Dense(2), input_shape=3))
    flat = mt.Sequential(mt.Flatten(), mt.Dense(2), input_shape=(2, 2), seed=0)
    assert len(model_plots.plot_weights(flat, (2, 2)).axes) == 3
    many = mt.Sequential(mt.Dense(50), input_shape=4, seed=0)
    figure = model_plots.plot_weights(many, (2, 2))
    assert len([axes for axes in figure.axes if axes.get_title()]) == 40
    assert "the first 40 of 50" in figure.get_suptitle()


def test_confusion_writes_the_counts(model_plots: Any) -> None:
    axes = model_plots.plot_confusion([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0]).axes[0]
    written = {(*text.get_position()[::-1],): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "2", (2, 0): "1"}
    assert axes.get_title() == "66.67% of 6 are right"
    one_hot = model_plots.plot_confusion(np.eye(2), [0, 1]).axes[0]
    assert [text.get_text() for text in one_hot.texts] == ["1", "1"]
    with pytest.raises(mt.ShapeError, match="equal length"):
        model_plots.plot_confusion([0, 1], [0])
    with pytest.raises(mt.ConfigurationError, match="classes"):
        model_plots.plot_confusion([0, 99], [0, 99])


def test_worst_errors_come_worst_first(model_plots: Any) -> None:
    x = np.log(np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]], np.float32))
    model = mt.Sequential(mt.Dense(2, use_bias=False), input_shape=2, seed=0)
    model.load_state_dict({"0.weight": np.eye(2, dtype=np.float32)})
    figure = model_plots.plot_errors(model, x, [0, 0, 0, 1], (1, 2))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["is 0, taken for 1\n(80.0 %)", "is 0, taken for 1\n(70.0 %)"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), x[2:3])
    assert len(model_plots.plot_errors(model, x, [1, 0, 0, 0], (1, 2), n=3).axes) == 3
    right = model_plots.plot_errors(model, x, [0, 1, 1, 1], (1, 2))
    assert [text.get_text() for text in right.axes[0].texts] == ["no errors"]
    with pytest.raises(mt.ShapeError, match="image_shape"):
        model_plots.plot_errors(model, x, [0, 1, 1, 1])
    for labels in ([0], [0, 1], [0] * 5):  # one label would fit to all of them
        with pytest.raises(
            mt.ShapeError, match=f"a label for each sample, got 4 and {len(labels)}"
        ):
            model_plots.plot_errors(model, x, labels, (1, 2))


def test_pictures_need_matplotlib_and_leave_no_window(
    comparison: mt.Comparison, no_matplotlib: None
) -> None:
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[plot\]"):
        mt.report(comparison).plot()


def test_pictures_leave_pyplot_alone() -> None:
    pytest.importorskip("matplotlib")
    script = (
        "import sys; from minitorch_np.reports import page, plots; "
        "assert 'matplotlib' not in sys.modules; "
        "page.svg(lambda: plots.plot_activations(['relu'])); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
