"""Show the settings of the machine and NumPy's libraries, and measure whether others are faster.

Each setting is measured in a separate process. Faster ones are printed as lines for a shell.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np.cli.arguments import positive_integer, print_json
from minitorch_np.experiments.step_time import measured
from minitorch_np.machine import (
    CORETYPE,
    MALLOC,
    best_setting,
    blas,
    cgroup_limit,
    cores,
    kernels_to_try,
    memory_allocator,
    processor,
    threads_setting,
)
from minitorch_np.text import aligned, folded, terminal_width, wrapped
from minitorch_np.training.display import bar

NOW, ONE = "as it is", "1 thread"
"""The baselines: numbers of threads are compared with the current setting, other settings with one
thread, where times are most reliable."""

GAIN = 0.9
"""A setting is recommended if it takes at most this fraction of the time: less may be noise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np doctor`."""
    parser.add_argument(
        "--rounds", type=positive_integer, default=3, metavar="N", help="runs of each setting (3)"
    )
    parser.add_argument(
        "--no-measuring", action="store_true", help="show the settings without measuring"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look, measure, advise."""
    found = look()
    if not arguments.json:
        rows = aligned([(f"{name}:", str(value)) for name, value in found.items()])
        print(wrapped("\n".join(rows)))
    if not arguments.no_measuring:
        times = _measure(arguments.rounds, arguments.json)
        advice = advised(times)
        found |= {"times": times, "advice": advice}
        if not arguments.json:
            print("\n" + "\n".join(folded(_table(times), terminal_width())))
            print(wrapped("\n" + "\n".join(_said(times, advice))))
    if arguments.json:
        print_json(found)
    return 0


def look() -> dict[str, Any]:
    """The settings in use, as text."""
    library, limit = blas(), cgroup_limit()
    kernels = library.kernels or "unknown kernels"
    known = best_setting({})  # also where the user has set another
    return {
        "processor": processor()[0],
        "cores that this process may use": f"{cores()} of {os.cpu_count()}"
        + (f", of which a cgroup leaves {limit:g}" if limit is not None else ""),
        "NumPy": f"{np.__version__}, Python {platform.python_version()}",
        "matrix products": f"{library.name} {library.version}, {kernels}, "
        f"{library.threads or 'unknown'} thread{'' if library.threads == 1 else 's'}",
        "known to be faster": " ".join(f"{k}={v}" for k, v in known.items()) or "nothing",
        "memory": memory_allocator(),
    }


def settings() -> dict[str, dict[str, str]]:
    """The settings to measure: environment variables by name."""
    found: dict[str, dict[str, str]] = {NOW: {}}
    number, most = 1, cores()
    while number <= most:
        found[ONE if number == 1 else f"{number} threads"] = threads_setting(number)
        number *= 2
    one = threads_setting(1)
    for name in kernels_to_try():
        found[f"{ONE}, {CORETYPE}={name}"] = one | {CORETYPE: name}
    if sys.platform == "linux":
        found[f"{ONE}, glibc keeps freed memory"] = one | MALLOC
    return found


def _measure(rounds: int, quiet: bool) -> dict[str, dict[str, Any]]:
    """The times of all settings, and of all recommended ones together."""
    todo = settings()
    shown = None if quiet else bar((len(todo) + 1) * rounds, "measuring", unit="run")
    times: dict[str, dict[str, Any]] = {}

    def go(names: Mapping[str, dict[str, str]]) -> None:
        for name, found in measured(names, rounds):
            times[name] = found
            if shown is not None:
                shown.update()

    go(todo)
    together = {k: v for name in advised(times) for k, v in todo[name].items()}
    if together:
        go({"all recommended": together})
    if shown is not None:
        shown.close()
    return times


def advised(times: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The settings that help: the best number of threads, the best kernels, the allocator."""
    works = {name: found for name, found in times.items() if "error" not in found}
    if not {NOW, ONE} <= works.keys():
        return []
    here = works[ONE]["kernels"]
    threads = [name for name in works if name == ONE or name.endswith("threads")]
    kernels = [name for name in works if CORETYPE in name and works[name]["kernels"] != here]
    memory = [name for name in works if "glibc" in name]
    found = []
    for group, over, measures in (
        (threads, NOW, ["step"]),
        (kernels, ONE, ["step", "prediction"]),
        (memory, ONE, ["prediction"]),
    ):
        shares = {
            name: sum(works[name][key] / works[over][key] for key in measures) / len(measures)
            for name in group
        }
        best = min(shares, key=shares.__getitem__, default=None)
        if best is not None and shares[best] <= GAIN:
            found.append(best)
    return found


def _table(times: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    rows = [["setting", "kernels", "threads", "a step", "a prediction"]]
    for name, found in times.items():
        cells = [f"{found[key]:.2f} ms" for key in ("step", "prediction") if "error" not in found]
        about = [str(found["kernels"]), str(found["threads"])] if cells else ["can't run", ""]
        rows.append([name, *about, *(cells or [found["error"][:40], ""])])
    return rows


def _said(times: Mapping[str, Mapping[str, Any]], advice: list[str]) -> list[str]:
    """The export lines, and the times they change."""
    if not advice:
        return ["No other setting was faster by more than the noise."]
    found, todo = ["Faster on this machine; run this in the shell before Python:"], settings()
    for name in advice:
        over = ONE if name.startswith(f"{ONE}, ") else NOW
        own = {k: v for k, v in todo[name].items() if over == NOW or k not in todo[ONE]}
        words = " ".join(f"{variable}={value}" for variable, value in own.items())
        found.append(f"export {words}")
        before, after = times[over], times[name]
        changes = [
            f"{key} {before[key]:.2f} -> {after[key]:.2f} ms" for key in ("step", "prediction")
        ]
        found.append(f"  # {', '.join(changes)} ({over})")
    return found
