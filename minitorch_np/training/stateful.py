"""Truncated back-propagation through time: a long sequence is trained on in parts.

The state at the end of a batch is the initial state of the next: row 3 of a batch continues row 3
of the previous one. The gradient stops at the first step of the batch. (Werbos 1990; Keras
calls such layers stateful.)
"""

from __future__ import annotations

from typing import Any

from minitorch_np.arrays import Array, Generator
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

    def forward(self, x: Any, *, train: bool, rng: Generator) -> Forward:
        y, cache = self.model.forward(x, train=train, rng=rng, state=self.state)  # type: ignore[call-arg]
        self.state = self.model.state_of(cache)
        return y, cache

    def backward(self, dy: Array, cache: Cache, *, need_dx: bool = True) -> Backward:
        return self.model.backward(dy, cache, need_dx=need_dx)


def carried(
    model: Model, batches: Batches, stateful: object, shuffle: bool, ranks: int
) -> Carried | None:
    """The model for `fit(stateful=True)`; None where `stateful` is False.

    Raises ConfigurationError for a model that can't go on from a batch to the next or arguments
    that would tear the batches apart, DataError for batches that change in size.
    """
    if not flag("fit", "stateful", stateful):
        return None
    for layer in model.walk():
        if layer.stateless:
            raise ConfigurationError(
                "fit: stateful: expected layers that go on where the batch before has ended, got "
                f"{layer.label}, which {layer.stateless}"
            )
    if not model.takes_state:
        raise ConfigurationError(
            "fit: stateful: expected a model with a recurrent layer, got one without a state"
        )
    lengths = isinstance(batches.first.x, tuple) and isinstance(model, Sequential)
    for wrong, what in (
        (model.makes_mask or lengths, "sequences without padding: no mask, no lengths"),
        (shuffle, "shuffle=False: in another order no batch goes on where the last one ended"),
        (batches.micro_size < batches.size, "no micro_batch_size, which tears batches apart"),
        (ranks > 1, "one rank, since several tear batches apart"),
    ):
        if wrong:
            raise ConfigurationError(f"fit: stateful: expected {what}")
    if batches.samples_in_all % batches.size:
        raise DataError(
            "fit: stateful: expected batches of one size, since each row goes on with that of the "
            f"batch before, got {batches.samples_in_all} samples in batches of {batches.size}: "
            f"leave out the last {batches.samples_in_all % batches.size}"
        )
    return Carried(model)
