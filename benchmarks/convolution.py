"""Convolution compared with PyTorch's, on one thread: two layers alone, and LeNet-5 in training.

- Conv2D, forward and backward at batch 64: 1x28x28 -> 6 and 6x24x24 -> 16 channels of 5x5 (without
  a gradient for the pixels), alternating in one process;
- LeNet-5, batch 64, Adam: an epoch of full MNIST, or of the digits in the package, and the memory
  that training takes over model and data, in processes of their own, alternating.

    python -m benchmarks.convolution [--data FOLDER] [--rounds 9]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from benchmarks.race import race, write_data
from benchmarks.report import label
from benchmarks.work import LENET5, Task

SHAPES = [((1, 28, 28), 6, False), ((6, 24, 24), 16, True)]


def both_layers() -> dict[str, Callable[[], Any]]:
    """Forward and backward of both convolutions, ours and PyTorch's."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    ours: list[Callable[[], Any]] = []
    theirs: list[Callable[[], Any]] = []
    for shape, filters, need_dx in SHAPES:
        model = mt.Sequential(mt.Conv2D(filters, 5), input_shape=shape, seed=0)
        layer = model[0]
        x = rng.normal(size=(64, *shape)).astype(np.float32)
        dy = rng.normal(size=(64, *layer.output_shape)).astype(np.float32)
        parameters = [torch.tensor(p, requires_grad=True) for p in model.state_dict().values()]
        inputs, upstream = torch.tensor(x, requires_grad=need_dx), torch.tensor(dy)

        def run(layer: Any = layer, x: Any = x, dy: Any = dy, need_dx: bool = need_dx) -> None:
            layer.backward(dy, layer.forward(x)[1], need_dx=need_dx)

        def torch_run(inputs: Any = inputs, p: Any = parameters, upstream: Any = upstream) -> None:
            output: Any = torch.nn.functional.conv2d(inputs, *p)
            output.backward(upstream)

        ours.append(run)
        theirs.append(torch_run)
    return {
        "minitorch_np": lambda: [run() for run in ours],
        "PyTorch": lambda: [run() for run in theirs],
    }


LENET = Task("LeNet-5", LENET5, "adam", 0.001, 64)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {}
    contestants = both_layers()
    for number in range(10 * arguments.rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if number:
                times.setdefault(name, []).append(time.perf_counter() - start)
    medians = {name: statistics.median(measured) for name, measured in times.items()}
    for name, median in medians.items():
        print(f"Conv2D 1 -> 6 -> 16, forward and backward, {name}: {median * 1e3:.2f} ms")
    print(f"ratio: {medians['minitorch_np'] / medians['PyTorch']:.2f}")

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        samples = write_data(arguments.data, folder)
        for task in (LENET, replace(LENET, measure="memory")):
            found = race(
                task, ["framework", "torch_eager"], folder, threads=1, rounds=1, restarts=3
            )
            for name, rounds in found.items():
                if task.measure == "memory":
                    result = f"{statistics.median(each['MiB'] for each in rounds):.0f} MiB more"
                else:
                    seconds = statistics.median(each["seconds"] for each in rounds)
                    result = f"{seconds * task.steps(samples):.2f} s"
                print(f"LeNet-5, an epoch at batch 64, {label(name)}: {result}")


if __name__ == "__main__":
    main()
