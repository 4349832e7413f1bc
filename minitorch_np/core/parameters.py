"""All parameters of a model as one long vector.

An optimizer treats all parameters alike, so it is simplest and fastest to give it one vector, not
a list of matrices: a step then takes a few NumPy calls for any number of layers. The layers keep
their matrices, which are views of that vector.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minitorch_np.arrays import AnyArray, Array, aligned_empty
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ShapeError


class ParameterVector:
    """All parameters of a built layer, one after the other, in one array.

    - `values` is (n,): changing it in place changes the layers;
    - `gradients` is (n,): space for their gradients in the same order;
    - `owners` lists each parameter's name, its layer and the attribute there; `slices` says where
      it is in the vector.

    If the parameters already lie one after the other in memory (a model inside a larger one, or one
    whose vector was made before), `values` is that piece of memory. Otherwise they are copied into
    a new one, and the layers' attributes become views of it.
    """

    def __init__(self, layer: Layer) -> None:
        named = layer.named_parameters()
        self.layer, self.owners = layer, layer.parameter_owners()
        arrays = list(named.values())
        values = _as_one_piece(arrays)
        if values is None:
            dtype = self.owners[0][1].dtype if arrays else np.float32
            values = aligned_empty((sum(array.size for array in arrays),), dtype)
            for (_, owner, key), array, view in zip(
                self.owners, arrays, _views(values, arrays), strict=True
            ):
                view[...] = array
                setattr(owner, key, view)
        self.values: Array = values
        self.gradients = aligned_empty(values.shape, values.dtype)
        self.gradients[:] = 0
        ends = np.cumsum([array.size for array in arrays], dtype=int).tolist()
        self.slices = [slice(end - a.size, end) for a, end in zip(arrays, ends, strict=True)]

    def entries(self) -> list[tuple[str, Layer, str, Array, Array]]:
        """Each parameter's name, layer and attribute, and its views of the two vectors."""
        arrays = [getattr(layer, key) for _, layer, key in self.owners]
        views = zip(self.owners, arrays, _views(self.gradients, arrays), strict=True)
        return [(*owner, array, place) for owner, array, place in views]


def wrong_gradient(layer: Layer, name: str, gradients: Mapping[str, AnyArray]) -> ShapeError:
    """The error for a gradient that is missing, misshapen or belongs to no parameter.

    It names the layer whose `backward` returned it.
    """
    inner, key = _responsible(layer, name)
    parameters = {name: getattr(at, own) for name, at, own in inner.parameter_owners()}
    if key not in parameters:
        return ShapeError(
            f"{inner.label}.backward: expected gradients of {sorted(parameters)} only, got {key!r} "
            "too: name all parameters in parameter_names"
        )
    got = f"one of shape {np.shape(gradients[name])}" if name in gradients else "none"
    return ShapeError(
        f"{inner.label}.backward: expected a gradient of {key} of shape {parameters[key].shape}, "
        f"got {got}"
    )


def _responsible(layer: Layer, name: str) -> tuple[Layer, str]:
    """The innermost layer that returned the gradient `name`, which containers pass on."""
    place, _, rest = name.partition(".")
    inside = layer.sublayers().get(place) if isinstance(layer, Composite) else None
    return (layer, name) if inside is None else _responsible(inside, rest)


def _views(vector: Array, arrays: list[Array]) -> list[Array]:
    """Views of consecutive parts of `vector`, shaped as `arrays`."""
    views, end = [], 0
    for array in arrays:
        start, end = end, end + array.size
        views.append(vector[start:end].reshape(array.shape))
    return views


def _as_one_piece(arrays: list[Array]) -> Array | None:
    """The memory in which `arrays` are contiguous, or None if they are not."""
    if not arrays:
        return None
    first, total = arrays[0], sum(array.size for array in arrays)
    base = first.base
    # Only memory that `aligned_empty` made, which is of bytes: never a user's own array.
    if not isinstance(base, np.ndarray) or base.dtype != np.uint8 or base.ndim != 1:
        return None
    start = first.ctypes.data - base.ctypes.data
    if start + total * first.itemsize > base.nbytes:
        return None
    stretch = base[start : start + total * first.itemsize].view(first.dtype)
    for array, view in zip(arrays, _views(stretch, arrays), strict=True):
        if array.base is not base or array.dtype != first.dtype or not array.flags.c_contiguous:
            return None
        if array.ctypes.data != view.ctypes.data:
            return None
    return stretch
