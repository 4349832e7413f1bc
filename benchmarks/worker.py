"""One contestant in a process of its own, which does a round of its task for each line it reads.

    python -m benchmarks.worker CONTESTANT TASK FOLDER

TASK is JSON, FOLDER has x.npy and y.npy. Each answer is a line of JSON: first whether it supports
the task, and which kernels NumPy uses; then the measurement of each round, in seconds (of a step or
a call) or MiB.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.work import Array, Contestant, Task
from minitorch_np.machine import blas


def main() -> None:
    """Answer until there is no more to read."""
    name, text, folder = sys.argv[1:]
    fields = json.loads(text)
    sizes = fields.pop("sizes")
    task = Task(sizes=sizes if isinstance(sizes, str) else tuple(sizes), **fields)
    take_processors(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, y = np.load(f"{folder}/x.npy")[: task.samples], np.load(f"{folder}/y.npy")[: task.samples]
    contestant = importlib.import_module(f"benchmarks.contestants.{name}").contestant(task, x, y)
    answer({"does": contestant is not None, "kernels": blas().kernels})
    measure: Any = {"training": training, "prediction": prediction, "memory": memory}[task.measure]
    for _ in sys.stdin:
        answer(measure(contestant, task, x))


def answer(found: dict[str, Any]) -> None:
    """Print one line for the parent process."""
    rounded = {k: round(v, 9) if isinstance(v, float) else v for k, v in found.items()}
    print(json.dumps(rounded), flush=True)


def take_processors(count: int) -> None:
    """Run only on the last processors, one per thread, if the system supports that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def training(contestant: Contestant, task: Task, x: Array) -> dict[str, float | None]:
    """Seconds a step, and the mean loss of the last epoch."""
    start = time.perf_counter()
    loss = contestant.train()
    seconds = (time.perf_counter() - start) / task.steps(len(x))
    return {"seconds": seconds, "loss": None if loss != loss else loss}


def prediction(contestant: Contestant, task: Task, x: Array) -> dict[str, float]:
    """Seconds a call."""
    rows, predict = x[: task.batch], contestant.predict
    start = time.perf_counter()
    for _ in range(task.repeats):
        predict(rows)
    return {"seconds": (time.perf_counter() - start) / task.repeats}


def memory(contestant: Contestant, task: Task, x: Array) -> dict[str, float | None]:
    """The peak MiB of memory in training beyond data, libraries and model; Linux only."""
    peak = Path("/proc/self/clear_refs")
    if not peak.exists():
        return {"MiB": None}
    before = resident("VmRSS")
    peak.write_text("5")  # resets the peak
    contestant.train()
    return {"MiB": resident("VmHWM") - before}


def resident(what: str) -> float:
    """This process's present (VmRSS) or largest (VmHWM) memory in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(what))) / 1024


if __name__ == "__main__":
    main()
