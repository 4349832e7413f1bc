"""Data of any size: identical parameters from all sources, bounded memory, and the cost of reading.

Four tables:

1. parameters: whether training from each kind of source gives, bit for bit, the parameters of
   arrays in memory in the same order;
2. memory: the peak with a data set of ten times the memory allowed to the process (RLIMIT_DATA),
   and with half of that data;
3. time: the ratio of an epoch from a source in the system's cache to one from arrays in memory;
4. a slow source (each read sleeps): how much of the smaller of reading and computing is hidden by
   reading ahead.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.sources [--megabytes 640] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray

FEATURES, CLASSES, BATCH = 784, 10, 64

NETWORKS = {
    "784-10-10": [784, 10, 10],
    "784-128-10": [784, 128, 10],
    "784-512-512-10": [784, 512, 512, 10],
}


def write_data(folder: Path, n: int) -> None:
    """Write random pixels and labels, block by block: .npy, and HDF5 and Zarr if installed."""
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (n, FEATURES))
    pixels = rng.integers(0, 256, (10_000, FEATURES), np.uint8)
    for first in range(0, n, 10_000):  # the same pixels, on every row others
        rows = x[first : first + 10_000]
        rows[:] = np.roll(pixels[: len(rows)], first // 10_000, axis=1)
    x.flush()
    np.save(folder / "y.npy", rng.integers(0, CLASSES, n))
    for kind, write in {"h5py": _write_hdf5, "zarr": _write_zarr}.items():
        try:
            write(folder, x)
        except ImportError:
            print(f"without {kind}, which is not installed", file=sys.stderr)


def _write_hdf5(folder: Path, x: AnyArray) -> None:
    import h5py

    with h5py.File(folder / "x.h5", "w") as file:
        made = file.create_dataset("x", x.shape, x.dtype, chunks=(1000, FEATURES))
        for first in range(0, len(x), 10_000):
            made[first : first + 10_000] = x[first : first + 10_000]


def _write_zarr(folder: Path, x: AnyArray) -> None:
    import zarr

    made = zarr.create_array(
        store=str(folder / "x.zarr"), shape=x.shape, chunks=(1000, FEATURES), dtype=x.dtype
    )
    for first in range(0, len(x), 10_000):
        made[first : first + 10_000] = x[first : first + 10_000]


class Pairs:
    """A map-style data set."""

    def __init__(self, x: AnyArray, y: AnyArray) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> tuple[AnyArray, Any]:
        return self.x[place], self.y[place]


class Slow:
    """An array whose slices are slow to read."""

    def __init__(self, x: AnyArray, seconds: float) -> None:
        self.x, self.seconds = x, seconds
        self.shape, self.dtype = x.shape, x.dtype

    def __getitem__(self, rows: slice) -> AnyArray:
        time.sleep(self.seconds)
        return self.x[rows]


def open_source(kind: str, folder: Path) -> tuple[Any, Any]:
    """x and y of a kind; data sets and iterables give both."""
    y = np.load(folder / "y.npy", mmap_mode="r")
    mapped = np.load(folder / "x.npy", mmap_mode="r")
    if kind == "memmap":
        return mapped, y
    if kind == "hdf5":
        import h5py

        return h5py.File(folder / "x.h5", "r")["x"], y
    if kind == "zarr":
        import zarr

        return zarr.open_array(str(folder / "x.zarr"), mode="r"), y
    if kind == "map-style":
        return Pairs(mapped, y), None
    if kind == "iterable":

        def batches() -> Iterator[Any]:
            for first in range(0, len(y), BATCH):
                yield mapped[first : first + BATCH], y[first : first + BATCH]

        return batches, None
    return np.load(folder / "x.npy"), np.load(folder / "y.npy")


KINDS = ("memory", "memmap", "hdf5", "zarr", "map-style", "iterable")


def fit(kind: str, folder: Path, sizes: list[int], **options: Any) -> tuple[AnyArray, float]:
    """All parameters afterwards, and the seconds."""
    x, y = open_source(kind, folder)
    settings = {"batch_size": BATCH, "scale": 1 / 255, "shuffle": kind == "memory"} | options
    if kind == "iterable":
        n = len(np.load(folder / "y.npy", mmap_mode="r"))
        settings |= {"steps_per_epoch": -(-n // BATCH), "shuffle": False}
    model = mt.mlp(sizes, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(), seed=0)
    start = time.perf_counter()
    trainer.fit(x, y, **settings)
    seconds = time.perf_counter() - start
    return np.concatenate([p.ravel() for p in model.named_parameters().values()]), seconds


def available(folder: Path) -> list[str]:
    """The kinds whose libraries are installed."""
    missing = {"hdf5": "x.h5", "zarr": "x.zarr"}
    return [kind for kind in KINDS if kind not in missing or (folder / missing[kind]).exists()]


def same_parameters(folder: Path, epochs: int = 2) -> dict[str, bool]:
    """Whether each kind gives the parameters of arrays in memory, in the order of the rows."""
    options = {"epochs": epochs, "shuffle": False}
    expected, _ = fit("memory", folder, NETWORKS["784-10-10"], **options)
    return {
        kind: bool((fit(kind, folder, NETWORKS["784-10-10"], **options)[0] == expected).all())
        for kind in available(folder)
    }


# VmData and RssAnon leave out the pages of mapped files, which the system takes back as it likes.
LIMITED = """
import json, resource, sys, threading
from pathlib import Path
import numpy as np
from benchmarks import sources
kind, folder, limit, shuffle = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
small = Path(sys.argv[5])
def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
peak = 0
class Watch(sources.mt.Callback):
    def on_batch_end(self, trainer, batch, loss):
        global peak
        if batch % 50 == 0:
            peak = max(peak, status("RssAnon"))
sources.fit(kind, small, [784, 10, 10])  # starts the threads and the pools of the libraries
before = status("RssAnon")
resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + limit,) * 2)
window = limit // 16 // sources.FEATURES
sources.fit(
    kind, folder, [784, 10, 10], shuffle=shuffle, shuffle_window=window, callbacks=[Watch()]
)
print(json.dumps({"before": before, "peak": peak}))
"""


def peak_memory(kind: str, folder: Path, limit: int, shuffle: bool, small: Path) -> int:
    """The additional bytes that an epoch takes in a process with this limit, which has trained on
    the data in `small` before.
    """
    given = [kind, str(folder), str(limit), str(int(shuffle)), str(small)]
    command = [sys.executable, "-c", LIMITED, *given]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    found = json.loads(run.stdout)
    return int(found["peak"] - found["before"])


def times_of_an_epoch(
    folder: Path, network: str, rounds: int, shuffle: bool = True
) -> dict[str, float]:
    """The medians of the seconds over those from arrays in memory, in alternating runs."""
    kinds = [kind for kind in available(folder) if shuffle is False or kind != "iterable"]
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            seconds[kind].append(fit(kind, folder, NETWORKS[network], shuffle=shuffle)[1])
    medians = {kind: statistics.median(each) for kind, each in seconds.items()}
    return {kind: value / medians["memory"] for kind, value in medians.items()}


def hidden_share(delay: float, work: float, rounds: int = 3, groups: int = 40) -> float:
    """How much of the smaller of reading and computing is hidden, if each read takes `delay`
    seconds, for a group of batches that the network processes in about `work` seconds.
    """
    rows = 2**20 // FEATURES  # of a group
    x = np.zeros((groups * rows, FEATURES), np.uint8)
    y = np.zeros(len(x), np.int64)

    class Works(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            time.sleep(work)

    def run(seconds: float, prefetch: int, callbacks: Sequence[mt.Callback]) -> float:
        trainer = mt.Trainer(mt.mlp([784, 10, 10], seed=0), "softmax_cross_entropy", "sgd", seed=0)
        start = time.perf_counter()
        trainer.fit(
            Slow(x, seconds),
            y,
            batch_size=rows,
            shuffle=False,
            scale=1 / 255,
            prefetch=prefetch,
            callbacks=callbacks,
        )
        return time.perf_counter() - start

    none: list[mt.Callback] = []
    works: list[mt.Callback] = [Works()]
    cases = [
        (0.0, 0, none),
        (delay, 0, none),
        (0.0, 0, works),
        (delay, 0, works),
        (delay, 2, works),
    ]
    seconds = [[run(*case) for case in cases] for _ in range(rounds)]
    medians = [statistics.median(each) for each in zip(*seconds, strict=True)]
    neither, read, computing, one_by_one, ahead = medians
    return float((one_by_one - ahead) / min(read - neither, computing))


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=640, help="of pixels")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    n = arguments.megabytes * 2**20 // FEATURES
    with tempfile.TemporaryDirectory() as scratch:
        whole, half, small = (Path(scratch) / name for name in ("whole", "half", "small"))
        for folder, rows in ((whole, n), (half, n // 2), (small, 20_000)):
            folder.mkdir()
            write_data(folder, rows)
        print("same parameters as from memory:", same_parameters(small))
        limit = arguments.megabytes * 2**20 // 10
        for kind in available(whole):
            if kind == "memory":
                continue
            for shuffle in (False, True):
                if shuffle and kind == "iterable":
                    continue
                peaks = [
                    peak_memory(kind, folder, limit, shuffle, small) for folder in (half, whole)
                ]
                print(
                    f"memory, {kind}, {'shuffled' if shuffle else 'in order'}: peak "
                    f"{peaks[1] / 2**20:.1f} MB of {limit / 2**20:.0f} allowed, for "
                    f"{arguments.megabytes} MB of data; {peaks[0] / 2**20:.1f} for half of it"
                )
        for network in NETWORKS:
            for shuffle in (True, False):
                ratios = times_of_an_epoch(small, network, arguments.rounds, shuffle)
                shown = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ratios.items())
                order = "shuffled" if shuffle else "in order"
                print(f"time of an epoch over that from memory, {network}, {order}: {shown}")
    for delay, work in ((0.02, 0.02), (0.02, 0.005), (0.005, 0.02)):
        share = hidden_share(delay, work, arguments.rounds)
        print(f"reading {delay:g} s, computing {work:g} s more a group: hidden {share:.2f}")


if __name__ == "__main__":
    main()
