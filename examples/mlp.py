"""A typical training: a larger network, Adam, a schedule, early stopping, a checkpoint.

784-128-64-10 with dropout. A part of the training digits is used for validation; when it shows no
more progress, training stops, and the best parameters are restored. A checkpoint is written after
each epoch: interrupt this script and start it again with the same folder, and it resumes the run.

    python examples/mlp.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import minitorch_np as mt


def main(folder: Path) -> None:
    """Train, or resume training, and test."""
    digits = mt.data.load_mnist()
    x, y = digits.train.features(), digits.train.labels
    epochs, batch_size = 12, 100
    steps = epochs * len(x) // batch_size

    model = mt.mlp([784, 128, 64, 10], activation="silu", dropout=0.2, seed=0)
    optimizer = mt.AdamW(mt.schedules.one_cycle(0.005, steps), weight_decay=0.05, clip_norm=5.0)
    trainer = mt.Trainer(
        model,
        mt.SoftmaxCrossEntropy(label_smoothing=0.05),
        optimizer,
        metrics=[mt.Accuracy(), mt.F1()],
        seed=0,
    )
    checkpoint = mt.Checkpoint(folder / "run.npz", resume=True)
    trainer.fit(
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        validation_split=0.1,
        callbacks=[
            mt.EarlyStopping("val_accuracy", patience=3),
            mt.LearningRateLogger(),
            mt.CSVLogger(folder / "log.csv"),
            mt.Progress(),
        ],
        checkpoint=checkpoint,
    )
    xt, yt = digits.test.features(), digits.test.labels
    print("\nwhat is taken for what (rows: true, columns: predicted):")
    print(mt.confusion_matrix(yt, model.predict_classes(xt)))
    test = trainer.evaluate(xt, yt)
    print(f"test accuracy {test['accuracy']:.3f}, F1 {test['f1']:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
