"""Networks for images: classification (lenet5, resnet) and segmentation (unet)."""

from minitorch_np.arrays import DType, Seed, Shape, as_shape
from minitorch_np.core.layer import layer_from_name
from minitorch_np.errors import ShapeError
from minitorch_np.layers import (
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Identity,
    Layer,
    MaxPool2D,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Transpose,
    ZeroPadding,
)
from minitorch_np.signature import explained
from minitorch_np.validation import is_whole, require, whole


@explained
def lenet5(
    activation: str = "relu",
    *,
    classes: int = 10,
    pool: str = "max_pool2d",
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """LeNet-5 for images (m, 1, 28, 28): two convolutions of 5x5, each followed by pooling, then
    dense layers of 120, 84 and `classes` units.

    It is the usual modern form, with ReLU and max pooling, and with full connections between the
    convolutions. `lenet5("tanh", pool="average_pool2d")` is closer to the original, which had a
    sigmoidal function and averages. Train it with SoftmaxCrossEntropy on
    `features().reshape(-1, 1, 28, 28)`. Source: LeCun et al. 1998, "Gradient-based learning applied
    to document recognition".
    """
    bent = [layer_from_name(activation) for _ in range(4)]
    return Sequential(
        Conv2D(6, 5, padding="same"),
        bent[0],
        f"{pool}(2)",
        Conv2D(16, 5),
        bent[1],
        f"{pool}(2)",
        Flatten(),
        Dense(120),
        bent[2],
        Dense(84),
        bent[3],
        Dense(classes),
        input_shape=(1, 28, 28),
        seed=seed,
        dtype=dtype,
    )


@explained
def resnet(
    depth: int,
    *,
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    width: int = 16,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A residual network of `depth` = 6n + 2 layers for small images: 20, 32, 44, 56 or 110.

    It has a convolution, three stages of n residual blocks of two convolutions each, global average
    pooling, and a Dense layer. The stages have `width`, 2 `width` and 4 `width` channels; the
    second and the third halve height and width. If a block changes the shape, its shortcut takes
    every second pixel and adds channels of zeros, so it has no parameters. x is (m, *input_shape)
    with channels first; train it with SoftmaxCrossEntropy. ResNet-20 has 0.27 million parameters.
    Raises ConfigurationError for other depths. Source: He et al. 2015 (arXiv:1512.03385), 4.2.
    """
    right = is_whole(depth) and depth >= 8 and depth % 6 == 2
    require(right, "resnet", "a depth of 6n + 2, such as 20, 32 or 56", depth)
    input_shape = as_shape(input_shape)
    require(len(input_shape) == 3, "resnet", "input_shape=(channels, height, width)", input_shape)
    chain: list[Layer | str] = [_convolution(whole("resnet", "width", width)), BatchNorm(), "relu"]
    shape: Shape = (width, *input_shape[1:])
    for stage in range(3):
        for block in range((depth - 2) // 6):
            stride = 2 if stage and not block else 1
            filters = width * 2**stage
            path = [_convolution(filters, stride), BatchNorm(), ReLU()]
            path += [_convolution(filters), BatchNorm()]
            shortcut = None if stride == 1 else _halved(shape)
            chain += [Residual(*path, shortcut=shortcut), "relu"]
            shape = (filters, *(-(-side // stride) for side in shape[1:]))
    chain += [GlobalAveragePool2D(), Dense(classes)]
    return Sequential(*chain, input_shape=input_shape, seed=seed, dtype=dtype)


def _convolution(filters: int, stride: int = 1) -> Conv2D:
    """A 3x3 convolution for use before a BatchNorm, which has the bias."""
    return Conv2D(filters, 3, stride, padding=1, weight_initializer="he_normal", use_bias=False)


def _halved(shape: Shape) -> Sequential:
    """A shortcut that takes every second pixel, and doubles the channels with zeros."""
    channels, height, width = shape
    pixels = ((height + 1) // 2, (width + 1) // 2)
    return Sequential(
        AveragePool2D(1, 2),
        Reshape((1, channels, *pixels)),  # ZeroPadding does not pad a sample's first axis
        ZeroPadding([channels // 2, 0, 0]),
        Reshape((2 * channels, *pixels)),
    )


@explained
def unet(
    input_shape: Shape,
    classes: int,
    *,
    depth: int = 4,
    width: int = 64,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A U-Net: scores (m, height, width, classes) for each pixel of images (m, *input_shape).

    On the way down, each of `depth` levels applies two convolutions and halves the image. On the
    way up, a transposed convolution doubles it, and each level concatenates the result with its own
    output from the way down. The levels have `width`, 2 `width`, 4 `width` and so on channels.
    Train it with SoftmaxCrossEntropy on class numbers (m, height, width); with `classes=1`, with
    BinaryCrossEntropy on masks (m, height, width, 1). Unlike in the source, convolutions keep the
    image's size, and BatchNorm follows each. Raises ShapeError unless 2^depth divides height and
    width. Source: Ronneberger et al. 2015 (arXiv:1505.04597).
    """
    whole("unet", "classes", classes)
    whole("unet", "width", width)
    part = 2 ** whole("unet", "depth", depth)
    input_shape = as_shape(input_shape)
    if len(input_shape) != 3 or any(side % part for side in input_shape[1:]):
        raise ShapeError(
            f"unet: expected images of shape (channels, height, width) with height and width "
            f"divisible by {part}, to be halved {depth} times, got {input_shape}"
        )
    pixels = input_shape[1:]
    return Sequential(
        *_level(depth, width),
        Conv2D(classes, 1),
        Reshape((classes, -1)),
        Transpose(),
        Reshape((*pixels, classes)),
        input_shape=input_shape,
        seed=seed,
        dtype=dtype,
    )


def _level(below: int, filters: int) -> list[Layer]:
    """A level of a U-Net, with `below` levels below it."""
    if not below:
        return _twice(filters)
    way_down_and_up = Sequential(
        MaxPool2D(2),
        *_level(below - 1, 2 * filters),
        ConvTranspose2D(filters, 2, stride=2),
    )
    return [*_twice(filters), Concatenate(Identity(), way_down_and_up), *_twice(filters)]


def _twice(filters: int) -> list[Layer]:
    """Two convolutions, each with BatchNorm and ReLU."""
    return [layer for _ in range(2) for layer in (_convolution(filters), BatchNorm(), ReLU())]
