"""A model as an HTML page: draw a digit, see the output of each unit, train the model on errors.

The page is one self-contained file, which can be mailed. It holds the weights, a few hundred lines
of JavaScript (`templates/network.js`) that compute the same as the layers here, and, if there are
examples, their pixels. A layer that the script can't compute is refused by name before anything is
written.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np import layers as nn
from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import architecture
from minitorch_np.data import Images
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.io.atomic import replacing
from minitorch_np.reports.page import render
from minitorch_np.signature import explained
from minitorch_np.validation import instance

LARGEST = 20 * 2**20
"""The most bytes of weights that a page may hold."""

EXAMPLES, WORST = 20, 20
"""The number of first examples, and of worst errors, on the page."""

Node = dict[str, Any]
"""The description of a layer for the page's script."""

Describe = Callable[[Any, str], Node]
"""Describes a layer beyond its name and shape, given the path of its parameters."""

ELEMENTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.ReLU6, nn.Sigmoid, nn.HardSigmoid, nn.Tanh),
    *(nn.Softplus, nn.SiLU, nn.HardSwish, nn.Mish, nn.GELU),
)
SAME = (nn.Flatten, nn.Reshape, nn.Identity, nn.Dropout, nn.SpatialDropout)
"""Layers that change no number in prediction."""


@explained
def page(model: nn.Sequential, path: StrPath, examples: Images | None = None) -> None:
    """Write a page on which to draw digits for a model.

    Parameters:
        model: a built classifier of square grey images, with samples (side^2,) or (1, side, side).
        path: the file to write, atomically.
        examples: labelled images; the page shows the first ones and the worst errors.

    Raises ConfigurationError for a layer that the page can't run, or weights of over 20 MB;
    ShapeError for a model with other samples; MissingExtraError without Jinja2; OSError if the file
    can't be written.
    """
    instance("page", "model", model, nn.Sequential)
    model.require_built()
    if examples is not None:
        _check_examples(model, instance("page", "examples", examples, Images))
    content = render("model", title=title(model), network=as_json(model, examples))
    with replacing(path) as file:
        file.write(content.encode())


def _check_examples(model: nn.Sequential, examples: Images) -> None:
    pixels, classes = math.prod(examples.images.shape[1:]), int(examples.labels.max()) + 1
    if pixels != math.prod(model.input_shape) or classes > model.output_shape[0]:
        raise ShapeError(
            f"page: expected examples of {math.prod(model.input_shape)} pixels and at most "
            f"{model.output_shape[0]} classes, as the model has, got {pixels} and {classes}"
        )


def title(model: nn.Sequential) -> str:
    """The layers of the model in one line."""
    return ", ".join(layer.label for layer in model)


def as_json(model: nn.Sequential, examples: Images | None) -> dict[str, Any]:
    """All data for the page's script. Raises ShapeError and ConfigurationError like `page`."""
    pixels = math.prod(model.input_shape)
    side = math.isqrt(pixels)
    classes = model.output_shape[0]
    if side * side != pixels or len(model.output_shape) != 1 or classes < 2:
        raise ShapeError(
            "page: expected a model of square grey images, such as (784,) or (1, 28, 28), with a "
            f"score for each class, got samples of {model.input_shape} and outputs of "
            f"{model.output_shape}"
        )
    arrays = model.named_parameters() | model.named_buffers()
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise ConfigurationError(
            f"page: expected weights of at most {LARGEST / 2**20:.0f} MB, got "
            f"{size / 2**20:.0f} MB: train a smaller model for a page"
        )
    names = () if examples is None else examples.class_names
    exclusive = model.exclusive_classes
    if exclusive is None:
        exclusive = not model.outputs_separate_probabilities
    return {
        "side": side,
        "names": list(names if len(names) == classes else map(str, range(classes))),
        "layers": list(_nodes(model, "", {})),
        "outputs": _outputs(model, exclusive),
        "arrays": {name: _array(array) for name, array in arrays.items()},
        "architecture": json.dumps(architecture(model)),
        "teachable": exclusive,
        "examples": [] if examples is None else _examples(model, examples),
    }


def _outputs(model: nn.Sequential, exclusive: bool) -> str:
    """The kind of the outputs: probabilities or scores of classes that exclude each other, or a
    separate probability or logit for each class.
    """
    if exclusive:
        return "probabilities" if model.outputs_probabilities else "scores"
    return "separate" if model.outputs_separate_probabilities else "logits"


def _nodes(container: Layer, prefix: str, first: dict[int, str]) -> Iterator[Node]:
    """The layers of a Sequential, in order; nested ones are flattened.

    `first` is the path at which a layer was met first, which is that of its parameters.
    """
    for name, layer in container.sublayers().items():
        if isinstance(layer, nn.Sequential):
            yield from _nodes(layer, f"{prefix}{name}.", first)
        else:
            yield _node(layer, f"{prefix}{name}", first)


def _node(layer: Layer, path: str, first: dict[int, str]) -> Node:
    node: Node = {"path": path, "label": layer.label, "shape": list(layer.output_shape)}
    if isinstance(layer, nn.Add):
        return node | {"kind": "add", "branches": _branches(layer, path, first)}
    if isinstance(layer, ELEMENTWISE):
        settings = {k: v for k, v in layer.config().items() if isinstance(v, (int, float, str))}
        return node | {"kind": "activation", "name": type(layer).__name__, **settings}
    if isinstance(layer, SAME):
        return node | {"kind": "same"}
    describe = DESCRIBED.get(type(layer))
    if describe is None:
        classes: tuple[type[Layer], ...] = (*DESCRIBED, *ELEMENTWISE, *SAME)
        known = ", ".join(sorted(cls.__name__ for cls in classes))
        raise ConfigurationError(
            f"page: expected layers of {known}, Add and Residual; got {layer.label} at {path}"
        )
    return node | describe(layer, first.setdefault(id(layer), path))


def _branches(layer: nn.Add, path: str, first: dict[int, str]) -> list[list[Node]]:
    return [
        list(_nodes(branch, f"{path}.{name}.", first))
        if isinstance(branch, nn.Sequential)
        else [_node(branch, f"{path}.{name}", first)]
        for name, branch in layer.sublayers().items()
    ]


def _dense(layer: Any, path: str) -> Node:
    units, inputs = layer.weight.shape
    return {"kind": "dense", "units": units, "inputs": inputs, **_parameters(layer, path)}


def _parameters(layer: Any, path: str) -> Node:
    bias = f"{path}.bias" if layer.use_bias else None
    return {"weight": f"{path}.weight", "bias": bias}


def grid_of(layer: Any) -> Node:
    """The input image of a convolution or pooling, and its windows."""
    c, h, w = layer.input_shape
    return {"channels": c, "height": h, "width": w, **layer.grid._asdict()}


def _convolution(layer: Any, path: str) -> Node:
    own = {"kind": "convolution", "filters": layer.filters, "groups": layer.groups}
    return own | grid_of(layer) | _parameters(layer, path)


def _pool(kind: str) -> Callable[[Any, str], Node]:
    return lambda layer, path: {"kind": kind, **grid_of(layer)}


def _global_pool(layer: Any, path: str) -> Node:
    c, h, w = layer.input_shape
    return {"kind": "mean", "channels": c, "pixels": h * w}


def _batch_norm(layer: Any, path: str) -> Node:
    """Batch normalization in prediction: y = scale x + shift for each feature or channel."""
    scale = layer.weight / np.sqrt(layer.running_var.astype(np.float64) + layer.epsilon)
    shift = layer.bias - scale * layer.running_mean
    repeat = math.prod(layer.input_shape[1:])
    return {"kind": "affine", "scale": scale.tolist(), "shift": shift.tolist(), "repeat": repeat}


def _norm(centred: bool, repeat: Callable[[Any], int], size: Callable[[Any], int]) -> Describe:
    """Groups of `size` numbers, standardized; `repeat` of them share a weight and a bias."""

    def describe(layer: Any, path: str) -> Node:
        own = {"kind": "norm", "centred": centred, "repeat": repeat(layer), "size": size(layer)}
        own |= {"epsilon": layer.epsilon, "entries": layer.weight.size}
        bias = f"{path}.bias" if centred else None
        return own | {"weight": f"{path}.weight", "bias": bias}

    return describe


def _prelu(layer: Any, path: str) -> Node:
    entries = layer.weight.size
    repeat = math.prod(layer.input_shape) // entries
    return {"kind": "prelu", "entries": entries, "repeat": repeat, "weight": f"{path}.weight"}


DESCRIBED: dict[type[Layer], Describe] = {
    nn.Dense: _dense,
    nn.Conv2D: _convolution,
    nn.MaxPool2D: _pool("maximum"),
    nn.AveragePool2D: _pool("average"),
    nn.GlobalAveragePool2D: _global_pool,
    nn.BatchNorm: _batch_norm,
    nn.LayerNorm: _norm(True, lambda layer: 1, lambda layer: layer.weight.size),
    nn.RMSNorm: _norm(False, lambda layer: 1, lambda layer: layer.weight.size),
    nn.GroupNorm: _norm(
        True,
        lambda layer: math.prod(layer.input_shape[1:]),
        lambda layer: math.prod(layer.input_shape) // layer.groups,
    ),
    nn.PReLU: _prelu,
    nn.Softmax: lambda layer, path: {"kind": "softmax"},
    nn.LogSoftmax: lambda layer, path: {"kind": "log softmax"},
}


def _examples(model: nn.Sequential, digits: Images) -> list[dict[str, Any]]:
    """The first examples, and those whose true class has the lowest probability."""
    x = digits.features().reshape(-1, *model.input_shape)
    right = model.predict_proba(x)[np.arange(len(x)), digits.labels]
    worst = np.argsort(right, kind="stable")[:WORST]
    rows = [*range(min(EXAMPLES, len(x))), *worst.tolist()]
    kinds = ["example"] * min(EXAMPLES, len(x)) + ["worst"] * len(worst)
    pixels = [_base64(image.tobytes()) for image in np.rint(255 * x[rows]).astype(np.uint8)]
    return [
        {"kind": kind, "label": int(digits.labels[row]), "pixels": image}
        for kind, row, image in zip(kinds, rows, pixels, strict=True)
    ]


def _array(array: AnyArray) -> dict[str, Any]:
    single = np.ascontiguousarray(array, "<f4")
    return {"shape": array.shape, "numbers": _base64(single.tobytes())}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
