"""Optimizers: how parameters are updated once the gradient is known."""

from minitorch_np.optimizers.base import Optimizer
from minitorch_np.optimizers.memory import biases_and_norms, nothing
from minitorch_np.optimizers.rules import SGD, Adagrad, Adam, AdamW, Lion, RMSprop

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Optimizer",
    "RMSprop",
    "biases_and_norms",
    "nothing",
]
