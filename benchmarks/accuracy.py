"""What networks reach on the whole of MNIST: test accuracy on its 10,000 test digits.

- notes: the notes' 784-10-10, ReLU, SGD at 0.1, batches of 64, three epochs, seeds 0 to 4;
- mlp: 784-512-512-10, ReLU, Adam from 0.001 down a cosine, batches of 128, ten epochs;
- lenet5: Adam from 0.002 down a cosine, batches of 64, ten epochs.

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

import minitorch_np as mt


class Setting(NamedTuple):
    """A network, and how it is trained: `optimizer` takes the number of all steps."""

    network: Callable[[int], mt.Sequential]
    optimizer: Callable[[int], mt.Optimizer]
    batch_size: int
    epochs: int


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
}


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="with the four MNIST files")
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
            verbose=False,
        )
        seconds = (time.perf_counter() - start) / setting.epochs
        accuracies.append(trainer.evaluate(xt, digits.test.labels)["accuracy"])
        print(f"seed {seed}: {accuracies[-1]:.4f} ({seconds:.2f} s an epoch)", flush=True)
    print(f"mean {statistics.mean(accuracies):.4f}")


if __name__ == "__main__":
    main()
