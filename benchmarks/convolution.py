"""Convolution beside PyTorch's, on one thread: two layers alone, and LeNet-5 in training.

- Conv2D, forward and backward at batch 64: 1x28x28 -> 6 and 6x24x24 -> 16 channels of 5x5 (without
a
  gradient for the pixels), alternating in one process;
- LeNet-5, batch 64, Adam: seconds for an epoch of full MNIST, or of the digits in the package, and
  the memory that training takes over model and data, each in a process of its own, alternating.

    python -m benchmarks.convolution [--data FOLDER] [--rounds 9]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt

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


def lenet_epoch(contestant: str, folder: str | None) -> dict[str, float]:
    """Seconds of the second epoch, and MiB over what model and data take."""
    digits = mt.data.load_mnist(folder).train
    x, y = digits.features().reshape(-1, 1, 28, 28), digits.labels
    train = _ours() if contestant == "minitorch_np" else _torchs()
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
    train(x[:640], y[:640])  # whatever is loaded or built at the first use
    start = time.perf_counter()
    train(x, y)
    return {"seconds": time.perf_counter() - start, "MiB": memory("VmHWM") - before}


def memory(what: str) -> float:
    """This process's present (VmRSS) or largest (VmHWM) memory in MiB; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(what))) / 1024


def _ours() -> Callable[[Any, Any], Any]:
    trainer = mt.Trainer(mt.lenet5(seed=0), mt.SoftmaxCrossEntropy(), mt.Adam(), seed=0)
    return lambda x, y: trainer.fit(x, y, batch_size=64)


def _torchs() -> Callable[[Any, Any], Any]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5)]
    layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()

    def train(x: Any, y: Any) -> None:
        inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
        order: Any = torch.randperm(len(x))
        for rows in order.split(64):
            optimizer.zero_grad()
            loss(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()

    return train


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(lenet_epoch(arguments.child, arguments.data)))
        return
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

    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(3):
        for name in contestants:
            command = [sys.executable, "-m", "benchmarks.convolution", "--child", name]
            command += ["--data", arguments.data] if arguments.data else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.setdefault(name, []).append(json.loads(done.stdout))
    for name, results in found.items():
        seconds = statistics.median(result["seconds"] for result in results)
        memory = statistics.median(result["MiB"] for result in results)
        print(f"LeNet-5, an epoch at batch 64, {name}: {seconds:.2f} s, {memory:.0f} MiB more")


if __name__ == "__main__":
    main()
