"""Training on several ranks of one machine: same numbers, kills and resuming, speed.

    python -m benchmarks.ranks [--kills 20] [--only numbers|kills|speed]

- numbers: 200 steps in float64 on 1, 2 and 4 ranks, and from 2 ranks to 4 to 1 in one run, against
  one process: the largest relative difference of any array of the model;
- kills: a random rank of a random number of ranks is killed at a random moment, until the run is
  complete: how long the job took to end, whether the checkpoint can be read, and how far the result
  is from that of an uninterrupted run;
- speed: a step of 784-512-512-10 with Adam at a global batch of 512, on one rank and on two, with
  one BLAS thread each, in turn; the cost of the Allreduce; the gain of overlapping it with the
  product of the lowest layer's gradient.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from benchmarks.race import ROOT, environment
from minitorch_np.arrays import Generator
from minitorch_np.io.arrays import read_state

LIMIT = 10.0
"""The most seconds that a job may take to end after a rank was killed."""


def start(ranks: int, *words: object) -> subprocess.Popen[str]:
    """Start a job of several ranks with one BLAS thread each."""
    command = ["mpiexec", "-n", str(ranks)]
    version = subprocess.run(["mpiexec", "--version"], capture_output=True, text=True, check=True)
    if "Open" in version.stdout:
        command += ["--oversubscribe", "--allow-run-as-root"]
    command += [sys.executable, "-m", "benchmarks.rank_work", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def job(ranks: int, *words: object) -> Any:
    """The result of such a job, from its output."""
    process = start(ranks, *words)
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err)
    return json.loads(out) if out.strip() else None


def difference(one: Path, other: Path) -> float:
    """The largest difference of an array of two models, relative to the array's largest number."""
    a, b = (mt.Sequential.load(path).state_dict() for path in (one, other))
    return max(float(np.abs(a[k] - b[k]).max() / np.abs(a[k]).max()) for k in a)


def numbers(folder: Path) -> None:
    """Print the differences from one process."""
    from benchmarks.rank_work import RUNS

    for ranks in (1, 2, 4):
        job(ranks, "numbers", folder)
    for ranks, epochs in ((2, 7), (4, 13), (1, 20)):
        job(ranks, "resumed", folder, epochs)
    for place, name in enumerate(RUNS):
        one = folder / f"numbers_{place}_1.npz"
        found = {f"{n} ranks": folder / f"numbers_{place}_{n}.npz" for n in (2, 4)}
        found["2, then 4, then 1"] = folder / f"resumed_{place}.npz"
        for how, path in found.items():
            print(f"{name}, {how}: {difference(one, path):.1e}", flush=True)


def kills(folder: Path, most: int, rng: Generator) -> bool:
    """Kill ranks this number of times; returns whether all went well."""
    job(1, "numbers", folder)
    straight = folder / "numbers_2_1.npz"
    times, wrong, runs = list[float](), list[str](), 0
    while len(times) < most:
        runs += 1
        for path in folder.glob("killed*"):
            path.unlink()
        while not (folder / "killed_model.npz").exists():
            ended = _killed_once(folder, int(rng.integers(2, 5)), rng, len(times) < most)
            if ended is not None:
                times.append(ended)
                if ended > LIMIT:
                    wrong.append(f"a job took {ended:.1f} s to end")
            if (folder / "killed.npz").exists():
                read_state(folder / "killed.npz")  # raises if it is damaged
        if (far := difference(straight, folder / "killed_model.npz")) > 1e-10:
            wrong.append(f"a run ended {far:.1e} away")
    print(f"{len(times)} kills in {runs} runs; wrong: {wrong or 'nothing'}")
    print(f"jobs ended within {max(times):.2f} s, half of them {statistics.median(times):.2f} s")
    return not wrong


def _killed_once(folder: Path, ranks: int, rng: Generator, kill: bool) -> float | None:
    """Start or resume the run, and kill one of its ranks; returns the seconds until the job ended,
    or None if the run was complete before that.
    """
    for path in folder.glob("rank_*"):
        path.unlink()
    process = start(ranks, "killed", folder)
    while len(list(folder.glob("rank_*"))) < ranks and process.poll() is None:
        time.sleep(0.01)
    if kill:
        time.sleep(float(rng.uniform(0, 2)))
        victim = folder / f"rank_{rng.integers(ranks)}"
        if process.poll() is None and victim.exists() and (text := victim.read_text()):
            begun = time.perf_counter()
            os.kill(int(text), signal.SIGKILL)
            process.communicate()
            return time.perf_counter() - begun
    process.communicate()
    return None


def speed(folder: Path, rounds: int) -> None:
    """Print the times: medians of rounds in which both are measured in turn."""
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        for ranks, each in found.items():
            each.append(job(ranks, "speed", folder, 512))
    ratios = [one["step"] / two["step"] for one, two in zip(found[1], found[2], strict=True)]
    for ranks, each in found.items():
        keys = [key for key in each[0] if key not in ("ranks", "parameters")]
        words = [f"{key} {1e3 * statistics.median(r[key] for r in each):.2f} ms" for key in keys]
        print(f"{ranks} ranks: {', '.join(words)}")
    spread = f"from {min(ratios):.2f} to {max(ratios):.2f}"
    print(f"two ranks over one: {statistics.median(ratios):.2f} times, {spread}")


def main() -> None:
    """Measure and print; the exit code is 1 if a kill did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("numbers", "kills", "speed"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    well = True
    with tempfile.TemporaryDirectory() as name:
        if arguments.only in (None, "numbers"):
            numbers(Path(name))
        if arguments.only in (None, "kills"):
            well = kills(Path(name), arguments.kills, np.random.default_rng(arguments.seed))
        if arguments.only in (None, "speed"):
            speed(Path(name), arguments.rounds)
    sys.exit(not well)


if __name__ == "__main__":
    main()
