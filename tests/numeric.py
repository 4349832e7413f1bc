"""Derivatives by finite differences, to hold the layers' own against."""

from collections.abc import Callable

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array


def numeric_gradient(f: Callable[[], float], array: Array) -> Array:
    """df/d(array), entry by entry: central differences at h and 2h, extrapolated to order h^4."""
    gradient = np.empty_like(array)
    step = 1e-3 * float(np.sqrt(np.mean(array**2)) + 1e-3)
    for place in np.ndindex(array.shape):
        at = float(array[place])

        def slope(h: float, place: tuple[int, ...] = place, at: float = at) -> float:
            array[place] = at + h
            up = f()
            array[place] = at - h
            down = f()
            array[place] = at
            return (up - down) / (2 * h)

        gradient[place] = (4 * slope(step) - slope(2 * step)) / 3
    return gradient


def check_layer(layer: mt.Layer, x: Array, rng: np.random.Generator, tolerance: float) -> None:
    """Every entry of dx and of each parameter's gradient, for a random dL/dy, in float64."""
    y, cache = layer.forward(x, train=True)
    dy = rng.normal(size=y.shape)
    dx, gradients = layer.backward(dy, cache)

    def value() -> float:
        return float(np.vdot(dy, layer.forward(x, train=True)[0]))

    assert gradients.keys() == layer.named_parameters().keys()
    pairs = [(dx, x), *((gradients[k], p) for k, p in layer.named_parameters().items())]
    for analytic, array in pairs:
        assert analytic is not None
        assert analytic.shape == array.shape
        np.testing.assert_allclose(
            analytic, numeric_gradient(value, array), rtol=tolerance, atol=tolerance
        )
