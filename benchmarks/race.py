"""Contestants side by side: a process each, which take turns, so that all see the same machine.

On a machine that others use too, a second is not a second. What stays comparable is what was
measured in turn, a few tenths of a second each, over and over; a median does not mind a round that
something got in the way of. Processes are started anew a few times, since where memory happens to
lie is a matter of luck that lasts as long as a process.
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
"""What each contestant measured, round by round."""


class Runner:
    """A worker process, to be used in a with statement."""

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
        """What one round took."""
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
    """The environment of a worker that uses so many threads."""
    pinned = dict.fromkeys(BLAS_THREADS, str(threads))
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    return os.environ | pinned | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def write_data(source: str | None, folder: Path) -> int:
    """x.npy and y.npy, from which each worker has its data in memory; how many samples."""
    train = mt.data.load_mnist(source).train
    np.save(folder / "x.npy", train.features())
    np.save(folder / "y.npy", train.labels.astype(np.int64))
    return len(train.labels)


def race(
    task: Task, names: Iterable[str], folder: Path, *, threads: int, rounds: int, restarts: int
) -> Rounds:
    """Let those that are there and do such work take turns for `rounds`, from each restart."""
    found: Rounds = {}
    for _ in range(restarts):
        with ExitStack() as stack:
            runners = {}
            for name in filter(present, names):
                runner = stack.enter_context(Runner(name, task, folder, threads))
                if runner.does:
                    runners[name] = runner
            if task.measure != "memory":  # the first time is another: not counted
                for runner in runners.values():
                    runner.round()
            for _ in range(1 if task.measure == "memory" else rounds):
                for name, runner in runners.items():
                    about = {} if name in found else {"kernels": runner.kernels}
                    found.setdefault(name, []).append(runner.round() | about)
    return found


def imports(rounds: int) -> Rounds:
    """Seconds that a process takes that does nothing but import a library.

    With the compiled files in place, as pip and Python leave them.
    """
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
