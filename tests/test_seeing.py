"""Pictures of a model at work: boundary, outputs of layers, saliency, animations, notebooks."""

from __future__ import annotations

import base64
import io
import itertools
import re
import sys
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.reports import animation, boundary

EVIL = "<script>alert(1)</script>"


def halves(m: int = 40) -> tuple[Array, AnyArray]:
    x = np.random.default_rng(0).normal(size=(m, 2))
    return x, (x[:, 0] > 0).astype(int)


def divided() -> mt.Sequential:
    """A model that says class 1 where x1 > 0.5, surely."""
    model = mt.Sequential(mt.Dense(2), input_shape=2, seed=0, dtype="float64")
    model.load_state_dict({"0.weight": np.array([[0, 0], [200, 0]]), "0.bias": np.array([0, -100])})
    return model


def test_the_boundary_is_where_the_model_changes_its_mind(plots: Any) -> None:
    x, y = halves()
    figure = mt.plot_boundary(divided(), x, np.array(["$a_1$", EVIL])[y])
    [axes] = figure.axes
    [image] = axes.images
    left, right = image.get_extent()[:2]
    assert left < x[:, 0].min()
    assert right > x[:, 0].max()
    colours = image.get_array()
    columns = np.linspace(left, right, boundary.GRID)
    blue, vermilion = np.array([[0, 0x72, 0xB2], [0xD5, 0x5E, 0]]) / 255
    for part, colour in ((columns < 0.4, blue), (columns > 0.6, vermilion)):
        expected = np.broadcast_to(1 - 0.75 * (1 - colour), colours[:, part].shape)
        np.testing.assert_allclose(colours[:, part], expected)
    contours = [each for each in axes.collections if hasattr(each, "levels")]
    ends = np.concatenate([path.vertices for path in contours[0].get_paths()])
    np.testing.assert_allclose(ends[:, 0], 0.5, atol=(right - left) / boundary.GRID)
    points = [each for each in axes.collections if not hasattr(each, "levels")]
    for k, mine in enumerate(points):
        np.testing.assert_allclose(mine.get_offsets(), x[y == k])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["$a_1$", EVIL]
    assert not any(text.get_parse_math() for text in legend.get_texts())
    figure.savefig(io.BytesIO(), format="svg")


def test_the_less_sure_the_paler() -> None:
    shades = boundary.shaded(np.array([[0.5, 0.5], [0.75, 0.25], [1, 0]]))
    np.testing.assert_allclose(shades[0], 1)
    np.testing.assert_allclose(1 - shades[1], (1 - shades[2]) / 2)


def test_boundaries_of_other_models(plots: Any) -> None:
    x, y = halves()
    one = mt.Sequential(mt.Dense(1), "sigmoid", input_shape=2, seed=0)
    assert len(mt.plot_boundary(one, x, y).axes) == 1  # one output is two classes
    three = mt.mlp([2, 8, 3], seed=0)
    assert len(mt.plot_boundary(three, x, np.eye(2)[y]).axes) == 1
    wrongs: list[tuple[Callable[[], object], str]] = [
        (lambda: mt.plot_boundary(mt.mlp([3, 2]), x, y), "two features, got one with .3,."),
        (lambda: mt.plot_boundary(three, x, y[:3]), "a class for each, got shapes"),
        (lambda: mt.plot_boundary(three, x * np.nan, y), "finite"),
        (lambda: mt.plot_boundary(mt.mlp([2, 9]), x, y), "at most 7 classes, got 9"),
        (lambda: mt.plot_boundary(mt.Sequential("relu"), x, y), "input_shape"),
    ]
    for wrong, said in wrongs:
        with pytest.raises(mt.MinitorchError, match=said):
            wrong()


MODELS: dict[str, Any] = {
    "notes": lambda: mt.notes_network("leaky_relu", "elu", features=12, seed=0, dtype="float64"),
    "smooth": lambda: mt.mlp([12, 9, 5], "gelu", "softmax", dropout=0.5, seed=1, dtype="float64"),
    "images": lambda: mt.Sequential(
        mt.Reshape((1, 3, 4)), mt.Conv2D(3, 2, padding="same"), mt.BatchNorm(), "tanh",
        mt.MaxPool2D(2, padding="same"), mt.Flatten(), mt.Residual(mt.Dense(12), "elu"),
        mt.LayerNorm(), mt.Dense(4), input_shape=12, seed=2, dtype="float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_saliency_is_the_slope_of_the_score(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS[name]()
    monkeypatch.setattr("minitorch_np.reports.saliency.ROWS", 3)  # so that there are slices
    x = np.random.default_rng(3).normal(size=(7, 12))
    before, classes = x.copy(), np.arange(7) % 4
    found = mt.saliency(model, x, classes)
    rows, size = np.arange(7), 1e-6
    for place in range(12):
        step = np.zeros(12)
        step[place] = size
        change = model.predict(x + step) - model.predict(x - step)
        np.testing.assert_allclose(
            found[:, place], change[rows, classes] / (2 * size), rtol=1e-6, atol=1e-8
        )
    np.testing.assert_array_equal(x, before)
    best = model.predict(x).argmax(axis=1)
    np.testing.assert_array_equal(mt.saliency(model, x), mt.saliency(model, x, best))
    np.testing.assert_array_equal(mt.saliency(model, x, 2), mt.saliency(model, x, np.full(7, 2)))


@pytest.mark.parametrize("name", ["notes", "smooth"])
def test_saliency_is_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    model = MODELS[name]()
    module = mt.to_torch(model).double().eval()
    x = np.random.default_rng(4).normal(size=(6, 12))
    inputs = torch.tensor(x, requires_grad=True)
    module(inputs)[:, 3].sum().backward()
    np.testing.assert_allclose(mt.saliency(model, x, 3), inputs.grad.numpy(), rtol=0, atol=1e-10)


def test_saliency_as_a_picture(plots: Any) -> None:
    model = MODELS["notes"]()
    x = np.random.default_rng(5).normal(size=(5, 12))
    figure = mt.plot_saliency(model, x, image_shape=(3, 4), n=3)
    images = [axes.images[0] for axes in figure.axes]
    found = mt.saliency(model, x[:3])
    assert len(images) == 6
    for k in range(3):
        np.testing.assert_array_equal(images[2 * k].get_array(), x[k].reshape(3, 4))
        np.testing.assert_array_equal(images[2 * k + 1].get_array(), found[k].reshape(3, 4))
        largest = np.abs(found[k]).max()
        assert images[2 * k + 1].get_clim() == (-largest, largest)
    best = model.predict(x[:3]).argmax(axis=1)
    assert [a.get_title() for a in figure.axes[1::2]] == [f"of class {k}'s score" for k in best]
    figure.savefig(io.BytesIO())


def test_saliency_of_what_does_not_fit(plots: Any) -> None:
    model, x = MODELS["notes"](), np.zeros((4, 12))
    wrongs: list[tuple[Callable[[], object], str]] = [
        (lambda: mt.saliency(model, x, 10), "classes from 0 to 9"),
        (lambda: mt.saliency(model, x, [0, 1]), "one for each of 4 samples"),
        (lambda: mt.saliency(model, x, 0.5), "classes from 0 to 9"),
        (lambda: mt.saliency(model, x[:, :5]), "12"),
        (lambda: mt.saliency(mt.gpt(7, 4, 1, 1, 4), np.zeros((2, 4), int)), "takes indices"),
        (
            lambda: mt.saliency(mt.Sequential(mt.Conv2D(1, 1), input_shape=(1, 3, 3)), x),
            "m, 1, 3, 3",
        ),
        (lambda: mt.plot_saliency(model, x), "image_shape"),
    ]
    for wrong, said in wrongs:
        with pytest.raises(mt.MinitorchError, match=said):
            wrong()


def test_what_each_layer_gives(plots: Any) -> None:
    model = MODELS["images"]()
    x = np.random.default_rng(6).normal(size=(30, 12))
    figure = mt.plot_activations(model, x)
    outputs = model.outputs(x[:20])
    assert len(figure.axes) == len(outputs) == 9
    for axes, (name, y) in zip(figure.axes, outputs.items(), strict=True):
        assert axes.get_title().startswith(
            f"{name} {model.sublayers()[name].label}: from {y.min():.3g}"
        )
        shown = axes.images[0].get_array()
        if y.ndim == 2:
            np.testing.assert_array_equal(shown, y)
        else:
            np.testing.assert_array_equal(shown[: y.shape[2], : y.shape[3]], y[0, 0])
            assert np.ma.count(shown[np.isfinite(shown)]) == y[0].size
    figure.savefig(io.BytesIO())
    relu = mt.Sequential("relu", input_shape=3, seed=0)
    title = mt.plot_activations(relu, np.array([[-1.0, -2.0, 3.0]])).axes[0].get_title()
    assert title == "0 ReLU(): from 0 to 3, 67% zero"
    with pytest.raises(mt.ShapeError):
        mt.plot_activations(model, x[:, :3])


@pytest.mark.parametrize("kind", ["gif", "svg"])
def test_training_as_a_moving_picture(tmp_path: Path, plots: Any, kind: str) -> None:
    path = tmp_path / f"film.{kind}"
    seen: list[Array] = []

    def draw(model: mt.Sequential) -> Any:
        seen.append(model.state_dict()["0.weight"].copy())
        return mt.plot_weights(model, (1, 2))

    if kind == "gif":
        pytest.importorskip("PIL")
    x, y = halves(48)
    model = mt.mlp([2, 3, 2], seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.5)", seed=0)
    film = mt.Animation(path, draw, every=4, seconds=0.1)
    trainer.fit(x, y, epochs=3, batch_size=16, callbacks=[film])  # 9 steps
    assert len(seen) == 4  # 0, 4, 8, and the end
    assert all((one != other).any() for one, other in itertools.pairwise(seen))
    np.testing.assert_array_equal(seen[-1], model.state_dict()["0.weight"])
    if kind == "gif":
        from PIL import Image, ImageSequence

        with Image.open(path) as image:
            assert image.info["loop"] == 0
            frames = [
                (frame.info["duration"], np.asarray(frame.convert("RGB"), int))
                for frame in ImageSequence.Iterator(image)
            ]
        assert [duration for duration, _ in frames] == [100, 100, 100, 1500]
        assert all((a != b).any() for (_, a), (_, b) in itertools.pairwise(frames))
        return
    root = xml.etree.ElementTree.parse(path).getroot()
    images = root.findall("{*}image")
    assert len(images) == len({image.get("href") for image in images}) == 4
    for second, visible in [(0.05, 0), (0.15, 1), (0.25, 2), (0.35, 3), (1.7, 3)]:
        assert [shown_at(image, second) for image in images] == [k == visible for k in range(4)]


def test_a_film_as_svg_by_hand() -> None:
    """Two frames, of which the last stands for 15 of 16 ticks of half a second."""
    frames = [b"\x89PNG" + bytes(12) + bytes([0, 0, 1, 2, 0, 0, 0, 9]) + bytes([k]) for k in (1, 2)]
    data = [base64.b64encode(frame).decode() for frame in frames]
    size, play = 'width="258" height="9"', 'attributeName="visibility" calcMode="discrete"'
    ends = 'dur="8s" repeatCount="indefinite"/></image>'
    assert animation.as_svg(frames, 0.5) == (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 258 9" {size}>'
        f'<image {size} href="data:image/png;base64,{data[0]}"><animate {play} '
        f'values="visible;hidden" keyTimes="0;0.062500" {ends}'
        f'<image {size} href="data:image/png;base64,{data[1]}"><animate {play} '
        f'values="hidden;visible;hidden" keyTimes="0;0.062500;1.000000" {ends}</svg>'
    )


def test_each_frame_says_its_step(tmp_path: Path) -> None:
    told: list[Any] = []

    class Picture:
        def text(self, *place: Any, **look: Any) -> None:
            told.append((place, look))

        def savefig(self, file: Any, **options: Any) -> None:
            told.append(options)
            file.write(bytes(24))

    film = mt.Animation(tmp_path / "film.svg", lambda model: Picture())
    film._frames, film._steps = [], 7
    film._take(SimpleNamespace(model=None))  # type: ignore[arg-type]
    look = {"ha": "right", "va": "bottom", "fontsize": 8}
    assert told == [((0.995, 0.005, "step 7"), look), {"format": "png", "dpi": 100}]


def shown_at(image: Any, second: float) -> bool:
    """What a browser makes of the animation of an image's visibility."""
    play = image.find("{*}animate")
    share = second / float(play.get("dur").removesuffix("s"))
    times = [float(time) for time in play.get("keyTimes").split(";")]
    place = max(k for k, time in enumerate(times) if time <= share)
    return bool(play.get("values").split(";")[place] == "visible")


def test_long_films_are_thinned_and_short_ones_take_an_epoch(
    tmp_path: Path, plots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "MOST_FRAMES", 8)
    drawn: list[int] = []

    class Picture:
        def text(self, x: float, y: float, words: str, **options: Any) -> None:
            drawn.append(int(words.removeprefix("step ")))

        def savefig(self, file: Any, **options: Any) -> None:
            file.write(drawn[-1].to_bytes(24))

    x, y = halves(40)
    model = mt.mlp([2, 2], seed=0)
    film = mt.Animation(tmp_path / "film.svg", lambda model: Picture(), every=1)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.5)", seed=0)
    trainer.fit(x, y, epochs=10, batch_size=10, callbacks=[film])
    kept = [int.from_bytes(frame) for frame in film._frames]
    assert len(kept) <= 9
    assert kept[0] == 0
    assert kept[-1] == 40
    assert set(np.diff(kept[:-1])) == {8}
    drawn.clear()
    film = mt.Animation(tmp_path / "film.svg", lambda model: Picture())
    trainer.fit(x, y, epochs=2, batch_size=10, callbacks=[film])
    assert drawn == [0, 4, 8]


def test_a_resumed_run_is_shown_from_where_it_goes_on(tmp_path: Path, plots: Any) -> None:
    (x, y), once = halves(40), tmp_path / "once"

    class Stop(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            if trainer.run.epoch == 1 and batch == 1 and not once.exists():
                once.touch()
                raise KeyboardInterrupt

    def fit() -> mt.Animation:
        model = mt.mlp([2, 3, 2], seed=0)
        trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.5)", seed=0)
        film = mt.Animation(tmp_path / "film.svg", lambda m: mt.plot_boundary(m, x, y), every=3)
        checkpoint = mt.Checkpoint(tmp_path / "run.npz", every=1, resume=True)
        trainer.fit(x, y, epochs=2, batch_size=10, callbacks=[film, Stop()], checkpoint=checkpoint)
        return film

    with pytest.raises(KeyboardInterrupt):
        fit()
    film = fit()
    assert film._steps == 8
    assert len(film._frames) == 3  # after steps 5, 6 and 8


def test_films_that_can_not_be_made_are_refused_before_training(
    tmp_path: Path, plots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = halves()
    model = mt.mlp([2, 3, 2], seed=0)
    before = model.state_dict()["0.weight"].copy()
    trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.5)", seed=0)

    def draw(model: mt.Sequential) -> Any:
        return mt.plot_weights(model, (1, 2))

    wrongs: list[Callable[[], object]] = [
        lambda: mt.Animation("film.mp4", draw),
        lambda: mt.Animation("film.gif", "boundary"),  # type: ignore[arg-type]
        lambda: mt.Animation("film.gif", draw, every=0),
        lambda: mt.Animation("film.gif", draw, seconds=0),
        lambda: trainer.fit(x, y, callbacks=[mt.Animation(tmp_path / "a.gif", lambda model: None)]),
    ]
    for wrong in wrongs:
        with pytest.raises(mt.ConfigurationError):
            wrong()
    with pytest.raises(FileNotFoundError):
        trainer.fit(x, y, callbacks=[mt.Animation(tmp_path / "none" / "a.svg", draw)])
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(mt.MissingExtraError, match="images"):
        trainer.fit(x, y, callbacks=[mt.Animation(tmp_path / "a.gif", draw)])
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)
    assert not list(tmp_path.iterdir())


def test_notebooks_show_models_and_histories_escaped() -> None:
    class Evil(mt.Tanh):
        pass

    Evil.__name__ = EVIL
    model = mt.Sequential(mt.Dense(3), Evil(), mt.Residual(mt.Dense(3)), input_shape=4, seed=0)
    shown = model._repr_html_() or ""
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "Total params: 27" in shown
    assert shown.count("<tr>") == 1 + 6
    xml.etree.ElementTree.fromstring(shown.replace("\N{NO-BREAK SPACE}", " "))
    assert mt.Sequential("relu")._repr_html_() is None
    history = mt.History()
    for epoch in range(30):
        history.append({"loss": 1 / (epoch + 1), EVIL: 0.5})
    shown = history._repr_html_()
    assert "<script>" not in shown
    cells = re.findall(r'<th scope="row"[^>]*>([^<]*)</th><td>([^<]*)</td>', shown)
    assert [epoch for epoch, _ in cells] == [
        *map(str, range(1, 11)),
        "...",
        *map(str, range(21, 31)),
    ]
    assert cells[9][1] == "0.1"
    history.restore({"loss": [0.5, 0.25]})
    assert history._repr_html_().count('scope="row"') == 2
    assert mt.History()._repr_html_()
