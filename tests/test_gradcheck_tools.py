"""The gradient check as a command, and in the reader's own tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import gradcheck, main
from minitorch_np.gradcheck.cases import CASES
from minitorch_np.gradcheck.registry import AllChecks, components
from minitorch_np.gradcheck.report import GradientCheck
from tests.written import require_written


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["gradcheck", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def covered(result: GradientCheck, subject: str) -> list[str]:
    """What a check compared: each array's size, and how many entries one by one."""
    arrays = [f"{t.name} {t.entries} of {t.size}" for t in result.tensors]
    own = f"{subject}: {', '.join([*arrays, f'{len(result.contracts)} contracts'])}"
    parts = [line for part in result.parts for line in covered(part, part.subject)]
    return [own, *("  " + line for line in parts)]


def test_all_components_are_right(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command checks them, which takes long enough for once."""
    made: list[AllChecks] = []

    def kept(**arguments: Any) -> AllChecks:
        made.append(mt.gradcheck_all(**arguments))
        return made[-1]

    monkeypatch.setattr(gradcheck, "gradcheck_all", kept)
    code, out, _ = run(capsys)
    (checks,) = made
    assert checks, str(checks)
    assert set(checks.results) == {cls.__name__ for cls in components()}
    for results in checks.results.values():
        assert all(result.resolution < 1e-6 for result in results)
    assert code == 0
    assert out.splitlines()[0].split() == [
        "component", "status", "entries", "error/tol", "resolution", "kinks", "broken", "s"
    ]  # fmt: skip
    assert {line.split()[0] for line in out.splitlines()[2:]} == {c.__name__ for c in components()}
    # What was compared. Who changes a case looks there at whether its sizes still differ.
    lines = []
    for cls, cases in CASES.items():
        lines.append(cls.__name__)
        for case, result in zip(cases, checks.results[cls.__name__], strict=True):
            is_loss = isinstance(case.obj, mt.Loss)
            of_one = covered(result, repr(case.obj) if is_loss else result.subject)
            lines += ["  " + line for line in of_one]
    require_written("gradcheck_cases.txt", "\n".join(lines))


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "elu", "--case", "1", "--seed", "3")[0] == 0
    assert run(capsys, "--layers", "dense:5 elu:1.7 dense:3")[0] == 0
    mt.notes_network(seed=0, hidden=3, features=6).save(tmp_path / "m.npz")
    assert run(capsys, "--model", str(tmp_path / "m.npz"), "--exhaustive")[0] == 0
    code, out, _ = run(capsys, "Dense", "--json")
    assert json.loads(out)["components"]["Dense"][0]["status"] == "pass"


WRONG = """
import numpy as np
import minitorch_np as mt

class Swish(mt.Activation):
    def value(self, z):
        return z / (1 + np.exp(-z))

    def derivative(self, z, a):
        s = 1 / (1 + np.exp(-z))
        return {derivative}

class Fine(mt.Activation):
    def value(self, z):
        return z**2

    def derivative(self, z, a):
        return 2 * z
"""


def test_layers_of_ones_own_on_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "my_layers.py"
    path.write_text(WRONG.format(derivative="a + s * (1 - a)"))
    assert run(capsys, "--import", str(path))[0] == 0
    path.write_text(WRONG.format(derivative="2 * (a + s * (1 - a))"))
    code, out, _ = run(capsys, "--import", str(path), "Swish", "Fine")
    assert code == 1
    assert "cause: analytic = numeric * 2" in out
    assert "reproduce: minitorch-np gradcheck Swish --case 0 --seed 0" in out
    for arguments, message in (
        (["Swoosh"], "did you mean Swish?"),
        (["--case", "1"], "expected the name of one component"),
        (["ELU", "--layers", "dense:3"], "got several"),
        (["ELU", "--case", "9"], "expected a number below 2"),
        (["--import", str(tmp_path / "nowhere.py")], "expected a Python file"),
        (["--model", str(tmp_path / "nowhere.npz")], "No such file"),
    ):
        code, _, errors = run(capsys, *arguments)
        assert code == 2
        assert message in errors


OWN_PACKAGE = """
import numpy as np
import minitorch_np as mt

class Square(mt.Activation):
    def value(self, z):
        return z**2

    def derivative(self, z, a):
        return {derivative}

class Scaled(mt.Activation):
    def __init__(self, factor):
        self.factor = factor

    def value(self, z):
        return self.factor * z

    def derivative(self, z, a):
        return np.full_like(z, self.factor)
{cases}
"""


OWN_TESTS = """
import numpy as np
import pytest
from my_layers import Square

def test_one(gradcheck):
    gradcheck(Square(), np.ones((2, 3)))

@pytest.mark.gradcheck_components("my_layers")
def test_all_of_mine(component, gradcheck):
    gradcheck(component)
"""


@pytest.mark.parametrize(
    ("derivative", "cases", "outcome"),
    [
        ("2 * z", False, {"passed": 2, "failed": 1}),  # no cases for Scaled
        ("3 * z", True, {"passed": 1, "failed": 2}),
    ],
)
def test_the_pytest_plugin(tmp_path: Path, derivative: str, cases: bool, outcome: Any) -> None:
    own = "    @classmethod\n    def gradcheck_cases(cls):\n        return [cls(1.5)]\n"
    text = OWN_PACKAGE.format(derivative=derivative, cases=own if cases else "")
    (tmp_path / "my_layers.py").write_text(text)
    (tmp_path / "test_mine.py").write_text(OWN_TESTS)
    installed = "minitorch-np" in {entry.name for entry in metadata.entry_points(group="pytest11")}
    plugin = [] if installed else ["-p", "minitorch_np.gradcheck.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugin],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for word, number in outcome.items():
        assert f"{number} {word}" in done.stdout, done.stdout
    if not cases:
        assert "expected cases for Scaled, found none" in done.stdout


def test_functions_of_one_name_in_two_files_are_two_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file, derivative in (("one.py", "3 * x"), ("two.py", "2 * x")):
        text = f"def f(x):\n    return x * x\n\n\ndef f_derivative(x):\n    return {derivative}\n"
        (tmp_path / file).write_text(text)
    names = [f"{tmp_path / file}:f" for file in ("one.py", "two.py")]
    assert main(["gradcheck", *names]) == 1  # the first is wrong, whatever comes after it
    out = capsys.readouterr().out
    assert "two.py:f" in out
    assert "2 * x" in out or "numeric" in out


untyped: Any = mt


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: untyped.gradcheck_all(modes="auto"), "did you mean mode?"),
        (lambda: untyped.gradcheck_function(np.sin, np.cos, sead=0), "did you mean seed?"),
        (lambda: untyped.gradcheck_function(np.sin), "expected gradcheck_function(f, df, "),
        (lambda: untyped.gradcheck_torch(None, sead=1), "did you mean seed?"),
        (lambda: untyped.gradcheck_jax(), "expected gradcheck_jax(f"),
        (lambda: untyped.check_step(None, None, None, step=2), "did you mean steps?"),
        (lambda: untyped.hessian_vector_product(), "expected hessian_vector_product("),
    ],
)
def test_wrong_arguments_are_answered_with_the_right_ones(call: Any, said: str) -> None:
    with pytest.raises(mt.errors.ArgumentError, match=re.escape(said)):
        call()
