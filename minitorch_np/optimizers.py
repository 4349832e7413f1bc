"""How parameters move once the gradient is known.

An optimizer sees all parameters as one vector and their gradients as another. The gradient points
where the loss grows, so every step goes the other way; how far is the learning rate.
"""

from abc import ABC, abstractmethod

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError


class Optimizer(ABC):
    """The contract of all optimizers."""

    @abstractmethod
    def step(self, parameters: Array, gradients: Array) -> None:
        """Change `parameters` (n,) in place, given the loss's gradient (n,) at them.

        `gradients` may be used as scratch space: nobody reads it afterwards.
        """


class SGD(Optimizer):
    """W := W - alpha dW, the notes' update, with alpha the `learning_rate`.

    On the whole data set it is gradient descent; on batches, stochastic gradient descent. Raises
    ConfigurationError unless the learning rate is a finite number of at least 0.
    """

    def __init__(self, learning_rate: float = 0.01) -> None:
        if not 0 <= learning_rate < float("inf"):
            raise ConfigurationError(
                f"SGD: expected a finite learning_rate of at least 0, got {learning_rate!r}"
            )
        self.learning_rate = float(learning_rate)  # a NumPy float64 would widen float32 arrays

    def step(self, parameters: Array, gradients: Array) -> None:
        gradients *= self.learning_rate
        parameters -= gradients
