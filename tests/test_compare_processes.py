"""`minitorch-np compare` and its processes: what is killed loses nothing and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import BLAS_THREADS
from minitorch_np.cli import main
from minitorch_np.experiments import log
from tests.commands import run


def test_the_command_line(tmp_path: Path) -> None:
    command = ["compare", "relu", "sigmoid", "--seeds", 2, "--epochs", 1, "--rate", 0.1]
    command += ["--folder", "runs", "--jobs", 1]
    done = run(*command, "--csv", "runs.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Too few seeds for any claim")
    assert "4/4" in done.stderr
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 5
    again = run(*command, "--json", cwd=tmp_path)
    assert again.returncode == 2
    resumed = run(*command, "--json", "--resume", cwd=tmp_path)
    assert [c["name"] for c in json.loads(resumed.stdout)["configurations"]] == ["relu", "sigmoid"]


def test_the_table_comes_first_and_a_full_disk_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    picture = tmp_path / "out.png"
    command = ["compare", "relu", "--seeds", "1", "--epochs", "1", "--rate", "0.1", "--jobs", "1"]
    assert main([*command, "--csv", "/dev/full", "--plot", str(picture)]) == 1
    printed = capsys.readouterr()
    assert "relu has a median test accuracy of" in printed.out
    assert "/dev/full: No space left" in printed.err
    assert picture.exists()


DAMAGES: list[dict[str, Any]] = [
    {"lost": None},
    {"lost": ["x"]},
    {"curves": {}},
    {"curves": {"accuracy": [0.5], "test_accuracy": [0.5, 0.6]}},
    {"curves": None},
    {"findings": [{"path": "0", "label": "ReLU()", "kind": "dead", "number": 1}]},
    {"findings": [{"path": "0", "label": "ReLU()", "kind": "dire", "value": 1}]},
    {"findings": [{"path": "0", "label": "ReLU()", "kind": "dead", "value": "1"}]},
    {"loss": "x"},
    {"seconds": None},
    {"accuracy": None},
    {"accuracy": "x"},
    {"accuracy": 97.5},
    {"seed": 77},
    {"name": "other"},
    {"error": 5},
]


def test_a_line_that_is_json_but_no_result_is_damaged(few: Any, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"seeds": 1, "epochs": 1, "learning_rates": [0.1]}
    arguments |= {"data": (*few, *few), "folder": tmp_path}
    expected = mt.compare(["relu"], **arguments).accuracies("relu")
    path = tmp_path / "results.jsonl"
    entry = json.loads(path.read_text())
    missing = [
        {name: value for name, value in entry["result"].items() if name != left_out}
        for left_out in entry["result"]
    ]
    wrong = [entry["result"] | damage for damage in DAMAGES]
    for result in [*missing, *wrong, None, 5]:
        path.write_text(json.dumps(entry | {"result": result}) + "\n")
        found = mt.compare(["relu"], resume=True, **arguments)
        assert found.accuracies("relu") == expected, result
        assert "1 damaged line was skipped" in str(mt.report(found)), result


def test_to_resume_takes_a_folder(few: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="expected a folder"):
        mt.compare(["relu"], (*few, *few), seeds=1, epochs=1, resume=True)


def started(tmp_path: Path, seeds: int, *options: str) -> subprocess.Popen[str]:
    """A comparison on two processes that has written its first result."""
    command = [sys.executable, "-m", "minitorch_np", "compare", "relu", "tanh", "--jobs", "2"]
    command += ["--seeds", str(seeds), "--rate", "0.1", "--folder", "runs", *options]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        # What runs in the background of a script is deaf to interrupts, and so are its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    results = tmp_path / "runs" / "results.jsonl"
    deadline = time.monotonic() + 120
    while not (results.exists() and results.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def children(parent: int) -> list[int]:
    """The processes that have been started by that one."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def gone(processes: list[int]) -> bool:
    for _ in range(100):
        alive = [pid for pid in processes if Path(f"/proc/{pid}/stat").exists()]
        if not [pid for pid in alive if ") Z " not in Path(f"/proc/{pid}/stat").read_text()]:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here to look into")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    process = started(tmp_path, 500, "--epochs", "1")
    workers = children(process.pid)
    assert len(workers) == 2
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C in a terminal
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -9)
    assert "Traceback" not in said
    assert ("--resume" in said) == (number == signal.SIGINT)
    assert gone(workers)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here to look into")
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    process = started(tmp_path, 4, "--epochs", "4")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    results = (tmp_path / "runs" / "results.jsonl").read_text().splitlines()
    assert len(results) == 8
    assert not any("error" in json.loads(line)["result"] for line in results)


SCRIPT = """
import minitorch_np as mt

class Twice(mt.Activation):
    def value(self, z):
        print("not an answer")
        return 2 * z
    def derivative(self, z, a):
        return 0 * z + 2

{guard}
    layers = [mt.Dense(10), {layer}, mt.Dense(10)]
    found = mt.compare([mt.Configuration("own", layers, 0.1)], seeds=2, epochs=1, jobs=2)
    print(found.summaries["own"].failed)
"""


@pytest.mark.parametrize(
    ("guard", "layer"),
    [
        ("if __name__ == '__main__':", "Twice()"),
        ("if True:", "Twice()"),
        ("if True:", "'relu'"),
    ],
)
def test_scripts_with_processes(guard: str, layer: str, tmp_path: Path) -> None:
    """Only a script that defines layers needs the guard; without it, one line says so."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard=guard, layer=layer))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    if guard == "if True:" and layer == "Twice()":
        assert done.returncode == 1
        assert done.stderr.count("Traceback") == 1
        assert 'put `if __name__ == "__main__":` before the call' in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "0"


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from minitorch_np.experiments import processes

    monkeypatch.setattr(processes, "START", "raise SystemExit(1)")
    arrays: Any = (np.zeros((2, 2), np.float32),) * 4
    refused = pytest.raises(mt.ConfigurationError, match="ended before they were ready")
    with processes.Workers(2, arrays, None) as workers, refused:
        list(workers.run([{"name": "any"}]))


def test_layers_of_no_file_need_one_process() -> None:
    code = SCRIPT.format(guard="if True:", layer="Twice()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "put them into a module, or use jobs=1" in done.stderr


def test_workers_use_one_thread() -> None:
    from minitorch_np.experiments import processes

    script = (
        "import json, os, sys; print('{}', flush=True); sys.stdin.readline(); sys.stdin.readline();"
        "print(json.dumps(dict(os.environ)), flush=True)"
    )
    before = dict(os.environ)
    arrays: Any = (np.zeros((2, 2), np.float32),) * 4
    with pytest.MonkeyPatch.context() as patch, processes.Workers(1, arrays, None) as workers:
        patch.setattr(processes, "START", script)
        ((_, found),) = workers.run([{"name": "any"}])
        assert {found[name] for name in BLAS_THREADS} == {"1"}
    assert dict(os.environ) == before


def test_the_line_of_a_run_that_failed_is_right() -> None:
    task = {"name": "relu", "seed": 1, "rate": 0.1, "tuning": False}
    log._check(task, task | {"error": "DataError: got NaN"})
    for wrong in ({"error": None}, {"error": "it failed", "seed": 2}):
        with pytest.raises(ValueError, match="^$"):
            log._check(task, task | wrong)
