"""Models from ONNX files (extra `onnx`): whatever is made of operators that our layers compute.

The graph is read backwards, from its output to its input. Each operator, or each known group of
operators, becomes a layer; where paths join in a sum or a concatenation, they are followed back to
the tensor at which they parted, and become branches. Whatever is not understood is refused, with
the node's name. At the end the model is tried on random numbers beside onnx's own evaluator.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import decode_layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import MinitorchError, ModelFileError
from minitorch_np.exchange.onnx_export import (
    ARCHITECTURE,
    Graph,
    onnx_library,
    onnx_model,
    write_layer,
)
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
    (batch, ...) whose other sizes are numbers; of several outputs the first that can be read is it.

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
        for make, pattern, end in _patterns(self.onnx):
            bound: dict[str, str] = {}
            if self._match(pattern, end, tensor, bound):
                return [make()], bound["input"]
        reader = _READERS.get(node.op_type)
        if reader is None or tensor != node.output[0]:
            raise self.refused(
                node, f"the operator {node.op_type}, for which there is no layer here"
            )
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
                self.constants[name] = (
                    array if made.op_type == "Identity" else array.transpose(perm)
                )
            else:
                raise self.refused(
                    node, f"{name!r}, which is computed, where numbers were expected"
                )
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


def _gemm(reader: _Reader, node: Any) -> Read:
    given = reader.attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    reader.only(node, given, alpha=1.0, beta=1.0, transA=0)
    matrix = reader.constant(node, 1)
    weights = {"weight": matrix if given["transB"] else matrix.T}
    if bias := len(node.input) > 2:
        units = len(weights["weight"])
        weights["bias"] = np.broadcast_to(reader.constant(node, 2).reshape(-1), (units,))
    return reader.layer(node, lambda: Dense(len(weights["weight"]), use_bias=bias), **weights)


def _matmul(reader: _Reader, node: Any) -> Read:
    weight = reader.constant(node, 1).T
    return reader.layer(node, lambda: Dense(len(weight), use_bias=False), weight=weight)


def _add(reader: _Reader, node: Any) -> Read:
    """A sum of branches, or the bias after a product."""
    constants = [n for n, name in enumerate(node.input) if not reader.depends(name)]
    if not constants:
        parts, x = reader.branches(node)
        return [Add(*parts)], x
    product = reader.nodes.get(node.input[1 - constants[0]])
    if len(node.input) != 2 or product is None or product.op_type != "MatMul":
        raise reader.refused(node, "a constant that is added to something else than a product")
    weight, bias = reader.constant(product, 1).T, reader.constant(node, constants[0])
    bias = np.broadcast_to(bias.reshape(-1), len(weight))
    made, _ = reader.layer(node, lambda: Dense(len(weight)), weight=weight, bias=bias)
    return made, product.input[0]


def _concat(reader: _Reader, node: Any) -> Read:
    axis = reader.attributes(node, axis=1)["axis"]
    parts, x = reader.branches(node)
    return [Concatenate(*parts, axis=axis)], x


def _window(reader: _Reader, node: Any, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """All attributes of a convolution or pooling, and the arguments that the layers share."""
    defaults = {"strides": [1, 1], "pads": [0] * 4, "auto_pad": "NOTSET", "dilations": [1, 1]}
    given = reader.attributes(node, kernel_shape=None, **defaults, **more)
    reader.only(node, given, auto_pad=("NOTSET", "VALID", "SAME_UPPER"))
    top, left, bottom, right = given["pads"] if len(given["pads"]) == 4 else (0, 1, 2, 3)
    padding: Any = (top, left)
    if given["auto_pad"] == "SAME_UPPER" or (top, left) != (bottom, right):
        padding = "same"  # if that is another border, the comparison at the end tells
    return given, {"stride": tuple(given["strides"]), "padding": padding}


def _conv(reader: _Reader, node: Any) -> Read:
    given, arguments = _window(reader, node, group=1)
    weights = {"weight": reader.constant(node, 1)}
    if weights["weight"].ndim != 4:
        raise reader.refused(node, "a convolution that is not of images")
    if bias := len(node.input) > 2:
        weights["bias"] = reader.constant(node, 2)
    filters, _, *kernel = weights["weight"].shape
    arguments |= {"dilation": tuple(given["dilations"]), "groups": given["group"]}
    make = lambda: Conv2D(filters, tuple(kernel), use_bias=bias, **arguments)  # noqa: E731
    return reader.layer(node, make, **weights)


def _max_pool(reader: _Reader, node: Any) -> Read:
    given, arguments = _window(reader, node, ceil_mode=0, storage_order=0)
    reader.only(node, given, ceil_mode=0, dilations=([1, 1],))
    return [MaxPool2D(tuple(given["kernel_shape"]), **arguments)], node.input[0]


def _average_pool(reader: _Reader, node: Any) -> Read:
    given, arguments = _window(reader, node, ceil_mode=0, count_include_pad=0)
    padded = any(given["pads"])
    reader.only(node, given, ceil_mode=0, count_include_pad=0 if padded else (0, 1))
    return [AveragePool2D(tuple(given["kernel_shape"]), **arguments)], node.input[0]


def _flatten(reader: _Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, axis=1), axis=1)
    before = reader.nodes.get(node.input[0])
    if before is not None and before.op_type == "GlobalAveragePool":
        return [GlobalAveragePool2D()], before.input[0]
    return [Flatten()], node.input[0]


def _reduce_mean(reader: _Reader, node: Any) -> Read:
    given = reader.attributes(node, axes=None, keepdims=1, noop_with_empty_axes=0)
    axes = given["axes"] or reader.constant(node, 1).tolist()
    if sorted(axes) not in ([2, 3], [-2, -1]) or given["keepdims"]:
        raise reader.refused(node, f"a mean over the axes {axes}")
    return [GlobalAveragePool2D()], node.input[0]


def _reshape(reader: _Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, allowzero=0), allowzero=0)
    batch, *shape = reader.constant(node, 1).tolist()
    if batch not in (0, -1) or 0 in shape or (batch == -1 and -1 in shape):
        raise reader.refused(node, f"a reshape to {[batch, *shape]}, which mixes samples")
    return [Flatten() if shape == [-1] else Reshape(tuple(shape))], node.input[0]


def _batch_norm(reader: _Reader, node: Any) -> Read:
    given = reader.attributes(node, epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1)
    reader.only(node, given, training_mode=0)
    keys = ("weight", "bias", "running_mean", "running_var")
    weights = {key: reader.constant(node, place) for place, key in enumerate(keys, 1)}
    return reader.layer(node, lambda: BatchNorm(1 - given["momentum"], given["epsilon"]), **weights)


def _layer_norm(reader: _Reader, node: Any) -> Read:
    given = reader.attributes(node, axis=-1, epsilon=1e-5, stash_type=1)
    weight = reader.constant(node, 1)
    bias = reader.constant(node, 2) if len(node.input) > 2 else np.zeros_like(weight)
    make = lambda: LayerNorm(weight.ndim, given["epsilon"])  # noqa: E731
    return reader.layer(node, make, weight=weight, bias=bias)


def _dropout(reader: _Reader, node: Any) -> Read:
    reader.attributes(node, seed=0)
    rate = float(reader.constant(node, 1)) if len(node.input) > 1 else 0.5
    return [Dropout(rate)], node.input[0]


def _cast(reader: _Reader, node: Any) -> Read:
    kind = reader.attributes(node, to=0, saturate=1)["to"]
    if kind not in (reader.onnx.TensorProto.FLOAT, reader.onnx.TensorProto.DOUBLE):
        raise reader.refused(node, "a cast to whole numbers that are no indices")
    return [], node.input[0]


def _gather(reader: _Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, axis=0), axis=0)
    weight, cast = reader.constant(node, 0), reader.nodes.get(node.input[1])
    x = cast.input[0] if cast is not None and cast.op_type == "Cast" else node.input[1]
    layer = Embedding(*weight.shape)
    reader.weights.append((layer, {"weight": weight}))
    return [layer], x


def _prelu(reader: _Reader, node: Any) -> Read:
    before = reader.nodes.get(node.input[1])
    source = before if before is not None and before.op_type == "Reshape" else node
    slope = reader.constant(source, 0 if source is before else 1).reshape(-1)
    make = lambda: act.PReLU(per_channel=slope.size > 1)  # noqa: E731
    return reader.layer(node, make, weight=slope)


def _clip(reader: _Reader, node: Any) -> Read:
    bounds = [float(reader.constant(node, n)) for n, name in enumerate(node.input) if n and name]
    if bounds == [0.0, 6.0]:
        return [act.ReLU6()], node.input[0]
    if bounds == [0.0]:
        return [act.ReLU()], node.input[0]
    raise reader.refused(node, f"a clip to {bounds}")


def _plain(make: Callable[..., Layer], **names: Any) -> Callable[[_Reader, Any], Read]:
    """The reader of an operator that is one layer. `names` are its attributes' defaults; those
    after `only_` have to keep theirs, the others are the layer's arguments in their order.
    """
    arguments = [name for name in names if not name.startswith("only_")]
    fixed = {n.removeprefix("only_"): v for n, v in names.items() if n.startswith("only_")}

    def read(reader: _Reader, node: Any) -> Read:
        defaults = {name: v[0] if isinstance(v, tuple) else v for name, v in fixed.items()}
        given = reader.attributes(node, **{name: names[name] for name in arguments}, **defaults)
        for name, right in fixed.items():
            rights = right if isinstance(right, tuple) else (right,)
            if not any(np.isclose(given[name], each, rtol=1e-6) for each in rights):
                raise reader.refused(node, f"{node.op_type} with {name} {given[name]}")
        return [make(*(given[name] for name in arguments))], node.input[0]

    return read


_READERS: dict[str, Callable[[_Reader, Any], Read]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Sum": _add,
    "Concat": _concat,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "ReduceMean": _reduce_mean,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Dropout": _dropout,
    "Cast": _cast,
    "Gather": _gather,
    "PRelu": _prelu,
    "Clip": _clip,
    "Identity": lambda reader, node: ([], node.input[0]),
    "Relu": _plain(act.ReLU),
    "LeakyRelu": _plain(act.LeakyReLU, alpha=0.01),
    "Elu": _plain(act.ELU, alpha=1.0),
    "Selu": _plain(act.SELU, only_alpha=act.SELU.ALPHA, only_gamma=act.SELU.SCALE),
    "Sigmoid": _plain(act.Sigmoid),
    "HardSigmoid": _plain(act.HardSigmoid, only_alpha=1 / 6, only_beta=0.5),
    "HardSwish": _plain(act.HardSwish),
    "Tanh": _plain(act.Tanh),
    "Softplus": _plain(act.Softplus),
    "Mish": _plain(act.Mish),
    "Gelu": _plain(act.GELU, approximate="none"),
    "Softmax": _plain(Softmax, only_axis=(-1, 1)),
    "LogSoftmax": _plain(LogSoftmax, only_axis=(-1, 1)),
}


@functools.cache
def _patterns(onnx: Any) -> list[tuple[Callable[[], Layer], Graph, str]]:
    """Layers that are several operators, as `to_onnx` writes them and as PyTorch does."""
    found = []
    for make in (act.SiLU, act.Mish, act.GELU, functools.partial(act.GELU, "tanh")):
        graph = Graph(onnx, {})
        found.append((make, graph, write_layer(graph, make(), "input", "")))
    graph = Graph(onnx, {})  # PyTorch's GELU before opset 20
    erf = graph.op("Erf", graph.op("Div", "input", graph.number(2**0.5)))
    both = graph.op("Mul", "input", graph.op("Add", erf, graph.number(1)))
    found.append((act.GELU, graph, graph.op("Mul", both, graph.number(0.5))))
    return found
