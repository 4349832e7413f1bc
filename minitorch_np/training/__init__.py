"""Training: the loop, what is measured along the way, and what is told about it."""

from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.training.history import History
from minitorch_np.training.loggers import CSVLogger, LearningRateLogger
from minitorch_np.training.metrics import (
    F1,
    Accuracy,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopKAccuracy,
    confusion_matrix,
)
from minitorch_np.training.progress import Progress
from minitorch_np.training.stopping import EarlyStopping, ModelCheckpoint
from minitorch_np.training.trainer import Callback, Trainer

__all__ = [
    "F1",
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "LearningRateLogger",
    "Metric",
    "ModelCheckpoint",
    "Perplexity",
    "Precision",
    "Progress",
    "Recall",
    "TopKAccuracy",
    "Trainer",
    "confusion_matrix",
]
