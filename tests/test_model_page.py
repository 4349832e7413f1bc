"""A model as a page: in a real browser it computes what Python computes, and it can be taught."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks.pages import draw, drawings, in_float64
from minitorch_np.cli import main
from tests.pages import Opened

pytest.importorskip("jinja2")

DIGITS = mt.data.load_mnist()
ACTIVATIONS: list[mt.Layer | str] = [
    *("relu", "leaky_relu(0.2)", "elu(0.7)", "selu", "relu6", "sigmoid", "hard_sigmoid", "tanh"),
    *("softplus(2.0)", "silu", "hard_swish", "mish", "gelu", mt.GELU(approximate="tanh")),
]


def square(*layers: Any) -> mt.Sequential:
    return mt.Sequential(mt.Reshape((1, 28, 28)), *layers, input_shape=784, seed=0)


def with_statistics(model: mt.Sequential) -> mt.Sequential:
    x = DIGITS.train.features()[:64]
    model.forward(x, train=True, rng=np.random.default_rng(0))
    return model


MODELS: dict[str, Callable[[], mt.Sequential]] = {
    "relu": lambda: mt.notes_network("relu", seed=1),
    "relu + softmax": lambda: mt.notes_network("relu", "softmax", seed=1),
    "leaky_relu + elu": lambda: mt.notes_network("leaky_relu", "elu", seed=1),
    "sigmoid + sigmoid": lambda: mt.notes_network("sigmoid", "sigmoid", seed=1),
    "lenet5": lambda: mt.lenet5(seed=0),
    "all activations": lambda: mt.Sequential(
        *[layer for a in ACTIVATIONS for layer in (mt.Dense(9), a)], mt.Dense(10),
        input_shape=784, seed=2,
    ),
    "grids": lambda: square(
        mt.Conv2D(6, (3, 2), stride=(2, 1), padding="same", bias_initializer="uniform"), "tanh",
        mt.MaxPool2D((2, 3), stride=(1, 2), padding="same"),
        mt.Conv2D(4, 3, padding=(1, 2), dilation=2, groups=2), "relu",
        mt.AveragePool2D(3, stride=2, padding="same"), mt.GlobalAveragePool2D(), mt.Dense(10),
    ),
    "blocks": lambda: mt.Sequential(
        mt.Residual(mt.Dense(12), "elu", shortcut=mt.Dense(12)),
        mt.Add(mt.Dense(8), mt.Sequential(mt.Dense(5), "relu", mt.Dense(8))), mt.Dense(10),
        input_shape=784, seed=3,
    ),
    "norms": lambda: square(
        mt.Conv2D(6, 5, stride=4, bias_initializer="uniform"), mt.GroupNorm(2),
        mt.PReLU(per_channel=True), mt.LayerNorm(2), mt.Flatten(), mt.Dense(12), mt.RMSNorm(),
        "prelu", mt.Dense(10), "softmax", mt.LayerNorm(), mt.Dense(10), "log_softmax",
    ),
    "batch norm": lambda: with_statistics(
        square(mt.Conv2D(3, 5, stride=3), mt.BatchNorm(), "relu", mt.Flatten(), mt.Dropout(0.0),
               mt.Dense(10))
    ),
    "shared": lambda: mt.Sequential(
        mt.Dense(9), "tanh", shared := mt.Dense(9), "elu", mt.Residual(shared, "tanh"), shared,
        mt.Dense(10), input_shape=784, seed=4,
    ),
}  # fmt: skip


def opened(
    browser: Any, folder: Path, model: mt.Sequential, examples: Any = None, width: int = 1000
) -> Opened:
    mt.page(model, folder / "page.html", examples)
    return Opened(browser, folder / "page.html", width)


@pytest.fixture(scope="module")
def trained() -> mt.Sequential:
    model = mt.notes_network("leaky_relu", "elu", seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "adam(0.003)", seed=0)
    x, y = DIGITS.train.features(), DIGITS.train.labels
    trainer.fit(x, y, epochs=6, batch_size=64, verbose=0)
    return model


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_page_computes_what_python_does(tmp_path: Path, browser: Any, model: Any) -> None:
    made = model()
    page = opened(browser, tmp_path, made)
    count = 200 if made[0].label.startswith(("Dense", "Conv2D")) else 50
    x = DIGITS.test.features()[:count].reshape(-1, *made.input_shape)
    found = page.view.evaluate(
        "text => { const pixels = Float64Array.from(bytesOf(text), v => v / 255), found = [];"
        "for (let k = 0; k < pixels.length; k += 784) found.push(Array.from(probabilities("
        "forward(network.layers, pixels.slice(k, k + 784)).at(-1)))); return found }",
        base64.b64encode(DIGITS.test.images[:count].tobytes()).decode(),
    )
    expected = made.predict_proba(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.argmax(found, axis=1), expected.argmax(axis=1))
    assert not page.wrong


@pytest.mark.parametrize("name", MODELS)
def test_gradients_and_steps_are_the_trainers(tmp_path: Path, browser: Any, name: str) -> None:
    page = opened(browser, tmp_path, single := MODELS[name]())
    made = in_float64(single)  # as the page computes: in float32, rounding is seen in the norms
    for layer in made.walk():
        layer.trainable = not isinstance(layer, mt.BatchNorm)  # one digit has no statistics
    x, label = DIGITS.test.features()[3:4], DIGITS.test.labels[3:4]
    x = x.reshape(1, *made.input_shape)
    loss = "cross_entropy" if made.outputs_probabilities else "softmax_cross_entropy"
    step = mt.trace(made, loss, x, label)
    gradients = page.view.evaluate(
        "([x, label]) => { const g = lesson(Float64Array.from(x), [label]).gradients;"
        "return Object.fromEntries(Object.entries(g).map(([n, a]) => [n, Array.from(a)])) }",
        [x.ravel().tolist(), int(label[0])],
    )
    frozen = {name for name, layer, _ in made.parameter_owners() if layer.frozen}
    for key, traced in step.parameters.items():
        if key in frozen:
            assert not any(gradients[key])
            continue
        expected = np.asarray(traced.gradient)
        size = max(1.0, float(np.abs(expected).max()))
        found = np.reshape(gradients[key], expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * size)
    trainer = mt.Trainer(made, loss, mt.SGD(0.01))
    for _ in range(20):
        trainer.step(x, label)
    page.view.evaluate(
        "([x, label]) => { for (let k = 0; k < 20; k++) "
        "learn(Float64Array.from(x), [label], 0.01) }",
        [x.ravel().tolist(), int(label[0])],
    )
    for key, parameter in made.named_parameters().items():
        found = page.view.evaluate("name => Array.from(parameters[name])", key)
        found = np.reshape(found, parameter.shape)
        np.testing.assert_allclose(found, parameter, rtol=0, atol=1e-5)
    assert not page.wrong


def test_what_is_drawn_is_read_as_python_reads_it(
    tmp_path: Path, browser: Any, trained: mt.Sequential
) -> None:
    page = opened(browser, tmp_path, trained)
    right = count = 0
    for digit, strokes in drawings(np.random.default_rng(0), 3):
        page.view.click("#clear")
        draw(page.view, strokes)
        seen = page.seen()
        p = trained.predict_proba(seen[np.newaxis].astype(np.float32))[0]
        said = page.view.inner_text("#answer")
        assert said.startswith(f"It reads {p.argmax()}, with probability {100 * p.max():.1f}")
        assert seen.max() == 1.0
        rows, columns = seen.reshape(28, 28).nonzero()
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        right, count = right + (p.argmax() == digit), count + 1
    assert count == 30
    assert right > 15  # a small network, and strokes of straight lines
    assert not page.wrong


def test_teaching_undoing_and_downloading(
    tmp_path: Path, browser: Any, trained: mt.Sequential
) -> None:
    page = opened(browser, tmp_path, trained, DIGITS.test)
    view = page.view
    view.focus("#worst button")  # by keyboard
    view.keyboard.press("Enter")
    x = page.seen().astype(np.float32)[np.newaxis]
    label = int(view.input_value("#right"))
    before = view.inner_text("#answer")
    view.click("#ten")
    assert view.inner_text("#taught").startswith("Loss ")
    assert view.inner_text("#answer").startswith(f"It reads {label},")
    with view.expect_download() as file:
        view.click("#download")
    file.value.save_as(tmp_path / "taught.npz")
    taught = mt.Sequential.load(tmp_path / "taught.npz")
    trainer = mt.Trainer(trained_copy := mt.Sequential.load(_saved(trained, tmp_path)),
                         "softmax_cross_entropy", mt.SGD(0.1))  # fmt: skip
    for _ in range(10):
        trainer.step(x, np.array([label]))
    for name, array in trained_copy.named_parameters().items():
        np.testing.assert_allclose(taught.named_parameters()[name], array, rtol=0, atol=1e-4)
    view.click("#undo")
    assert view.inner_text("#answer") == before
    view.click("#undo")
    assert view.inner_text("#taught") == "There is nothing to undo."
    view.select_option("#switches select", "Sigmoid")
    assert view.is_disabled("#download")
    assert not page.wrong


def _saved(model: mt.Sequential, folder: Path) -> Path:
    model.save(folder / "saved.npz")
    return folder / "saved.npz"


def test_pictures_from_files(tmp_path: Path, browser: Any, trained: mt.Sequential) -> None:
    image = pytest.importorskip("PIL.Image")
    page = opened(browser, tmp_path, trained)
    pixels = np.kron(255 - DIGITS.test.images[0], np.ones((6, 6), np.uint8))  # dark on bright
    image.fromarray(pixels).save(tmp_path / "seven.png")
    page.view.set_input_files("#picture", tmp_path / "seven.png")
    page.wait("image !== null")
    expected = mt.data.load_image(tmp_path / "seven.png").reshape(-1) / 255
    assert np.abs(page.seen() - expected).mean() < 0.02  # another way to make it smaller
    for name, content, said in [
        ("broken.png", b"no picture", "broken.png is not a picture that this browser can read."),
        ("<b>.png", b"", "<b>.png is not a picture that this browser can read."),
    ]:
        (tmp_path / name).write_bytes(content)
        page.view.set_input_files("#picture", tmp_path / name)
        page.said(said)
    image.new("L", (40, 40), 200).save(tmp_path / "empty.png")
    page.view.set_input_files("#picture", tmp_path / "empty.png")
    page.said("nothing stands out")
    assert not page.wrong


EVIL = "</script><script>alert(1)</script>\"' \N{SNOWMAN}"


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (768, "dark"), (1440, "light")])
def test_no_wider_than_the_screen_and_accessible(
    tmp_path: Path, browser: Any, axe: str, width: int, scheme: str
) -> None:
    model = mt.notes_network(seed=0)
    part = DIGITS.test.take(slice(30))
    named = mt.data.Images(part.images, part.labels, class_names=[EVIL, *map(str, range(1, 10))])
    mt.page(model, tmp_path / "page.html", named)
    page = Opened(browser, tmp_path / "page.html", width, scheme=scheme)
    draw(page.view, [[(0.3, 0.2), (0.7, 0.2), (0.4, 0.8)]])
    assert EVIL in page.view.inner_text("#bars")
    assert page.view.evaluate("document.documentElement.scrollWidth") <= width
    if width != 768:
        assert page.violations(axe) == []
    assert not page.wrong


def test_a_finger_draws_too(tmp_path: Path, browser: Any) -> None:
    mt.page(mt.notes_network(seed=0), tmp_path / "page.html")
    page = Opened(browser, tmp_path / "page.html", 320, has_touch=True)
    assert page.view.inner_text("#answer") == "Draw a digit."
    page.view.tap("#paper", position={"x": 100, "y": 80})
    page.said("It reads ")
    assert not page.wrong


def test_what_the_page_can_not_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with pytest.raises(mt.ConfigurationError, match="got GLU at 1"):
        mt.page(mt.Sequential(mt.Dense(6), mt.GLU(), mt.Dense(10), input_shape=784), path)
    with pytest.raises(mt.ShapeError, match="square grey images.*got samples of .13,."):
        mt.page(mt.mlp([13, 4]), path)
    with pytest.raises(mt.ConfigurationError, match="at most 20 MB, got 2[0-9] MB"):
        mt.page(mt.mlp([784, 7000, 10]), path)
    with pytest.raises(mt.NotBuiltError):
        mt.page(mt.Sequential("relu"), path)
    with pytest.raises(mt.ShapeError, match="examples of 784 pixels and at most 5 classes"):
        mt.page(mt.mlp([784, 5]), path, DIGITS.test)
    assert not path.exists()


def test_the_page_is_small_and_texts_do_no_harm(tmp_path: Path) -> None:
    model = mt.notes_network(seed=0)
    evil = mt.data.Images(
        DIGITS.test.images[:10], np.arange(10) % 10, class_names=["</script><script>alert(1)"] * 10
    )
    mt.page(model, tmp_path / "page.html", evil)
    text = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in text
    weights = sum(4 * array.nbytes / 3 for array in model.named_parameters().values())
    assert len(text) - weights < 150_000


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = tmp_path / "model.npz", tmp_path / "page.html"
    mt.notes_network(seed=0).save(model)
    assert main(["page", str(model), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(out)
    assert "worst" in out.read_text()
    mt.Sequential(mt.GLU(), mt.Dense(2), input_shape=4, seed=0).save(model)
    assert main(["page", str(model), "--out", str(tmp_path / "other.html")]) == 2
    assert "GLU at 0" in capsys.readouterr().err
    assert not (tmp_path / "other.html").exists()
