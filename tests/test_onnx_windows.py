"""Operators of ONNX on images and series: the layers that they are read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minitorch_np.arrays import AnyArray
from tests.onnx_by_hand import IMAGES, KERNEL, SERIES, UP, C, node, require_read, windows

# Nodes, x, what else is given (constants, opset, rows), the layers, and what they compute.
READ: dict[str, tuple[Any, AnyArray, dict[str, Any], str, Any]] = {
    "flatten": (node("Flatten x"), IMAGES, {}, "Flatten()", IMAGES.reshape(2, -1)),
    "flat": (node("Reshape x to"), IMAGES, {"to": [0, -1]}, "Flatten()", IMAGES.reshape(2, -1)),
    "any batch": (
        node("Reshape x to"),
        IMAGES,
        {"to": [-1, 12, 12]},
        "Reshape((12, 12))",
        IMAGES.reshape(2, 12, 12),
    ),
    "this batch": (
        node("Reshape x to"),
        IMAGES,
        {"to": [2, 4, -1], "rows": 2},
        "Reshape((4, -1))",
        IMAGES.reshape(2, 4, -1),
    ),
    "an axis that is kept": (
        node("Reshape x to"),
        IMAGES,
        {"to": [0, 0, 36]},
        "Reshape((4, 36))",
        IMAGES.reshape(2, 4, 36),
    ),
    "zeros": (
        node("Pad x pads"),
        IMAGES,
        {"pads": [0, 0, 1, 2, 0, 0, 3, 0]},
        "ZeroPadding(padding=((1, 3), (2, 0)))",
        np.pad(IMAGES, [(0, 0), (0, 0), (1, 3), (2, 0)]),
    ),
    "zeros of 10": (
        node("Pad x", pads=[0, 0, 1, 0, 0, 2]),
        SERIES,
        {"opset": 10},
        "ZeroPadding(padding=((1, 2),))",
        np.pad(SERIES, [(0, 0), (0, 0), (1, 2)]),
    ),
    "zeros that are given": (
        node("Pad x pads zero"),
        SERIES,
        {"pads": [0, 0, 0, 0, 0, 2]},
        "ZeroPadding(padding=((0, 2),))",
        np.pad(SERIES, [(0, 0), (0, 0), (0, 2)]),
    ),
    "larger": (
        node(
            "Resize x - by",
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        IMAGES,
        {"by": np.array([1, 1, 2, 3], np.float32)},
        "UpSampling2D(size=(2, 3))",
        IMAGES.repeat(2, 2).repeat(3, 3),
    ),
    "convolution": (
        node("Conv x K", strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2]),
        IMAGES,
        {},
        "Conv2D(2, (3, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2), use_bias=False)",
        windows(IMAGES, KERNEL, (2, 1), ((1, 1), (0, 0)), (1, 2)),
    ),
    "convolution of uneven borders": (
        node("Conv x K C", pads=[0, 1, 2, 0]),
        IMAGES,
        {},
        "ZeroPadding(padding=((0, 2), (1, 0))) Conv2D(2, (3, 3), stride=(1, 1), dilation=(1, 1))",
        windows(IMAGES, KERNEL, (1, 1), ((0, 2), (1, 0)), (1, 1)) + C.reshape(2, 1, 1),
    ),
    "convolution of equal size": (
        node("Conv x K", auto_pad="SAME_UPPER"),
        IMAGES,
        {},
        "Conv2D(2, (3, 3), stride=(1, 1), padding='same', dilation=(1, 1), use_bias=False)",
        windows(IMAGES, KERNEL, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ),
    "convolution of groups": (
        node("Conv x G", group=2, auto_pad="VALID"),
        IMAGES,
        {"G": KERNEL[:, :2]},
        "Conv2D(2, (3, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=2, "
        "use_bias=False)",
        np.concatenate(
            [
                windows(IMAGES[:, :2], KERNEL[:1, :2], (1, 1), ((0, 0), (0, 0)), (1, 1)),
                windows(IMAGES[:, 2:], KERNEL[1:, :2], (1, 1), ((0, 0), (0, 0)), (1, 1)),
            ],
            1,
        ),
    ),
    "series": (
        node("Conv x G", pads=[1, 1], strides=[2]),
        SERIES,
        {"G": KERNEL[:, :3, 0, :2]},
        "Conv1D(2, 2, stride=2, padding=1, use_bias=False)",
        windows(SERIES[:, :, np.newaxis], KERNEL[:, :3, :1, :2], (1, 2), ((0, 0), (1, 1)), (1, 1))[
            :, :, 0
        ],
    ),
    "transposed": (
        node("ConvTranspose x U C", strides=[2, 2]),
        IMAGES,
        {},
        "ConvTranspose2D(2, (2, 2), stride=(2, 2), padding=(0, 0), output_padding=(0, 0), "
        "dilation=(1, 1))",
        np.einsum("mcij,cfkl->mfikjl", IMAGES, UP).reshape(2, 2, 12, 12) + C.reshape(2, 1, 1),
    ),
    "largest": (
        node("MaxPool x", kernel_shape=[2, 3], strides=[2, 3]),
        IMAGES,
        {},
        "MaxPool2D(pool_size=(2, 3), stride=(2, 3), padding=(0, 0))",
        IMAGES.reshape(2, 4, 3, 2, 2, 3).max((3, 5)),
    ),
    "means with zeros": (
        node("AveragePool x", kernel_shape=[2], pads=[1, 1], strides=[2], count_include_pad=1),
        SERIES,
        {},
        "ZeroPadding(padding=((1, 1),)) AveragePool1D(stride=2)",
        SERIES / 2,
    ),
    "means without zeros": (
        node("AveragePool x", kernel_shape=[2], pads=[1, 1], strides=[2]),
        SERIES,
        {},
        "AveragePool1D(stride=2, padding=1)",
        SERIES,
    ),
    "means of one axis": (
        node("AveragePool x", kernel_shape=[2], count_include_pad=1),
        SERIES,
        {},
        "AveragePool1D(stride=1, padding=0)",
        SERIES.mean(2, keepdims=True),
    ),
    "means of channels": (
        node("GlobalAveragePool x"),
        IMAGES,
        {},
        "GlobalAveragePool2D() Reshape((-1, 1, 1))",
        IMAGES.mean((2, 3), keepdims=True),
    ),
    "means of series": (
        node("GlobalAveragePool x"),
        SERIES,
        {},
        "GlobalAveragePool1D() Reshape((-1, 1))",
        SERIES.mean(2, keepdims=True),
    ),
    "flat means": (
        [node("GlobalAveragePool x -> h"), node("Flatten h", axis=1)],
        IMAGES,
        {},
        "GlobalAveragePool2D()",
        IMAGES.mean((2, 3)),
    ),
    "means of two axes": (
        node("ReduceMean x", axes=[-1, -2], keepdims=0),
        IMAGES,
        {},
        "GlobalAveragePool2D()",
        IMAGES.mean((2, 3)),
    ),
    "means of features": (
        node("ReduceMean x", axes=[2], keepdims=0),
        SERIES,
        {},
        "GlobalAveragePool1D()",
        SERIES.mean(2),
    ),
    "means of steps": (
        node("ReduceMean x axes", keepdims=0),
        SERIES,
        {"axes": [1], "opset": 18},
        "GlobalAveragePool1D(axis=1)",
        SERIES.mean(1),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_an_operator_is_read_as_these_layers(name: str, tmp_path: Path) -> None:
    require_read(READ[name], tmp_path)
