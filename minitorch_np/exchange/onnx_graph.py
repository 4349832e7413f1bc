"""An ONNX graph under construction, and the registry of functions that write layers into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.graph import Graph as Network
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ConfigurationError
from minitorch_np.layers.attention import MultiHeadAttention


class Graph:
    """An ONNX graph under construction: its nodes and its constants."""

    def __init__(self, onnx: Any, names: dict[tuple[int, str], str]) -> None:
        self.onnx, self.names = onnx, names
        self.nodes: list[Any] = []
        self.constants: dict[str, AnyArray] = {}

    def op(self, kind: str, *inputs: str, place: int = 0, **attributes: Any) -> str:
        """Add a node; returns the name of its output, or of the one at `place`."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        outputs = [*[""] * place, output]
        node = self.onnx.helper.make_node(kind, inputs, outputs, name=output, **attributes)
        self.nodes.append(node)
        return output

    def parameter(self, layer: Layer, key: str) -> str:
        """The name of a layer's parameter or buffer, which becomes a constant of the graph."""
        name = self.names[id(layer), key]
        self.constants[name] = np.asarray(getattr(layer, key), np.float32)
        return name

    def number(self, *values: float, integer: bool = False) -> str:
        """The name of a constant: one number, or several as a vector."""
        array: AnyArray = np.array(values, np.int64 if integer else np.float32)
        array = array if integer or len(values) > 1 else array.reshape(())
        kind = "integers" if integer else "numbers"
        return self.array("_".join([kind, *(f"{value!r}" for value in values)]), array)

    def part(self, x: str, start: int, stop: int) -> str:
        """The entries of x from `start` to `stop` along its last axis."""
        ends = (self.number(place, integer=True) for place in (start, stop, -1))
        return self.op("Slice", x, *ends)

    def array(self, name: str, array: AnyArray) -> str:
        """The name of a constant array."""
        self.constants[name] = array
        return name


Writer = Callable[[Graph, Any, str], str]
"""Writes a layer's operators, given the name of its input; returns that of its output."""

WRITERS: dict[type[Layer], Writer] = {}


def writes(*kinds: type[Layer]) -> Callable[[Writer], Writer]:
    """Register a function as the writer of layer classes."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(kinds, writer))
        return writer

    return register


def write_layer(graph: Graph, layer: Layer, x: Any, path: str) -> Any:
    """Write a layer and all layers inside; returns the name of its output. Several inputs or
    outputs are tuples of names. Raises ConfigurationError for a layer without a writer.
    """
    if any(_computes_as(layer, kind) for kind in (Sequential, Add, Concatenate, Network)):
        inside = [(f"{path}.{name}".lstrip("."), part) for name, part in layer.sublayers().items()]
        if isinstance(layer, Sequential):
            for place, part in inside:
                x = write_layer(graph, part, x, place)
            return x
        if isinstance(layer, Network):
            return _write_network(graph, layer, inside, x)
        outputs = [write_layer(graph, part, x, place) for place, part in inside] or [*x]
        if isinstance(layer, Concatenate):
            return graph.op("Concat", *outputs, axis=layer.axis)
        return graph.op("Sum", *outputs)
    writer = WRITERS.get(type(layer))
    if writer is None:
        raise ConfigurationError(
            f"to_onnx: layer {path or 'itself'}, {layer.label}: expected a layer that can be "
            f"written as ONNX operators, got {type(layer).__name__}: register a function for it "
            "with minitorch_np.exchange.onnx_graph.writes"
        )
    if isinstance(x, tuple) and not isinstance(layer, MultiHeadAttention):
        raise ConfigurationError(
            f"to_onnx: layer {path or 'itself'}, {layer.label}: expected one input, got {len(x)}"
        )
    return writer(graph, layer, x)


def _write_network(
    graph: Graph, network: Network, inside: list[tuple[str, Layer]], x: Any
) -> tuple[str, ...] | str:
    """Write the layers of a Graph, each with the outputs that it is connected to."""
    values = [*x] if isinstance(x, tuple) else [x]
    for (place, part), sources in zip(inside, network.wiring, strict=True):
        given = tuple(values[one] for one in sources)
        values.append(write_layer(graph, part, given if given[1:] else given[0], place))
    found = tuple(values[end] for end in network.ends)
    return found if found[1:] else found[0]


def _computes_as(layer: Layer, kind: type[Layer]) -> bool:
    """Whether a container is of a kind, and not a subclass with another formula."""
    return isinstance(layer, kind) and all(
        getattr(type(layer), method) is getattr(kind, method)
        for method in ("forward", "combine")
        if hasattr(kind, method)
    )
