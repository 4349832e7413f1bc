"""The duration of the gradient check on one BLAS thread: medians of several runs.

Wall time, processor time, and the ratio of the latter to a fixed amount of work that is measured
immediately before and after: one forward and backward of 784-10-10 with 32 samples in float64. On a
busy machine the ratio changes the least.

    python -m benchmarks.gradcheck_times [--rounds 7]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")

import argparse
import importlib
import statistics
import time
from collections.abc import Callable

import numpy as np

import minitorch_np as mt

UNITS = 50
"""The number of repetitions of the fixed work before each check, and after it."""

BLOCK = "PyTorch's Linear + GELU + LayerNorm, gradcheck_torch"


def unit() -> Callable[[], None]:
    """Do the fixed work."""
    model = mt.Sequential(mt.Dense(10), "relu", mt.Dense(10))
    model.initialize((784,), rng=np.random.default_rng(0), dtype=np.float64)
    x, dy = (np.random.default_rng(0).normal(size=(32, width)) for width in (784, 10))

    def work() -> None:
        for _ in range(UNITS):
            _, cache = model.forward(x, train=True)
            model.backward(dy, cache)

    return work


def checks() -> dict[str, Callable[[], object]]:
    """The checks to measure, by name."""
    digits = mt.data.load_mnist().train.take(slice(32))
    x, y = digits.features(), digits.labels
    notes = mt.notes_network(seed=0)
    large = mt.Sequential(
        mt.Dense(512), "relu", mt.Dense(512), "relu", mt.Dense(10), input_shape=784, seed=0
    )
    trainer = mt.Trainer(notes, mt.SoftmaxCrossEntropy(), mt.Adam(0.01), seed=0)
    found: dict[str, Callable[[], object]] = {
        "784-10-10, m = 32, with its loss": lambda: mt.gradcheck(notes, x, y),
        "784-512-512-10, m = 32, with its loss": lambda: mt.gradcheck(large, x, y),
        "all components": mt.gradcheck_all,
        "three steps of Adam, 784-10-10, m = 32": lambda: mt.check_step(trainer, x, y),
    }
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        print(f"{BLOCK}: not measured, torch is not installed (extra bench)")
        return found
    torch.manual_seed(0)
    torch.set_num_threads(1)
    block = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.LayerNorm(16))
    inputs = torch.randn(4, 8)
    return {**found, BLOCK: lambda: mt.gradcheck_torch(block, inputs)}


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """The wall time and processor time. Raises AssertionError for a check that does not pass."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    spent = time.perf_counter() - clock, time.process_time() - processor
    assert result is None or result, result
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    fixed = unit()
    for name, check in checks().items():
        runs = []
        for _ in range(rounds):
            before, spent, after = seconds(fixed), seconds(check), seconds(fixed)
            runs.append((*spent, 2 * UNITS * spent[1] / (before[1] + after[1])))
        clock, processor, ratio = map(statistics.median, zip(*runs, strict=True))
        print(
            f"{name:52} {clock:7.3f} s, {processor:7.3f} s of the processor, "
            f"{ratio:8,.0f} forwards and backwards",
            flush=True,
        )


if __name__ == "__main__":
    main()
