"""Models as ONNX files (extra `onnx`), which onnxruntime, browsers and phones run.

Each layer is written as the ONNX operators that compute it when predicting: one where there is one,
several for SiLU, Mish, GELU and the like. `WRITERS` holds a function for each layer; one for a
user-defined layer can be added there. Parameters keep their names, and a layer that stands in two
places has its parameters once. The architecture is in the file's metadata too, so that `from_onnx`
gives back the same model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import encode_layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.io.atomic import replacing
from minitorch_np.layers import activations as act
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.softmax import LogSoftmax, Softmax

OPSET, IR_VERSION = 17, 10
"""Of the operators and of the file, old enough for runtimes of 2023."""

ARCHITECTURE = "minitorch_np.architecture"
"""The entry of the metadata that describes the model's layers as JSON."""


class Graph:
    """An ONNX graph that is being written: its nodes and its constants."""

    def __init__(self, onnx: Any, names: dict[tuple[int, str], str]) -> None:
        self.onnx, self.names = onnx, names
        self.nodes: list[Any] = []
        self.constants: dict[str, AnyArray] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; the name of its output."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        node = self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def parameter(self, layer: Layer, key: str) -> str:
        """The name of a layer's parameter or buffer, which becomes a constant of the graph."""
        name = self.names[id(layer), key]
        self.constants[name] = np.asarray(getattr(layer, key), np.float32)
        return name

    def number(self, *values: float, integer: bool = False) -> str:
        """The name of a constant: one number, or several as a vector."""
        array = np.array(values, np.int64 if integer else np.float32)
        array = array if integer or len(values) > 1 else array.reshape(())
        name = "constant_" + "_".join(f"{value:g}" for value in values)
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


def to_onnx(model: Layer, path: StrPath) -> None:
    """Write a built model to an ONNX file: float32, opset 17, a batch of any size.

    Raises MissingExtraError without the library onnx, NotBuiltError, OSError, and
    ConfigurationError, naming the layer, for one that has no writer.
    """
    content = onnx_model(model).SerializeToString()
    with replacing(path) as file:
        file.write(content)


def onnx_model(model: Layer) -> Any:
    """The model as an `onnx.ModelProto`. Raises as `to_onnx`."""
    onnx = onnx_library("to_onnx")
    model.require_built()
    owners = model.owners("parameter_names") + model.owners("buffer_names")
    names = {(id(layer), key): name for name, layer, key in reversed(owners)}
    graph = Graph(onnx, names)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    output = write_layer(graph, model, "input", "")
    graph.nodes.append(helper.make_node("Identity", [output], ["output"], name="output"))
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(model).__name__,
            [helper.make_tensor_value_info("input", kind, ["batch", *model.input_shape])],
            [helper.make_tensor_value_info("output", kind, ["batch", *model.output_shape])],
            [onnx.numpy_helper.from_array(a, name) for name, a in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minitorch_np",
    )
    description = {"model": encode_layer(model), "input_shape": model.input_shape}
    helper.set_model_props(made, {ARCHITECTURE: json.dumps(description)})
    onnx.checker.check_model(made)
    return made


def onnx_library(caller: str) -> Any:
    """The library. Raises MissingExtraError."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("onnx", "onnx", caller) from None
    return onnx


def write_layer(graph: Graph, layer: Layer, x: str, path: str) -> str:
    """Write a layer and all inside of it; the name of its output."""
    if isinstance(layer, (Sequential, Add, Concatenate)):
        inside = [(f"{path}.{name}".lstrip("."), part) for name, part in layer.sublayers().items()]
        if isinstance(layer, Sequential):
            for place, part in inside:
                x = write_layer(graph, part, x, place)
            return x
        outputs = [write_layer(graph, part, x, place) for place, part in inside]
        if isinstance(layer, Concatenate):
            return graph.op("Concat", *outputs, axis=layer.axis)
        return graph.op("Sum", *outputs)
    writer = WRITERS.get(type(layer))
    if writer is None:
        raise ConfigurationError(
            f"to_onnx: layer {path or 'itself'}, {layer.label}: expected a layer that ONNX operators "
            f"are known for, got {type(layer).__name__}: register a function in "
            "minitorch_np.exchange.onnx_export.WRITERS"
        )
    return writer(graph, layer, x)


@writes(Dense)
def _dense(graph: Graph, layer: Dense, x: str) -> str:
    weight = graph.parameter(layer, "weight")
    bias = [graph.parameter(layer, "bias")] if layer.use_bias else []
    if len(layer.input_shape) == 1:
        return graph.op("Gemm", x, weight, *bias, transB=1)
    product = graph.op("MatMul", x, graph.op("Transpose", weight, perm=[1, 0]))
    return graph.op("Add", product, *bias) if bias else product


def _window(layer: Any) -> dict[str, Any]:
    """The attributes that convolution and pooling share."""
    (top, bottom), (left, right) = layer.grid.border
    return {
        "kernel_shape": layer.grid.kernel,
        "strides": layer.grid.stride,
        "pads": [top, left, bottom, right],
    }


@writes(Conv2D)
def _convolution(graph: Graph, layer: Conv2D, x: str) -> str:
    bias = [graph.parameter(layer, "bias")] if layer.use_bias else []
    window = {**_window(layer), "dilations": layer.grid.dilation, "group": layer.groups}
    return graph.op("Conv", x, graph.parameter(layer, "weight"), *bias, **window)


@writes(MaxPool2D)
def _max_pool(graph: Graph, layer: MaxPool2D, x: str) -> str:
    return graph.op("MaxPool", x, **_window(layer))


@writes(AveragePool2D)
def _average_pool(graph: Graph, layer: AveragePool2D, x: str) -> str:
    return graph.op("AveragePool", x, **_window(layer))


@writes(GlobalAveragePool2D)
def _global_average(graph: Graph, layer: GlobalAveragePool2D, x: str) -> str:
    return graph.op("Flatten", graph.op("GlobalAveragePool", x), axis=1)


@writes(Reshape, Flatten)
def _reshape(graph: Graph, layer: Reshape, x: str) -> str:
    # 0 stands for the size of the input at that place: the batch's.
    return graph.op("Reshape", x, graph.number(0, *layer.output_shape, integer=True))


@writes(BatchNorm)
def _batch_norm(graph: Graph, layer: BatchNorm, x: str) -> str:
    keys = ("weight", "bias", "running_mean", "running_var")
    parameters = [graph.parameter(layer, key) for key in keys]
    return graph.op("BatchNormalization", x, *parameters, epsilon=layer.epsilon)


@writes(LayerNorm)
def _layer_norm(graph: Graph, layer: LayerNorm, x: str) -> str:
    parameters = [graph.parameter(layer, key) for key in ("weight", "bias")]
    attributes = {"axis": -layer.trailing_axes, "epsilon": layer.epsilon}
    return graph.op("LayerNormalization", x, *parameters, **attributes)


@writes(Dropout)
def _dropout(graph: Graph, layer: Dropout, x: str) -> str:
    return graph.op("Dropout", x, graph.number(layer.rate))


@writes(Embedding)
def _embedding(graph: Graph, layer: Embedding, x: str) -> str:
    indices = graph.op("Cast", x, to=graph.onnx.TensorProto.INT64)
    return graph.op("Gather", graph.parameter(layer, "weight"), indices)


def _same(kind: str, *names: str, **constants: Any) -> Writer:
    """The writer of a layer that is one operator, whose attributes have the layer's names."""

    def writer(graph: Graph, layer: Layer, x: str) -> str:
        given = {name: float(getattr(layer, name)) for name in names}
        return graph.op(kind, x, **given, **constants)

    return writer


WRITERS |= {
    act.ReLU: _same("Relu"),
    act.LeakyReLU: lambda g, layer, x: g.op("LeakyRelu", x, alpha=layer.negative_slope),
    act.ELU: _same("Elu", "alpha"),
    act.SELU: _same("Selu", alpha=act.SELU.ALPHA, gamma=act.SELU.SCALE),
    act.ReLU6: lambda g, layer, x: g.op("Clip", x, g.number(0), g.number(6)),
    act.Sigmoid: _same("Sigmoid"),
    act.HardSigmoid: _same("HardSigmoid", alpha=1 / 6, beta=0.5),
    act.HardSwish: _same("HardSwish"),
    act.Tanh: _same("Tanh"),
    act.Identity: _same("Identity"),
    act.SiLU: lambda g, layer, x: g.op("Mul", x, g.op("Sigmoid", x)),
    act.Mish: lambda g, layer, x: g.op("Mul", x, g.op("Tanh", g.op("Softplus", x))),
    Softmax: _same("Softmax", axis=-1),
    LogSoftmax: _same("LogSoftmax", axis=-1),
}


@writes(act.PReLU)
def _prelu(graph: Graph, layer: act.PReLU, x: str) -> str:
    slope = graph.parameter(layer, "weight")
    axes = len(layer.input_shape)
    if axes > 1:  # the slopes stand along a sample's first axis
        shape = graph.number(-1, *[1] * (axes - 1), integer=True)
        slope = graph.op("Reshape", slope, shape)
    return graph.op("PRelu", x, slope)


@writes(act.Softplus)
def _softplus(graph: Graph, layer: act.Softplus, x: str) -> str:
    if layer.beta == 1:
        return graph.op("Softplus", x)
    beta = graph.number(layer.beta)
    return graph.op("Div", graph.op("Softplus", graph.op("Mul", x, beta)), beta)


@writes(act.GELU)
def _gelu(graph: Graph, layer: act.GELU, x: str) -> str:
    if layer.approximate == "none":
        inner = graph.op("Erf", graph.op("Mul", x, graph.number(math.sqrt(0.5))))
    else:
        cube = graph.op("Mul", graph.op("Mul", x, x), x)
        sum_ = graph.op("Add", x, graph.op("Mul", cube, graph.number(0.044715)))
        inner = graph.op("Tanh", graph.op("Mul", sum_, graph.number(math.sqrt(2 / math.pi))))
    half = graph.op("Mul", x, graph.number(0.5))
    return graph.op("Mul", half, graph.op("Add", inner, graph.number(1)))
