"""How long the gradient check takes, on one BLAS thread: medians of several runs.

python -m benchmarks.gradcheck_times [--rounds 7]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable

import minitorch_np as mt


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    digits = mt.data.load_mnist().train.take(slice(32))
    x, y = digits.features(), digits.labels
    notes = mt.notes_network(seed=0)
    large = mt.Sequential(
        mt.Dense(512), "relu", mt.Dense(512), "relu", mt.Dense(10), input_shape=784, seed=0
    )
    checks: dict[str, Callable[[], object]] = {
        "784-10-10, m = 32, with its loss": lambda: mt.gradcheck(notes, x, y),
        "784-512-512-10, m = 32, with its loss": lambda: mt.gradcheck(large, x, y),
        "all components, every entry": mt.gradcheck_all,
    }
    for name, check in checks.items():
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            assert check(), name
            times.append(time.perf_counter() - start)
        print(f"{name:40} {statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})")


if __name__ == "__main__":
    main()
