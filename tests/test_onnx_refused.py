"""Operators of ONNX that no layer computes: each is refused, with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from tests.onnx_by_hand import (
    HALVES,
    IMAGES,
    PER_CHANNEL,
    ROWS,
    SERIES,
    node,
    numbers,
    read,
)


def pads(*numbers: int) -> dict[str, Any]:
    return {"pads": list(numbers)}


VOLUME = numbers(2, 1, 3, 3, 3)
NEAREST = {"mode": "nearest", "nearest_mode": "floor"}

# Nodes, x, what else is given, and what is said.
REFUSED: dict[str, tuple[Any, AnyArray, dict[str, Any], str]] = {
    "gemm times a number": (node("Gemm x W", alpha=2.0), ROWS, {}, "Gemm with alpha 2.0"),
    "gemm of a column": (
        node("Gemm x W", transA=1),
        ROWS[:3],
        {"rows": 3},
        "Gemm with transA 1",
    ),
    "gemm, a part of its bias": (
        node("Gemm x W C", beta=0.5),
        ROWS,
        {},
        "Gemm with beta 0.5",
    ),
    "two constants": (node("Sum x V V"), ROWS, {}, "a sum with a constant of more than two"),
    "a constant row": (
        node("Add x V"),
        ROWS,
        {},
        r"a constant of shape \(3,\) that is added to \(3,\)",
    ),
    "a constant of fewer axes": (
        node("Add x C"),
        SERIES,
        {},
        r"a constant of shape \(2,\) that is added to \(3, 2\)",
    ),
    "a product with a constant": (node("Mul x V"), ROWS, {}, "a product with a constant, which no"),
    "a factor and a bias": (
        [node("Tanh x -> h"), node("Mul h V -> s"), node("Add s V")],
        ROWS,
        {},
        "a constant added to a product that no layer computes",
    ),
    "a factor": (
        [node("Tanh x -> h"), node("Mul h V")],
        ROWS,
        {},
        "Tanh before a product, which no",
    ),
    "a quotient": (
        [node("Div x six -> h"), node("Mul h V")],
        ROWS,
        {},
        "Div before a product, which no",
    ),
    "a quotient and a bias": (
        [node("Div x six -> h"), node("Mul h V -> s"), node("Add s V")],
        ROWS,
        {},
        "Div before a product, which no",
    ),
    "a product of two": (
        [node("Tanh x -> h"), node("Mul h x")],
        ROWS,
        {},
        "a product that no layer computes",
    ),
    "a gate of two layers": (
        [
            node("Split x -> a b", axis=-1),
            node("Sigmoid b -> g"),
            node("Relu g -> h"),
            node("Relu h -> i"),
            node("Mul a i"),
        ],
        HALVES,
        {"opset": 13},
        "a product that no layer computes|differ|for which there is no layer",
    ),
    "transpose": (node("Transpose x"), SERIES, {}, "Transpose with perm None"),
    "steps first": (node("Transpose x", perm=[1, 0, 2]), SERIES, {}, "first axis is not a batch"),
    "batch last": (
        node("Transpose x", perm=[2, 0, 1]),
        SERIES,
        {},
        r"Transpose with perm \[2, 0, 1\]",
    ),
    "flat in part": (node("Flatten x", axis=2), IMAGES, {}, "Flatten with axis 2"),
    "samples in one": (node("Reshape x to"), IMAGES, {"to": [8, 72], "rows": 2}, "mixes samples"),
    "samples in a row": (node("Reshape x to"), IMAGES, {"to": [-1]}, r"a reshape to \[-1\]"),
    "any number": (node("Reshape x to"), IMAGES, {"to": [5, 36]}, r"a reshape to \[5, 36\]"),
    "zeros as they stand": (
        node("Reshape x to", allowzero=1),
        IMAGES,
        {"to": [-1, 144]},
        "Reshape with allowzero 1",
    ),
    "integers": (
        [node("Cast x -> i", to=7), node("Cast i", to=1)],
        ROWS,
        {},
        "a cast to integers that are not indices",
    ),
    "columns of a table": (
        [node("Cast x -> i", to=7), node("Gather W i", axis=1)],
        np.zeros((2, 2), np.float32),
        {},
        "Gather with axis 1",
    ),
    "an entry": (node("Gather x n", axis=1), SERIES, {"n": 1}, "an entry at 1 along axis 1, which"),
    "the last of something": (
        [node("Tanh x -> h"), node("Gather h n", axis=1)],
        SERIES,
        {"n": -1},
        "an entry at -1 along axis 1, which no layer selects",
    ),
    "a clip to less": (node("Clip x zero five"), ROWS, {}, r"a clip to \(0\.0, 5\.0\)"),
    "a clip from above": (node("Clip x - six"), ROWS, {}, r"a clip to \(None, 6\.0\)"),
    "a clip of 10": (node("Clip x"), ROWS, {"opset": 10}, r"a clip to \(-?[^)]*\)"),
    "softplus over less": (node("Div x six"), ROWS, {}, "the operator Div, for which there is no"),
    "another quotient": (
        [node("Softplus x -> s"), node("Div s six")],
        ROWS,
        {},
        "the operator Div, for which there is no layer",
    ),
    "selu of another size": (node("Selu x", gamma=2.0), ROWS, {}, "Selu with gamma 2.0"),
    "hard sigmoid": (node("HardSigmoid x", alpha=0.25), ROWS, {}, "HardSigmoid with alpha 0.25"),
    "another hard sigmoid": (
        node("HardSigmoid x", alpha=1 / 6, beta=0.75),
        ROWS,
        {},
        "HardSigmoid with beta 0.75",
    ),
    "softmax of samples": (node("Softmax x", axis=0), ROWS, {}, "Softmax with axis 0"),
    "batch norm in training": (
        node("BatchNormalization x S S S S -> y m v", training_mode=1),
        IMAGES,
        {"S": PER_CHANNEL**2},
        "BatchNormalization with training_mode 1",
    ),
    "convolution of volumes": (node("Conv x ones"), VOLUME, {}, "Conv along 3 axes, of at most 2"),
    "pooling of volumes": (
        node("MaxPool x", kernel_shape=[2, 2, 2]),
        VOLUME,
        {},
        "MaxPool along 3 axes, of at most 2",
    ),
    "zeros below": (
        node("Conv x K", auto_pad="SAME_LOWER"),
        IMAGES,
        {},
        "Conv with auto_pad SAME_LOWER",
    ),
    "transposed, uneven": (
        node("ConvTranspose x U", **pads(0, 0, 1, 0)),
        IMAGES,
        {},
        r"ConvTranspose with pads \[0, 0, 1, 0\]",
    ),
    "transposed, of equal size": (
        node("ConvTranspose x U", auto_pad="SAME_UPPER"),
        IMAGES,
        {},
        "ConvTranspose with auto_pad SAME_UPPER",
    ),
    "transposed, of a size": (
        node("ConvTranspose x U", output_shape=[7, 7]),
        IMAGES,
        {},
        r"ConvTranspose with output_shape \[7, 7\]",
    ),
    "pooling to the end": (
        node("MaxPool x", kernel_shape=[4, 4], strides=[4, 4], ceil_mode=1),
        IMAGES,
        {},
        "MaxPool with ceil_mode 1",
    ),
    "pooling with gaps": (
        node("MaxPool x", kernel_shape=[2, 2], dilations=[2, 1]),
        IMAGES,
        {},
        r"MaxPool with dilations \[2, 1\]",
    ),
    "a mirror": (
        node("Pad x pads", mode="reflect"),
        SERIES,
        {"pads": [0, 0, 1, 0, 0, 0]},
        "Pad with mode reflect",
    ),
    "ones of 10": (
        node("Pad x", value=1.0, **pads(0, 0, 1, 0, 0, 0)),
        SERIES,
        {"opset": 10},
        "Pad with value 1.0",
    ),
    "sixes": (node("Pad x pads six"), SERIES, {"pads": [0, 0, 1, 0, 0, 0]}, "Pad with 6.0"),
    "some axes": (
        node("Pad x pads - axes"),
        SERIES,
        {"pads": [1, 0], "axes": [2], "opset": 18},
        "Pad along some axes only",
    ),
    "more samples": (
        node("Pad x pads"),
        SERIES,
        {"pads": [0, 0, 0, 1, 0, 0]},
        r"Pad with \[0, 0, 0, 1, 0, 0\], along more",
    ),
    "more channels": (
        node("Pad x pads"),
        SERIES,
        {"pads": [0, 1, 0, 0, 0, 0]},
        r"Pad with \[0, 1, 0, 0, 0, 0\], along more",
    ),
    "less": (node("Pad x pads"), SERIES, {"pads": [0, 0, -1, 0, 0, 0]}, r"Pad with \[0, 0, -1, 0"),
    "zeros for rows": (
        node("Pad x pads"),
        ROWS,
        {"pads": [0, 0, 0, 0]},
        r"Pad with \[0, 0, 0, 0\]",
    ),
    "in between": (
        node("Resize x - by", mode="linear"),
        IMAGES,
        {"by": np.array([1, 1, 2, 2], np.float32)},
        "Resize of another kind than nearest",
    ),
    "larger series": (
        node("Resize x - by", **NEAREST),
        SERIES,
        {"by": np.array([1, 1, 2], np.float32)},
        "Resize of another kind than nearest, of images",
    ),
    "by a half": (
        node("Resize x - by", **NEAREST),
        IMAGES,
        {"by": np.array([1, 1, 1.5, 1], np.float32)},
        r"Resize from \(3, 4, 6, 6\) to \(3, 4, 9, 6\)",
    ),
    "means that stay": (
        node("ReduceMean x", axes=[2, 3]),
        IMAGES,
        {},
        r"a mean over the axes \[2, 3\] of 4",
    ),
    "means of channels": (
        node("ReduceMean x", axes=[1], keepdims=0),
        IMAGES,
        {},
        r"a mean over the axes \[1\] of 4",
    ),
    "a kernel that is computed": (
        node("MatMul x x"),
        numbers(3, 3),
        {"rows": 3},
        "'x', which is computed",
    ),
    "a squeeze": (
        node("Squeeze x ends"),
        numbers(2, 1, 3),
        {"ends": [1]},
        "a squeeze of anything but",
    ),
    "no known operator": (
        node("Sin x"),
        ROWS,
        {},
        "node 'y': got the operator Sin, for which there",
    ),
    "an output of several": (
        node("Split x -> z y", axis=-1),
        HALVES,
        {"opset": 13},
        "node 'z': got the operator Split, for which",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_computes_is_refused(name: str, tmp_path: Path) -> None:
    nodes, x, given, said = REFUSED[name]
    with pytest.raises(mt.ModelFileError, match=said):
        read(tmp_path, nodes, x, x.ndim, **given)
