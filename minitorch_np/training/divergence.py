"""Where a number stopped being finite.

When a loss turns infinite or NaN, the question is which layer caused it. So the batch is run again,
layer by layer, and the first output or gradient that is not finite is named.
"""

from collections.abc import Iterator

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import DivergenceError
from minitorch_np.layers import Layer, Sequential
from minitorch_np.losses import Loss
from minitorch_np.training.snapshot import Snapshot


def divergence(
    model: Sequential, loss: Loss, x: Array, y: AnyArray, when: str, good: Snapshot
) -> DivergenceError:
    """The error to raise; restores the snapshot `good`."""
    with np.errstate(all="ignore"):
        place = first_not_finite(model, loss, x, y)
        bad = not all(np.isfinite(array).all() for array in model.named_parameters().values())
        good.restore()
        if bad:  # by a gradient some steps ago: it may show again where all was still well
            place = first_not_finite(model, loss, x, y) or place
            good.restore()  # that forward has changed running statistics
    return DivergenceError(
        f"training: expected finite numbers, got {place or 'others'} at {when}: stopped, with "
        "the parameters last put aside while the loss was finite; try a smaller learning rate"
    )


def first_not_finite(model: Sequential, loss: Loss, x: Array, y: AnyArray) -> str:
    """In words, the first thing that is not finite when the batch goes through the model; or ""."""
    leaves = list(_leaves(model, ""))
    caches = []
    h = x
    for name, layer in leaves:
        for key, parameter in layer.named_parameters().items():
            if not np.isfinite(parameter).all():
                return f"{_first_bad(parameter)} in the parameter {key} of {name}"
        h, cache = layer.forward(h, train=True, rng=np.random.default_rng(0))
        caches.append(cache)
        if not np.isfinite(h).all():
            return f"{_first_bad(h)} in the output of {name}"
    value, loss_cache = loss.forward(h, y)
    if not np.isfinite(value):
        return f"a loss of {value} from {type(loss).__name__}, on finite outputs"
    dy: Array | None = loss.backward(loss_cache)
    for (name, layer), cache in zip(reversed(leaves), reversed(caches), strict=True):
        assert dy is not None
        dy, gradients = layer.backward(dy, cache)
        for key, gradient in {**gradients, "its input": dy}.items():
            if gradient is not None and not np.isfinite(gradient).all():
                return f"{_first_bad(gradient)} in the gradient of {key}, in {name}"
    return ""


def _leaves(model: Sequential, prefix: str) -> Iterator[tuple[str, Layer]]:
    """The layers in the order in which they run, those of models within models too."""
    for place, layer in enumerate(model):
        name = f"{prefix}Sequential[{place}] "
        if isinstance(layer, Sequential):
            yield from _leaves(layer, name)
        else:
            yield name + layer.label, layer


def _first_bad(array: Array) -> str:
    return str(array[~np.isfinite(array)][0])
