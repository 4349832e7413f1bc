"""Does a run that is killed and resumed, again and again, end where one ends that was left alone?

`tests/resumable_run.py` trains with all that has a state: dropout, batch normalization, a schedule,
augmentation, a callback that freezes and frees layers, early stopping, a log; sequences whose state
is carried, several losses on batches that a function makes, a memory-mapped file. Its processes are
killed at random moments, from their first breath on, and started again until the run is through.
Parameters, history and log have to be equal to those of the run that nothing stopped, to the bit.
Every other time, two processes go on with one checkpoint at once and write over each other's files.

    python -m benchmarks.kills [--kills 100] [--seed 0] [--kinds several mapped]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Generator
from minitorch_np.io.arrays import read_state

KINDS = ("plain", "stateful", "several", "mapped")
"""The runs of the script."""

MOST = 10
"""How often one run is killed at most."""

SCRIPT = Path(__file__).parents[1] / "tests" / "resumable_run.py"


def start(checkpoint: Path, out: Path, kind: str = "plain") -> subprocess.Popen[bytes]:
    """The run, in a process of its own, with one BLAS thread."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    arguments = [sys.executable, "-W", "error", str(SCRIPT), str(checkpoint), str(out), kind]
    return subprocess.Popen(arguments, env=environment)


def straight_run(folder: Path, kind: str = "plain") -> tuple[Path, float]:
    """Where the run that nothing stops has left its model, and how long it took."""
    begun = time.perf_counter()
    out = folder / f"straight_{kind}.npz"
    assert start(folder / f"run_{kind}.npz", out, kind).wait() == 0
    return out, time.perf_counter() - begun


def killed_run(
    folder: Path, whole: float, most: int, writers: int, rng: Generator, kind: str = "plain"
) -> int:
    """A run of so many `writers` in `folder`, killed up to `most` times until it is through; how
    often it was killed. `whole` is about how many seconds it takes.
    """
    checkpoint, outs = folder / "run.npz", [folder / f"out{n}.npz" for n in range(writers)]
    kills = 0
    while not all(out.exists() for out in outs):
        begun, processes = time.perf_counter(), [start(checkpoint, out, kind) for out in outs]
        moments = rng.uniform(0, 0.75 * writers * whole, writers)
        for moment, process in sorted(zip(moments, processes, strict=True), key=lambda p: p[0]):
            left = max(0.0, begun + float(moment) - time.perf_counter())
            try:
                code = process.wait(left if kills < most else None)
                assert code == 0, f"a resumed run failed: {code}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        if checkpoint.exists():  # whenever it was killed, what is there can be read
            read_state(checkpoint)
    return kills


def differences(straight: Path, folder: Path, writers: int) -> list[str]:
    """In what the run in `folder` differs from that which nothing stopped."""
    found = []
    for out in [folder / f"out{n}.npz" for n in range(writers)]:
        cls = mt.Graph if "several" in straight.name else mt.Sequential
        one, other = (cls.load(path).state_dict() for path in (straight, out))
        if not all(np.array_equal(array, other[name]) for name, array in one.items()):
            found.append(f"{out.name}: parameters")
        # Of two writers, each has in its log what it trained itself.
        for suffix in (".txt", ".csv")[: 1 if writers > 1 else 2]:
            if straight.with_suffix(suffix).read_bytes() != out.with_suffix(suffix).read_bytes():
                found.append(f"{out.name}: {suffix}")
    return found + [f"left over: {part.name}" for part in folder.glob(".*.part")]


def main() -> None:
    """Kill, resume, compare, print; the exit code is 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    kills, runs, wrong = [0, 0], [0, 0], list[str]()
    with tempfile.TemporaryDirectory() as name:
        straight_runs = {kind: straight_run(Path(name), kind) for kind in arguments.kinds}
        while sum(kills) < arguments.kills:
            two = sum(runs) % 2
            kind = arguments.kinds[sum(runs) // 2 % len(arguments.kinds)]
            straight, whole = straight_runs[kind]
            folder = Path(name) / str(sum(runs))
            folder.mkdir()
            kills[two] += killed_run(folder, whole, MOST, 1 + two, rng, kind)
            runs[two] += 1
            wrong += [f"{kind}: {each}" for each in differences(straight, folder, 1 + two)]
            print(f"{sum(kills)} kills, {len(wrong)} differences", file=sys.stderr, flush=True)
    for two, title in enumerate(("one writer", "two writers to one checkpoint")):
        print(f"{title}: {kills[two]} kills in {runs[two]} runs")
    print(f"{len(wrong)} differences" + "".join(f"\n{line}" for line in wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
