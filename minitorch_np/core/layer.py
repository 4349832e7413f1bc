"""The contract of a layer.

A layer is a function with parameters that can compute its derivative. It has three methods.
`build` takes the shape of one sample, creates the parameters and returns the output's shape.
`forward` computes the outputs, and also returns the values that the derivative needs: the cache.
`backward` takes the gradient of the loss with respect to the outputs and that cache, and returns
the gradients with respect to the inputs and to each parameter, by the chain rule.

A call stores nothing on the layer: the cache belongs to the caller. So two forwards before a
backward, a layer used in two places, an evaluation in the middle of a step and two threads are all
correct, and there is nothing to reset between steps.
"""

from __future__ import annotations

from abc import abstractmethod
from contextvars import ContextVar
from typing import Any, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import (
    Array,
    DType,
    Generator,
    Shape,
    as_batch,
    as_float_dtype,
    as_shape,
    as_shapes,
    describe_shape,
    each,
)
from minitorch_np.core.node import Node, called_on
from minitorch_np.core.sequences import OnSequences
from minitorch_np.core.tree import Tree, TreeType, own_array
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.names import by_name
from minitorch_np.signature import Described
from minitorch_np.validation import instance

Cache: TypeAlias = Any
"""The values that `forward` returns for `backward`; only the layer itself reads them."""

Gradients: TypeAlias = dict[str, Array]
"""A gradient for each parameter, by the parameter's name."""

Forward: TypeAlias = tuple[Array, Cache]
"""The result of `forward`: the outputs, and the cache."""

Backward: TypeAlias = tuple[Array | None, Gradients]
"""The result of `backward`: the gradient of the inputs, if needed, and those of parameters."""


_INSIDE: ContextVar[list[Any] | None] = ContextVar("inside", default=None)
"""The layers inside the one whose `build` is running."""


class Layer(Tree["Layer"], OnSequences, Described, metaclass=TreeType):
    """The contract of all layers. A subclass defines `forward` and `backward`, and, if it has
    parameters, `parameter_names` and `build`.

    - A batch has one sample a row: x is `(m, *input_shape)`, the output `(m, *output_shape)`.
    - Inputs, parameters and dy are never changed; what is returned is new, or a view of x or dy, as
      Flatten's. Gradients of parameters are always new.
    - Inputs and parameters of one dtype give outputs and gradients of that dtype.
    - Randomness comes only from the generator that is passed in.
    """

    outputs_probabilities: bool = False
    """Whether an output row is a probability distribution, as Softmax's is: losses on logits refuse
    it."""

    outputs_log_probabilities: bool = False
    """Whether an output row holds the logarithms of a distribution, as LogSoftmax's does."""

    couples_samples: bool = False
    """Whether one sample's output depends on the others of its batch, as in BatchNorm."""

    index_limit: int | None = None
    """For inputs that are indices (Embedding), their upper bound; there is no gradient with respect
    to them."""

    outputs_separate_probabilities: bool = False
    """Whether each output is an independent probability, as Sigmoid's are."""

    keeps_values: bool = False
    """Whether the outputs are the inputs in another shape, as in Reshape."""

    several_inputs: bool = False
    """Whether it can take several arrays, as Concatenate()(a, b) does: then x is a tuple of them,
    and so are input_shape and dx."""

    frozen: bool = False
    """Whether the parameters are excluded from training; set by `trainable`."""

    input_shape: Shape
    output_shape: Shape
    dtype: np.dtype[Any]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        layer = super().__new__(cls)
        inside = _INSIDE.get()
        if inside is not None:  # made by another layer's build
            vars(layer)["build"] = layer.build_once
            inside.append(layer)
        return layer

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        """Create the parameters for samples of `input_shape`; return the shape of one output.

        Subclasses override it; a layer without parameters that keeps the shape need not. To prepare
        a layer for use, call `initialize`, or put it into a model.
        """
        return input_shape

    @abstractmethod
    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        """The outputs for a batch `(m, *input_shape)`, and the cache for `backward`.

        `train` is True in training, for layers that differ between training and prediction; `rng`
        is the source of all randomness.
        """

    @abstractmethod
    def backward(self, dy: Array, cache: Cache, *, need_dx: bool = True) -> Backward:
        """The vector-Jacobian product: from dL/dy, the gradients dL/dx and dL/dparameter.

        `need_dx=False` lets it skip dL/dx and return None for it: the gradient of the model's
        inputs is not needed.
        """

    def initialize(self, input_shape: object, *, rng: Generator, dtype: DType) -> Shape:
        """Build the layer, and all layers inside, for samples of `input_shape` (784, or (28, 28)).

        Parameters are drawn from `rng`, in `dtype` (float32 or float64). A layer that is already
        built is rebuilt. Returns the shape of one output. If anything fails, nothing changes.
        """
        instance(f"{self.label}.initialize", "rng", rng, np.random.Generator)
        before = [(layer, dict(vars(layer))) for layer in self.walk()]
        if self.built:
            for layer, _ in before:
                vars(layer).pop("output_shape", None)
        try:
            return self.build_once(input_shape, rng=rng, dtype=dtype)
        except BaseException:
            for layer, attributes in before:
                vars(layer).clear()
                vars(layer).update(attributes)
            raise

    def build_once(self, input_shape: object, *, rng: Generator, dtype: DType) -> Shape:
        """Build the layer unless it is built; containers call this for the layers inside.

        A layer that already has parameters, because it was built elsewhere or is used twice, keeps
        them. Raises ShapeError if it was built for another shape or dtype.
        """
        shape = (as_shapes if self.several_inputs else as_shape)(input_shape)
        dtype = as_float_dtype(dtype)
        if self.built and self.parameter_owners():
            if (self.input_shape, self.dtype) != (shape, dtype):
                raise ShapeError(
                    f"{self.label}: expected {describe_shape(self.input_shape)} in {self.dtype}, "
                    f"for which it was built, got {describe_shape(shape)} in {dtype}: "
                    + self.remedy_for(shape)
                )
            return self.output_shape
        # While `build` runs, `self.inner.build(...)` builds an inner layer in full.
        inner = [layer for layer in self.walk() if layer is not self]
        for layer in inner:
            vars(layer)["build"] = layer.build_once
        outside = _INSIDE.set(inner)
        try:
            output_shape = type(self).build(self, shape, rng=rng, dtype=dtype)
        finally:
            _INSIDE.reset(outside)
            for layer in inner:
                vars(layer).pop("build", None)
        if output_shape is None:
            raise ConfigurationError(
                f"{self.label}.build: expected it to return the shape of one output, got None"
            )
        for name in self.parameter_names + self.buffer_names:
            setattr(self, name, own_array(vars(self).get(name), dtype, f"{self.label}.build", name))
        self.input_shape, self.dtype, self.output_shape = shape, dtype, as_shapes(output_shape)
        return self.output_shape

    def __call__(self, *x: Any) -> Any:
        """The outputs of `forward` for a batch, when predicting; or, called on nodes of a Graph,
        the node of this layer's output.
        """
        x = called_on(x)
        if any(isinstance(one, Node) for one in x):
            return Node(self, x)
        self.require_built()
        x = each(lambda one: as_batch(one, self.dtype, type(self).__name__), x)
        return self.forward(x if len(x) > 1 else x[0])[0]  # type: ignore[arg-type]

    @property
    def trainable(self) -> bool:
        """Whether training changes the parameters; set it to False to freeze the layer.

        Setting it applies to all layers inside. A frozen BatchNorm also keeps its running
        statistics and normalizes by them. With `need_dx=False`, `backward` of a model may leave out
        the gradients of frozen layers.
        """
        return not self.frozen

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        for layer in self.walk():
            layer.frozen = not trainable


def layer_from_name(text: str) -> Layer:
    """The layer that a text such as "relu", "dense(10)" or "elu(1.7)" describes; see `names`."""
    return by_name(Layer, text)
