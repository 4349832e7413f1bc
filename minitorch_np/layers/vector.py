"""All parameters of a model as one long vector.

An optimizer treats every number alike, so it is simplest and fastest if it sees one vector instead
of a list of matrices: a step is a handful of NumPy calls however many layers there are. The layers
keep working with their matrices, which are windows (views) onto that vector.
"""

import numpy as np

from minitorch_np.arrays import Array, aligned_empty
from minitorch_np.errors import ShapeError
from minitorch_np.layers.base import Gradients, Layer
from minitorch_np.layers.composite import Composite


class ParameterVector:
    """A built layer's parameters that are not frozen, one after the other, in one array.

    - `values` is (n,): change it in place and the layers have changed;
    - `gradients` is (n,), in the same order: `collect` copies the dictionary of `backward` into it;
    - `owners` tells, in this order, each parameter's name, its layer and the attribute there.

    Where the parameters already lie one after the other in memory (a model inside of a larger one,
    or a model that had its vector made before) `values` is that piece of memory. Otherwise they
    are copied into a new one and the layers' attributes become views of it.
    """

    def __init__(self, layer: Layer) -> None:
        named = layer.named_parameters()
        owners = [owner for owner in layer.parameter_owners() if owner[1].trainable]
        arrays = [named[name] for name, _, _ in owners]
        values = _as_one_piece(arrays)
        if values is None:
            dtype = owners[0][1].dtype if owners else np.float32
            values = aligned_empty((sum(array.size for array in arrays),), dtype)
            pieces = _windows(values, arrays)
            for (_, owner, key), array, window in zip(owners, arrays, pieces, strict=True):
                window[...] = array
                setattr(owner, key, window)
        self.values: Array = values
        self.gradients = aligned_empty(values.shape, values.dtype)
        self.owners, self._layer = owners, layer
        names = [name for name, _, _ in owners]
        self._places = dict(zip(names, _windows(self.gradients, arrays), strict=True))
        self._names = {name for name, _, _ in layer.owners("parameter_names")}

    def collect(self, gradients: Gradients) -> None:
        """Copy what the layer's `backward` returned into `gradients`, this vector's.

        Raises ShapeError for a gradient that is missing, of another shape than its parameter, or of
        something that is not a parameter.
        """
        for name, place in self._places.items():
            if getattr(gradients.get(name), "shape", None) != place.shape:
                raise _wrong_gradients(self._layer, name, gradients)
            place[...] = gradients[name]
        for name in gradients.keys() - self._names:
            raise _wrong_gradients(self._layer, name, gradients)

    def holds(self) -> bool:
        """Whether the layers' parameters still are these: no model was built of the same layers, no
        array put in a parameter's place, no layer frozen or freed since.
        """
        start = self.values.__array_interface__["data"][0]
        stop = start + self.values.nbytes
        for _, owner, key in self.owners:
            array: Array = getattr(owner, key)
            if not start <= array.__array_interface__["data"][0] < stop or not owner.trainable:
                return False
        return len(self.owners) == sum(o.trainable for _, o, _ in self._layer.parameter_owners())


def _wrong_gradients(layer: Layer, name: str, gradients: Gradients) -> ShapeError:
    """What to say of the gradient `name`, which names the layer that returned it or did not."""
    inner, key = _owner(layer, name)
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


def _owner(layer: Layer, name: str) -> tuple[Layer, str]:
    """The layer whose `backward` answers for the gradient `name`, and its name there: containers
    pass on what their layers return.
    """
    place, _, rest = name.partition(".")
    inside = layer.sublayers().get(place) if isinstance(layer, Composite) else None
    return (layer, name) if inside is None else _owner(inside, rest)


def _windows(vector: Array, arrays: list[Array]) -> list[Array]:
    """Views of consecutive parts of `vector`, shaped as `arrays`."""
    ends = np.cumsum([array.size for array in arrays], dtype=int)
    return [
        vector[end - array.size : end].reshape(array.shape)
        for array, end in zip(arrays, ends, strict=True)
    ]


def _as_one_piece(arrays: list[Array]) -> Array | None:
    """The stretch of memory in which `arrays` lie without a gap, or None if they do not."""
    if not arrays:
        return None
    first, total = arrays[0], sum(array.size for array in arrays)
    base = first.base
    # Only memory that `aligned_empty` made, which is of bytes: never an array of somebody else's.
    if not isinstance(base, np.ndarray) or base.dtype != np.uint8 or base.ndim != 1:
        return None
    start = first.ctypes.data - base.ctypes.data
    if start + total * first.itemsize > base.nbytes:
        return None
    stretch = base.view(np.uint8)[start : start + total * first.itemsize].view(first.dtype)
    for array, window in zip(arrays, _windows(stretch, arrays), strict=True):
        if array.base is not base or array.dtype != first.dtype or not array.flags.c_contiguous:
            return None
        if array.ctypes.data != window.ctypes.data:
            return None
    return stretch
