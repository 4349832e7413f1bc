"""Regression: a curve through noisy points with outliers.

One number in, one number out. Squared errors give outliers a large weight, so the curve bends
towards them; with the Huber loss it does not. Training stops when the loss on the validation points
no longer improves.

    python examples/regression.py
"""

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array


def curve(x: Array) -> Array:
    """The true curve."""
    y: Array = np.sin(2 * x) + 0.5 * x
    return y


def main() -> None:
    """Fit it with two losses, and print the distance of each fit from the curve."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (600, 1))
    y = curve(x) + rng.normal(0, 0.1, x.shape)
    wrong = rng.random(len(x)) < 0.1
    y[wrong] += 6  # one in ten was written down in the wrong column

    grid = np.linspace(-3, 3, 61)[:, np.newaxis]
    distances = []
    for loss in (mt.MeanSquaredError(), mt.Huber(0.2)):
        model = mt.mlp([1, 32, 32, 1], activation="tanh", seed=0)
        trainer = mt.Trainer(model, loss, mt.Adam(0.01), seed=0)
        stopping = mt.EarlyStopping(patience=20)
        history = trainer.fit(
            x, y, epochs=300, batch_size=32, validation_split=0.2, callbacks=[stopping]
        )
        distances.append(float(np.sqrt(np.mean((model(grid) - curve(grid)) ** 2))))
        best = stopping.best_epoch + 1
        print(f"{type(loss).__name__:17} best after {best} of {history.epochs} epochs")
    print(f"distance from the curve: squares {distances[0]:.2f}, Huber {distances[1]:.2f}")


if __name__ == "__main__":
    main()
