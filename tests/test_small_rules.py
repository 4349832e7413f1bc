"""Rules of one line each, from several rooms: what is added, left out, refused or passed on."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.sequences import mask_of_lengths, with_lengths
from minitorch_np.io.arrays import read_json
from minitorch_np.layers.embedding import Embedding
from minitorch_np.losses.class_weights import as_class_weights
from minitorch_np.training import checkpoint
from minitorch_np.training.inputs import LARGE, SMALL, _of_size_1, split_at

RNG = np.random.default_rng(0)


def built(layer: mt.Layer, *shape: int) -> Any:
    return mt.Sequential(layer, input_shape=shape, seed=0, dtype=np.float64)[0]


def test_the_steps_that_count_in_all_inputs() -> None:
    layer = built(mt.Dense(2), 3, 4)
    one, other = np.array([[True, True, False]]), np.array([[True, False, True]])
    third = np.array([[True, True]])
    for given, expected in (
        (one, one),
        ((one, None), one),
        ((None, other), other),
        ((one, other), one & other),
        ((one, third), one),  # of a sequence of another length
        ((other, one, other), one & other),
    ):
        np.testing.assert_array_equal(layer.mask_after(given), expected)
    nothing: list[Any] = [None, (None, None), third]
    for none in nothing:
        assert layer.mask_after(none) is None
    assert built(mt.Dense(2), 3).mask_after(one) is None
    assert built(mt.Flatten(), 3, 4).mask_after(one) is None


def test_lengths_as_a_mask() -> None:
    found = mask_of_lengths(np.array([0, 2, 3.0]), 3, "x")
    np.testing.assert_array_equal(found, [[0, 0, 0], [1, 1, 0], [1, 1, 1]])
    for lengths, said in (
        (np.array([1, 4]), "expected lengths that are whole numbers from 0 to 3, got 4 at row 1"),
        (np.array([-1, 4]), "expected lengths that are whole numbers from 0 to 3, got -1 at row 0"),
        (np.array([2, 1.5]), "expected lengths that are whole numbers from 0 to 3, got 1.5 at row"),
        (np.ones((2, 1)), "expected a length for each sequence, got shape (2, 1)"),
    ):
        with pytest.raises(mt.DataError, match=re.escape(f"x: {said}")):
            mask_of_lengths(lengths, 3, "x")
    layer = built(mt.LSTM(2), 3, 4)
    with pytest.raises(mt.DataError, match=r"^LSTM: expected x, or a pair \(x, lengths\) .* of 3$"):
        with_lengths(layer, (1, 2, 3))


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ([1, 0.5], [1, 0.5]),
        ({2: 3}, [1, 1, 3]),
        ({0: 0.5, 1: 2.0}, [0.5, 2]),
        (np.array([0, 2]), [0, 2]),
        ((0.0, 1.0), [0, 1]),
    ],
)
def test_class_weights(given: Any, weights: list[float]) -> None:
    np.testing.assert_array_equal(as_class_weights(given), weights)


@pytest.mark.parametrize(
    "given", [{}, {-1: 2}, {0.5: 2}, {10**6: 2}, [0, 0], [1, -1], [[1]], [1, math.inf], "equal"]
)
def test_what_is_no_class_weights(given: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="expected class_weights of one number"):
        as_class_weights(given)


def test_balanced_weights() -> None:
    np.testing.assert_allclose(mt.balanced_weights([0, 0, 1, 0]), [4 / 6, 4 / 2])
    np.testing.assert_allclose(mt.balanced_weights([0, 1], classes=2), [1, 1])
    for labels, classes, missing in (([0, 2], None, 1), ([1, 1], None, 0), ([0, 1], 4, 2)):
        last = max(labels) if classes is None else classes - 1
        said = f"labels of each class from 0 to {last}, got none of class {missing}"
        with pytest.raises(mt.DataError, match=f"{said}$"):
            mt.balanced_weights(labels, classes)


def test_an_embedding_without_padding_has_no_zero_row() -> None:
    table = built(Embedding(500, 40, standard_deviation=0.5), 3)
    assert table.weight.std() == pytest.approx(0.5, rel=0.02)
    assert (table.weight != 0).all()
    y, cache = table.forward(np.array([[0, 1, 1]]))
    gradient = table.backward(np.ones_like(y), cache)[1]["weight"]
    assert gradient[:3, 0].tolist() == [1, 2, 0]
    padded = built(Embedding(5, 2, padding_id=1), 3)
    assert (padded.weight[1] == 0).all()
    assert (np.delete(padded.weight, 1, 0) != 0).all()
    y, cache = padded.forward(np.array([[0, 1, 1]]))
    gradient = padded.backward(np.ones_like(y), cache)[1]["weight"]
    assert gradient[:3, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("padding", "shape", "found"),
    [
        (0, (2, 3), (2, 3)),
        (1, (2, 3), (2, 5)),
        ([(0, 2)], (2, 3), (2, 5)),
        ([2], (2, 3), (2, 7)),
        ([0, (1, 0)], (2, 3, 4), (2, 3, 5)),
    ],
)
def test_zeros_around(padding: Any, shape: Any, found: Any) -> None:
    assert built(mt.ZeroPadding(padding), *shape).output_shape == found


def test_shapes_that_layers_refuse() -> None:
    for layer, shape, said in (
        (mt.ZeroPadding(1), (4,), "expected samples of two or more axes, got shape (4,)"),
        (mt.ZeroPadding([1, 1]), (4, 4), "expected samples of 3 axes, got shape (4, 4)"),
        (mt.UpSampling2D(2), (4, 4), "got"),
        (mt.GLU(), (5,), "got"),
        (mt.GLU(), (), "got"),
        (mt.NormalSampling(), (5,), "got"),
        (mt.Unembedding(mt.Embedding(5, 3)), (2, 4), "expected samples of (..., 3)"),
        (mt.Unembedding(mt.Embedding(5, 3)), (), "expected samples of (..., 3)"),
    ):
        with pytest.raises(mt.ShapeError, match=re.escape(said)):
            built(layer, *shape)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (mt.GLU(), (6,)),
        (mt.NormalSampling(), (6,)),
        (mt.UpSampling2D((1, 2)), (2, 3, 3)),
        (mt.ZeroPadding(1), (2, 3)),
        (mt.Unembedding(mt.Embedding(5, 3)), (2, 3)),
        (mt.Embedding(5, 3), (2,)),
        (mt.GroupNorm(2), (4, 3)),
        (mt.RMSNorm(), (4, 3)),
        (mt.PositionalEmbedding(), (4, 3)),
        (mt.Transpose(), (4, 3)),
        (mt.Flatten(), (4, 3)),
    ],
    ids=repr,
)
def test_gradients_of_another_shape_are_refused(layer: mt.Layer, shape: Any) -> None:
    layer = built(layer, *shape)
    y, cache = layer.forward(np.ones((2, *shape)), train=True, rng=np.random.default_rng(0))
    for wrong in (y[..., :-1], y[:1], y[0]):
        with pytest.raises(mt.ShapeError, match=f"{type(layer).__name__}.*dy.*got"):
            layer.backward(wrong.copy(), cache)
    if not layer.index_limit:
        gradients = layer.backward(np.ones_like(y), cache, need_dx=False)[1]
        assert gradients.keys() == layer.named_parameters().keys()


def test_one_output_is_the_probability_of_class_1() -> None:
    x = RNG.normal(size=(6, 3))
    for last in ("identity", "sigmoid"):
        model = mt.Sequential(mt.Dense(1), last, input_shape=3, seed=0, dtype=np.float64)
        mt.Trainer(model, "bce" if last == "identity" else "mse", "sgd")
        z = x @ model.state_dict()["0.weight"].T + model.state_dict()["0.bias"]
        p = 1 / (1 + np.exp(-z))
        if last == "identity":
            assert not model.exclusive_classes
        np.testing.assert_allclose(model.predict_proba(x), np.hstack([1 - p, p]), rtol=1e-12)
        np.testing.assert_array_equal(model.predict_classes(x), (z[:, 0] > 0).astype(int))
        assert model.predict_classes(x).shape == (6,)


def test_whether_classes_exclude_each_other_is_saved(tmp_path: Path) -> None:
    model = mt.Sequential(mt.Dense(3), input_shape=2, seed=0)
    for exclusive in (True, False):
        model.exclusive_classes = exclusive
        model.save(tmp_path / "model.npz")
        assert mt.Sequential.load(tmp_path / "model.npz").exclusive_classes is exclusive


def test_a_count_of_batches_is_no_parameter() -> None:
    model = mt.Sequential(mt.BatchNorm(), input_shape=2, seed=0)
    state = model.state_dict()
    model.load_state_dict(state | {"0.num_batches_tracked": np.array(3)})
    with pytest.raises(mt.DataError, match=r"0\.tracked is unexpected"):
        model.load_state_dict(state | {"0.tracked": np.array(3)})


@pytest.mark.parametrize(("share", "kept"), [(0.25, 3), (0.5, 2), (0.6, 2), (0.8, 1)])
def test_a_share_that_is_held_out(share: float, kept: int) -> None:
    assert split_at(4, share) == kept


@pytest.mark.parametrize("share", [0.1, 0.9, 1.0, -0.5, 1.5, True, "x"])
def test_a_share_that_leaves_nobody(share: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match=f"got {share!r} of 4$"):
        split_at(4, share)


def test_what_is_of_about_size_1() -> None:
    for x, right in (
        ([0.0, 0.0], True),
        ([math.nan, 1], True),
        ([math.inf, 1], True),
        ([1.0], True),
        ([5.0], True),
        ([LARGE], True),
        ([1.001 * LARGE], False),
        ([1000.0], False),
        ([1e-4, 1e-4], False),
        ([1e-4] * 99 + [1.0], True),
        ([0.0] * 99 + [SMALL], True),
        ([0.0] * 99 + [0.99 * SMALL], False),
    ):
        assert _of_size_1(np.array(x)) is right


def state(**changes: Any) -> dict[str, Any]:
    """What a checkpoint holds, as far as its form is checked."""
    return {
        "epoch": 2,
        "batch": 1,
        "loss": 0.5,
        "weight": 3.0,
        "history": {"loss": [1.0, 0.5]},
        "counts": [np.zeros(3), 0],
        "run": {"metrics": ["accuracy", "auc"]},
        "stopped": False,
        "callbacks": [{}],
        "frozen": [True, False],
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": -1},
        {"batch": 1.5},
        {"loss": math.nan},
        {"weight": -1},
        {"history": {"loss": [1.0, 0.5, 0.2]}},
        {"history": {"loss": ["1"]}},
        {"counts": [0]},
        {"counts": [0, "1"]},
        {"counts": [0, 0, 0]},
        {"stopped": 1},
        {"callbacks": [3]},
        {"frozen": [1]},
    ],
    ids=str,
)
def test_the_form_of_a_checkpoint(changes: dict[str, Any]) -> None:
    checkpoint._require_form(state())
    checkpoint._require_form(state(loss=-3, history={"loss": [1.0]}, counts=[0.5, 0]))
    with pytest.raises(ValueError, match="expected"):
        checkpoint._require_form(state(**changes))


def test_what_differs_is_shown_from_shortly_before_it() -> None:
    assert checkpoint._difference("epochs", 2, 3) == "epochs 2, now 3"
    long = "a" * 200
    found = checkpoint._difference("model", long + "b", long + "c")
    cut = "'" + "a" * 23 + "..." + "a" * 40
    assert found == f"model {cut}b', now {cut}c'"
    short = "a" * 78
    assert checkpoint._difference("m", short + "b", short + "c") == f"m '{short}b', now '{short}c'"


def test_files_of_digits_that_do_not_go_together(tmp_path: Path) -> None:
    images = np.zeros((3, 4, 4), np.uint8)
    for name in ("train", "t10k"):
        mt.data.save_idx(tmp_path / f"{name}-images-idx3-ubyte", images)
        mt.data.save_idx(tmp_path / f"{name}-labels-idx1-ubyte", np.zeros(3, np.uint8))
    assert len(mt.data.load_mnist(tmp_path).test) == 3
    for labels in (np.zeros(2, np.uint8), np.zeros((3, 1), np.uint8)):
        mt.data.save_idx(tmp_path / "t10k-labels-idx1-ubyte", labels)
        with pytest.raises(mt.DataError) as error:
            mt.data.load_mnist(tmp_path)
        assert str(error.value) == (
            f"{tmp_path}/t10k-labels-idx1-ubyte: expected a label for each of the 3 images in "
            f"t10k-images-idx3-ubyte, got labels of shape {labels.shape}"
        )
    mt.data.save_idx(tmp_path / "train-images-idx3-ubyte", images[0])
    with pytest.raises(mt.DataError, match=r"expected images, that is three axes, got .*\(4, 4\)$"):
        mt.data.load_mnist(tmp_path)


def test_images_by_place() -> None:
    images = mt.data.Images(RNG.integers(0, 256, (5, 2, 2), np.uint8), np.array([0, 1, 2, 1, 0]))
    for rows in ([3, 0], np.array([3, 0]), (3, 0)):
        found = images.take(rows)  # type: ignore[arg-type]
        assert found.labels.tolist() == [1, 0]
        np.testing.assert_array_equal(found.images, images.images[[3, 0]])
    last: list[Any] = [-1, np.int64(4)]
    for row in last:
        np.testing.assert_array_equal(images[row].images, images.images[4:])
    first, second = images.split(0.2, seed=0)
    assert (len(first), len(second)) == (4, 1)
    assert repr(images) == "Images(5 of 2x2, labelled)"
    assert repr(mt.data.Images(images.images)) == "Images(5 of 2x2, not labelled)"
    with pytest.raises(mt.DataError, match="whole numbers from 0, got 2147483648 at 1"):
        mt.data.Images(images.images[:2], np.array([0, 2**31]))


def test_numbers_that_are_converted(tmp_path: Path) -> None:
    source, target = tmp_path / "x.csv", tmp_path / "x.npy"
    source.write_text("a,b\n1,2\n\n3\n")
    with pytest.raises(mt.DataError, match=r":4: expected 2 columns, as in the first line, got 1"):
        mt.data.convert_csv(source, target, dtype="float32")
    for wrong in (np.zeros(9, np.uint8), np.zeros((2, 3, 3), np.uint8), np.zeros((2, 9))):
        np.save(tmp_path / "wrong.npy", wrong)
        with pytest.raises(mt.DataError, match="expected rows of 28x28 pixels, or another square"):
            mt.data.load_converted(tmp_path / "wrong.npy")
    np.save(tmp_path / "right.npy", np.zeros((2, 9), np.uint8))
    assert not mt.data.load_converted(tmp_path / "right.npy").has_labels
    (tmp_path / "text.npy").write_text(json.dumps([1]))
    with pytest.raises(mt.DataError, match=r"expected a .npy file of numbers"):
        mt.data.load_converted(tmp_path / "text.npy")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 2)])
def test_what_is_no_picture_to_print(shape: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="as_text: expected a grey image"):
        mt.data.as_text(np.zeros(shape, np.uint8))


def test_layers_by_name() -> None:
    model = mt.Sequential({"first": mt.Dense(2), "then": "tanh"}, input_shape=3, seed=0)
    assert list(model.sublayers()) == ["first", "then"]
    assert isinstance(model[1], mt.Tanh)
    assert list(model.state_dict()) == ["first.weight", "first.bias"]


def test_who_couples_samples() -> None:
    inner = mt.Sequential(mt.Dense(2), mt.BatchNorm())
    for layer, couples in (
        (mt.BatchNorm(), True),
        (mt.Sequential("tanh", inner), True),
        (mt.Residual(inner), True),
        (mt.LayerNorm(), False),
        (mt.Sequential(mt.Dense(2), "tanh"), False),
    ):
        assert layer.couples_samples is couples


def test_the_first_negative_probability_is_named() -> None:
    with pytest.raises(mt.DataError, match=r"from 0 to 1; got -0.1 at row 1, column 2$"):
        scores = np.array([[0.5, 0.25, 0.25], [0.5, 0.6, -0.1], [-1, 1, 1]])
        mt.CrossEntropy().forward(scores, np.array([0, 1, 2]))


def test_calibration_of_several_labels_and_of_one() -> None:
    p = np.array([[0.9, 0.2], [0.6, 0.4]])
    several, one = mt.CalibrationError(2), mt.CalibrationError(2)
    several.begin(mt.Sequential(mt.Dense(2), "sigmoid", input_shape=3, seed=0))
    several.multi_label = True  # as a BinaryCrossEntropy says
    # Up to 1/2: 0.2 and 0.4, none of which is true; above: 0.9 and 0.6, of which one is.
    counts = several.count(p, np.array([[1, 0], [0, 0]]))
    np.testing.assert_allclose(counts, np.array([[2, 2], [0, 1], [0.6, 1.5]]))
    assert several.value(counts) == pytest.approx((0.6 + 0.5) / 4)
    one.begin(mt.Sequential(mt.Dense(1), "sigmoid", input_shape=3, seed=0))
    counts = one.count(p[:, 1:], np.array([1, 0]))
    np.testing.assert_allclose(counts, np.array([[2, 0], [1, 0], [0.6, 0]]))


def test_a_text_in_a_file_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"PK" + bytes(100))
    assert read_json(path, np.array('{"a": 1}')) == {"a": 1}
    for wrong in (np.array(['{"a": 1}']), np.array(3), np.array(b"{}")):
        said = f"expected a text, got {wrong.dtype} of shape {wrong.shape}"
        with pytest.raises(ValueError, match=re.escape(said)):
            read_json(path, wrong)
