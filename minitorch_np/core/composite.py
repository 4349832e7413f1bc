"""The base of all containers: a list of layers, and the full names of their parameters.

A container's parameters are those of its layers. A name is the layer's place, or the name that
`named` gave it, then the parameter's own name: "0.weight", "fc1.weight". A layer may be used in two
places: it has one set of parameters, named after the first place, and its gradients add up.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Gradients, Layer
from minitorch_np.core.room import require_sample
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.names import by_name
from minitorch_np.validation import is_whole, require


class Composite(Layer):
    """A layer made of `layers`. A subclass defines `build_layers`, `forward` and `backward`."""

    layers: tuple[Layer, ...]
    _masks = False
    """Whether a layer inside makes a mask; else a call spends no time on masks."""

    def __init__(self, *layers: Layer | str) -> None:
        kind = type(self).__name__
        self.layers = tuple(by_name(Layer, x, f"{kind}[{n}]") for n, x in enumerate(layers))
        if not self.layers:
            raise ConfigurationError(f"{kind}: expected at least one layer, got none")
        names = [layer.given_name for layer in set(self.layers) if layer.given_name]
        require(len(set(names)) == len(names), kind, "layers of different names", sorted(names))

    @abstractmethod
    def build_layers(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        """Call `build_layer` for each place; return the shape of one output."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        shape = self.build_layers(input_shape, rng=rng, dtype=dtype)
        names = {(id(owner), key): name for name, owner, key in self.parameter_owners()}
        # For each place, the layer's parameter names and the container's names for them.
        self._names = [
            {name: names[id(owner), key] for name, owner, key in layer.parameter_owners()}
            for layer in self.layers
        ]
        # For each place, the layers in it that have parameters.
        self._learning = [
            [owner for _, owner, _ in layer.parameter_owners()] for layer in self.layers
        ]
        self._masks = any(layer.makes_mask for layer in self.layers)
        return shape

    def build_layer(self, place: int, shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        """Build one layer; a ShapeError says which one failed.

        A layer without parameters may be used with different shapes: it is copied for those.
        """
        layer = self.layers[place]
        require_sample(self.name_of(place), shape)
        elsewhere = layer.built and (layer.input_shape, layer.dtype) != (shape, np.dtype(dtype))
        if elsewhere and not layer.parameter_owners():
            before, after = self.layers[:place], self.layers[place + 1 :]
            self.layers = (*before, copy.deepcopy(layer), *after)
        try:
            return self.layers[place].build_once(shape, rng=rng, dtype=dtype)
        except ShapeError as error:
            raise self.located(error, place) from None

    def located(self, error: ShapeError, place: int) -> ShapeError:
        """The same error, prefixed with the layer's place in this container."""
        return ShapeError(f"{type(self).__name__}[{place}] {error}")

    def name_of(self, place: int) -> str:
        """A layer and its place, for errors."""
        return f"{type(self).__name__}[{place}] {self.layers[place].label}"

    def backward_of(
        self, place: int, dy: Array, cache: Any, gradients: Gradients, need_dx: bool
    ) -> Array | None:
        """One layer's dx; the gradients of its parameters are added to `gradients`."""
        layer = self.layers[place]
        try:
            dx, own = layer.backward(dy, cache, need_dx=need_dx)
        except Exception as error:
            error.add_note(f"in the backward of {self.name_of(place)}")
            raise
        names = self._names[place]
        for key, gradient in own.items():
            name = names.get(key, f"{place}.{key}")
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
        if need_dx and dx is None:
            raise self.missing_dx(place)
        return dx

    def missing_dx(self, place: int) -> ShapeError:
        """The error for a layer that returns no dx although it is needed."""
        return ShapeError(
            f"{self.name_of(place)}.backward: expected the input's gradient, got None: "
            "it may be left out only if need_dx is False"
        )

    def source_of(self, place: int) -> str:
        """Where a layer's input comes from, for tables; empty if it is the layer before."""
        return ""

    def sublayers(self) -> dict[str, Layer]:
        found: dict[str, Layer] = {}
        for place, layer in enumerate(self.layers):
            name = layer.given_name
            found[str(place) if name is None or name in found else name] = layer
        return found

    @property
    def couples_samples(self) -> bool:  # type: ignore[override]
        return any(layer.couples_samples for layer in self.layers)

    @property
    def takes_state(self) -> bool:  # type: ignore[override]
        return any(layer.takes_state for layer in self.layers)

    def state_of(self, cache: Any) -> Any:
        pairs = zip(self.layers, cache, strict=False)  # of branches that join nodes there is none
        return [layer.state_of(own) for layer, own in pairs]

    @property
    def makes_mask(self) -> bool:  # type: ignore[override]
        return self._masks

    @property
    def index_limit(self) -> int | None:  # type: ignore[override]
        for layer in self.layers:
            if not layer.keeps_values:
                return layer.index_limit
        return None

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, place: int | str) -> Layer:
        """The layer at a place, or of a name. Raises IndexError or KeyError."""
        right = isinstance(place, str) or is_whole(place)
        require(right, self, "the place or the name of a layer", place)
        return self.sublayers()[place] if isinstance(place, str) else self.layers[place]

    def __repr__(self) -> str:
        lines = [
            f"({name}): {layer!r}{self.source_of(place)}"
            for place, (name, layer) in enumerate(self.sublayers().items())
        ]
        if not lines:
            return super().__repr__()
        inside = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {inside}\n)"
