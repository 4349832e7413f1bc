"""What the machine is, which settings are known to be faster, and what `doctor` says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minitorch_np import machine
from minitorch_np.cli import doctor, main, threads
from minitorch_np.experiments.step_time import measured
from tests.commands import run


def group(tmp_path: Path, lines: str, files: dict[str, str]) -> float | None:
    """The limit that cgroups set, where the system says this of them."""
    process, groups = tmp_path / "process", tmp_path / "groups"
    process.mkdir()
    (process / "cgroup").write_text(lines)
    for name, text in files.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return machine.cgroup_limit(str(process), str(groups))


V1 = "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/\n"


@pytest.mark.parametrize(
    ("lines", "files", "limit"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/../..\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("", {}, None),
        ("0::/a\n", {"a/cpu.max": "nonsense\n"}, None),
        (
            V1,
            {
                "cpu/docker/x/cpu.cfs_quota_us": "300000\n",
                "cpu/docker/x/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            V1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_limits_of_cgroups(
    tmp_path: Path, lines: str, files: dict[str, str], limit: float | None
) -> None:
    assert group(tmp_path, lines, files) == limit


def test_cores_are_those_of_affinity_and_of_the_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group(tmp_path, "0::/a\n", {"a/cpu.max": "250000 100000\n"})
    places = str(tmp_path / "process"), str(tmp_path / "groups")
    for own, found in ((8, 2), (1, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, own=own: range(own), raising=False)
        assert machine.cores(*places) == found
        assert machine.cores("/nowhere", "/nowhere") == own


def pretend(monkeypatch: pytest.MonkeyPatch, features: set[str], kernels: str | None) -> None:
    """A machine with this processor, and these kernels chosen by OpenBLAS."""
    monkeypatch.setattr(machine, "processor", lambda: ("one", frozenset(features)))
    monkeypatch.setattr(machine, "_openblas", lambda: kernels and object())
    monkeypatch.setattr(machine, "blas", lambda: machine.Blas("openblas", "0.3", kernels, 1))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_the_best_known_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {"avx2", "fma", *machine.AVX512}
    pretend(monkeypatch, wide, "Haswell")
    assert machine.best_setting({}) == {"OPENBLAS_CORETYPE": "SKYLAKEX"}
    assert machine.best_setting({"OPENBLAS_CORETYPE": "HASWELL"}) == {}  # the user's
    assert machine.kernels_to_try() == ["HASWELL", "ZEN", "SKYLAKEX"]
    pretend(monkeypatch, {"avx2", "fma"}, "Haswell")
    assert machine.kernels_to_try() == ["HASWELL", "ZEN"]  # it has just what they need
    for features, kernels in (
        (wide, "SkylakeX"),
        (wide, "Cooperlake"),
        (wide - {"avx512vl"}, "Haswell"),  # it would be killed by an instruction that it lacks
        ({"avx2", "fma"}, "Haswell"),
        (wide, None),  # another library
    ):
        pretend(monkeypatch, features, kernels)
        assert machine.best_setting({}) == {}


def test_commands_start_again_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(
        os, "execve", lambda _path, _words, environment: started.append(environment)
    )
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.delitem(sys.modules, "mpi4py", raising=False)
    for name in machine.threads_setting(1):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(threads, "best_setting", lambda: {})
    threads.pin_threads(1, verbose=True)
    assert not started  # all is as it has to be
    monkeypatch.setattr(threads, "best_setting", lambda: {"OPENBLAS_CORETYPE": "SKYLAKEX"})
    threads.pin_threads(None)
    assert not started
    threads.pin_threads(1, verbose=True)
    assert started[0]["OPENBLAS_CORETYPE"] == "SKYLAKEX"
    assert "OPENBLAS_CORETYPE=SKYLAKEX" in capsys.readouterr().err


def test_openblas_says_what_it_was_told() -> None:
    if "HASWELL" not in machine.kernels_to_try():
        pytest.skip("no OpenBLAS, or a processor without AVX2")
    code = "from minitorch_np.machine import blas; print(blas().kernels, blas().threads)"
    told = {"OPENBLAS_CORETYPE": "HASWELL", **machine.threads_setting(1)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["Haswell", "1"], done.stderr


def test_settings_are_measured_in_processes() -> None:
    """Each with its own; one that ends its process is no more than that."""
    todo = {"one": machine.threads_setting(1), "broken": {"PYTHONHASHSEED": "nonsense"}}
    times = dict(measured(todo, 1))
    assert times["one"]["threads"] in (1, None)
    assert 0 < times["one"]["step"] < 10_000
    assert 0 < times["one"]["prediction"] < 100_000
    assert times["broken"]["error"]


def time_of(step: float, prediction: float, kernels: str = "Haswell") -> dict[str, Any]:
    return {"step": step, "prediction": prediction, "kernels": kernels, "threads": 1}


def test_what_helps_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "kernels_to_try", lambda: ["ZEN", "SKYLAKEX"])
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    skylake, zen = (f"1 thread, OPENBLAS_CORETYPE={name}" for name in ("SKYLAKEX", "ZEN"))
    glibc = "1 thread, glibc keeps freed memory"
    times = {
        "as it is": time_of(6.0, 40),
        "1 thread": time_of(4.8, 50),
        "2 threads": time_of(6.1, 40),
        skylake: time_of(3.3, 41, "SkylakeX"),
        zen: time_of(2.0, 40),  # the same kernels: it was noise
        glibc: time_of(4.8, 40),
    }
    names = list(doctor.settings())
    kept = [name for name in names if "glibc" not in name]
    assert kept == ["as it is", "1 thread", "2 threads", zen, skylake]
    assert doctor.advised(times) == ["1 thread", skylake, glibc]
    if sys.platform == "linux":
        said = "\n".join(doctor._said(times, doctor.advised(times)))
        gain = "# step 4.80 -> 3.30 ms, prediction 50.00 -> 41.00 ms (1 thread)"
        assert f"export OPENBLAS_CORETYPE=SKYLAKEX\n  {gain}" in said
        assert "OPENBLAS_NUM_THREADS=1" in said
        assert "prediction 50.00 -> 40.00 ms" in said
    times[skylake] = time_of(4.6, 38, "SkylakeX")  # Haswell forced: predictions gain, steps do not
    assert skylake in doctor.advised(times)
    times[skylake] = time_of(4.7, 46, "SkylakeX")
    assert skylake not in doctor.advised(times)
    times[skylake] = {"error": "ended by signal 4"}
    times["1 thread"] = time_of(5.9, 40.5)
    assert doctor.advised(times) == []
    assert "No other setting was faster" in doctor._said(times, [])[0]
    assert "can't run" in str(doctor._table(times))


def test_doctor_measures_what_helps_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, dict[str, str]] = {}

    def measured(names: dict[str, dict[str, str]], rounds: int) -> Any:
        assert rounds == 4
        asked.update(names)
        for name in names:
            yield name, time_of(4.0, 40) if name == "1 thread" else time_of(6.0, 40)

    monkeypatch.setattr(doctor, "measured", measured)
    monkeypatch.setattr(doctor, "kernels_to_try", list)
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    assert main(["doctor", "--rounds", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["advice"] == ["1 thread"]
    assert list(found["times"]) == list(asked)
    assert list(asked)[-1] == "all recommended"
    assert asked["all recommended"] == asked["1 thread"]
    assert main(["doctor", "--rounds", "4"]) == 0
    said = capsys.readouterr().out
    assert "processor:" in said
    assert "all recommended" in said
    assert "# step 6.00 -> 4.00 ms, prediction 40.00 -> 40.00 ms (as it is)" in said


def test_doctor_says_what_is_in_use(tmp_path: Path) -> None:
    done = run("doctor", "--no-measuring", cwd=tmp_path)
    assert done.returncode == 0
    for words in ("processor:", "cores that this process may use:", "matrix products:", "memory:"):
        assert words in done.stdout
    found = json.loads(run("doctor", "--no-measuring", "--json", cwd=tmp_path).stdout)
    assert found["cores that this process may use"].startswith(f"{machine.cores()} of ")
