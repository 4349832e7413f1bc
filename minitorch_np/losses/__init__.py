"""Loss functions: the error of a network as one number, and its gradient."""

from minitorch_np.losses.base import Loss
from minitorch_np.losses.categorical import (
    CrossEntropy,
    KLDivergence,
    SoftmaxCrossEntropy,
    loss_for,
)
from minitorch_np.losses.class_weights import balanced_weights
from minitorch_np.losses.pointwise import (
    BinaryCrossEntropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    NormalKL,
    Pointwise,
)
from minitorch_np.losses.several import SeveralLosses

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "NormalKL",
    "Pointwise",
    "SeveralLosses",
    "SoftmaxCrossEntropy",
    "balanced_weights",
    "loss_for",
]
