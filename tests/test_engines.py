"""The same comparison on two real Dask workers, and on the ranks of a real MPI job."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

ARGUMENTS = ["relu", "sigmoid", "--seeds", "2", "--epochs", "1", "--rate", "0.1", "--json"]
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def runs(text: str) -> list[tuple[str, int, float, float]]:
    """The numbers of all runs."""
    return [(r["name"], r["seed"], r["accuracy"], r["loss"]) for r in json.loads(text)["runs"]]


@pytest.fixture(scope="module")
def expected() -> list[tuple[str, int, float, float]]:
    command = [sys.executable, "-m", "minitorch_np", "compare", *ARGUMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return runs(done.stdout)


def check_data_is_sent_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To each worker, and through no disk that all of them would have to see."""
    scatter, sent = client.scatter, list[Any]()

    def counted(*given: Any, **options: Any) -> Any:
        sent.append((given, options))
        return scatter(*given, **options)

    def no_folder(*_: object, **__: object) -> None:
        raise AssertionError("a folder was made")

    monkeypatch.setattr(client, "scatter", counted)
    monkeypatch.setattr("tempfile.TemporaryDirectory", no_folder)
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    given: dict[str, Any] = {"seeds": 2, "epochs": 1, "learning_rates": [0.1]}
    data = (x, y, x[:20], y[:20])
    found = mt.compare(["relu", "tanh"], data, executor=client.get_executor(pure=False), **given)
    assert len(sent) == 1
    assert sent[0][1]["broadcast"]
    here = mt.compare(["relu", "tanh"], data, **given)
    assert runs(json.dumps(found.to_dict())) == runs(json.dumps(here.to_dict()))


def test_dask_workers(expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        quiet = subprocess.DEVNULL
        processes.append(
            subprocess.Popen(command, cwd=tmp_path, env=ONE_THREAD, stdout=quiet, stderr=quiet)
        )

    file = str(tmp_path / "scheduler.json")
    worker = ("distributed.cli.dask_worker", "--scheduler-file", file, "--nthreads", "1")
    scheduler = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
    try:
        start("distributed.cli.dask_scheduler", *scheduler)
        start(*worker, "--no-dashboard")
        start(*worker, "--no-dashboard")
        cluster: Any = importlib.import_module("distributed")
        with cluster.Client(scheduler_file=file, timeout="30s") as client:
            client.wait_for_workers(2, timeout=30)
            check_data_is_sent_once(client, monkeypatch)
        address = json.loads(Path(file).read_text())["address"]
        command = [sys.executable, "-m", "minitorch_np", "compare", *ARGUMENTS, "--dask", address]
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    assert done.returncode == 0, done.stderr
    assert runs(done.stdout) == expected


def test_mpi_ranks(expected: Any) -> None:
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec here")
    pytest.importorskip("mpi4py.MPI", reason="mpi4py is not installed", exc_type=ImportError)
    command = ["mpiexec", "-n", "3"]
    if "Open" in subprocess.run(["mpiexec", "--version"], capture_output=True, text=True).stdout:
        command += ["--oversubscribe", "--allow-run-as-root"]
    command += [sys.executable, "-m", "mpi4py.futures", "-m", "minitorch_np", "compare"]
    done = subprocess.run(
        [*command, *ARGUMENTS, "--mpi"], capture_output=True, text=True, env=ONE_THREAD, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert runs(done.stdout) == expected


def test_a_scheduler_that_is_not_there() -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    command = [sys.executable, "-m", "minitorch_np", "compare", *ARGUMENTS]
    done = subprocess.run([*command, "--dask", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "tcp://host:8786" in done.stderr
    both = subprocess.run([*command, "--mpi", "--jobs", "2"], capture_output=True, text=True)
    assert both.returncode == 2
    assert "expected one of them" in both.stderr
