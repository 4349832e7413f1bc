"""How layers process sequences, and the masks that containers pass on.

A batch of sequences is (m, steps, ...). Shorter ones are padded, and a mask (m, steps) is True for
the steps that are not padding. It is created by `Embedding(..., padding_id=)` or `Masking`, which
recognize padding, or from lengths passed with x. The container passes it from layer to layer, as
`mask=` to those that declare it, until the steps axis is gone. Outputs have no mask: a loss ignores
steps by its `ignore_index`.

A sequence may also come in parts, a few steps at a time. When predicting, `step` continues from the
state at the end of the previous part; in training, `forward(..., state=)` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, count
from minitorch_np.errors import ConfigurationError, DataError

Mask: TypeAlias = Any
"""(m, steps), True where a step counts; None where all do; for several inputs a tuple of these."""


class OnSequences:
    """The properties and methods of a layer for sequences, with their defaults."""

    per_step: bool = False
    """Whether each step of a sequence, the first axis of a sample, is treated on its own and a
    sequence may have any length: `step` is then `forward`."""

    makes_mask: bool = False
    """Whether it recognizes padding: `mask_of` then returns the mask."""

    takes_mask: bool = False
    """Whether its `forward` takes `mask=`."""

    keeps_steps: bool = True
    """Whether a first axis that keeps its length in the output still counts the steps."""

    takes_state: bool = False
    """Whether its `forward` takes `state=` too, the initial state; `state_of` returns the final
    one. Training on a long sequence in parts needs that."""

    stateless: str = ""
    """Why training can't continue it from the previous part, if it can't."""

    def state_of(self, cache: Any) -> Any:
        """The state after the last step of a forward, from its cache; None for a layer without."""
        return None

    def mask_of(self, x: Any) -> Mask:
        """Which steps of the inputs count."""
        return None

    def mask_after(self: Any, mask: Mask) -> Mask:
        """The mask of the outputs, from that of the inputs; for several inputs, the steps that
        count in all that have a mask.
        """
        shape = self.output_shape
        if not self.keeps_steps or len(shape) < 2:
            return None
        masks = mask if isinstance(mask, tuple) else (mask,)
        return joined(one for one in masks if one is not None and one.shape[1] == shape[0])

    def remedy_for(self: Any, shape: Any) -> str:
        """What to do if the layer is built and meets samples of this shape, or its own shape in
        another dtype.
        """
        if shape == self.input_shape:
            return f"make the other layers in {self.dtype} too"
        steps = self.index_limit is not None
        steps = steps or (len(shape) == 2 and (self.per_step or self.takes_state))
        if steps and shape[1:] == self.input_shape[1:]:
            return "pad sequences to one length"
        return "is a layer missing before it?"

    def step(self: Any, x: Any, state: Any = None) -> tuple[Array, Any]:
        """The outputs for the next steps of sequences, when predicting, and the state after them.

        x is (m, steps, ...), with any number of steps. The initial state is None; a state that is
        passed in is not changed. Raises ConfigurationError for a layer that needs the sequence as a
        whole.
        """
        if not self.per_step:
            raise ConfigurationError(
                f"{self.label}.step: expected a layer that goes step by step, got one that needs "
                "the sequence as a whole"
            )
        return self.forward(x)[0], None


class Caches(list[Any]):
    """The caches of a container's layers, where masks are in use, and the mask of its outputs."""

    def __init__(self, caches: Iterable[Any], mask: Mask) -> None:
        super().__init__(caches)
        self.mask = mask


def joined(masks: Iterable[Mask]) -> Mask:
    """The steps that count in all masks that are there; None if none is."""
    there = [one for one in masks if one is not None]
    return np.logical_and.reduce(there) if there[1:] else there[0] if there else None


def mask_before(layer: OnSequences, x: Any, mask: Mask) -> Mask:
    """The mask of a layer's inputs: the given one, combined with the padding that it recognizes."""
    made = layer.mask_of(x) if layer.makes_mask else None
    if made is None:
        return mask
    return joined((made, *(mask if isinstance(mask, tuple) else (mask,))))


def forward_masked(
    layer: Any, x: Any, mask: Mask, state: Any = None, **options: Any
) -> tuple[Array, Any, Mask]:
    """A layer's forward with the mask and the state, if it takes them: the outputs, the cache, and
    the outputs' mask.
    """
    if state is not None and layer.takes_state:
        options["state"] = state
    mask = mask_before(layer, x, mask)
    if mask is not None and layer.takes_mask:
        options["mask"] = mask
    y, cache = layer.forward(x, **options)
    if isinstance(cache, Caches):
        return y, cache, cache.mask
    return y, cache, None if mask is None else layer.mask_after(mask)


def with_lengths(layer: Any, x: tuple[Any, ...]) -> tuple[Array, Mask]:
    """x and the mask that its lengths make, from the pair of the two."""
    if len(x) != 2 or not layer.input_shape:
        raise DataError(
            f"{type(layer).__name__}: expected x, or a pair (x, lengths) of sequences and how long "
            f"each is, got a tuple of {len(x)}"
        )
    count(x)  # which is the same for both
    return x[0], mask_of_lengths(x[1], layer.input_shape[0], type(layer).__name__)


def mask_of_lengths(lengths: AnyArray, steps: int, place: str) -> Mask:
    """The mask of sequences that are as long as given and padded at their end.

    Raises DataError, with the row, for what is not a whole number from 0 to `steps`.
    """
    if lengths.ndim != 1:
        raise DataError(f"{place}: expected a length for each sequence, got shape {lengths.shape}")
    wrong = ~((lengths >= 0) & (lengths <= steps) & (np.floor(lengths) == lengths))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{place}: expected lengths that are whole numbers from 0 to {steps}, got "
            f"{lengths[row]} at row {row}"
        )
    return np.arange(steps) < lengths[:, np.newaxis]
