"""The base of all optimizers.

The gradient points in the direction in which the loss grows, so each step goes in the opposite
direction; its size depends on the learning rate. Most optimizers also use earlier gradients: their
direction (momentum) or their size. The rules are in `rules`, the state is in `memory`.

This module has the rest: learning rates that may follow a schedule, gradient clipping, and weight
decay. The decay is decoupled (Loshchilov and Hutter 2017, arXiv:1711.05101): p := (1 - rate decay)
p before the step, as in Keras and in PyTorch's AdamW; it does not enter the optimizer's state.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.core.parameters import wrong_gradient
from minitorch_np.layers import Layer
from minitorch_np.optimizers.clipping import limit_norm
from minitorch_np.optimizers.memory import Memory, Remembering, Spare, biases_and_norms
from minitorch_np.schedules import Schedule, rate_at
from minitorch_np.signature import Described
from minitorch_np.validation import instance, number, optional_number, require


class Optimizer(Remembering, Described):
    """The contract of all optimizers. A subclass names its state in `slots` and defines `update`.

    - `learning_rate` is a number of at least 0, or a schedule: a function of the number of steps
      made so far (see `schedules`);
    - `weight_decay` shrinks all parameters before each step, except those that `spare` excludes;
    - `clip_value` clips each gradient to [-clip_value, clip_value]; `clip_norm` then scales the
      gradients of all parameters together down to that length, if they are longer.

    Raises ConfigurationError for numbers that are negative or not finite.
    """

    last_rate: float = 0.0
    """The learning rate of the last step."""

    learning_rate: float | Schedule = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None

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

        `self.state[slot]` is this optimizer's state for them, also (n,), and `self.age` is the
        number of steps that they have made, this one included. `gradients` (n,) may be used as
        scratch space.
        """

    def step(self, model: Layer, gradients: Mapping[str, Array]) -> None:
        """Move the model's parameters one step, given the gradients that its `backward` returned.

        Frozen parameters do not move. Raises ShapeError for a gradient that is missing, has another
        shape than its parameter, or belongs to no parameter.
        """
        memory = self._memory
        if memory is None or memory.vector.layer is not model:
            memory = self.bind(model)
        for name, layer, key, array, place, shape, frozen in memory.entries:
            if getattr(layer, key) is not array or layer.frozen is not frozen:
                self.bind(model)  # a parameter was replaced, a layer frozen or freed
                self.step(model, gradients)
                return
            if not frozen:
                gradient = gradients.get(name)
                if gradient is None or gradient.shape != shape:
                    raise wrong_gradient(model, name, gradients)
                place[...] = gradient
        if len(gradients) != len(memory.entries) and not gradients.keys() <= memory.names:
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
        """`update` one part at a time: some are frozen or younger, or it is long."""
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
        """The learning rate of the next step. Raises ConfigurationError if it is no number."""
        return rate_at(self, self.learning_rate, self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Copies of its memory, and the learning rate if that is a number."""
        state = super().state_dict() | {"last_rate": self.last_rate}
        if not callable(self.learning_rate):  # a callback may have changed it
            state["learning_rate"] = float(self.learning_rate)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set its memory. Raises DataError for that of another kind of optimizer."""
        state = dict(instance(self, "state", state, Mapping))
        self.last_rate, rate = state.pop("last_rate", 0.0), state.pop("learning_rate", None)
        super().load_state_dict(state)
        if rate is not None and not callable(self.learning_rate):
            self.learning_rate = float(rate)
