"""Images that are moved: where every pixel goes, and that nothing else changes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.data import Compose, ImageTransform, Rotate, Shift
from minitorch_np.data.augment import _sampled


class Fixed:
    """A generator that always draws the same."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def integers(self, *arguments: Any, **named: Any) -> Any:
        return np.array(self.value).reshape(2, 1, 1, 1)

    def uniform(self, low: float, high: float, size: Any) -> Any:
        return np.full(size, self.value)


@given(st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 10))
def test_a_shift_moves_every_pixel_by_so_many(down: int, right: int, seed: int) -> None:
    x = np.random.default_rng(seed).random((1, 2, 6, 5)).astype(np.float32)
    moved = Shift(4, fill=-1.0)(x, Fixed([down, right]))  # type: ignore[arg-type]
    expected = np.full_like(x, -1.0)
    for row in range(6):
        for column in range(5):
            if 0 <= row - down < 6 and 0 <= column - right < 5:
                expected[:, :, row, column] = x[:, :, row - down, column - right]
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_exact(quarters: int) -> None:
    x = np.random.default_rng(0).random((3, 1, 7, 7))
    turned = Rotate(360.0)(x, Fixed(90.0 * quarters))  # type: ignore[arg-type]
    np.testing.assert_allclose(turned, np.rot90(x, quarters, axes=(2, 3)), atol=1e-12)


def test_a_small_turn_keeps_the_ink_and_the_middle(digits: mt.data.Digits) -> None:
    x = digits.train.features()[:50]
    turned = Rotate(10)(x, np.random.default_rng(0))
    assert turned.shape == x.shape
    assert turned.dtype == np.float32
    np.testing.assert_allclose(turned.sum(axis=1), x.sum(axis=1), rtol=0.05)
    assert 0.005 < np.abs(turned - x).mean() < 0.1
    assert turned.min() >= 0
    assert turned.max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", [(4, 784), (4, 28, 28), (4, 1, 28, 28), (4, 3, 12, 9)])
def test_any_form_of_images(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.random(shape)
    kept = x.copy()
    for transform in (Shift(2), Rotate(15), Compose(Shift(1), Rotate(5))):
        moved = transform(x, rng)
        assert moved.shape == shape
        assert not np.shares_memory(moved, x)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(Shift(0)(x, rng), x)
    np.testing.assert_allclose(Rotate(0)(x, rng), x)


def test_rows_need_the_shape_of_their_image(rng: np.random.Generator) -> None:
    x = rng.random((2, 12))
    assert Shift(1, image_shape=(3, 4))(x, rng).shape == (2, 12)
    with pytest.raises(mt.ShapeError, match=r"image_shape=\(height, width\)"):
        Shift(1)(x, rng)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Shift(-1),
        lambda: Shift(cast(Any, 1.5)),
        lambda: Rotate(-3),
        lambda: Shift(1, (3, 4, 5)),
    ],
)
def test_arguments_without_meaning(make: Any) -> None:
    with pytest.raises(mt.ConfigurationError):
        make()


def test_one_of_the_readers_own(rng: np.random.Generator) -> None:
    """A mirror: three lines."""

    class Mirror(ImageTransform):
        def positions(self, m: int, rows: Array, columns: Array, rng: Any) -> tuple[Array, Array]:
            return rows, -columns

    x = rng.random((2, 1, 4, 5))
    np.testing.assert_allclose(Mirror()(x, rng), x[..., ::-1], atol=1e-12)


def test_a_network_that_has_seen_shifts_minds_them_less(digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(1500))
    x, y = part.features(), part.labels
    shifted = Shift(2)(digits.test.features(), np.random.default_rng(0))
    accuracies = []
    for transform in (None, Shift(2)):
        model = mt.mlp([784, 64, 10], seed=0)
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.Adam(0.003), metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(x, y, epochs=8, transform=transform)
        accuracies.append(trainer.evaluate(shifted, digits.test.labels)["accuracy"])
    assert accuracies[1] > accuracies[0] + 0.1


def test_pixels_between_pixels_by_the_formula(rng: np.random.Generator) -> None:
    """The mean of the four around, weighted by how near they are; outside it is `fill`."""
    images, fill = rng.random((2, 3, 4, 5)), 0.25
    rows, columns = rng.uniform(-2.5, 6.5, (2, 2, 4, 5))
    rows[0, 0, :3], columns[0, 0, :3] = (0, 3, -1), (4, 0, 2)  # and right on some

    def pixel(image: Any, row: int, column: int) -> Any:
        inside = 0 <= row < 4 and 0 <= column < 5
        return image[:, row, column] if inside else np.full(3, fill)

    expected = np.empty_like(images)
    for m, i, j in np.ndindex(2, 4, 5):
        y, x = rows[m, i, j], columns[m, i, j]
        top, left = int(np.floor(y)), int(np.floor(x))
        total = np.zeros(3)
        for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            weight = (1 - abs(y - row)) * (1 - abs(x - column))
            total += weight * pixel(images[m], row, column)
        expected[m, :, i, j] = total
    np.testing.assert_allclose(_sampled(images, rows, columns, fill), expected, rtol=1e-12)


def test_a_quarter_of_a_turn_counter_clockwise() -> None:
    x = np.arange(2 * 9.0).reshape(2, 3, 3)
    turned = Rotate(90, fill=7.0)
    draws: Any = type("Draws", (), {"uniform": lambda self, low, high, shape: np.full(shape, high)})
    np.testing.assert_allclose(turned(x, draws()), np.rot90(x, axes=(1, 2)), atol=1e-12)
    rows = x.reshape(2, 9)
    np.testing.assert_allclose(turned(rows, draws())[1], np.rot90(x[1]).reshape(-1), atol=1e-12)


def test_a_shift_by_what_is_drawn() -> None:
    """Down and to the right, and what comes in is `fill`."""
    x = np.arange(12.0).reshape(1, 3, 4)

    class Draws:
        def integers(self, low: int, high: int, shape: Any, *, endpoint: bool) -> Any:
            assert (low, high, shape, endpoint) == (-2, 2, (2, 1, 1, 1), True)
            return np.array([1, -1]).reshape(shape)

    drawn: Any = Draws()
    expected = [[9, 9, 9, 9], [1, 2, 3, 9], [5, 6, 7, 9]]
    np.testing.assert_array_equal(Shift(2, fill=9.0)(x, drawn)[0], expected)
    flat = x.reshape(1, 12)
    found = Shift(2, image_shape=(3, 4), fill=9.0)(flat, drawn)
    np.testing.assert_array_equal(found, [np.ravel(expected)])
    for wrong in (flat[0], flat, x[None, None]):
        with pytest.raises(mt.ShapeError, match="^Shift: expected images"):
            Shift(2)(wrong, drawn)
