"""Models from ONNX files (extra `onnx`): whatever is made of operators that the layers here compute.

The graph is read backwards, from its output to its input. Each operator, or each known group of
operators, becomes a layer; where paths join in a sum or a concatenation, they are followed back to
the tensor at which they parted, and become branches. Whatever is not understood is refused, with
the node's name. At the end the model is tried on random numbers beside onnx's own evaluator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import decode_layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import MinitorchError, ModelFileError
from minitorch_np.exchange.onnx_export import ARCHITECTURE, Graph, onnx_library, onnx_model, write_layer
from minitorch_np.layers import activations as act
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.softmax import LogSoftmax, Softmax

CLOSE = 1e-4
"""How far the outputs may be from those of onnx's evaluator, in float32, over the largest one."""


def from_onnx(path: StrPath) -> Sequential:
    """The model in an ONNX file, in float32.

    A file that `to_onnx` wrote gives the same model again. Of others, the graph must have one input
    (batch, ...) whose other sizes are numbers; of several outputs the first that can be read counts.

    Raises MissingExtraError without the library onnx, FileNotFoundError, and ModelFileError for a
    file that is damaged or is made of something else; it names the node.
    """
    onnx = onnx_library("from_onnx")
    with open(path, "rb"):  # an OSError with the file's name
        pass
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
    except Exception as error:  # protobuf's, the checker's and those of external data
        raise ModelFileError(
            f"{path}: expected an ONNX model, got a file that is damaged or something else "
            f"({type(error).__name__}: {str(error).splitlines()[0]:.200})"
        ) from None
    return _own(onnx, proto) or _foreign(onnx, proto, str(path))


def _own(onnx: Any, proto: Any) -> Sequential | None:
    """The model that the metadata describes, if it is what the graph computes."""
    described = {entry.key: entry.value for entry in proto.metadata_props}.get(ARCHITECTURE)
    if described is None:
        return None
    try:
        description = json.loads(described)
        model = decode_layer(description["model"], {})
        model.initialize(
            tuple(description["input_shape"]), rng=np.random.default_rng(0), dtype=np.float32
        )
        present = model.named_parameters() | model.named_buffers()
        for tensor in proto.graph.initializer:
            if tensor.name in present:
                present[tensor.name][...] = onnx.numpy_helper.to_array(tensor)
    except (MinitorchError, LookupError, TypeError, ValueError):
        return None  # a layer of somebody's own, or edited by hand: what counts is the graph
    same = onnx_model(model).graph.SerializeToString() == proto.graph.SerializeToString()
    return model if same and isinstance(model, Sequential) else None


def _foreign(onnx: Any, proto: Any, path: str) -> Sequential:
    """The model that the graph of another program describes."""
    reader = _Reader(onnx, proto, path)
    errors: list[ModelFileError] = []
    for output in proto.graph.output:
        try:
            layers = reader.between(reader.input, output.name)
        except ModelFileError as error:
            errors.append(error)
            continue
        try:
            model = Sequential(*layers, input_shape=reader.input_shape, seed=0)
            for layer, weights in reader.weights:
                layer.load_state_dict(weights)
        except MinitorchError as error:
            raise ModelFileError(f"{path}: shapes that do not fit together: {error}") from None
        _compare(onnx, proto, model, output.name, path)
        return model
    raise errors[0]


def _compare(onnx: Any, proto: Any, model: Sequential, output: str, path: str) -> None:
    """Raise ModelFileError unless model and graph give the same for random inputs."""
    from onnx.reference import ReferenceEvaluator

    rng = np.random.default_rng(0)
    shape = (2, *model.input_shape)
    x = rng.normal(size=shape)
    if model.index_limit:
        x = rng.integers(model.index_limit, size=shape).astype(float)
    given = onnx.helper.tensor_dtype_to_np_dtype(proto.graph.input[0].type.tensor_type.elem_type)
    (expected,) = ReferenceEvaluator(proto).run(
        [output], {proto.graph.input[0].name: x.astype(given)}
    )
    found = model(x.astype(np.float32))
    far = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not far <= CLOSE * max(1.0, np.abs(expected).max()):
        raise ModelFileError(
            f"{path}: expected layers that compute what the graph does, got outputs of shape "
            f"{found.shape} for {expected.shape}, apart by up to {far:.1g}"
        )


Read = tuple[list[Layer], str]
"""Layers, and the name of the tensor that the first of them takes."""


class _Reader:
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
        for make, (pattern, end) in _PATTERNS(self.onnx):
            if (x := self._match(pattern, end, tensor, {})) is not None:
                return [make()], x
        reader = _READERS.get(node.op_type)
        if reader is None or tensor != node.output[0]:
            raise self.refused(node, f"the operator {node.op_type}, for which there is no layer here")
        return reader(self, node)

    def refused(self, node: Any, what: str) -> ModelFileError:
        """The error for a node that no layer computes."""
        return ModelFileError(f"{self.path}: node {node.name or node.output[0]!r}: got {what}")

    def attributes(self, node: Any, **defaults: Any) -> dict[str, Any]:
        """The attributes of a node, and the defaults of those that it does not have."""
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
                self.constants[name] = array if made.op_type == "Identity" else array.transpose(perm)
            else:
                raise self.refused(node, f"{name!r}, which is computed, where numbers were expected")
        return self.constants[name]

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
        common = [name for name in self.before(node.input[0])]
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
                if name and self._depends(name)
            ]
            common = [name for name in ways[0] if all(name in way for way in ways)] if ways else []
            self._before[tensor] = [*common, tensor]
        return self._before[tensor]

    def _depends(self, tensor: str) -> bool:
        """Whether a tensor is computed from the input."""
        node = self.nodes.get(tensor)
        return tensor == self.input or (
            node is not None and any(self._depends(name) for name in node.input)
        )

    def _constant(self, node: Any) -> AnyArray:
        value = self.onnx.helper.get_attribute_value(node.attribute[0])
        if node.attribute[0].name == "value":
            value = self.onnx.numpy_helper.to_array(value)
        return np.asarray(value)

    def _match(
        self, pattern: Graph, end: str, tensor: str, bound: dict[str, str]
    ) -> str | None:
        """The input of the pattern, if the tensor is computed as `end` is there."""
        if end == "input":
            return tensor if bound.setdefault(end, tensor) == tensor else None
        if end in pattern.constants:
            found = self.constants.get(tensor)
            same = found is not None and found.size == 1
            close = same and np.allclose(found, pattern.constants[end], rtol=1e-4)
            return bound.get("input", "") if close else None
        model = next(node for node in pattern.nodes if node.output[0] == end)
        node = self.nodes.get(tensor)
        if node is None or node.op_type != model.op_type or len(node.input) != len(model.input):
            return None
        orders = [list(node.input)]
        if node.op_type in ("Add", "Mul"):
            orders.append(orders[0][::-1])
        for order in orders:
            trial = dict(bound)
            if all(
                self._match(pattern, inner, name, trial) is not None
                for inner, name in zip(model.input, order, strict=True)
            ):
                bound.update(trial)
                return bound.get("input", "")
        return None
