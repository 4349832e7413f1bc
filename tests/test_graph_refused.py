"""What a Graph refuses: cycles, missing inputs, shapes, data and losses that do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.node import Node
from tests.graphs import data, trainer, two_by_two


def test_a_cycle_is_refused() -> None:
    a = mt.Input(3)
    first = mt.Dense(3)(a)
    second = mt.Tanh()(first)
    first.inputs = (second,)
    with pytest.raises(mt.ConfigurationError, match=r"no cycle, got <node of Tanh\(\)>"):
        mt.Graph(a, mt.Dense(2)(second))


def test_inputs_that_are_unused_missing_or_doubled_are_refused() -> None:
    a, b = mt.Input(3, "a"), mt.Input(2, "b")
    end = mt.Dense(2)(a)
    with pytest.raises(mt.ConfigurationError, match=r"lead to an output, got Input\(2, 'b'\)"):
        mt.Graph([a, b], end)
    with pytest.raises(mt.ConfigurationError, match=r"to be listed, got Input\(2, 'b'\)"):
        mt.Graph(a, mt.Concatenate()(end, b))
    with pytest.raises(mt.ConfigurationError, match="listed once"):
        mt.Graph([a, a], end)
    with pytest.raises(mt.ConfigurationError, match="outputs computed by a layer, got Input"):
        mt.Graph([a], [end, a])
    with pytest.raises(mt.ConfigurationError, match="at least one input"):
        mt.Graph([], [])
    with pytest.raises(mt.ConfigurationError, match="inputs to be a Input|an Input|Input"):
        mt.Graph([end], end)
    with pytest.raises(mt.ConfigurationError, match=r"different names, got \['a', 'a'\]"):
        c = mt.Input(3, "a")
        mt.Graph([a, c], mt.Add()(a, c))


def test_shapes_that_do_not_fit_are_named_by_place_and_source() -> None:
    a, b = mt.Input(3, "a"), mt.Input((2, 4, 4), "b")
    with pytest.raises(mt.ShapeError) as found:
        mt.Graph([a, b], mt.Concatenate()(mt.Dense(4)(a), mt.MaxPool2D()(b)))
    text = str(found.value)
    assert text.startswith("Graph[2] Concatenate")
    assert "(4,) from Graph[0] Dense(4) and (2, 2, 2) from Graph[1] MaxPool2D(" in text
    with pytest.raises(mt.ShapeError, match=r"\[0\] Dense\(4\): expected one input, got \(3,\)"):
        mt.Graph([a, b], mt.Dense(4)(a, b))
    with pytest.raises(mt.ShapeError, match=r"Graph\[0\] .*Concatenate.*expected several inputs"):
        mt.Graph(a, mt.Concatenate()(a))
    with pytest.raises(mt.ShapeError, match=r"Graph\[1\] Add.*got \(4,\), \(3,\)"):
        mt.Graph(a, mt.Add()(mt.Dense(4)(a), a))


def test_layers_are_called_on_nodes_or_on_arrays() -> None:
    a = mt.Input(3)
    with pytest.raises(mt.ConfigurationError, match="on arrays only, got a ndarray"):
        mt.Concatenate()(a, np.zeros((2, 3)))
    graph = mt.Graph([a, b := mt.Input(2)], mt.Concatenate()(a, b), seed=0)
    with pytest.raises(mt.ConfigurationError, match="called on 2 nodes, got 1"):
        graph(a)
    joined = mt.Graph([a, b], mt.Concatenate()([a, b]), seed=0)  # as Keras writes it
    assert joined([a, b]).layer is joined.layers[0]
    for left in (a, np.ones(3)):
        with pytest.raises(mt.ConfigurationError, match=r"got \+: write Add\(\)\(a, b\)"):
            left + b
    with pytest.raises(mt.ConfigurationError, match=r"outputs, such as layer\(x\), got Dense"):
        mt.Graph(a, mt.Dense(2))  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigurationError, match=r"inputs, such as Input\(8\), got 3"):
        mt.Graph(3, mt.Dense(2)(a))  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigurationError, match="name of letters"):
        mt.Input(3, "the age")
    with pytest.raises(mt.ShapeError, match="whole numbers"):
        mt.Input(0)


def test_data_that_does_not_fit_is_refused() -> None:
    graph, ((a, b), (price, kind)) = two_by_two(), data()
    run = trainer(graph)
    for x, match in (
        (
            a,
            r"fit: x: expected a tuple, or a dictionary, .*one for each of a and b, got a ndarray",
        ),
        ((a,), "of 2, .* got 1"),
        ({"a": a}, r"expected \['a', 'b'\], got \['a'\]"),
        ((b, a), r"expected inputs of shape \(m, 8\), \(m, 3\) \(a, b\), got \(20, 3\), \(20, 8\)"),
        ((a[:5], b), "a batch of 2 arrays: expected as many samples in each, got 5 and 20"),
        ((a, np.full_like(b, np.nan)), r"x\[1\]: expected finite numbers, got nan at row 0"),
    ):
        with pytest.raises((mt.DataError, mt.ShapeError), match=match):
            run.fit(x, (price, kind), verbose=False)
    with pytest.raises(mt.ShapeError, match="one target for each of the 20 samples"):
        run.evaluate((a, b), (price[:3], kind))
    with pytest.raises(mt.DataError, match="from 0 to 4"):
        run.step((a, b), (price, kind + 1))
    with pytest.raises(mt.DataError, match="as many samples"):
        graph.predict((a[:5], b))
    one = mt.Graph(c := mt.Input((4, 2)), mt.GRU(3)(c), seed=0)
    with pytest.raises(
        mt.ShapeError, match=r"got a tuple of 2: lengths are .* Masking\(\)\(x, len"
    ):
        one.predict((np.ones((3, 4, 2)), [1, 2, 3]))
    with pytest.raises(mt.ShapeError, match="use predict"):
        graph.predict_classes((a, b))


def test_losses_that_do_not_fit_are_refused() -> None:
    graph = two_by_two()
    with pytest.raises(mt.ConfigurationError, match=r"2 outputs \(price, kind\), got 'mse'"):
        mt.Trainer(graph, "mse", "adam")
    with pytest.raises(mt.DataError, match="Trainer: loss: expected .*, got 1"):
        mt.Trainer(graph, ["mse"], "adam")
    with pytest.raises(mt.DataError, match=r"expected \['price', 'kind'\], got \['price'\]"):
        mt.Trainer(graph, {"price": "mse"}, "adam")
    with pytest.raises(mt.ConfigurationError, match="a weight to be a finite number of at least 0"):
        trainer(graph, loss_weights=[1, -1])
    with pytest.raises(mt.ConfigurationError, match="metrics to be a list for each output"):
        trainer(graph, metrics=["mae", "accuracy"])
    with pytest.raises(mt.DataError, match=r"metrics: expected .'price', 'kind'., got .'prize'."):
        trainer(graph, metrics={"prize": ["mae"]})
    with pytest.raises(mt.ConfigurationError, match="F1|MAE"):
        trainer(graph, metrics=[["mae"], ["mae"]])
    end = mt.Softmax()(mt.Dense(3)(a := mt.Input(2)))
    with pytest.raises(mt.ConfigurationError, match="ends in probabilities"):
        mt.Trainer(mt.Graph(a, end), "softmax_cross_entropy", "adam")
    with pytest.raises(mt.ConfigurationError, match="no loss_weights with a single loss"):
        mt.Trainer(mt.Graph(a, end), "cross_entropy", "adam", loss_weights=[1])


@pytest.mark.parametrize(
    ("make", "shapes", "remedy"),
    [
        (lambda: mt.Embedding(5, 3), (4, 6), "pad sequences to one length"),
        (lambda: mt.GRU(3), ((4, 2), (5, 2)), "pad sequences to one length"),
        (lambda: mt.GRU(3), ((4, 2), (4, 3)), "is a layer missing"),
        (lambda: mt.Dense(3), (4, 6), "is a layer missing"),
        (lambda: mt.Conv1D(3, 1), ((4, 6), (5, 6)), "is a layer missing"),
    ],
)
def test_a_layer_for_two_shapes_is_refused(make: Any, shapes: Any, remedy: str) -> None:
    layer, a, b = make(), mt.Input(shapes[0]), mt.Input(shapes[1])
    with pytest.raises(mt.ShapeError, match=f"for which it was built, got .*: {remedy}"):
        mt.Graph([a, b], [layer(a), layer(b)])
    mt.Graph(a, layer(a))
    with pytest.raises(mt.ShapeError, match=r"got .*: make the other layers in float32 too"):
        mt.Graph(a, layer(a), dtype="float64")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    import json

    path = tmp_path / "graph.npz"
    two_by_two().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    text = json.loads(str(arrays["architecture"]))
    for wiring in ([[99]], [[0], [1]], "no", [["a"]]):
        text["model"]["config"]["wiring"] = wiring
        with open(path, "wb") as out:
            np.savez(out, **(arrays | {"architecture": np.array(json.dumps(text))}))
        with pytest.raises(mt.ModelFileError):
            mt.Graph.load(path)


def test_a_node_is_no_end_of_the_world() -> None:
    a = mt.Input(2)
    h: Any = a
    for _ in range(1500):  # deeper than Python's own calls may be
        h = mt.Identity()(h)
    graph = mt.Graph(a, h)
    assert graph(np.ones((1, 2))).tolist() == [[1, 1]]
    assert isinstance(h, Node)
