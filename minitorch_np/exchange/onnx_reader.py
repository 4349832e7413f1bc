"""An ONNX graph that is read backwards, from its output to its input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ModelFileError
from minitorch_np.exchange.onnx_graph import Graph, write_layer
from minitorch_np.layers import activations as act

Read = tuple[list[Layer], str]
"""Layers, and the name of the tensor that the first of them takes."""

READERS: dict[str, Callable[[Any, Any], Read]] = {}
"""What reads each operator, given the reader and the node."""


class Reader:
    """A graph that is read from its end."""

    def __init__(self, onnx: Any, proto: Any, path: str) -> None:
        self.onnx, self.path = onnx, path
        self.constants = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer
        }
        self.nodes = {name: node for node in proto.graph.node for name in node.output}
        for node in proto.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = self._constant(node)
        inputs = [given for given in proto.graph.input if given.name not in self.constants]
        if len(inputs) != 1:
            raise ModelFileError(f"{path}: expected a graph of one input, got {len(inputs)}")
        self.input = inputs[0].name
        sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
        self.input_shape = tuple(sizes[1:])
        if not self.input_shape or not all(self.input_shape):
            raise ModelFileError(
                f"{path}: expected an input of shape (batch, sizes that are numbers), got {sizes}"
            )
        self.weights: list[tuple[Layer, dict[str, AnyArray]]] = []
        self._made: dict[Any, Layer] = {}
        self._before: dict[str, list[str]] = {}
        self._needed: set[str] = set()

    def between(self, start: str, end: str) -> list[Layer]:
        """The layers from one tensor to another."""
        layers: list[Layer] = []
        while end != start:
            found, end = self.read(end)
            layers[:0] = found
        return layers

    def read(self, tensor: str) -> Read:
        """The layers that end in a tensor. Raises ModelFileError."""
        node = self.nodes.get(tensor)
        if node is None:
            raise ModelFileError(f"{self.path}: expected {tensor!r} to come from the input")
        for make, pattern, end in _patterns(self.onnx):
            bound: dict[str, str] = {}
            if self._match(pattern, end, tensor, bound):
                return [make()], bound["input"]
        reader = READERS.get(node.op_type)
        if reader is None or tensor != node.output[0]:
            raise self.refused(
                node, f"the operator {node.op_type}, for which there is no layer here"
            )
        return reader(self, node)

    def refused(self, node: Any, what: str) -> ModelFileError:
        """The error for a node that no layer computes."""
        return ModelFileError(f"{self.path}: node {node.name or node.output[0]!r}: got {what}")

    def attributes(self, node: Any, **defaults: Any) -> dict[str, Any]:
        """The attributes of a node, with defaults for missing ones. Refuses unknown ones."""
        found = {each.name: self.onnx.helper.get_attribute_value(each) for each in node.attribute}
        unknown = found.keys() - defaults.keys()
        if unknown:
            raise self.refused(node, f"{node.op_type} with the attribute {min(unknown)}")
        texts = {name: v.decode() for name, v in found.items() if isinstance(v, bytes)}
        return defaults | found | texts

    def only(self, node: Any, given: dict[str, Any], **expected: Any) -> None:
        """Raise ModelFileError unless these attributes have these values."""
        for name, right in expected.items():
            if given[name] not in (right if isinstance(right, tuple) else (right,)):
                raise self.refused(node, f"{node.op_type} with {name} {given[name]}")

    def constant(self, node: Any, place: int) -> AnyArray:
        """The input of a node at a place, which has to be known."""
        name = node.input[place]
        if name not in self.constants:
            made = self.nodes.get(name)
            if made is not None and made.op_type in ("Identity", "Transpose"):
                array = self.constant(made, 0)
                perm = self.attributes(made, perm=None).get("perm")
                self.constants[name] = (
                    array if made.op_type == "Identity" else array.transpose(perm)
                )
            else:
                raise self.refused(
                    node, f"{name!r}, which is computed, where numbers were expected"
                )
        found: AnyArray = self.constants[name]
        return found

    def layer(self, node: Any, make: Callable[[], Layer], **weights: AnyArray) -> Read:
        """The layer of a node with constants as weights: one for all nodes with the same ones."""
        settings = [(each.name, each.SerializeToString()) for each in node.attribute]
        key = (node.op_type, *node.input[1:], *sorted(settings))
        if key not in self._made or not weights:
            self._made[key] = make()
            if weights:
                self.weights.append((self._made[key], weights))
        return [self._made[key]], node.input[0]

    def branches(self, node: Any) -> tuple[list[Layer], str]:
        """What leads to the inputs of a node, from the tensor at which the paths part."""
        common = list(self.before(node.input[0]))
        for name in node.input[1:]:
            others = set(self.before(name))
            common = [each for each in common if each in others]
        if not common:
            raise self.refused(node, "inputs that do not come from one tensor")
        parts = [self.between(common[-1], name) for name in node.input]
        return [Sequential(*part) if part else act.Identity() for part in parts], common[-1]

    def before(self, tensor: str) -> list[str]:
        """The tensors that all paths from the graph's input to this one go through, in order."""
        if tensor == self.input:
            return [tensor]
        if tensor not in self._before:
            node = self.nodes.get(tensor)
            ways = [
                self.before(name)
                for name in (node.input if node is not None else ())
                if name and self.depends(name)
            ]
            common = [name for name in ways[0] if all(name in way for way in ways)] if ways else []
            self._before[tensor] = [*common, tensor]
        return self._before[tensor]

    def leads_to(self, node: Any, tensor: str) -> bool:
        """Whether a tensor is computed with what a node gives."""
        if not self._needed:
            self._needed, left = set(), [tensor]
            while left:
                made = self.nodes.get(left.pop())
                if made is not None and made.output[0] not in self._needed:
                    self._needed |= set(made.output)
                    left += made.input
        return not self._needed.isdisjoint(node.output)

    def depends(self, tensor: str) -> bool:
        """Whether a tensor is computed from the input."""
        node = self.nodes.get(tensor)
        return tensor == self.input or (
            node is not None and any(self.depends(name) for name in node.input)
        )

    def _constant(self, node: Any) -> AnyArray:
        value = self.onnx.helper.get_attribute_value(node.attribute[0])
        if node.attribute[0].name == "value":
            value = self.onnx.numpy_helper.to_array(value)
        return np.asarray(value)

    def _match(self, pattern: Graph, end: str, tensor: str, bound: dict[str, str]) -> bool:
        """Whether a tensor is computed as `end` is in the pattern; binds the pattern's input."""
        if end == "input":
            return bound.setdefault(end, tensor) == tensor
        if end in pattern.constants:
            found = self.constants.get(tensor)
            wanted = pattern.constants[end]
            return found is not None and found.size == 1 and np.allclose(found, wanted, rtol=1e-4)
        model = next(node for node in pattern.nodes if node.output[0] == end)
        node = self.nodes.get(tensor)
        if node is None or (node.op_type, len(node.input)) != (model.op_type, len(model.input)):
            return False
        for order in (list(node.input), list(node.input)[::-1]):
            trial = dict(bound)
            pairs = zip(model.input, order, strict=True)
            if all(self._match(pattern, inner, name, trial) for inner, name in pairs):
                bound.update(trial)
                return True
            if node.op_type not in ("Add", "Mul"):
                break
        return False


@functools.cache
def _patterns(onnx: Any) -> list[tuple[Callable[[], Layer], Graph, str]]:
    """Layers that are several operators, as `to_onnx` writes them and as PyTorch does."""
    found: list[tuple[Callable[[], Layer], Graph, str]] = []
    for make in (act.SiLU, act.Mish, act.GELU, functools.partial(act.GELU, "tanh")):
        graph = Graph(onnx, {})
        found.append((make, graph, write_layer(graph, make(), "input", "")))
    graph = Graph(onnx, {})  # PyTorch's GELU before opset 20
    erf = graph.op("Erf", graph.op("Div", "input", graph.number(2**0.5)))
    both = graph.op("Mul", "input", graph.op("Add", erf, graph.number(1)))
    found.append((act.GELU, graph, graph.op("Mul", both, graph.number(0.5))))
    return found
