"""The time of a step on n ranks: measured on this machine, and forecast for more ranks.

    python -m benchmarks.forecast [--page] [--rounds 3]

The model. A global batch of B samples is divided among n ranks. The computing time of a rank is
measured in one process with B / n samples; the sum of the gradients over the ranks is added:

    t(n) = compute(B / n) + sum(n, bytes)
    sum(n, V) = min( log2(n) (2 a + V / w),           recursive doubling, twice for the loss
                     2 (n - 1) (a + V / (n w)) )      a ring

with a latency a and a bandwidth w. For ranks on one host both are fitted to measured sums over two
ranks, and the forecast for two is compared with a measured step. For several hosts they are those
of a network in NETWORKS, with one rank per host, all equally fast. Not included: waiting for the
slowest rank, other traffic, reading data. `--page` writes the tables to .github/SCALING.md.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import statistics
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each rank has one core

import numpy as np

from benchmarks.__main__ import processor
from benchmarks.race import ROOT
from benchmarks.rank_models import BATCH, WORKS, Work, steps
from benchmarks.ranks import job
from minitorch_np.io.atomic import replacing
from minitorch_np.machine import blas

RANKS = (1, 2, 8, 64, 512)
"""The numbers of ranks."""

PAGE = ROOT / ".github" / "SCALING.md"
MARKS = "<!-- forecast -->", "<!-- end of forecast -->"


class Network(NamedTuple):
    """A network between ranks: seconds per message, and bytes per second."""

    name: str
    latency: float
    bandwidth: float

    def sum(self, ranks: int, size: int) -> float:
        """The seconds for the sum of `size` bytes over this number of ranks."""
        if ranks == 1:
            return 0.0
        rounds, volume = math.log2(ranks), size / self.bandwidth
        doubling = rounds * (2 * self.latency + volume)
        ring = 2 * (ranks - 1) * (self.latency + volume / ranks)
        return min(doubling, ring)


NETWORKS = (
    Network("10 Gbit/s Ethernet: 30 us, 1.1 GB/s", 30e-6, 1.1e9),
    Network("100 Gbit/s InfiniBand: 2 us, 11 GB/s", 2e-6, 11e9),
)
"""Figures published by vendors and by MPI benchmarks; none was measured here."""


def fitted(times: Mapping[str, float]) -> Network:
    """The latency and bandwidth of sums over two ranks of this host.

    The latency is fitted to a sum of two numbers, the bandwidth to the longest sum.
    """
    sizes = sorted(map(int, times))
    latency = times[str(sizes[0])] / 2
    longest = times[str(sizes[-1])] - 2 * latency
    return Network("this host", latency, 4 * sizes[-1] / longest)


def compute(work: Work, rounds: int) -> dict[int, float]:
    """The median seconds of a step on one rank's part of the batch, by the number of ranks."""
    found: dict[int, list[float]] = {n: [] for n in RANKS}
    for _ in range(rounds):
        for n in RANKS:
            found[n] += steps(work, BATCH // n)
    return {n: statistics.median(times) for n, times in found.items()}


def table(work: Work, rounds: int, host: Network, two: float) -> list[str]:
    """The measurements and forecasts for a network, as lines of Markdown."""
    alone, size = compute(work, rounds), 4 * work.make().count_parameters()
    lines = [
        f"### {work.name}: {size // 4:,} parameters",
        "",
        "| ranks | samples each | compute, measured | "
        + " | ".join(n.name for n in NETWORKS)
        + " |",
        "|" + "---:|" * (3 + len(NETWORKS)),
    ]
    for n in RANKS:
        cells = []
        for network in NETWORKS:
            t = alone[n] + network.sum(n, size)
            cells.append(f"{1e3 * t:.2f} ms, {alone[1] / t:.2f} times" if n > 1 else "")
        own = f"{1e3 * alone[n]:.2f} ms"
        lines.append(f"| {n} | {BATCH // n} | {own} | {' | '.join(cells)} |")
    forecast = alone[2] + host.sum(2, size)
    lines += [
        "",
        f"Two ranks of this host: measured {1e3 * two:.2f} ms, {alone[1] / two:.2f} times one; "
        f"forecast {1e3 * forecast:.2f} ms, off by {100 * (forecast / two - 1):+.0f} %.",
        f"It stops gaining at {best(alone, size, NETWORKS[0])} ranks with the slower network, at "
        f"{best(alone, size, NETWORKS[1])} with the faster one.",
        "",
    ]
    return lines


def best(alone: Mapping[int, float], size: int, network: Network) -> int:
    """The number of RANKS up to which a step becomes faster."""
    times = {n: alone[n] + network.sum(n, size) for n in RANKS}
    return min(times, key=times.__getitem__)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", action="store_true", help=f"write to {PAGE.name}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        host = fitted(job(2, "reduction", folder))
        about = blas()
        lines = [
            f"Measured on {datetime.date.today()}: {processor()}, {os.cpu_count()} cores, NumPy "
            f"{np.__version__}, {about.kernels} kernels, one BLAS thread a rank. Sums over two "
            f"ranks of this host: {1e6 * host.latency:.0f} us and {host.bandwidth / 1e9:.1f} GB/s.",
            "",
        ]
        for place, work in enumerate(WORKS):
            two = statistics.median(
                job(2, "model", folder, place)["step"] for _ in range(arguments.rounds)
            )
            lines += table(work, arguments.rounds, host, two)
            print("\n".join(lines[-12:]), flush=True)
    if arguments.page:
        text = PAGE.read_text()
        begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
        with replacing(PAGE) as file:
            file.write((text[:begin] + "\n\n" + "\n".join(lines) + "\n" + text[end:]).encode())


if __name__ == "__main__":
    main()
