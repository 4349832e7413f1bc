"""The page stands on its own, says what was found and no more, and a real browser shows it."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.reports import best, page, words
from tests.conftest import NASTY
from tests.pages import Opened

VOID = {"meta", "img", "br", "link", "input", "hr"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), "")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn, but not written as SVG."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(page, "svg", lambda draw: str(draw())[:0])


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
    comparison: mt.Comparison,
    small_digits: mt.data.Digits,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("report") / "out.html"
    page.write_page(comparison, path, "minitorch-np compare '<a>'", small_digits)
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
    assert reader.count("img") == 8
    for said in (NASTY, "minitorch-np compare '<a>'", "as given", np.__version__, mt.__version__):
        assert said in reader.text
    assert words.headline(comparison) in reader.text
    assert reader.text.index("Answer") < reader.text.index("Pairs")


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
    one, two = (page.svg(lambda: plots.differences(comparison)) for _ in range(2))
    assert one == two


def test_the_best_network_is_that_of_the_comparison(
    comparison: mt.Comparison, small_digits: mt.data.Digits
) -> None:
    found = best.best_network(comparison, small_digits)
    name = comparison.ranking[0]
    true = np.mean(
        found.model.predict_classes(small_digits.test.features()) == small_digits.test.labels
    )
    assert true == pytest.approx(comparison.accuracies(name)[0])
    assert ", as in the comparison" in found.words


@pytest.mark.parametrize(
    ("of_one", "shape"),
    [
        ((64,), (8, 8)),
        ((16,), (4, 4)),
        ((9,), None),
        ((65,), None),
        ((1, 8, 6), (8, 6)),
        ((8, 6), (8, 6)),
        ((3, 8, 8), None),
    ],
)
def test_which_samples_are_images(of_one: tuple[int, ...], shape: tuple[int, int] | None) -> None:
    x = np.zeros((5, *of_one))
    assert best.image_shape((x, np.zeros(5), x, np.zeros(5))) == shape


def test_the_shape_of_digits(small_digits: mt.data.Digits) -> None:
    assert best.image_shape(small_digits) == (28, 28)
    assert best.image_shape(None) is None


def test_the_page_without_matplotlib(comparison: mt.Comparison, no_matplotlib: None) -> None:
    reader = Reader(page.page(comparison))
    assert reader.count("img") == 0
    assert reader.count("pre") == 1
    assert "Median test accuracy by epoch" in reader.text
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
    reader = Reader(page.page(replace(comparison, results=broken)))
    assert "DivergenceError: <nan>" in reader.text
    assert "they count as chance (0.1)." in reader.text
    assert "over 8 seeds" in reader.text
    all_broken = [run | {"error": "x"} for run in comparison.results]
    reader = Reader(page.page(replace(comparison, results=all_broken)))
    assert "There is no answer" in reader.text
    alone = replace(comparison, configurations=comparison.configurations[:1])
    reader = Reader(page.page(replace(alone, results=comparison.runs[first])))
    assert f"How well does {first} learn?" in reader.text
    once = [run for run in comparison.results if run["seed"] == 0]
    reader = Reader(page.page(replace(comparison, seeds=[0], results=once)))
    assert "Too few seeds for any claim: 1, where 1 pair needs 8" in reader.text


def test_the_page_tells_of_tuned_rates(comparison: mt.Comparison, quick: None) -> None:
    tuning = [
        {"name": name, "seed": seed, "rate": rate, "tuning": True, "accuracy": rate + 0.5}
        for name in comparison.names
        for seed, rate in ((9, 0.05), (9, 0.25), (10, 0.25))
    ]
    reader = Reader(page.page(replace(comparison, tuning=tuning)))
    assert "for each the best of several" in reader.text
    assert "0.7500" in reader.text
    assert "(0.5500)" in reader.text


def of_accuracies(**columns: Any) -> mt.Comparison:
    """A comparison of these accuracies; below 0.5, a class is lost."""
    lost = mt.Finding("3", "ReLU()", "lost class", 3, since=1)._asdict()
    runs = [
        {"name": name, "seed": seed, "rate": 0.1, "accuracy": float(accuracy)}
        | {"curves": {"test_accuracy": [accuracy]}}
        | {"lost": [3] if accuracy < 0.5 else [], "findings": [lost] if accuracy < 0.5 else []}
        | {"loss": 1.0, "seconds": 1.0}
        for name, column in columns.items()
        for seed, accuracy in enumerate(column)
    ]
    made = [mt.Configuration(name, ["relu"], 0.1) for name in columns]
    seeds = list(range(len(runs) // len(made)))
    return mt.Comparison(made, seeds, runs, samples=(1000, 100))


def test_the_answer_never_says_more_than_was_detected(rng: np.random.Generator) -> None:
    """c is beaten by a alone: the order of the means would make b better than c too."""
    luck = rng.normal(0, 0.001, (3, 12))
    found = of_accuracies(
        a=0.9 + luck[0], b=0.89 + 60 * (luck[1] - luck[1].mean()), c=0.88 + luck[2]
    )
    assert words.headline(found) == (
        "a has the highest mean test accuracy over 12 seeds "
        f"({found.summaries['a'].mean:.4f}): it is better than c; not told apart from b."
    )


def test_each_kind_of_verdict_has_its_sentence(rng: np.random.Generator) -> None:
    base = 0.9 + rng.normal(0, 0.003, 20)
    little = rng.normal(0, 0.0003, 20)
    broken = base - 0.0004
    broken[:9] = 0.3
    found = of_accuracies(
        a=base,
        far=base - 0.03 + little,
        near=base - 0.001 + little,
        same=base - 0.00001 + little - little.mean(),
        broken=broken,
        unclear=base - 0.004 + rng.normal(0, 0.02, 20),
    )
    said = {
        name: words.verdict(found, each)
        for each in found.verdicts
        for name in (each.first, each.second)
        if "a" in (each.first, each.second) and name != "a"
    }
    assert said["far"].startswith("a is better than far: by 0.03")
    assert ", in 20 of 20 seeds [83 %, 100 %]." in said["far"]
    assert "collapsed: none of 20 each [0 %, 17 %]" in said["far"]
    assert said["near"].startswith("a is better than near, but by less than 0.005: by 0.00")
    assert said["same"].startswith("a and same are equal within 0.005: the difference lies in [-")
    assert "0 of 20 runs [0 %, 17 %] and 9 of 20 runs [23 %, 68 %] (Fisher, p = " in said["broken"]
    worked = f"{np.median(base):.4f} and {np.median(broken[9:]):.4f}"
    assert f"Median of the runs that worked: {worked}" in said["broken"]
    assert "undecided, the difference lies in [" in said["unclear"]
    assert "for one of 0.005." in said["unclear"]
    assert "classes with no test sample recognized: 3 (9 runs)" in words.reasons(found, "broken")
    footer = " ".join(words.footer(found))
    assert "the 1,000 training samples and the 100 test samples are always the same" in footer
    assert "standard error of 0.03" in footer
    assert words.headline(found).endswith(" Runs that collapsed: broken in 9 of 20.")


def test_the_page_says_each_pair_in_words(no_matplotlib: None) -> None:
    found = of_accuracies(a=[0.9] * 8, b=[0.85] * 8, c=[0.8] * 8)
    said = [words.verdict(found, each) for each in found.verdicts]
    text = Reader(page.page(found)).text
    assert len(said) == 3
    assert all(sentence in text for sentence in said)
    few = of_accuracies(a=[0.9] * 2, b=[0.85] * 2, c=[0.8] * 2)  # the same of each pair
    first, second, _ = (words.verdict(few, each) for each in few.verdicts)
    text = Reader(page.page(few)).text
    assert first in text
    assert text.count(second) == (first == second)


def test_the_same_mean_is_said_to_be_the_same() -> None:
    found = of_accuracies(a=[0.9] * 8, b=[0.9] * 8, c=[0.8] * 8)
    assert words.headline(found).startswith(
        "a and b have the same, highest mean test accuracy over 8 seeds (0.9000): a is "
    )
    few = of_accuracies(a=[0.9] * 2, b=[0.9] * 2)
    assert "By mean, a and b are first (0.9000)" in words.headline(few)


def test_an_accuracy_of_one_is_not_said_to_be_certain() -> None:
    said = words.footer(of_accuracies(a=np.ones(8), b=np.ones(8)))[0]
    assert "an accuracy of 1.0000 may be off by up to" in said
    assert "standard error" not in said


def test_one_that_collapses_more_often_is_told_apart(rng: np.random.Generator) -> None:
    """Though better where it works, so that the means decide nothing."""
    good = 0.9 + rng.normal(0, 0.003, 20)
    often = np.where(np.arange(20) < 9, 0.3 + rng.normal(0, 0.01, 20), 0.97)
    seldom = 0.66 + rng.normal(0, 0.003, 20)
    found = of_accuracies(often=often, seldom=seldom)
    (pair,) = found.verdicts
    assert (pair.kind, pair.collapses_differ) == ("undecided", True)
    assert "; but often collapses more often. Median" in words.verdict(found, pair)
    best = found.ranking[0]
    assert f"but collapses {'more' if best == 'often' else 'less'} often. " in words.headline(found)
    assert len(set(found.groups.values())) == 2
    against = words.headline(replace(found, reference="seldom"))
    assert "undecided by mean, but collapses more often: often." in against
    (other,) = of_accuracies(a=good, b=good + rng.normal(0, 0.01, 20)).verdicts
    assert not other.collapses_differ


def test_a_notebook_shows_the_tables(comparison: mt.Comparison) -> None:
    shown = mt.report(comparison)._repr_html_()
    assert comparison._repr_html_() == shown
    assert shown is not None
    reader = Reader(shown)
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
    arguments = ["compare", "relu", "elu", "--seeds", "2", "--epochs", "1", "--jobs", "1"]
    arguments += ["--rate", "0.1", "--report", str(out)]
    assert main(arguments) == 0
    assert f"report written to {out}" in capsys.readouterr().err
    reader = Reader(out.read_text(encoding="utf-8"))
    assert (
        f"minitorch-np compare relu elu --seeds 2 --epochs 1 --jobs 1 --rate 0.1 --report '{out}'"
        in reader.text
    )
    assert reader.count("img") == 8


def test_a_picture_of_no_known_kind_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["compare", "relu", "--seeds", "1", "--plot", str(tmp_path / "x.xyz")]) == 2
    error = capsys.readouterr().err
    assert "expected a name that ends in" in error
    assert "accuracy" not in error


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


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light")])
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
    assert "WIDTH 400 IMAGES 8 TABLES 3 END" in dom


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1440, "light")])
def test_it_is_accessible(written: Path, browser: Any, axe: str, width: int, scheme: str) -> None:
    opened = Opened(browser, written, width, scheme=scheme)
    assert opened.violations(axe) == []
    assert not opened.wrong


def test_a_narrow_terminal_folds_tables(
    comparison: mt.Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minitorch_np.reports import text

    whole = text.configurations_table(comparison)
    monkeypatch.setattr(text, "terminal_width", lambda: 60)
    narrow = text.configurations_table(comparison)
    title, *lines = narrow.splitlines()
    assert title == whole.splitlines()[0]
    assert max(map(len, lines[: len(comparison.names) * 9])) <= 60
    for row in text.configuration_rows(comparison)[1:]:
        assert all(cell in narrow for cell in row)
    monkeypatch.setattr(text, "terminal_width", lambda: 500)
    assert text.configurations_table(comparison) == whole


def test_a_comparison_reports_itself(comparison: mt.Comparison, tmp_path: Path) -> None:
    assert str(comparison.report()) == str(mt.report(comparison))
    found = comparison.report(tmp_path / "page.html")
    assert isinstance(found, mt.Report)
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert ".report()" in repr(comparison)


def test_without_jinja_there_is_text_and_no_page(
    comparison: mt.Comparison, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert mt.report(comparison)._repr_html_() is None
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[report\]"):
        comparison.report(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
    assert main(["compare", "--report", str(tmp_path / "page.html")]) == 2  # before it trains
