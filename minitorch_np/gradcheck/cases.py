"""The cases of each layer and loss of this package.

The cases use arguments other than the defaults (a missing factor of 1 would not be noticed) and
different sizes (a missing transpose of a square matrix would not be noticed), plus one square case.
"""

import minitorch_np.layers as nn
from minitorch_np.gradcheck.case import Case
from minitorch_np.gradcheck.packed import PackedLoss
from minitorch_np.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    NormalKL,
    SeveralLosses,
    SoftmaxCrossEntropy,
)


def _elementwise(*activations: nn.Layer) -> list[Case]:
    """The cases of activations: the first on rows, the others on a square batch."""
    first, *rest = activations
    return [Case(first, (5,)), *(Case(other, (3, 3), 3) for other in rest or [first])]


def _numbers(loss: Loss) -> list[Case]:
    """The cases of a regression loss: on rows, on images, and weighted on a square batch."""
    return [
        Case(loss, (5,), 3, "numbers"),
        Case(loss, (2, 3), 4, "numbers"),
        Case(loss, (4,), 4, "numbers", weighted=True),
    ]


def _several(*weights: float) -> SeveralLosses:
    return SeveralLosses([MeanSquaredError(), Huber(0.6)], weights)


def two_inputs_and_outputs() -> nn.Graph:
    """A graph with a shared layer, a value used twice, and an output that is also used inside."""
    a, b = nn.Input(4), nn.Input(2)
    twin = nn.Dense(3)
    h = nn.Concatenate()(twin(a), b)
    first = nn.Dense(3)(nn.Tanh()(h))
    return nn.Graph.unbuilt([a, b], [first, nn.Add()(twin(a), first), h])


def masked(*layers: nn.Layer) -> nn.Sequential:
    """Layers that process words, some of which are padding."""
    return nn.Sequential(nn.Embedding(4, 4, padding_id=0), *layers)


CASES: dict[type[nn.Layer] | type[Loss], list[Case]] = {
    nn.Dense: [
        Case(nn.Dense(4), (3,)),
        Case(nn.Dense(3, weight_initializer="uniform", bias_initializer="uniform"), (3,), 3),
        Case(nn.Dense(2, use_bias=False), (6,), 1),
        Case(nn.Dense(3, bias_initializer="uniform"), (4, 2), 3),
        Case(nn.Dense(2), (2, 3, 4), 2),
    ],
    nn.ReLU: _elementwise(nn.ReLU()),
    nn.LeakyReLU: _elementwise(nn.LeakyReLU(0.3), nn.LeakyReLU(0.07)),
    nn.ELU: _elementwise(nn.ELU(1.7), nn.ELU(0.4)),
    nn.SELU: _elementwise(nn.SELU()),
    nn.PReLU: [
        Case(nn.PReLU(0.3), (5,)),
        Case(nn.PReLU(-0.4, per_channel=True), (3,), 3),
        Case(nn.PReLU(0.6, per_channel=True), (3, 2, 4), 2),
    ],
    nn.ReLU6: [Case(nn.ReLU6(), (5,), scale=6.0), Case(nn.ReLU6(), (3, 3), 3, scale=6.0)],
    nn.Sigmoid: _elementwise(nn.Sigmoid()),
    nn.HardSigmoid: [Case(nn.HardSigmoid()), Case(nn.HardSigmoid(), (3, 3), 3, scale=3.0)],
    nn.Tanh: _elementwise(nn.Tanh()),
    nn.Softplus: _elementwise(nn.Softplus(1.7), nn.Softplus(0.3)),
    nn.SiLU: _elementwise(nn.SiLU()),
    nn.HardSwish: [Case(nn.HardSwish()), Case(nn.HardSwish(), (3, 3), 3, scale=3.0)],
    nn.Mish: _elementwise(nn.Mish()),
    nn.GELU: _elementwise(nn.GELU(), nn.GELU(approximate="tanh")),
    nn.Identity: _elementwise(nn.Identity()),
    nn.Softmax: [*_elementwise(nn.Softmax()), Case(nn.Softmax(), (3, 4), 2)],
    nn.LogSoftmax: [*_elementwise(nn.LogSoftmax()), Case(nn.LogSoftmax(), (3, 4), 2)],
    nn.Conv2D: [
        Case(nn.Conv2D(3, (2, 3), bias_initializer="uniform"), (2, 4, 5), 3),
        Case(nn.Conv2D(3, 3, padding="same"), (3, 3, 3), 3),
        Case(nn.Conv2D(2, (3, 2), stride=(2, 1), padding="same"), (1, 5, 4), 2),
        Case(nn.Conv2D(4, (2, 1), padding=(1, 2), dilation=(2, 1), groups=2), (2, 4, 3), 2),
        Case(nn.Conv2D(2, 1, stride=2, use_bias=False), (3, 3, 2), 1),
    ],
    nn.Conv1D: [
        Case(nn.Conv1D(3, 2, bias_initializer="uniform"), (2, 5), 3),
        Case(nn.Conv1D(4, 3, 2, 1, 2, 2, use_bias=False), (4, 7), 2),
        Case(nn.Conv1D(3, 3, padding="same"), (3, 3), 3),
    ],
    nn.ConvTranspose1D: [
        Case(nn.ConvTranspose1D(3, 2, bias_initializer="uniform"), (2, 4), 3),
        Case(nn.ConvTranspose1D(4, 3, 3, 1, 2, 2, 2, use_bias=False), (2, 3), 2),
    ],
    nn.ConvTranspose2D: [
        Case(nn.ConvTranspose2D(2, (2, 3), bias_initializer="uniform"), (3, 2, 3), 2),
        Case(nn.ConvTranspose2D(4, 3, (2, 1), 1, (1, 0), groups=2), (2, 3, 2), 2),
        Case(nn.ConvTranspose2D(3, 2, use_bias=False), (3, 3, 3), 3),
    ],
    nn.MaxPool1D: [
        Case(nn.MaxPool1D(), (2, 6), 3),
        Case(nn.MaxPool1D(3, 2, "same"), (3, 5), 2),
    ],
    nn.AveragePool1D: [
        Case(nn.AveragePool1D(), (2, 6), 3),
        Case(nn.AveragePool1D(3, 2, 1), (3, 5), 2),
    ],
    nn.GlobalAveragePool1D: [
        Case(nn.GlobalAveragePool1D(), (3, 4), 2),
        Case(nn.GlobalAveragePool1D(axis=1), (3, 4), 2),
        Case(nn.GlobalAveragePool1D(axis=1), (3, 3), 3),
    ],
    nn.UpSampling2D: [
        Case(nn.UpSampling2D((2, 3)), (2, 2, 3), 2),
        Case(nn.UpSampling2D(), (3, 3, 3), 3),
    ],
    nn.ZeroPadding: [
        Case(nn.ZeroPadding(), (2, 3, 3), 2),
        Case(nn.ZeroPadding([(1, 2), 0]), (1, 3, 2), 2),
        Case(nn.ZeroPadding([(2, 0)]), (3, 3), 3),
    ],
    nn.Transpose: [Case(nn.Transpose(), (2, 3), 3), Case(nn.Transpose(), (3, 3), 3)],
    nn.MaxPool2D: [
        Case(nn.MaxPool2D(), (2, 4, 4), 3),
        Case(nn.MaxPool2D((2, 3), stride=(1, 2), padding="same"), (1, 3, 5), 3),
    ],
    nn.AveragePool2D: [
        Case(nn.AveragePool2D(), (2, 4, 4), 3),
        Case(nn.AveragePool2D((2, 3), stride=(1, 2), padding="same"), (1, 3, 5), 3),
    ],
    nn.GlobalAveragePool2D: [
        Case(nn.GlobalAveragePool2D(), (3, 2, 4), 2),
        Case(nn.GlobalAveragePool2D(), (3, 3, 3), 3),
    ],
    nn.BatchNorm: [
        Case(nn.BatchNorm(0.3, 0.07), (3,), 5),
        Case(nn.BatchNorm(epsilon=0.2), (2, 2, 3), 3),
    ],
    nn.LayerNorm: [
        Case(nn.LayerNorm(epsilon=0.07), (5,), 3),
        Case(nn.LayerNorm(2, epsilon=0.2), (2, 3, 2), 2),
        Case(nn.LayerNorm(), (3, 3), 3),
    ],
    nn.SimpleRNN: [
        Case(nn.SimpleRNN(2), (4, 3), 3),
        Case(nn.SimpleRNN(3, True, True, "relu"), (3, 3), 3),
    ],
    nn.LSTM: [
        Case(nn.LSTM(2, return_sequences=True), (3, 1), 4),
        Case(nn.LSTM(2, go_backwards=True), (2, 2), 2),
    ],
    nn.GRU: [
        Case(nn.GRU(2, return_sequences=True), (3, 1), 4),
        Case(nn.GRU(2, go_backwards=True), (2, 2), 2),
    ],
    nn.Bidirectional: [
        Case(nn.Bidirectional("simple_rnn(2)"), (3, 2), 3),
        Case(nn.Bidirectional(nn.GRU(2, return_sequences=True)), (3, 1), 4),
    ],
    nn.MultiHeadAttention: [
        Case(nn.MultiHeadAttention(2), (3, 4), 2),
        Case(nn.MultiHeadAttention(4, True, 0.0, 2, True), (3, 8), 2),
        Case(nn.MultiHeadAttention(2, True, 0.3, 1, use_bias=False), (4, 4), 4),
        Case(nn.MultiHeadAttention(2, key_value_heads=1), ((2, 4), (3, 4)), 2),
        Case(nn.MultiHeadAttention(2), ((3, 4), (2, 3)), 2),
        Case(nn.MultiHeadAttention(2, dropout=0.2, use_bias=False), ((2, 4), (3, 4), (3, 5)), 2),
    ],
    nn.TransformerBlock: [
        Case(nn.TransformerBlock(2, 3), (3, 4), 2),
        Case(nn.TransformerBlock(2, 3, 0.2, "swiglu", False, 1, True), (3, 4), 3),
    ],
    nn.Unembedding: [
        Case(nn.Sequential(e := nn.Embedding(5, 3), "tanh", nn.Unembedding(e)), (4,), 3),
        Case(nn.Sequential(e := nn.Embedding(3, 3), nn.Dense(3), nn.Unembedding(e)), (3,), 3),
    ],
    nn.GroupNorm: [
        Case(nn.GroupNorm(2, 0.07), (4, 3), 3),
        Case(nn.GroupNorm(3, 0.2), (3, 2, 2), 2),
        Case(nn.GroupNorm(1, 0.1), (5,), 3),
    ],
    nn.RMSNorm: [
        Case(nn.RMSNorm(0.07), (5,), 3),
        Case(nn.RMSNorm(0.2), (3, 4), 2),
        Case(nn.RMSNorm(0.1), (3, 3), 3),
    ],
    nn.GLU: [
        Case(nn.GLU(), (6,), 3),
        Case(nn.GLU("silu"), (3, 4), 2),
        Case(nn.GLU("elu(0.4)"), (2, 2, 2), 2),
    ],
    nn.PositionalEmbedding: [
        Case(nn.PositionalEmbedding(0.7), (4, 3), 3),
        Case(nn.PositionalEmbedding(), (3, 3), 3),
    ],
    nn.SinusoidalPositions: [
        Case(nn.SinusoidalPositions(7.0), (4, 3), 2),
        Case(nn.SinusoidalPositions(), (3, 3), 3),
    ],
    nn.RotaryPositions: [
        Case(nn.RotaryPositions(7.0), (4, 6), 2),
        Case(nn.RotaryPositions(), (2, 4, 4), 4),
    ],
    nn.SpatialDropout: [
        Case(nn.SpatialDropout(0.3), (4, 3), 3),
        Case(nn.SpatialDropout(0.6), (3, 2, 2), 3),
    ],
    nn.NormalSampling: [
        Case(nn.NormalSampling(), (6,), 3),
        Case(nn.NormalSampling(), (4,), 4),
        Case(nn.Sequential(nn.Dense(4), nn.NormalSampling(), nn.Dense(3)), (5,), 3),
    ],
    nn.Dropout: [Case(nn.Dropout(0.3), (5,)), Case(nn.Dropout(0.6), (3, 3), 3)],
    nn.Flatten: [Case(nn.Flatten(), (2, 3)), Case(nn.Flatten(), (3, 3, 3), 3)],
    nn.Reshape: [Case(nn.Reshape((2, -1)), (3, 4)), Case(nn.Reshape((4,)), (2, 2), 4)],
    nn.Embedding: [
        Case(nn.Embedding(7, 3), (4,), 3),
        Case(nn.Embedding(3, 3), (2, 3), 3),
        Case(nn.Embedding(4, 2, padding_id=1), (5,), 3),
    ],
    nn.Masking: [
        Case(nn.Masking(0.3), (4, 2), 3),
        Case(nn.Masking(), ((3, 2), ()), 4),
        Case(masked(nn.LSTM(2, go_backwards=True)), (3,), 4),
        Case(masked(nn.GRU(4, True), nn.MultiHeadAttention(2), nn.GlobalAveragePool1D(1)), (3,), 3),
    ],
    nn.Graph: [Case(two_inputs_and_outputs(), ((4,), (2,)))],
    nn.Sequential: [
        Case(nn.Sequential(nn.Dense(4), nn.ELU(0.6), nn.Dense(3)), (5,)),
        Case(nn.Sequential(nn.Sequential(nn.Dense(3), "sigmoid"), nn.LeakyReLU(0.2)), (3,), 3),
    ],
    nn.Add: [
        Case(nn.Add(nn.Dense(3), nn.Sequential(nn.Dense(4), "tanh", nn.Dense(3))), (5,)),
        Case(nn.Add(nn.Dense(3), "softplus", nn.SELU()), (3,), 3),
        Case(nn.Add(), ((3,), (3,), (3,)), 2),
    ],
    nn.Residual: [
        Case(nn.Residual(nn.Dense(4), "tanh", nn.Dense(3)), (3,), 3),
        Case(nn.Residual("tanh", nn.Dense(2), shortcut=nn.Dense(2)), (4,)),
    ],
    nn.Concatenate: [
        Case(nn.Concatenate(nn.Dense(2), nn.Dense(3), "tanh"), (4,)),
        Case(nn.Concatenate(nn.ELU(0.4), nn.Conv2D(2, 1)), (3, 2, 2), 2),
        Case(nn.Concatenate(nn.Dense(2), nn.Dense(1), axis=-1), (3,), 3),
        Case(nn.Concatenate(), ((3,), (1,), (2,)), 2),
        Case(nn.Concatenate(axis=-1), ((2, 3), (2, 1)), 2),
    ],
    SeveralLosses: [
        Case(PackedLoss(_several(1.0, 0.3), [(2,), (3,)]), (5,), 3, "numbers"),
        Case(PackedLoss(_several(0.7, 2.5), [(3,), (1,)]), (4,), 4, "numbers", weighted=True),
    ],
    SoftmaxCrossEntropy: [
        Case(SoftmaxCrossEntropy(), (5,)),
        Case(SoftmaxCrossEntropy(), (4,), 4, "one-hot"),
        Case(SoftmaxCrossEntropy(), (3,), 5, "rows"),
        Case(SoftmaxCrossEntropy(0.3, [0.5, 2.0, 1.5, 0.7]), (4,), 5, weighted=True),
        Case(SoftmaxCrossEntropy(0.2, [0.5, 2.0, 1.5]), (3,), 5, "rows"),
        Case(SoftmaxCrossEntropy(ignore_index=1), (3,), 6),
        Case(SoftmaxCrossEntropy(), (2, 4), 3),
        Case(SoftmaxCrossEntropy(0.2, [0.5, 2.0, 1.5], 1), (4, 3), 3, weighted=True),
        Case(SoftmaxCrossEntropy(), (2, 3, 4), 2, "rows"),
    ],
    CrossEntropy: [
        Case(CrossEntropy(), (5,)),
        Case(CrossEntropy(), (4,), 4, "one-hot"),
        Case(CrossEntropy(), (3,), 5, "rows", weighted=True),
        Case(CrossEntropy(), (2, 3), 4, "one-hot"),
    ],
    KLDivergence: [
        Case(KLDivergence(), (5,), 3, "rows"),
        Case(KLDivergence(), (4,), 4, "rows", weighted=True),
        Case(KLDivergence(), (3,)),
        Case(KLDivergence(), (2, 3), 4, "rows", weighted=True),
    ],
    MeanSquaredError: _numbers(MeanSquaredError()),
    MeanAbsoluteError: _numbers(MeanAbsoluteError()),
    Huber: _numbers(Huber(0.7)),
    NormalKL: [
        Case(NormalKL(), (6,), 3, "numbers"),
        Case(NormalKL(), (4,), 4, "numbers", weighted=True),
    ],
    BinaryCrossEntropy: [
        Case(BinaryCrossEntropy(), (5,), 3, "shares"),
        Case(BinaryCrossEntropy(), (4,), 4, "shares", weighted=True),
        Case(BinaryCrossEntropy(), (2, 3), 4, "shares"),
    ],
}
