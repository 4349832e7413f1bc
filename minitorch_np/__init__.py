"""minitorch_np: neural networks to understand and to trust, in NumPy.

Layers know their own derivatives, `Sequential` composes them into a model, a loss says how wrong
the model is, and a `Trainer` makes it less so. The network of two hand-written notes, 784-10-10 on
handwritten digits, is one configuration: `notes_network()`.

All public names are here; `import minitorch_np as mt`.
"""

import importlib
from typing import TYPE_CHECKING

from minitorch_np import data, initializers, optimizers, schedules
from minitorch_np.errors import (
    ArgumentError,
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
from minitorch_np.gradcheck import (
    assert_gradients,
    check_step,
    gradcheck,
    gradcheck_all,
    gradcheck_function,
    gradcheck_jax,
    gradcheck_torch,
    hessian_vector_product,
)
from minitorch_np.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    Add,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    HardSigmoid,
    HardSwish,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2D,
    Mish,
    Normalization,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minitorch_np.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Pointwise,
    SoftmaxCrossEntropy,
    loss_for,
)
from minitorch_np.networks import lenet5, mlp, notes_network
from minitorch_np.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Optimizer, RMSprop
from minitorch_np.training import (
    F1,
    Accuracy,
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    History,
    LearningRateLogger,
    Metric,
    ModelCheckpoint,
    Precision,
    Progress,
    Recall,
    TopKAccuracy,
    Trainer,
    confusion_matrix,
)

if TYPE_CHECKING:
    from minitorch_np.experiments import (
        Comparison,
        Configuration,
        Diagnosis,
        Diagnostics,
        Finding,
        compare,
        diagnose,
    )
    from minitorch_np.reports import Report, report
else:
    # Imported when they are asked for: most programs only train.
    _LATER = {
        **dict.fromkeys(("Comparison", "Configuration", "compare"), "experiments"),
        **dict.fromkeys(("Diagnosis", "Diagnostics", "Finding", "diagnose"), "experiments"),
        **dict.fromkeys(("Report", "report"), "reports"),
    }

    def __getattr__(name):
        if name in _LATER:
            found = getattr(importlib.import_module(f"minitorch_np.{_LATER[name]}"), name)
            return globals().setdefault(name, found)
        raise AttributeError(f"module 'minitorch_np' has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_LATER})


__version__ = "0.1.0"

__all__ = [
    "ELU",
    "F1",
    "GELU",
    "SELU",
    "SGD",
    "Accuracy",
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Add",
    "ArgumentError",
    "AveragePool2D",
    "BatchNorm",
    "BinaryCrossEntropy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Comparison",
    "Concatenate",
    "Configuration",
    "ConfigurationError",
    "Conv2D",
    "CrossEntropy",
    "DataError",
    "Dense",
    "Diagnosis",
    "Diagnostics",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Finding",
    "Flatten",
    "GlobalAveragePool2D",
    "GradientError",
    "HardSigmoid",
    "HardSwish",
    "History",
    "Huber",
    "Identity",
    "KLDivergence",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LearningRateLogger",
    "Lion",
    "LogSoftmax",
    "Loss",
    "MaxPool2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "MinitorchError",
    "Mish",
    "MissingExtraError",
    "ModelCheckpoint",
    "ModelFileError",
    "Normalization",
    "NotBuiltError",
    "Optimizer",
    "PReLU",
    "Pointwise",
    "Precision",
    "Progress",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Recall",
    "Report",
    "Reshape",
    "Residual",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Tanh",
    "TopKAccuracy",
    "Trainer",
    "assert_gradients",
    "check_step",
    "compare",
    "confusion_matrix",
    "data",
    "diagnose",
    "gradcheck",
    "gradcheck_all",
    "gradcheck_function",
    "gradcheck_jax",
    "gradcheck_torch",
    "hessian_vector_product",
    "initializers",
    "lenet5",
    "loss_for",
    "mlp",
    "notes_network",
    "optimizers",
    "report",
    "schedules",
]
