"""Compare configurations: which activation is better, with what certainty, and why.

By default the three options of the notes, the network of their example and sigmoid + softmax, each
at its best learning rate, on the digits of this package.
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from minitorch_np.cli.arguments import (
    learning_rate,
    listed,
    load_digits,
    positive_integer,
    print_json,
    require_writable,
    share,
)
from minitorch_np.data import Digits
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.experiments import Comparison, compare
from minitorch_np.experiments.compare import SEEDS
from minitorch_np.experiments.configuration import DEFAULTS, EPOCHS
from minitorch_np.experiments.engines import dask_executor, mpi_executor
from minitorch_np.experiments.tuning import RATES
from minitorch_np.gradcheck.report import without_nan
from minitorch_np.machine import cores
from minitorch_np.reports import Report
from minitorch_np.text import printable
from minitorch_np.training.display import bar

OUTPUTS = ("csv", "plot", "report")
"""The options that name a file to write."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np compare`."""
    add = parser.add_argument
    add(
        "configurations",
        nargs="*",
        metavar="A+B",
        help=f"activations of layers 1 and 2; the default is {' '.join(DEFAULTS)}",
    )
    add(
        "--data",
        metavar="PATH",
        help='folder with the MNIST files, a CSV, or "full" for all of MNIST (a sample of MNIST)',
    )
    add(
        "--seeds", type=positive_integer, default=SEEDS, metavar="N", help=f"runs of each ({SEEDS})"
    )
    add("--epochs", type=positive_integer, default=EPOCHS, metavar="N", help=f"epochs ({EPOCHS})")
    rates = parser.add_mutually_exclusive_group()
    rates.add_argument("--rate", type=learning_rate, metavar="R", help="one learning rate for all")
    rates.add_argument(
        "--rates",
        type=listed(learning_rate),
        metavar="R,R,...",
        help="learning rates, from which the best is chosen for each on a part of the training "
        f"data ({','.join(f'{rate:g}' for rate in RATES)})",
    )
    add("--reference", metavar="A+B", help="compare all others only with this one")
    add("--target", type=share, default=0.9, metavar="A", help="accuracy to reach (0.9)")
    add("--size", type=share, default=0.005, metavar="D", help="difference that matters (0.005)")
    add("--resample-data", action="store_true", help="another training sample for each seed")
    add("--jobs", type=_jobs, default=0, metavar="N", help="processes; auto: one per core (auto)")
    add("--dask", metavar="ADDRESS", help="run on the workers of this Dask scheduler")
    add("--mpi", action="store_true", help="run on the ranks of mpiexec ... -m mpi4py.futures")
    add("--folder", metavar="DIR", help="save each result there as soon as it is known")
    add("--resume", action="store_true", help="continue with the results in --folder DIR, if any")
    add("--report", metavar="FILE", help="write an HTML page with tables and pictures")
    add("--plot", metavar="FILE", help="draw runs, differences and curves: .png, .svg or .pdf")
    add("--csv", metavar="FILE", help="write a line for each run")
    parser.set_defaults(threads=1)  # with one BLAS thread the number of processes does not matter


def run(arguments: argparse.Namespace) -> int:
    """Train, compare, report."""
    _try_outputs(arguments)
    watcher = _Watcher()
    data = load_digits(arguments.data)
    try:
        with _tidy_when_terminated(), _executor(arguments) as executor:
            comparison = compare(
                arguments.configurations or None,
                data,
                seeds=arguments.seeds,
                epochs=arguments.epochs,
                learning_rates=arguments.rates if arguments.rate is None else [arguments.rate],
                reference=arguments.reference,
                target=arguments.target,
                size=arguments.size,
                resample_data=arguments.resample_data,
                executor=executor,
                jobs=1 if executor is not None else arguments.jobs or _cores(),
                folder=arguments.folder,
                resume=arguments.resume,
                progress=watcher,
            )
    finally:
        watcher.close()
    _tell(comparison, arguments, data)
    return 1 if comparison.failures else 0


def _try_outputs(arguments: argparse.Namespace) -> None:
    """Raise an error before the training if a file can't be written."""
    for option in OUTPUTS:
        if getattr(arguments, option):
            require_writable(f"--{option}", getattr(arguments, option))
    if arguments.report:
        from minitorch_np.reports.page import templates

        templates()
    if arguments.plot:
        from minitorch_np.figures import new_figure

        canvas: Any = new_figure(1, 1).canvas
        known = canvas.get_supported_filetypes()
        if os.path.splitext(arguments.plot)[1].removeprefix(".").lower() not in known:
            raise DataError(
                f"--plot {arguments.plot}: expected a name that ends in .{', .'.join(known)}"
            )


def _tell(comparison: Comparison, arguments: argparse.Namespace, data: Digits) -> None:
    """Print the result, then write files, so that the result is shown even if writing fails."""
    report = Report(comparison)
    errors: list[OSError] = []
    try:
        if arguments.json:
            print_json(without_nan(comparison.to_dict()))
        else:
            print(report)
        sys.stdout.flush()
    except OSError as error:  # a closed pipe or a full disk; files may still be written
        errors.append(error)
    for option in OUTPUTS:
        if path := getattr(arguments, option):
            try:
                _write(option, path, report, arguments, data)
                print(printable(f"{option} written to {path}"), file=sys.stderr)
            except OSError as error:
                error.filename = error.filename or path
                errors.append(error)
    if errors:
        raise errors[0]


def _write(
    option: str, path: str, report: Report, arguments: argparse.Namespace, data: Digits
) -> None:
    if option == "csv":
        with open(path, "w") as file:
            file.write(report.comparison.to_csv())
    elif option == "plot":
        report.plot().savefig(path)
    else:
        report.write(path, shlex.join(["minitorch-np", *arguments.argv]), data)


@contextmanager
def _tidy_when_terminated() -> Iterator[None]:
    """Let SIGTERM raise SystemExit, so that everything is cleaned up."""

    def terminated(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cores() -> int:
    """The number of cores that this process may use; 1 if processes can't inherit files."""
    return cores() if os.name == "posix" else 1


def _jobs(text: str) -> int:
    """A whole number of at least 1; 0 for auto."""
    return 0 if text == "auto" else positive_integer(text)


def _executor(arguments: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    """The executor of --dask or --mpi, or None."""
    if bool(arguments.dask) + arguments.mpi + ((arguments.jobs or 1) > 1) > 1:
        raise ConfigurationError("--jobs, --dask, --mpi: expected one of them, got several")
    if arguments.dask:
        return dask_executor(arguments.dask)
    return mpi_executor() if arguments.mpi else nullcontext()


class _Watcher:
    """Shows progress: a bar on a terminal if tqdm is installed; else a line per run."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.total = 0

    def __call__(self, done: int, total: int, result: dict[str, Any]) -> None:
        if total != self.total:  # first the runs for tuning, then those of the comparison
            self.close()
            self.bar, self.total = bar(total, "runs", unit="run"), total
        said = result.get("error") or f"accuracy {result['accuracy']:.4f}"
        if self.bar is None:
            where = f"rate {result['rate']:g}" if result["tuning"] else f"seed {result['seed']}"
            print(f"{done}/{total}  {result['name']}, {where}: {said}", file=sys.stderr)
        else:
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar:
            self.bar.close()
        self.bar = None
