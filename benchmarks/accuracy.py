"""The test accuracy of networks trained on full MNIST, on its 10,000 test digits.

- notes: the notes' 784-10-10, ReLU, SGD at 0.1, batches of 64, three epochs, seeds 0 to 4;
- mlp: 784-512-512-10, ReLU, Adam from 0.001 down a cosine, batches of 128, ten epochs;
- lenet5: Adam from 0.002 down a cosine, batches of 64, ten epochs;
- clothes: two convolutions, fewer than 100,000 parameters, AdamW from 0.003 down a cosine, batches
  of 128, 20 epochs, half of the pictures mirrored; for FOLDER with the files of Fashion-MNIST.

    python -m benchmarks.accuracy FOLDER [--network notes] [--seeds 5]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator
from minitorch_np.training.batches import Transform


class Setting(NamedTuple):
    """A network and its training: `optimizer` takes the total number of steps."""

    network: Callable[[int], mt.Sequential]
    optimizer: Callable[[int], mt.Optimizer]
    batch_size: int
    epochs: int
    transform: Transform | None = None


def two_convolutions(seed: int) -> mt.Sequential:
    """A network for clothes."""
    layers: list[mt.Layer | str] = []
    for filters in (32, 64):
        layers += [mt.Conv2D(filters, 3, padding="same", use_bias=False), mt.BatchNorm(), "relu"]
        layers += [mt.MaxPool2D(2)]
    layers += [mt.Flatten(), mt.Dropout(0.4), mt.Dense(10)]
    return mt.Sequential(*layers, input_shape=(1, 28, 28), seed=seed)


def mirrored(images: Array, rng: Generator) -> Array:
    """Half of the images (m, channels, height, width), with left and right exchanged."""
    chosen = rng.random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[..., ::-1], images)


SETTINGS = {
    "notes": Setting(lambda seed: mt.notes_network(seed=seed), lambda steps: mt.SGD(0.1), 64, 3),
    "mlp": Setting(
        lambda seed: mt.mlp([784, 512, 512, 10], seed=seed),
        lambda steps: mt.Adam(mt.schedules.cosine(0.001, steps)),
        128,
        10,
    ),
    "lenet5": Setting(
        lambda seed: mt.lenet5(seed=seed),
        lambda steps: mt.Adam(mt.schedules.cosine(0.002, steps)),
        64,
        10,
    ),
    "clothes": Setting(
        two_convolutions,
        lambda steps: mt.AdamW(mt.schedules.cosine(0.003, steps), weight_decay=0.05),
        128,
        20,
        mirrored,
    ),
}


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="with the four files of MNIST or Fashion-MNIST")
    parser.add_argument("--network", choices=SETTINGS, default="notes")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    digits = mt.data.load_mnist(arguments.folder)
    setting = SETTINGS[arguments.network]
    accuracies = []
    for seed in range(arguments.seeds):
        model = setting.network(seed)
        x, xt = (
            part.features().reshape(-1, *model.input_shape) for part in (digits.train, digits.test)
        )
        steps = setting.epochs * -(-len(x) // setting.batch_size)
        trainer = mt.Trainer(
            model,
            mt.SoftmaxCrossEntropy(),
            setting.optimizer(steps),
            metrics=[mt.Accuracy()],
            seed=seed,
        )
        start = time.perf_counter()
        trainer.fit(
            x,
            digits.train.labels,
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            transform=setting.transform,
            verbose=False,
        )
        seconds = (time.perf_counter() - start) / setting.epochs
        accuracies.append(trainer.evaluate(xt, digits.test.labels)["accuracy"])
        print(f"seed {seed}: {accuracies[-1]:.4f} ({seconds:.2f} s an epoch)", flush=True)
    print(f"mean {statistics.mean(accuracies):.4f}")


if __name__ == "__main__":
    main()
