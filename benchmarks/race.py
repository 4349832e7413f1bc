"""Contestants side by side: each in a process of its own, measured in turn.

On a machine with other load, times vary. Measurements of a few tenths of a second taken in turn
stay comparable, and a median ignores single disturbed rounds. Processes are restarted a few times,
since the placement of their memory affects the speed and lasts as long as the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

import minitorch_np as mt
from benchmarks.contestants import present
from benchmarks.work import LIBRARIES, Task
from minitorch_np.arrays import BLAS_THREADS

ROOT = Path(__file__).parents[1]

Rounds = dict[str, list[dict[str, Any]]]
"""The measurements of each contestant, one per round."""


class Runner:
    """A worker process, for use in a with statement."""

    def __init__(self, name: str, task: Task, folder: Path, threads: int) -> None:
        self._name = name
        command = [sys.executable, "-m", "benchmarks.worker", name, json.dumps(asdict(task))]
        self._process = subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )
        first = self._answer()
        self.does: bool = first["does"]
        self.kernels: str | None = first["kernels"]

    def round(self) -> dict[str, Any]:
        """The measurement of one round."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name}: ended with code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker with this number of threads."""
    pinned = dict.fromkeys(BLAS_THREADS, str(threads))
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    return os.environ | pinned | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def write_data(source: str | None, folder: Path) -> int:
    """Write x.npy and y.npy, which each worker loads; returns the number of samples."""
    train = mt.data.load_mnist(source).train
    np.save(folder / "x.npy", train.features())
    np.save(folder / "y.npy", train.labels.astype(np.int64))
    return len(train.labels)


def race(
    task: Task, names: Iterable[str], folder: Path, *, threads: int, rounds: int, restarts: int
) -> Rounds:
    """Measure the available contestants that support the task in turn, `rounds` per restart."""
    found: Rounds = {}
    for _ in range(restarts):
        with ExitStack() as stack:
            runners = {}
            for name in filter(present, names):
                runner = stack.enter_context(Runner(name, task, folder, threads))
                if runner.does:
                    runners[name] = runner
            if task.measure != "memory":  # the first time differs and is not counted
                for runner in runners.values():
                    runner.round()
            for _ in range(1 if task.measure == "memory" else rounds):
                for name, runner in runners.items():
                    about = {} if name in found else {"kernels": runner.kernels}
                    found.setdefault(name, []).append(runner.round() | about)
    return found


def imports(rounds: int) -> Rounds:
    """The seconds of a process that only imports a library, with its compiled files in place."""
    quiet = {k: v for k, v in environment(1).items() if k != "PYTHONDONTWRITEBYTECODE"}
    found: Rounds = {}
    for number in range(rounds + 1):
        for library in LIBRARIES:
            start = time.perf_counter()
            command = [sys.executable, "-c", f"import {library}"]
            done = subprocess.run(command, check=False, env=quiet, cwd=ROOT, capture_output=True)
            seconds = time.perf_counter() - start
            if number and not done.returncode:  # the first is for the caches; 1: it is not there
                found.setdefault(library, []).append({"seconds": seconds})
    return found
