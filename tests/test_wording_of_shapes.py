"""What is said of shapes, heads of files and connections that do not fit: whole messages."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core import room
from minitorch_np.core.node import arranged, ordered
from minitorch_np.core.shapes import _remedy, require_input
from minitorch_np.data import convert
from minitorch_np.data.convert import _any_head
from minitorch_np.data.csv import read_head
from minitorch_np.io import atomic


@pytest.mark.parametrize(
    ("got", "sample", "remedy"),
    [
        ((3, 4), (3, 4), "for a batch of one sample, pass x[np.newaxis]"),
        ((6,), (6,), "for a batch of one sample, pass x[np.newaxis]"),
        ((5, 2, 3), (6,), "pass x.reshape(len(x), 6)"),
        ((5, 28, 28), (1, 28, 28), "pass x.reshape(len(x), 1, 28, 28)"),
        ((5, 1, 12), (12, 1), "pass x.reshape(len(x), 12, 1)"),
        ((5, 8, 8, 3), (3, 8, 8), "the channels come first here, pass x.transpose(0, 3, 1, 2)"),
        ((5, 8, 3), (3, 8), "the channels come first here, pass x.transpose(0, 2, 1)"),
        (
            (5, 192),
            (3, 8, 8),
            "pass x.reshape(len(x), 3, 8, 8) if each row holds the numbers in that order, one "
            "channel after another",
        ),
        ((5, 4, 3, 2), (2, 3, 4), ""),  # which would scramble the numbers
        ((5, 7), (6,), ""),
        ((5,), (6,), ""),
        ((6, 1), (6,), ""),
        ((), (6,), ""),
    ],
)
def test_the_remedy_for_a_shape(got: Any, sample: Any, remedy: str) -> None:
    assert _remedy(got, sample) == (f": {remedy}" if remedy else "")


def test_batches_that_do_not_fit() -> None:
    dense = mt.Sequential(mt.Dense(2), input_shape=6, seed=0)[0]
    words = mt.Sequential(mt.Embedding(9, 2), mt.Flatten(), input_shape=3, seed=0)[0]
    a, b = mt.Input(3, "a"), mt.Input((2, 4), "b")
    joined = mt.Concatenate()(a, mt.Flatten()(b))
    graph = mt.Graph([a, b], mt.Dense(1)(joined), seed=0)
    for layer, x, place, said in (
        (
            dense,
            np.ones((5, 7)),
            "",
            "Dense(2): expected 6 features, that is x of shape (m, 6), got",
        ),
        (
            dense,
            np.ones((5, 7)),
            "here",
            "here: expected 6 features, that is x of shape (m, 6), got",
        ),
        (
            words,
            np.ones((5, 4)),
            "",
            "Embedding(9, 2): expected sequences of 3 numbers, for which the model was built, got "
            "sequences of 4: cut longer, pad shorter ones, or build it for more steps",
        ),
        (
            dense,
            (np.ones((5, 6)), np.ones(5)),
            "",
            "Dense(2): expected inputs of shape (m, 6), got (5, 6), (5,)",
        ),
    ):
        with pytest.raises(mt.ShapeError) as error:
            require_input(layer, x, place)
        assert str(error.value).startswith(said)
    with pytest.raises(mt.ShapeError) as error:
        graph.forward((np.ones((5, 3)), np.ones((5, 8))))
    said = "Graph: expected inputs of shape (m, 3), (m, 2, 4) (a, b), got (5, 3), (5, 8)"
    assert str(error.value) == said
    with pytest.raises(mt.DataError, match=r"as many samples in each, got 5 and 4"):
        graph.forward((np.ones((5, 3)), np.ones((4, 2, 4))))
    with pytest.raises(mt.NotBuiltError):
        require_input(mt.Dense(2), np.ones((5, 6)))


def test_values_by_name() -> None:
    names = ("a", "b")
    assert arranged({"b": 2, "a": 1}, names, "x") == arranged([1, 2], names, "x") == (1, 2)
    assert arranged({"a": 1}, ("a",), "x") == arranged(1, ("a",), "x") == 1
    for given, said in (
        ({"a": 1}, "x: expected ['a', 'b'], got ['a']"),
        ({"a": 1, "b": 2, 3: 4}, "x: expected ['a', 'b'], got ['3', 'a', 'b']"),
        ([1], "x: expected a tuple, or a dictionary, of 2, one for each of a and b, got 1"),
        ("ab", "x: expected a tuple, or a dictionary, of 2, one for each of a and b, got a str"),
    ):
        with pytest.raises(mt.DataError) as error:
            arranged(given, names, "x")
        assert str(error.value) == said


def test_nodes_in_order() -> None:
    a, b = mt.Input(3, "a"), mt.Input(3)
    left, right = mt.Dense(2)(a), mt.Dense(2)(b)
    both = mt.Add()(left, right)
    last = mt.Tanh()(both)
    assert ordered([last]) == [a, left, b, right, both, last]
    assert ordered([right, last]) == [b, right, a, left, both, last]
    assert ordered([]) == []
    left.inputs = (last,)
    said = r"^Graph: expected no cycle, got <node of \w+\(.*\)>, which depends on its own output$"
    with pytest.raises(mt.ConfigurationError, match=said):
        ordered([last])
    assert [repr(a), repr(b), repr(mt.Input((2, 3)))] == [
        "Input(3, 'a')",
        "Input(3)",
        "Input((2, 3))",
    ]
    for name in ("two words", "1st", "", 3):
        with pytest.raises(
            mt.ConfigurationError, match="Input: expected a name of letters, digits"
        ):
            mt.Input(3, name)  # type: ignore[arg-type]


class Stops(mt.Identity):
    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return None, {}


def test_a_gradient_that_is_missing() -> None:
    x = np.ones((2, 3), np.float32)
    model = mt.Sequential(mt.Dense(3), Stops(), mt.Sequential("tanh"), input_shape=3, seed=0)
    _, cache = model.forward(x)
    with pytest.raises(mt.ShapeError) as error:
        model.backward(x, cache)
    assert str(error.value) == (
        "Sequential[1] Stops().backward: expected the input's gradient, got None: it may be left "
        "out only if need_dx is False"
    )
    first = mt.Sequential(Stops(), "tanh", input_shape=3, seed=0)
    _, cache = first.forward(x)
    assert first.backward(x, cache, need_dx=False) == (None, {})


@pytest.mark.parametrize(
    ("line", "lines", "label", "side", "names"),
    [
        ("label,0,1,2,3", 1, 0, 2, ["label", "0", "1", "2", "3"]),
        ("0,1,2,3,label", 1, -1, 2, ["0", "1", "2", "3", "label"]),
        ("Y,p0", 1, 0, 1, ["Y", "p0"]),
        ("a,b,c,d", 1, None, 2, ["a", "b", "c", "d"]),
        ('"class", "a","b","c","d"', 1, 0, 2, ["class", "a", "b", "c", "d"]),
        ("7,1,2,3,4", 0, 0, 2, ["column 1", "column 2", "column 3", "column 4", "column 5"]),
        ("1,2,3,4", 0, None, 2, ["column 1", "column 2", "column 3", "column 4"]),
        ("a,2,3,4", 0, None, 2, ["column 1", "column 2", "column 3", "column 4"]),
        ("\n\nlabel,0,1,2,3", 3, 0, 2, ["label", "0", "1", "2", "3"]),
        ("\ufefflabel,0", 1, 0, 1, ["label", "0"]),
    ],
)
def test_the_head_of_a_file(
    line: str, lines: int, label: int | None, side: int, names: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{line}\n1,2\n", encoding="utf-8")
    assert read_head(path) == (lines, names, label, side)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", ":1: expected label,pixel0,... or numbers, got an empty file"),
        ("1;2;3,4", ":1: expected commas between the columns, got ';'"),
        ("\n1\t2", ":2: expected commas between the columns, got '\\t'"),
        ("1|2|3", ":1: expected commas between the columns, got '|'"),
        ("id,a,b", ":1: expected a label or pixels in the first column, got row numbers: write"),
        (",a,b", ":1: expected a label or pixels in the first column, got row numbers: write the"),
        ("1,2,3", ":1: expected 784 pixel columns (28x28; any square is fine), with or without a"),
        ("label", ":1: expected 784 pixel columns (28x28; any square is fine), with or without a"),
        ("a\0b", ": expected a CSV file, got a binary one: unpack it if it is compressed; for IDX"),
    ],
)
def test_heads_that_are_refused(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{line}\n" if line else "")
    with pytest.raises(mt.DataError) as error:
        read_head(path)
    assert str(error.value).startswith(f"{path}{said}")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,3,4,256", ":3: expected a whole number from 0 to 255 in p3, got '256'"),
        ("1,2,x,4,5", ":3: expected a whole number from 0 to 255 in p1, got 'x'"),
        ("1,2,-1,4,5", ":3: expected a whole number from 0 to 255 in p1, got '-1'"),
        ("1,2,,4,5", ":3: expected a whole number from 0 to 255 in p1, got ''"),
        (
            "1,2,0.5,4,5",
            ":3: expected a whole number from 0 to 255 in p1, got '0.5': pixels from 0 to 1 must "
            "be multiplied by 255 and rounded",
        ),
        ("1,2,1.5,4,5", ":3: expected a whole number from 0 to 255 in p1, got '1.5'"),
        ("1,2,3,4", ":3: expected 5 columns, as in the first line, got 4"),
        ("1,2,3,4,5,6", ":3: expected 5 columns, as in the first line, got 6"),
    ],
)
def test_a_row_that_is_wrong(row: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"label,p0,p1,p2,p3\n1,2,3,4,5\n{row}\n")
    with pytest.raises(mt.DataError) as error:
        mt.data.load_csv(path)
    assert str(error.value) == f"{path}{said}"


@pytest.mark.parametrize(
    ("line", "label", "found"),
    [
        ("a,b", None, (1, ["a", "b"], None, 0)),
        ("1,2", None, (0, ["column 1", "column 2"], None, 0)),
        ("a,Label,y", None, (1, ["a", "Label", "y"], 1, 0)),
        ("a,label,b", "b", (1, ["a", "label", "b"], 2, 0)),
        ('"a", "b"', "a", (1, ["a", "b"], 0, 0)),
        ("1,b", "b", (1, ["1", "b"], 1, 0)),
    ],
)
def test_the_head_of_any_numbers(line: str, label: Any, found: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{line}\n1,2\n")
    assert _any_head(str(path), label) == found
    for wrong in ("", " \n"):
        path.write_text(wrong)
        with pytest.raises(mt.DataError, match=":1: expected names of columns, or numbers, got an"):
            _any_head(str(path), None)
    for text in ("1,2", "a,b"):
        path.write_text(text)
        with pytest.raises(mt.DataError, match=":1: expected a column named 'c', got "):
            _any_head(str(path), "c")


def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "LONGEST", 12)
    source, target = tmp_path / "x.csv", tmp_path / "x.npy"
    source.write_text("1,2\n3.0000000,4\n")  # 12 with its end
    assert mt.data.convert_csv(source, target, dtype="float32").rows == 2
    source.write_text("1,2\n3.00000000,4\n")
    with pytest.raises(mt.DataError) as error:
        mt.data.convert_csv(source, tmp_path / "y.npy", dtype="float32")
    assert str(error.value) == f"{source}: expected numbers: a line is too long"


def test_which_processes_are_alive() -> None:
    assert atomic._alive(str(os.getpid()))
    assert atomic._alive("9" * 30)  # who knows
    assert not atomic._alive("x")
    assert not atomic._alive(str(2**22 + 7))  # more than Linux gives


def test_room_is_asked_for_only_while_a_file_is_read() -> None:
    room.require_sample("x", (10**12,))
    room.require_parameters("x", (10**12,))
    room.take_room("x", 10**12)
    with room.room_for(10):
        room.require_sample("x", (5,))
        with pytest.raises(mt.ModelFileError, match=r"^x: a sample of shape \(1000000000000,\)"):
            room.require_sample("x", (10**12,))
        room.take_room("x", 4)
        room.require_parameters("x", (2, 3))
        said = "x: expected parameters of at most 6 numbers, as the file has, got (7,)"
        with pytest.raises(mt.ModelFileError, match=re.escape(said)):
            room.require_parameters("x", (7,))
        with pytest.raises(mt.ModelFileError, match=re.escape(said)):
            room.take_room("x", 7)
        with room.room_for(1):
            room.take_room("x", 1)
        room.take_room("x", 6)
    room.take_room("x", 10**12)
