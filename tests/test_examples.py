"""Every example runs and says what it promises; the code on the pages runs as it stands there."""

import ast
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Two BLAS threads on a busy machine wait for each other for ages.
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# What the last line of each example has to look like.
ENDINGS = {
    "notes_network": r"It reads \d, with probability \d\.\d\d\.",
    "notes_step_by_step": r"relu \+ softmax: test accuracy 0\.8\d\d",
    "custom_activation": r"ReLU\(\)\s+test accuracy 0\.[89]\d\d",
    "gradcheck_tour": r"found: True",
    "mlp": r"test accuracy 0\.9\d\d, F1 0\.9\d\d",
    "lenet5": r"test accuracy 0\.9\d\d\d",
    "autoencoder": r"mean squared error 0\.0[12]\d\d; of the mean image instead 0\.0\d\d\d",
    "regression": r"distance from the curve: squares 0\.[5-9]\d, Huber 0\.[01]\d",
    "residual_block": r"test accuracy: with the way around 0\.[789]\d\d, without 0\.[0-5]\d\d",
    "weight_sharing": r"shared: 26,506 parameters, 0\.\d+; of their own: 28,618 parameters, 0\.\d+",
    "compare_activations": r"in short: .*gelu, Adam.*, sigmoid\+sigmoid",
    "optuna_search": r"best: accuracy 0\.[89]\d\d with \{.*\}; [1-9]\d? of 15 pruned",
    "own_logger": r"test accuracy 0\.[89]\d\d",
    "addition": r"right sums of new problems: [01]\.\d\d\d",
    "time_series": r"test accuracy: GRU 0\.[2-9]\d\d, Conv1D 0\.[2-9]\d\d",
    "names": r"not in the list: \d\d? of 20",
    "tiny_gpt": r"a window of the text, by heart: \d\d?% right",
    "two_inputs": r"mean error of the rent: with the district 2\d, without 1[0-3]\d",
    "vae": r"bound on the log likelihood of a test digit: -1\d\d\.\d",
    "custom_layer": r"the saved and loaded model gives the same outputs: True",
}


NEEDS = {
    "optuna_search": "optuna",
    "notes_step_by_step": "matplotlib",
    "time_series": "mnist1d",
}
"""What an example needs beyond the package."""

SHORT = {
    "addition": "1", "time_series": "1", "names": "4", "tiny_gpt": "8", "vae": "1",
    "compare_activations": "2",
}  # fmt: skip
"""How many epochs, steps or seeds show that an example runs; by itself it makes more."""

FEWER = {
    "lenet5": r"test accuracy 0\.[789]\d\d\d",
    "mlp": r"test accuracy 0\.[89]\d\d, F1 0\.[89]\d\d",
    "autoencoder": r"mean squared error 0\.0[123]\d\d; of the mean image instead 0\.0[5-9]\d\d",
    "notes_step_by_step": ENDINGS["notes_step_by_step"],
    "compare_activations": ENDINGS["compare_activations"],
    "gradcheck_tour": ENDINGS["gradcheck_tour"],
    "weight_sharing": ENDINGS["weight_sharing"],
}
"""How examples end that are given a fifth of the digits, except with --whole."""

ONE_FIFTH = """
import runpy, sys
import minitorch_np as mt
from minitorch_np.gradcheck import registry

digits, components = mt.data.load_mnist(), registry.components
part = mt.data.Digits(digits.train.take(slice(2000)), digits.test.take(slice(500)))
mt.data.load_mnist = lambda folder=None: part
registry.components = lambda package="minitorch_np": components(package)[::5]
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script with a fifth of the digits, in which `gradcheck_all` checks a fifth of all."""


def test_every_example_is_run() -> None:
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"__init__"}
    assert scripts == set(ENDINGS)


Run = Callable[..., str]


@pytest.fixture(scope="module")
def output() -> Iterator[Run]:
    """`output(folder, code, *argv)`: what Python prints when it runs a script in a folder, or code
    that is given the script, warnings being errors.
    """
    if not hasattr(os, "fork"):
        yield in_a_new_process
        return
    command = [sys.executable, "-W", "error", "-m", "tests.fork_server"]
    server = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ONE_THREAD
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def run(folder: Path, code: str | None, *script: str) -> str:
        assert server.stdin is not None
        assert server.stdout is not None
        out, err = folder / "printed", folder / "errors"
        argv = script if code is None else ("-c", *script)
        job = {"folder": str(folder), "code": code, "argv": argv, "out": str(out), "err": str(err)}
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        assert server.stdout.readline() == "0\n", err.read_text()
        return out.read_text()

    yield run
    server.stdin.close()
    server.wait()
    server.stdout.close()


def in_a_new_process(folder: Path, code: str | None, *script: str) -> str:
    command = [sys.executable, "-W", "error", *([] if code is None else ["-c", code]), *script]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, env=ONE_THREAD
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--whole"))


@pytest.mark.parametrize("name", ENDINGS)
def test_example(name: str, whole: bool, output: Run, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    script, ending, code = [str(ROOT / "examples" / f"{name}.py")], ENDINGS[name], None
    if name in SHORT:
        script.append(SHORT[name])
    if name in FEWER and not whole:
        code, ending = ONE_FIFTH, FEWER[name]
    run = in_a_new_process if name == "notes_network" else output
    printed = run(tmp_path, code, *script)
    assert re.fullmatch(ending, printed.strip().splitlines()[-1]), printed


def test_the_notes_open_as_a_notebook_with_a_picture_for_each_equation() -> None:
    text = (ROOT / "examples" / "notes_step_by_step.py").read_text()
    assert text.startswith("# %% [markdown]\n")
    cells = re.split(r"^# %%", text, flags=re.M)[1:]
    pictures, equations = 0, 0
    for cell, after in itertools.pairwise([*cells, ""]):
        kind, _, body = cell.partition("\n")
        if kind == " [markdown]":
            assert all(not line or line[0] == "#" for line in body.splitlines()), cell
            if "$$" in body:
                equations += 1
                assert not after.startswith(" [markdown]"), cell
            continue
        assert kind == ""
        last = ast.parse(body).body[-1]
        if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
            pictures += ast.unparse(last.value.func) not in ("print", "model.summary")
    assert equations >= 9
    assert pictures == 17
    for symbol in (
        "A^{[0]} = X",
        "Z^{[1]} =",
        "Z^{[2]} =",
        "dZ^{[2]} =",
        "dW^{[1]} =",
        "db^{[1]} =",
    ):
        assert symbol in text


PAGES = [ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md"))]
BLOCKS = [
    (f"{page.stem}-{number}", block)
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S))
]


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_the_code_on_the_pages_runs(
    name: str, block: str, whole: bool, output: Run, tmp_path: Path
) -> None:
    (tmp_path / "block.py").write_text(block)
    output(tmp_path, None if whole else ONE_FIFTH, "block.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text):
        assert (ROOT / path).exists() or (ROOT / "minitorch_np" / path).exists(), path
