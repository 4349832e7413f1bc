"""Training: the loop, what it measures, what it remembers."""

from minitorch_np.training.callbacks import Callback
from minitorch_np.training.history import History
from minitorch_np.training.metrics import Accuracy, Metric
from minitorch_np.training.progress import Progress
from minitorch_np.training.trainer import Trainer

__all__ = ["Accuracy", "Callback", "History", "Metric", "Progress", "Trainer"]
