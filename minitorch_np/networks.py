"""Networks that have a name.

`notes_network` is the network of the two hand-written notes: 784 pixels, 10 hidden units, 10
classes. It is one configuration of `Sequential`, and nothing in it is special.
"""

from minitorch_np.arrays import DType, Seed
from minitorch_np.initializers import Initializer
from minitorch_np.layers import Dense, Layer, Sequential


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
