"""ONNX operators on images and series as layers: convolution, pooling, borders, resizing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from minitorch_np.core.layer import Layer
from minitorch_np.exchange.onnx_reader import Read, Reader
from minitorch_np.layers.convolution import Conv1D, Conv2D
from minitorch_np.layers.pooling import GlobalAveragePool1D, GlobalAveragePool2D
from minitorch_np.layers.reshape import Reshape
from minitorch_np.layers.resizing import UpSampling2D, ZeroPadding
from minitorch_np.layers.transposed_convolution import ConvTranspose1D, ConvTranspose2D

L = TypeVar("L", bound=Layer)


class Window(NamedTuple):
    """The common attributes of convolutions and pooling, and the arguments of the layer."""

    given: dict[str, Any]
    axes: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    same: bool

    @classmethod
    def of(cls, reader: Reader, node: Any, axes: int, **more: Any) -> Window:
        """The window of a node. Raises ModelFileError for more than two axes."""
        defaults = {"strides": [1] * axes, "pads": [0] * 2 * axes, "dilations": [1] * axes}
        given = reader.attributes(node, kernel_shape=None, auto_pad="NOTSET", **defaults, **more)
        reader.only(node, given, auto_pad=("NOTSET", "VALID", "SAME_UPPER"))
        if axes not in (1, 2):
            raise reader.refused(node, f"{node.op_type} along {axes} axes, of at most 2")
        before, after = tuple(given["pads"][:axes]), tuple(given["pads"][axes:])
        return cls(given, axes, before, after, given["auto_pad"] == "SAME_UPPER")

    def of_layer(self, value: Any) -> Any:
        """A number for each axis, in the form of the layers' arguments."""
        return int(value[0]) if self.axes == 1 else tuple(map(int, value))

    def kind(self, one: type[L], two: type[L]) -> type[L]:
        """The layer for one axis, or that for two."""
        return one if self.axes == 1 else two

    def arguments(self) -> dict[str, Any]:
        """Stride and padding."""
        even = self.before == self.after
        padding = "same" if self.same else self.of_layer(self.before) if even else "valid"
        return {"stride": self.of_layer(self.given["strides"]), "padding": padding}

    def zeros(self) -> list[Layer]:
        """A layer for padding that differs between the sides."""
        uneven = self.before != self.after
        return [ZeroPadding(list(zip(self.before, self.after, strict=True)))] if uneven else []


def conv(reader: Reader, node: Any) -> Read:
    """Read a convolution, with a separate padding layer if the sides differ."""
    weights = {"weight": reader.constant(node, 1)}
    filters, _, *kernel = weights["weight"].shape
    window = Window.of(reader, node, len(kernel), group=1)
    if bias := len(node.input) > 2:
        weights["bias"] = reader.constant(node, 2)
    arguments = window.arguments() | {
        "dilation": window.of_layer(window.given["dilations"]),
        "groups": window.given["group"],
        "use_bias": bias,
    }
    cls = window.kind(Conv1D, Conv2D)
    made, x = reader.layer(
        node, lambda: cls(filters, window.of_layer(kernel), **arguments), **weights
    )
    return window.zeros() + made, x


def conv_transpose(reader: Reader, node: Any) -> Read:
    """Read a transposed convolution."""
    weights = {"weight": reader.constant(node, 1)}
    _, filters, *kernel = weights["weight"].shape
    axes = len(kernel)
    window = Window.of(reader, node, axes, group=1, output_padding=[0] * axes, output_shape=[])
    reader.only(node, window.given, auto_pad=("NOTSET", "VALID"), output_shape=([],))
    if window.before != window.after:
        raise reader.refused(node, f"ConvTranspose with pads {window.given['pads']}")
    if bias := len(node.input) > 2:
        weights["bias"] = reader.constant(node, 2)
    arguments = {
        "stride": window.of_layer(window.given["strides"]),
        "padding": window.of_layer(window.before),
        "output_padding": window.of_layer(window.given["output_padding"]),
        "dilation": window.of_layer(window.given["dilations"]),
        "groups": (groups := window.given["group"]),
        "use_bias": bias,
    }
    cls = window.kind(ConvTranspose1D, ConvTranspose2D)
    size = window.of_layer(kernel)
    return reader.layer(node, lambda: cls(filters * groups, size, **arguments), **weights)


def pool(one: type[Layer], two: type[Layer], **more: Any) -> Callable[[Reader, Any], Read]:
    """The reader of a pooling operator."""

    def read(reader: Reader, node: Any) -> Read:
        kernel = reader.attributes(node, **dict.fromkeys(POOLING))["kernel_shape"]
        window = Window.of(reader, node, len(kernel), ceil_mode=0, **more)
        reader.only(node, window.given, ceil_mode=0, dilations=([1] * len(kernel),))
        border: list[Layer] = []
        arguments = window.arguments()
        if window.given.get("count_include_pad") and any(window.given["pads"]):
            sides = zip(window.before, window.after, strict=True)
            border, arguments["padding"] = [ZeroPadding(list(sides))], "valid"
        elif window.before != window.after:
            arguments["padding"] = "same"  # verified by the final comparison
        made: Any = window.kind(one, two)
        return [*border, made(window.of_layer(kernel), **arguments)], node.input[0]

    return read


POOLING = (
    *("kernel_shape", "strides", "pads", "auto_pad", "dilations"),
    *("ceil_mode", "storage_order", "count_include_pad"),
)
"""The attributes of pooling operators."""


def pad(reader: Reader, node: Any) -> Read:
    """Read a padding with zeros along the axes after the channels."""
    given = reader.attributes(node, mode="constant", pads=None, value=0.0)
    reader.only(node, given, mode="constant", value=0.0)
    pads = given["pads"] or reader.constant(node, 1).tolist()
    if len(node.input) > 3 and node.input[3]:
        raise reader.refused(node, "Pad along some axes only")
    if len(node.input) > 2 and node.input[2] and reader.constant(node, 2).any():
        raise reader.refused(node, f"Pad with {reader.constant(node, 2)}")
    half = len(pads) // 2
    if any(pads[:2] + pads[half : half + 2]) or min(pads) < 0 or half < 3:
        raise reader.refused(node, f"Pad with {pads}, along more than the axes after the channels")
    return [ZeroPadding(list(zip(pads[2:half], pads[half + 2 :], strict=True)))], node.input[0]


def resize(reader: Reader, node: Any) -> Read:
    """Read a repetition of each pixel, which the final comparison verifies."""
    before, after = reader.shape(node.input[0]), reader.shape(node.output[0])
    mode = {each.name: each for each in node.attribute}.get("mode")
    if mode is None or mode.s != b"nearest" or len(before) != 4:
        raise reader.refused(node, f"{node.op_type} of another kind than nearest, of images")
    if any(size % pixels for size, pixels in zip(after, before, strict=True)):
        raise reader.refused(node, f"{node.op_type} from {before} to {after}")
    return [UpSampling2D((after[2] // before[2], after[3] // before[3]))], node.input[0]


def global_average(reader: Reader, node: Any) -> Read:
    """Read the mean of each channel, with axes of size 1."""
    one = len(reader.shape(node.input[0])) == 3
    layer: Layer = GlobalAveragePool1D() if one else GlobalAveragePool2D()
    return [layer, Reshape((-1, 1) if one else (-1, 1, 1))], node.input[0]


def reduce_mean(reader: Reader, node: Any) -> Read:
    """Read a mean over all pixels, or along a series."""
    given = reader.attributes(node, axes=None, keepdims=1, noop_with_empty_axes=0)
    shape = reader.shape(node.input[0])
    axes = given["axes"] or reader.constant(node, 1).tolist()
    axes = sorted(axis % len(shape) for axis in axes)
    if given["keepdims"] or (len(shape), axes) not in ((4, [2, 3]), (3, [1]), (3, [2])):
        raise reader.refused(node, f"a mean over the axes {axes} of {len(shape)}")
    pool = GlobalAveragePool2D() if len(shape) == 4 else GlobalAveragePool1D(axes[0])
    return [pool], node.input[0]
