"""`compare`: the runs are paired, the same wherever they happen, and none is lost."""

from __future__ import annotations

import importlib
import json
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments import task as tasks
from minitorch_np.experiments.configuration import as_configuration, as_configurations
from minitorch_np.experiments.tuning import beyond


@pytest.fixture(scope="module")
def small() -> Any:
    digits = mt.data.load_mnist()
    x, y = digits.train.features()[:400], digits.train.labels[:400]
    return x, y, digits.test.features()[:200], digits.test.labels[:200]


def compare(*arguments: Any, **options: Any) -> mt.Comparison:
    """At one rate for all."""
    return mt.compare(*arguments, **{"learning_rates": [0.1]} | options)


def accuracies(comparison: mt.Comparison) -> list[tuple[str, int, float, float]]:
    return [(r["name"], r["seed"], r["accuracy"], r["loss"]) for r in comparison.results]


def test_it_is_found_by_completion() -> None:
    assert {"compare", "report", "diagnose", "Configuration"} <= set(dir(mt))


def test_the_notes_options_are_the_default() -> None:
    names = [each.name for each in as_configurations(None)]
    assert names[:4] == ["leaky_relu+elu", "relu+relu", "sigmoid+sigmoid", "relu+softmax"]
    assert names[4:] == ["sigmoid+softmax"]
    models = [each.model((784,), 0) for each in as_configurations(None)]
    assert [[layer.label for layer in model] for model in models] == [
        ["Dense(10)", "LeakyReLU()", "Dense(10)", "ELU()"],
        ["Dense(10)", "ReLU()", "Dense(10)", "ReLU()"],
        ["Dense(10)", "Sigmoid()", "Dense(10)", "Sigmoid()"],
        ["Dense(10)", "ReLU()", "Dense(10)"],
        ["Dense(10)", "Sigmoid()", "Dense(10)"],
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
    compare(["relu", drops], small, seeds=1, epochs=3)
    one, two = orders.values()
    assert len(one) == 3
    assert one == two


def test_the_same_function_gives_the_same_numbers(small: Any) -> None:
    comparison = compare(["relu", "leaky_relu(0)"], small, seeds=8, epochs=8)
    one, two = map(comparison.accuracies, comparison.names)
    np.testing.assert_array_equal(one, two)
    (pair,) = comparison.verdicts
    assert pair.kind == "equal"
    assert pair.interval == (0, 0)
    assert "are equal within 0.005" in str(mt.report(comparison))


def test_a_worse_one_is_found(small: Any) -> None:
    """A rate of nearly 0 learns nothing: that is a difference."""
    slow = as_configuration("relu")._replace(name="slow", learning_rate=1e-5)
    comparison = compare(["relu", slow], small, seeds=8, epochs=4)
    (pair,) = comparison.verdicts
    assert (pair.first, pair.second, pair.kind) == ("relu", "slow", "better")
    assert pair.difference > 0.1
    assert comparison.ranking == ["relu", "slow"]
    text = str(mt.report(comparison))
    assert "relu is better than slow: by 0." in text
    assert "in 8 of 8 seeds [63 %, 100 %]" in text


ADAM: Any = mt.Adam(0.1)
"""An object where a name is expected."""


class Backwards(Executor):
    """Runs each task at once, in this process, and is an Executor like any other."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_any_executor_gives_the_same_numbers(small: Any) -> None:
    expected = accuracies(compare(["relu", "sigmoid"], small, seeds=2, epochs=2))
    for executor in (Backwards(), ThreadPoolExecutor(2)):
        with executor:
            found = compare(["relu", "sigmoid"], small, seeds=2, epochs=2, executor=executor)
        assert accuracies(found) == expected
    found = compare(["relu", "sigmoid"], small, seeds=2, epochs=2, jobs=2)
    assert [each[:2] for each in accuracies(found)] == [each[:2] for each in expected]
    # this process may use another number of BLAS threads than the workers do
    np.testing.assert_allclose([r["loss"] for r in found.results], [e[3] for e in expected], 1e-3)


class Dies(Backwards):
    """The worker that is given relu's second seed is gone, the first `times` times."""

    def __init__(self, times: float) -> None:
        self.times = times

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[1]["seed"] == 1 and args[1]["name"] == "relu" and self.times:
            self.times -= 1
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("gone"))
            return future
        return super().submit(fn, *args, **kwargs)


def test_a_worker_that_dies_loses_nothing(small: Any) -> None:
    comparison = compare(["relu", "tanh"], small, seeds=3, epochs=1, executor=Dies(2))
    assert not comparison.failures


class Breaks(Backwards):
    """Its workers are gone when tanh is run from the second seed, and it takes no task any more."""

    broken = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("gone")
        self.broken = args[1]["seed"] == 1 and args[1]["name"] == "tanh"
        if not self.broken:
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


@pytest.mark.parametrize("seeds", [2, 3])
def test_what_a_broken_executor_leaves_is_run_here(
    seeds: int, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks while it runs the last, or with others still to be handed in."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    expected = accuracies(compare(["relu", "tanh"], small, seeds=seeds, epochs=1))
    done: list[int] = []

    def progress(number: int, total: int, result: dict[str, Any]) -> None:
        done.append(number)

    arguments: dict[str, Any] = {"seeds": seeds, "epochs": 1, "progress": progress}
    with pytest.warns(UserWarning, match="continue in this process"):
        found = compare(["relu", "tanh"], small, executor=Breaks(), **arguments)
    assert accuracies(found) == expected
    assert done == list(range(1, 2 * seeds + 1))
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_counts_as_chance_and_takes_no_seed_away(small: Any) -> None:
    """One that fails in some seeds is not better for it."""
    comparison = compare(["relu", "tanh"], small, seeds=8, epochs=1, executor=Dies(np.inf))
    (failure,) = comparison.failures
    assert (failure["name"], failure["seed"]) == ("relu", 1)
    assert "gone" in failure["error"]
    assert comparison.accuracies("relu")[1] == 0.1
    assert len(comparison.accuracies("tanh")) == 8
    summary = comparison.summaries["relu"]
    assert (summary.failed, summary.collapsed >= 1, summary.runs) == (1, True, 8)
    assert "relu, seed 1: RuntimeError: gone" in str(mt.report(comparison))


def test_a_run_that_diverges_is_reported(small: Any, recwarn: pytest.WarningsRecorder) -> None:
    wild = as_configuration("relu")._replace(name="wild", learning_rate=1e30)
    comparison = compare(["relu", wild], small, seeds=2, epochs=1)
    assert [failure["name"] for failure in comparison.failures] == ["wild", "wild"]
    assert "DivergenceError" in comparison.failures[0]["error"]
    text = str(mt.report(comparison))
    assert "wild: 2 of 2 runs failed" in text
    assert "wild: nothing ill" not in text
    assert "never" in text
    json.dumps(comparison.to_dict(), allow_nan=True)
    alone = str(mt.report(compare([wild], small, seeds=2, epochs=1)))
    assert alone.startswith("There is no answer: all runs failed.")
    assert "standard error" not in alone
    assert not recwarn.list


def test_from_few_seeds_nothing_is_claimed(small: Any) -> None:
    for seeds in (1, 2):
        comparison = compare(["relu", "tanh"], small, seeds=seeds, epochs=1)
        text = str(mt.report(comparison))
        assert "nan" not in text
        assert "inf" not in text
        assert text.startswith(f"Too few seeds for any claim: {seeds}, where 1 pair needs 8. By ")


def test_with_a_reference_all_others_are_compared_with_that_alone(small: Any) -> None:
    names = ["relu", "tanh", "elu"]
    comparison = compare(names, small, seeds=8, epochs=1, reference="tanh")
    assert len(comparison.verdicts) == 2
    assert all("tanh" in (each.first, each.second) for each in comparison.verdicts)
    assert not any(comparison.groups.values())
    assert str(mt.report(comparison)).startswith("Compared with tanh (mean test accuracy ")


def test_another_training_sample_for_each_seed(small: Any) -> None:
    one = compare(["relu"], small, seeds=2, epochs=1, resample_data=True)
    other = compare(["relu"], small, seeds=2, epochs=1)
    assert accuracies(one) != accuracies(other)
    assert accuracies(one) == accuracies(
        compare(["relu"], small, seeds=2, epochs=1, resample_data=True)
    )
    assert "other training samples like these 400" in str(mt.report(one))
    assert "the 400 training samples and the 200 test samples" in str(mt.report(other))


def test_findings_of_several_runs_are_their_medians(small: Any) -> None:
    comparison = compare(["relu+relu"], small, seeds=3, epochs=1)
    found = [
        finding_of(run, value) for run, value in zip(comparison.results, (1, 4, 3), strict=True)
    ]
    results = [
        run | {"findings": [each._asdict()], "lost": []}
        for run, each in zip(comparison.results, found, strict=True)
    ]
    (merged,) = replace(comparison, results=results).findings("relu+relu")
    assert (merged.value, merged.since, merged.runs, merged.ill) == (3, 2, 3, True)


def finding_of(run: dict[str, Any], value: int) -> mt.Finding:
    return mt.Finding("1", "ReLU()", "dead", value, 10, value > 2, since=run["seed"] + 1)


def test_steps_to_the_target_count_those_that_never_came_there(small: Any) -> None:
    comparison = compare(["relu"], small, seeds=3, epochs=2)
    curves = [[0.5, 0.95], [0.5, 0.6], [0.1, 0.2]]
    results = [
        run | {"curves": run["curves"] | {"accuracy": curve}}
        for run, curve in zip(comparison.results, curves, strict=True)
    ]
    summary = replace(comparison, results=results).summaries["relu"]
    assert (summary.steps, summary.reached) == (np.inf, 1)
    summary = replace(comparison, results=results, target=0.6).summaries["relu"]
    assert (summary.steps, summary.reached) == (16, 2)


def test_what_is_done_is_not_run_again(small: Any, tmp_path: Path, monkeypatch: Any) -> None:
    arguments: dict[str, Any] = {"seeds": 2, "epochs": 1, "folder": tmp_path}
    expected = accuracies(compare(["relu", "tanh"], small, **arguments))
    with pytest.raises(mt.ConfigurationError, match="results.jsonl.*without results.*resume"):
        compare(["relu", "tanh"], small, **arguments)
    path = tmp_path / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    # Stopped while it wrote the last; before, somebody has edited.
    torn = b"".join([*lines[:2], b"{}\n", b"\xff\n", lines[2], lines[3][:40]])
    path.write_bytes(torn)
    run: list[str] = []
    original = tasks.run_task

    def counted(task: Any, arrays: Any) -> Any:
        run.append(task["name"])
        return original(task, arrays)

    module = importlib.import_module("minitorch_np.experiments.compare")
    monkeypatch.setattr(module, "run_task", counted)
    found = compare(["relu", "tanh"], small, resume=True, **arguments)
    assert accuracies(found) == expected
    assert run == ["tanh"]
    assert path.read_bytes().startswith(torn + b"\n")  # nothing of it is touched
    assert "3 damaged lines were skipped" in str(mt.report(found))
    compare(["relu", "tanh"], small, resume=True, **arguments)
    assert run == ["tanh"]
    compare(["relu", "tanh"], small, resume=True, **arguments | {"epochs": 2})
    assert len(run) == 5  # another comparison: nothing of it was done


def test_rates_are_chosen_without_the_test_data(small: Any) -> None:
    x, y, xt, yt = small
    rates = [1e-6, 0.1, 1e9]
    one = mt.compare(["relu", "sigmoid"], small, seeds=2, epochs=3, learning_rates=rates)
    other = mt.compare(
        ["relu", "sigmoid"], (x, y, -xt, yt[::-1]), seeds=2, epochs=3, learning_rates=rates
    )
    assert [each.rate for each in one.configurations] == [0.1, 0.1]
    assert [each.rate for each in other.configurations] == [0.1, 0.1]
    assert {run["seed"] for run in one.tuning}.isdisjoint(one.seeds)
    assert all(run["tuning"] for run in one.tuning)
    assert not any(run["tuning"] for run in one.results)
    assert not one.edges
    assert "best of several rates" in str(mt.report(one))


def test_a_best_rate_at_the_edge_extends_the_grid(small: Any) -> None:
    own = as_configuration("tanh")._replace(learning_rate=0.3)
    found = mt.compare(["relu", own], small, seeds=1, epochs=3, learning_rates=[0.001, 0.002])
    tried = sorted({run["rate"] for run in found.tuning})
    assert tried[:4] == [0.001, 0.002, 0.005, 0.01]
    assert {run["name"] for run in found.tuning} == {"relu"}  # a rate of its own is kept
    assert found.configurations[1].rate == 0.3
    up = [{"name": "a", "rate": rate, "accuracy": rate} for rate in (0.1, 5.0)]
    assert beyond("a", up) == 10
    assert beyond("a", [{"name": "a", "rate": r, "accuracy": -r} for r in (0.1, 5.0)]) == 0.05
    edge = str(mt.report(replace(found, edges=["relu"])))
    assert "a better one may lie beyond" in edge


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"configurations": ["relu", "relu"]}, "different names"),
        ({"configurations": ["relu+elu+elu"]}, "one or two activations"),
        ({"configurations": [3]}, "expected a Configuration or a text"),
        ({"configurations": ["reluu"]}, "did you mean 'ReLU'"),
        ({"configurations": [mt.Configuration("a", ["relu"])]}, "'a': expected 10 scores"),
        ({"configurations": [mt.Configuration("a", [mt.Dense(9)])]}, "'a': expected 10 scores"),
        (
            {"configurations": [mt.Configuration("relu", [mt.Dense(10)], 0.1, ADAM)]},
            "'relu': expected an optimizer by name",
        ),
        ({"configurations": [as_configuration("relu")._replace(optimizer="newton")]}, "one of Ad"),
        ({"configurations": [as_configuration("relu")._replace(batch_size=0)]}, "batch_size of"),
        ({"epochs": 0}, "epochs"),
        ({"reference": "elu"}, "a reference of relu"),
        ({"size": 0}, "a size greater than 0"),
        ({"learning_rates": [0.1, np.nan]}, "finite numbers greater than 0"),
        ({"learning_rates": []}, "finite numbers greater than 0"),
        ({"seeds": 0}, "one or more different seeds"),
        ({"seeds": [1, 1]}, "one or more different seeds"),
        ({"jobs": 0}, "jobs to be a whole number"),
        ({"data": (1, 2)}, r"\(x, y, x_test, y_test\)"),
    ],
)
def test_what_cannot_be_compared(arguments: Any, message: str, small: Any) -> None:
    with pytest.raises((mt.ConfigurationError, mt.ShapeError), match=message):
        mt.compare(**{"configurations": ["relu"], "data": small, "epochs": 1} | arguments)


def test_data_that_cannot_be_trained_on_is_no_failure_of_a_configuration(small: Any) -> None:
    x, y, xt, yt = small
    bad = x.copy()
    bad[3, 5] = np.nan
    for data in ((x, y[:-1], xt, yt), (bad, y, xt, yt), (x, y, xt[:, :5], yt), (x, y - 1, xt, yt)):
        with pytest.raises((mt.ShapeError, mt.DataError)):
            mt.compare(["relu"], data, seeds=1, epochs=1)


def test_other_classes_than_ten(rng: np.random.Generator) -> None:
    x = rng.normal(size=(90, 4)).astype(np.float32)
    y = (x[:, 0] > 0) * 1 + (x[:, 1] > 0) * 1
    for labels in (y, np.eye(3)[y]):
        comparison = compare(["tanh+elu", "relu"], (x, labels, x, labels), seeds=2, epochs=2)
        assert not comparison.failures
        assert comparison.configurations[0].model((4,), 0).output_shape == (3,)


def test_optimizers_by_name(small: Any) -> None:
    adam = as_configuration("tanh")._replace(
        name="adam", optimizer="adam(beta1=0.8)", learning_rate=0.01
    )
    heavy = as_configuration("tanh")._replace(name="heavy", optimizer="sgd(momentum=0.9)")
    comparison = compare([adam, heavy], small, seeds=2, epochs=3)
    assert not comparison.failures
    with pytest.raises(
        mt.ConfigurationError,
        match="optimizer: expected the name of an optimizer, got .*one of .*Ad",
    ):
        adam._replace(optimizer="newton").make_optimizer()
