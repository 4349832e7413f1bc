"""A copy of everything that training changes, for rollback."""

from minitorch_np.layers import Layer
from minitorch_np.optimizers import Optimizer


class Snapshot:
    """Copies of the parameters, the running statistics and the optimizer's state."""

    def __init__(self, model: Layer, optimizer: Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._arrays, self._memory = model.state_dict(), optimizer.state_dict()

    def restore(self) -> None:
        """Restore the copied state."""
        self._model.load_state_dict(self._arrays)
        self._optimizer.load_state_dict(self._memory)
