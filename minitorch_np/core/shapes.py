"""Checks of array shapes, with errors that name the remedy."""

from __future__ import annotations

import math
from typing import Any

from minitorch_np.arrays import Array, Shape, count, describe_batch, describe_shape, parts
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ShapeError


def require_input(layer: Layer, x: Any, place: str = "") -> None:
    """Raise ShapeError unless x is a batch of samples that the layer was built for, or a tuple of
    such batches.

    `place` is the layer's name in the error, by default its repr.
    """
    layer.require_built()
    several, wanted = isinstance(x, tuple), layer.input_shape
    if (tuple(part.shape[1:] for part in x) if several else x.shape[1:]) == wanted:
        if several:
            count(x)  # which is the same for all
            return
        if x.ndim:
            return
    if several or len(parts(wanted)) > 1:
        raise ShapeError(
            f"{place or repr(layer)}: expected inputs of shape {describe_batch(wanted)}, got "
            f"{', '.join(str(part.shape) for part in parts(x))}"
        )
    if layer.index_limit is not None and len(wanted) == 1 and x.ndim == 2:
        raise ShapeError(
            f"{place or repr(layer)}: expected sequences of {wanted[0]} numbers, for which the "
            f"model was built, got sequences of {x.shape[1]}: cut longer, pad shorter ones, "
            "or build it for more steps"
        )
    raise ShapeError(
        f"{place or repr(layer)}: expected {describe_shape(wanted)}, that is x of "
        f"shape {describe_batch(wanted)}, got x of shape {x.shape}{_remedy(x.shape, wanted)}"
    )


def require_trailing(layer: Layer, x: Array, axes: int = 1) -> None:
    """Raise ShapeError unless x has the expected number of axes and ends in the same `axes` sizes.

    For layers that treat each step of a sequence alike: it may have any length.
    """
    wanted: Shape | None = getattr(layer, "input_shape", None)
    shape, first = x.shape, x.ndim - axes
    if wanted is None or len(shape) != len(wanted) + 1 or shape[first:] != wanted[first - 1 :]:
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
    if len(sample) == 2 and (got[0], *got[2:]) == sample:
        return ": if the steps come first here, pass x.transpose(1, 0, 2)"
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
