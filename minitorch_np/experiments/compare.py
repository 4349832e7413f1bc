"""`compare`: train every configuration from every seed, and say what the results are worth.

All configurations share, seed by seed, the data, the initial weights where shapes agree, and the
order of the batches, so that what differs between two of them is what is compared. The runs do not
depend on each other, so any `concurrent.futures.Executor` can do them; each result is written down
as it comes in, and a comparison that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.configuration import Configuration, as_configurations
from minitorch_np.experiments.task import Data, as_arrays, read_data, run_task, write_data
from minitorch_np.layers.storage import replacing

if TYPE_CHECKING:
    from concurrent.futures import Executor

Result: TypeAlias = dict[str, Any]

TUNING_SEEDS = 3
"""A learning rate is chosen by the mean over so many seeds, none of which is compared."""

FIRST_TUNING_SEED = 1_000_000
"""Far from the seeds that are compared."""

RESULTS = "results.jsonl"
"""The file in the folder that holds a line for each run."""


def compare(
    configurations: Iterable[str | Configuration] | None = None,
    data: Data = None,
    *,
    seeds: int | Sequence[int] = 10,
    epochs: int | None = None,
    learning_rates: Sequence[float] | None = None,
    target: float = 0.9,
    size: float = 0.005,
    executor: Executor | None = None,
    jobs: int = 1,
    folder: StrPath | None = None,
    resume: bool = False,
    progress: Callable[[int, int, Result], None] | None = None,
) -> Comparison:
    """Train each configuration from each seed, and compare their test accuracies in pairs.

    - `configurations` are Configuration objects or texts such as "leaky_relu(0.1)+elu"; None is the
      three options of the notes and the network that they work through;
    - `seeds`: so many, from 0, or the seeds themselves;
    - `epochs` instead of each configuration's own;
    - `learning_rates`: each configuration is compared at the one of these that is best for it,
      chosen on a part of the training data, by other seeds; None takes each as it is;
    - `target` is the test accuracy of which is told when it was reached, `size` the difference in
      accuracy that one would care to see;
    - `executor` runs the tasks, or `jobs` processes do, with one BLAS thread each (a script that
      uses them needs the usual `if __name__ == "__main__":`);
    - results are written to `folder`, and with `resume` those that are there are not run again;
    - `progress(done, all, result)` is called after each run.

    Raises ConfigurationError and DataError for what can't be compared. A run that fails is reported
    in the result and loses no other.
    """
    arrays = as_arrays(data)
    chosen = as_configurations(configurations, classes=_classes(arrays))
    if epochs is not None:
        chosen = [configuration._replace(epochs=epochs) for configuration in chosen]
    numbers = _seeds(seeds)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="minitorch_np_"))
        write_data(scratch, arrays)
        stack.callback(read_data.cache_clear)  # the arrays are not kept after they are gone
        log = _Log(folder, resume, _checksum(arrays))
        run = stack.enter_context(_engine(executor, jobs))
        runner = _Runner(run, log, scratch, progress)
        tuned: list[Result] = []
        if learning_rates:
            tuned = runner.results(_tuning_tasks(chosen, learning_rates, numbers))
            chosen = [_best(configuration, tuned) for configuration in chosen]
        results = runner.results([_task(each, seed) for each in chosen for seed in numbers])
    return Comparison(
        names=[configuration.name for configuration in chosen],
        rates={configuration.name: configuration.learning_rate for configuration in chosen},
        seeds=numbers,
        results=results,
        tuning=tuned,
        target=target,
        size=size,
        configurations=chosen,
    )


class _Log:
    """The results that are written down, one JSON line each."""

    def __init__(self, folder: StrPath | None, resume: bool, data: int) -> None:
        self.data, self.done = data, dict[str, Result]()
        self.path = None if folder is None else os.path.join(os.fspath(folder), RESULTS)
        if self.path is None:
            return
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        if os.path.exists(self.path):
            if not resume:
                raise ConfigurationError(
                    f"{self.path}: expected a folder without results: set resume to go on with "
                    "them, or choose another"
                )
            self._read()

    def _read(self) -> None:
        assert self.path is not None
        with open(self.path) as file:
            lines = file.readlines()
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                if "error" not in entry["result"]:  # what failed is tried again
                    self.done[entry["key"]] = entry["result"]
            except (ValueError, LookupError, TypeError):
                if number == len(lines):  # the line that was being written when it was stopped
                    with replacing(self.path) as whole:
                        whole.write("".join(lines[:-1]).encode())
                    return
                raise DataError(
                    f"{self.path}:{number}: expected a result as JSON, got {line[:40]!r}"
                ) from None

    def key(self, task: dict[str, Any]) -> str:
        """What a result is found by again: everything that it depends on."""
        return json.dumps([task, self.data], sort_keys=True)

    def write(self, key: str, result: Result) -> None:
        """Add a line, and see it on the disk."""
        if self.path is not None:
            with open(self.path, "a") as file:
                file.write(json.dumps({"key": key, "result": result}) + "\n")
                file.flush()
                os.fsync(file.fileno())


class _Runner:
    """Runs tasks, but those that are done."""

    def __init__(
        self,
        run: Callable[[list[dict[str, Any]]], Iterator[tuple[int, Result]]],
        log: _Log,
        data: str,
        progress: Callable[[int, int, Result], None] | None,
    ) -> None:
        self.run, self.log, self.data, self.progress = run, log, data, progress

    def results(self, tasks: list[dict[str, Any]]) -> list[Result]:
        """Their results, in their order."""
        keys = [self.log.key(task) for task in tasks]
        found: dict[int, Result] = {
            place: self.log.done[key] for place, key in enumerate(keys) if key in self.log.done
        }
        left = [place for place in range(len(tasks)) if place not in found]
        for number, result in self.run([tasks[place] | {"data": self.data} for place in left]):
            found[left[number]] = result
            self.log.write(keys[left[number]], result)
            if self.progress:
                self.progress(len(found), len(tasks), result)
        return [found[place] for place in range(len(tasks))]


@contextlib.contextmanager
def _engine(
    executor: Executor | None, jobs: int
) -> Iterator[Callable[[list[dict[str, Any]]], Iterator[tuple[int, Result]]]]:
    """What runs tasks and yields their numbers and results as they come in."""
    if not isinstance(jobs, (int, np.integer)) or jobs < 1:
        raise ConfigurationError(f"compare: expected jobs of at least 1, got {jobs!r}")
    if executor is None and jobs == 1:
        yield lambda tasks: ((number, run_task(task)) for number, task in enumerate(tasks))
    elif executor is not None:
        yield lambda tasks: _submitted(executor, tasks)
    else:
        from minitorch_np.experiments.processes import process_pool

        with process_pool(int(jobs)) as pool:
            yield lambda tasks: _submitted(pool, tasks)


def _submitted(executor: Executor, tasks: list[dict[str, Any]]) -> Iterator[tuple[int, Result]]:
    from concurrent.futures import as_completed

    futures = {executor.submit(run_task, task): number for number, task in enumerate(tasks)}
    try:
        for future in as_completed(futures):
            number, error = futures[future], future.exception()
            if error is None:
                yield number, future.result()
            else:  # the worker is gone: as bad as a run that failed, and no worse
                task = tasks[number]
                known = {name: task[name] for name in ("name", "seed", "rate", "tuning")}
                yield number, known | {"error": f"{type(error).__name__}: {error}"}
    finally:
        for future in futures:
            future.cancel()


def _task(configuration: Configuration, seed: int, tuning: bool = False) -> dict[str, Any]:
    return {
        "name": configuration.name,
        "configuration": configuration.encoded(),
        "seed": seed,
        "rate": configuration.learning_rate,
        "tuning": tuning,
    }


def _tuning_tasks(
    configurations: list[Configuration], rates: Sequence[float], seeds: list[int]
) -> list[dict[str, Any]]:
    others = [FIRST_TUNING_SEED + number for number in range(min(TUNING_SEEDS, len(seeds)))]
    return [
        _task(configuration._replace(learning_rate=float(rate)), seed, tuning=True)
        for configuration in configurations
        for rate in rates
        for seed in others
    ]


def _best(configuration: Configuration, tuned: list[Result]) -> Configuration:
    """The configuration at the rate that was best on the data kept aside for that."""
    accuracies: dict[float, list[float]] = {}
    for result in tuned:
        if result["name"] == configuration.name:  # a rate at which training fails is worth 0
            accuracies.setdefault(result["rate"], []).append(result.get("accuracy", 0.0))
    return configuration._replace(
        learning_rate=max(accuracies, key=lambda rate: float(np.mean(accuracies[rate])))
    )


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    numbers = (
        list(range(seeds)) if isinstance(seeds, (int, np.integer)) else [int(s) for s in seeds]
    )
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ConfigurationError(f"compare: expected one or more different seeds, got {seeds!r}")
    return numbers


def _classes(arrays: tuple[AnyArray, ...]) -> int:
    """How many classes the labels name; one-hot rows have a column for each."""
    labels = arrays[1], arrays[3]
    if labels[0].ndim == 2:
        return int(labels[0].shape[1])
    return max(2, *(int(each.max()) + 1 for each in labels))


def _checksum(arrays: tuple[AnyArray, ...]) -> int:
    found = 0
    for array in arrays:
        found = zlib.crc32(
            np.ascontiguousarray(array[:: max(1, len(array) // 1000)]).tobytes(), found
        )
    return found
