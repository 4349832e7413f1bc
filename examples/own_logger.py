"""A user-defined logger: a callback of ten lines that sends each epoch's numbers to MLflow.

Without MLflow (`pip install mlflow`) it prints what it would send.
"""

from types import SimpleNamespace
from typing import Any

import minitorch_np as mt

try:
    import mlflow
except ImportError:
    mlflow = SimpleNamespace(
        log_params=lambda params: print("parameters", params),
        log_metrics=lambda metrics, step: print("epoch", step, metrics),
    )


class MLflowLogger(mt.Callback):
    """Logs the settings when training begins and all numbers after each epoch."""

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
        settings = {"loss": repr(trainer.loss), "optimizer": repr(trainer.optimizer)}
        self.tracker.log_params({**settings, "epochs": epochs})

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.tracker.log_metrics({name: round(n, 4) for name, n in numbers.items()}, step=epoch)


train, test = mt.data.load_mnist()
model = mt.notes_network(seed=0)
trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.003), metrics=["accuracy"], seed=0)
trainer.fit(
    train.features(),
    train.labels,
    epochs=5,
    validation_data=(test.features(), test.labels),
    callbacks=[MLflowLogger(mlflow)],
)
print(f"test accuracy {trainer.evaluate(test.features(), test.labels)['accuracy']:.3f}")
