"""scikit-learn's MLPClassifier. It starts from its own initial parameters."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.work import Array, Task


class Scikit:
    """An estimator with a warm start: each `fit` trains for the epochs of a round."""

    def __init__(self, task: Task, x: Array, y: Array, hidden: tuple[int, ...]) -> None:
        self.x, self.y = x, y
        self.estimator = MLPClassifier(
            hidden,
            solver=task.optimizer,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=0.0,
            learning_rate_init=task.rate,
            batch_size=200 if task.measure == "prediction" else task.batch or len(x),
            max_iter=1 if task.measure == "prediction" else task.repeats,
            n_iter_no_change=10**6,
            warm_start=True,
            random_state=0,
        )
        if task.measure == "prediction":
            self.fit(x[:1_000], y[:1_000])

    def train(self) -> float:
        self.fit(self.x, self.y)
        return float(self.estimator.loss_curve_[-1])

    def fit(self, x: Array, y: Array) -> None:
        """The estimator's, without its warning that a few epochs are few."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.estimator.fit(x, y)

    def predict(self, x: Array) -> Array:
        probabilities: Array = self.estimator.predict_proba(x)
        return probabilities


def contestant(task: Task, x: Array, y: Array) -> Scikit | None:
    """scikit-learn at dense networks."""
    return None if isinstance(task.sizes, str) else Scikit(task, x, y, task.sizes[1:-1])
