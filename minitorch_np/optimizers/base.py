"""How parameters move once the gradient is known.

The gradient points where the loss grows, so every step goes the other way; how far is the learning
rate. Most optimizers remember something of earlier gradients: where they pointed (momentum), how
large they were. The rules are in `rules`, what is remembered is in `memory`.

What all rules have in common is here: a learning rate that may follow a schedule, gradients that
are clipped where they are too large, and weight decay. The decay is decoupled (Loshchilov and
Hutter 2017, arXiv:1711.05101): p := (1 - rate decay) p before the step, as in Keras and in
PyTorch's AdamW; it does not enter the optimizer's memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import DataError
from minitorch_np.layers import Layer
from minitorch_np.layers.vector import ParameterVector, wrong_gradient
from minitorch_np.optimizers.clipping import limit_norm
from minitorch_np.optimizers.memory import Memory, Spare, biases_and_norms
from minitorch_np.schedules import Schedule, rate_at
from minitorch_np.validation import number, optional_number, require


class Optimizer(ABC):
    """The contract of all optimizers. A subclass names its memory in `slots` and defines `update`.

    - `learning_rate` is a number of at least 0, or a schedule: a function of the number of steps
      already made (see `schedules`);
    - `weight_decay` shrinks all parameters before each step but those that `spare` excludes;
    - `clip_value` clips each gradient to [-clip_value, clip_value]; `clip_norm` then scales the
      gradient of all parameters together down to that length, if it is longer.

    Raises ConfigurationError for numbers that are negative or not finite.
    """

    slots: tuple[str, ...] = ()
    """The names of the vectors that it keeps from step to step, all zero at first."""

    elementwise: bool = False
    """Whether the class's `update` moves each parameter by its own gradients only, as all rules
    here do: then a long vector is updated a block at a time."""

    steps: int = 0
    """How many steps have been made."""

    age: int = 0
    """How many steps the parameters that `update` moves have made, including this one."""

    last_rate: float = 0.0
    """The learning rate of the last step."""

    learning_rate: float | Schedule = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    spare: Spare = staticmethod(biases_and_norms)
    state: Mapping[str, Array] = MappingProxyType({})
    _ages: int | list[int] = 0
    _memory: Memory | None = None

    def __init__(
        self,
        learning_rate: float | Schedule,
        *,
        weight_decay: float = 0.0,
        spare: Spare = biases_and_norms,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        rate = learning_rate
        self.learning_rate = rate if callable(rate) else number(self, "learning_rate", rate, 0)
        self.weight_decay = number(self, "weight_decay", weight_decay, 0)
        require(callable(spare), self, "spare to be a function of a layer and a name", spare)
        self.spare = spare
        self.clip_norm = optional_number(self, "clip_norm", clip_norm, above=0)
        self.clip_value = optional_number(self, "clip_value", clip_value, above=0)

    @abstractmethod
    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        """Change `parameters` (n,) in place by one step at the learning rate `rate`.

        `self.state[slot]` is this optimizer's memory of them, also (n,), and `self.age` counts
        their steps. `gradients` may be used as scratch space.
        """

    def step(self, model: Layer, gradients: Mapping[str, Array]) -> None:
        """Move the model's parameters one step, given the gradients that its `backward` returned.

        Frozen parameters stay. Raises ShapeError for a gradient that is missing, of another shape
        than its parameter, or of something that is not a parameter.
        """
        memory = self._memory
        if memory is None or memory.vector.layer is not model:
            memory = self.bind(model)
        for name, layer, key, array, place, frozen in memory.entries:
            if getattr(layer, key) is not array or layer.frozen is not frozen:
                self.bind(model)  # a parameter was replaced, a layer frozen or freed
                self.step(model, gradients)
                return
            if not frozen:
                gradient = gradients.get(name)
                if getattr(gradient, "shape", None) != place.shape:
                    raise wrong_gradient(model, name, gradients)
                place[...] = gradient
        if not gradients.keys() <= memory.names:
            raise wrong_gradient(model, min(gradients.keys() - memory.names), gradients)
        values, flat = memory.vector.values, memory.vector.gradients
        rate = self.learning_rate
        if type(rate) is not float:
            rate = self.rate
        if self.clip_value is not None:
            np.clip(flat, -self.clip_value, self.clip_value, out=flat)
        if self.clip_norm is not None:
            limit_norm(flat, self.clip_norm)
        if self.weight_decay:
            for part in memory.decayed:
                values[part] *= 1 - rate * self.weight_decay
        if memory.parts:  # not all is frozen
            self.steps, self.last_rate = self.steps + 1, rate
        if memory.whole:
            self.age = self.steps - memory.parts[0].born
            self.update(values, flat, rate)
        else:
            self._update_parts(memory, rate)

    def _update_parts(self, memory: Memory, rate: float) -> None:
        """`update` for a part at a time, where some are frozen or younger, or there are many."""
        state, values = self.state, memory.vector.values
        for place, born in memory.parts:
            part = values[place]  # a copy where `place` lists entries
            self.age = self.steps - born
            self.state = {slot: vector[place] for slot, vector in state.items()}
            try:
                self.update(part, memory.vector.gradients[place], rate)
                values[place] = part
                for slot, vector in self.state.items():
                    state[slot][place] = vector
            finally:
                self.state = state

    @property
    def rate(self) -> float:
        """The learning rate of the next step. Raises ConfigurationError if it is not a number."""
        return rate_at(self, self.learning_rate, self.steps)

    def bind(self, model: Layer) -> Memory:
        """Prepare for steps of `model`; `step` calls it when it has to.

        Parameters that were in the model before keep their memory. Raises ConfigurationError for a
        memory that was loaded and does not fit the model.
        """
        vector, before = ParameterVector(model), self._memory
        if before is not None:
            self.state, self._ages = before.carry_over(self.state, self.steps, vector)
            self.steps = self.steps if any(self._ages) else 0
        if not self.state:
            self.state = {slot: np.zeros_like(vector.values) for slot in self.slots}
        rule = next(cls for cls in type(self).__mro__ if "update" in vars(cls))
        self._memory = Memory(
            vector,
            self.state,
            self._ages,
            self.steps,
            self.spare,
            vars(rule).get("elementwise", False),
        )
        return self._memory

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything that it remembers: the vectors of its slots, how many steps it and
        each parameter have made, and a learning rate that is a number.
        """
        ages = self._memory.ages_at(self.steps) if self._memory else self._ages
        counts = {"steps": self.steps, "ages": ages, "last_rate": self.last_rate}
        if not callable(self.learning_rate):  # a callback may have changed it
            counts["learning_rate"] = float(self.learning_rate)
        return counts | {slot: vector.copy() for slot, vector in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set what it remembers. Raises DataError for the state of another kind of optimizer."""
        counts = ("steps", "ages", "last_rate", "learning_rate")
        vectors = {name: np.array(value) for name, value in state.items() if name not in counts}
        if not state.keys() >= set(counts[:2]) or (vectors and set(vectors) != set(self.slots)):
            raise DataError(
                f"{type(self).__name__}.load_state_dict: expected steps and ages and "
                f"{list(self.slots)}, got {sorted(state)}: was it another optimizer?"
            )
        memory, self._memory = self._memory, None
        self.steps, self.state, self._ages = int(state["steps"]), vectors, state["ages"]
        self.last_rate = state.get("last_rate", 0.0)
        if "learning_rate" in state and not callable(self.learning_rate):
            self.learning_rate = float(state["learning_rate"])
        if memory is not None:
            self.bind(memory.vector.layer)
