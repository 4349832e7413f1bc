"""The base of layers with a weight and a bias: initial values, and their description in files."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.errors import ShapeError
from minitorch_np.initializers import Initializer, get_initializer, named_initializer
from minitorch_np.validation import flag


class Weighted(Layer):
    """A layer with the parameter `weight` and, unless `use_bias` is false, `bias`."""

    parameter_names: tuple[str, ...] = ("weight", "bias")
    weight: Array
    bias: Array

    def __init__(
        self,
        weight_initializer: str | Initializer,
        bias_initializer: str | Initializer,
        use_bias: bool,
    ) -> None:
        self.weight_initializer = named_initializer(weight_initializer)
        self.bias_initializer = named_initializer(bias_initializer)
        self.use_bias = flag(self, "use_bias", use_bias)
        if not use_bias:
            self.parameter_names = ("weight",)

    def make_parameters(
        self,
        weight_shape: Shape,
        fan_in: int,
        fan_out: int,
        rng: Generator,
        dtype: DType,
        biases: int | None = None,
    ) -> None:
        """Set `weight` and `bias` from their initializers.

        The bias has one number for each row of the weight, or `biases` numbers. Raises ShapeError
        if an initializer returns another shape.
        """
        bias_shape = weight_shape[:1] if biases is None else (biases,)
        for name, shape in {"weight": weight_shape, "bias": bias_shape}.items():
            if name in self.parameter_names:
                require_parameters(repr(self), shape)
                initializer = get_initializer(getattr(self, f"{name}_initializer"))
                made = np.asarray(initializer(rng, shape, fan_in, fan_out), dtype)
                if made.shape != shape:
                    raise ShapeError(
                        f"{self!r}: expected its {name}_initializer to return an array of shape "
                        f"{shape}, got {made.shape}"
                    )
                setattr(self, name, made)

    def config(self) -> dict[str, Any]:
        # A function can't be saved, and a loaded layer no longer needs its initializer.
        return {name: value for name, value in super().config().items() if not callable(value)}
