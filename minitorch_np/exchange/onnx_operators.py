"""Each ONNX operator as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.exchange.onnx_reader import READERS, Read, Reader
from minitorch_np.exchange.onnx_recurrent import last_state, one_step, steps_first
from minitorch_np.exchange.onnx_windows import (
    conv,
    conv_transpose,
    global_average,
    pad,
    pool,
    reduce_mean,
    resize,
)
from minitorch_np.layers import activations as act
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GLU
from minitorch_np.layers.group_norm import GroupNorm, RMSNorm
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    MaxPool1D,
    MaxPool2D,
)
from minitorch_np.layers.positions import PositionalEmbedding
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.resizing import Transpose
from minitorch_np.layers.sampling import NormalSampling
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
    """A sum of branches, the bias after a product, or positions."""
    constants = [n for n, name in enumerate(node.input) if not reader.depends(name)]
    if not constants:
        parts, x = reader.branches(node)
        return [Add(*parts)], x
    if len(node.input) != 2:
        raise reader.refused(node, "a sum with a constant of more than two")
    array, other = reader.constant(node, constants[0]), node.input[1 - constants[0]]
    product = reader.nodes.get(other)
    if product is None:
        return _positions(reader, node, array, other)
    if product.op_type == "MatMul":
        weight = reader.constant(product, 1).T
        bias = np.broadcast_to(array.reshape(-1), len(weight))
        made, _ = reader.layer(node, lambda: Dense(len(weight)), weight=weight, bias=bias)
        return made, product.input[0]
    if product.op_type == "Mul":
        return _normalization(reader, node, product, array)
    return _positions(reader, node, array, other)


def _positions(reader: Reader, node: Any, array: AnyArray, x: str) -> Read:
    """Read a constant for each step and feature that is added to a sequence."""
    shape = reader.shape(x)[1:]
    if len(shape) != 2 or array.shape not in (shape, (1, *shape)):
        raise reader.refused(node, f"a constant of shape {array.shape} that is added to {shape}")
    made, _ = reader.layer(node, PositionalEmbedding, weight=array.reshape(shape))
    return made, x


def _normalization(reader: Reader, node: Any, product: Any, bias: AnyArray) -> Read:
    """Something normalized, then a weight and a bias for each channel or feature."""
    unit, weight = _scaled(reader, product)
    if unit.op_type == "Div":
        centered, epsilon = _divided(reader, unit)
        before = reader.nodes.get(centered)
        if before is not None and before.op_type == "Sub":
            layer_norm = lambda: LayerNorm(weight.ndim, epsilon)  # noqa: E731
            made, _ = reader.layer(node, layer_norm, weight=weight, bias=bias)
            return made, before.input[0]
    norm: Any = reader.nodes.get(unit.input[0])
    groups: Any = norm and reader.nodes.get(norm.input[0])
    kinds = [each and each.op_type for each in (unit, norm, groups)]
    if kinds != ["Reshape", "InstanceNormalization", "Reshape"]:
        raise reader.refused(node, "a constant added to a product that no layer computes")
    number, epsilon = reader.constant(norm, 1).size, _epsilon(reader, norm)
    group_norm = lambda: GroupNorm(number, epsilon)  # noqa: E731
    weights = {"weight": weight.reshape(-1), "bias": bias.reshape(-1)}
    made, _ = reader.layer(node, group_norm, **weights)
    return made, groups.input[0]


def _group_norm(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, num_groups=None, epsilon=1e-5, stash_type=1)
    weights = {name: reader.constant(node, place) for name, place in (("weight", 1), ("bias", 2))}
    group_norm = lambda: GroupNorm(given["num_groups"], given["epsilon"])  # noqa: E731
    return reader.layer(node, group_norm, **weights)


def _rms_norm(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, axis=-1, epsilon=1e-5, stash_type=1)
    weight = reader.constant(node, 1)
    return reader.layer(node, lambda: RMSNorm(given["epsilon"]), weight=weight)


def _mul(reader: Reader, node: Any) -> Read:
    """A vector's size normalized, or one half of the features by a function of the other."""
    if not all(map(reader.depends, node.input)):
        unit, weight = _scaled(reader, node)
        x, epsilon = _divided(reader, unit)
        made, _ = reader.layer(node, lambda: RMSNorm(epsilon), weight=weight)
        return made, x
    for half, gated in (node.input, node.input[::-1]):
        part = reader.nodes.get(half)
        if part is None or part.op_type not in ("Slice", "Split"):
            continue
        layers, other = reader.read(gated)
        rest = reader.nodes.get(other)
        same = rest is not None and rest.op_type == part.op_type and rest.input[0] == part.input[0]
        if same and len(layers) == 1 and isinstance(layers[0], act.Activation):
            return [GLU(layers[0])], part.input[0]
    raise reader.refused(node, "a product that no layer computes")


def _scaled(reader: Reader, product: Any) -> tuple[Any, AnyArray]:
    """The scaled node and the constant of a product with a constant."""
    place = next((n for n, name in enumerate(product.input) if not reader.depends(name)), 0)
    unit = reader.nodes.get(product.input[1 - place])
    if unit is None:
        raise reader.refused(product, "a product with a constant, which no layer computes")
    return unit, reader.constant(product, place)


def _divided(reader: Reader, node: Any) -> tuple[str, float]:
    """The x and epsilon of x / sqrt(... + epsilon); the final comparison verifies the rest."""
    root = reader.nodes.get(node.input[1]) if len(node.input) == 2 else None
    sum_ = reader.nodes.get(root.input[0]) if root is not None and root.op_type == "Sqrt" else None
    if node.op_type != "Div" or sum_ is None or sum_.op_type != "Add":
        raise reader.refused(node, f"{node.op_type} before a product, which no layer computes")
    place = int(reader.depends(sum_.input[0]))
    return node.input[0], float(reader.constant(sum_, place))


def _epsilon(reader: Reader, node: Any) -> float:
    return float(reader.attributes(node, epsilon=1e-5)["epsilon"])


def _instance_norm(reader: Reader, node: Any) -> Read:
    """A group for each channel."""
    epsilon = _epsilon(reader, node)
    weights = {"weight": reader.constant(node, 1), "bias": reader.constant(node, 2)}
    return reader.layer(node, lambda: GroupNorm(len(weights["weight"]), epsilon), **weights)


def _concat(reader: Reader, node: Any) -> Read:
    axis = reader.attributes(node, axis=1)["axis"]
    parts, x = reader.branches(node)
    return [Concatenate(*parts, axis=axis)], x


def _transpose(reader: Reader, node: Any) -> Read:
    axes = reader.attributes(node, perm=None)["perm"]
    if axes == [0, 2, 1]:
        return [Transpose()], node.input[0]
    if axes == [1, 0, 2]:
        return steps_first(reader, node.input[0])
    if axes and axes == sorted(axes):
        return [], node.input[0]
    raise reader.refused(node, f"Transpose with perm {axes}")


def _flatten(reader: Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, axis=1), axis=1)
    before = reader.nodes.get(node.input[0])
    if before is not None and before.op_type == "GlobalAveragePool":
        layers, x = global_average(reader, before)
        return layers[:1], x
    return [Flatten()], node.input[0]


def _reshape(reader: Reader, node: Any) -> Read:
    reader.only(node, reader.attributes(node, allowzero=0), allowzero=0)
    batch, *shape = reader.constant(node, 1).tolist()
    before = (reader.rows, *reader.input_shape)
    if 0 in shape:
        before = reader.shape(node.input[0])
    shape = [n or before[place] for place, n in enumerate(shape, 1)]
    if batch not in (0, -1, reader.rows) or (batch == -1 and -1 in shape) or not shape:
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
    rate = reader.attributes(node, seed=0, ratio=0.5)["ratio"]
    if len(node.input) > 1 and node.input[1]:
        rate = float(reader.constant(node, 1))
    return [Dropout(rate)], node.input[0]


def _cast(reader: Reader, node: Any) -> Read:
    kind = reader.attributes(node, to=0, saturate=1)["to"]
    if kind not in (reader.onnx.TensorProto.FLOAT, reader.onnx.TensorProto.DOUBLE):
        raise reader.refused(node, "a cast to integers that are not indices")
    return [], node.input[0]


def _gather(reader: Reader, node: Any) -> Read:
    """Rows of a table, or one step of a sequence."""
    axis = reader.attributes(node, axis=0)["axis"]
    if reader.depends(node.input[0]):
        return one_step(reader, node, axis)
    reader.only(node, {"axis": axis}, axis=0)
    cast = reader.nodes.get(node.input[1])
    x = cast.input[0] if cast is not None and cast.op_type == "Cast" else node.input[1]
    weight = reader.constant(node, 0)
    made, _ = reader.layer(node, lambda: Embedding(*weight.shape), weight=weight)
    return made, x


def _prelu(reader: Reader, node: Any) -> Read:
    before = reader.nodes.get(node.input[1])
    source = before if before is not None and before.op_type == "Reshape" else node
    slope = reader.constant(source, 0 if source is before else 1).reshape(-1)
    make = lambda: act.PReLU(per_channel=slope.size > 1)  # noqa: E731
    return reader.layer(node, make, weight=slope)


def _clip(reader: Reader, node: Any) -> Read:
    given = reader.attributes(node, min=None, max=None)  # before opset 11
    for place, name in enumerate(node.input[1:], 1):
        if name:
            given["min" if place == 1 else "max"] = float(reader.constant(node, place))
    bounds = given["min"], given["max"]
    if bounds == (0, 6):
        return [act.ReLU6()], node.input[0]
    if bounds == (0, None):
        return [act.ReLU()], node.input[0]
    raise reader.refused(node, f"a clip to {bounds}")


def _softplus(reader: Reader, node: Any) -> Read:
    """Softplus(beta x) / beta."""
    inner: Any = reader.nodes.get(node.input[0])
    scaled: Any = inner and inner.op_type == "Softplus" and reader.nodes.get(inner.input[0])
    if not scaled or scaled.op_type != "Mul":
        raise reader.refused(node, "the operator Div, for which there is no layer")
    place = int(reader.depends(scaled.input[0]))
    beta = float(reader.constant(scaled, place))
    return [act.Softplus(beta)], scaled.input[1 - place]


def _plain(make: Callable[..., Layer], **names: Any) -> Callable[[Reader, Any], Read]:
    """The reader of an operator that is one layer. `names` are its attributes' defaults; those
    after `only_` must have their default, the others are the layer's arguments in order.
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
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": pool(MaxPool1D, MaxPool2D, storage_order=0),
    "AveragePool": pool(AveragePool1D, AveragePool2D, count_include_pad=0),
    "GlobalAveragePool": global_average,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "Transpose": _transpose,
    "Squeeze": last_state,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "RMSNormalization": _rms_norm,
    "Div": _softplus,
    "Mul": _mul,
    "Slice": lambda reader, node: ([NormalSampling()], node.input[0]),  # if it is the first half
    "ReduceMean": reduce_mean,
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
