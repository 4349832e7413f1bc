"""Compare configurations: which activation is better, how sure one can be of it, and why.

Without arguments the three options of the notes and their worked network, on the digits here.
"""

import argparse
import shlex
import sys
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from minitorch_np.cli.arguments import load_digits, positive_integer, print_json, require_writable
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments import compare
from minitorch_np.experiments.configuration import DEFAULTS, EPOCHS
from minitorch_np.experiments.engines import dask_executor, mpi_executor
from minitorch_np.gradcheck.report import without_nan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `minitorch-np compare` takes."""
    add = parser.add_argument
    add(
        "configurations",
        nargs="*",
        metavar="A+B",
        help=f"activations of layers 1 and 2; the default is {' '.join(DEFAULTS)}",
    )
    add(
        "--data", metavar="PATH", help="folder with the MNIST files, or a CSV; else the digits here"
    )
    add("--seeds", type=positive_integer, default=10, metavar="N", help="runs of each (10)")
    add("--epochs", type=positive_integer, default=EPOCHS, metavar="N", help=f"rounds ({EPOCHS})")
    add(
        "--rates",
        type=_rates,
        metavar="R,R,...",
        help="learning rates, of which each gets its best, chosen on a part of the training data",
    )
    add("--target", type=_share, default=0.9, metavar="A", help="accuracy to be reached (0.9)")
    add("--size", type=_share, default=0.005, metavar="D", help="difference to be seen (0.005)")
    add("--jobs", type=positive_integer, default=1, metavar="N", help="processes (1)")
    add("--dask", metavar="ADDRESS", help="run on the workers of this Dask scheduler")
    add("--mpi", action="store_true", help="run on the ranks of mpiexec ... -m mpi4py.futures")
    add("--folder", metavar="DIR", help="write each result there as it comes in")
    add("--resume", action="store_true", help="go on with the results in --folder DIR, if any")
    add("--report", metavar="FILE", help="write a page of HTML with tables and pictures")
    add("--plot", metavar="FILE", help="draw the learning curves: .png, .svg or .pdf")
    add("--csv", metavar="FILE", help="write a line for each run")
    parser.set_defaults(threads=1)  # one BLAS thread: the same numbers in one process and in many


def run(arguments: argparse.Namespace) -> int:
    """Train, compare, report."""
    for option in ("report", "plot", "csv"):  # before anything is trained that could then be lost
        if getattr(arguments, option):
            require_writable(f"--{option}", getattr(arguments, option))
    watcher = _Watcher()
    data = load_digits(arguments.data)
    try:
        with _executor(arguments) as executor:
            comparison = compare(
                arguments.configurations or None,
                data,
                seeds=arguments.seeds,
                epochs=arguments.epochs,
                learning_rates=arguments.rates,
                target=arguments.target,
                size=arguments.size,
                executor=executor,
                jobs=arguments.jobs,
                folder=arguments.folder,
                resume=arguments.resume,
                progress=watcher,
            )
    finally:
        watcher.close()
    if arguments.csv:
        with open(arguments.csv, "w") as file:
            file.write(comparison.to_csv())
    if arguments.plot:
        comparison.plot().savefig(arguments.plot)
    if arguments.json:
        print_json(without_nan(comparison.to_dict()))
    else:
        print(comparison.table())
    if arguments.report:
        from minitorch_np.reports.page import write_page

        command = shlex.join(["minitorch-np", *arguments.argv])
        write_page(comparison, arguments.report, command, data)
        print(f"report written to {arguments.report}", file=sys.stderr)
    return 1 if comparison.failures else 0


def _executor(arguments: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    """What runs the tasks, if not this process or its own."""
    if bool(arguments.dask) + arguments.mpi + (arguments.jobs > 1) > 1:
        raise ConfigurationError("--jobs, --dask, --mpi: expected one of them, got several")
    if arguments.dask:
        return dask_executor(arguments.dask)
    return mpi_executor() if arguments.mpi else nullcontext()


class _Watcher:
    """A bar with the time that is left, on a terminal where tqdm is; else a line a run."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.total = 0

    def __call__(self, done: int, total: int, result: dict[str, Any]) -> None:
        if total != self.total:  # first the runs that choose the rates, then those to compare
            self.close()
            self.bar, self.total = _bar(total), total
        said = result.get("error") or f"accuracy {result['accuracy']:.4f}"
        if self.bar is None:
            print(
                f"{done}/{total}  {result['name']}, seed {result['seed']}: {said}", file=sys.stderr
            )
        else:
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar:
            self.bar.close()
        self.bar = None


def _bar(total: int) -> Any:
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc="runs", unit="run", leave=False)


def _rates(text: str) -> list[float]:
    rates = [float(part) for part in text.split(",")]
    if not all(0 < rate < float("inf") for rate in rates):
        raise ValueError
    return rates


_rates.__name__ = "list of learning rates (numbers greater than 0, with commas between)"


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise ValueError
    return number


_share.__name__ = "number between 0 and 1"
