"""Truncated back-propagation through time: training on a long sequence part by part.

The state at the end of a batch is the initial state of the next: row 3 of a batch continues row 3
of the previous one. The gradient stops at the first step of the batch. (Werbos 1990; Keras
calls such layers stateful.)
"""

from __future__ import annotations

from typing import Any

from minitorch_np.arrays import Array, Generator, count
from minitorch_np.core.layer import Backward, Cache, Forward
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Sequential
from minitorch_np.training.batches import Batches
from minitorch_np.validation import flag


class Carried:
    """A model that starts each forward from the `state` at the end of the previous one."""

    def __init__(self, model: Model) -> None:
        self.model, self.state = model, None
        self.samples: int | None = None

    def forward(self, x: Any, *, train: bool, rng: Generator) -> Forward:
        if self.state is not None and self.samples not in (None, count(x)):
            raise DataError(
                "fit: stateful: expected batches of equal size, since each row continues that of "
                f"the previous batch, got one of {count(x)} samples after one of {self.samples}: "
                "leave out the smaller batch"
            )
        self.samples = count(x)
        y, cache = self.model.forward(x, train=train, rng=rng, state=self.state)  # type: ignore[call-arg]
        self.state = self.model.state_of(cache)
        return y, cache

    def backward(self, dy: Array, cache: Cache, *, need_dx: bool = True) -> Backward:
        return self.model.backward(dy, cache, need_dx=need_dx)


def carried(
    model: Model, batches: Batches, stateful: object, shuffle: bool, ranks: int
) -> Carried | None:
    """The model for `fit(stateful=True)`; None if `stateful` is False.

    Raises ConfigurationError for a model without a state to carry over or arguments that separate
    consecutive batches, DataError for batches of different sizes.
    """
    if not flag("fit", "stateful", stateful):
        return None
    for layer in model.walk():
        if layer.stateless:
            raise ConfigurationError(
                "fit: stateful: expected layers that continue from the previous batch, got "
                f"{layer.label}, which {layer.stateless}"
            )
    if not model.takes_state:
        raise ConfigurationError(
            "fit: stateful: expected a model with a recurrent layer, got one without a state"
        )
    lengths = isinstance(batches.first.x, tuple) and isinstance(model, Sequential)
    for wrong, what in (
        (model.makes_mask or lengths, "sequences without padding: no mask, no lengths"),
        (shuffle, "shuffle=False: shuffled, no batch continues the previous one"),
        (batches.micro_size < batches.size, "no micro_batch_size, which divides batches"),
        (ranks > 1, "one rank, since several divide batches"),
    ):
        if wrong:
            raise ConfigurationError(f"fit: stateful: expected {what}")
    if batches.samples_in_all % batches.size:
        raise DataError(
            "fit: stateful: expected batches of equal size, since each row continues that of the "
            f"previous batch, got {batches.samples_in_all} samples in batches of {batches.size}: "
            f"leave out the last {batches.samples_in_all % batches.size}"
        )
    return Carried(model)
