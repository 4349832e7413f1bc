"""Checks of array shapes, with errors that name the remedy."""

from __future__ import annotations

import math

from minitorch_np.arrays import Array, Shape, describe_batch, describe_shape
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ShapeError


def require_input(layer: Layer, x: Array, place: str = "") -> None:
    """Raise ShapeError unless x is a batch of samples that the layer was built for.

    `place` is the layer's name in the error, by default its repr.
    """
    layer.require_built()
    if x.shape[1:] != layer.input_shape or not x.ndim:
        raise ShapeError(
            f"{place or repr(layer)}: expected {describe_shape(layer.input_shape)}, that is x of "
            f"shape {describe_batch(layer.input_shape)}, got x of shape {x.shape}"
            f"{_remedy(x.shape, layer.input_shape)}"
        )


def require_trailing(layer: Layer, x: Array, axes: int = 1) -> None:
    """Raise ShapeError unless x has the expected number of axes and ends in the same `axes` sizes.

    For layers that treat each step of a sequence alike: it may have any length.
    """
    layer.require_built()
    if (
        x.ndim != len(layer.input_shape) + 1
        or x.shape[x.ndim - axes :] != layer.input_shape[len(layer.input_shape) - axes :]
    ):
        require_input(layer, x)


def require_gradient(layer: Layer, dy: Array, shape: Shape) -> None:
    """Raise ShapeError unless dy has the shape of the outputs."""
    if dy.shape != shape:
        raise ShapeError(
            f"{layer.label}.backward: expected dy of shape {shape}, as the outputs, got {dy.shape}"
        )


def _remedy(got: Shape, sample: Shape) -> str:
    """The remedy, or nothing: a reshape that scrambles the numbers is not suggested."""
    if got == sample:
        return ": for a batch of one sample, pass x[np.newaxis]"
    given = got[1:]
    if not given or math.prod(given) != math.prod(sample):
        return ""
    reshaped = f": pass x.reshape(len(x), {', '.join(map(str, sample))})"
    plain, wanted = ([n for n in shape if n > 1] for shape in (given, sample))
    if plain == wanted or len(sample) == 1:
        return reshaped
    if given == (*sample[1:], sample[0]):
        order = ", ".join(map(str, (0, len(sample), *range(1, len(sample)))))
        return f": the channels come first here, pass x.transpose({order})"
    if len(given) == 1:
        return f"{reshaped} if each row holds the numbers in that order, one channel after another"
    return ""
