"""`minitorch-np learn`: the folder, the answers, bad input, a class.

All of the learners' functions are tried by `python -m benchmarks.learn`, or with --whole; a run has
a sample of them, those that end, loop or raise in particular, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minitorch_np.learn.answer import PASSED, Answer, answer_of, judged
from minitorch_np.learn.check import check_file
from minitorch_np.learn.child import run_job
from minitorch_np.learn.folder import PROGRESS
from minitorch_np.learn.outcome import from_json
from minitorch_np.learn.process import Limits, Ran, run_chapter
from minitorch_np.learn.task import FILES, chapter
from tests.commands import Done, run
from tests.material.learners import Written, hand_in, solved, written
from tests.sampling import every

WRONG, RIGHT = written("wrong"), written("right")
LIMITS = Limits(seconds=2)


def id_of(one: Written) -> str:
    return one.id


def in_this_process(
    path: Path, tasks: list[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Ran] | str:
    """What functions do, without a process of their own, which is quick; not for what loops."""
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    job = {"chapter": path.stem, "file": str(path), "tasks": tasks}
    run_job(job, lambda **answer: answers.append(answer), lambda begin: None)
    if answers[0]["imported"]:
        return str(answers[0]["imported"])
    names = ("refused", "second", "printed", "lines")
    return {
        answer["task"]: Ran(
            [from_json(json.loads(json.dumps(outcome))) for outcome in answer["outcomes"]],
            *(answer[name] for name in names),
        )
        for answer in answers[1:]
    }


def answer_to(one: Written, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """The answer to one function of a learner's."""
    about = chapter(one.file)
    solved(folder)
    ran = in_this_process(hand_in(one, folder), [one.name], monkeypatch)
    assert not isinstance(ran, str), ran
    return judged(about, next(t for t in about.tasks if t.name == one.name), ran[one.name])


QUICK = [one for one in WRONG if "endless loop" not in one.said]


def test_there_are_enough() -> None:
    assert len(WRONG) >= 200
    assert len(RIGHT) >= 60
    assert {one.file for one in WRONG} == set(FILES) == {one.file for one in RIGHT}


@pytest.mark.parametrize("one", every(13, QUICK, id_of))
def test_mistakes_are_named(one: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_to(one, tmp_path, monkeypatch)
    assert answer.status == "wrong"
    if one.id not in UNNAMED:
        assert re.search(one.said, f"{answer.mistake} {answer.known}"), answer


UNNAMED = {
    "ch05-cross_entropy-exchanged",  # with a number of the learner's own in the logarithm
    "ch10-update-exchanged",  # cut to shape, which no mistake of ours is
}


@pytest.mark.parametrize("one", every(8, RIGHT, id_of))
def test_right_in_another_way_passes(
    one: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answer_to(one, tmp_path, monkeypatch)
    assert answer.status == PASSED, answer


BODY = "    return ...  # write this\n"


def begun(folder: Path, file: str, *bodies: str) -> Path:
    """A folder as `start` makes it, with bodies for the first functions of a chapter."""
    assert run("learn", "start", folder, cwd=folder.parent).returncode == 0
    path = folder / f"{file}.py"
    text = path.read_text()
    for body in bodies:
        text = text.replace(BODY, body, 1)
    path.write_text(text)
    return path


def check(folder: Path, *arguments: object) -> Done:
    return run("learn", "check", *arguments, "--dir", folder, "--seconds", 2, cwd=folder.parent)


def test_from_a_blank_file_to_the_solution(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    path = begun(folder, "ch07_second_layer")
    assert len(list(folder.glob("ch*.py"))) == len(FILES)
    empty = check(folder)
    assert empty.returncode == 1
    assert "ch07_second_layer" in empty.stdout
    assert "2/2" not in empty.stdout
    assert run("learn", "show", 7, "--dir", folder, cwd=tmp_path).returncode == 2
    path.write_text(path.read_text().replace(BODY, "    return dZ2 @ A1.T\n", 1))
    wrong = check(folder, 7)
    assert wrong.returncode == 1
    assert "weight_gradient: the 1/m is missing" in wrong.stdout
    assert "expected [[" in wrong.stdout
    assert "to do  bias_gradient" in wrong.stdout
    hints = [run("learn", "hint", 7, "--dir", folder, cwd=tmp_path).stdout for _ in range(3)]
    assert "hint 1 of 2" in hints[0]
    assert "hint 2 of 2" in hints[1]
    assert "no more hints" in hints[2]
    shown = run("learn", "show", 7, "--dir", folder, cwd=tmp_path)
    assert "return dZ2 @ A1.T / m" in shown.stdout
    solution = re.findall(r"    m = .*\n    return .*\n?", shown.stdout + "\n")
    text = path.read_text().replace("    return dZ2 @ A1.T\n", solution[0])
    path.write_text(text.replace(BODY, solution[1]))
    assert check(folder, "second_layer").returncode == 0
    listed = run("learn", "--dir", folder, "--json", cwd=tmp_path)
    chapters = json.loads(listed.stdout)["chapters"]
    assert [c["right"] for c in chapters if c["file"] == "ch07_second_layer"] == [2]


def test_what_was_written_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    path = begun(folder, "ch04_softmax", "    return Z\n")
    before = path.read_text()
    (folder / "ch05_loss.py").unlink()
    again = run("learn", "start", folder, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["written"] == ["ch05_loss.py"]
    assert path.read_text() == before


def test_an_older_text_is_kept_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    path = begun(folder, "ch04_softmax")
    state = json.loads((folder / PROGRESS).read_text())
    state["handed_out"]["ch04_softmax"] = "0" * 64
    (folder / PROGRESS).write_text(json.dumps(state))
    before = path.read_text()
    again = run("learn", "start", folder, cwd=tmp_path)
    assert "ch04_softmax.py is kept, and this version has a newer text" in again.stdout
    assert path.read_text() == before


BODIES = {
    "    return relu(Z)\n": "calls itself endlessly",
    "    import sys\n    sys.exit(3)\n": "ends the program",
    "    return open('train.csv').read()\n": "FileNotFoundError.*No chapter needs a file",
    "    return input('Z? ')\n": "no keyboard",
    "    return np.zeros((3000000, 3000000))\n": "far too large",
    "    for i in range(3000):\n        print('line', i)\n    return Z\n": (
        r"it printed \(the first 5 of \d+ lines\)"
    ),
    "    return 'probabilities'\n": "returns the text",
    "    return Z.astype(complex)\n": "dtype complex",
    "    return np.exp\n": "not called",
    "    return (Z, Z)\n": "tuple of 2",
    "    return np.exp(Z) / summ(np.exp(Z))\n": "NameError.*summ",
    "    return np.ones((2, 3)) @ np.ones((2, 3))\n": "needs the inner sizes to be equal",
    "    return Z[100]\n": "IndexError",
    "    return [[1], [1, 2]]\n": "a list of 2",
    "    raise NotImplementedError('later')\n": "to do",
    "    Z[...] = 0\n    return 1 / (1 + np.exp(Z))\n": "changes its argument Z",
}


@pytest.mark.parametrize("first", [0, 8])
def test_functions_that_do_something_else_are_answered(first: int, tmp_path: Path) -> None:
    bodies = list(BODIES)[first : first + 8]
    path = begun(tmp_path / "mine", "ch03_activations", *bodies)
    about = chapter("ch03_activations")
    answer = answer_of(about, run_chapter(about, path, LIMITS))
    for body, function in zip(bodies, answer.functions, strict=True):
        assert function.status != PASSED
        assert re.search(BODIES[body], str(function), re.DOTALL), function


def test_functions_that_end_the_process_take_nothing_with_them(tmp_path: Path) -> None:
    path = begun(
        tmp_path / "mine", "ch06_output_error",
        "    import os\n    os.write(1, b'not an answer')\n    return -Y / A2\n",
        "    import os\n    os._exit(3)\n",
        "    import time\n    try:\n        while True:\n            time.sleep(0.01)\n"
        "    except BaseException:\n        return A2\n",
    )  # fmt: skip
    about = chapter("ch06_output_error")
    answer = answer_of(about, run_chapter(about, path, LIMITS))
    right, leaves, loops = answer.functions
    assert right.status == PASSED
    assert "exit code 3" in str(leaves)
    assert re.search(r"not ended after 2 seconds: it was in line \d+.*time.sleep", str(loops))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import math\ndef softmax(Z)\n    return Z\n", r"line 2.*\n.*def softmax\(Z\)\n +\^"),
        ("def softmax(Z, axis):\n    return Z\n", r"expected softmax\(Z\), got soft"),
        ("def soft_max(Z):\n    return Z\n", "no function softmax; did you mean soft_max"),
        ("softmax = 3\n", "expected softmax to be a function, got int"),
        ("import nothing_such\n", "line 1: import nothing_such\n.*ModuleNotFoundError"),
        ("raise SystemExit\n", "ends the program"),
        ("x = '\0'\n", "null"),
        ("\ufeffdef softmax(Z):\n    return ...\n", "to do"),
        ("", "no function softmax"),
    ],
)
def test_a_file_that_is_not_a_chapter_is_answered(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ch04_softmax.py"
    path.write_text(text, encoding="utf-8")
    answer = answer_of(chapter("ch04_softmax"), in_this_process(path, ["softmax"], monkeypatch))
    assert not answer.passed
    assert re.search(said, str(answer), re.DOTALL), answer


@pytest.mark.parametrize(
    ("file", "name", "code", "said"),
    [
        ("ch17_own_layer", "MyDense", "    def forward(self, x, **_):\n        return x\n",
         "from forward an array of shape .*, not two results: the outputs and the cache"),
        ("ch17_own_layer", "MyDense", "    def backward(self, dy, x):\n        return dy, {}\n",
         "from backward no dictionary with the gradients 'weight' and 'bias'"),
        ("ch18_own_loss", "MyCrossEntropy", "    def forward(self, s, t):\n        return 1.0\n",
         "from forward a float, not two results: the loss and the cache"),
        ("ch12_batches", "batches", "def batches(X, Y, n, rng):\n    return X, Y\n",
         "a list of something else than pairs"),
        ("ch12_batches", "batches", "def batches(X, Y, n, rng):\n    pass\n", "returns nothing"),
        ("ch06_output_error", "output_error",
         "def output_error(A2, Y):\n    d = A2 - Y\n    d[0] = 7\n    return d\n",
         "wrong at index 0 of axis 0 of the result"),
        ("ch12_batches", "batches", "def batches(X, Y, n, rng):\n    return X\n",
         "an array of shape .*, not a list of pairs"),
        ("ch17_own_layer", "MyDense", "    pass\nclass MyDense:\n    def __init__(self, u): 1\n",
         "AttributeError"),
    ],
)  # fmt: skip
def test_what_a_class_returns_is_answered(
    file: str, name: str, code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved(tmp_path)
    path = tmp_path / f"{file}.py"
    base = "" if code.startswith("def") else f"\n\nclass {name}({name}):\n"
    path.write_text(f"{path.read_text()}{base}\n{code}")
    ran = in_this_process(path, [name], monkeypatch)
    assert not isinstance(ran, str)
    task = next(task for task in chapter(file).tasks if task.name == name)
    answer = judged(chapter(file), task, ran[name])
    assert answer.status == "wrong"
    assert re.search(said, answer.known), answer


def test_a_file_that_loops_when_it_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "ch04_softmax.py"
    path.write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    about = chapter("ch04_softmax")
    answer = answer_of(about, run_chapter(about, path, LIMITS))
    assert re.search("not ended after 2 seconds: it was in line [23]", answer.problem)


def test_a_chapter_says_which_earlier_one_is_wrong(tmp_path: Path) -> None:
    solved(tmp_path)
    before, path = tmp_path / "ch05_loss.py", tmp_path / "ch06_output_error.py"
    before.write_text(before.read_text().replace("axis=0", "axis=1"))
    text = path.read_text().replace("return A2 - Y", "return accuracy(A2, Y)")
    path.write_text(f"from ch05_loss import accuracy\n{text}")
    answer = check_file(tmp_path, "output_error")
    assert answer.uses == ["ch05_loss"]
    assert "correct that first" in str(answer)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "4"), "with files such as ch01_data.py"),
        (("check", "softmx", "--dir", "mine"), "did you mean softmax"),
        (("check", "99", "--dir", "mine"), "expected a chapter from 1 to 20"),
        (("hint", "--dir", "mine"), "expected a chapter"),
        (("hint", "4", "relu", "--dir", "mine"), "expected a function of ch04_softmax"),
        (("start", "taken"), "has other files in it"),
        (("start", "taken/notes.txt"), "got a file"),
        (("check", "--class", "nowhere"), "folder that contains the learners' folders"),
        (("check", "--class", "mine"), "leave --class out"),
        (("list", "--class", "mine"), "expected the action check"),
        (("chek",), "did you mean check"),
    ],
)
def test_bad_use_is_explained(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    begun(tmp_path / "mine", "ch04_softmax")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    done = run("learn", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_missing_chapter_and_a_damaged_progress_file(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    begun(folder, "ch04_softmax").unlink()
    assert "ch04_softmax.py is missing" in check(folder, 4).stdout
    for content, said in (("{", "damaged"), ('{"format": 99}', "of a newer minitorch_np")):
        (folder / PROGRESS).write_text(content)
        done = check(folder, 4)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_class_in_one_call(tmp_path: Path) -> None:
    begun(tmp_path / "anna", "ch04_softmax", "    return np.exp(Z) / np.exp(Z).sum(axis=0)\n")
    begun(tmp_path / "ben", "ch04_softmax", "    import os\n    os._exit(0)\n")
    solved(tmp_path / "cleo")
    (tmp_path / "no_learner").mkdir()
    done = run("learn", "check", 4, "--class", ".", "--jobs", 2, "--seconds", 2, cwd=tmp_path)
    assert done.returncode == 1
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows == [
        ["learner", "ch04", "right"],
        ["anna", "0/1", "0/1"],
        ["ben", "0/1", "0/1"],
        ["cleo", "1/1", "1/1"],
    ]
    done = run("learn", "check", 4, "--class", ".", "--json", "--seconds", 2, cwd=tmp_path)
    learners = json.loads(done.stdout)["learners"]
    assert "maximum is not subtracted" in learners["anna"][0]["functions"][0]["mistake"]
    assert learners["cleo"][0]["passed"] is True


def test_chapters_are_tests_for_pytest(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    begun(folder, "ch04_softmax")
    solved(folder)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=r.xml",
         "-k", "ch04 or ch10"],
        cwd=folder, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert 'tests="2"' in (folder / "r.xml").read_text()


def test_answers_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    begun(folder, "ch04_softmax", "    return np.exp(Z) / np.exp(Z).sum(axis=1)\n")
    done = check(folder, 4, "--json")
    (found,) = json.loads(done.stdout)["chapters"]
    assert found["right"] == 0
    assert found["functions"][0]["status"] == "wrong"
