"""How parameters move once the gradient is known.

An optimizer sees all parameters as one vector and their gradients as another. The gradient points
where the loss grows, so every step goes the other way; how far is the learning rate. Most
optimizers remember something of the gradients before: where they pointed (momentum), how large they
were. The rules are in `rules`.

What all have in common is here: a learning rate that may follow a schedule, gradients that are
cut off where they are too large, and weights that decay. The decay is decoupled (Loshchilov and
Hutter 2017, arXiv:1711.05101): p := (1 - rate decay) p before the step, as in Keras and in
PyTorch's AdamW; it does not pass through the optimizer's memory.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Layer, Normalization
from minitorch_np.layers.activations import LARGEST
from minitorch_np.layers.checks import number_between
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


Parameter: TypeAlias = tuple[Layer, str]
"""A layer, and the name of its parameter."""


BLOCK = 65_536
"""How many parameters are updated at a time. A rule goes over its vectors again and again; a fifth
of a large network's update is saved if they stay in the processor's cache meanwhile."""


class Age(NamedTuple):
    """A stretch of the vector, and after how many steps its memory began."""

    start: int
    stop: int
    born: int


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

    elementwise: bool = False
    """True where each parameter moves by its own gradients alone, as in all rules here: then a long
    vector is updated a block at a time. (A rule that asks for the length of all gradients is not.)
    """

    steps: int = 0
    """How many steps have been made."""

    age: int = 0
    """How many steps the memory of the parameters that are updated has seen, with this one."""

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
        if not callable(spare):
            raise ConfigurationError(
                f"{type(self).__name__}: expected spare to be a function of a layer and a name, "
                f"such as optimizers.nothing, got {spare!r}"
            )
        self.spare = spare
        self.clip_norm = self._limit("clip_norm", clip_norm)
        self.clip_value = self._limit("clip_value", clip_value)

    state: dict[str, Array]
    _places: dict[Parameter, slice]
    _aside: dict[Parameter, tuple[int, dict[str, Array]]]
    _ages: list[Age]
    _decayed: list[slice]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here, so that an optimizer of the reader's own need not call super().__init__().
        optimizer = super().__new__(cls)
        optimizer.state, optimizer._places, optimizer._aside = {}, {}, {}
        optimizer._ages, optimizer._decayed = [Age(0, sys.maxsize, 0)], [slice(None)]
        return optimizer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update" in cls.__dict__ and "elementwise" not in cls.__dict__:
            cls.elementwise = False  # what is true of a rule need not be of another made of it

    @abstractmethod
    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        """Change `parameters` (n,) in place by one step at the learning rate `rate`.

        `self.state[slot]` is this optimizer's memory, also (n,); `self.age` counts its steps with
        this one, `self.steps` all. `gradients` may be used as scratch space.
        """

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change `parameters` (n,) in place, given the loss's gradient (n,) at them.

        `gradients` may be used as scratch space: nobody reads it afterwards.
        """
        if not len(parameters):  # all is frozen
            return
        rate = self.learning_rate
        if type(rate) is not float:
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
        whole = len(parameters) <= BLOCK or not self.elementwise
        if whole and len(self._ages) == 1:
            self.age = self.steps - self._ages[0].born
            self.update(parameters, gradients, rate)
        else:
            self._update_in_blocks(parameters, gradients, rate)

    def _update_in_blocks(self, parameters: Array, gradients: Array, rate: float) -> None:
        """One update for each stretch that is of one age and fits into the processor's cache."""
        whole, size = self.state, BLOCK if self.elementwise else len(parameters)
        try:
            for begin, end, born in self._ages:
                self.age = self.steps - born
                for start in range(begin, min(end, len(parameters)), size):
                    part = slice(start, min(start + size, end))
                    self.state = {slot: memory[part] for slot, memory in whole.items()}
                    self.update(parameters[part], gradients[part], rate)
        finally:
            self.state = whole

    @property
    def rate(self) -> float:
        """The learning rate of the next step. Raises ConfigurationError if it is not a number."""
        rate = self.learning_rate
        if not callable(rate):
            return float(rate)  # a NumPy float64 would widen float32 arrays
        try:
            return self._number("rate", rate(self.steps))
        except TypeError as error:
            raise ConfigurationError(
                f"{type(self).__name__}: expected a learning_rate that is a number or a function "
                f"of the step, such as cosine(0.1, steps=100), got one that fails: {error}"
            ) from None

    def bind(self, vector: ParameterVector) -> None:
        """Learn which entries of a vector are which parameters: which of them decay, and what is
        remembered of each. A layer that was frozen and is freed has its memory back; one that joins
        has none yet, and its steps are counted from now on. For another model it starts anew.
        """
        places: dict[Parameter, slice] = {}
        for _, layer, name in vector.owners:
            start = sum(getattr(owner, key).size for owner, key in places)
            places[layer, name] = slice(start, start + getattr(layer, name).size)
        if not places:  # all is frozen: nothing moves
            return
        fits = all(v.shape == vector.values.shape for v in self.state.values())
        if not self._places and not fits:
            raise ConfigurationError(
                f"{type(self).__name__}: expected a memory of {len(vector.values)} parameters, as "
                "the model has, got one of another size: was it another model's?"
            )
        same = all(v.dtype == vector.values.dtype for v in self.state.values())
        if self._places and not (fits and same and places == self._places):
            self._put_aside()
            if not places.keys() & self._aside.keys():
                self._aside, self.steps = {}, 0
            self._take_back(places, vector.values)
        self._places = places
        decayed = [place for key, place in places.items() if not self.spare(*key)]
        self._decayed = _merged(decayed)

    def _put_aside(self) -> None:
        """Cut what is remembered into parameters."""
        for key, place in self._places.items():
            born = next(age.born for age in self._ages if age.start <= place.start < age.stop)
            memory = {slot: vector[place] for slot, vector in self.state.items()}
            self._aside[key] = (self.steps - born, memory)

    def _take_back(self, places: dict[Parameter, slice], values: Array) -> None:
        """Put it together again for other places; nothing for a parameter of another size now."""
        slots = self.slots if self.state else ()
        self.state = {slot: np.zeros_like(values) for slot in slots}
        ages: list[Age] = []
        for key, place in places.items():
            age, memory = self._aside.pop(key, (0, {}))
            size, dtype = place.stop - place.start, values.dtype
            if any(len(part) != size or part.dtype != dtype for part in memory.values()):
                age, memory = 0, {}
            for slot, part in memory.items():
                self.state[slot][place] = part
            born = self.steps - age
            if ages and ages[-1].born == born:
                ages[-1] = ages[-1]._replace(stop=place.stop)
            else:
                ages.append(Age(place.start, place.stop, born))
        self._ages = ages

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that it remembers: the vectors of its slots, the number of steps, and from
        which step on each stretch of them has been remembered; and a learning rate that is a
        number.
        """
        counts: dict[str, Any] = {"steps": self.steps, "ages": [list(age) for age in self._ages]}
        counts["last_rate"] = self.last_rate
        if not callable(self.learning_rate):  # a callback may have changed it
            counts["learning_rate"] = float(self.learning_rate)
        return counts | {slot: vector.copy() for slot, vector in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set what it remembers. Raises DataError for what another kind of optimizer remembers."""
        counts = ("steps", "ages", "last_rate", "learning_rate")
        vectors = {name: np.array(value) for name, value in state.items() if name not in counts}
        if not state.keys() >= set(counts[:2]) or (vectors and set(vectors) != set(self.slots)):
            raise DataError(
                f"{type(self).__name__}.load_state_dict: expected steps and ages and "
                f"{list(self.slots)}, got {sorted(state)}: was it another optimizer?"
            )
        self.steps, self.state = int(state["steps"]), vectors
        self._ages = [Age(*age) for age in state["ages"]]
        self.last_rate = state.get("last_rate", 0.0)
        if "learning_rate" in state and not callable(self.learning_rate):
            self.learning_rate = float(state["learning_rate"])

    def _number(self, name: str, value: float) -> float:
        return number_between(self, name, value, 0.0, LARGEST)

    def _limit(self, name: str, value: float | None) -> float | None:
        if value is not None and not self._number(name, value):
            raise ConfigurationError(
                f"{type(self).__name__}: expected {name} to be greater than 0, or None"
            )
        return None if value is None else float(value)

    def _share(self, name: str, value: float) -> float:
        return number_between(self, name, value, 0.0, math.nextafter(1.0, 0.0))


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
