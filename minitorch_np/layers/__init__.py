"""The layers, one kind per module; `core.layer` defines their common contract."""

from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.graph import Graph
from minitorch_np.core.layer import Layer
from minitorch_np.core.node import Input
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
from minitorch_np.layers.attention import MultiHeadAttention
from minitorch_np.layers.bidirectional import Bidirectional
from minitorch_np.layers.convolution import Conv1D, Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GLU
from minitorch_np.layers.group_norm import GroupNorm, RMSNorm
from minitorch_np.layers.masking import Masking
from minitorch_np.layers.normalization import BatchNorm, LayerNorm, Normalization
from minitorch_np.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    MaxPool1D,
    MaxPool2D,
)
from minitorch_np.layers.positions import PositionalEmbedding, RotaryPositions, SinusoidalPositions
from minitorch_np.layers.recurrent import GRU, LSTM, Recurrent, SimpleRNN
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.residual import Residual
from minitorch_np.layers.resizing import Transpose, UpSampling2D, ZeroPadding
from minitorch_np.layers.sampling import NormalSampling
from minitorch_np.layers.softmax import LogSoftmax, Softmax
from minitorch_np.layers.spatial_dropout import SpatialDropout
from minitorch_np.layers.transformer import TransformerBlock, Unembedding
from minitorch_np.layers.transposed_convolution import ConvTranspose1D, ConvTranspose2D

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "SELU",
    "Activation",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool1D",
    "GlobalAveragePool2D",
    "Graph",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "Input",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "Mish",
    "MultiHeadAttention",
    "NormalSampling",
    "Normalization",
    "PReLU",
    "PositionalEmbedding",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Recurrent",
    "Reshape",
    "Residual",
    "RotaryPositions",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "SinusoidalPositions",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Tanh",
    "TransformerBlock",
    "Transpose",
    "Unembedding",
    "UpSampling2D",
    "ZeroPadding",
]
