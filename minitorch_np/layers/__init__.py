"""The layers, one kind a module; `base` has the contract that all of them keep."""

from minitorch_np.layers.activations import ELU, Activation, LeakyReLU, ReLU, Sigmoid
from minitorch_np.layers.base import Layer
from minitorch_np.layers.containers import Sequential
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.names import layer_from_name
from minitorch_np.layers.softmax import Softmax

__all__ = [
    "ELU",
    "Activation",
    "Dense",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "layer_from_name",
]
