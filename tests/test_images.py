"""Users' pictures: a digit is found and read whatever it is drawn on."""

import sys
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.data.dataset import Pixels
from minitorch_np.data.images import _as_bytes, normalise

pytest.importorskip("PIL", reason="Pillow is not installed")
from PIL import Image


@pytest.fixture(scope="module")
def reader(digits: mt.data.Digits) -> mt.Sequential:
    """A network that can read."""
    model = mt.Sequential(mt.Dense(64), mt.ReLU(), mt.Dense(10), input_shape=784, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.2), seed=0)
    trainer.fit(digits.train.features(), digits.train.labels, epochs=8, batch_size=32)
    return model


def picture(digit: Pixels, ground: int, ink: int, side: int = 300) -> Image.Image:
    """A digit as somebody might have it: large, off the middle, on a ground of any brightness."""
    paper = np.full((side, side + 120), ground, np.float64)
    large = np.asarray(Image.fromarray(digit).resize((140, 140), Image.Resampling.BICUBIC)) / 255.0
    paper[30:170, 200:340] += (ink - ground) * large
    return Image.fromarray(paper.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("ground", "ink", "suffix", "mode"),
    [
        (255, 0, ".png", "L"),
        (0, 255, ".png", "L"),
        (235, 40, ".jpg", "RGB"),
        (160, 60, ".png", "RGB"),
        (90, 200, ".bmp", "L"),
    ],
)
def test_drawn_digits_are_read(
    reader: mt.Sequential,
    digits: mt.data.Digits,
    tmp_path: Path,
    ground: int,
    ink: int,
    suffix: str,
    mode: str,
) -> None:
    part = digits.test.take(slice(0, 100))
    path = tmp_path / f"digit{suffix}"
    loaded = []
    for digit in part.images:
        picture(digit, ground, ink).convert(mode).save(path)
        loaded.append(mt.data.load_image(path))
    seen = mt.data.Images(np.stack(loaded))
    as_they_were = reader.predict_classes(part.features())
    as_pictures = reader.predict_classes(seen.features())
    assert (as_they_were == part.labels).mean() > 0.9
    assert (as_pictures == as_they_were).mean() > 0.93


def test_the_result_is_like_mnist(digits: mt.data.Digits) -> None:
    for digit in digits.test.images[:50]:
        image = normalise(np.asarray(picture(digit, 255, 0)))
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
        mass = image / image.sum()
        centre = (mass.sum(axis=1) @ np.arange(28), mass.sum(axis=0) @ np.arange(28))
        assert centre == pytest.approx((13.5, 13.5), abs=0.6)
        assert image[0, 0] == 0


def test_brightness_and_contrast_do_not_matter(digits: mt.data.Digits) -> None:
    digit = digits.test.images[3]
    dark_on_bright = normalise(np.asarray(picture(digit, 255, 0))).astype(int)
    for ground, ink in ((0, 255), (200, 60), (100, 180)):
        other = normalise(np.asarray(picture(digit, ground, ink))).astype(int)
        assert np.abs(other - dark_on_bright).max() <= 12


def test_transparency_and_rotation_tags(tmp_path: Path, digits: mt.data.Digits) -> None:
    digit = digits.test.images[0]
    upright = picture(digit, 255, 0)
    ink = 255 - np.asarray(upright)
    clear = np.zeros((*ink.shape, 4), np.uint8)
    clear[..., 3] = ink  # black ink on nothing
    Image.fromarray(clear).save(tmp_path / "clear.png")
    upright.save(tmp_path / "plain.png")
    plain = mt.data.load_image(tmp_path / "plain.png").astype(int)
    assert np.abs(mt.data.load_image(tmp_path / "clear.png").astype(int) - plain).max() <= 2
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me a quarter to the right"
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert np.abs(mt.data.load_image(tmp_path / "turned.png").astype(int) - plain).max() <= 2


def test_extreme_strokes_fit() -> None:
    for shape in ((200, 3), (3, 200), (1, 1)):
        paper = np.full((220, 220), 255, np.uint8)
        paper[5 : 5 + shape[0], 10 : 10 + shape[1]] = 0
        assert normalise(paper).max() == 255


def test_thin_strokes_come_out_in_full_ink() -> None:
    paper = np.full((1000, 1000), 255, np.uint8)
    paper[100:900, 500] = 0
    assert normalise(paper).max() == 255
    specks = np.full((3000, 3000), 255, np.uint8)
    specks[10, 10] = specks[2990, 2990] = 0
    with pytest.raises(mt.DataError, match="specks"):
        normalise(specks)


def test_pictures_of_more_than_eight_bits(tmp_path: Path, digits: mt.data.Digits) -> None:
    plain = np.asarray(picture(digits.test.images[0], 255, 0))
    expected = normalise(plain).astype(int)
    for name, grey in (
        ("sixteen.png", Image.fromarray(8000 + 120 * plain.astype(np.uint16))),
        ("float.tiff", Image.fromarray((plain / 255).astype(np.float32))),
        ("int.tiff", Image.fromarray(plain.astype(np.int32) * 1000)),
    ):
        grey.save(tmp_path / name)
        loaded = mt.data.load_image(tmp_path / name).astype(int)
        assert np.abs(loaded - expected).max() <= 3


def test_pictures_that_are_none(tmp_path: Path) -> None:
    Image.new("L", (50, 50), 200).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("not a picture")
    whole = tmp_path / "whole.png"
    picture(np.full((28, 28), 255, np.uint8), 255, 0).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:200])
    for name, message in (
        ("blank.png", "stands out from its background"),
        ("text.png", "expected a picture"),
        ("cut.png", "picture"),
    ):
        with pytest.raises(mt.DataError, match=f"{name}.*{message}"):
            mt.data.load_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        mt.data.load_image(tmp_path / "nowhere.png")


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[images\]"):
        mt.data.load_image("digit.png")


def test_a_digit_in_text(digits: mt.data.Digits) -> None:
    lines = mt.data.as_text(digits.test.images[0]).split("\n")
    assert len(lines) == 14
    assert max(map(len, lines)) <= 28
    assert "@" in "".join(lines) or "%" in "".join(lines)


def test_pictures_that_are_too_large_or_of_other_kinds(tmp_path: Path) -> None:
    Image.new("1", (13000, 13000)).save(tmp_path / "bomb.png")
    with pytest.raises(mt.DataError, match="bomb.png: expected at most .*got 676,000,000"):
        mt.data.load_image(tmp_path / "bomb.png")
    for name in ("a.pcx", "a.dds"):
        Image.new("RGB", (30, 30)).save(tmp_path / name)
        with pytest.raises(mt.DataError, match="expected a picture .PNG, JPEG"):
            mt.data.load_image(tmp_path / name)


def test_a_large_picture_is_made_smaller_first(tmp_path: Path, digits: mt.data.Digits) -> None:
    digit = digits.test.images[0]
    small, large = (picture(digit, 255, 0, side) for side in (300, 3000))
    large.save(tmp_path / "large.png")
    found = mt.data.load_image(tmp_path / "large.png").astype(int)
    assert np.abs(found - normalise(np.asarray(small))).mean() < 3


def test_values_are_stretched_and_a_constant_picture_is_not() -> None:
    np.testing.assert_array_equal(
        _as_bytes(np.array([[-2.0, 0.0], [2.0, 3.0]])), [[0, 102], [204, 255]]
    )
    for value in (0.0, 7.0, 65535.0):
        assert len(np.unique(_as_bytes(np.full((3, 4), value)))) == 1


@pytest.mark.parametrize("turned", [0, 1, 2, 3])
def test_the_background_is_that_of_most_of_the_border(turned: int) -> None:
    """Of a square that touches two sides: 46 of 88 pixels, so each side must be the outermost."""
    grey = np.zeros((22, 22))
    grey[1:, 1:] = 200
    expected = np.zeros((28, 28))
    expected[4:24, 4:24] = 255
    np.testing.assert_array_equal(normalise(np.rot90(grey, turned)), expected)


def test_a_digit_of_the_right_size_is_only_moved() -> None:
    """20 pixels high, its centre of mass in the middle; what is faint against it is left out."""
    grey = np.full((40, 30), 90.0)
    grey[5:25, 3:7] = 190
    grey[5:9, 7:11] = 140
    grey[30:] = 92  # no ink: 2 of 100
    image = normalise(grey)
    ink = np.zeros((20, 8))
    ink[:, :4] = 255
    ink[:4, 4:] = 128
    rows = (ink.sum(1) @ (np.arange(20) + 0.5)) / ink.sum()
    columns = (ink.sum(0) @ (np.arange(8) + 0.5)) / ink.sum()
    top, left = round(14 - rows), round(14 - columns)
    np.testing.assert_array_equal(image[top : top + 20, left : left + 8], ink)
    assert image.sum() == ink.sum()


def test_a_digit_that_is_heavy_on_one_side_stays_inside() -> None:
    """Its centre of mass would lie in the middle only if it began two pixels outside."""
    grey = np.zeros((30, 30))
    grey[5:25, 5] = 50
    grey[5:25, 24] = 250
    image = normalise(grey)
    columns = np.zeros((28, 28))
    columns[4:24, 0], columns[4:24, 19] = 51, 255
    np.testing.assert_array_equal(image, columns)
    np.testing.assert_array_equal(normalise(grey[:, ::-1]), columns[:, ::-1])
    np.testing.assert_array_equal(normalise(grey.T), columns.T)
