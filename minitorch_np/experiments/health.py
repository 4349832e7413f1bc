"""Measures the layers of a network on a few hundred samples, in one forward and one backward pass.

Containers are opened, so that layers inside a `Residual` or a nested `Sequential` are measured too.
A layer's path is that of its parameters: "0", or "1.0.2" for a nested one.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.core.branches import Branches
from minitorch_np.layers import Activation, Graph, Layer, Sequential

FLAT = 0.05
"""A function is flat where its slope is below this fraction of the steepest."""

IDLE = 0.025
"""A unit that passes gradient for a smaller fraction of the samples is idle."""

TWIN = 1e-3
"""Units are identical if their outputs differ by less than this fraction of their size."""

MOST_OUTPUTS = 4096
"""The number of a unit's outputs that are compared with another's."""


class LayerHealth(NamedTuple):
    """The measurements of one layer with parameters, or of an activation.

    - `mean` and `spread` (standard deviation) of its outputs;
    - `gradient`: the norm of the loss's gradient with respect to a sample's outputs (root mean
      square over samples), which can be compared between layers;
    - numbers of its `units` (features, or channels): `dead` ones are 0 for every sample and get no
      gradient, `stuck` ones are at another value where the function is flat, for every sample,
      `idle` ones get gradient from a few samples only, `identical` ones equal an earlier unit;
    - `saturated`: the fraction of outputs where a bounded function is flat; None for others;
    - `update`: the size of the last step over that of the weights; None outside of training.
    """

    path: str
    label: str
    weighted: bool
    units: int
    mean: float
    spread: float
    gradient: float
    dead: int = 0
    stuck: int = 0
    idle: int = 0
    identical: int = 0
    saturated: float | None = None
    update: float | None = None

    @property
    def useless(self) -> int:
        """The number of units that take little or no part in learning."""
        return self.dead + self.stuck + self.idle


class Visit(NamedTuple):
    """The call of a layer that is not a container: its input and output."""

    path: str
    layer: Layer
    x: Any
    y: Array


class _Noted:
    """Replaces a layer that is not a container, and records its inputs, outputs and gradients."""

    def __init__(
        self, layer: Layer, path: str, visits: list[Visit], gradients: dict[str, Array]
    ) -> None:
        self.layer, self.path, self.visits, self.gradients = layer, path, visits, gradients

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)

    def forward(self, x: Any, **options: Any) -> Any:
        y, cache = self.layer.forward(x, **options)
        self.visits.append(Visit(self.path, self.layer, x, y))
        return y, cache

    def backward(self, dy: Array, cache: Any, **options: Any) -> Any:
        self.gradients[self.path] = dy
        return self.layer.backward(dy, cache, **options)


def noted(layer: Any, visits: list[Visit], gradients: dict[str, Array], path: str = "") -> Any:
    """A copy of a model that records each call of a layer inside, and by its path the gradient of
    that layer's output. A container with its own forward counts as a plain layer.
    """
    kinds = (Sequential, Branches, Graph)
    if not any(isinstance(layer, k) and type(layer).forward is k.forward for k in kinds):
        return _Noted(layer, path, visits, gradients)
    opened, beginning = copy.copy(layer), f"{path}." if path else ""
    inside = layer.sublayers().items()
    opened.layers = tuple(noted(x, visits, gradients, f"{beginning}{n}") for n, x in inside)
    return opened


def measured(visit: Visit, dy: Array, compared: bool) -> LayerHealth:
    """One layer's health; with `compared`, identical units are counted."""
    _, layer, x, y = visit
    size = np.square(dy, dtype=np.float64).reshape(len(dy), -1).sum(axis=1).mean()
    health = LayerHealth(
        visit.path,
        layer.label,
        bool(layer.parameter_owners()),
        len(by_unit(y)),
        float(y.mean(dtype=np.float64)),
        float(y.std(dtype=np.float64)),
        float(np.sqrt(size)) * len(dy),
    )
    flat = np.zeros(health.units, bool)
    if isinstance(layer, Activation):
        health, flat = _flatness(health, layer, x, y)
    return health._replace(identical=_twins(by_unit(y)[~flat])) if compared else health


def _flatness(
    health: LayerHealth, layer: Activation, x: Array, y: Array
) -> tuple[LayerHealth, AnyArray]:
    """The health with the numbers of flat units and outputs, and which units are always flat."""
    steepest, low, high = _plateaus(layer)
    flat = np.abs(layer.derivative(x, y) * np.ones((), y.dtype)) < FLAT * steepest
    flat &= np.where(x < 0, low != "slope", high != "slope")
    asleep = by_unit(flat).mean(axis=1)
    stuck = asleep == 1
    resting = np.where(by_unit(x) < 0, low == "rest", high == "rest").all(axis=1)
    saturated = None
    if "saturated" in (low, high):
        saturated = float(np.mean(flat & np.where(x < 0, low == "saturated", high == "saturated")))
    health = health._replace(
        dead=int(np.sum(stuck & resting)),
        stuck=int(np.sum(stuck & ~resting)),
        idle=int(np.sum((asleep > 1 - IDLE) & ~stuck)),
        saturated=saturated,
    )
    return health, stuck


def _plateaus(layer: Activation) -> tuple[float, str, str]:
    """The steepest slope, and the behaviour of the function for very negative and very positive
    inputs: it grows ("slope"), is off ("rest"), or at a bound ("saturated")."""
    z = np.linspace(-8, 8, 1601)
    steepest = float(np.abs(layer.derivative(z, layer.value(z)) * np.ones(len(z))).max()) or 1.0
    far, farther, middle = np.array([-1e4, 1e4]), np.array([-2e4, 2e4]), np.zeros(1)
    ends = layer.value(far)
    bounded = np.abs(ends - layer.value(farther)) < 1e-6
    # ReLU and its smooth variants are meant to be 0 for half of their inputs.
    rests = (np.abs(ends) < 1e-6) & (not bounded.all() or abs(layer.value(middle)[0]) < 1e-6)
    left, right = np.where(bounded, np.where(rests, "rest", "saturated"), "slope")
    return steepest, str(left), str(right)


def by_unit(array: AnyArray) -> AnyArray:
    """A row with all outputs for each unit: for each feature (the last axis), or for images, each
    channel (the first axis of a sample)."""
    if array.ndim == 1:
        return array[None]
    units = np.moveaxis(array, 1 if array.ndim == 4 else -1, 0)
    return units.reshape(len(units), -1)


def _twins(units: AnyArray) -> int:
    """The number of units that are equal to an earlier one."""
    step = max(1, units.shape[1] // MOST_OUTPUTS)
    rows = np.asarray(units[:, ::step], dtype=np.float64)
    products = rows @ rows.T
    sizes = np.diag(products)
    apart = sizes[:, None] + sizes - 2 * products
    equal = apart <= TWIN**2 * np.maximum(sizes[:, None], sizes)
    return int(np.tril(equal, -1).any(axis=1).sum())


def score_range(layer: Layer) -> float | None:
    """The width of the range of a bounded activation; None for other layers."""
    if not isinstance(layer, Activation) or "slope" in _plateaus(layer)[1:]:
        return None
    low, high = np.broadcast_to(layer.value(np.array([-1e4, 1e4])), 2)
    return float(high - low)
