"""`compare`: the runs are paired, the same wherever they happen, and none is lost."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import BLAS_THREADS
from minitorch_np.experiments import task as tasks
from minitorch_np.experiments.configuration import as_configuration, as_configurations


@pytest.fixture(scope="module")
def small() -> Any:
    digits = mt.data.load_mnist()
    x, y = digits.train.features()[:400], digits.train.labels[:400]
    return x, y, digits.test.features()[:200], digits.test.labels[:200]


def accuracies(comparison: mt.Comparison) -> list[tuple[str, int, float, float]]:
    return [(r["name"], r["seed"], r["accuracy"], r["loss"]) for r in comparison.results]


def test_the_notes_options_are_the_default() -> None:
    names = [each.name for each in as_configurations(None)]
    assert names == ["leaky_relu+elu", "relu+relu", "sigmoid+sigmoid", "relu+softmax"]
    models = [each.model((784,), 0) for each in as_configurations(None)]
    assert [[layer.label for layer in model] for model in models] == [
        ["Dense(10)", "LeakyReLU()", "Dense(10)", "ELU()"],
        ["Dense(10)", "ReLU()", "Dense(10)", "ReLU()"],
        ["Dense(10)", "Sigmoid()", "Dense(10)", "Sigmoid()"],
        ["Dense(10)", "ReLU()", "Dense(10)"],
    ]


def test_initial_weights_are_shared_where_shapes_agree() -> None:
    plain = as_configuration("relu")
    other = mt.Configuration("other", [mt.Dense(10), mt.BatchNorm(), "tanh", mt.Dense(10)])
    one, two = plain.model((784,), 3), other.model((784,), 3)
    np.testing.assert_array_equal(one.state_dict()["0.weight"], two.state_dict()["0.weight"])
    again = plain.model((784,), 4)
    assert (again.state_dict()["0.weight"] != one.state_dict()["0.weight"]).any()


def test_the_order_of_the_batches_is_shared(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a configuration whose layers draw at random."""
    orders: dict[str, list[Any]] = {}
    original = mt.Trainer.fit

    def fit(self: Any, x: Any, y: Any, **arguments: Any) -> Any:
        class Looks(mt.Callback):
            def on_epoch_begin(self, trainer: mt.Trainer, epoch: int) -> None:
                state = trainer.rng.bit_generator.state["state"]["state"]
                orders.setdefault(repr(trainer.model), []).append(state)

        arguments["callbacks"] = [*arguments["callbacks"], Looks()]
        return original(self, x, y, **arguments)

    monkeypatch.setattr(mt.Trainer, "fit", fit)
    drops = mt.Configuration("drops", [mt.Dense(10), "relu", mt.Dropout(0.3), mt.Dense(10)])
    mt.compare(["relu", drops], small, seeds=1, epochs=3)
    one, two = orders.values()
    assert len(one) == 3
    assert one == two


def test_the_same_function_gives_the_same_numbers(small: Any) -> None:
    comparison = mt.compare(["relu", "leaky_relu(0)"], small, seeds=3, epochs=2)
    np.testing.assert_array_equal(comparison.of("relu"), comparison.of("leaky_relu(0)"))
    assert not comparison.differences[0].detected
    assert comparison.ranking == "relu ~ leaky_relu(0)"


def test_a_worse_one_is_found(small: Any) -> None:
    """A rate of nearly 0 learns nothing: that is a difference."""
    pytest.importorskip("scipy")
    slow = as_configuration("relu")._replace(name="slow", learning_rate=1e-5)
    comparison = mt.compare(["relu", slow], small, seeds=4, epochs=4)
    (pair,) = comparison.differences
    assert pair.detected
    assert pair.difference.mean > 0.1
    assert comparison.ranking == "relu > slow"
    assert "relu is better than slow" in comparison.table()


class Backwards(Executor):
    """Runs each task at once, in this process, and is an Executor like any other."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_any_executor_gives_the_same_numbers(small: Any) -> None:
    expected = accuracies(mt.compare(["relu", "sigmoid"], small, seeds=2, epochs=2))
    for executor in (Backwards(), ThreadPoolExecutor(2)):
        with executor:
            found = mt.compare(["relu", "sigmoid"], small, seeds=2, epochs=2, executor=executor)
        assert accuracies(found) == expected
    found = mt.compare(["relu", "sigmoid"], small, seeds=2, epochs=2, jobs=2)
    assert [name for name, *_ in accuracies(found)] == [name for name, *_ in expected]
    # this process may use another number of BLAS threads than the workers do
    np.testing.assert_allclose([r["loss"] for r in found.results], [e[3] for e in expected], 1e-3)


def test_a_worker_that_dies_loses_only_its_run(small: Any) -> None:
    class Dies(Backwards):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if args[0]["seed"] == 1 and args[0]["name"] == "relu":
                future: Future[Any] = Future()
                future.set_exception(RuntimeError("gone"))
                return future
            return super().submit(fn, *args, **kwargs)

    comparison = mt.compare(["relu", "tanh"], small, seeds=3, epochs=1, executor=Dies())
    assert [(f["name"], f["seed"], f["error"]) for f in comparison.failures] == [
        ("relu", 1, "RuntimeError: gone")
    ]
    assert comparison.common_seeds == [0, 2]
    assert len(comparison.of("tanh")) == 2
    assert "gone" in comparison.table()


def test_a_run_that_diverges_is_reported(small: Any) -> None:
    wild = as_configuration("relu")._replace(name="wild", learning_rate=1e30)
    comparison = mt.compare(["relu", wild], small, seeds=2, epochs=1)
    assert [failure["name"] for failure in comparison.failures] == ["wild", "wild"]
    assert "DivergenceError" in comparison.failures[0]["error"]
    assert "no seed" in comparison.ranking
    json.dumps(comparison.to_dict(), allow_nan=True)


def test_what_is_done_is_not_run_again(small: Any, tmp_path: Path, monkeypatch: Any) -> None:
    arguments: dict[str, Any] = {"seeds": 2, "epochs": 1, "folder": tmp_path}
    expected = accuracies(mt.compare(["relu", "tanh"], small, **arguments))
    with pytest.raises(mt.ConfigurationError, match="results.jsonl.*without results.*resume"):
        mt.compare(["relu", "tanh"], small, **arguments)
    path = tmp_path / "results.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    path.write_text("".join(lines[:3]) + lines[3][:40])  # stopped while it wrote the last
    run: list[str] = []
    original = tasks.run_task

    def counted(task: Any) -> Any:
        run.append(task["name"])
        return original(task)

    module = importlib.import_module("minitorch_np.experiments.compare")
    monkeypatch.setattr(module, "run_task", counted)
    assert accuracies(mt.compare(["relu", "tanh"], small, resume=True, **arguments)) == expected
    assert run == ["tanh"]
    mt.compare(["relu", "tanh"], small, resume=True, **arguments | {"epochs": 2})
    assert len(run) == 5  # another comparison: nothing of it was done
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(mt.DataError, match="results.jsonl:1"):
        mt.compare(["relu", "tanh"], small, resume=True, **arguments)


def test_rates_are_chosen_without_the_test_data(small: Any) -> None:
    x, y, xt, yt = small
    rates = [1e-6, 0.1]
    one = mt.compare(["relu", "sigmoid"], small, seeds=2, epochs=3, learning_rates=rates)
    other = mt.compare(
        ["relu", "sigmoid"], (x, y, -xt, yt[::-1]), seeds=2, epochs=3, learning_rates=rates
    )
    assert one.rates == other.rates == {"relu": 0.1, "sigmoid": 0.1}
    assert {run["seed"] for run in one.tuning}.isdisjoint(one.seeds)
    assert "best of several rates" in one.table()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"configurations": ["relu", "relu"]}, "different names"),
        ({"configurations": ["relu+elu+elu"]}, "one or two activations"),
        ({"configurations": [3]}, "expected a Configuration or a text"),
        ({"configurations": ["reluu"]}, "expected one of"),
        ({"seeds": 0}, "one or more different seeds"),
        ({"seeds": [1, 1]}, "one or more different seeds"),
        ({"jobs": 0}, "jobs of at least 1"),
        ({"data": (1, 2)}, r"\(x, y, x_test, y_test\)"),
    ],
)
def test_what_cannot_be_compared(arguments: Any, message: str, small: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.compare(**{"configurations": ["relu"], "data": small, "epochs": 1} | arguments)


def test_other_classes_than_ten(rng: np.random.Generator) -> None:
    x = rng.normal(size=(90, 4)).astype(np.float32)
    y = (x[:, 0] > 0) * 1 + (x[:, 1] > 0) * 1
    for labels in (y, np.eye(3)[y]):
        comparison = mt.compare(["tanh+elu", "relu"], (x, labels, x, labels), seeds=2, epochs=2)
        assert not comparison.failures
        assert comparison.configurations[0].model((4,), 0).output_shape == (3,)


def test_optimizers_by_name(small: Any) -> None:
    adam = as_configuration("tanh")._replace(
        name="adam", optimizer="adam(beta1=0.8)", learning_rate=0.01
    )
    heavy = as_configuration("tanh")._replace(name="heavy", optimizer="sgd(momentum=0.9)")
    comparison = mt.compare([adam, heavy], small, seeds=2, epochs=3)
    assert not comparison.failures
    with pytest.raises(mt.ConfigurationError, match="optimizer: expected one of Ad"):
        adam._replace(optimizer="newton").make_optimizer()


def test_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minitorch_np", "compare", "relu", "sigmoid"]
    command += ["--seeds", "2", "--epochs", "1", "--folder", "runs"]
    done = subprocess.run(
        [*command, "--csv", "runs.csv"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Answer: " in done.stdout
    assert "4/4" in done.stderr
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 5
    again = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    resumed = subprocess.run(
        [*command, "--json", "--resume"], cwd=tmp_path, capture_output=True, text=True
    )
    assert [c["name"] for c in json.loads(resumed.stdout)["configurations"]] == ["relu", "sigmoid"]


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minitorch_np", "compare", "--jobs", "2"]
    command += ["--seeds", "50", "--folder", "runs"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    group, results = process.pid, tmp_path / "runs" / "results.jsonl"
    deadline = time.monotonic() + 120
    while not results.exists() and time.monotonic() < deadline:  # it is under way
        time.sleep(0.1)
    os.killpg(group, signal.SIGINT)  # as Ctrl-C in a terminal: all of them get it
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"--resume" in said
    assert b"Traceback" not in said
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker is still there")


def test_workers_use_one_thread_and_the_environment_comes_back() -> None:
    from minitorch_np.experiments.processes import process_pool

    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    with process_pool(1) as pool:
        assert isinstance(pool, ProcessPoolExecutor)
        assert pool.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == "1"
    assert {name: os.environ.get(name) for name in BLAS_THREADS} == before
