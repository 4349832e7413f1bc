"""Layers made of layers.

`Sequential` runs its layers one after the other: the output of each is the input of the next. Its
backward walks the same way back. It is a layer itself, so one can stand inside of another.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, Self, cast

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Generator,
    Seed,
    Shape,
    StrPath,
    as_float_dtype,
    as_generator,
    describe_batch,
)
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Backward, Cache, Forward, Gradients, Layer
from minitorch_np.core.model_file import load_model, save_model
from minitorch_np.core.parameters import ParameterVector
from minitorch_np.core.prediction import predicted, require_classes
from minitorch_np.core.shapes import require_input
from minitorch_np.core.summary import summary_table
from minitorch_np.errors import ShapeError
from minitorch_np.numerics import softmax


class Sequential(Composite):
    """Layers one after the other: y = f_n(... f_2(f_1(x))).

    `layers` are Layer objects, or names such as "relu" and "elu(1.7)". With `input_shape` (of one
    sample: 784, or (28, 28)) the model is built at once, with initial parameters drawn from `seed`
    (a number or a Generator; None is a different start each time) in `dtype` (float32 or float64).
    Without it, the model is a specification until `initialize` is called, or a container that it is
    in is built. A layer that was built before keeps its parameters.

    A layer that stands in two places has one set of parameters, and its gradients add up.

    Raises ConfigurationError for something that is not a layer, ShapeError, naming the layer's
    position, where a layer can't take what the one before gives.
    """

    def __init__(
        self,
        *layers: Layer | str | Iterable[Layer | str],
        input_shape: int | Shape | None = None,
        seed: Seed = None,
        dtype: DType = np.float32,
    ) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])  # Keras' way to write it
        super().__init__(*cast("tuple[Layer | str, ...]", layers))
        dtype = as_float_dtype(dtype)
        first = self.layers[0]
        if input_shape is None and first.parameter_names and first.built:
            input_shape, dtype = first.input_shape, first.dtype
        if input_shape is not None:
            self.initialize(input_shape, rng=as_generator(seed), dtype=dtype)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        output_shape = super().build(input_shape, rng=rng, dtype=dtype)
        ParameterVector(self)  # for the order in memory
        return output_shape

    def build_layers(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        for place in range(len(self.layers)):
            input_shape = self.build_layer(place, input_shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        if x.shape[1:] != getattr(self, "input_shape", None):
            require_input(self, x, self.name_of(0))
        caches: list[Cache] = []
        try:
            for layer in self.layers:
                x, cache = layer.forward(x, train=train, rng=rng)
                caches.append(cache)
        except ShapeError as error:
            raise self.located(error, len(caches)) from None
        except Exception as error:  # of a user-defined layer: say which
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
        if x.shape[1:] != getattr(self, "input_shape", None):
            require_input(self, x, self.name_of(0))

    def backward(self, dy: Array, cache: list[Cache], *, need_dx: bool = True) -> Backward:
        if dy.shape[1:] != self.output_shape:
            raise ShapeError(
                f"Sequential.backward: expected dy of shape {describe_batch(self.output_shape)}, "
                f"as the outputs, got {dy.shape}"
            )
        layers, first = self.layers, 0  # the layer at which the way back ends
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
            for key in own:
                name = self._names[place].get(key) or f"{place}.{key}"
                gradients[name] = own[key] + gradients[name] if name in gradients else own[key]
            if below and dx is None:
                raise self.missing_dx(place)
        return (dx if need_dx else None), gradients

    def predict(self, x: object, batch_size: int = 256) -> Array:
        """The outputs (m, *output_shape) for x (m, *input_shape), `batch_size` samples at a time.

        Raises DataError, with row and column, for a NaN or infinity in x.
        """
        return predicted(self, x, batch_size)

    def predict_proba(self, x: object, batch_size: int = 256) -> Array:
        """Class probabilities (m, classes): the softmax of the outputs, if they are not that yet.

        Raises ShapeError for a model that does not give at least two scores a sample.
        """
        require_classes(self, "predict_proba")
        outputs = self.predict(x, batch_size)
        return outputs if self.outputs_probabilities else softmax(outputs)

    def predict_classes(self, x: object, batch_size: int = 256) -> AnyArray:
        """The most probable class of each sample, as integers (m,). Raises as predict_proba."""
        require_classes(self, "predict_classes")
        return cast("AnyArray", np.argmax(self.predict(x, batch_size), axis=1))

    @property
    def outputs_probabilities(self) -> bool:  # type: ignore[override]  # the last layer's
        return self.layers[-1].outputs_probabilities

    @property
    def outputs_log_probabilities(self) -> bool:  # type: ignore[override]
        return self.layers[-1].outputs_log_probabilities

    def summary(self) -> None:
        """Print a table: each layer, the shape that it gives, and how many parameters it has."""
        print(summary_table(self))

    def save(self, path: StrPath) -> None:
        """Write architecture and parameters to one .npz file, at once or not at all."""
        save_model(self, path)

    @classmethod
    def load(cls, path: StrPath, custom_layers: Iterable[type[Layer]] = ()) -> Self:
        """A model from a file that `save` wrote.

        User-defined layers are found by the module and name they had, or among `custom_layers`.
        Raises ModelFileError for a file that is damaged, incomplete, of a newer format, or names a
        layer that is not found.
        """
        return load_model(path, cls, custom_layers)

    def config(self) -> dict[str, Any]:
        # A subclass with a constructor of its own is made again by its own arguments.
        own = type(self).__init__ is not Sequential.__init__
        return super().config() if own else {"layers": self.layers}


_FROZEN = operator.attrgetter("frozen")


def last_layer(model: Layer) -> Layer:
    """The layer that gives a model's outputs, that of models within models too."""
    while isinstance(model, Sequential):
        model = model.layers[-1]
    return model
