"""Models of consecutive layers.

`Sequential` calls its layers one after the other: the output of each is the input of the next. Its
backward calls them in reverse order. It is a layer itself, so models can be nested.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, cast, overload

import numpy as np

from minitorch_np.arrays import (
    Array,
    DType,
    Generator,
    Seed,
    Shape,
    as_batch,
    as_float_dtype,
    as_generator,
    describe_batch,
)
from minitorch_np.core.layer import Backward, Cache, Forward, Gradients, Layer
from minitorch_np.core.prediction import Model
from minitorch_np.core.sequences import Caches, Mask, forward_masked, with_lengths
from minitorch_np.core.shapes import require_input
from minitorch_np.errors import ShapeError
from minitorch_np.names import by_name


class Sequential(Model):
    """Layers one after the other: y = f_n(... f_2(f_1(x))).

    `layers` are Layer objects, or names such as "relu" and "elu(1.7)". A single list of them, or a
    dictionary from names to layers, is accepted too. With `input_shape` (of one sample: 784, or
    (28, 28)) the model is built at once, with initial parameters drawn from `seed` (a number or a
    Generator; with None they differ each time) in `dtype` (float32 or float64). Without it, the
    model is a specification until `initialize` is called, or a container around it is built. A
    layer that was built before keeps its parameters.

    A layer used in two places has one set of parameters, and its gradients add up.

    Wherever x is expected, sequences that are padded at their end may be passed with their lengths,
    as the pair (x, lengths). Layers that take a mask then ignore the padding.

    Raises ConfigurationError for an argument that is not a layer, ShapeError, naming the layer's
    position, if a layer does not accept the output of the previous one.
    """

    def __init__(
        self,
        *layers: Layer | str | Iterable[Layer | str] | Mapping[str, Layer | str],
        input_shape: int | Shape | None = None,
        seed: Seed = None,
        dtype: DType = np.float32,
    ) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])  # Keras' way to write it
        elif len(layers) == 1 and isinstance(layers[0], Mapping):  # PyTorch's, with names
            layers = tuple(by_name(Layer, x).named(name) for name, x in layers[0].items())
        super().__init__(*cast("tuple[Layer | str, ...]", layers))
        dtype = as_float_dtype(dtype)
        first = self.layers[0]
        if input_shape is None and first.parameter_names and first.built:
            input_shape, dtype = first.input_shape, first.dtype
        if input_shape is not None:
            self.initialize(input_shape, rng=as_generator(seed), dtype=dtype)

    takes_mask = True

    def build_layers(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        for place in range(len(self.layers)):
            input_shape = self.build_layer(place, input_shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(
        self,
        x: Array,
        *,
        train: bool = False,
        rng: Generator | None = None,
        mask: Mask = None,
        state: Any = None,
    ) -> Forward:
        if isinstance(x, tuple):
            x, mask = with_lengths(self, x)
        if x.shape[1:] != getattr(self, "input_shape", None):
            require_input(self, x, self.name_of(0))
        caches: list[Cache] = []
        try:
            if not self._masks and mask is None and state is None:
                for layer in self.layers:
                    x, cache = layer.forward(x, train=train, rng=rng)
                    caches.append(cache)
            else:
                for layer, own in zip(self.layers, state or repeat(None), strict=False):
                    x, cache, mask = forward_masked(layer, x, mask, own, train=train, rng=rng)
                    caches.append(cache)
                caches = Caches(caches, mask)
        except ShapeError as error:
            raise self.located(error, len(caches)) from None
        except Exception as error:  # from a user-defined layer: name it
            error.add_note(f"in the forward of {self.name_of(len(caches))}")
            raise
        if x.shape[1:] != self.output_shape:
            raise ShapeError(
                f"Sequential: expected outputs of shape {describe_batch(self.output_shape)}, as "
                f"its layers' build promised, got {x.shape}: a layer's build and forward disagree"
            )
        return x, caches

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        states = list(state or [None] * len(self.layers))
        for place, layer in enumerate(self.layers):
            x, states[place] = layer.step(x, states[place])
        return x, states

    def check_input(self, x: Array) -> None:
        """Raise ShapeError, naming the first layer, unless x is (m, *input_shape)."""
        if isinstance(x, tuple):
            x, _ = with_lengths(self, x)
        if x.shape[1:] != getattr(self, "input_shape", None):
            require_input(self, x, self.name_of(0))

    def backward(self, dy: Array, cache: list[Cache], *, need_dx: bool = True) -> Backward:
        if dy.shape[1:] != self.output_shape:
            raise ShapeError(
                f"Sequential.backward: expected dy of shape {describe_batch(self.output_shape)}, "
                f"as the outputs, got {dy.shape}"
            )
        layers, first = self.layers, 0  # the lowest layer that backward has to reach
        while not need_dx and first < len(layers) and all(map(_FROZEN, self._learning[first])):
            first += 1
        gradients: Gradients = {}
        dx: Array | None = dy
        for place in range(len(layers) - 1, first - 1, -1):
            assert dx is not None
            below = need_dx or place > first
            try:
                dx, own = layers[place].backward(dx, cache[place], need_dx=below)
            except Exception as error:
                error.add_note(f"in the backward of {self.name_of(place)}")
                raise
            names = self._names[place]
            for key, gradient in own.items():
                name = names.get(key) or f"{place}.{key}"
                gradients[name] = gradient + gradients[name] if name in gradients else gradient
            if below and dx is None:
                raise self.missing_dx(place)
        return (dx if need_dx else None), gradients

    def outputs(self, x: object) -> dict[str, Array]:
        """The outputs of each layer for a batch x, when predicting, by the layer's name: "0", "1",
        or its name from `named`.
        """
        self.require_built()
        h, found, mask = as_batch(x, self.dtype, "outputs"), dict[str, Array](), None
        for name, layer in self.sublayers().items():
            h, _, mask = forward_masked(layer, h, mask)
            found[name] = h
        return found

    @overload
    def __getitem__(self, place: slice) -> Sequential: ...
    @overload
    def __getitem__(self, place: int | str) -> Layer: ...
    def __getitem__(self, place: slice | int | str) -> Layer:
        """The layer at a place or of a name; for a slice, a model that shares these layers."""
        if not isinstance(place, slice):
            return super().__getitem__(place)
        model = Sequential(*self.layers[place])
        if self.built and not model.built:
            first = model.layers[0]
            model.build_once(first.input_shape, rng=as_generator(None), dtype=first.dtype)
        return model

    def config(self) -> dict[str, Any]:
        # A subclass with its own constructor is saved by that constructor's arguments.
        own = type(self).__init__ is not Sequential.__init__
        return super().config() if own else {"layers": self.layers}


_FROZEN = operator.attrgetter("frozen")


def last_layer(model: Layer) -> Layer:
    """The layer that computes a model's outputs, also in nested models."""
    while isinstance(model, Model):
        model = model.last_layers[-1]
    return model
