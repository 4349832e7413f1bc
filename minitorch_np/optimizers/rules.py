"""The update rules: SGD, Adagrad, RMSprop, Adam, AdamW, Lion.

Each is a few lines over the vector of all parameters p and the vector of their gradients g. They
work in place and use the gradients as scratch space: the update of a large network is bound by
memory bandwidth, so each pass over memory that is saved counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.optimizers.base import Optimizer
from minitorch_np.schedules import Schedule
from minitorch_np.validation import flag, number, require, share


class SGD(Optimizer):
    """Gradient descent, the notes' update: W := W - alpha dW, where alpha is the `learning_rate`.

    On the whole data set it is gradient descent, on batches stochastic gradient descent.

    - `momentum` mu: v := mu v + dW and W := W - alpha v, so that the update keeps the direction of
      earlier ones (Polyak 1964);
    - `nesterov`: W := W - alpha (dW + mu v), the gradient one step ahead (Sutskever et al. 2013).

    As PyTorch's, except that weight decay is decoupled here; without momentum the two are the same.
    Raises ConfigurationError unless 0 <= momentum < 1, or for nesterov without momentum.
    """

    elementwise = True
    slots: tuple[str, ...] = ("velocity",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = share(self, "momentum", momentum)
        self.nesterov = flag(self, "nesterov", nesterov)
        require(
            not nesterov or momentum > 0, self, "a momentum greater than 0 for nesterov", momentum
        )
        if not momentum:
            self.slots = ()  # no state

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        if self.momentum:
            velocity = self.state["velocity"]
            velocity *= self.momentum
            velocity += gradients
            if self.nesterov:
                gradients += self.momentum * velocity
            else:
                gradients[:] = velocity
        gradients *= rate
        parameters -= gradients


class Adagrad(Optimizer):
    """A decreasing rate for each parameter: s := s + g^2, p := p - rate g / (sqrt(s) + epsilon).

    As PyTorch's. Raises ConfigurationError unless epsilon >= 0. Source: Duchi et al. 2011.
    """

    elementwise = True
    slots = ("squares",)

    def __init__(
        self, learning_rate: float | Schedule = 0.01, epsilon: float = 1e-10, **common: Any
    ) -> None:
        super().__init__(learning_rate, **common)
        self.epsilon = number(self, "epsilon", epsilon, 0)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        squares = self.state["squares"]
        squares += gradients * gradients
        gradients /= np.sqrt(squares) + self.epsilon
        gradients *= rate
        parameters -= gradients


class RMSprop(Optimizer):
    """Adagrad with a decaying mean of squares: s := rho s + (1 - rho) g^2.

    p := p - rate g / (sqrt(s) + epsilon). As PyTorch's, where rho is called alpha. Raises
    ConfigurationError unless 0 <= rho < 1 and epsilon >= 0. Source: Tieleman and Hinton 2012
    (lecture 6e).
    """

    elementwise = True
    slots = ("squares",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = share(self, "rho", rho), number(self, "epsilon", epsilon, 0)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        squares = self.state["squares"]
        squares *= self.rho
        squares += (1 - self.rho) * (gradients * gradients)
        gradients /= np.sqrt(squares) + self.epsilon
        gradients *= rate
        parameters -= gradients


class Adam(Optimizer):
    """The mean of the gradients over the root of the mean of their squares.

    m := b1 m + (1 - b1) g, v := b2 v + (1 - b2) g^2, and with t the number of steps p := p - rate
    (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon). The divisions by 1 - b^t correct the bias
    of the zeros that m and v start from. As PyTorch's, except that `weight_decay` is decoupled
    here. Raises ConfigurationError unless 0 <= b1, b2 < 1 and epsilon >= 0. Source: Kingma and Ba
    2014 (arXiv:1412.6980).
    """

    elementwise = True
    slots = ("mean", "squares")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta1, self.beta2 = share(self, "beta1", beta1), share(self, "beta2", beta2)
        self.epsilon = number(self, "epsilon", epsilon, 0)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        # The state is m / (1 - b1) and v / (1 - b2), and the factors are combined into two numbers
        # per step: ten passes over memory instead of thirteen.
        mean, squares, g = self.state["mean"], self.state["squares"], gradients
        mean *= self.beta1
        mean += g
        g *= g
        squares *= self.beta2
        squares += g
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.age))
        np.sqrt(squares, out=g)
        g += self.epsilon / root
        np.divide(mean, g, out=g)
        g *= rate * (1 - self.beta1) / (1 - self.beta1**self.age) / root
        parameters -= g


class AdamW(Adam):
    """Adam with a weight decay of 0.01 by default.

    As PyTorch's, where all parameters decay unless they are put into another group; here biases and
    normalizations are excluded. Raises as Adam. Source: Loshchilov and Hutter 2017
    (arXiv:1711.05101).
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay, **common)


class Lion(Optimizer):
    """Steps by the sign alone: p := p - rate sign(b1 m + (1 - b1) g), then m := b2 m + (1 - b2) g.

    All steps have the same size, so the rate is a tenth to a third of Adam's. Raises
    ConfigurationError unless 0 <= b1, b2 < 1. Source: Chen et al. 2023 (arXiv:2302.06675).
    """

    elementwise = True
    slots = ("mean",)

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta1, self.beta2 = share(self, "beta1", beta1), share(self, "beta2", beta2)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        mean = self.state["mean"]
        direction = np.sign(self.beta1 * mean + (1 - self.beta1) * gradients)
        direction *= rate
        parameters -= direction
        mean *= self.beta2
        gradients *= 1 - self.beta2
        mean += gradients
