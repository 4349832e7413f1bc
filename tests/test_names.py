"""Names: of classes in targets, of layers, and of arrays that are loaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.tree import _renamed
from minitorch_np.training.labels import _shown, as_names, checked_names, names_in, numbered


def test_names_of_classes() -> None:
    assert checked_names(None) is None
    for given in (["b", "a"], ("b", "a"), np.array(["b", "a"]), (name for name in "ba")):
        assert checked_names(given) == ("b", "a")  # type: ignore[arg-type]
    many: list[Any] = [["a"], ["a", "a"], "ab", 3, ["a", 1], [], np.array([["a", "b"]])]
    for wrong in many:
        with pytest.raises(mt.ConfigurationError, match="^Trainer: expected classes to be two or"):
            checked_names(wrong)


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (["b", "a"], ["b", "a"]),
        (np.array([["b"], ["a"]]), ["b", "a"]),
        (np.array(["b", "a"], object), ["b", "a"]),
        (np.array([b"b", b"a"]), ["b", "a"]),
        (np.array([b"b", b"a"], object), ["b", "a"]),
        (np.array([["b", "a"]]), [["b", "a"]]),
        ([1, 2], None),
        (np.array([1.5]), None),
        (np.array([1, "a"], object), None),
        (np.array([b"a", "a"], object), None),
        (np.array([], object), None),
        ([[1], [1, 2]], None),
        (None, None),
    ],
    ids=str,
)
def test_targets_that_are_names(y: Any, names: Any) -> None:
    found = as_names(y)
    assert (None if found is None else found.tolist()) == names


def test_the_names_in_the_targets() -> None:
    loss, y = mt.SoftmaxCrossEntropy(), np.array(["b", "a", "c", "a"])
    assert names_in(y, loss, (3,), "fit") == ("a", "b", "c")
    assert names_in(y[:2], mt.BinaryCrossEntropy(), (1,), "fit") == ("a", "b")
    for given, other, shape, said in (
        (
            y,
            mt.MeanSquaredError(),
            (3,),
            "fit: y: expected numbers, got strings of shape (4,), suc",
        ),
        (
            y,
            loss,
            (3, 3),
            "fit: y: expected numbers, got strings of shape (4,), such as 'b': class",
        ),
        (
            y.reshape(2, 2),
            loss,
            (3,),
            "fit: y: expected numbers, got strings of shape (2, 2), such",
        ),
        (
            y,
            loss,
            (4,),
            "fit: y: expected 4 different class names, one for each output of the model, got 3: "
            "'a', 'b', 'c'; name all of them in Trainer(..., classes=[...]), or give the model 3 "
            "outputs",
        ),
        (y, mt.BinaryCrossEntropy(), (1,), "fit: y: expected 2 different class names, one for"),
    ):
        with pytest.raises(mt.DataError) as error:
            names_in(given, other, shape, "fit")
        assert str(error.value).startswith(said)


def test_names_as_numbers() -> None:
    names = ("b", "c", "a")
    assert numbered(np.array(["a", "b", "c", "b"]), names, "fit").tolist() == [2, 0, 1, 0]
    for wrong in ("", "aa", "d"):
        with pytest.raises(mt.DataError) as error:
            numbered(np.array(["a", wrong, "e"]), names, "fit")
        said = f"fit: y: expected one of the classes 'b', 'c', 'a', got {wrong!r} at row 1"
        assert str(error.value) == said


def test_how_many_names_are_shown() -> None:
    assert _shown(("a", "b", "c", "d", "e")) == "'a', 'b', 'c', 'd', 'e'"
    assert _shown(tuple("abcdef")) == "'a', 'b', 'c', 'd', 'e', ... (6 in all)"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fc1.weight", "0.weight"),
        ("fc1", "0"),
        ("fc10.weight", "fc10.weight"),
        ("body.fc1.weight", "inner.1.weight"),
        ("body.fc2.weight", "inner.fc2.weight"),
        ("body.fc1.bias", "inner.1.b"),
        ("other", "other"),
    ],
)
def test_the_longest_prefix_is_replaced(name: str, found: str) -> None:
    names = {"fc1": "0", "body": "inner", "body.fc1": "inner.1", "body.fc1.bias": "inner.1.b"}
    assert _renamed(name, names) == found


def test_arrays_by_other_names() -> None:
    model = mt.Sequential(mt.Dense(2), mt.Dense(1), input_shape=3, seed=0)
    state = model.state_dict()
    given = {f"fc{n}.{key}": 2 * state[f"{n}.{key}"] for n in (0, 1) for key in ("weight", "bias")}
    model.load_state_dict(given, names={"fc0": "0", "fc1": "1"})
    np.testing.assert_array_equal(model.state_dict()["1.weight"], 2 * state["1.weight"])
    said = "Sequential.load_state_dict: expected names that lead to different ones, got '0.bias, 0."
    with pytest.raises(mt.ConfigurationError) as error:
        model.load_state_dict(given, names={"fc0": "0", "fc1": "0"})
    assert str(error.value).startswith(said)
    before = model.state_dict()
    wrong = {"0.weight": np.ones((2, 2)), "0.bias": np.array(["a", "b"]), "2.weight": np.ones(1)}
    with pytest.raises(mt.DataError) as refused:
        model.load_state_dict(wrong)
    assert str(refused.value) == (
        "Sequential.load_state_dict: 1.weight is missing; 1.bias is missing; 2.weight is "
        "unexpected; 0.weight: expected numbers of shape (2, 3), got float64 of shape (2, 2); "
        "0.bias: expected numbers of shape (2,), got <U1 of shape (2,)"
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    model.load_state_dict({"1.bias": np.array([7]), "x": np.ones(1)}, strict=False)
    assert model.state_dict()["1.bias"] == 7


class WithName(mt.Identity):
    """A layer with an argument of its own that is called name."""

    def __init__(self, name: str = "none") -> None:
        self.title = name


def test_names_of_layers() -> None:
    dense: Any = mt.Dense
    assert dense(2, name="first").given_name == mt.Dense(2).named("first").given_name == "first"
    assert mt.Dense(2).given_name is None
    own = WithName(name="mine")
    assert (own.title, own.given_name) == ("mine", None)
    for wrong in ("two words", "1", "", 3):
        with pytest.raises(
            mt.ConfigurationError, match="Dense: expected a name of letters, digits"
        ):
            dense(2, name=wrong)
    some = mt.Sequential(dense(2, name="a"), mt.Dense(2), "tanh", input_shape=2)
    assert list(some.sublayers()) == ["a", "1", "2"]
    with pytest.raises(mt.ConfigurationError) as error:
        mt.Sequential(dense(2, name="a"), dense(2, name="a"))
    assert str(error.value) == "Sequential: expected layers of different names, got ['a', 'a']"


def test_a_parameter_that_is_set_keeps_its_kind() -> None:
    layer: Any = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)[0]
    layer.bias = [1, 2]
    assert (layer.bias.dtype, layer.bias.tolist()) == (np.float32, [1, 2])
    for wrong in (np.ones(3), 4.0, np.ones((2, 1))):
        with pytest.raises(mt.ShapeError, match="bias"):
            layer.bias = wrong
    assert layer.bias.tolist() == [1, 2]
