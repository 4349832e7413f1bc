"""How a learner's layer is looked at: its outputs, and all its gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.learn.outcome import UnlikeError, described


def pair(returned: Any, method: str, names: str) -> tuple[Any, Any]:
    """The two results of a method. Raises UnlikeError for anything else."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise UnlikeError(f"from {method} {described(returned)}, not two results: {names}")
    return returned[0], returned[1]


def layer_results(make: Callable[[Any], Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """An observer of a layer class: `make` makes a layer of it; the inputs are x, dy and then the
    parameters `names`."""

    def observe(cls: Any, inputs: tuple[Any, ...]) -> Any:
        x, dy, *parameters = inputs
        layer = make(cls)
        layer.initialize(x.shape[1:], rng=np.random.default_rng(0), dtype=np.float64)
        for name, value in zip(names, parameters, strict=True):
            getattr(layer, name)[...] = value
        returned = layer.forward(x)
        if returned is ...:
            return ...
        y, cache = pair(returned, "forward", "the outputs and the cache")
        before: AnyArray = x.copy()
        layer.forward(x[::-1] * 0.5 + 0.1)  # another call before the way back
        x[...] = before
        returned = layer.backward(dy, cache)
        if returned is ...:
            return ...
        dx, gradients = pair(returned, "backward", "dx and a dictionary of gradients")
        if not isinstance(gradients, dict) or not set(names) <= set(gradients):
            wanted = " and ".join(repr(name) for name in names)
            raise UnlikeError(f"from backward no dictionary with the gradients {wanted}")
        return {"y": y, "dx": dx, **{f"d{name}": gradients[name] for name in names}}

    return observe
