"""Measure all contestants at all tasks, side by side: `python -m benchmarks [--data FOLDER]`.

FOLDER has the four files of full MNIST; without it the digits in the package are used, a sixth of
the number. Results are written to a JSON file as they come in, from which `python -m
benchmarks.report` makes the tables and the figure of .github/MEASUREMENTS.md. A full run takes 45
minutes; `--rounds 2 --restarts 1` gives a first impression. `--only 512` measures the tasks whose
names contain it; other results in a file from the same machine and versions are kept.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import minitorch_np as mt
from benchmarks.contestants import CONTESTANTS, present
from benchmarks.race import ROOT, imports, race, write_data
from benchmarks.report import key_of, print_task
from benchmarks.work import GROWING, GROWTH, IMPORTS, TASKS, Task
from minitorch_np.cli.arguments import positive_integer
from minitorch_np.io.atomic import replacing
from minitorch_np.machine import CORETYPE, best_setting, blas


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", help="a folder with the files of full MNIST")
    parser.add_argument("--rounds", type=positive_integer, default=6, help="of each process")
    parser.add_argument("--restarts", type=positive_integer, default=3, help="of each process")
    parser.add_argument(
        "--threads", type=positive_integer, nargs="+", default=[1, 2], help="of BLAS"
    )
    parser.add_argument(
        "--kernels",
        help="those of NumPy's OpenBLAS, such as SKYLAKEX; best: the best known for this "
        "processor, see minitorch-np doctor",
    )
    parser.add_argument("--only", default="", help="tasks with this in their names")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results.json")
    arguments = parser.parse_args()
    if arguments.kernels == "best":
        arguments.kernels = best_setting().get(CORETYPE)
        if arguments.kernels is None:
            parser.error(f"--kernels: no better ones are known than {blas().kernels}, in use")
    if arguments.kernels:
        os.environ[CORETYPE] = arguments.kernels  # for all processes that are started
    wanted = [
        (threads, task, names)
        for threads in arguments.threads
        for task, names in everything(threads)
        if arguments.only in task.name
    ]
    if not wanted and arguments.only not in IMPORTS:
        parser.error(f"--only: expected a part of a task's name, got {arguments.only!r}")
    absent = [label for name, (label, _) in CONTESTANTS.items() if not present(name)]
    if absent:
        print(f"not installed, and not measured: {', '.join(absent)} (extra bench)")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results = describe(absent, write_data(arguments.data, folder))
        if arguments.only and arguments.out.exists():
            results["tasks"] = kept(results, json.loads(arguments.out.read_text()))
            if results["tasks"] is None:
                parser.error(f"--out: {arguments.out} is of other data, versions or machine")
        for threads, task, names in wanted:
            note(results, one(task, names, folder, threads, arguments))
            write(results, arguments.out)
    if arguments.only in IMPORTS:
        note(results, {"name": IMPORTS, "threads": 1, "rounds": imports(arguments.rounds)})
        write(results, arguments.out)


def everything(threads: int) -> list[tuple[Task, list[str]]]:
    """Each task and its contestants; the growth of the cost is measured on one thread."""
    all_tasks = [(task, list(CONTESTANTS)) for task in TASKS]
    growing = [(task, list(GROWING)) for tasks in GROWTH.values() for task in tasks]
    return all_tasks + (growing if threads == 1 else [])


def one(task: Task, names: list[str], folder: Path, threads: int, arguments: Any) -> dict[str, Any]:
    """A task and all its measurements."""
    rounds = race(
        task,
        names,
        folder,
        threads=threads,
        rounds=arguments.rounds,
        restarts=arguments.restarts,
    )
    about = {"name": task.name, "threads": threads, "kernels": arguments.kernels}
    return {**about, "task": asdict(task), "rounds": rounds}


def describe(absent: list[str], samples: int) -> dict[str, Any]:
    """The machine, date, versions and settings of the measurements."""
    libraries = {"minitorch_np": mt.__version__, "python": platform.python_version()}
    for library in ("numpy", "torch", "scikit-learn", "jax"):
        try:
            libraries[library] = version(library)
        except PackageNotFoundError:
            libraries[library] = "not installed"
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": sys.platform},
        "versions": libraries,
        "absent": absent,
        "samples": samples,
        "tasks": [],
    }


def kept(results: dict[str, Any], before: dict[str, Any]) -> list[Any] | None:
    """The tasks of earlier results; None if their machine, versions or data were different."""
    same = all(before[key] == results[key] for key in ("machine", "versions", "samples"))
    return before["tasks"] if same else None


def note(results: dict[str, Any], measured: dict[str, Any]) -> None:
    """Replace an earlier measurement by this one, and print it."""
    others = [task for task in results["tasks"] if key_of(task) != key_of(measured)]
    results["tasks"] = [*others, measured]
    print_task(measured)


def processor() -> str:
    """The processor's name, if the system reports it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(results: dict[str, Any], path: Path) -> None:
    """Write the results so far, one task per line."""
    tasks = ",\n".join(json.dumps(task) for task in results["tasks"])
    head = json.dumps({**results, "tasks": "@"}, indent=1)
    with replacing(path) as file:
        file.write((head.replace('"@"', f"[\n{tasks}\n]") + "\n").encode())


if __name__ == "__main__":
    main()
