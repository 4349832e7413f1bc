"""The way back: what training has changed, put aside in case that it has to be taken back."""

from __future__ import annotations

from typing import Any

from minitorch_np.arrays import Array
from minitorch_np.layers import Layer
from minitorch_np.layers.vector import ParameterVector
from minitorch_np.optimizers import Optimizer


class Snapshot:
    """Copies of the parameters, the running statistics and the optimizer's memory."""

    def __init__(self, model: Layer, vector: ParameterVector, optimizer: Optimizer) -> None:
        self._vector, self._optimizer = vector, optimizer
        self._buffers = model.owners("buffer_names")
        self.take()

    def take(self) -> None:
        """Put the present state aside, in place of the one before."""
        self._copies = [array.copy() for array in self._arrays()]
        self._memory: dict[str, Any] = self._optimizer.state_dict()

    def restore(self) -> None:
        """Go back to what was put aside."""
        for copy, array in zip(self._copies, self._arrays(), strict=True):
            array[...] = copy
        self._optimizer.load_state_dict(self._memory)

    def _arrays(self) -> list[Array]:
        # Asked for each time: a layer may put new arrays in the place of its buffers.
        return [self._vector.values, *(getattr(at, key) for _, at, key in self._buffers)]
