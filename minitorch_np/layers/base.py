"""What a layer is.

A layer is a function with parameters that knows its own derivative. It does three things.
`build` takes the shape of one sample, makes the parameters and says what shape comes out.
`forward` computes outputs, and hands back whatever the derivative will need: the cache.
`backward` takes the gradient of the loss with respect to the outputs and that cache, and returns
the gradient with respect to the inputs and to each parameter, by the chain rule.

Nothing of a call is kept on the layer. Two forwards before a backward, one layer in two places, an
evaluation in the middle of a step, two threads: all are right, because the cache belongs to the
caller. For the same reason there is nothing to zero between steps.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Generator,
    Shape,
    as_batch,
    as_float_dtype,
    as_shape,
)
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.layers.arguments import REQUIRED, SPREAD, constructor_arguments, is_default
from minitorch_np.layers.unbuilt import announce

Cache: TypeAlias = Any
"""What `forward` hands to `backward`: each layer's own business, and nobody else's."""

Gradients: TypeAlias = dict[str, Array]
"""A gradient for each parameter, by the parameter's name."""


Owner: TypeAlias = "tuple[str, Layer, str]"
"""A parameter's name in a model, the layer that has it, and the attribute there."""


def _recorded(build: Callable[..., Shape]) -> Callable[..., Shape]:
    """`build`, with its arguments put in order before it and its result remembered after it.

    It is put around every class's `build`, so that a layer of the reader's own need not call
    `super().build()` to be a full member.
    """

    @functools.wraps(build)
    def recorded(layer: Layer, input_shape: object, *, rng: Generator, dtype: DType) -> Shape:
        shape, dtype = as_shape(input_shape), as_float_dtype(dtype)
        before = [(each, dict(vars(each))) for each in layer.walk()]
        try:
            if layer.built:  # built anew, all of it: nothing below counts as built either
                for each, _ in before:
                    vars(each).pop("output_shape", None)
            output_shape = _require_shape(layer, build(layer, shape, rng=rng, dtype=dtype))
            layer.parameter_shapes = _take_parameters(layer, dtype)
        except BaseException:  # a build that fails changes nothing
            for each, attributes in before:
                vars(each).clear()
                vars(each).update(attributes)
            raise
        layer.input_shape, layer.output_shape, layer.dtype = shape, output_shape, dtype
        return output_shape

    return recorded


def _require_shape(layer: Layer, shape: Any) -> Shape:
    if shape is None:
        raise ConfigurationError(
            f"{layer.label}.build: expected it to return the shape of one output sample, got None"
        )
    return as_shape(shape)


def _take_parameters(layer: Layer, dtype: np.dtype[Any]) -> dict[str, Shape]:
    """Make parameters and buffers the layer's own memory, whoever made them; return the shapes of
    the parameters.
    """
    for name in layer.parameter_names + layer.buffer_names:
        made = vars(layer).get(name)
        if not isinstance(made, np.ndarray) or made.dtype != dtype:
            raise ConfigurationError(
                f"{layer.label}.build: expected it to make {name!r} as an array of {dtype}, "
                f"got {getattr(made, 'dtype', made)}: set self.{name} there"
            )
        setattr(layer, name, np.array(made, order="C"))
    return {name: getattr(layer, name).shape for name in layer.parameter_names}


class Layer(ABC):
    """The contract of all layers. A new one defines `forward` and `backward`, and, if it has
    parameters, `parameter_names` and `build`.

    - A batch has one sample a row: x is `(m, *input_shape)`, the output `(m, *output_shape)`.
    - Inputs, parameters and dy are never changed; what is returned is fresh.
    - The dtype of what comes in and of the parameters is the dtype of what goes out.
    - Randomness comes from the generator that is handed in, and from nowhere else.
    """

    parameter_names: tuple[str, ...] = ()
    """The attributes that are parameters, in the order in which they are stored."""

    buffer_names: tuple[str, ...] = ()
    """The attributes that `forward` changes when training and that nothing descends on: the running
    statistics of BatchNorm. They are saved with the parameters."""

    outputs_probabilities: bool = False
    """True where an output row is a distribution, as Softmax's is: losses on logits refuse it."""

    outputs_log_probabilities: bool = False
    """True where an output row is a distribution's logarithm, as LogSoftmax's is."""

    couples_samples: bool = False
    """True where one sample's output depends on the others of its batch, as in BatchNorm."""

    index_limit: int | None = None
    """Where inputs are whole numbers from 0 to below this, as Embedding's are: there is no gradient
    with respect to them."""

    input_shape: Shape
    output_shape: Shape
    dtype: np.dtype[Any]
    parameter_shapes: dict[str, Shape]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        announce(cls, cls.parameter_names)
        announce(cls, cls.buffer_names)
        if "build" in cls.__dict__:
            setattr(cls, "build", _recorded(cls.__dict__["build"]))

    @_recorded
    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        """Make the parameters for samples of `input_shape`; return the shape of one output.

        A layer without parameters that keeps the shape need not define it.
        """
        return input_shape

    @abstractmethod
    def forward(
        self, x: Array, *, train: bool = False, rng: Generator | None = None
    ) -> tuple[Array, Cache]:
        """The outputs for a batch `(m, *input_shape)`, and the cache for `backward`.

        `train` tells training from prediction, for layers that differ in the two; `rng` is the
        source of whatever is drawn at random.
        """

    @abstractmethod
    def backward(
        self, dy: Array, cache: Cache, *, need_dx: bool = True
    ) -> tuple[Array | None, Gradients]:
        """The vector-Jacobian product: from dL/dy, the gradients dL/dx and dL/dparameter.

        `need_dx=False` allows to leave out dL/dx, and to return None for it: the first layer of
        a model need not compute what nobody uses.
        """

    def __call__(self, x: object) -> Array:
        """The outputs for a batch, as `forward` gives them when predicting."""
        return self.forward(as_batch(x, self.dtype, type(self).__name__))[0]

    # What follows works for every layer as it is.

    @property
    def label(self) -> str:
        """The layer in a few words, for errors and tables: its repr, if that is one line."""
        return type(self).__name__ if self.sublayers() else repr(self)

    @property
    def built(self) -> bool:
        """Whether `build` has been called."""
        return "output_shape" in self.__dict__

    frozen: bool = False
    """Whether training leaves the parameters as they are; set by `trainable`."""

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

    def sublayers(self) -> Mapping[str, Layer]:
        """The layers that this one is made of, by the name that leads their parameters' names.

        These are the attributes that are layers, or lists of layers: "blocks.0".
        """
        found = {}
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                found[name] = value
            elif isinstance(value, (list, tuple)) and any(isinstance(v, Layer) for v in value):
                found |= {f"{name}.{n}": v for n, v in enumerate(value) if isinstance(v, Layer)}
        return found

    def walk(self) -> Iterator[Layer]:
        """This layer and all that it is made of, from the outside in."""
        yield self
        for layer in self.sublayers().values():
            yield from layer.walk()

    def build_once(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        """`build`, as a container calls it for the layers that it is made of.

        A layer whose parameters exist already, since it was built elsewhere or stands in two
        places, keeps them, and is only asked whether it fits. Raises ShapeError if it does not.
        """
        if not (self.built and self.parameter_owners()):
            return self.build(input_shape, rng=rng, dtype=dtype)
        if (self.input_shape, self.dtype) != (input_shape, dtype):
            raise ShapeError(
                f"{self.label}: expected {samples(self.input_shape)} in {self.dtype}, for which "
                f"it was built, got {samples(input_shape)} in {np.dtype(dtype)}: "
                "is a layer missing before it?"
            )
        return self.output_shape

    def named_parameters(self) -> dict[str, Array]:
        """Each parameter by its name, the arrays themselves: change one in place and it counts.

        Names are PyTorch's: "weight", and "0.weight" for the one of sublayer "0". A parameter that
        stands in several places has the name of the first.
        """
        named = {}
        for name, owner, key in self.parameter_owners():
            named[name] = getattr(owner, key)
            if named[name].shape != owner.parameter_shapes[key]:
                raise ShapeError(
                    f"{owner.label}: expected its {key} to have the shape "
                    f"{owner.parameter_shapes[key]}, for which it was built, got "
                    f"{named[name].shape}: set its values in place, {key}[...] = values"
                )
        return named

    def named_buffers(self) -> dict[str, Array]:
        """The same for what is no parameter but belongs to the layer: running statistics."""
        owners = _once(self.all_owners("buffer_names"))
        return {name: getattr(owner, key) for name, owner, key in owners}

    def parameter_owners(self) -> list[Owner]:
        """`(name, layer, attribute)` of each parameter, shared ones once, in order."""
        return _once(self.all_parameter_owners())

    def all_parameter_owners(self) -> list[Owner]:
        """The same, with a shared one in each of the places in which it stands."""
        return self.all_owners("parameter_names")

    def all_owners(self, kind: str) -> list[Owner]:
        """The same for parameters or buffers: `kind` is the attribute that lists their names."""
        own: list[Owner] = [(key, self, key) for key in getattr(self, kind)]
        for prefix, layer in self.sublayers().items():
            own += [(f"{prefix}.{name}", at, key) for name, at, key in layer.all_owners(kind)]
        return own

    def count_parameters(self) -> int:
        """How many numbers there are to learn."""
        return sum(array.size for array in self.named_parameters().values())

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name, as PyTorch's method of that name."""
        return {name: array.copy() for name, array in self._state().items()}

    def _state(self) -> dict[str, Array]:
        return self.named_parameters() | self.named_buffers()

    def load_state_dict(self, state: Mapping[str, AnyArray], strict: bool = True) -> None:
        """Set parameters and buffers from arrays by name; all, or with `strict=False` those given.

        Raises DataError that lists every missing, unexpected and misshapen name at once; nothing
        is changed then.
        """
        present = self._state()
        # PyTorch's BatchNorm counts batches as well, which nothing here needs.
        state = {n: array for n, array in state.items() if not n.endswith("num_batches_tracked")}
        wrong = []
        if strict:
            wrong += [f"{name} is missing" for name in present if name not in state]
            wrong += [f"{name} is unexpected" for name in state if name not in present]
        shared = {name: np.asarray(state[name]) for name in present if name in state}
        for name, array in shared.items():
            if array.shape != present[name].shape or array.dtype.kind not in "fiu":
                wrong.append(
                    f"{name}: expected numbers of shape {present[name].shape}, "
                    f"got {array.dtype} of shape {array.shape}"
                )
        if wrong:
            raise DataError(f"{type(self).__name__}.load_state_dict: " + "; ".join(wrong))
        for name, array in shared.items():
            present[name][...] = array

    def config(self) -> dict[str, Any]:
        """The arguments that would make this layer again, read from the attributes of their names.

        An argument `*layers` appears as one tuple. Override it where arguments are not kept under
        their own names. Raises ConfigurationError where one is not found.
        """
        return {name: self._argument(name) for name in constructor_arguments(type(self))}

    def _argument(self, name: str) -> Any:
        if name not in self.__dict__:
            raise ConfigurationError(
                f"{type(self).__name__}.config: expected the argument {name!r} to be kept as "
                f"self.{name}, found no such attribute: keep it, or define config()"
            )
        return self.__dict__[name]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new layer, not built, from what `config` returned."""
        arguments = constructor_arguments(cls)
        spread = next((n for n, default in arguments.items() if default is SPREAD), None)
        named = {name: value for name, value in config.items() if name != spread}
        return cls(*config.get(spread, ()), **named) if spread else cls(**named)

    def __repr__(self) -> str:
        shown = []
        for name, default in constructor_arguments(type(self)).items():
            value = self.__dict__.get(name, "?")
            text = getattr(value, "__name__", None) or repr(value)
            if default is REQUIRED:
                shown.append(text)
            elif not is_default(value, default):
                shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _once(owners: list[Owner]) -> list[Owner]:
    """Of several with the same layer and attribute, the first."""
    found: dict[tuple[int, str], Owner] = {}
    for name, owner, key in owners:
        found.setdefault((id(owner), key), (name, owner, key))
    return list(found.values())


announce(Layer, ("input_shape", "output_shape", "dtype", "parameter_shapes"))


def samples(shape: Shape) -> str:
    """A sample's shape in words, for errors."""
    return f"{shape[0]} features" if len(shape) == 1 else f"samples of shape {shape}"
