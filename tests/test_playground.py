"""The playground: it computes and trains as the package does, and its address restores it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.cli import main
from minitorch_np.reports.model_page import ELEMENTWISE
from tests.pages import Opened

pytest.importorskip("jinja2")

NAMES = [kind.__name__ for kind in ELEMENTWISE]
EVIL = '"</script><script>alert(1)</script>\N{SNOWMAN}'


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("playground") / "page.html"
    mt.playground(page)
    return page


@pytest.fixture(scope="module")
def shared(path: Path, browser: Any) -> Opened:
    """A playground for several tests, which `go` to what they need."""
    return Opened(browser, path)


def go(page: Opened, fragment: str) -> Opened:
    """As if the page was opened at an address."""
    page.view.evaluate("f => { history.replaceState(null, '', f); restore(); }", fragment)
    return page


def own_points() -> tuple[Array, list[str]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2)) * [3, 0.1] + np.repeat([[0, 5], [20, 5], [0, 6]], 30, axis=0)
    return x, [name for name in (EVIL, "two", "\N{GREEK SMALL LETTER PI}") for _ in range(30)]


def model_of(page: Opened) -> mt.Sequential:
    """The page's network in float64, with its parameters."""
    listed = page.view.evaluate("layerList()")
    layers = [getattr(mt, name)(*size) for name, *size in listed]
    model = mt.Sequential(*layers, input_shape=2, seed=0, dtype="float64")
    names = page.view.evaluate(
        "Object.fromEntries(Object.entries(parameters).map(([n, a]) => [n, Array.from(a)]))"
    )
    shapes = {name: array.shape for name, array in model.named_parameters().items()}
    model.load_state_dict({name: np.reshape(names[name], shapes[name]) for name in shapes})
    return model


def points_of(page: Opened, part: str = "train") -> tuple[Array, Any]:
    x, y = page.view.evaluate(f"[Array.from({part}.x), {part}.y]")
    return np.reshape(x, (-1, 2)), np.array(y)


def scores_of(page: Opened, x: Array) -> Array:
    found = page.view.evaluate(
        "x => Array.from(forward(nodes(x.length / 2), Float64Array.from(x)).at(-1))",
        x.ravel().tolist(),
    )
    return np.reshape(found, (len(x), -1))


@pytest.mark.parametrize(
    "fragment",
    [
        "#layers=10-LeakyReLU&output=ELU&batch=16",  # the notes' options
        "#data=circles&layers=10-ReLU&output=ReLU&batch=0",
        "#data=xor&layers=10-Sigmoid&output=Sigmoid&batch=64&points=100",
        "#data=spirals&layers=" + "_".join(f"5-{name}" for name in NAMES[:6]),
        "#data=spiral&layers=" + "_".join(f"5-{name}" for name in NAMES[6:12]),
        f"#layers=4-Identity_5-{NAMES[12]}&output=Softplus",
        "#layers=&output=Identity",
    ],
)
def test_numbers_and_steps_are_the_packages(shared: Opened, fragment: str) -> None:
    page = go(shared, fragment)
    model, (x, y) = model_of(page), points_of(page)
    first = model.named_parameters()["0.weight"]
    bound = np.sqrt(6 / sum(first.shape))
    assert 0.5 * bound < np.abs(first).max() <= bound
    np.testing.assert_allclose(scores_of(page, x), model(x), rtol=0, atol=1e-6)
    trainer = mt.Trainer(model, "softmax_cross_entropy", mt.SGD(0.3))
    loss = trainer.evaluate(x, y)["loss"]
    assert page.view.evaluate("judged(train).loss") == pytest.approx(loss, abs=1e-9)
    batches = page.view.evaluate("""() => {
      const found = [];
      for (let k = 0; k < 20; k++) {
        const size = state.batch || train.y.length, before = [...order];
        step();
        const all = before.length ? before : null;
        found.push({ all, left: [...order], size });
      }
      return found;
    }""")
    epoch: list[int] = []
    for each in batches:
        if each["all"] is None:  # a new epoch: what is left, after the first batch that was taken
            assert not epoch
            epoch = each["left"]
            rows = sorted(set(range(len(x))) - set(epoch))  # their order does not matter
            assert len(rows) == min(each["size"], len(x))
        else:
            rows, epoch = each["all"][: each["size"]], each["left"]
        trainer.step(x[rows], y[rows])
    taught = model_of(page)
    for name, array in model.named_parameters().items():
        np.testing.assert_allclose(taught.named_parameters()[name], array, rtol=0, atol=1e-5)
    assert page.view.evaluate("state.steps") == 20
    assert not page.wrong


def test_every_activation_can_be_chosen(shared: Opened) -> None:
    offered = shared.view.evaluate("[...element('output').options].map(each => each.value)")
    assert offered == ["Identity", *NAMES]


def test_it_learns_and_its_address_restores_it(path: Path, browser: Any) -> None:
    page = Opened(browser, path, fragment="#noise=0.05&seed=3")
    view = page.view
    view.focus("#layers li:first-child input")  # by keyboard alone
    for key in ("ArrowUp", "ArrowUp", "Tab", "R", "Enter"):
        view.keyboard.press(key)
    view.select_option("#speed", "1000")
    view.focus("#play")
    view.keyboard.press("Enter")
    page.wait("state.steps > 600")
    assert view.get_attribute("#now", "aria-live") == "off"
    view.keyboard.press("Enter")
    said = view.inner_text("#now")
    shown = re.fullmatch(
        r"Step (\d+), after \d+ epochs. Loss \S+ on the 150 training points, \S+ on the 50 others. "
        r"Right: (\S+) % and (\S+) %.",
        said,
    )
    assert shown is not None
    assert float(shown[2]) > 95
    assert float(shown[3]) > 90
    assert view.get_attribute("#now", "aria-live") == "polite"
    fragment = "#" + view.url.partition("#")[2]
    assert f"steps={shown[1]}" in fragment
    assert "layers=10-R" in fragment
    other = Opened(browser, path, fragment=fragment)
    other.wait(f"!playing && state.steps === {shown[1]}")
    assert other.view.inner_text("#now") == said
    for name, array in model_of(page).named_parameters().items():
        np.testing.assert_array_equal(model_of(other).named_parameters()[name], array)
    assert scores_of(page, points_of(page)[0]).argmax(axis=1).mean() == pytest.approx(0.5, abs=0.1)
    view.click("#step")
    page.wait(f"!playing && state.steps === {int(shown[1]) + 1}")
    view.click("#reset")
    assert "steps=0" in view.url
    view.evaluate("location.hash = '#data=xor&steps=7'")  # as if an address was pasted
    page.wait("state.data === 'xor' && !playing && state.steps === 7")
    assert view.input_value("#data") == "xor"
    assert not page.wrong
    assert not other.wrong


def test_what_is_painted_is_what_the_network_says(path: Path, browser: Any) -> None:
    page = Opened(browser, path, fragment="#data=circles&noise=0&steps=600", scheme="light")
    page.wait("!playing && state.steps === 600")
    ends = page.view.evaluate("[view.x, view.y]")
    colours = page.view.evaluate("COLOURS")
    model = model_of(page)
    spots = [(0.02, 0.02), (0.5, 0.55), (0.98, 0.5)]
    pixels = page.view.evaluate(
        "spots => { const { data: all } = "
        "plane.getContext('2d').getImageData(0, 0, plane.width, plane.height);"
        "return spots.map(([x, y]) => { const at = 4 * (Math.floor(y * plane.height) * "
        "plane.width + Math.floor(x * plane.width)); return Array.from(all.slice(at, at + 3)) }) }",
        spots,
    )
    for (across, down), pixel in zip(spots, pixels, strict=True):
        place = ends[0][0] + across * np.ptp(ends[0]), ends[1][1] - down * np.ptp(ends[1])
        p = model.predict_proba(np.array([place]))[0]
        share = 0.75 * (2 * p.max() - 1)
        expected = 255 + share * (np.array(colours[p.argmax()]) - 255)
        np.testing.assert_allclose(pixel, expected, atol=25)  # squares of 10 pixels, smoothed
    page.view.focus("#plane")
    before = page.view.inner_text("#here")
    for _ in range(3):
        page.view.keyboard.press("ArrowRight")
    said = page.view.inner_text("#here")
    assert said != before
    shown = re.fullmatch(r"At x1 = (\S+), x2 = (\S+): class ([01]), (\S+) %.", said)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(3 / 20 * np.ptp(ends[0]), abs=0.006)
    assert page.view.locator("#units canvas").count() == 8 + 8 + 2
    assert not page.wrong


@pytest.mark.parametrize(
    "fragment",
    [
        "#data=__proto__&layers=99-constructor_3-Tanh-x_&output=toString&rate=NaN&batch=-3",
        "#seed=1e99&points=1e9&noise=-1&rate=1e-99&layers=1e9-ReLU&steps=-5",
        "#data=own&" + "layers=" + "_".join(["32-ReLU"] * 40),
        "#<script>alert(1)</script>&data=<b>&steps=x",
    ],
)
def test_a_hostile_address_does_no_harm(shared: Opened, fragment: str) -> None:
    page = go(shared, fragment)
    state = page.view.evaluate("state")
    assert state["data"] == "moons"
    assert state["output"] == "Identity"
    assert 20 <= state["points"] <= 1000
    assert 0 <= state["batch"] <= 1000
    assert 1e-6 <= state["rate"] <= 100
    assert len(state["layers"]) <= 6
    assert all(1 <= units <= 32 and name in NAMES for units, name in state["layers"])
    assert page.view.inner_text("#now").startswith("Step 0")
    assert not page.wrong


def test_a_loss_that_is_no_number_is_said(shared: Opened) -> None:
    linear = "_".join(["8-Identity"] * 3)
    page = go(shared, f"#layers={linear}&rate=100&steps=5000")
    page.wait("!playing")
    assert "no longer a number" in page.view.inner_text("#now")
    page.view.fill("#rate", "0.1")
    page.view.keyboard.press("Enter")
    assert page.view.inner_text("#now").startswith("Step 0")
    assert not page.wrong


def test_own_points_and_the_network_that_they_taught(tmp_path: Path, browser: Any) -> None:
    x, names = own_points()
    out, table = tmp_path / "page.html", tmp_path / "own.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("<i>long</i>", "wide", "kind")])
        csv.writer(file).writerows(
            (*row, name) for row, name in zip(x.tolist(), names, strict=True)
        )
    assert main(["page", "--playground", "--data", str(table), "--out", str(out)]) == 0
    assert "<script>alert" not in out.read_text()
    page = Opened(browser, out, fragment="#layers=6-GELU&steps=200")
    page.wait("!playing && state.steps === 200")
    legend = page.view.locator("#legend li").all_inner_texts()
    assert [text.strip() for text in legend] == sorted(set(names))
    assert page.view.inner_text("#here").startswith("At <i>long</i> = ")
    assert "Right: 100.0 %" in page.view.inner_text("#now")
    with page.view.expect_download() as file:
        page.view.click("#download")
    file.value.save_as(tmp_path / "taught.npz")
    taught = mt.Sequential.load(tmp_path / "taught.npz")
    assert [layer.label for layer in taught] == ["Dense(6)", "GELU()", "Dense(3)"]
    scaled = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    np.testing.assert_allclose(taught(scaled), scores_of(page, scaled), rtol=0, atol=1e-4)
    expected = np.unique(names, return_inverse=True)[1]
    np.testing.assert_array_equal(taught.predict_classes(scaled), expected)
    assert not page.wrong


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (768, "dark"), (1440, "light")])
def test_no_wider_than_the_screen_and_accessible(
    tmp_path: Path, browser: Any, axe: str, width: int, scheme: str
) -> None:
    mt.playground(tmp_path / "page.html", own_points())
    page = Opened(browser, tmp_path / "page.html", width, "#steps=20", scheme)
    page.wait("!playing")
    assert page.view.evaluate("document.documentElement.scrollWidth") <= width
    if width != 768:
        assert page.violations(axe) == []
    assert not page.wrong


def test_bad_points_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, table = tmp_path / "page.html", tmp_path / "own.csv"
    x, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    for wrong, said in [
        ((x[:, :1], y), "two features per point"),
        ((x, y[:5]), "a class for each of 20 points"),
        ((x, np.zeros(20)), "2 to 6 classes, got 20 of 1"),
        ((x, np.arange(20)), "2 to 6 classes, got 20 of 20"),
        ((np.full((20, 2), np.nan), y), "finite"),
        ((np.ones((20, 2)), y), "different values of 'x1'"),
        ((x,), "data to be"),
    ]:
        with pytest.raises(mt.MinitorchError, match=said):
            mt.playground(path, wrong)  # type: ignore[arg-type]
    for text, said in [
        ("a,b\n1,2\n", "own.csv:1: .*got 2 columns"),
        ("a,b,c\n1,2,x\n1,oops,y\n", "own.csv:3: expected two numbers and then the class"),
        ("1,2,x\n" * 3, "8 to 5000 points"),
        ("1,2," + "x" * 200_000, "own.csv:1: .*field larger than"),
        ("", "at least one sample"),
        ("1,nan,x\n" + "1,2,y\n" * 9, "finite"),
    ]:
        table.write_text(text)
        with pytest.raises(mt.DataError, match=said):
            mt.playground(path, table)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(mt.DataError, match="UTF-8"):
        mt.playground(path, table)
    with pytest.raises(FileNotFoundError):
        mt.playground(path, tmp_path / "none.csv")
    for arguments in ([], ["model.npz", "--playground"], ["model.npz", "--data", "x.csv"]):
        assert main(["page", *arguments, "--out", str(path)]) == 2
        assert "expected a model's file, or --playground" in capsys.readouterr().err
    assert not path.exists()
    assert main(["page", "--playground", "--out", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(path)
    assert path.stat().st_size < 60_000
