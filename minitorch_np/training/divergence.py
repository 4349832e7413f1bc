"""Where a number stopped being finite.

When a loss turns infinite or NaN, the step that shows it is seldom the one that caused it, and the
layer that caused it is what one wants to know. So the batch is run again, layer by layer, and the
first output or gradient that is not finite is named.
"""

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import DivergenceError
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss


def divergence(
    model: Sequential, loss: Loss, x: Array, y: AnyArray, when: str, good: Array, parameters: Array
) -> DivergenceError:
    """The error to raise; puts the `good` parameters back in place of the present ones."""
    place = first_not_finite(model, loss, x, y)
    parameters[:] = good
    return DivergenceError(
        f"training: expected finite numbers, got {place} at {when} of the epoch: stopped, with "
        "the parameters last put aside while the loss was finite; try a smaller learning rate"
    )


def first_not_finite(model: Sequential, loss: Loss, x: Array, y: AnyArray) -> str:
    """In words, the first thing that is not finite when the batch goes through the model."""
    caches = []
    h = x
    for place, layer in enumerate(model):
        name = f"Sequential[{place}] {layer.label}"
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
    for place in reversed(range(len(model))):
        assert dy is not None
        dy, gradients = model[place].backward(dy, caches[place])
        for key, gradient in {"its input": dy, **gradients}.items():
            if gradient is not None and not np.isfinite(gradient).all():
                what = f"in the gradient of {key}"
                return f"{_first_bad(gradient)} {what}, in Sequential[{place}] {model[place].label}"
    return "a number that is not finite, which did not show again when the batch was repeated"


def _first_bad(array: Array) -> str:
    return str(array[~np.isfinite(array)][0])
