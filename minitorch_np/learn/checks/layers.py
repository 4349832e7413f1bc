"""How a learner's layer is looked at: its outputs, and all its gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray


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
        y, cache = returned
        before: AnyArray = x.copy()
        layer.forward(x[::-1] * 0.5 + 0.1)  # another call before the way back
        x[...] = before
        returned = layer.backward(dy, cache)
        if returned is ...:
            return ...
        dx, gradients = returned
        return {"y": y, "dx": dx, **{f"d{name}": gradients[name] for name in names}}

    return observe
