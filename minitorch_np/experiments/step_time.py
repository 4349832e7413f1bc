"""Measures training and prediction with other settings of the libraries below NumPy.

Such a setting is read when NumPy is imported, so each is measured in a separate process. The work
is a step of 784-512-512-10 with Adam and batches of 128, and a prediction of 4,096 samples, whose
arrays are so large that glibc returns them to the system each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import keep_freed_memory
from minitorch_np.machine import blas
from minitorch_np.networks import mlp
from minitorch_np.training import Trainer

START = "from minitorch_np.experiments.step_time import main; main()"
"""The program of a process that measures."""

SECONDS = 0.3
"""The time for which each of the two is repeated."""


def measured(
    settings: Mapping[str, Mapping[str, str]], rounds: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure settings, given as additional environment variables by name, in turn. After each
    process, yield the setting's name and its best times so far, in ms.

    A setting that ends its process, such as kernels that the processor can't run, has an "error".
    """
    known: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for name, variables in settings.items():
            found = known.setdefault(name, {})
            if "error" not in found:
                new = _measure(variables)
                for key in ("step", "prediction") if "error" not in new else ():
                    new[key] = min(new[key], found.get(key, new[key]))
                found.update(new)
            yield name, found


def _measure(variables: Mapping[str, str]) -> dict[str, Any]:
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, **variables, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended by signal {-done.returncode}"]
        return {"error": last[0]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure in this process and print the times as JSON."""
    model = mlp([784, 512, 512, 10], seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.random((4096, 784), np.float32), rng.integers(0, 10, 4096)
    prediction = _best(lambda: model.predict(x))
    keep_freed_memory()  # as training does
    trainer = Trainer(model, "softmax_cross_entropy", "adam", seed=0)
    step = _best(lambda: trainer.step(x[:128], y[:128]))
    about = blas()
    print(
        json.dumps(
            {
                "step": step,
                "prediction": prediction,
                "kernels": about.kernels,
                "threads": about.threads,
            }
        )
    )


def _best(run: Callable[[], object]) -> float:
    """The median time of a call in the best of three series, in ms."""
    run()
    found = []
    for _ in range(3):
        times, end = list[float](), time.perf_counter() + SECONDS / 3
        while not times or time.perf_counter() < end:
            begun = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - begun))
        found.append(float(np.median(times)))
    return min(found)
