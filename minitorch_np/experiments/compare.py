"""`compare`: train every configuration from every seed, and test the differences.

All configurations share, seed by seed, the data, the initial weights where shapes agree, and the
order of the batches, so that only the configurations themselves differ. The runs are independent of
each other, so any `concurrent.futures.Executor` can execute them. Each result is saved as soon as
it is known, and an interrupted comparison can be resumed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.configuration import LOSS, Configuration, as_configurations, as_list
from minitorch_np.experiments.log import Log
from minitorch_np.experiments.measure import Measure, measure_for
from minitorch_np.experiments.task import (
    Arrays,
    Data,
    as_arrays,
    output_count,
    read_data,
    run_task,
    run_task_in,
    run_task_on,
    write_data,
)
from minitorch_np.experiments.tuning import (
    TUNING_SEEDS,
    at,
    best_rate,
    beyond,
    checked_rates,
    tune,
)
from minitorch_np.losses import Loss
from minitorch_np.names import by_name
from minitorch_np.signature import explained
from minitorch_np.validation import flag, is_whole, require, shown, whole

Result: TypeAlias = dict[str, Any]
Task: TypeAlias = dict[str, Any]
Engine: TypeAlias = Callable[[list[Task]], Iterator[tuple[int, Result]]]

SEEDS = 20
"""The default number of seeds."""


@explained
def compare(
    configurations: Iterable[str | Configuration] | None = None,
    data: Data = None,
    *,
    seeds: int | Sequence[int] = SEEDS,
    epochs: int | None = None,
    loss: str | None = None,
    learning_rates: Sequence[float] | None = None,
    reference: str | None = None,
    target: float = 0.9,
    size: float = 0.005,
    resample_data: bool = False,
    executor: Executor | None = None,
    jobs: int = 1,
    folder: StrPath | None = None,
    resume: bool = False,
    progress: Callable[[int, int, Result], None] | None = None,
) -> Comparison:
    """Train each configuration from each seed, and compare their test accuracies in pairs; with a
    regression loss, their R2, the fraction of the targets' variance that is predicted.

    - `configurations` are Configuration objects or texts such as "leaky_relu(0.1)+elu"; None means
      the three options of the notes, the network of their example, and sigmoid + softmax;
    - `seeds`: their number (counted from 0), or the seeds themselves;
    - `epochs` and `loss` (by name) replace those of all configurations; with
      `loss="mean_squared_error"` the targets are numbers, (m,) or (m, k);
    - `learning_rates`: a configuration without a rate is compared at the best of these, chosen on a
      part of the training data with other seeds; the list is extended if the best is the first or
      the last. None means 0.01 to 5. A single rate is used as it is;
    - `reference`: the name of a configuration; all others are compared only with this one;
    - `size` is the smallest difference in accuracy (or R2) that matters; `target` is a training
      accuracy, and the result says after how many steps each run reached it;
    - `resample_data` draws another sample of the training data for each seed, with replacement, so
      that the result also holds for other data of the same kind;
    - `executor` runs the tasks (if it breaks, this process takes over), or `jobs` processes do,
      with one BLAS thread each (a script that defines layers and uses processes needs `if __name__
      == "__main__":`);
    - `folder` saves the results, and with `resume` those that exist are not run again;
    - `progress(done, all, result)` is called after each run.

    Raises ConfigurationError, ShapeError and DataError for invalid arguments, before any training.
    A run that fails is reported in the result and counts as chance (an R2 of 0); the others go on.
    """
    _require_main()
    arrays = as_arrays(data)
    numbers, rates = _seeds(seeds), checked_rates(learning_rates)
    chosen, measure, outputs = _chosen(configurations, arrays, epochs, loss)
    _check_sizes(size, target, reference, chosen)
    _check_functions(executor, progress)
    flag("compare", "resample_data", resample_data)
    log = Log(folder, flag("compare", "resume", resume), arrays)
    with _engine(executor, jobs, arrays, chosen) as engine:
        runner = _Runner(engine, log, resample_data, progress)
        chosen, tuned, edges = _tuned(runner, chosen, rates, min(TUNING_SEEDS, len(numbers)))
        results = runner.results([(each, seed, False) for seed in numbers for each in chosen])
    return Comparison(
        chosen,
        numbers,
        results,
        tuned,
        edges,
        target,
        size,
        reference,
        (len(arrays[0]), len(arrays[2])),
        outputs,
        resample_data,
        log.notes,
        measure,
    )


def _chosen(
    given: Iterable[str | Configuration] | None,
    arrays: Arrays,
    epochs: int | None,
    loss: str | None,
) -> tuple[list[Configuration], Measure, int]:
    """The configurations, their measure, and the number of outputs that the data needs."""
    listed = as_list(given)
    measure = _measure(listed, loss)
    outputs = output_count(arrays, measure)
    chosen = as_configurations(listed, outputs=outputs, loss=loss)
    if epochs is not None:
        epochs = whole("compare", "epochs", epochs)
        chosen = [configuration._replace(epochs=epochs) for configuration in chosen]
    for configuration in chosen:
        configuration.check(arrays[0].shape[1:], outputs)
    return chosen, measure, outputs


def _measure(given: list[str | Configuration], loss: str | None) -> Measure:
    """The common measure. Raises ConfigurationError if the losses differ in kind."""
    texts = [loss] if loss is not None else [getattr(each, "loss", LOSS) for each in given]
    for text in texts:
        require(isinstance(text, str), "compare", "loss to be the name of one", text)
    found = {text: measure_for(by_name(Loss, text, "compare: loss")) for text in texts}
    if len(set(found.values())) > 1:
        raise ConfigurationError(
            "compare: expected losses that are all over classes or all of numbers, got "
            f"{', '.join(found)}"
        )
    return found[texts[0]]


class _Runner:
    """Runs the tasks whose results are not known yet."""

    def __init__(
        self,
        engine: Engine,
        log: Log,
        resample: bool,
        progress: Callable[[int, int, Result], None] | None,
    ) -> None:
        self.engine, self.log, self.resample, self.progress = engine, log, resample, progress

    def results(self, wanted: list[tuple[Configuration, int, bool]]) -> list[Result]:
        """The results of tasks (configuration, seed, whether for tuning), in the same order."""
        tasks = [self._task(*each) for each in wanted]
        keys = [self.log.key(task) for task in tasks]
        found: dict[int, Result] = {
            place: self.log.done[key] for place, key in enumerate(keys) if key in self.log.done
        }
        left = [place for place in range(len(tasks)) if place not in found]
        for number, result in self.engine([tasks[place] for place in left]):
            found[left[number]] = result
            self.log.write(keys[left[number]], result)
            if self.progress is not None:
                self.progress(len(found), len(tasks), result)
        return [found[place] for place in range(len(tasks))]

    def _task(self, configuration: Configuration, seed: int, tuning: bool) -> Task:
        return {
            "name": configuration.name,
            "configuration": configuration.encoded(),
            "seed": seed,
            "rate": configuration.rate,
            "tuning": tuning,
            "resample": self.resample,
        }


def _tuned(
    runner: _Runner, configurations: list[Configuration], rates: list[float], seeds: int
) -> tuple[list[Configuration], list[Result], list[str]]:
    """The configurations at their best rates, the tuning runs, and the names of those whose best
    rate is at an end of the grid."""
    open_ones = [each for each in configurations if each.learning_rate is None]
    names = [each.name for each in open_ones]
    if len(rates) == 1 or not names:
        return [at(each, each.learning_rate or rates[0]) for each in configurations], [], []
    tuned = tune(
        open_ones,
        rates,
        seeds,
        lambda wanted: runner.results([(each, seed, True) for each, seed in wanted]),
    )
    edges = [name for name in names if beyond(name, tuned) is not None]
    chosen = [
        at(each, each.learning_rate or best_rate(each.name, tuned)) for each in configurations
    ]
    return chosen, tuned, edges


@contextlib.contextmanager
def _engine(
    executor: Executor | None, jobs: int, arrays: Arrays, configurations: list[Configuration]
) -> Iterator[Engine]:
    """A function that runs tasks and yields their numbers and results as they finish."""
    whole("compare", "jobs", jobs, most=1024)
    if executor is not None:
        with _sent(executor, arrays) as (function, data):
            yield lambda tasks: _submitted(executor, function, data, tasks, arrays)
    elif jobs == 1:
        yield lambda tasks: ((number, run_task(task, arrays)) for number, task in enumerate(tasks))
    else:
        from minitorch_np.experiments.processes import Workers

        with Workers(int(jobs), arrays, _script(configurations)) as workers:
            yield workers.run


@contextlib.contextmanager
def _sent(executor: Executor, arrays: Arrays) -> Iterator[tuple[Callable[..., Result], list[Any]]]:
    """The function for an executor to run, and its arguments before the task: the data, which is
    sent once to each worker of a Dask cluster, or the folder that contains it.
    """
    client: Any = getattr(executor, "_client", None)
    if hasattr(client, "scatter"):
        yield run_task_on, client.scatter(list(arrays), broadcast=True, hash=False)
        return
    with tempfile.TemporaryDirectory(prefix="minitorch_np_") as folder:
        write_data(folder, arrays)
        yield run_task_in, [folder]
    read_data.cache_clear()  # the files no longer exist


def _submitted(
    executor: Executor,
    function: Callable[..., Result],
    data: list[Any],
    tasks: list[Task],
    arrays: Arrays,
) -> Iterator[tuple[int, Result]]:
    """Run the tasks on an executor; a task whose worker died is submitted again, and if the
    executor breaks, the remaining tasks run in this process."""
    from concurrent.futures import FIRST_COMPLETED, wait

    from minitorch_np.experiments.processes import TRIES, lost

    def submit(number: int, tries: int) -> None:
        open_ones[executor.submit(function, *data, tasks[number])] = number, tries

    open_ones: dict[Future[Result], tuple[int, int]] = {}
    left = set(range(len(tasks)))
    try:
        for number in range(len(tasks)):
            submit(number, 1)
        while open_ones:
            for future in wait(open_ones, return_when=FIRST_COMPLETED).done:
                number, tries = open_ones.pop(future)
                error = future.exception()
                if error is not None and tries < TRIES:
                    submit(number, tries + 1)
                    continue
                left.remove(number)
                if error is None:
                    yield number, future.result()
                else:
                    yield number, lost(tasks[number], f"{type(error).__name__}: {error}")
    except BrokenExecutor as error:
        said = f"compare: the executor broke ({error}); {len(left)} runs continue in this process"
        warnings.warn(said, stacklevel=2)
        for number in sorted(left):
            yield number, run_task(tasks[number], arrays)
    finally:
        for future in open_ones:
            future.cancel()


def _require_main() -> None:
    """Raise ConfigurationError in a worker that imports the script that started it."""
    from minitorch_np.experiments.worker import MARK

    if os.environ.get(MARK):
        raise ConfigurationError(
            "compare: expected a script that can be imported without running, since it defines "
            'layers that the processes need: put `if __name__ == "__main__":` before the call'
        )


def _script(configurations: list[Configuration]) -> str | None:
    """The path of the main script if it defines layers of these configurations, else None. Raises
    ConfigurationError if they are not defined in a file."""
    if '"module": "__main__"' not in json.dumps([each.encoded() for each in configurations]):
        return None
    path: str | None = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None:
        raise ConfigurationError(
            "compare: expected layers that other processes can import, got some that are defined "
            "in a notebook or on the command line: put them into a module, or use jobs=1"
        )
    return os.path.abspath(path)


def _check_sizes(
    size: float, target: float, reference: str | None, configurations: list[Configuration]
) -> None:
    for name, number in {"size": size, "target": target}.items():
        if not isinstance(number, (int, float, np.number)) or not 0 < number <= 1:
            raise ConfigurationError(
                f"compare: expected a {name} greater than 0, up to 1, got {shown(number)}"
            )
    names = [configuration.name for configuration in configurations]
    if reference is not None and not (isinstance(reference, str) and reference in names):
        raise ConfigurationError(
            f"compare: expected a reference of {', '.join(names)}, got {shown(reference)}"
        )


def _check_functions(executor: object, progress: object) -> None:
    runs = executor is None or hasattr(executor, "submit")
    require(runs, "compare", "executor to be None or an Executor", executor)
    told = progress is None or callable(progress)
    require(told, "compare", "progress to be None or a function", progress)


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    given: Any = range(min(seeds, 10**6)) if is_whole(seeds) else seeds
    listed = isinstance(given, Sequence) or (isinstance(given, np.ndarray) and given.ndim == 1)
    listed = listed and all(map(is_whole, given))
    numbers = [int(seed) for seed in given] if listed else []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ConfigurationError(
            f"compare: expected one or more different seeds, got {shown(seeds)}"
        )
    return numbers
