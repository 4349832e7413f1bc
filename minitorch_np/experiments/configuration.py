"""The configurations of a comparison: networks, and their training settings.

A configuration is a name, a list of layers, and the settings of training. It can be written as
JSON, so that it can be sent to another process or machine, and stored in the results.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import Shape
from minitorch_np.core.layer import layer_from_name
from minitorch_np.core.model_file import decode_layer, encode_layer
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.layers import Dense, Layer, Sequential, Softmax
from minitorch_np.losses import Loss
from minitorch_np.names import by_name
from minitorch_np.optimizers import Optimizer
from minitorch_np.signature import explain
from minitorch_np.validation import require, shown, wrong

DEFAULTS = ("leaky_relu+elu", "relu+relu", "sigmoid+sigmoid", "relu+softmax", "sigmoid+softmax")
"""The three options of the notes, the network of their example, and the same with Sigmoid, which
shows whether the hidden Sigmoid does harm, or the one that bounds the scores."""

LOSS = "softmax_cross_entropy"
"""The default loss."""

EPOCHS, BATCH_SIZE, LEARNING_RATE = 20, 50, 0.05
"""The default training settings, suited to the notes' network and the digits of this package."""


class Configuration(NamedTuple):
    """A network and how it is trained.

    - `layers` are objects or names; the last must suit the loss, with scores for
      SoftmaxCrossEntropy;
    - `learning_rate`; None lets `compare` choose one;
    - `optimizer` is a name with arguments, such as "sgd(momentum=0.9)" or "adam";
    - `loss` is a name too, of a loss over classes or a regression loss ("mean_squared_error").
    """

    name: str
    layers: Sequence[Layer | str]
    learning_rate: float | None = None
    optimizer: str = "sgd"
    epochs: int = EPOCHS
    batch_size: int = BATCH_SIZE
    loss: str = LOSS

    def encoded(self) -> dict[str, Any]:
        """A dictionary for JSON. Raises ConfigurationError for layers that can't be encoded."""
        layers = [
            layer_from_name(layer) if isinstance(layer, str) else layer for layer in self.layers
        ]
        found = self._asdict() | {"layers": [encode_layer(layer) for layer in layers]}
        if self.loss == LOSS:
            del found["loss"]  # as in results of versions without this setting
        return found

    @classmethod
    def decoded(cls, data: dict[str, Any]) -> Configuration:
        """The configuration that `encoded` returned as a dictionary."""
        return cls(**data | {"layers": [decode_layer(layer, {}) for layer in data["layers"]]})

    def model(self, input_shape: Shape, seed: int) -> Sequential:
        """The network with its initial parameters.

        The n-th layer with parameters draws from the generator (seed, n), so that networks that
        differ in other layers begin with the same weights where the shapes agree.
        """
        fresh = Configuration.decoded(json.loads(json.dumps(self.encoded()))).layers
        shape, learned = input_shape, 0
        for layer in fresh:
            assert isinstance(layer, Layer)
            rng = np.random.default_rng([seed, learned])
            shape = layer.initialize(shape, rng=rng, dtype=np.float32)
            learned += bool(layer.parameter_owners())
        return Sequential(*fresh, input_shape=input_shape, seed=seed)

    @property
    def rate(self) -> float:
        """The learning rate, or the default if it is None."""
        return LEARNING_RATE if self.learning_rate is None else self.learning_rate

    def make_optimizer(self) -> Optimizer:
        """A new optimizer. Raises ConfigurationError for an unknown name."""
        return optimizer_from_name(self.optimizer, self.rate)

    def make_loss(self) -> Loss:
        """The loss. Raises ConfigurationError for an unknown name."""
        return by_name(Loss, self.loss)

    def check(self, input_shape: Shape, outputs: int) -> None:
        """Raise ConfigurationError or ShapeError, with the name, if it can't be trained."""
        try:
            for key, number in {"epochs": self.epochs, "batch_size": self.batch_size}.items():
                if not isinstance(number, (int, np.integer)) or number < 1:
                    raise ConfigurationError(f"expected {key} of at least 1, got {shown(number)}")
            if not isinstance(self.optimizer, str):
                raise ConfigurationError(
                    "expected an optimizer by name, such as 'adam(beta1=0.8)', and learning_rate "
                    f"as a separate setting, got {self.optimizer!r}"
                )
            self.make_optimizer()
            self.make_loss().check_model(model := self.model(input_shape, 0))
            if model.output_shape != (outputs,):
                raise ShapeError(f"expected {outputs} scores, got {model.output_shape}")
        except (ConfigurationError, ShapeError) as error:
            raise type(error)(f"configuration {self.name!r}: {error}") from None


def _explain_calls() -> None:
    """Explain wrong arguments as in other classes; a NamedTuple has no metaclass that does."""
    create: Any = Configuration.__new__
    create.__name__ = Configuration.__name__  # the name in the message

    @functools.wraps(create)
    def new(cls: type, *arguments: Any, **options: Any) -> Any:
        try:
            return create(cls, *arguments, **options)
        except TypeError as error:
            explain(error, create, len(arguments) + len(options), options)
            raise

    setattr(Configuration, "__new__", new)


_explain_calls()


def optimizer_from_name(text: str, learning_rate: float) -> Optimizer:
    """The optimizer that a text such as "adam" or "sgd(momentum=0.9)" describes."""
    return by_name(Optimizer, text, learning_rate=learning_rate)


def as_configuration(
    given: str | Configuration, hidden: int = 10, outputs: int = 10, loss: str | None = None
) -> Configuration:
    """A configuration, with `loss` instead of its own unless that is None; a text such as
    "leaky_relu(0.1)+elu" is the notes' network with these two activations.

    "A+B" is Dense, A, Dense, B, and B's outputs are the scores; with softmax as B, which is part of
    the loss, the scores are those of the second Dense. "A" is the same as "A+softmax"; for
    regression it is Dense, A, Dense. Raises ConfigurationError for anything else.
    """
    if isinstance(given, Configuration):
        return given if loss is None else given._replace(loss=loss)
    if not isinstance(given, str):
        raise wrong("configuration", "a Configuration or a text such as 'relu+elu'", given)
    parts = [part.strip() for part in given.split("+")]
    if len(parts) > 2:
        raise ConfigurationError(
            f"configuration {given!r}: expected one or two activations, as in 'relu+elu'"
        )
    first = layer_from_name(parts[0])
    second = layer_from_name(parts[1]) if len(parts) > 1 else Softmax()
    of_numbers = loss is not None and by_name(Loss, loss).exclusive_classes is None
    if of_numbers and len(parts) > 1 and isinstance(second, Softmax):
        raise ConfigurationError(
            f"configuration {given!r}: expected activations that suit {loss}, got softmax, which "
            "is for classes: give configurations such as 'relu', or 'relu+tanh'"
        )
    layers: list[Layer | str] = [Dense(hidden), first, Dense(outputs)]
    if not isinstance(second, Softmax):
        layers.append(second)
    return Configuration(given, layers, loss=loss or LOSS)


def as_configurations(
    given: Iterable[str | Configuration] | None,
    hidden: int = 10,
    outputs: int = 10,
    loss: str | None = None,
) -> list[Configuration]:
    """The configurations. Raises ConfigurationError if there are none, or two of the same name."""
    found = [as_configuration(each, hidden, outputs, loss) for each in as_list(given)]
    names = [configuration.name for configuration in found]
    if not found or len(set(names)) < len(names):
        raise ConfigurationError(f"configurations: expected different names, got {names}")
    return found


def as_list(given: Iterable[str | Configuration] | None) -> list[str | Configuration]:
    """The configurations to compare as a list; None means DEFAULTS."""
    listed = given is None or (
        isinstance(given, Iterable) and not isinstance(given, (str, np.ndarray))
    )
    require(listed, "compare", "a list of configurations", given)
    return list(DEFAULTS) if given is None else list(given)
