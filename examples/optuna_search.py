"""A search for good settings with Optuna, which prunes unpromising trials.

Optuna proposes settings and learns from their results. After each epoch a callback reports the
validation accuracy; if it is below the median of earlier trials at that epoch, the callback raises
TrialPruned, which ends the trial. Needs `pip install optuna`.
"""

import optuna

import minitorch_np as mt


class Pruning(mt.Callback):
    """Reports `monitor` to a trial after each epoch, and ends the trial if it is to be pruned."""

    def __init__(self, trial: optuna.Trial, monitor: str = "val_accuracy") -> None:
        self.trial, self.monitor = trial, monitor

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.trial.report(numbers[self.monitor], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"after epoch {epoch + 1}")


data = mt.data.load_mnist()
train, held_out = data.train[:4000].split(0.25, seed=0)


def objective(trial: optuna.Trial) -> float:
    """The best validation accuracy that a trial's settings reach in six epochs."""
    units = trial.suggest_categorical("units", [16, 32, 64])
    activation = trial.suggest_categorical("activation", ["relu", "tanh", "elu"])
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    model = mt.mlp((784, units, 10), activation, seed=0)
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.Adam(rate), metrics=["accuracy"], seed=0
    )
    history = trainer.fit(
        train.features(),
        train.labels,
        epochs=6,
        validation_data=(held_out.features(), held_out.labels),
        callbacks=[Pruning(trial)],
    )
    return max(history["val_accuracy"])


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
)
study.optimize(objective, n_trials=15)

for trial in study.trials:
    units, activation, rate = trial.params.values()
    epochs = len(trial.intermediate_values)
    print(f"{trial.state.name.lower():8}  {epochs} epochs  {units} {activation}, rate {rate:.1e}")
pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
print(f"best: accuracy {study.best_value:.3f} with {study.best_params}; {pruned} of 15 pruned")
