"""The state of an optimizer between steps, and the parameters that it updates.

There is state for every parameter. A frozen parameter is skipped: it does not change, its state is
kept and its steps are not counted, so a layer that is unfrozen continues where it was frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.core.parameters import ParameterVector
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Layer, Normalization

BLOCK = 65_536
"""The number of parameters that are updated at a time. A rule makes several passes over its
vectors; if they stay in the processor's cache, the update of a large network is a fifth faster."""

Spare: TypeAlias = Callable[[Layer, str], bool]
"""Given a layer and the name of its parameter, whether the parameter is excluded from decay."""


def biases_and_norms(layer: Layer, name: str) -> bool:
    """Excludes biases, and all parameters of normalizations, which only shift and scale."""
    return name == "bias" or isinstance(layer, Normalization)


def nothing(layer: Layer, name: str) -> bool:
    """Excludes no parameter."""
    return False


class Part(NamedTuple):
    """Parameters that are updated together, and the step at which their own count began."""

    place: Any  # a slice of the vector, or a list of its entries
    born: int


class Memory:
    """The parameters of a model, as an optimizer updates them from its step number `steps` on.

    - `ages` are the numbers of steps that each parameter has made so far;
    - `parts` are updated together: neighbours of the same age, without frozen parameters, in blocks
      if the rule is `elementwise`; `whole` is true if there is one part, the whole vector;
    - `decayed` are the slices to which weight decay applies.
    """

    def __init__(
        self,
        vector: ParameterVector,
        state: Mapping[str, Array],
        ages: int | list[Any],
        steps: int,
        spare: Spare,
        elementwise: bool,
    ) -> None:
        count, size = len(vector.owners), len(vector.values)
        if isinstance(ages, list) and ages and isinstance(ages[0], list):  # of an older version
            ages = steps - int(ages[0][2]) if len(ages) == 1 else []
        ages = [ages] * count if isinstance(ages, int) else ages
        if len(ages) != count or any(memory.shape != (size,) for memory in state.values()):
            raise ConfigurationError(
                f"optimizer: expected state for {count} arrays of {size} parameters in total, as "
                "the model has, got that of another model, or of an older version, which stored "
                "no state for frozen layers"
            )
        self.vector, self.ages, self.steps = vector, ages, steps
        self.entries = [
            (name, layer, key, array, place, array.shape, layer.frozen)
            for name, layer, key, array, place in vector.entries()
        ]
        self.names = {name for name, _, _ in vector.layer.owners("parameter_names")}
        moving, decayed = [], []
        for place, age, (_, layer, key) in zip(vector.slices, ages, vector.owners, strict=True):
            if not layer.frozen:
                moving.append(Part(place, steps - age))
                if not spare(layer, key):
                    decayed.append(Part(place, 0))
        self.decayed = [place for place, _ in _joined(decayed)]
        self.parts = _blocks(_joined(moving)) if elementwise else _together(_joined(moving))
        self.whole = len(self.parts) == 1 and self.parts[0].place == slice(0, size)

    def ages_at(self, steps: int) -> list[int]:
        """The number of steps that each parameter has made by step number `steps`."""
        passed = steps - self.steps
        return [age + passed * (not e[-1]) for age, e in zip(self.ages, self.entries, strict=True)]

    def carry_over(
        self, state: Mapping[str, Array], steps: int, vector: ParameterVector
    ) -> tuple[dict[str, Array], list[int]]:
        """State and ages for another vector: those of the parameters that are in both, else 0."""
        known = {
            (id(layer), key): (age, place)
            for age, place, (_, layer, key) in zip(
                self.ages_at(steps), self.vector.slices, self.vector.owners, strict=True
            )
        }
        values, ages = vector.values, [0] * len(vector.owners)
        same_dtype = self.vector.values.dtype == values.dtype
        fresh = {slot: np.zeros_like(values) for slot in state}
        for n, (_, layer, key) in enumerate(vector.owners):
            age, before = known.get((id(layer), key), (0, slice(0, 0)))
            place = vector.slices[n]
            if before.stop - before.start == place.stop - place.start and same_dtype:
                ages[n] = age
                for slot, memory in state.items():
                    fresh[slot][place] = memory[before]
        return fresh, ages


def _joined(parts: list[Part]) -> list[Part]:
    """The same slices, with neighbours of the same age merged."""
    joined: list[Part] = []
    for place, born in parts:
        begins = place.start
        if joined and joined[-1].place.stop == begins and joined[-1].born == born:
            begins = joined.pop().place.start
        joined.append(Part(slice(begins, place.stop), born))
    return joined


def _blocks(parts: list[Part]) -> list[Part]:
    """Slices divided into blocks that fit into the processor's cache."""
    return [
        Part(slice(start, min(start + BLOCK, place.stop)), born)
        for place, born in parts
        for start in range(place.start, place.stop, BLOCK)
    ]


def _together(parts: list[Part]) -> list[Part]:
    """Several slices as one list of entries, for a rule that needs all of them at once."""
    if len(parts) < 2:
        return parts
    entries = np.concatenate([np.arange(place.start, place.stop) for place, _ in parts])
    return [Part(entries, max(born for _, born in parts))]


class Remembering:
    """An object that keeps vectors as long as all parameters of the model it is bound to."""

    slots: tuple[str, ...] = ()
    """The names of the vectors that it keeps from step to step, all zero at first."""

    elementwise: bool = False
    """Whether the class's `update` moves each parameter by its own gradients only, as all rules
    here do: then a long vector is updated a block at a time."""

    steps: int = 0
    """The number of steps made."""

    age: int = 0
    """The number of steps made by the parameters in `update`, including this one."""

    spare: Spare = staticmethod(biases_and_norms)
    state: Mapping[str, Array] = MappingProxyType({})
    _ages: int | list[int] = 0
    _memory: Memory | None = None

    def bind(self, model: Layer) -> Memory:
        """Prepare for steps of `model`; `step` calls it when necessary.

        Parameters that were in the model before keep their state. Raises ConfigurationError for a
        loaded state that does not fit the model.
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

    def __getstate__(self) -> dict[str, Any]:
        # A copy is bound to the copied model by its first step: the arrays are others there.
        ages = self._memory.ages_at(self.steps) if self._memory else self._ages
        state = {slot: vector.copy() for slot, vector in self.state.items()}
        return vars(self) | {"state": state, "_ages": ages, "_memory": None}

    def state_dict(self) -> dict[str, Any]:
        """Copies of its vectors, and the numbers of steps that it and each parameter have made."""
        ages = self._memory.ages_at(self.steps) if self._memory else self._ages
        vectors = {slot: vector.copy() for slot, vector in self.state.items()}
        return {"steps": self.steps, "ages": ages, **vectors}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set its state. Raises DataError for that of another kind of optimizer."""
        vectors = {name: np.array(state[name]) for name in state.keys() - {"steps", "ages"}}
        if not {"steps", "ages"} <= state.keys() or (vectors and set(vectors) != set(self.slots)):
            raise DataError(
                f"{type(self).__name__}.load_state_dict: expected steps and ages and "
                f"{list(self.slots)}, got {sorted(state)}: was it another optimizer?"
            )
        memory, self._memory = self._memory, None
        self.steps, self.state, self._ages = int(state["steps"]), vectors, state["ages"]
        if memory is not None:
            self.bind(memory.vector.layer)
