"""Time series: ten shapes in a curve of 40 points, read by a recurrent and a convolutional network.

MNIST-1D stretches, moves and bends one of ten shapes and adds noise. A GRU reads a curve point by
point, in both directions; its last state is classified. A convolution detects small features at all
points, and each of three layers halves the number of points. In training, each curve is shifted by
up to three points (data augmentation).

The package mnist1d (extra `bench`) makes the curves, the same ones for everyone: 4,000 for training
and 1,000 for the test. Its authors report 91 % for a GRU and 94 % for a convolutional
network. Source: Greydanus and Kobak 2020 (arXiv:2011.14439).

    python examples/time_series.py [EPOCHS]
"""

import sys

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator


def recurrent() -> mt.Sequential:
    """Two GRUs, one for each direction, on the points one after the other."""
    return mt.Sequential(
        mt.Reshape((40, 1)),
        mt.Bidirectional(mt.GRU(64, return_sequences=True)),
        mt.Bidirectional(mt.GRU(64)),
        mt.Dropout(0.3),
        mt.Dense(10),
        input_shape=40,
        seed=0,
    )


def convolutional() -> mt.Sequential:
    """Three convolutions, each of which halves the number of points."""
    layers: list[mt.Layer | str] = [mt.Reshape((1, 40))]
    for filters in (32, 64, 64):
        layers += [mt.Conv1D(filters, 5, stride=2, padding=2), "relu"]
    layers += [mt.Flatten(), mt.Dropout(0.5), mt.Dense(10)]
    return mt.Sequential(*layers, input_shape=40, seed=0)


def moved(curves: Array, rng: Generator) -> Array:
    """Each curve shifted by up to three points."""
    starts = rng.integers(-3, 4, (len(curves), 1))
    return np.take_along_axis(curves, (np.arange(40) + starts) % 40, axis=1)


def main(epochs: int = 50) -> None:
    """Train both, and test them."""
    from mnist1d.data import get_dataset_args, make_dataset

    curves = make_dataset(get_dataset_args())
    x, y = curves["x"].astype(np.float32), curves["y"]
    xt, yt = curves["x_test"].astype(np.float32), curves["y_test"]
    found = []
    for name, model in {"GRU": recurrent(), "Conv1D": convolutional()}.items():
        print(f"{name}: {model.count_parameters():,} parameters")
        rate = mt.schedules.one_cycle(0.005, epochs * len(x) // 100)
        optimizer = mt.AdamW(rate, clip_norm=1.0)
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), optimizer, metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(x, y, epochs=epochs, batch_size=100, transform=moved, callbacks=[mt.Progress()])
        found.append(f"{name} {trainer.evaluate(xt, yt)['accuracy']:.3f}")
    print(f"test accuracy: {', '.join(found)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
