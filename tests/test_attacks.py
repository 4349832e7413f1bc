"""Hostile and damaged files: a part of `benchmarks/attacks`, and runs that are told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks.attack_kinds import KINDS
from benchmarks.attacks import attacks
from benchmarks.settings import OTHER_SETTINGS, run_with
from minitorch_np.io.arrays import read_state, write_state
from minitorch_np.training.fingerprint import describe


@pytest.mark.parametrize("kind", KINDS)
def test_attacks_meet_errors_of_our_own(kind: str, request: pytest.FixtureRequest) -> None:
    if kind in ("image", "onnx"):
        pytest.importorskip({"image": "PIL"}.get(kind, kind))
    count = 25 if request.config.getoption("--whole") else 12
    # Files that expand to megabytes, and how much of them is kept, are for the longer run.
    faults = [o for o in attacks(kind, 0, count, seed=1) if o.fault and " MB" not in o.fault]
    assert not faults


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_other_settings_are_another_run(name: str, tmp_path: Path) -> None:
    draws = [OTHER_SETTINGS[name](np.random.default_rng(seed)) for seed in range(20)]
    first = draws[0]
    same = next(draw for draw in draws[1:] if draw[0] == first[0])
    other = next(draw for draw in draws if draw[0] != first[0])
    run_with(first[1], tmp_path / "run.npz", epochs=1)
    with pytest.raises(mt.ConfigurationError, match="expected the same run.*, now"):
        run_with(other[1], tmp_path / "run.npz", epochs=2, resume=True)
    run_with(same[1], tmp_path / "run.npz", epochs=2, resume=True)


SAME = """
import dataclasses, functools, json
import numpy as np
import minitorch_np as mt
from minitorch_np.training.fingerprint import describe

LEVELS, LIMIT = {"a", "b", "c", "d"}, 3

def inner(x):
    return x if x in {"p", "q", "r", "s"} else LIMIT

def noise(x, rng, scale=0.1):
    "Not a setting."
    return x + scale * rng.normal(size=x.shape) + len(LEVELS) + inner(x)

@dataclasses.dataclass
class Options:
    names: set
    thing: object

class Slow:
    __slots__ = ("k",)
    def __init__(self, k): self.k = k
    @property
    def twice(self): return 2 * self.k

def closure(k):
    table = np.arange(k)
    return lambda x, rng: x + table[0] + k

class Own(mt.ReLU):
    def __init__(self, other): self.kept = other

values = [
    noise, functools.partial(noise, scale=0.3), closure(3), Slow(3), Slow(3).__init__,
    Options({"x", "y", "z"}, object()), mt.schedules.warmup(3, mt.schedules.cosine(0.1, 5)),
    mt.data.Compose(mt.data.Shift(2), mt.data.Rotate(4)), {1: {"e", "f", "g"}},
    mt.Sequential(mt.Dense(3, lambda *a: np.ones(a[1])), Own({"h", "i"}), input_shape=3),
    mt.Adam(0.1), mt.EarlyStopping("loss"), mt.CSVLogger("x"), np.random.default_rng(0),
]
print(json.dumps([describe(value) for value in values]))
"""


def test_descriptions_are_the_same_in_every_process(tmp_path: Path) -> None:
    found = []
    for seed, comment in (("1", ""), ("2", "# moved by two lines\n\n"), ("3", "")):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        (tmp_path / f"{seed}.py").write_text(comment + SAME)
        run = subprocess.run(
            [sys.executable, str(tmp_path / f"{seed}.py")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(run.stdout))
        assert "0x" not in run.stdout
    assert found[0] == found[1] == found[2]


def test_descriptions_tell_functions_apart() -> None:
    limit = 3.0
    globals()["_SCALE"] = 1

    def scaled(x: float, rng: object = None) -> float:
        return x * _SCALE * limit  # type: ignore[name-defined,no-any-return]  # noqa: F821

    first = describe(scaled)
    limit = 4.0
    assert describe(scaled) != first
    limit = 3.0
    assert describe(scaled) == first
    globals()["_SCALE"] = 2
    assert describe(scaled) != first
    texts: list[Any] = [lambda x: x + 1, lambda x: x + 2, lambda x: x - 1, lambda y=1: y + 1]
    assert len({describe(each) for each in texts}) == 4
    loop: list[Any] = [1]
    loop.append(loop)
    assert describe(loop) == "[1, <list>]"


@pytest.mark.parametrize(
    "edit",
    [
        lambda state: state.update(epoch=1),
        lambda state: state["history"]["loss"].__setitem__(0, 9.0),
        lambda state: state["generator"]["state"].update(inc=3),
        lambda state: state["optimizer"].update(steps=1),
    ],
)
def test_edits_by_hand_are_noticed(edit: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run_with({}, path, epochs=2)
    with np.load(path) as archive:
        arrays = dict(archive)
    state = json.loads(str(arrays["checked_state"]))
    edit(state)
    np.savez(path, **arrays | {"checked_state": np.array(json.dumps(state))})
    with pytest.raises(mt.ModelFileError, match="changed after it was written"):
        run_with({}, path, epochs=3, resume=True)
    del arrays["checksum"]
    np.savez(path, **arrays)
    with pytest.raises(mt.ModelFileError, match="KeyError"):
        run_with({}, path, epochs=3, resume=True)


@pytest.mark.parametrize("name", ["minitorch_np", "numpy", "python"])
def test_other_versions_are_warned_of(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run_with({}, path, epochs=1)
    state = read_state(path)
    state["versions"][name] = "0.0.1"
    write_state(path, state)
    with pytest.warns(UserWarning, match="expected the versions that wrote it.*0.0.1"):
        run_with({}, path, epochs=2, resume=True)
