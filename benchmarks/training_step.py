"""What a training step costs through `Trainer.fit`, over the same step written by hand.

Both train 784-10-10 on batches of 64, alternating in one process, on one BLAS thread; the figure is
the ratio of the medians. Full MNIST where the folder is given, else the digits in the package.

    python -m benchmarks.training_step [--data FOLDER] [--rounds 15] [--epochs 3]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import minitorch_np as mt
from benchmarks.handwritten import NotesByHand


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=3, help="of one call of fit")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    train = mt.data.load_mnist(arguments.data).train
    x, y = train.features(), train.labels
    steps = arguments.epochs * -(-len(x) // arguments.batch_size)

    model = mt.notes_network(seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    by_hand = NotesByHand(*mt.notes_network(seed=0).state_dict().values())
    rng = np.random.default_rng(0)

    def framework() -> float:
        history = trainer.fit(x, y, epochs=arguments.epochs, batch_size=arguments.batch_size)
        return history["loss"][-1]

    def hand() -> float:
        for _ in range(arguments.epochs):
            loss = by_hand.epoch(x, y, arguments.batch_size, 0.1, rng)
        return loss

    print(f"first losses: by hand {hand():.6f}, framework {framework():.6f} (must agree)")
    times: dict[Callable[[], float], list[float]] = {hand: [], framework: []}
    for _ in range(arguments.rounds):
        for contestant, measured in times.items():
            start = time.perf_counter()
            contestant()
            measured.append((time.perf_counter() - start) / steps * 1e6)
    for contestant, measured in times.items():
        quarter, median, three = statistics.quantiles(measured, n=4)
        print(f"{contestant.__name__:10} {median:7.1f} us a step ({quarter:.1f} to {three:.1f})")
    ratio = statistics.median(times[framework]) / statistics.median(times[hand])
    print(f"framework / hand-written: {ratio:.3f}")


if __name__ == "__main__":
    main()
