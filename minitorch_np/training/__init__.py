"""Training: the loop, its metrics, callbacks, checkpoints and loggers."""

from minitorch_np.training.callback import Callback, Progress
from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.training.history import History
from minitorch_np.training.loggers import CSVLogger, LearningRateLogger
from minitorch_np.training.metric import Metric
from minitorch_np.training.metrics import (
    F1,
    Accuracy,
    Perplexity,
    Precision,
    Recall,
    TopKAccuracy,
    confusion_matrix,
)
from minitorch_np.training.probability_metrics import AUC, CalibrationError
from minitorch_np.training.rate_search import RateSearch, find_learning_rate
from minitorch_np.training.regression_metrics import MAE, R2, RMSE
from minitorch_np.training.stopping import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from minitorch_np.training.tensorboard import TensorBoardLogger
from minitorch_np.training.trainer import Trainer

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "R2",
    "RMSE",
    "Accuracy",
    "CSVLogger",
    "CalibrationError",
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
    "RateSearch",
    "Recall",
    "ReduceLROnPlateau",
    "TensorBoardLogger",
    "TopKAccuracy",
    "Trainer",
    "confusion_matrix",
    "find_learning_rate",
]
