"""Tables and excerpts, objects by name, and signatures: what is shown, found and advised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import names, signature, text
from minitorch_np.signature import REQUIRED, SPREAD, Described, arguments_of, explained, nearest

# Text


def test_tables_are_aligned_and_ruled() -> None:
    rows = [("a", "long name", "c"), ("longer", "b", ""), ("", "x", "y")]
    assert text.aligned(rows) == ["a       long name  c", "longer  b", "        x          y"]
    ruled = ["a       long name  c", "-" * 20, "longer  b", "        x          y"]
    assert text.folded(rows, 20) == ruled
    assert text.folded(rows, 19) == [
        "longer",
        "  long name  b",
        "  c",
        "",
        "  long name  x",
        "  c          y",
    ]
    wide = [("head", "column"), ("a first cell that is long", "one two three four")]
    assert text.folded(wide, 16) == [
        "a first cell",
        "  that is long",
        "  column  one",
        "          two",
        "          three",
        "          four",
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\nb", "a\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\t\r", "\\t\\r"),
        ("\ud800", "\\ud800"),
        ("é☃", "é☃"),
    ],
)
def test_what_a_terminal_is_sent(given: str, shown: str) -> None:
    assert text.printable(given) == shown


@pytest.mark.parametrize(
    ("given", "most", "shown"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "abc..."), ("a\nb\x07", 60, "a\\nb\\x07"),
        ([1, 2], 60, "[1, 2]"), ([1, 2], 4, "[1, ..."), ("x" * 60, None, "x" * 60),
        ("x" * 61, None, "x" * 60 + "..."),
    ],
)  # fmt: skip
def test_excerpts(given: object, most: int | None, shown: str) -> None:
    assert (text.excerpt(given) if most is None else text.excerpt(given, most)) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1e-3, "0.0010"), (0.00099999, "0.001"), (999999.0, "999999.0000"), (1e6, "1e+06"),
        (-1e-3, "-0.0010"), (float("inf"), "inf"), (12.34567, "12.3457"),
    ],
)  # fmt: skip
def test_decimals(number: float, shown: str) -> None:
    assert text.decimal(number) == shown


def test_a_table_for_a_notebook_is_escaped() -> None:
    style = 'style="text-align: left"'
    assert text.as_html("a < b", [("x", "y&"), ("<1>", "2"), ("3", '"')]) == (
        f'<table><caption>a &lt; b</caption><thead><tr><th scope="col" {style}>x</th><th>y&amp;'
        f'</th></tr></thead><tbody><tr><th scope="row" {style}>&lt;1&gt;</th><td>2</td></tr><tr>'
        f'<th scope="row" {style}>3</th><td>&quot;</td></tr></tbody></table>'
    )


def test_lines_are_broken_where_they_are_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "terminal_width", lambda: 10)
    assert text.wrapped("0123456789") == "0123456789"
    assert text.wrapped("aa bb cc dd") == "aa bb cc\ndd"
    assert text.wrapped(" aa bb cc dd") == " aa bb cc\n   dd"
    assert text.wrapped("a-long-word-that-stays") == "a-long-word-that-stays"


# Names


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("relu", "ReLU()"), ("ReLU", "ReLU()"),
        ("leaky_relu(0.1)", "LeakyReLU(negative_slope=0.1)"),
        ("LEAKYRELU", "LeakyReLU()"), (" elu ( 1.7 ) ", "ELU(alpha=1.7)"), ("swish", "SiLU()"),
        ("gelu(tanh)", "GELU(approximate='tanh')"), ("elu()", "ELU()"), ("linear", "Identity()"),
        ("conv2d(6, 5, padding=same)", "Conv2D(6, 5, padding='same')"),
        ("dense(3, use_bias=False)", "Dense(3, use_bias=False)"),
        ("dense(3, use_bias = True)", "Dense(3)"),
        ("batch_norm(3e-1)", "BatchNorm(momentum=0.3)"),
        ("embedding(5, 2, padding_id=None)", "Embedding(5, 2)"),
    ],
)  # fmt: skip
def test_layers_by_name(given: str, made: str) -> None:
    assert repr(names.by_name(mt.Layer, given)) == made


def test_other_kinds_by_name() -> None:
    found = [
        names.by_name(mt.Loss, each) for each in ("mse", "MAE", "bce", "categorical_crossentropy")
    ]
    kinds = [mt.MeanSquaredError, mt.MeanAbsoluteError, mt.BinaryCrossEntropy, mt.CrossEntropy]
    assert list(map(type, found)) == kinds
    assert names.by_name(mt.Optimizer, "adam", learning_rate=0.5).learning_rate == 0.5
    layer = mt.ReLU()
    assert names.by_name(mt.Layer, layer) is layer


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "layer: expected a Layer or the name of one, got 3"),
        (mt.ReLU, "got <class 'minitorch_np.layers.activations.ReLU'>: write parentheses after its "
         "name"),
        ("elu(1.7", "layer: expected name(arguments), got 'elu(1.7': did you mean 'elu(1.7)'?"),
        ("elu)", "layer: expected name(arguments), got 'elu)': as in 'elu(1.7)'"),
        ("reloo", "layer: expected the name of a layer, got 'reloo': did you mean 'ReLU'?"),
        ("xyzzy", "layer: expected the name of a layer, got 'xyzzy': write one of "),
        ("dense(units=3, 4)", "layer 'dense(units=3, 4)': expected arguments by name after the "
         "others"),
        ("elu(alfa=2)", "layer 'elu(alfa=2)': ELU: expected no argument 'alfa': did you mean "
         "alpha?"),
    ],
)  # fmt: skip
def test_no_layers_by_name(given: Any, said: str) -> None:
    with pytest.raises(mt.ConfigurationError) as caught:
        names.by_name(mt.Layer, given)
    assert said in str(caught.value)


def test_the_kind_has_its_article_and_the_place_its_name() -> None:
    of: Any = names.by_name
    for kind, given, place, said in (
        (mt.Optimizer, 3, "", "optimizer: expected an Optimizer or the name of one, got 3"),
        (mt.Optimizer, "xyzzy", "", "optimizer: expected the name of an optimizer, got 'xyzzy'"),
        (mt.Loss, 3, "here", "here: expected a Loss or the name of one, got 3"),
    ):
        with pytest.raises(mt.ConfigurationError) as caught:
            of(kind, given, place)
        assert str(caught.value).startswith(said)


def test_hints() -> None:
    assert names.hint("Linear", ["Dense"]) == ": did you mean Dense?"
    assert names.hint("denze", ["Dense"]) == ": did you mean Dense?"
    assert names.hint("xyzzy", ["Dense"]) == ""
    assert nearest("leakyrelu", ["LeakyReLU", "leaky"]) == "LeakyReLU"
    assert nearest("LEAKY_relu", ["leakyReLU"]) == "leakyReLU"
    assert nearest("zzz", ["a"]) is None


def test_of_equal_names_ours_wins_and_of_others_the_last() -> None:
    class Twin(mt.Tanh):
        pass

    first = Twin

    class Twin(mt.Tanh):  # type: ignore[no-redef]
        pass

    class Tanh(mt.Tanh):
        pass

    assert type(names.by_name(mt.Layer, "twin")) is Twin
    assert type(names.by_name(mt.Layer, "tanh")) is mt.Tanh
    assert first is not Twin
    del Tanh


# Signatures


class Base(Described):
    def __init__(self, units: int, *, rate: float = 0.5) -> None:
        self.units, self.rate = units, rate


class Inner(Base):
    def __init__(self, *layers: str, mode: str = "a", **common: Any) -> None:
        super().__init__(**common)
        self.layers, self.mode = layers, mode


def test_arguments_of_constructors() -> None:
    assert arguments_of(Base) == {"units": REQUIRED, "rate": 0.5}
    found = {"layers": SPREAD, "mode": "a", "units": REQUIRED, "rate": 0.5}
    assert arguments_of(Inner) == found
    assert arguments_of(lambda a, b=2, *c: None) == {"a": REQUIRED, "b": 2, "c": SPREAD}


def test_objects_describe_themselves() -> None:
    made = Inner("x", "y", units=3)
    assert repr(made) == "Inner(layers=('x', 'y'), 3)"
    assert repr(Inner(units=3, mode="b", rate=0.25)) == "Inner(mode='b', 3, rate=0.25)"
    assert made.config() == {"layers": ("x", "y"), "mode": "a", "units": 3, "rate": 0.5}
    again = Inner.from_config(made.config())
    assert (again.layers, again.mode, again.units) == (("x", "y"), "a", 3)
    assert repr(Base.from_config({"units": 2})) == "Base(2)"
    array = Base(np.ones(2), rate=np.ones(2))  # type: ignore[arg-type]
    assert repr(array) == "Base(array([1., 1.]), rate=array([1., 1.]))"
    assert repr(Base(int)) == "Base(int)"  # type: ignore[arg-type]
    named: Any = Base(2)
    named.given_name = "b"
    assert repr(named) == "Base(2, name='b')"
    del named.rate
    assert repr(named) == "Base(2, rate='?', name='b')"
    with pytest.raises(mt.ConfigurationError, match=r"Base.config: .* 'rate' .* as self.rate"):
        named.config()


@explained
def add(first: int, second: int = 2, *, scale: float = 1.0) -> float:
    if first < 0:
        raise TypeError("argument of its own")
    return scale * (first + second)


call: Any = add
base: Any = Base


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: call(), "add: expected add(first, second=2, scale=1.0), got none for 'first'"),
        (lambda: call(1, 2, 3), "add: expected add(first, second=2, scale=1.0), got 3 arguments"),
        (lambda: call(1, 2, 3, scale=1), "got 4 arguments"),
        (lambda: call(1, first=1), "got 'first' twice"),
        (lambda: call(1, scael=2), "add: expected no argument 'scael': did you mean scale?"),
        (
            lambda: call(1, xyzzy=2),
            "add: expected no argument 'xyzzy': it takes first, second, scale",
        ),
        (lambda: base(1, lr=2), "Base: expected no argument 'lr': give it to the optimizer"),
        (lambda: base(1, p=2), "Base: expected no argument 'p': did you mean rate?"),
        (lambda: base(), "Base: expected Base(units, rate=0.5), got none for 'units'"),
        (lambda: untyped.ReLU(3), "ReLU: expected ReLU(), got 1 argument"),
        (lambda: untyped.ReLU(inplace=True), "ReLU: expected no argument 'inplace': it takes none"),
        (lambda: untyped.Dense(3, in_features=2), "leave it out, since the model finds it"),
        (lambda: untyped.Dense(3, activation="relu"), "write the activation as a layer after it"),
    ],
)
def test_wrong_calls_are_answered(wrong: Any, said: str) -> None:
    with pytest.raises(mt.errors.ArgumentError) as caught:
        wrong()
    assert said in str(caught.value)


untyped: Any = mt


def test_right_calls_and_errors_inside_stay_as_they_are() -> None:
    assert add(1) == 3
    assert add(1, 3, scale=2) == 8
    assert add.__name__ == "add"
    with pytest.raises(TypeError, match="argument of its own") as caught:
        add(-1)
    assert not isinstance(caught.value, mt.errors.ArgumentError)


def test_subclasses_that_are_concrete_in_order() -> None:
    class Root:
        pass

    class One(Root):
        __abstractmethods__ = frozenset({"f"})

    class Two(One):
        __abstractmethods__ = frozenset()

    class Three(Root):
        pass

    assert list(signature.concrete_subclasses(Root)) == [Two, Three]
