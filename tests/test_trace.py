"""A step taken apart: the notes' equations hold between its arrays, and the page adds up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.reports.trace_page import LARGEST
from tests.pages import Opened

OPTIONS = [("relu", None), ("leaky_relu", "elu"), ("relu", "relu"), ("sigmoid", "sigmoid")]


def digits(m: int = 6) -> tuple[Array, AnyArray]:
    data = mt.data.load_mnist().train.take(slice(m))
    return data.features().astype(np.float64), data.labels


def notes_trace(hidden: str, output: str | None) -> tuple[mt.Sequential, mt.Trace]:
    model = mt.notes_network(hidden, output, seed=0, dtype="float64")
    x, y = digits()
    return model, mt.trace(model, "softmax_cross_entropy", x, y, optimizer="sgd(0.5)")


@pytest.mark.parametrize(("hidden", "output"), OPTIONS)
def test_the_notes_equations_hold(hidden: str, output: str | None) -> None:
    model, step = notes_trace(hidden, output)
    a = {name: array.value for name, array in step.arrays.items()}
    m = a["X"].shape[1]
    assert a["X"].shape == (784, m)
    np.testing.assert_allclose(a["Z1"], a["W1"] @ a["X"] + a["b1"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(a["Z2"], a["W2"] @ a["A1"] + a["b2"], rtol=0, atol=1e-12)
    scores = a["A2"] if output else a["Z2"]
    p = np.exp(scores) / np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(a["P" if output else "A2"], p, rtol=1e-12)
    dz2 = (p - a["Y"]) * (a["g'(Z2)"] if output else 1)
    np.testing.assert_allclose(a["dZ2"], dz2, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a["dW2"], dz2 @ a["A1"].T / m, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a["db2"], dz2.mean(axis=1, keepdims=True), rtol=0, atol=1e-12)
    dz1 = a["W2"].T @ dz2 * a["g'(Z1)"]
    np.testing.assert_allclose(a["dZ1"], dz1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a["dW1"], dz1 @ a["X"].T / m, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a["new W1"], a["W1"] - 0.5 * a["dW1"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        model.named_parameters()["0.weight"], a["W1"]
    )  # the model itself stays
    assert step.loss == pytest.approx(-np.log((p * a["Y"]).sum(axis=0)).mean())
    assert "dW1     10 x 784" in str(step)
    assert f"{step.loss:.6g}" in str(step)


@pytest.mark.parametrize("optimizer", ["adam(0.01)", mt.SGD(0.1, momentum=0.9), mt.AdamW(0.01)])
def test_the_update_is_what_a_trainer_makes(optimizer: Any) -> None:
    x, y = digits()
    model = mt.mlp([784, 12, 10], seed=1, dtype="float64")
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, seed=3)
    trainer.step(x, y)
    step = mt.trace(model, mt.SoftmaxCrossEntropy(), x, y, optimizer=trainer.optimizer)
    assert trainer.step(x, y) == step.loss
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, step[name].after)
        assert step[name].update.any()


def test_every_layer_of_any_model_is_there() -> None:
    shared = mt.Dense(4)
    model = mt.Sequential(
        shared, mt.Residual(mt.Dense(4), "tanh"), shared, mt.BatchNorm(), mt.Dense(2),
        input_shape=4, seed=0, dtype="float64",
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(5, 4))
    step = mt.trace(model, mt.MeanSquaredError(), x, np.zeros((5, 2)))
    assert {"0", "0 (2)", "1.0.0", "1.0.1", "1", "3", "4"} <= set(step.layers)
    one, other = step["0"], step["0 (2)"]
    np.testing.assert_array_equal(one.input, x)
    np.testing.assert_array_equal(other.input, step["1"].output)
    total = one.output_gradient.T @ one.input + other.output_gradient.T @ other.input
    np.testing.assert_allclose(step["0.weight"].gradient, total, rtol=0, atol=1e-12)
    assert "BatchNorm" in step.arrays["3.input"].part
    mean = model.named_buffers()["3.running_mean"]
    before = mean.copy()
    mt.trace(model, mt.MeanSquaredError(), x, np.zeros((5, 2)))
    np.testing.assert_array_equal(mean, before)


def test_frozen_layers_indices_and_one_row() -> None:
    model = mt.gpt(7, 4, 1, 1, 4, seed=0)
    model[0].trainable = False
    ids = np.array([[1, 2, 3, 0]])
    step = mt.trace(model, mt.SoftmaxCrossEntropy(), ids, ids)
    assert "One step with 1 sample:" in step.headline()
    np.testing.assert_array_equal(step["0.weight"].update, 0)
    assert str(step)


def test_what_does_not_fit_is_refused() -> None:
    model, (x, y) = mt.notes_network(seed=0), digits()
    with pytest.raises(mt.ShapeError, match=r"expected 784 features.* got x of shape \(6, 28"):
        mt.trace(model, "softmax_cross_entropy", x.reshape(6, 28, 28), y)
    with pytest.raises(mt.ShapeError, match="trace: expected one target for each of the 6 samples"):
        mt.trace(model, "softmax_cross_entropy", x, y[:5])
    with pytest.raises(mt.NotBuiltError):
        mt.trace(mt.Sequential("relu"), "mean_squared_error", x, x)
    with pytest.raises(mt.ConfigurationError, match="expected one of 0, .*W1.*got 'W3'"):
        mt.trace(model, "softmax_cross_entropy", x, y)["W3"]


def test_the_page_without_a_browser(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    _, step = notes_trace("relu", None)
    step.to_html(tmp_path / "step.html")
    text = (tmp_path / "step.html").read_text()
    assert step.headline() in text
    assert "://" not in text
    assert ">dW1<" in (step._repr_html_() or "")


class Evil(mt.Tanh):
    """</script><script>alert(1)</script>"""


Evil.__name__ = "<img src=x onerror=alert(1)>\"'\N{SNOWMAN}"


def evil_page(folder: Path) -> Path:
    pytest.importorskip("jinja2")
    model = mt.Sequential(mt.Residual(Evil()), input_shape=3, seed=0)
    step = mt.trace(model, mt.MeanSquaredError(), np.ones((2, 3)), np.ones((2, 3)))
    assert "alert" in str(step)
    assert "<img" not in (step._repr_html_() or "")
    step.to_html(folder / "step.html")
    return folder / "step.html"


def test_texts_from_outside_do_no_harm(tmp_path: Path) -> None:
    text = evil_page(tmp_path).read_text()
    assert "<script>alert" not in text
    assert "<img" not in text


def test_texts_from_outside_do_no_harm_in_a_browser(tmp_path: Path, browser: Any) -> None:
    page = Opened(browser, evil_page(tmp_path))
    shown = page.view.inner_text("#title")
    assert Evil.__name__ in shown
    assert "</script>" in page.view.inner_text("#arrays")
    assert page.view.locator("img").count() == 0
    assert not page.wrong


def test_a_graph_that_branches_is_no_chain() -> None:
    a = mt.Input(4)
    h = mt.ReLU()(mt.Dense(3)(a))
    one, two = mt.Dense(2)(h), mt.Dense(2)(h)
    model = mt.Graph(a, [one, two], seed=0)
    x, y = np.ones((2, 4)), np.zeros((2, 2))
    step = mt.trace(model, ["mean_squared_error"] * 2, x, (y, y))
    assert "0.output" in step.arrays
    assert "Z1" not in step.arrays
    chain = mt.Graph(a, mt.Dense(2)(h), seed=0)
    assert "Z2" in mt.trace(chain, "mean_squared_error", x, y).arrays


def test_a_large_array_is_shown_in_part() -> None:
    from minitorch_np.reports.trace_page import as_json

    model = mt.mlp([784, 512, 10], seed=0)
    parts = as_json(list(mt.trace(model, "softmax_cross_entropy", *digits(2)).arrays.values()))
    arrays = {each["name"]: each for part in parts["parts"] for each in part["arrays"]}
    assert arrays["W1"]["cut"]
    assert arrays["W1"]["rows"] * 784 <= LARGEST
    assert arrays["Z1"]["product"] is None  # it would need all of W1
    assert arrays["Z2"]["product"] is not None


def residual_trace() -> mt.Trace:
    model = mt.Sequential(
        mt.Dense(5), mt.Residual(mt.Dense(5), "tanh", mt.Dense(5, use_bias=False)), "relu",
        mt.Add(mt.Dense(3), mt.Dense(3)), input_shape=4, seed=0, dtype="float64",
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(6, 4))
    return mt.trace(model, "softmax_cross_entropy", x, np.arange(6) % 3)


def graph_trace() -> mt.Trace:
    a, b = mt.Input(4, name="a"), mt.Input(3, name="b")
    h = mt.Dense(5)(a)
    g = mt.Add()(mt.Tanh()(h), mt.Dense(5)(b), h)
    model = mt.Graph(
        [a, b], [mt.Dense(1).named("price")(g), mt.Dense(2).named("kind")(mt.Concatenate()(g, h))],
        seed=0, dtype="float64",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    losses = ["mean_squared_error", "softmax_cross_entropy"]
    return mt.trace(model, losses, x, (rng.normal(size=(6, 1)), np.arange(6) % 2))


def convolution_trace() -> mt.Trace:
    model = mt.Sequential(
        mt.Conv2D(4, (3, 2), stride=(1, 2), padding="same", bias_initializer="uniform"), "tanh",
        mt.Conv2D(2, 2, padding=1, dilation=2, groups=2, use_bias=False), mt.Flatten(),
        mt.Dense(3), input_shape=(2, 5, 4), seed=0, dtype="float64",
    )  # fmt: skip
    x = np.random.default_rng(2).normal(size=(3, 2, 5, 4))
    return mt.trace(model, "softmax_cross_entropy", x, np.arange(3))


SUMS: dict[str, tuple[Callable[[], mt.Trace], set[str]]] = {
    "notes": (
        lambda: notes_trace("leaky_relu", "elu")[1],
        {"Z1", "Z2", "dZ1", "dZ2", "dW1", "dW2", "db1", "db2"},
    ),
    "residual": (
        residual_trace,
        {
            *(f"{path}.{what}" for path in ("0", "1.0.0", "1.0.2", "3.0", "3.1")
              for what in ("output", "input gradient", "weight gradient")),
            *(f"{path}.bias gradient" for path in ("0", "1.0.0", "3.0", "3.1")),
            *("1.0.1.input gradient", "1.1.input gradient", "2.input gradient"),
            *("1.output", "1.input gradient", "3.output", "3.input gradient"),
        },
    ),
    "convolution": (
        convolution_trace,
        {
            *(f"{path}.{what}" for path in ("0", "2", "4")
              for what in ("output", "input gradient", "weight gradient")),
            *("0.bias gradient", "4.bias gradient", "1.input gradient"),
        },
    ),
    "graph": (
        graph_trace,
        {
            *(f"{path}.{what}" for path in ("0", "2", "price", "kind")
              for what in ("output", "input gradient", "weight gradient", "bias gradient")),
            *("1.input gradient", "3.output", *(f"3.input gradient {k}" for k in (1, 2, 3))),
            *("0.output gradient", "3.output gradient"),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_each_number_is_the_sum_that_the_page_shows(
    tmp_path: Path, browser: Any, name: str
) -> None:
    make, expected = SUMS[name]
    make().to_html(tmp_path / "step.html")
    opened = Opened(browser, tmp_path / "step.html")
    found = opened.view.evaluate("""() => {
      const worst = {};
      for (const array of byName.values()) if (array.product) {
        worst[array.name] = 0;
        for (let place = 0; place < array.at.length; place++) {
          const row = Math.floor(place / array.columns), column = place % array.columns;
          const { found, factor } = terms(array, row, column);
          const sum = factor * found.reduce((total, term) => total + term[1], 0);
          worst[array.name] = Math.max(worst[array.name],
            Math.abs(sum - array.at[place]));
        }
      }
      return worst;
    }""")
    assert set(found) == expected
    assert max(found.values()) < 1e-6, found
    assert not opened.wrong


def test_the_page_by_keyboard_and_by_what_a_screen_reader_meets(
    tmp_path: Path, browser: Any, axe: str
) -> None:
    notes_trace("leaky_relu", "elu")[1].to_html(tmp_path / "step.html")
    opened = Opened(browser, tmp_path / "step.html")
    page = opened.view
    for place in range(1, 8):  # by keyboard alone
        assert page.inner_text("#title").startswith(f"{place} of 7")
        page.focus("canvas")
        page.keyboard.press("ArrowRight")
        assert "=" in page.inner_text("#said")
        page.keyboard.press("Enter")
        if place in (2, 7):
            assert opened.violations(axe) == []
        if place < 7:
            page.focus("#next")
            page.keyboard.press("Enter")
    assert not opened.wrong


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_the_page_is_no_wider_than_the_screen(tmp_path: Path, browser: Any, width: int) -> None:
    _, step = notes_trace("relu", None)
    step.to_html(tmp_path / "step.html")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
    page.goto((tmp_path / "step.html").as_uri())
    for _ in range(7):
        page.click("canvas >> nth=-1", position={"x": 2, "y": 2})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if page.is_enabled("#next"):
            page.click("#next")
