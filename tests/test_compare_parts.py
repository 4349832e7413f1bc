"""The parts of `compare`, each by itself: rates, tasks, the file of results, configurations."""

from __future__ import annotations

import math
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments import processes, task, tuning
from minitorch_np.experiments.configuration import Configuration, as_configuration
from minitorch_np.experiments.diagnostics import Diagnosis, Finding
from minitorch_np.experiments.health import LayerHealth
from minitorch_np.experiments.measure import ACCURACY, EXPLAINED, worth

comparing: Any = sys.modules["minitorch_np.experiments.compare"]  # not the function

# Rates


@pytest.mark.parametrize(
    ("rate", "lower", "higher"),
    [
        (0.1, 0.05, 0.2), (0.2, 0.1, 0.5), (0.5, 0.2, 1), (0.05, 0.02, 0.1), (0.3, 0.2, 0.5),
        (1, 0.5, 2), (1e-12, 1e-13, 2e-12), (5e12, 2e12, 5e13), (0.1002, 0.1, 0.2),
        (0.10005, 0.05, 0.2),  # as good as 0.1
        (0.49999, 0.2, 1),
    ],
)  # fmt: skip
def test_the_next_rate_is_a_simple_number(rate: float, lower: float, higher: float) -> None:
    assert tuning._next(rate, up=False) == pytest.approx(lower, rel=1e-12)
    assert tuning._next(rate, up=True) == pytest.approx(higher, rel=1e-12)


def planned(best: float, seeds: int = 3, failed: bool = False) -> list[str]:
    """What `tune` runs where the rate `best` is the best of all: rates and seeds, call by call."""
    calls: list[str] = []
    given = Configuration("one", ["relu"])

    def run(wanted: list[tuple[Configuration, int]]) -> list[dict[str, Any]]:
        calls.append(" ".join(f"{each.rate:g}:{seed - 1_000_000}" for each, seed in wanted))
        return [
            {"name": each.name, "seed": seed, "rate": each.rate, "tuning": True}
            | ({} if failed else {"accuracy": 0.9 - 0.1 * abs(math.log10(each.rate / best))})
            for each, seed in wanted
        ]

    tuned = tuning.tune([given], [0.01, 0.1, 1.0, 10.0], seeds, run)
    if not failed:
        assert tuning.best_rate("one", tuned) == pytest.approx(min(max(best, 1e-4), 1e3), rel=1.1)
    return calls


FIRST = "0.01:0 0.1:0 1:0 10:0"


def test_which_rates_are_tried_with_which_seeds() -> None:
    """All with the first seed, the best three with the others, and beyond the ends with all."""
    assert planned(0.11) == [FIRST, "0.1:1 0.1:2 1:1 1:2 0.01:1 0.01:2"]
    assert planned(0.11, seeds=1) == [FIRST, ""]
    up = [f"{rate}:0 {rate}:1 {rate}:2" for rate in (20, 50, 100, 200, 500, 1000)]
    assert planned(11)[2:] == up[:1]
    assert planned(60)[2:] == up[:3]
    assert planned(1e9)[2:] == up  # six, and no more
    down = [f"{rate}:0 {rate}:1 {rate}:2" for rate in ("0.005", "0.002", "0.001")]
    assert planned(0.0019)[2:] == down
    assert planned(1, failed=True)[1] == "0.01:1 0.01:2 0.1:1 0.1:2 1:1 1:2"  # the lowest of equal


def test_means_of_rates() -> None:
    runs = [
        {"name": "a", "rate": 0.1, "accuracy": 0.5},
        {"name": "a", "rate": 0.1, "error": "x"},
        {"name": "a", "rate": 0.01, "r2": -0.5},
        {"name": "b", "rate": 0.1, "accuracy": 1.0},
    ]
    assert list(tuning.means_by_rate("a", runs).items()) == [(0.01, (0.0, 1)), (0.1, (0.25, 2))]
    assert tuning.best_rate("a", runs) == 0.1  # 0.01 had fewer seeds
    assert tuning.beyond("a", runs) == 0.2
    assert worth({"accuracy": 0.5}) == 0.5
    assert worth({"r2": -1.0}, 0.1) == 0
    assert worth({}, 0.1) == 0.1


@pytest.mark.parametrize(
    ("rates", "checked"),
    [
        (None, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]),
        ([1, 0.5, 0.5], [0.5, 1.0]),
        (np.array([0.2]), [0.2]),
    ],
)
def test_rates_that_are_given(rates: Any, checked: list[float]) -> None:
    assert tuning.checked_rates(rates) == checked


@pytest.mark.parametrize("rates", [[], [0], [-1], [math.inf], [math.nan], "0.1", [True], 0.1,
                                   np.ones((1, 1)), ["a"]])  # fmt: skip
def test_rates_that_are_none(rates: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="learning_rates: expected one or more finite"):
        tuning.checked_rates(rates)


# Tasks


def arrays_of(rows: int = 10, classes: int = 3) -> Any:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(rows, 2)).astype(np.float32), np.arange(rows) % classes
    return x, labels, x[:4], labels[:4]


@pytest.mark.parametrize(
    ("labels", "test_labels", "measure", "outputs"),
    [
        ([0, 1, 4], [0, 1], ACCURACY, 5),
        ([0, 1, 1], [0, 6], ACCURACY, 7),
        ([0, 1, 0], [0, 0], ACCURACY, 2),
        (np.eye(3), np.eye(3)[:2], ACCURACY, 3),
        ([0.5, 1.5, 2.0], [0.0, 1.0], EXPLAINED, 1),
        (np.eye(3) / 2, np.eye(3)[:2, ::-1] + np.array([[1, 2, 3], [2, 5, 1]]), EXPLAINED, 3),
    ],
)
def test_how_many_outputs_are_needed(
    labels: Any, test_labels: Any, measure: Any, outputs: int
) -> None:
    arrays: Any = np.ones((3, 2)), np.array(labels), np.ones((2, 2)), np.array(test_labels)
    assert task.output_count(arrays, measure) == outputs


@pytest.mark.parametrize(
    ("rows", "labels", "said"),
    [
        (1, 1, "expected two or more samples to train on and to test with"),
        (3, 4, "compare: x: expected 4 rows, as labels, got 3"),
    ],
)
def test_data_that_does_not_fit(rows: int, labels: int, said: str) -> None:
    fine = np.ones((2, 2)), np.arange(2)
    with pytest.raises(mt.MinitorchError, match=said):
        task.output_count((np.ones((rows, 2)), np.arange(labels) % 2, *fine), ACCURACY)
    with pytest.raises(mt.MinitorchError, match=said.replace("compare: x:", "compare: x_test:")):
        task.output_count((*fine, np.ones((rows, 2)), np.arange(labels) % 2), ACCURACY)


def job(**changed: Any) -> dict[str, Any]:
    layers: list[mt.Layer | str] = [mt.Dense(3)]
    given = {"name": "one", "seed": 5, "rate": 0.25, "tuning": False, "resample": False}
    made = Configuration("one", layers, epochs=3, batch_size=4)
    return given | {"configuration": made.encoded()} | changed


def test_what_a_run_returns() -> None:
    found = task.run_task(job(), arrays_of())
    assert [found[name] for name in ("name", "seed", "rate", "tuning")] == ["one", 5, 0.25, False]
    assert found["steps"] == 9  # three epochs of 4, 4 and 2 rows
    curves = found["curves"]
    assert set(curves) == {"loss", "accuracy", "test_loss", "test_accuracy"}
    assert all(len(curve) == 3 for curve in curves.values())
    assert found["accuracy"] == curves["test_accuracy"][-1]
    assert found["loss"] == curves["test_loss"][-1]
    assert found["seconds"] > 0
    assert task.run_task(job(seed=6), arrays_of())["curves"] != curves
    assert task.run_task(job(rate=0.5), arrays_of())["curves"] != curves
    assert task.run_task(job(resample=True), arrays_of())["curves"] != curves


def test_a_task_is_the_same_wherever_the_data_are(tmp_path: Path) -> None:
    x, y, xt, yt = arrays = arrays_of()
    task.write_data(str(tmp_path), arrays)
    task.read_data.cache_clear()
    results = (
        task.run_task(job(), arrays),
        task.run_task_on(x, y, xt, yt, job()),
        task.run_task_in(str(tmp_path), job()),
    )
    kept = [{name: each[name] for name in each if name != "seconds"} for each in results]
    assert kept[0]["accuracy"] >= 0
    assert kept[1] == kept[0]
    assert kept[2] == kept[0]
    task.read_data.cache_clear()


def test_a_run_to_choose_a_rate_holds_out_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    train = task.train

    def kept(configuration: Any, seed: int, arrays: Any, **options: Any) -> Any:
        seen.append((arrays, options))
        return train(configuration, seed, arrays, **options)

    monkeypatch.setattr(task, "train", kept)
    for rows, held in ((10, 2), (12, 2), (13, 3), (3, 1), (2, 1)):
        arrays = arrays_of(rows)
        found = task.run_task(job(tuning=True), arrays)
        assert found.keys() == {"name", "seed", "rate", "tuning", "accuracy"}
        (x, y, xv, yv), options = seen.pop()
        assert (len(x), len(y), len(xv), len(yv)) == (rows - held, rows - held, held, held)
        assert options == {"resample": False, "validate": False}
        pairs = {
            (*row, label) for part in ((x, y), (xv, yv)) for row, label in zip(*part, strict=True)
        }
        assert pairs == {(*row, label) for row, label in zip(arrays[0], arrays[1], strict=True)}


def test_which_failures_are_worth_another_try() -> None:
    found = task.run_task(job(rate=1e300), arrays_of())
    assert found["error"].startswith("DivergenceError: ")
    assert found["again"] is False
    found = task.run_task(job(configuration={}), arrays_of())
    assert found["error"].startswith("TypeError: ") or found["error"].startswith("KeyError: ")
    assert found["again"] is True


def test_resampled_rows_are_as_many_and_the_same_for_a_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(mt.Trainer, "fit", lambda self, x, y, **options: given.append((x, y)))
    made, arrays = Configuration("one", [mt.Dense(3)], 0.1), arrays_of()
    for seed in (3, 3, 4):
        task.train(made, seed, arrays, resample=True)
    (x, y), (again, _), (other, _) = given
    assert x.shape == arrays[0].shape
    np.testing.assert_array_equal(x, again)
    assert (x != other).any()
    rows = np.random.default_rng([3, 2]).integers(10, size=10)
    np.testing.assert_array_equal(x, arrays[0][rows])
    np.testing.assert_array_equal(y, arrays[1][rows])


def test_lost_classes_are_those_of_the_test_data() -> None:
    """Since when is known of those that the training data lost too."""
    last = LayerHealth("2", "Dense(3)", True, 3, 0, 1, 1)
    first = LayerHealth("0", "Dense(9)", True, 9, 0, 1, 1)
    of_3 = Finding("2", "Dense(3)", "lost class", 3)
    dead = Finding("1", "ReLU()", "dead", 2, 9)
    epochs = [Diagnosis([first, last], each) for each in ([], [of_3], [dead, of_3])]
    told: Any = SimpleNamespace(
        epochs=epochs, findings=[dead._replace(since=3), of_3._replace(since=2)]
    )
    assert task._with_lost(told, []) == [dead._replace(since=3)]
    assert task._with_lost(told, [3, 7]) == [
        dead._replace(since=3),
        Finding("2", "Dense(3)", "lost class", 3, since=2),
        Finding("2", "Dense(3)", "lost class", 7, since=3),
    ]


# Configurations and arguments


@pytest.mark.parametrize(
    ("text", "loss", "layers"),
    [
        ("relu", None, ["Dense(10)", "ReLU()", "Dense(10)"]),
        ("relu + softmax", None, ["Dense(10)", "ReLU()", "Dense(10)"]),
        ("tanh+elu(0.5)", None, ["Dense(10)", "Tanh()", "Dense(10)", "ELU(alpha=0.5)"]),
        ("relu", "mse", ["Dense(10)", "ReLU()", "Dense(10)"]),
        ("relu+tanh", "mse", ["Dense(10)", "ReLU()", "Dense(10)", "Tanh()"]),
    ],
)
def test_configurations_as_text(text: str, loss: str | None, layers: list[str]) -> None:
    found = as_configuration(text, loss=loss)
    assert [str(each) for each in found.layers] == layers
    assert found.loss == (loss or "softmax_cross_entropy")
    assert found[2:6] == (None, "sgd", 20, 50)
    assert found.rate == 0.05
    assert found._replace(learning_rate=0.5).rate == 0.5
    smaller = as_configuration(text, 4, 3, loss).layers
    assert [str(each) for each in smaller[::2]] == ["Dense(4)", "Dense(3)"]
    assert as_configuration(found, loss="huber").loss == "huber"
    assert as_configuration(found) is found


def test_networks_share_weights_layer_by_layer() -> None:
    one = Configuration("one", [mt.Dense(4), "relu", mt.Dense(3)]).model((2,), 7)
    two = Configuration("two", ["tanh", mt.Dense(4), mt.Dense(3)]).model((2,), 7)
    weights = [list(each.named_parameters().values())[::2] for each in (one, two)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
    fresh = mt.Dense(3)
    fresh.initialize((4,), rng=np.random.default_rng([7, 1]), dtype=np.float32)
    np.testing.assert_array_equal(weights[0][1], fresh.weight)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 0}, "expected epochs of at least 1, got 0"),
        ({"batch_size": 0}, "expected batch_size of at least 1, got 0"),
        ({"batch_size": 1.5}, "expected batch_size of at least 1, got 1.5"),
        ({"optimizer": mt.SGD(0.1)}, "expected an optimizer by name"),
        ({"layers": [mt.Dense(4)]}, "expected 3 scores, got (4,)"),
    ],
)
def test_configurations_that_cannot_be_trained(changed: Any, said: str) -> None:
    fine = Configuration("one", [mt.Dense(3)], epochs=1, batch_size=1)
    fine.check((2,), 3)
    with pytest.raises(mt.MinitorchError) as caught:
        fine._replace(**changed).check((2,), 3)
    assert str(caught.value).startswith(f"configuration 'one': {said}")


@pytest.mark.parametrize(
    ("given", "seeds"), [(3, [0, 1, 2]), (1, [0]), ([5, 2], [5, 2]), (np.array([4]), [4])]
)
def test_seeds(given: Any, seeds: list[int]) -> None:
    assert comparing._seeds(given) == seeds


@pytest.mark.parametrize(
    "given", [0, -1, [], [1, 1], [-1], [0.5], "12", [True], np.ones((1, 1), int)]
)
def test_no_seeds(given: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="one or more different seeds"):
        comparing._seeds(given)


@pytest.mark.parametrize(("size", "right"), [(0, False), (1e-9, True), (1, True), (1.01, False),
                                             ("1", False), (math.nan, False)])  # fmt: skip
def test_sizes_and_targets(size: Any, right: bool) -> None:
    for place in ("size", "target"):
        given = {"size": 0.5, "target": 0.5} | {place: size}
        if right:
            comparing._check_sizes(**given, reference=None, configurations=[])
            continue
        with pytest.raises(mt.ConfigurationError, match=f"expected a {place} greater than 0"):
            comparing._check_sizes(**given, reference=None, configurations=[])


class Failing(Executor):
    """Each task fails as often as is said, and then gives its number."""

    def __init__(self, fails: list[int]) -> None:
        self.fails = fails

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Any:
        future: Future[Any] = Future()
        number = arguments[-1]["seed"]
        if self.fails[number]:
            self.fails[number] -= 1
            future.set_exception(OSError("gone"))
        else:
            future.set_result({"seed": number})
        return future


def test_a_task_whose_worker_dies_is_submitted_three_times() -> None:
    tasks = [job(seed=number) for number in range(4)]
    found = dict(
        comparing._submitted(Failing([0, 1, 2, 3]), task.run_task_in, ["x"], tasks, arrays_of())
    )
    assert [found[number] for number in range(3)] == [{"seed": number} for number in range(3)]
    assert found[3]["error"] == "OSError: gone, 3 times"
    assert found[3]["again"] is True


# Processes


class Pretended:
    """A worker without a process. Its `script` tells it how to answer: "refused", or a number of
    answers, after which it is gone."""

    made: ClassVar[list[Pretended]] = []

    def __init__(self, about: dict[str, Any]) -> None:
        self.left, self.ended = about["script"], 0
        self.process = self
        self.made.append(self)

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        if self.left == "refused":
            return {"refused": "not here"}
        if self.left == 0:
            raise processes.GoneError
        self.left -= 1
        return {"answers": question.get("seed")}

    def close(self) -> None:
        self.ended += 1

    kill = close


def worked(script: Any, jobs: int, count: int, monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    monkeypatch.setattr(processes, "Worker", Pretended)
    monkeypatch.setattr(Pretended, "made", [])
    with processes.Workers(jobs, arrays_of(), script) as workers:
        found = dict(workers.run([job(seed=10 + number) for number in range(count)]))
        assert len(workers.threads) == min(jobs, count)
    assert workers.closed
    assert workers.file.closed
    assert not any(thread.is_alive() for thread in workers.threads)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="files can't be inherited")
def test_each_task_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for jobs, count in ((1, 3), (2, 5), (4, 2)):
        found = worked(100, jobs, count, monkeypatch)
        assert found == {number: {"answers": 10 + number} for number in range(count)}
        assert 1 <= len(Pretended.made) <= jobs
        assert [each.ended for each in Pretended.made] == [2] * len(Pretended.made)  # by both


@pytest.mark.skipif(sys.platform == "win32", reason="files can't be inherited")
def test_a_worker_that_is_gone_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(worked(2, 1, 3, monkeypatch)) == 3  # ready, and one task for each worker
    assert len(Pretended.made) == 3
    lost = worked(1, 1, 1, monkeypatch)[0]  # ready, and no task
    assert len(Pretended.made) == 3
    assert lost == {
        "name": job()["name"], "seed": 10, "rate": job()["rate"], "tuning": job()["tuning"],
        "error": "its process was killed, 3 times", "again": True,
    }  # fmt: skip
    with pytest.raises(mt.ConfigurationError, match="got 3 that ended before they were ready"):
        worked(0, 1, 1, monkeypatch)
    assert [each.ended for each in Pretended.made] == [2] * 3
    with pytest.raises(mt.ConfigurationError, match="not here"):
        worked("refused", 1, 1, monkeypatch)
    assert [each.ended for each in Pretended.made] == [2]
