"""Reads an ONNX graph backward, from its output to its input."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import MinitorchError, ModelFileError
from minitorch_np.exchange.onnx_graph import Graph, write_layer
from minitorch_np.io.bounded import require_room
from minitorch_np.layers import activations as act

Read = tuple[list[Layer], str]
"""Layers, and the name of the input tensor of the first one."""

READERS: dict[str, Callable[[Any, Any], Read]] = {}
"""The functions that read each operator, given the reader and the node."""


ROWS = 3
"""The number of samples for finding the shapes of a graph's tensors."""


class _PastError(ModelFileError):
    """A layer begins before the tensor at which it should begin."""


class Reader:
    """A graph that is read from its end."""

    def __init__(self, onnx: Any, proto: Any, path: str) -> None:
        self.onnx, self.proto, self.path = onnx, proto, path
        self.constants: dict[str, AnyArray] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer
        }
        inputs = [given for given in proto.graph.input if given.name not in self.constants]
        if len(inputs) != 1:
            raise ModelFileError(f"{path}: expected a graph with one input, got {len(inputs)}")
        self.input, kind = inputs[0].name, inputs[0].type.tensor_type
        rows, *sizes = [dim.dim_value for dim in kind.shape.dim] or [0]
        if not sizes or rows < 0 or min(sizes) < 1:
            raise ModelFileError(
                f"{path}: expected an input of shape (batch, fixed sizes), got {[rows, *sizes]}"
            )
        self.rows, self.input_shape = rows or ROWS, tuple(sizes)
        tried = 8 * self.rows * math.prod(sizes)
        require_room(f"{path}: {self.rows} samples", tried, 0, ModelFileError)
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        self.nodes: dict[str, Any] = {}
        self.weights: list[tuple[Layer, dict[str, AnyArray]]] = []
        self._made: dict[Any, Layer] = {}
        # For each tensor that depends on the input's values, not only on its shape: the last
        # tensor before it through which all paths from the input lead, and the depth.
        self._before: dict[str, tuple[str, int]] = {self.input: (self.input, 0)}
        for node in proto.graph.node:  # each after those whose outputs it takes
            outputs = [name for name in node.output if name]  # "" is one that is left out
            self.nodes |= dict.fromkeys(outputs, node)
            ways = [name for name in node.input if self.depends(name)]
            if ways and node.op_type != "Shape":
                before = functools.reduce(self._parting, ways)
                place = before, self._before[before][1] + 1
                self._before |= dict.fromkeys(outputs, place)

    def between(self, start: str, end: str) -> list[Layer]:
        """The layers from one tensor to another."""
        layers: list[Layer] = []
        while end != start:
            if end in self._before and self._before[end][1] <= self._before[start][1]:
                raise _PastError(f"{self.path}: expected {start!r} to be between two layers")
            found, end = self.read(end)
            layers[:0] = found
        return layers

    def read(self, tensor: str) -> Read:
        """The layers that end in a tensor. Raises ModelFileError for unknown operators."""
        node = self.nodes.get(tensor)
        if node is None:
            raise ModelFileError(f"{self.path}: expected {tensor!r} to come from the input")
        for make, pattern, end in _patterns(self.onnx):
            bound: dict[str, str] = {}
            if self._match(pattern, end, tensor, bound):
                return [make()], bound["input"]
        reader = READERS.get(node.op_type)
        if reader is None or node.domain not in ("", "ai.onnx") or tensor != node.output[0]:
            raise self.refused(node, f"the operator {node.op_type}, for which there is no layer")
        try:
            return reader(self, node)
        except ModelFileError:
            raise
        except (MinitorchError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise self.refused(node, f"{node.op_type} with invalid inputs: {error}") from None

    def refused(self, node: Any, what: str) -> ModelFileError:
        """The error for a node that no layer computes."""
        return ModelFileError(f"{self.path}: node {node.name or node.output[0]!r}: got {what}")

    def attributes(self, node: Any, **defaults: Any) -> dict[str, Any]:
        """The attributes of a node, with defaults for missing ones. Raises ModelFileError for
        others.
        """
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
        """The value of a node's input, which may depend on the shape of the model's input (with
        `rows` samples) but not on its values. Raises ModelFileError otherwise.
        """
        name = node.input[place]
        if self.depends(name):
            raise self.refused(node, f"{name!r}, which is computed, where numbers were expected")
        return self.known(name)

    def known(self, tensor: str) -> AnyArray:
        """The value of a tensor that depends at most on the shape of the input."""
        if tensor not in self.constants:
            node: Any = self.nodes.get(tensor)
            plain = node and [each.name for each in node.attribute] == ["value"]
            self.constants[tensor] = (
                self.onnx.numpy_helper.to_array(node.attribute[0].t)
                if plain and node.op_type == "Constant"
                else self.run(tensor)
            )
        return self.constants[tensor]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor for `rows` samples."""
        return self.run(tensor).shape

    def run(self, tensor: str, x: AnyArray | None = None) -> AnyArray:
        """The computed value of a tensor, by default for zeros. Raises ModelFileError."""
        if x is None:
            x = np.zeros((self.rows, *self.input_shape))
        part = self._part(tensor).SerializeToString()
        given = {self.input: x.astype(self.dtype)}
        with contextlib.suppress(Exception):  # not installed, or the graph is not supported
            return _by_runtime(part, given)
        try:
            return _by_evaluator(part, given)
        except Exception as error:  # a graph with mismatched parts can raise anything
            said = str(error).splitlines()[0] if str(error) else ""
            raise ModelFileError(
                f"{self.path}: expected a graph that onnx's evaluator can compute, got "
                f"{type(error).__name__} for {tensor!r}: {said:.200}"
            ) from None

    def _part(self, tensor: str) -> Any:
        """The part of the graph that leads to a tensor, as a separate model."""
        needed, left = set[str](), [tensor]
        while left:
            needed.add(name := left.pop())
            made = self.nodes.get(name)
            left += [each for each in made.input if each not in needed] if made is not None else []
        helper, graph = self.onnx.helper, self.proto.graph
        return helper.make_model(
            helper.make_graph(
                [node for node in graph.node if not needed.isdisjoint(node.output)],
                "part",
                [given for given in graph.input if given.name == self.input],
                [helper.make_empty_tensor_value_info(tensor)],
                [each for each in graph.initializer if each.name in needed],
            ),
            opset_imports=self.proto.opset_import,
            ir_version=self.proto.ir_version,
        )

    def layer(
        self, node: Any, make: Callable[[], Layer], *variant: Any, **weights: AnyArray
    ) -> Read:
        """The layer of a node with constants as weights; nodes with the same constants and variant
        share it.
        """
        settings = [(each.name, each.SerializeToString()) for each in node.attribute]
        key = (node.op_type, *node.input[1:], *sorted(settings), *variant)
        if key not in self._made or not weights:
            self._made[key] = make()
            if weights:
                self.weights.append((self._made[key], weights))
        return [self._made[key]], node.input[0]

    def branches(self, node: Any) -> tuple[list[Layer], str]:
        """The layers that lead to each input of a node, and the tensor where their paths begin."""
        for name in node.input:
            if not self.depends(name):
                raise self.refused(node, "inputs that do not come from one tensor")
        start = functools.reduce(self._parting, node.input)
        while True:
            try:
                parts = [self.between(start, name) for name in node.input]
                break
            except _PastError:  # the operators around `start` are one layer: begin before it
                if start == self.input:
                    raise
                start = self._before[start][0]
        return [Sequential(*part) if part else act.Identity() for part in parts], start

    def _parting(self, one: str, other: str) -> str:
        """The last tensor through which all paths from the input to these two lead."""
        while one != other:
            if self._before[one][1] < self._before[other][1]:
                one, other = other, one
            one = self._before[one][0]
        return one

    def depends(self, tensor: str) -> bool:
        """Whether a tensor depends on the input's values, and not only on its shape."""
        return tensor in self._before

    def _match(self, pattern: Graph, end: str, tensor: str, bound: dict[str, str]) -> bool:
        """Whether a tensor is computed like `end` in the pattern; binds the pattern's input."""
        if end == "input":
            return bound.setdefault(end, tensor) == tensor
        if end in pattern.constants:
            found = None if self.depends(tensor) else self.known(tensor)
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
    """Layers that consist of several operators, as written by `to_onnx` and by PyTorch."""
    found: list[tuple[Callable[[], Layer], Graph, str]] = []
    for make in (act.SiLU, act.Mish, act.GELU, functools.partial(act.GELU, "tanh")):
        graph = Graph(onnx, {})
        found.append((make, graph, write_layer(graph, make(), "input", "")))
    graph = Graph(onnx, {})  # PyTorch's GELU before opset 20
    erf = graph.op("Erf", graph.op("Div", "input", graph.number(2**0.5)))
    both = graph.op("Mul", "input", graph.op("Add", erf, graph.number(1)))
    found.append((act.GELU, graph, graph.op("Mul", both, graph.number(0.5))))
    return found


def _by_runtime(model: bytes, given: dict[str, AnyArray]) -> AnyArray:
    """The result of onnxruntime, which is faster than the evaluator and supports more."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, given)[0])


def _by_evaluator(model: bytes, given: dict[str, AnyArray]) -> AnyArray:
    """The result of onnx's own evaluator."""
    from onnx.reference import ReferenceEvaluator

    results: Any = ReferenceEvaluator(model).run(None, given)
    return np.asarray(results[0])
