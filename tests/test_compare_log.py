"""What `compare` writes and reads, and the processes that it may use."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.experiments import engines, log, step_time
from minitorch_np.experiments.diagnostics import Finding
from tests.test_compare_parts import arrays_of, job

# The file of results


WHOLE: dict[str, Any] = {
    "name": "one", "seed": 5, "rate": 0.25, "tuning": False, "accuracy": 0.5, "loss": 1.0,
    "seconds": 0.1, "steps": 9, "lost": [2],
    "findings": [Finding("0", "D", "dead", 1, 3)._asdict()],
    "curves": {name: [0.1, 0.2, 0.5] for name in ("loss", "accuracy", "test_accuracy")},
}  # fmt: skip
SAME = ("name", "seed", "rate", "tuning")
CURVES = WHOLE["curves"]
DEAD = WHOLE["findings"][0]


def test_a_result_that_is_whole_is_taken() -> None:
    log._check(job(), WHOLE)
    log._check(job(), WHOLE | {"findings": [DEAD | {"since": 3}], "lost": []})
    log._check(job(), {k: WHOLE[k] for k in SAME} | {"error": "x"})
    log._check(
        job(tuning=True), {"name": "one", "seed": 5, "rate": 0.25, "tuning": True, "accuracy": 1}
    )
    numbers = job()
    numbers["configuration"] |= {"loss": "mse"}
    of_numbers = {"r2": -3.0, "curves": {"r2": [-9.0, 0, 1], "test_r2": [-1e9, 0, 1.0]}}
    log._check(numbers, {k: v for k, v in WHOLE.items() if k != "accuracy"} | of_numbers)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "two"}, {"seed": 6}, {"rate": 0.5}, {"tuning": True}, {"accuracy": 1.1},
        {"accuracy": -0.1}, {"accuracy": "0.5"}, {"error": 3}, {"loss": None}, {"seconds": "1"},
        {"steps": True}, {"lost": 3}, {"lost": ["3"]}, {"curves": CURVES | {"loss": [1, 2]}},
        {"curves": CURVES | {"accuracy": [0.1, 0.2, 1.5]}},
        {"curves": CURVES | {"test_accuracy": [0.1, -0.2, 0.5]}},
        {"curves": CURVES | {"loss": [1, 2, "3"]}}, {"findings": [DEAD | {"value": "1"}]},
        {"findings": [DEAD | {"runs": None}]}, {"findings": [DEAD | {"ill": 1}]},
        {"findings": [DEAD | {"kind": "odd"}]}, {"findings": [DEAD | {"since": 1.5}]},
        {"findings": [DEAD | {"path": 3}]}, {"findings": [{"odd": 3}]},
    ],
)  # fmt: skip
def test_a_result_that_is_not_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        log._check(job(), WHOLE | changed)


def test_lines_of_the_file(tmp_path: Path) -> None:
    arrays = arrays_of()
    first = log.Log(tmp_path / "new" / "folder", False, arrays)
    path = tmp_path / "new" / "folder" / "results.jsonl"
    key = first.key(job())
    first.write(key, WHOLE)
    again = {k: WHOLE[k] for k in SAME} | {
        "error": "x",
        "again": True,
    }
    first.write(first.key(job(name="two")), again | {"name": "two"})
    assert first.notes == []
    with path.open("ab") as file:
        file.write(b'{"key": "[1, 2]"}\n\n  \nhalf a line')
    second = log.Log(tmp_path / "new" / "folder", True, arrays)
    assert second.done == {key: WHOLE}  # what failed is run again
    assert second.damaged == 2
    assert second.notes == [f"2 damaged lines were skipped in {path}; their runs were repeated."]
    second.damaged = 1
    assert second.notes == [f"1 damaged line was skipped in {path}; their runs were repeated."]
    second.write(key, WHOLE)
    second.write(key, WHOLE)
    assert path.read_bytes().split(b"\n")[-4:-2] == [
        b"half a line",
        path.read_bytes().split(b"\n")[0],
    ]
    assert json.loads(path.read_text().splitlines()[-1]) == {"key": key, "result": WHOLE}
    assert log.Log(None, False, arrays).path is None
    log.Log(None, False, arrays).write(key, WHOLE)  # nowhere


def test_data_has_a_checksum_of_a_thousand_rows() -> None:
    x = np.arange(2500.0)
    found = log._checksum((x,))
    assert log._checksum((x.copy(),)) == found
    for place, seen in ((0, True), (1, False), (2, True), (2498, True), (2499, False)):
        other = x.copy()
        other[place] = -1
        assert (log._checksum((other,)) != found) == seen
    assert log._checksum((x.reshape(50, 50),)) != found
    assert log._checksum((x.astype(np.int64),)) != found
    few = np.arange(999.0)
    few[1] = -1
    assert log._checksum((few,)) != log._checksum((np.arange(999.0),))


# Engines and times


def test_without_its_library_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py.futures", None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(mt.MissingExtraError, match=r"mpi4py.*minitorch-np\[mpi\]"):
        engines.mpi_executor().__enter__()
    with pytest.raises(mt.MissingExtraError, match=r"distributed.*minitorch-np\[dask\]"):
        engines.dask_executor("tcp://nowhere:1").__enter__()


def test_times_are_the_best_of_their_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(
        [
            {"step": 3.0, "prediction": 9.0, "kernels": "a"}, {"error": "gone"},
            {"step": 4.0, "prediction": 8.0, "kernels": "b"},
            {"step": 2.0, "prediction": 8.5, "kernels": "c"},
        ]
    )  # fmt: skip
    monkeypatch.setattr(step_time, "_measure", lambda variables: next(given))
    found = [(name, dict(told)) for name, told in step_time.measured({"one": {}, "two": {}}, 3)]
    assert found == [
        ("one", {"step": 3.0, "prediction": 9.0, "kernels": "a"}),
        ("two", {"error": "gone"}),
        ("one", {"step": 3.0, "prediction": 8.0, "kernels": "b"}),
        ("two", {"error": "gone"}),
        ("one", {"step": 2.0, "prediction": 8.0, "kernels": "c"}),
        ("two", {"error": "gone"}),
    ]


@pytest.mark.parametrize(
    ("code", "stderr", "stdout", "found"),
    [
        (0, "a warning", '{"step": 1}', {"step": 1}),
        (1, "first\nlast\n\n", "", {"error": "last"}),
        (-signal.SIGILL, "  \n", "", {"error": f"ended by signal {int(signal.SIGILL)}"}),
    ],
)
def test_how_a_measuring_process_ends(
    code: int, stderr: str, stdout: str, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **options: Any) -> Any:
        assert command[1:] == ["-c", step_time.START]
        assert options["env"]["ONE"] == "1"
        assert not options["check"]
        return SimpleNamespace(returncode=code, stderr=stderr, stdout=stdout)

    monkeypatch.setattr("subprocess.run", run)
    assert step_time._measure({"ONE": "1"}) == found


def test_a_time_is_the_best_median_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by what each call takes, in seconds."""
    now, calls = [0.0], iter([9.0, 0.03, 0.05, 0.04, 0.02, 0.09, 0.035, 0.035, 0.04])

    def call() -> None:
        now[0] += next(calls)

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    assert step_time._best(call) == pytest.approx(35)  # medians of 40, 55 and 35 ms
