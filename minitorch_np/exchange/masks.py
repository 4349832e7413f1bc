"""Refuses models with masks, which other formats can't represent."""

from __future__ import annotations

from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ConfigurationError


def refuse_masks(model: Layer, caller: str) -> None:
    """Raise ConfigurationError if one layer of the model makes a mask and another uses it."""
    layers = [layer for layer in model.walk() if not isinstance(layer, Composite)]
    makers = [layer.label for layer in layers if layer.makes_mask]
    takers = [layer.label for layer in layers if layer.takes_mask]
    if makers and takers:
        raise ConfigurationError(
            f"{caller}: expected a model whose layers need no mask, got {takers[0]}, which ignores "
            f"the steps that {makers[0]} marks as padding: the other format has no masks; export a "
            "model without padding, and pass it one sequence at a time"
        )
