"""Writes each layer as ONNX operators of opset 17: one operator if possible, else several."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_np.arrays import Shape, parts
from minitorch_np.core.layer import Layer
from minitorch_np.exchange.onnx_graph import WRITERS, Graph, Writer, write_layer, writes
from minitorch_np.layers import activations as act
from minitorch_np.layers.attention import APART, BASE, MultiHeadAttention
from minitorch_np.layers.bidirectional import Bidirectional
from minitorch_np.layers.convolution import Conv1D, Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GLU
from minitorch_np.layers.group_norm import GroupNorm, RMSNorm
from minitorch_np.layers.masking import Masking
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    MaxPool1D,
    MaxPool2D,
)
from minitorch_np.layers.positions import (
    PositionalEmbedding,
    RotaryPositions,
    SinusoidalPositions,
    rotations,
)
from minitorch_np.layers.recurrent import GRU, LSTM, Recurrent, SimpleRNN
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.resizing import Transpose, UpSampling2D, ZeroPadding
from minitorch_np.layers.sampling import NormalSampling
from minitorch_np.layers.softmax import LogSoftmax, Softmax
from minitorch_np.layers.spatial_dropout import SpatialDropout
from minitorch_np.layers.transformer import (
    ATTENTION,
    FEED_FORWARD,
    TransformerBlock,
    Unembedding,
)
from minitorch_np.layers.transposed_convolution import ConvTranspose1D, ConvTranspose2D


@writes(Dense)
def _dense(graph: Graph, layer: Dense, x: str) -> str:
    weight = graph.parameter(layer, "weight")
    bias = [graph.parameter(layer, "bias")] if layer.use_bias else []
    if len(layer.input_shape) == 1:
        return graph.op("Gemm", x, weight, *bias, transB=1)
    product = _product(graph, x, weight)
    return graph.op("Add", product, *bias) if bias else product


def _window(layer: Any) -> dict[str, Any]:
    """The attributes that convolution and pooling share, for one axis or two."""
    axes = len(layer.input_shape) - 1
    borders = layer.grid.border[-axes:]
    return {
        "kernel_shape": layer.grid.kernel[-axes:],
        "strides": layer.grid.stride[-axes:],
        "pads": [*(before for before, _ in borders), *(after for _, after in borders)],
    }


@writes(Conv2D, Conv1D, ConvTranspose2D, ConvTranspose1D)
def _convolution(graph: Graph, layer: Any, x: str) -> str:
    bias = [graph.parameter(layer, "bias")] if layer.use_bias else []
    window = {**_window(layer), "group": layer.groups}
    window["dilations"] = layer.grid.dilation[-layer.axes :]
    kind = "Conv"
    if isinstance(layer, ConvTranspose2D):
        kind, (*_, window["output_padding"], _) = "ConvTranspose", layer.numbers()
    return graph.op(kind, x, graph.parameter(layer, "weight"), *bias, **window)


@writes(MaxPool2D, MaxPool1D)
def _max_pool(graph: Graph, layer: Any, x: str) -> str:
    return graph.op("MaxPool", x, **_window(layer))


@writes(AveragePool2D, AveragePool1D)
def _average_pool(graph: Graph, layer: Any, x: str) -> str:
    return graph.op("AveragePool", x, **_window(layer))


@writes(GlobalAveragePool1D)
def _global_average_of_series(graph: Graph, layer: GlobalAveragePool1D, x: str) -> str:
    return graph.op("ReduceMean", x, axes=[layer.axis], keepdims=0)


@writes(UpSampling2D)
def _up_sampling(graph: Graph, layer: UpSampling2D, x: str) -> str:
    ratios = [o / i for o, i in zip(layer.output_shape, layer.input_shape, strict=True)]
    how: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.op("Resize", x, "", graph.number(1, *ratios), mode="nearest", **how)


@writes(ZeroPadding)
def _zero_padding(graph: Graph, layer: ZeroPadding, x: str) -> str:
    before, after = zip(*layer.sides, strict=True)
    return graph.op("Pad", x, graph.number(0, 0, *before, 0, 0, *after, integer=True))


@writes(Transpose)
def _transpose(graph: Graph, layer: Transpose, x: str) -> str:
    return graph.op("Transpose", x, perm=[0, 2, 1])


@writes(GlobalAveragePool2D)
def _global_average(graph: Graph, layer: GlobalAveragePool2D, x: str) -> str:
    return graph.op("Flatten", graph.op("GlobalAveragePool", x), axis=1)


@writes(Reshape, Flatten)
def _reshape(graph: Graph, layer: Reshape, x: str) -> str:
    # 0 means the size of the input's axis: that of the batch.
    return graph.op("Reshape", x, graph.number(0, *layer.output_shape, integer=True))


@writes(BatchNorm)
def _batch_norm(graph: Graph, layer: BatchNorm, x: str) -> str:
    keys = ("weight", "bias", "running_mean", "running_var")
    parameters = [graph.parameter(layer, key) for key in keys]
    return graph.op("BatchNormalization", x, *parameters, epsilon=layer.epsilon)


@writes(LayerNorm)
def _layer_norm(graph: Graph, layer: LayerNorm, x: str) -> str:
    parameters = [graph.parameter(layer, key) for key in ("weight", "bias")]
    attributes: dict[str, Any] = {"axis": -layer.trailing_axes, "epsilon": layer.epsilon}
    return graph.op("LayerNormalization", x, *parameters, **attributes)


@writes(Dropout, SpatialDropout)
def _dropout(graph: Graph, layer: Dropout, x: str) -> str:
    return graph.op("Dropout", x, graph.number(layer.rate))


@writes(Embedding)
def _embedding(graph: Graph, layer: Embedding, x: str) -> str:
    indices = graph.op("Cast", x, to=graph.onnx.TensorProto.INT64)
    y = graph.op("Gather", graph.parameter(layer, "weight"), indices)
    if layer.padding_id is None:
        return y
    padding = graph.op("Equal", indices, graph.number(layer.padding_id, integer=True))
    kept = graph.op("Cast", graph.op("Not", padding), to=graph.onnx.TensorProto.FLOAT)
    return graph.op("Mul", y, graph.op("Unsqueeze", kept, graph.number(-1, integer=True)))


def _same(kind: str, *names: str, **constants: Any) -> Writer:
    """The writer of a layer that is one operator; `names` are the layer's attributes."""

    def writer(graph: Graph, layer: Layer, x: str) -> str:
        given: dict[str, Any] = {name: float(getattr(layer, name)) for name in names}
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
    Masking: _same("Identity"),  # no layer of the model uses its mask
    act.SiLU: lambda g, layer, x: g.op("Mul", x, g.op("Sigmoid", x)),
    act.Mish: lambda g, layer, x: g.op("Mul", x, g.op("Tanh", g.op("Softplus", x))),
    Softmax: _same("Softmax", axis=-1),
    LogSoftmax: _same("LogSoftmax", axis=-1),
}


@writes(act.PReLU)
def _prelu(graph: Graph, layer: act.PReLU, x: str) -> str:
    slope = graph.parameter(layer, "weight")
    axes = len(layer.input_shape)
    if axes > 1:  # the slopes are along a sample's first axis
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


@writes(RMSNorm)
def _rms_norm(graph: Graph, layer: RMSNorm, x: str) -> str:
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes=[-1], keepdims=1)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.number(layer.epsilon)))
    return graph.op("Mul", graph.op("Div", x, root), graph.parameter(layer, "weight"))


@writes(GroupNorm)
def _group_norm(graph: Graph, layer: GroupNorm, x: str) -> str:
    scale = graph.array(f"ones_{layer.groups}", np.ones(layer.groups, np.float32))
    shift = graph.array(f"zeros_{layer.groups}", np.zeros(layer.groups, np.float32))
    entries = math.prod(layer.input_shape) // layer.groups
    groups = graph.op("Reshape", x, graph.number(0, layer.groups, entries, integer=True))
    unit = graph.op("InstanceNormalization", groups, scale, shift, epsilon=layer.epsilon)
    y = graph.op("Reshape", unit, graph.number(0, *layer.input_shape, integer=True))
    along = graph.number(-1, *[1] * (len(layer.input_shape) - 1), integer=True)
    for kind, key in (("Mul", "weight"), ("Add", "bias")):
        y = graph.op(kind, y, graph.op("Reshape", graph.parameter(layer, key), along))
    return y


@writes(GLU)
def _glu(graph: Graph, layer: GLU, x: str) -> str:
    half = layer.output_shape[-1]
    a, b = graph.part(x, 0, half), graph.part(x, half, 2 * half)
    return graph.op("Mul", a, write_layer(graph, layer.gate, b, "gate"))


@writes(NormalSampling)
def _normal_sampling(graph: Graph, layer: NormalSampling, x: str) -> str:
    return graph.part(x, 0, layer.output_shape[0])  # the means


@writes(PositionalEmbedding)
def _positional_embedding(graph: Graph, layer: PositionalEmbedding, x: str) -> str:
    return graph.op("Add", x, graph.parameter(layer, "weight"))


@writes(SinusoidalPositions)
def _sinusoidal_positions(graph: Graph, layer: SinusoidalPositions, x: str) -> str:
    waves = layer.forward(np.zeros((1, *layer.input_shape), np.float32))[0][0]
    return graph.op("Add", x, graph.array(f"waves_{len(graph.nodes)}", waves))


@writes(RotaryPositions)
def _rotary_positions(graph: Graph, layer: RotaryPositions, x: str) -> str:
    return _turned(graph, x, layer.input_shape[-2:], layer.base)


def _turned(graph: Graph, x: str, shape: Shape, base: float) -> str:
    """x (..., steps, features) with its pairs (a, b) rotated: x cos + (-b, a) sin."""
    steps, features = shape
    half = features // 2
    cosines, sines = (
        graph.array(f"{name}_{steps}_{features}_{base!r}", np.tile(array, 2))
        for name, array in zip(
            ("cosines", "sines"), rotations(0, steps, half, base, np.dtype(np.float32)), strict=True
        )
    )
    a, b = graph.part(x, 0, half), graph.part(x, half, features)
    crossed = graph.op("Concat", graph.op("Neg", b), a, axis=-1)
    return graph.op("Add", graph.op("Mul", x, cosines), graph.op("Mul", crossed, sines))


@writes(MultiHeadAttention)
def _attention(graph: Graph, layer: MultiHeadAttention, x: Any) -> str:
    given, shapes = x if isinstance(x, tuple) else (x,), parts(layer.input_shape)
    (steps, width), ends, found = shapes[0], layer.ends, []
    shared = layer.key_value_heads or layer.heads
    size = width // layer.heads

    def rows_of(key: str, first: int, last: int) -> str:
        """The rows of W or b that belong to some projections."""
        whole = graph.parameter(layer, key)
        if not layer.products[1:]:
            return whole
        cut = (graph.number(n, integer=True) for n in (ends[first], ends[last], 0))
        return graph.op("Slice", whole, *cut)

    for place, first, last in layer.products:
        if "in_proj_weight" in layer.parameter_names:
            z = _product(graph, given[place], rows_of("in_proj_weight", first, last))
        else:
            z = _product(graph, given[place], graph.parameter(layer, APART[first]))
        if layer.use_bias:
            z = graph.op("Add", z, rows_of("in_proj_bias", first, last))
        for n in range(first, last):  # as (m, shared, groups, steps, size)
            groups = 1 if n else layer.heads // shared
            own = graph.part(z, ends[n] - ends[first], ends[n + 1] - ends[first])
            shape = graph.number(0, shapes[place][0], shared, groups, size, integer=True)
            apart = graph.op("Reshape", own, shape)
            found.append(graph.op("Transpose", apart, perm=[0, 2, 3, 1, 4]))
    q, k, v = found
    q = graph.op("Mul", q, graph.number(size**-0.5))
    if layer.rotary:
        q, k = (_turned(graph, each, (steps, size), BASE) for each in (q, k))
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 2, 4, 3]))
    if layer.causal:
        mask = np.triu(np.full((steps, steps), -np.inf, np.float32), 1)
        scores = graph.op("Add", scores, graph.array(f"mask_{steps}", mask))
    weighted = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), v)
    rows = graph.op("Transpose", weighted, perm=[0, 3, 1, 2, 4])
    together = graph.op("Reshape", rows, graph.number(0, steps, width, integer=True))
    y: str = write_layer(graph, layer.out_proj, together, "out_proj")
    return y


@writes(TransformerBlock)
def _transformer_block(graph: Graph, layer: TransformerBlock, x: str) -> str:
    for path in (ATTENTION, FEED_FORWARD):
        h = x
        for name in path:
            if name != "dropout_layer":  # has no effect in prediction
                h = write_layer(graph, getattr(layer, name), h, name)
        x = graph.op("Add", x, h)
    return x


@writes(Unembedding)
def _unembedding(graph: Graph, layer: Unembedding, x: str) -> str:
    return _product(graph, x, graph.parameter(layer.embedding, "weight"))


def _product(graph: Graph, x: str, weight: str) -> str:
    """x W.T, for x of any number of axes."""
    return graph.op("MatMul", x, graph.op("Transpose", weight, perm=[1, 0]))


ORDERS: dict[type[Recurrent], tuple[str, list[int]]] = {
    SimpleRNN: ("RNN", [0]),
    LSTM: ("LSTM", [0, 3, 1, 2]),
    GRU: ("GRU", [1, 0, 2]),
}
"""The operators of recurrent layers, and the positions of their gates in PyTorch's order, which
these layers use."""


@writes(SimpleRNN, LSTM, GRU)
def _recurrent(graph: Graph, layer: Any, x: str) -> str:
    kind, order = ORDERS[type(layer)]
    n = layer.units
    rows = np.concatenate([np.arange(gate * n, gate * n + n) for gate in order])
    places = graph.array(f"gates_{kind}_{n}", rows)
    first = graph.array("first_axis", np.array([0]))

    def sorted_gates(key: str) -> str:
        return graph.op("Gather", graph.parameter(layer, key), places, axis=0)

    weights = [graph.op("Unsqueeze", sorted_gates(f"weight_{k}_l0"), first) for k in ("ih", "hh")]
    both = graph.op("Concat", *(sorted_gates(f"bias_{k}_l0") for k in ("ih", "hh")), axis=0)
    weights.append(graph.op("Unsqueeze", both, first))
    settings: dict[str, Any] = {"direction": "reverse" if layer.go_backwards else "forward"}
    if isinstance(layer, GRU):
        settings["linear_before_reset"] = 1
    if isinstance(layer, SimpleRNN):
        settings["activations"] = [layer.activation.capitalize()]
    steps = graph.op("Transpose", x, perm=[1, 0, 2])
    place = 0 if layer.return_sequences else 1
    y = graph.op(kind, steps, *weights, place=place, hidden_size=n, **settings)
    if not layer.return_sequences:
        return graph.op("Squeeze", y, first)
    each = graph.op("Squeeze", y, graph.array("second_axis", np.array([1])))
    return graph.op("Transpose", each, perm=[1, 0, 2])


@writes(Bidirectional)
def _bidirectional(graph: Graph, layer: Bidirectional, x: str) -> str:
    both = (write_layer(graph, part, x, "") for part in (layer.layer, layer.reverse))
    return graph.op("Concat", *both, axis=-1)
