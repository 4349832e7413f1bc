"""Networks of dense layers: classifiers and autoencoders."""

from collections.abc import Sequence

from minitorch_np.arrays import DType, Seed
from minitorch_np.core.layer import layer_from_name
from minitorch_np.initializers import Initializer
from minitorch_np.layers import Dense, Dropout, Graph, Input, Layer, NormalSampling, Sequential
from minitorch_np.signature import explained
from minitorch_np.validation import require, share


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
    """The notes' network, Dense(hidden), activation, Dense(classes): 784-10-10 by default.

    By default it is the network of the notes' example, ReLU and then softmax, with the softmax in
    the loss: train it with SoftmaxCrossEntropy. `output_activation="softmax"` puts it into the
    model, as drawn in the notes; then use CrossEntropy. The notes' three options name both
    activations: `notes_network("leaky_relu", "elu")`, `("relu", "relu")`, `("sigmoid", "sigmoid")`;
    their outputs are scores for SoftmaxCrossEntropy. Raises ConfigurationError for unknown names.
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

    Each hidden layer is followed by `activation`, given by name, and, with `dropout`, by a Dropout
    of that rate. Raises ConfigurationError for fewer than two sizes.
    """
    layers = _chain("mlp", sizes, activation, dropout, initializer)
    layers += [] if output_activation is None else [output_activation]
    return Sequential(*layers, input_shape=sizes[0], seed=seed, dtype=dtype)


@explained
def autoencoder(
    sizes: Sequence[int],
    activation: str = "relu",
    *,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """An autoencoder: `autoencoder([784, 128, 16])` compresses 784 numbers to 16 and reconstructs
    them.

    `model["encoder"]` has dense layers of these sizes, `model["decoder"]` the same in reverse;
    `activation` follows each layer except the last of both. Train it with its inputs as targets, on
    MeanSquaredError, or on BinaryCrossEntropy for inputs between 0 and 1. Raises ConfigurationError
    for fewer than two sizes.
    """
    encoder = Sequential(*_chain("autoencoder", sizes, activation)).named("encoder")
    decoder = Sequential(*_chain("autoencoder", sizes[::-1], activation)).named("decoder")
    return Sequential(encoder, decoder, input_shape=sizes[0], seed=seed, dtype=dtype)


@explained
def vae(
    sizes: Sequence[int],
    activation: str = "relu",
    *,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Graph:
    """A variational autoencoder: `vae([784, 256, 16])` has codes of 16 numbers, drawn from normal
    distributions.

    For each sample, the encoder computes 16 means and 16 log variances; NormalSampling draws a code
    from that distribution, and the decoder turns it into 784 scores. The model has two outputs, the
    decoder's and the encoder's. The loss is the reconstruction's plus NormalKL, the divergence from
    the standard normal distribution. The former is a mean over 784 features, hence its weight:

        trainer = mt.Trainer(
            model, ["binary_cross_entropy", "normal_kl"], "adam(0.001)", loss_weights=[784, 1]
        )
        trainer.fit(x, [x, np.zeros((len(x), 32))])
        new = 1 / (1 + np.exp(-model["decoder"](rng.normal(size=(10, 16)))))

    Raises ConfigurationError for fewer than two sizes. Source: Kingma and Welling 2013
    (arXiv:1312.6114).
    """
    *hidden, _ = _chain("vae", sizes, activation)
    encoder = Sequential(*hidden, Dense(2 * sizes[-1])).named("encoder")
    decoder = Sequential(*_chain("vae", sizes[::-1], activation)).named("decoder")
    x = Input(sizes[0])
    code = encoder(x)
    return Graph(x, [decoder(NormalSampling()(code)), code], seed=seed, dtype=dtype)


def _chain(
    owner: str,
    sizes: Sequence[int],
    activation: str,
    dropout: float = 0.0,
    initializer: str | Initializer = "glorot_uniform",
) -> list[Layer | str]:
    """Dense layers of all sizes except the first, with an activation after each but the last."""
    expected = "a list of the sizes of inputs, hidden layers and outputs, such as [784, 64, 10]"
    listed = isinstance(sizes, Sequence) and not isinstance(sizes, str)
    require(listed and len(sizes) >= 2, owner, expected, sizes)
    share(owner, "dropout", dropout)
    layers: list[Layer | str] = []
    for units in sizes[1:-1]:
        layers += [Dense(units, weight_initializer=initializer), layer_from_name(activation)]
        layers += [Dropout(dropout)] if dropout else []
    return [*layers, Dense(sizes[-1], weight_initializer=initializer)]
