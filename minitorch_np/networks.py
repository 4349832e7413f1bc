"""Named networks.

`notes_network` is the network of the two hand-written notes: 784 pixels, 10 hidden units, 10
classes. `mlp` is any chain of dense layers, `lenet5` the classic one for images of digits, `gpt`
and `char_rnn` foretell the next token of a text. Each is a `Sequential` of ordinary layers.
"""

from collections.abc import Sequence

from minitorch_np.arrays import DType, Seed
from minitorch_np.core.layer import layer_from_name
from minitorch_np.initializers import Initializer
from minitorch_np.layers import (
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LayerNorm,
    PositionalEmbedding,
    Sequential,
    TransformerBlock,
    Unembedding,
)
from minitorch_np.signature import explained
from minitorch_np.validation import choice, require, share, whole


@explained
def notes_network(
    activation: str | Layer = "relu",
    output_activation: str | Layer | None = None,
    *,
    hidden: int = 10,
    features: int = 784,
    classes: int = 10,
    initializer: str | Initializer = "glorot_uniform",
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """Dense(hidden), activation, Dense(classes): 784-10-10 unless told otherwise.

    The default is the network that the notes work through, ReLU and then softmax, with the softmax
    in the loss: train it with SoftmaxCrossEntropy. `output_activation="softmax"` puts it into the
    model, literally as drawn; the loss then is CrossEntropy. The notes' three options name both
    activations: `notes_network("leaky_relu", "elu")`, `("relu", "relu")`, `("sigmoid", "sigmoid")`;
    their outputs are scores for SoftmaxCrossEntropy.
    """
    layers: list[Layer | str] = [
        Dense(hidden, weight_initializer=initializer),
        activation,
        Dense(classes, weight_initializer=initializer),
    ]
    if output_activation is not None:
        layers.append(output_activation)
    return Sequential(*layers, input_shape=features, seed=seed, dtype=dtype)


@explained
def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    output_activation: str | Layer | None = None,
    *,
    dropout: float = 0.0,
    initializer: str | Initializer = "glorot_uniform",
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A multi-layer perceptron: `mlp([784, 512, 512, 10])` has 784 inputs, two hidden layers of 512
    units and 10 outputs.

    `activation`, by name, stands after each hidden layer, and with `dropout` a Dropout of that rate
    after it. Raises ConfigurationError for fewer than two sizes.
    """
    expected = "a list of the sizes of inputs, hidden layers and outputs, such as [784, 64, 10]"
    listed = isinstance(sizes, Sequence) and not isinstance(sizes, str)
    require(listed and len(sizes) >= 2, "mlp", expected, sizes)
    share("mlp", "dropout", dropout)
    features, *hidden, outputs = sizes
    layers: list[Layer | str] = []
    for units in hidden:
        layers += [Dense(units, weight_initializer=initializer), layer_from_name(activation)]
        layers += [Dropout(dropout)] if dropout else []
    layers.append(Dense(outputs, weight_initializer=initializer))
    layers += [] if output_activation is None else [output_activation]
    return Sequential(*layers, input_shape=features, seed=seed, dtype=dtype)


@explained
def lenet5(
    activation: str = "relu",
    *,
    classes: int = 10,
    pool: str = "max_pool2d",
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """LeNet-5 for images (m, 1, 28, 28): two convolutions of 5x5, each halved by pooling, then
    dense layers of 120, 84 and `classes` units.

    As it is built today: ReLU and maxima, all six maps of the first convolution seen by each of the
    second. `lenet5("tanh", pool="average_pool2d")` is nearer to the original, which had a sigmoidal
    function and means. Train it with SoftmaxCrossEntropy on `features().reshape(-1, 1, 28, 28)`.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """
    bent = [layer_from_name(activation) for _ in range(4)]
    return Sequential(
        Conv2D(6, 5, padding="same"),
        bent[0],
        f"{pool}(2)",
        Conv2D(16, 5),
        bent[1],
        f"{pool}(2)",
        Flatten(),
        Dense(120),
        bent[2],
        Dense(84),
        bent[3],
        Dense(classes),
        input_shape=(1, 28, 28),
        seed=seed,
        dtype=dtype,
    )


@explained
def gpt(
    vocabulary: int,
    context: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    *,
    dropout: float = 0.0,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A GPT: scores (m, context, vocabulary) of each next token, for tokens (m, context).

    An Embedding and a PositionalEmbedding, `layers` causal TransformerBlocks, a LayerNorm, and the
    embedding's table again for the scores. Train it with SoftmaxCrossEntropy on the tokens one step
    later; `generate` makes sequences with it. Raises ConfigurationError and ShapeError as these
    layers do. Source: Radford et al. 2019, "Language models are unsupervised multitask learners".
    """
    table = Embedding(vocabulary, width, 0.02)
    chain: list[Layer | str] = [table, PositionalEmbedding(0.02)]
    rate = share("gpt", "dropout", dropout)
    chain += [Dropout(rate)] if rate else []
    chain += [TransformerBlock(heads, dropout=rate) for _ in range(whole("gpt", "layers", layers))]
    chain += [LayerNorm(), Unembedding(table)]
    return Sequential(*chain, input_shape=context, seed=seed, dtype=dtype)


@explained
def char_rnn(
    vocabulary: int,
    steps: int,
    units: int = 128,
    layers: int = 1,
    *,
    cell: str = "lstm",
    dropout: float = 0.0,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A recurrent network: scores (m, steps, vocabulary) of each next token, for tokens (m, steps).

    An Embedding of `units` numbers, `layers` recurrent layers of the kind `cell` ("lstm", "gru" or
    "simple_rnn") with Dropout after each, and a Dense layer. Train it as `gpt`; `generate` makes
    sequences of any length with it. Raises ConfigurationError for arguments out of range. Source:
    Graves 2013 (arXiv:1308.0850).
    """
    choice("char_rnn", "cell", cell, ("lstm", "gru", "simple_rnn"))
    chain: list[Layer | str] = [Embedding(vocabulary, units)]
    for _ in range(whole("char_rnn", "layers", layers)):
        chain.append(f"{cell}({units}, return_sequences=True)")
        chain += [Dropout(dropout)] if share("char_rnn", "dropout", dropout) else []
    return Sequential(*chain, Dense(vocabulary), input_shape=steps, seed=seed, dtype=dtype)
