"""`doctor`: which settings are measured, what is said of the machine, and what is advised."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from minitorch_np.cli import doctor


def test_which_settings_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "kernels_to_try", lambda: ["ZEN"])
    monkeypatch.setattr(sys, "platform", "win32")
    for number, names in ((1, [1]), (2, [1, 2]), (7, [1, 2, 4]), (8, [1, 2, 4, 8])):
        monkeypatch.setattr(doctor, "cores", lambda number=number: number)
        found = list(doctor.settings())
        counts = [f"{n} thread{'s' * (n > 1)}" for n in names]
        assert found == ["as it is", *counts, "1 thread, OPENBLAS_CORETYPE=ZEN"]
    assert doctor.settings()["1 thread, OPENBLAS_CORETYPE=ZEN"]["OPENBLAS_CORETYPE"] == "ZEN"


@pytest.mark.parametrize(
    ("limit", "kernels", "threads", "known", "words"),
    [
        (1.5, "Zen", 1, {"A": "1", "B": "2"},
         ("2 of 9, of which a cgroup leaves 1.5", "blas 0.3, Zen, 1 thread", "A=1 B=2")),
        (None, None, None, {}, ("2 of 9", "blas 0.3, unknown kernels, unknown threads", "nothing")),
        (None, "Zen", 4, {}, ("2 of 9", "blas 0.3, Zen, 4 threads", "nothing")),
    ],
)  # fmt: skip
def test_what_is_in_use(
    limit: float | None, kernels: Any, threads: Any, known: dict[str, str], words: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from minitorch_np.machine import Blas

    for name, value in {
        "blas": Blas("blas", "0.3", kernels, threads), "cgroup_limit": limit, "cores": 2,
        "processor": ("one", frozenset[str]()), "memory_allocator": "glibc 2",
    }.items():  # fmt: skip
        monkeypatch.setattr(doctor, name, lambda value=value: value)
    monkeypatch.setattr(doctor, "best_setting", lambda environment: known)
    monkeypatch.setattr("os.cpu_count", lambda: 9)
    found = doctor.look()
    assert found["processor"] == "one"
    assert found["memory"] == "glibc 2"
    names = ("cores that this process may use", "matrix products", "known to be faster")
    assert tuple(found[name] for name in names) == words


def times(step: float, prediction: float, kernels: str = "a") -> dict[str, Any]:
    return {"step": step, "prediction": prediction, "kernels": kernels, "threads": 1}


@pytest.mark.parametrize(
    ("threads", "kernels", "memory", "advice"),
    [
        ((9.0, 99), (10, 10), (10, 10), ["2 threads"]),  # steps alone count: 90 % are enough
        ((9.1, 1), (10, 10), (10, 10), []),
        ((10, 10), (8.5, 9.5), (10, 10), ["1 thread, OPENBLAS_CORETYPE=ZEN"]),  # both together
        ((10, 10), (8.5, 9.6), (10, 10), []),
        ((10, 10), (10, 10), (99, 9.0), ["1 thread, glibc keeps freed memory"]),  # predictions
        ((10, 10), (10, 10), (1, 9.1), []),
    ],
)
def test_what_is_advised_at_its_limits(
    threads: Any, kernels: Any, memory: Any, advice: list[str]
) -> None:
    found = {
        "as it is": times(10, 10), "1 thread": times(10, 10), "2 threads": times(*threads),
        "1 thread, OPENBLAS_CORETYPE=ZEN": times(*kernels) | {"kernels": "b"},
        "1 thread, glibc keeps freed memory": times(*memory),
    }  # fmt: skip
    assert doctor.advised(found) == advice
    assert doctor.advised({k: v for k, v in found.items() if k != "1 thread"}) == []
    rows = doctor._table({"one": times(1.234, 5), "two": {"error": "x" * 50}})
    assert rows == [
        ["setting", "kernels", "threads", "a step", "a prediction"],
        ["one", "a", "1", "1.23 ms", "5.00 ms"],
        ["two", "can't run", "", "x" * 40, ""],
    ]
