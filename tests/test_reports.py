"""Reports: the pictures show the data, and the page stands on its own, in a real browser too."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.experiments.statistics import mean_interval
from minitorch_np.reports import best, page, words

NASTY = '<b>"$x_1$&'
"""A name that is markup to HTML, and mathematics to matplotlib."""

VOID = {"meta", "img", "br", "link", "input", "hr"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), "")


@pytest.fixture(scope="module")
def small() -> mt.data.Digits:
    digits = mt.data.load_mnist()
    return mt.data.Digits(digits.train.take(slice(300)), digits.test.take(slice(200)))


@pytest.fixture(scope="module")
def comparison(small: mt.data.Digits) -> mt.Comparison:
    layers: list[mt.Layer | str] = [mt.Dense(6), "sigmoid", mt.Dense(10)]
    other = mt.Configuration(NASTY, layers, epochs=2)
    return mt.compare(["leaky_relu(0.1)+elu", other], small, seeds=3, epochs=2)


@pytest.fixture
def plots() -> Any:
    pytest.importorskip("matplotlib")
    from minitorch_np.reports import plots

    return plots


@pytest.fixture
def model_plots(plots: Any) -> Any:
    from minitorch_np.reports import model_plots

    return model_plots


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn, but not written as SVG."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(page, "svg", lambda draw: str(draw())[:0])


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)


# Pictures


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


# The page


class Reader(HTMLParser):
    """Reads a page, and complains of what is not well-formed, not accessible, or not inside it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        for name in ("src", "href"):
            assert (found.get(name) or "data:").startswith("data:")
        if tag == "img":
            assert len(found["alt"] or "") > 20
        if tag == "th":
            assert found["scope"] in ("row", "col")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def written(
    comparison: mt.Comparison, small: mt.data.Digits, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("report") / "out.html"
    page.write_page(comparison, path, "minitorch-np compare '<a>'", small)
    assert os.listdir(path.parent) == ["out.html"]
    return path


def test_the_page_is_whole_and_stands_alone(written: Path, comparison: mt.Comparison) -> None:
    text = written.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "<b>" not in text
    reader = Reader(text)
    assert reader.count("script") == reader.count("link") == 0
    assert reader.count("table") == reader.count("caption") == 3
    assert reader.count("img") == 6
    for said in (NASTY, "minitorch-np compare '<a>'", "as given", np.__version__, mt.__version__):
        assert said in reader.text
    assert words.headline(comparison) in reader.text
    assert reader.text.index("Answer") < reader.text.index("Numbers")


def test_the_pictures_in_it_are_whole_svg(written: Path) -> None:
    from xml.etree import ElementTree

    for tag, attributes in Reader(written.read_text(encoding="utf-8")).tags:
        if tag == "img":
            kind, _, encoded = (attributes["src"] or "").partition(";base64,")
            assert kind == "data:image/svg+xml"
            root = ElementTree.fromstring(base64.b64decode(encoded))
            assert root.tag.endswith("svg")
            assert len(list(root.iter())) > 50


def test_a_picture_is_the_same_twice(comparison: mt.Comparison, plots: Any) -> None:
    one, two = (page.svg(lambda: plots.paired_differences(comparison)) for _ in range(2))
    assert one == two


def test_the_best_network_is_that_of_the_comparison(
    comparison: mt.Comparison, small: mt.data.Digits
) -> None:
    found = best.best_network(comparison, small)
    name = words.by_accuracy(comparison)[0]
    true = np.mean(found.model.predict_classes(small.test.features()) == small.test.labels)
    assert true == pytest.approx(comparison.of(name)[0])
    assert ", as in the comparison" in found.words


def test_the_page_without_matplotlib(comparison: mt.Comparison, no_matplotlib: None) -> None:
    reader = Reader(page.page(comparison))
    assert reader.count("img") == 0
    assert reader.count("pre") == 1
    assert "Test accuracy by epoch" in reader.text
    assert "matplotlib not installed" in reader.text


def test_the_page_tells_of_failures_and_of_what_is_missing(
    comparison: mt.Comparison, quick: None
) -> None:
    first, second = comparison.names
    broken = [
        {"name": r["name"], "seed": r["seed"], "error": "DivergenceError: <nan>"}
        if r["name"] == second and r["seed"] == 1
        else r
        for r in comparison.results
    ]
    reader = Reader(page.page(comparison._replace(results=broken)))
    assert "DivergenceError: <nan>" in reader.text
    assert "over 2 seeds" in reader.text
    all_broken = [run | {"error": "x"} for run in comparison.results]
    reader = Reader(page.page(comparison._replace(results=all_broken)))
    assert "There is no answer" in reader.text
    alone = [run for run in comparison.results if run["name"] == first]
    reader = Reader(page.page(comparison._replace(names=[first], results=alone)))
    assert f"How well does {first} learn?" in reader.text
    once = [run for run in comparison.results if run["seed"] == 0]
    reader = Reader(page.page(comparison._replace(seeds=[0], results=once)))
    assert "one seed can't tell" in reader.text


def test_the_page_tells_of_tuned_rates(comparison: mt.Comparison, quick: None) -> None:
    tuning = [
        {"name": name, "seed": 9, "rate": rate, "tuning": True, "accuracy": rate + 0.5}
        for name in comparison.names
        for rate in (0.05, 0.25)
    ]
    reader = Reader(page.page(comparison._replace(tuning=tuning)))
    assert "each at the rate that was best for it" in reader.text
    assert "0.7500" in reader.text


def test_the_answer_never_says_more_than_was_detected() -> None:
    """c is beaten by a alone: the order of the means would make b better than c too."""
    scatter = [-1.0, 1.0, 0.0, -0.5, 0.5]
    samples = {
        "a": [0.9 + 0.001 * s for s in scatter],
        "b": [0.89 + 0.05 * s for s in scatter],
        "c": [0.85 - 0.001 * s for s in scatter],
    }
    results = [
        {"name": name, "seed": seed, "accuracy": accuracy}
        for name, column in samples.items()
        for seed, accuracy in enumerate(column)
    ]
    rates = dict.fromkeys(samples, 0.1)
    found = mt.Comparison(list(samples), rates, [*range(5)], results, [], 0.9, 0.005)
    said = words.headline(found)
    assert said.startswith("a has the highest mean test accuracy over 5 seeds (0.9000), but no ")
    assert said.endswith("difference from b could be detected. It is better than c.")


def test_a_notebook_shows_the_tables(comparison: mt.Comparison) -> None:
    reader = Reader(comparison._repr_html_())
    assert reader.count("table") == 2
    assert NASTY in reader.text


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    comparison: mt.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_matplotlib: None
) -> None:
    path = tmp_path / "out.html"
    path.write_text("old")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        page.write_page(comparison, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.html"]


def test_report_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "a report.html"
    arguments = ["compare", "relu", "elu", "--seeds", "2", "--epochs", "1", "--report", str(out)]
    assert main(arguments) == 0
    assert f"report written to {out}" in capsys.readouterr().err
    reader = Reader(out.read_text(encoding="utf-8"))
    assert f"minitorch-np compare relu elu --seeds 2 --epochs 1 --report '{out}'" in reader.text
    assert reader.count("img") == 6


@pytest.mark.parametrize("option", ["--report", "--csv"])
def test_where_nothing_can_be_written_nothing_is_trained(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "missing" / "out", tmp_path):
        assert main(["compare", "relu", "--seeds", "1", option, str(path)]) == 2
        assert option in (error := capsys.readouterr().err)
        assert "accuracy" not in error


# In a browser


def chromium(profile: Path, *arguments: str) -> str:
    """What headless Chromium prints. It answers nobody and asks nobody."""
    if not BROWSER:
        pytest.skip("no Chromium here to look at the page with")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += [f"--user-data-dir={profile}", "--disable-background-networking", *arguments]
    done = subprocess.run([BROWSER, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_browser_shows_it(written: Path, tmp_path: Path, width: int, scheme: str) -> None:
    image = pytest.importorskip("PIL.Image")
    shot = tmp_path / "shot.png"
    number = ["dark", "light"].index(scheme)  # as Chromium counts them
    chromium(
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={number}",
        f"--window-size={width},3000",
        f"--screenshot={shot}",
        written.as_uri(),
    )
    pixels = np.asarray(image.open(shot).convert("L"))
    assert pixels.shape == (3000, width)
    paper = pixels[2, 2]
    assert (paper < 60) if scheme == "dark" else (paper > 240)
    assert (pixels != paper).mean() > 0.05  # it is not blank
    assert (pixels[:, -8:] == paper).all()  # and nothing runs out of it on the right


def test_a_browser_fits_it_and_draws_every_picture(written: Path, tmp_path: Path) -> None:
    """A frame of 400 pixels measures the page: how wide it is, and each picture in it."""
    frame = tmp_path / "frame.html"
    measure = (
        "onload = () => { const d = document.querySelector('iframe').contentDocument; "
        "document.body.append('WIDTH ' + d.documentElement.scrollWidth + ' IMAGES ' + "
        "[...d.images].filter(i => i.complete && i.naturalWidth > 100).length + ' TABLES ' + "
        "d.querySelectorAll('.scroll > table').length + ' END') }"
    )
    frame.write_text(
        f'<iframe src="{written.as_uri()}" style="width: 400px; height: 900px; border: 0">'
        f"</iframe><script>{measure}</script>"
    )
    dom = chromium(
        tmp_path / "profile", "--allow-file-access-from-files", "--dump-dom", frame.as_uri()
    )
    assert "WIDTH 400 IMAGES 6 TABLES 3 END" in dom
