"""minitorch_np: neural networks to understand and to trust, in NumPy.

Layers know their own derivatives, `Sequential` composes them into a model, a loss says how wrong
the model is, and a `Trainer` makes it less so. The network of two hand-written notes, 784-10-10 on
handwritten digits, is one configuration: `notes_network()`.

All public names are here; `import minitorch_np as mt`.
"""

from minitorch_np import data, initializers
from minitorch_np.errors import (
    ConfigurationError,
    DataError,
    DivergenceError,
    GradientError,
    MinitorchError,
    MissingExtraError,
    ModelFileError,
    NotBuiltError,
    ShapeError,
)
from minitorch_np.gradcheck import assert_gradients, gradcheck, gradcheck_all
from minitorch_np.layers import (
    ELU,
    Activation,
    Dense,
    Layer,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
)
from minitorch_np.losses import CrossEntropy, Loss, SoftmaxCrossEntropy, loss_for
from minitorch_np.networks import notes_network
from minitorch_np.optimizers import SGD, Optimizer
from minitorch_np.training import Accuracy, Callback, History, Metric, Progress, Trainer

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "SGD",
    "Accuracy",
    "Activation",
    "Callback",
    "ConfigurationError",
    "CrossEntropy",
    "DataError",
    "Dense",
    "DivergenceError",
    "GradientError",
    "History",
    "Layer",
    "LeakyReLU",
    "Loss",
    "Metric",
    "MinitorchError",
    "MissingExtraError",
    "ModelFileError",
    "NotBuiltError",
    "Optimizer",
    "Progress",
    "ReLU",
    "Sequential",
    "ShapeError",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Trainer",
    "assert_gradients",
    "data",
    "gradcheck",
    "gradcheck_all",
    "initializers",
    "loss_for",
    "notes_network",
]
