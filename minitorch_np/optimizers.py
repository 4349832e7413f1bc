"""How parameters move once the gradient is known.

An optimizer sees all parameters as one vector and their gradients as another. The gradient points
where the loss grows, so every step goes the other way; how far is the learning rate. Most
optimizers remember something of the gradients before: where they pointed (momentum), how large they
were.

What all have in common is here too: a learning rate that may follow a schedule, gradients that are
cut off where they are too large, and weights that decay. The decay is decoupled (Loshchilov and
Hutter 2017, arXiv:1711.05101): p := (1 - rate decay) p before the step, as in Keras and in
PyTorch's AdamW; it does not pass through the optimizer's memory.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Layer, Normalization
from minitorch_np.layers.vector import ParameterVector
from minitorch_np.schedules import Schedule

Spare: TypeAlias = Callable[[Layer, str], bool]
"""Given a layer and the name of one of its parameters, whether it is spared from weight decay."""


def biases_and_norms(layer: Layer, name: str) -> bool:
    """Spares what only shifts or scales: biases, and all parameters of normalizations."""
    return name == "bias" or isinstance(layer, Normalization)


def nothing(layer: Layer, name: str) -> bool:
    """Spares no parameter."""
    return False


class Optimizer(ABC):
    """The contract of all optimizers. A new one names its memory in `slots` and defines `update`.

    - `learning_rate` is a number of at least 0, or a schedule: a function of the number of steps
      already made (see `schedules`);
    - `weight_decay` shrinks parameters before each step, all but those that `spare` names;
    - `clip_value` cuts each gradient off at -clip_value and clip_value; `clip_norm` then shortens
      the gradient of all parameters together to that length, if it is longer.

    Raises ConfigurationError for numbers that are negative or not finite.
    """

    slots: tuple[str, ...] = ()
    """The names of the vectors that it keeps from step to step, all zero at first."""

    steps: int = 0
    """How many steps have been made."""

    last_rate: float = 0.0
    """The learning rate of the last of them."""

    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    learning_rate: float | Schedule = 0.0
    spare: Spare = staticmethod(biases_and_norms)

    def __init__(
        self,
        learning_rate: float | Schedule,
        *,
        weight_decay: float = 0.0,
        spare: Spare = biases_and_norms,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.learning_rate = (
            learning_rate
            if callable(learning_rate)
            else self._number("learning_rate", learning_rate)
        )
        self.weight_decay = self._number("weight_decay", weight_decay)
        self.spare = spare
        for name, limit in {"clip_norm": clip_norm, "clip_value": clip_value}.items():
            if limit is not None and not self._number(name, limit):
                raise ConfigurationError(
                    f"{type(self).__name__}: expected {name} to be greater than 0, or None"
                )
        self.clip_norm, self.clip_value = clip_norm, clip_value

    state: dict[str, Array]
    _places: dict[tuple[Layer, str], slice]
    _decayed: list[slice]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here, so that an optimizer of the reader's own need not call super().__init__().
        optimizer = super().__new__(cls)
        optimizer.state, optimizer._places, optimizer._decayed = {}, {}, [slice(None)]
        return optimizer

    @abstractmethod
    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        """Change `parameters` (n,) in place by one step at the learning rate `rate`.

        `self.state[slot]` is this optimizer's memory, also (n,), and `self.steps` counts this step.
        `gradients` may be used as scratch space.
        """

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change `parameters` (n,) in place, given the loss's gradient (n,) at them.

        `gradients` may be used as scratch space: nobody reads it afterwards.
        """
        rate = self.rate
        if self.clip_value is not None:
            np.clip(gradients, -self.clip_value, self.clip_value, out=gradients)
        if self.clip_norm is not None:
            _shorten(gradients, self.clip_norm)
        if self.weight_decay:
            for stretch in self._decayed:
                parameters[stretch] *= 1 - rate * self.weight_decay
        if self.slots and not self.state:
            self.state = {slot: np.zeros_like(parameters) for slot in self.slots}
        self.steps, self.last_rate = self.steps + 1, rate
        self.update(parameters, gradients, rate)

    @property
    def rate(self) -> float:
        """The learning rate of the next step. Raises ConfigurationError if it is not a number."""
        rate = self.learning_rate
        # A NumPy float64 would widen float32 arrays.
        return self._number("rate", rate(self.steps)) if callable(rate) else float(rate)

    def bind(self, vector: ParameterVector) -> None:
        """Learn which entries of a vector are which parameters: which decay, and where the memory
        of each is, since layers may have been frozen or freed. For another model it starts anew.
        """
        places, start = {}, 0
        for _, layer, name in vector.owners:
            stop = start + getattr(layer, name).size
            places[layer, name] = slice(start, stop)
            start = stop
        known = places.keys() & self._places.keys()
        if self._places and not known:
            self.steps, self.state = 0, {}
        elif self.state and places != self._places:
            fresh = {slot: np.zeros_like(vector.values) for slot in self.state}
            for parameter in known:
                for slot, memory in self.state.items():
                    fresh[slot][places[parameter]] = memory[self._places[parameter]]
            self.state = fresh
        self._places = places
        decayed = [place for key, place in places.items() if not self.spare(*key)]
        self._decayed = _merged(decayed)

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that it remembers: the vectors of its slots, and the number of steps."""
        return {"steps": self.steps} | {slot: v.copy() for slot, v in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set what it remembers. Raises DataError for what another kind of optimizer remembers."""
        vectors = {name: np.array(value) for name, value in state.items() if name != "steps"}
        if "steps" not in state or (vectors and set(vectors) != set(self.slots)):
            raise DataError(
                f"{type(self).__name__}.load_state_dict: expected steps and {list(self.slots)}, "
                f"got {sorted(state)}: was it another optimizer?"
            )
        self.steps, self.state = int(state["steps"]), vectors

    def _number(self, name: str, value: object) -> float:
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 <= float(value) < math.inf:  # type: ignore[arg-type]
            raise ConfigurationError(
                f"{type(self).__name__}: expected {name} to be a finite number of at least 0, "
                f"got {value!r}"
            )
        return float(value)  # type: ignore[arg-type]

    def _share(self, name: str, value: float) -> float:
        if not 0 <= value < 1:
            raise ConfigurationError(
                f"{type(self).__name__}: expected {name} to be at least 0 and less than 1, "
                f"got {value!r}"
            )
        return float(value)


class SGD(Optimizer):
    """W := W - alpha dW, the notes' update, with alpha the `learning_rate`.

    On the whole data set it is gradient descent; on batches, stochastic gradient descent. With
    `momentum` mu, v := mu v + dW and W := W - alpha v: it keeps rolling where it went before
    (Polyak 1964). With `nesterov`, W := W - alpha (dW + mu v), the gradient a step ahead (Sutskever
    et al. 2013). As PyTorch's; weight decay is decoupled there only where momentum is 0.

    Raises ConfigurationError unless 0 <= momentum < 1, or for nesterov without momentum.
    """

    slots: tuple[str, ...] = ("velocity",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum, self.nesterov = self._share("momentum", momentum), nesterov
        if nesterov and not momentum:
            raise ConfigurationError("SGD: expected a momentum greater than 0 for nesterov, got 0")
        if not momentum:
            self.slots = ()  # nothing to remember

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        if self.momentum:
            velocity = self.state["velocity"]
            velocity *= self.momentum
            velocity += gradients
            if self.nesterov:
                gradients += self.momentum * velocity
            else:
                gradients[:] = velocity
        gradients *= rate
        parameters -= gradients


class Adagrad(Optimizer):
    """s := s + g^2, p := p - rate g / (sqrt(s) + epsilon): a rate for each parameter, which falls.

    Source: Duchi et al. 2011. As PyTorch's.
    """

    slots = ("squares",)

    def __init__(
        self, learning_rate: float | Schedule = 0.01, epsilon: float = 1e-10, **common: Any
    ) -> None:
        super().__init__(learning_rate, **common)
        self.epsilon = self._number("epsilon", epsilon)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        squares = self.state["squares"]
        squares += gradients * gradients
        gradients /= np.sqrt(squares) + self.epsilon
        gradients *= rate
        parameters -= gradients


class RMSprop(Optimizer):
    """s := rho s + (1 - rho) g^2, p := p - rate g / (sqrt(s) + epsilon).

    Like Adagrad, with a memory that fades. Source: Tieleman and Hinton 2012 (lecture 6e). As
    PyTorch's, where rho is called alpha. Raises ConfigurationError unless 0 <= rho < 1.
    """

    slots = ("squares",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = self._share("rho", rho), self._number("epsilon", epsilon)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        squares = self.state["squares"]
        squares *= self.rho
        squares += (1 - self.rho) * (gradients * gradients)
        gradients /= np.sqrt(squares) + self.epsilon
        gradients *= rate
        parameters -= gradients


class Adam(Optimizer):
    """m := b1 m + (1 - b1) g, v := b2 v + (1 - b2) g^2, and with t the number of steps
    p := p - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).

    The mean of the gradients over the root of the mean of their squares, both without the pull of
    the zeros that they began with. Raises ConfigurationError unless 0 <= b1, b2 < 1. Source: Kingma
    and Ba 2014 (arXiv:1412.6980). As PyTorch's, but for `weight_decay`, which is decoupled here.
    """

    slots = ("mean", "squares")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta1, self.beta2 = self._share("beta1", beta1), self._share("beta2", beta2)
        self.epsilon = self._number("epsilon", epsilon)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        # What is kept is m / (1 - b1) and v / (1 - b2), and the factors are put together into two
        # numbers a step: ten passes over memory instead of thirteen.
        mean, squares, g = self.state["mean"], self.state["squares"], gradients
        mean *= self.beta1
        mean += g
        g *= g
        squares *= self.beta2
        squares += g
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.steps))
        np.sqrt(squares, out=g)
        g += self.epsilon / root
        np.divide(mean, g, out=g)
        g *= rate * (1 - self.beta1) / (1 - self.beta1**self.steps) / root
        parameters -= g


class AdamW(Adam):
    """Adam with a weight decay of 0.01, unless told otherwise. As PyTorch's, where all parameters
    decay unless they are put into a group of their own; here biases and norms are spared.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay, **common)


class Lion(Optimizer):
    """p := p - rate sign(b1 m + (1 - b1) g), then m := b2 m + (1 - b2) g: only the sign counts.

    Its steps are all of one size, so the rate is a tenth to a third of Adam's. Raises
    ConfigurationError unless 0 <= b1, b2 < 1. Source: Chen et al. 2023 (arXiv:2302.06675).
    """

    slots = ("mean",)

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta1, self.beta2 = self._share("beta1", beta1), self._share("beta2", beta2)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        mean = self.state["mean"]
        direction = np.sign(self.beta1 * mean + (1 - self.beta1) * gradients)
        direction *= rate
        parameters -= direction
        mean *= self.beta2
        gradients *= 1 - self.beta2
        mean += gradients


def _shorten(gradients: Array, limit: float) -> None:
    """Scale a vector down to the length `limit`, if it is longer; squares must not overflow."""
    length = math.sqrt(float(np.vdot(gradients, gradients)))
    if length == math.inf:
        largest = float(np.abs(gradients).max())
        if largest == math.inf:
            return  # a divergence, for the trainer to notice
        gradients /= largest
        length = math.sqrt(float(np.vdot(gradients, gradients)))
        gradients *= limit / length
    elif length > limit:
        gradients *= limit / length


def _merged(places: list[slice]) -> list[slice]:
    """The same stretches, neighbours made one."""
    edges = [place.start for place in places[:1]]
    for before, after in pairwise(places):
        if before.stop != after.start:
            edges += [before.stop, after.start]
    edges += [place.stop for place in places[-1:]]
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
