"""A CSV of the size of Kaggle's (42,000 x 785, 76 MB): `load_csv` and `np.loadtxt` side by side.

Each reading is a process of its own, alternating; memory is the peak over what the import needs
(read from /proc, so on Linux).
The file is written from full MNIST, whose folder has to be given.

    python -m benchmarks.csv_loading FOLDER [--rounds 3]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import minitorch_np as mt

CONTESTANTS = {
    "np.loadtxt": "np.loadtxt(path, dtype=np.uint8, delimiter=',', skiprows=1)",
    "load_csv": "mt.data.load_csv(path)",
}

# VmHWM is this process's own peak; getrusage would give that of whoever started it, if larger.
SCRIPT = """
import sys, time
import numpy as np, minitorch_np as mt
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
path = sys.argv[1]
before = peak()
start = time.perf_counter()
result = {read}
seconds = time.perf_counter() - start
print(seconds, peak() - before)
"""


def measure(read: str, path: Path) -> tuple[float, float]:
    """Seconds and mebibytes of one reading."""
    script = SCRIPT.format(read=read)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    seconds, mebibytes = map(float, done.stdout.split())
    return seconds, mebibytes


def main() -> None:
    """Write the file, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="with the four MNIST files")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    train = mt.data.load_mnist(arguments.folder).train.take(slice(42_000))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "kaggle.csv"
        header = ",".join(["label", *(f"pixel{i}" for i in range(784))])
        table = np.c_[train.labels, train.images.reshape(len(train), -1)]
        np.savetxt(path, table, fmt="%d", delimiter=",", header=header, comments="")
        print(f"{path.stat().st_size / 1e6:.1f} MB")
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(arguments.rounds):
            for name, read in CONTESTANTS.items():
                results[name].append(measure(read, path))
    medians = {}
    for name, measured in results.items():
        medians[name] = statistics.median(seconds for seconds, _ in measured)
        most = max(mebibytes for _, mebibytes in measured)
        print(f"{name:12} {medians[name]:.2f} s, {most:.0f} MiB over the import")
    print(f"ratio: {medians['load_csv'] / medians['np.loadtxt']:.2f}")


if __name__ == "__main__":
    main()
