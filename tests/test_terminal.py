"""A person at a terminal: narrow windows, and Ctrl-C before a command has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minitorch_np import text

TABLES = """
import numpy as np
import minitorch_np as mt

blocks = [mt.Residual(mt.Dense(12), "batch_norm", "elu(1.7)", mt.Dense(12)) for _ in range(2)]
model = mt.Sequential(mt.Dense(12, name="a_layer_with_a_long_name"), *blocks, input_shape=6, seed=0)
model.summary()
x, y = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32), np.arange(20) % 12
print(mt.trace(model, mt.SoftmaxCrossEntropy(), x, y).table())
print(mt.diagnose(model, x, y))
print(mt.gradcheck(mt.Dense(3), np.ones((2, 3))))
run = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)", metrics=["accuracy"], seed=0)
run.fit(x, y, validation_data=(x, y), verbose=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", [60, 40])
def test_tables_fit_into_a_narrow_terminal(columns: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns)}
    with subprocess.Popen(
        [sys.executable, "-c", TABLES], stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    lines = shown.decode().replace("\r", "").split("\n")
    assert len(lines) > 40
    assert "  Output shape  (m, 12)" in lines
    assert "  Params        84" in lines
    sentences = ("Total params", "One step with")  # which a terminal may wrap
    wide = [line for line in lines if len(line) > columns and not line.startswith(sentences)]
    assert wide == []


def test_ctrl_c_while_the_command_is_imported_is_no_traceback() -> None:
    program = """
import sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "minitorch_np.cli.train":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from minitorch_np.__main__ import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_while_numpy_is_imported_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "minitorch_np", "train"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_sentences_are_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "terminal_width", lambda: 20)
    sentence = "  a finding: a layer has units that are dead\n\nshort"
    assert text.wrapped(sentence) == (
        "  a finding: a layer\n    has units that\n    are dead\n\nshort"
    )
    monkeypatch.undo()
    assert text.wrapped(sentence) == sentence  # not on a terminal


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        *((0.0, "0.0000"), (1.25, "1.2500"), (0.00012345, "0.000123"), (3e-9, "3e-09")),
        *((326364204361772736.0, "3.26e+17"), (float("nan"), "nan"), (-0.5, "-0.5000")),
    ],
)
def test_numbers_of_a_log_say_something(number: float, shown: str) -> None:
    assert text.decimal(number) == shown


def test_rows_that_are_too_wide_are_wrapped_one_by_one() -> None:
    rows = [
        ["", "chapter", "right"],
        [" 9", "dW1 and db1", "0 of 3"],
        ["10", "the update", "0 of 1"],
    ]
    wide = ["    chapter      right", " 9  dW1 and db1  0 of 3", "10  the update   0 of 1"]
    assert text.listed(rows, 23) == wide
    narrow = ["chapter  right", " 9  dW1 and db1  0 of", "    3", "10  the update  0 of 1"]
    assert text.listed(rows, 22) == narrow
