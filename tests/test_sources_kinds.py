"""Sources of all kinds of number and in all layouts, and texts as labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray

N = 90
RNG = np.random.default_rng(6)
X = RNG.random((N, 12), np.float32)
PIXELS = RNG.integers(0, 256, (N, 12), np.uint8)
Y = RNG.integers(0, 3, N)
NAMES = np.array(["a", "b", "c"])


def mapped(folder: Path, array: AnyArray) -> Any:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def trained(x: Any, y: Any, loss: Any = "softmax_cross_entropy", **options: Any) -> list[Any]:
    classes = options.pop("classes", None)
    model = mt.Sequential(mt.Dense(3), input_shape=12, seed=0)
    trainer = mt.Trainer(model, loss, "adam(0.01)", classes=classes, seed=0)
    history = trainer.fit(x, y, batch_size=32, epochs=2, **options)
    return [model.state_dict(), history.to_dict(), trainer.evaluate(x, y)]


def assert_same(found: list[Any], expected: list[Any]) -> None:
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    assert found[1:] == expected[1:]


@pytest.mark.parametrize("kind", ["f2", ">f4", "f8", ">f8", "u1", "i1", ">i2", "u8", "?"])
def test_kinds_of_number(kind: str, tmp_path: Path) -> None:
    x = (X * 4).astype(kind)
    labels = Y.astype("?" if kind == "?" else kind)
    assert_same(trained(mapped(tmp_path, x), mapped(tmp_path, labels)), trained(x, labels))


LAYOUTS: dict[str, Callable[[AnyArray], tuple[AnyArray, Any]]] = {
    "Fortran": lambda x: (np.asfortranarray(x), lambda x: x),
    "every other row": lambda x: (np.repeat(x, 2, axis=0), lambda x: x[::2]),
    "every other column": lambda x: (np.repeat(x, 2, axis=1), lambda x: x[:, ::2]),
    "from the end": lambda x: (x[::-1], lambda x: x[::-1]),
    "a part": lambda x: (np.concatenate([x, x]), lambda x: x[N:]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    """Of a view, too, only the rows that are asked for are copied."""
    stored, view = LAYOUTS[layout](X)
    assert_same(trained(view(mapped(tmp_path, stored)), Y), trained(X, Y))


def test_labels_in_a_column_and_texts(tmp_path: Path) -> None:
    x, expected = mapped(tmp_path, X), trained(X, Y)
    assert_same(trained(x, mapped(tmp_path, Y[:, np.newaxis])), expected)
    assert_same(trained(x, Y[:, np.newaxis].tolist()), expected)
    options: dict[str, Any] = {"classes": NAMES.tolist()}
    assert_same(trained(x, mapped(tmp_path, NAMES[Y]), **options), expected)
    assert_same(trained(x, mapped(tmp_path, NAMES.astype("S")[Y]), **options), expected)
    with pytest.raises(mt.DataError, match=r"'a', 'b', 'c', got 'd' at row 77$"):
        trained(x, mapped(tmp_path, np.where(np.arange(N) == 77, "d", NAMES[Y])), **options)


def test_texts_in_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        y = file.create_dataset("y", data=NAMES[Y].astype(object), dtype=h5py.string_dtype())
        assert_same(trained(X, y, classes=NAMES.tolist()), trained(X, Y))


def test_balanced_weights_of_labels_in_a_column(tmp_path: Path) -> None:
    loss = mt.SoftmaxCrossEntropy(class_weights="balanced")
    x = mapped(tmp_path, X)
    assert_same(trained(x, Y[:, np.newaxis].tolist(), loss), trained(X, Y, loss))
    with pytest.raises(mt.ConfigurationError, match="not in memory"):
        trained(x, mapped(tmp_path, Y), loss)


@pytest.mark.parametrize(
    "x", [np.zeros((N, 12), [("a", "f4")]), np.zeros((N, 12), "M8[s]"), np.zeros((N, 12), "c8")]
)
def test_what_is_no_number(x: AnyArray, tmp_path: Path) -> None:
    with pytest.raises(mt.DataError, match="fit: x: expected an array of numbers, got"):
        trained(mapped(tmp_path, x), Y)


def test_a_single_number(tmp_path: Path) -> None:
    with pytest.raises(mt.DataError, match="fit: x: expected at least one axis"):
        trained(mapped(tmp_path, X)[0, 0:1].reshape(()), Y)


def test_a_scale_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(mt.DataError, match=r"fit: x: expected finite numbers, got (inf|nan) at"):
        trained(mapped(tmp_path, PIXELS), Y, scale=1e39)


def test_outputs_are_kept_where_a_model_returns_its_input(tmp_path: Path) -> None:
    """The memory of one batch is that of the next."""
    model = mt.Sequential(mt.Dropout(0.5), input_shape=12)
    found = model.predict(mapped(tmp_path, X), batch_size=32)
    np.testing.assert_array_equal(found, X)


def test_labels_of_steps_in_batches_across_windows(tmp_path: Path) -> None:
    class Chunked:
        def __init__(self, array: AnyArray) -> None:
            self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (20,)

        def __getitem__(self, part: slice) -> AnyArray:
            return self.array[part]

    steps = X.reshape(N, 3, 4)
    labels = steps[..., :3].argmax(axis=2)  # (N, 3), the shape that one-hot rows would have, too
    model = mt.Sequential(mt.Dense(3), input_shape=(3, 4), seed=0)
    options: dict[str, Any] = {"metrics": [mt.Accuracy()], "seed": 0}
    trainer = mt.Trainer(model, "softmax_cross_entropy", "adam(0.05)", **options)
    y = mapped(tmp_path, labels)
    options = {"batch_size": 32, "shuffle_window": 40}
    history = trainer.fit(Chunked(steps), y, epochs=30, **options)
    assert history["accuracy"][-1] > 0.9
    assert trainer.evaluate(Chunked(steps), y) == trainer.evaluate(steps, labels)
