"""Texts that tell runs apart: what a value is described as, the same in every process."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import checksum
from minitorch_np.training import fingerprint
from minitorch_np.training.fingerprint import _settings, describe


class Plain:
    """A class of a user."""

    def __init__(self, size: int, *, shape: Any = ()) -> None:
        self.size, self._shape = size, shape
        self.counted = 0

    def grow(self) -> int:
        return self.size + 1


class Renamed:
    """One whose argument is not kept by its name."""

    def __init__(self, size: int) -> None:
        self.twice, self.own = 2 * size, "text"
        self._hidden = 3


class Stateful(Renamed):
    def state_dict(self) -> dict[str, Any]:
        return {"own": 1, "learning_rate": 2}


class Slotted:
    __slots__ = ("size", "unset")

    def __init__(self, size: int) -> None:
        self.size = size


ARRAY = np.arange(3.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (0.1, "0.1"),
        ("a'b", '"a\'b"'),
        (b"a", "b'a'"),
        (1j, "1j"),
        (np.float64(0.5), "0.5"),
        (np.float32(0.1), repr(float(np.float32(0.1)))),
        (np.int8(3), "3"),
        (np.bool_(True), "True"),
        ((1, [2.0, "x"]), "[1, [2.0, 'x']]"),
        (range(3), "[0, 1, 2]"),
        ({"b": 1, "a": (2,)}, "{'b': 1, 'a': [2]}"),
        ({3, 1}, "{1, 3}"),
        (frozenset({"b", "a"}), "{'a', 'b'}"),
        (ARRAY, f"array({checksum([ARRAY]):08x})"),
        (np.array(["a", 1], object), "['a', 1]"),
        (math, "math"),
        (types.SimpleNamespace(a=1, b=[[1]]), "SimpleNamespace(a=1, b=[<list>])"),  # a library's
        (functools.partial(math.pow, 2), "partial[builtin_function_or_method(), [2], {}]"),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert describe(value) == text


def test_a_value_that_contains_itself() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert describe(ring) == "[1, <list>]"
    assert describe([ring[0], [1], [1]]) == "[1, [1], [1]]"


def test_what_lies_too_deep_is_its_class_alone() -> None:
    deep: Any = 1
    for _ in range(fingerprint.DEPTH + 3):
        deep = [deep]
    inside = describe(deep).strip("[]")
    assert inside == "<list>"
    assert describe(deep).count("[") == fingerprint.DEPTH + 1


def test_the_settings_of_an_object() -> None:
    """Its arguments; if one is not kept, what it has; without what changes in training."""
    assert _settings(Plain(3, shape=(1,))) == [("size", 3), ("_shape", (1,))]
    assert _settings(Renamed(3)) == [("_hidden", 3), ("own", "text"), ("twice", 6)]
    assert _settings(Stateful(3)) == [("twice", 6)]
    assert _settings(Slotted(3)) == [("size", 3)]
    assert _settings(mt.Dense(3)) == [
        ("units", 3),
        ("weight_initializer", "glorot_uniform"),
        ("bias_initializer", "zeros"),
        ("use_bias", True),
    ]
    joined = mt.Concatenate("relu", axis=2)
    assert _settings(joined) == [("axis", 2), ("layers", joined.layers)]
    built = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)[0]
    assert [name for name, _ in _settings(built)] == [name for name, _ in _settings(mt.Dense(2))]
    a = mt.Input(3)
    graph = mt.Graph(a, mt.Dense(2)(a))
    assert [name for name, _ in _settings(graph)] == ["layers", "wiring", "ends"]


def scaled(factor: float) -> Callable[[float], float]:
    def times(x: float, more: float = 1.0) -> float:
        return factor * x * more

    return times


def test_functions_by_their_code_and_what_they_enclose() -> None:
    one, same, other = describe(scaled(2)), describe(scaled(2)), describe(scaled(3))
    assert one == same != other
    name, _, rest = one.partition("[")
    assert name == "scaled.<locals>.times"
    assert rest.startswith("factor=2, code ")
    assert describe(math.sqrt) == "builtin_function_or_method()"
    defaults: Any = scaled(2)
    defaults.__defaults__ = (2.0,)
    assert describe(defaults) != one
    assert describe(lambda x: x + 1) != describe(lambda x: x - 1)
    assert describe(lambda x: x + 1) != describe(lambda x: x + 2)
    assert describe(np.linalg.LinAlgError) == "LinAlgError"  # a library is known by its version


def test_methods_and_properties_and_classes() -> None:
    plain = Plain(3)
    own = describe(plain)
    assert own.startswith("Plain[code ")
    assert own.endswith("](size=3, _shape=[])")
    assert describe(plain.grow).startswith(f"{own}.Plain.grow[code ")
    assert describe(Plain) == own.partition("(")[0]
    assert describe(int) == "int"
    read = property(scaled(2))
    assert describe(read) == f"[{describe(scaled(2))}, None]"
