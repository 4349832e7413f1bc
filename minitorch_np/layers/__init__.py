"""The layers, one kind a module; `base` has the contract that all of them keep."""

from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer, layer_from_name
from minitorch_np.core.sequential import Sequential
from minitorch_np.layers.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.normalization import BatchNorm, LayerNorm, Normalization
from minitorch_np.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.residual import Residual
from minitorch_np.layers.softmax import LogSoftmax, Softmax

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "Concatenate",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool2D",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2D",
    "Mish",
    "Normalization",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "layer_from_name",
]
