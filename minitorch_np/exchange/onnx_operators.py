"""Each ONNX operator as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.exchange.onnx_reader import READERS, Read, Reader
from minitorch_np.layers import activations as act
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.softmax import LogSoftmax, Softmax


def _gemm(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    reader.only(node, given, alpha=1.0, beta=1.0, transA=0)
    matrix = reader.constant(node, 1)
    weights = {"weight": matrix if given["transB"] else matrix.T}
    if bias := len(node.input) > 2:
        units = len(weights["weight"])
        weights["bias"] = np.broadcast_to(reader.constant(node, 2).reshape(-1), (units,))
    return reader.layer(node, lambda: Dense(len(weights["weight"]), use_bias=bias), **weights)


def _matmul(reader: Reader, node: Any) -> Read:
    weight = reader.constant(node, 1).T
    return reader.layer(node, lambda: Dense(len(weight), use_bias=False), weight=weight)


def _add(reader: Reader, node: Any) -> Read:
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


def _concat(reader: Reader, node: Any) -> Read:
    axis = reader.attributes(node, axis=1)["axis"]
    parts, x = reader.branches(node)
    return [Concatenate(*parts, axis=axis)], x


def _window(reader: Reader, node: Any, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """All attributes of a convolution or pooling, and the arguments that the layers share."""
    defaults = {"strides": [1, 1], "pads": [0] * 4, "auto_pad": "NOTSET", "dilations": [1, 1]}
    given = reader.attributes(node, kernel_shape=None, **defaults, **more)
    reader.only(node, given, auto_pad=("NOTSET", "VALID", "SAME_UPPER"))
    top, left, bottom, right = given["pads"] if len(given["pads"]) == 4 else (0, 1, 2, 3)
    padding: Any = (top, left)
    if given["auto_pad"] == "SAME_UPPER" or (top, left) != (bottom, right):
        padding = "same"  # if that is another border, the comparison at the end tells
    return given, {"stride": tuple(given["strides"]), "padding": padding}


def _conv(reader: Reader, node: Any) -> Read:
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


def _max_pool(reader: Reader, node: Any) -> Read:
    given, arguments = _window(reader, node, ceil_mode=0, storage_order=0)
    reader.only(node, given, ceil_mode=0, dilations=([1, 1],))
    return [MaxPool2D(tuple(given["kernel_shape"]), **arguments)], node.input[0]


def _average_pool(reader: Reader, node: Any) -> Read:
    given, arguments = _window(reader, node, ceil_mode=0, count_include_pad=0)
    padded = any(given["pads"])
    reader.only(node, given, ceil_mode=0, count_include_pad=0 if padded else (0, 1))
    return [AveragePool2D(tuple(given["kernel_shape"]), **arguments)], node.input[0]


def _flatten(reader: Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, axis=1), axis=1)
    before = reader.nodes.get(node.input[0])
    if before is not None and before.op_type == "GlobalAveragePool":
        return [GlobalAveragePool2D()], before.input[0]
    return [Flatten()], node.input[0]


def _reduce_mean(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, axes=None, keepdims=1, noop_with_empty_axes=0)
    axes = given["axes"] or reader.constant(node, 1).tolist()
    if sorted(axes) not in ([2, 3], [-2, -1]) or given["keepdims"]:
        raise reader.refused(node, f"a mean over the axes {axes}")
    return [GlobalAveragePool2D()], node.input[0]


def _reshape(reader: Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, allowzero=0), allowzero=0)
    batch, *shape = reader.constant(node, 1).tolist()
    if batch not in (0, -1) or 0 in shape or (batch == -1 and -1 in shape):
        raise reader.refused(node, f"a reshape to {[batch, *shape]}, which mixes samples")
    return [Flatten() if shape == [-1] else Reshape(tuple(shape))], node.input[0]


def _batch_norm(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1)
    reader.only(node, given, training_mode=0)
    keys = ("weight", "bias", "running_mean", "running_var")
    weights = {key: reader.constant(node, place) for place, key in enumerate(keys, 1)}
    return reader.layer(node, lambda: BatchNorm(1 - given["momentum"], given["epsilon"]), **weights)


def _layer_norm(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, axis=-1, epsilon=1e-5, stash_type=1)
    weight = reader.constant(node, 1)
    bias = reader.constant(node, 2) if len(node.input) > 2 else np.zeros_like(weight)
    make = lambda: LayerNorm(weight.ndim, given["epsilon"])  # noqa: E731
    return reader.layer(node, make, weight=weight, bias=bias)


def _dropout(reader: Reader, node: Any) -> Read:
    reader.attributes(node, seed=0)
    rate = float(reader.constant(node, 1)) if len(node.input) > 1 else 0.5
    return [Dropout(rate)], node.input[0]


def _cast(reader: Reader, node: Any) -> Read:
    kind = reader.attributes(node, to=0, saturate=1)["to"]
    if kind not in (reader.onnx.TensorProto.FLOAT, reader.onnx.TensorProto.DOUBLE):
        raise reader.refused(node, "a cast to whole numbers that are no indices")
    return [], node.input[0]


def _gather(reader: Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, axis=0), axis=0)
    weight, cast = reader.constant(node, 0), reader.nodes.get(node.input[1])
    x = cast.input[0] if cast is not None and cast.op_type == "Cast" else node.input[1]
    layer = Embedding(*weight.shape)
    reader.weights.append((layer, {"weight": weight}))
    return [layer], x


def _prelu(reader: Reader, node: Any) -> Read:
    before = reader.nodes.get(node.input[1])
    source = before if before is not None and before.op_type == "Reshape" else node
    slope = reader.constant(source, 0 if source is before else 1).reshape(-1)
    make = lambda: act.PReLU(per_channel=slope.size > 1)  # noqa: E731
    return reader.layer(node, make, weight=slope)


def _clip(reader: Reader, node: Any) -> Read:
    bounds = [float(reader.constant(node, n)) for n, name in enumerate(node.input) if n and name]
    if bounds == [0.0, 6.0]:
        return [act.ReLU6()], node.input[0]
    if bounds == [0.0]:
        return [act.ReLU()], node.input[0]
    raise reader.refused(node, f"a clip to {bounds}")


def _plain(make: Callable[..., Layer], **names: Any) -> Callable[[Reader, Any], Read]:
    """The reader of an operator that is one layer. `names` are its attributes' defaults; those
    after `only_` have to keep theirs, the others are the layer's arguments in their order.
    """
    arguments = [name for name in names if not name.startswith("only_")]
    fixed = {n.removeprefix("only_"): v for n, v in names.items() if n.startswith("only_")}

    def read(reader: Reader, node: Any) -> Read:
        defaults = {name: v[0] if isinstance(v, tuple) else v for name, v in fixed.items()}
        given = reader.attributes(node, **{name: names[name] for name in arguments}, **defaults)
        for name, right in fixed.items():
            rights = right if isinstance(right, tuple) else (right,)
            if not any(np.isclose(given[name], each, rtol=1e-6) for each in rights):
                raise reader.refused(node, f"{node.op_type} with {name} {given[name]}")
        return [make(*(given[name] for name in arguments))], node.input[0]

    return read


READERS |= {
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
