"""How a learner's results are taken, told and sent; how processes end; what a folder keeps."""

from __future__ import annotations

import collections
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.learn import answer as answering
from minitorch_np.learn import child, folder, handout, naming, process
from minitorch_np.learn.answer import PASSED, UNWRITTEN, Answer, ChapterAnswer
from minitorch_np.learn.inputs import CASES, RANDOM, ZEROS
from minitorch_np.learn.naming import FITS, NEARLY, Evidence, same
from minitorch_np.learn.outcome import Outcome, as_numbers, from_json, outcome_of, to_json
from minitorch_np.learn.process import Limits
from minitorch_np.learn.task import FILES, chapter, chapter_named

# Results


@pytest.mark.parametrize(
    ("result", "outputs", "names", "problem"),
    [
        (np.ones(2), (), [""], ""),
        (3, (), [""], ""),
        (True, (), [""], ""),
        ([1, 2], (), [""], "a list of 2, not an array"),
        (((1, 2), (3, 4)), (), [""], "a tuple of 2, not an array"),
        ([[1], [2, 3]], (), [], "a list of 2"),
        (["a"], (), [], "a list of 1"),
        (list(range(1000)), (), [""], "a list of 1000, not an array"),
        (list(range(1001)), (), [], "a list of 1001"),
        (np.zeros(10_000), (), [""], ""),
        (np.zeros(10_001), (), [], "an array of shape (10001,), far too many numbers"),
        (np.array([1j]), (), [], "an array of dtype complex128, not of numbers such as float64"),
        (None, (), [], "nothing (None)"),
        ("x" * 70, (), [], "the text '" + "x" * 59 + "..."),
        (len, (), [], "the function len itself, which was not called"),
        (object(), (), [], "a object"),
        ({"a": 1, "b": None}, (), ["a"], "nothing (None) for b"),
        ({1: 2}, (), [], "a dict"),
        ((1, 2), ("a", "b"), ["a", "b"], ""),
        ({"b": 2, "a": 1, "c": 3}, ("a", "b"), ["a", "b"], ""),
        ({"a": 1}, ("a", "b"), [], "a dict, not the 2 results a, b"),
        ([1], ("a", "b"), [], "1 results, not 2: a, b"),
        (np.ones(2), ("a", "b"), [], "an array of shape (2,), not the 2 results a, b"),
        ((None, "x"), ("a", "b"), [], "nothing (None) for a"),
    ],
)
def test_results_of_all_kinds(
    result: Any, outputs: tuple[str, ...], names: list[str], problem: str
) -> None:
    found = outcome_of(result, outputs)
    assert (list(found.values), found.problem) == (names, problem)
    assert found.complete == (not problem)


def test_results_that_are_not_written_or_generated() -> None:
    for result in (..., NotImplemented):
        assert outcome_of(result, ()).unwritten
    assert outcome_of((1, ...), ("a", "b")).unwritten
    assert not outcome_of((1, ...), ()).unwritten
    generated = outcome_of((k for k in range(5000)), ())
    assert generated.values[""].shape == (1000,)
    long, _ = as_numbers(np.ones(2, np.longdouble))
    assert long is not None
    assert long.dtype == np.float64


def test_an_outcome_is_sent_as_it_is() -> None:
    given = Outcome(
        {"a": np.arange(6, dtype=np.int16).reshape(2, 3).T, "b": np.array([np.nan, 1.0])},
        "problem", True, "raised", 3, "source", [1],
    )  # fmt: skip
    again = from_json(json.loads(json.dumps(to_json(given))))
    for name, array in given.values.items():
        np.testing.assert_array_equal(again.values[name], array)
        assert again.values[name].dtype == array.dtype
    assert vars(again) | {"values": 0} == vars(given) | {"values": 0}
    assert given.values


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "equal"),
    [
        ([1.0, 2.0], [1.0, 2.0002], 1e-4, True),  # of the largest: 2e-4
        ([1.0, 2.0], [1.0003, 2.0], 1e-4, False),
        ([0.0, 0.9e-7], [0.0, 0.0], 1e-4, True),
        ([0.0, 1.1e-7], [0.0, 0.0], 1e-4, False),
        ([np.inf, 1], [np.inf, 1], 1e-4, True),
        ([np.inf, 1], [-np.inf, 1], 1e-4, False),
        ([np.nan, 1], [np.nan, 1], 1e-4, True),
        ([np.nan, 1], [2, 1], 1e-4, False),
        ([1.0], 1.0, 1e-4, True),
        ([[1.0]], [1.0], 1e-4, False),
        ([1.0, 1.0], 1.0, 1e-4, False),
        ([], [], 1e-4, True),
    ],
)
def test_when_results_are_the_same(a: Any, b: Any, tolerance: float, equal: bool) -> None:
    assert same(np.array(a), np.array(b), tolerance) == equal


@pytest.mark.parametrize(
    ("raised", "advice"),
    [
        ("ValueError: matmul: a mismatch", "A product of matrices"),
        ("ValueError: shapes (2,3) and (2,3) not aligned", "A product of matrices"),
        ("ValueError: operands could not be broadcast", "For elementwise operations"),
        ("ValueError: output array is read-only", "`/=` and `-=` change"),
        ("UFuncTypeError: Cannot cast with casting rule 'same_kind'", "`/=` and `-=` change"),
        ("RecursionError: too deep", "The function calls itself endlessly."),
        ("MemoryError", "It creates an array that is far too large."),
        ("ArrayError: Unable to allocate 8 TiB", "It creates an array that is far too large."),
        ("PermissionError: no", "No chapter needs a file"),
        ("FileNotFoundError: no", "No chapter needs a file"),
        ("IsADirectoryError: no", "No chapter needs a file"),
        ("ValueError: MemoryError", ""),
        ("KeyError: 3", ""),
    ],
)
def test_advice_on_frequent_errors(raised: str, advice: str) -> None:
    found = answering._advice(Outcome(raised=raised))
    assert found.startswith(f"\n{advice}") if advice else found == ""


def test_a_mistake_explains_if_it_gives_the_same_wrong_numbers() -> None:
    """In two random cases; or where only special numbers are wrong, in one."""
    kinds = [RANDOM, RANDOM, RANDOM, ZEROS]
    cases = [CASES[3]._replace(kind=kind) for kind in kinds]
    task: Any = SimpleNamespace(tolerance=1e-4)

    def outcomes(values: list[float]) -> list[Outcome]:
        return [Outcome({"": np.array(v)} if v != 9 else {}) for v in values]

    def explained(mine: list[float], right: list[float], other: list[float]) -> int:
        about: Any = None
        case = Evidence(about, task, cases, outcomes(mine), outcomes(right))
        return case.explained(outcomes(other))

    right = [1.0, 2.0, 3.0, 4.0]
    assert explained([2, 4, 6, 8], right, [2, 4, 6, 8]) == FITS
    assert explained([2, 4, 3, 4], right, [2, 4, 3, 4]) == FITS
    assert explained([2, 2, 3, 4], right, [2, 2, 3, 4]) == 0  # once is chance
    assert explained([2, 4, 6, 8], right, [2, 4, 6, 7]) == NEARLY
    assert explained([2, 4, 6, 8], right, [2, 4, 5, 8]) == 0
    assert explained([1, 2, 3, 8], right, [1, 2, 3, 8]) == FITS
    assert explained([1, 2, 3, 8], right, [1, 2, 3, 7]) == 0
    assert explained([2, 4, 9, 8], right, [2, 4, 6, 9]) == FITS  # where both have numbers


def test_sources_are_changed_piece_by_piece() -> None:
    assert naming.edited("a + b", (("a", "c"), ("b", "a"))) == "c + a"
    assert naming.edited("a + b", (("x", "c"),)) == ""
    assert handout.without_docstrings('def f():\n    "doc"\n    return 1  # why\n') == (
        "def f():\n    return 1"
    )
    assert handout.without_docstrings('class A:\n    "doc"\n') == "class A:\n    pass"
    source = (
        'def f(x):\n    """Doc."""\n    y = x\n    return y\n\n\ndef g():\n    return 2\n\n\n'
        'class A:\n    def h(self):\n        """Doc."""\n        return 3\n'
    )
    assert handout.handed_out("x", source) == (
        'def f(x):\n    """Doc."""\n    return ...  # write this\n\n\ndef g():\n    return 2\n\n\n'
        'class A:\n    def h(self):\n        """Doc."""\n        return ...  # write this\n'
    )
    imported = "from minitorch_np.learn.chapters.ch04_softmax import softmax\n"
    assert handout.handed_out("y", imported) == "from ch04_softmax import softmax\n"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("4", "ch04_softmax"), ("1", "ch01_data"), ("20", "ch20_attention"),
        ("ch04_softmax", "ch04_softmax"), ("ch04", "ch04_softmax"), ("softmax", "ch04_softmax"),
        ("a/b/ch04_softmax.py", "ch04_softmax"),
    ],
)  # fmt: skip
def test_chapters_by_name(text: str, file: str) -> None:
    found = chapter_named(text)
    assert found.file == file
    assert FILES[found.number - 1] == file


@pytest.mark.parametrize(
    ("text", "said"),
    [("0", "from 1 to 20 or its name, got '0': `minitorch-np learn` lists them"),
     ("21", "got '21'"), ("softmx", "got 'softmx': did you mean softmax?")],
)  # fmt: skip
def test_no_chapter_by_name(text: str, said: str) -> None:
    with pytest.raises(mt.ConfigurationError) as caught:
        chapter_named(text)
    assert said in str(caught.value)


# The process


def solution(a: Any, b: Any) -> Any:
    return a, b


class Solution:
    pass


@pytest.mark.parametrize(
    ("made", "wanted", "said"),
    [
        (lambda a, b: 1, solution, ""),
        (lambda x, y, z=1: 1, solution, ""),
        (lambda *all: 1, solution, ""),
        (lambda a: 1, solution, "got task(a): the arguments differ"),
        (3, solution, "expected task to be a function, got int"),
        (Solution, solution, "expected task to be a function, got type"),
        (lambda a: 1, Solution, "expected task to be a class, got function"),
        (Solution, Solution, ""),
        (None, solution, "there is no function task"),
        (None, Solution, "there is no class task"),
    ],
)
def test_functions_that_can_not_be_called(made: Any, wanted: Any, said: str) -> None:
    module = SimpleNamespace() if made is None else SimpleNamespace(task=made)
    about: Any = SimpleNamespace(name="task")
    found = child.refused(made, wanted, about, module)
    assert said in found
    assert bool(said) == bool(found)
    if made is None:
        near = SimpleNamespace(Ta_sk=len, _task=len)
        assert child.refused(None, wanted, about, near).endswith("task; did you mean Ta_sk?")


@pytest.fixture
def own_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a learner's file adds to the paths and modules is taken off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def test_where_an_error_came_from(tmp_path: Path, own_imports: None) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def f():\n    return 1 / 0\n\n\ndef g():\n    return f()\n")
    module, problem = child.imported(path)
    assert problem == ""
    with pytest.raises(ZeroDivisionError) as caught:
        module.g()
    assert child.said(caught.value, tmp_path) == (
        "ZeroDivisionError: division by zero",
        2,
        "return 1 / 0",
    )
    assert child.said(caught.value, tmp_path / "other") == (
        "ZeroDivisionError: division by zero",
        0,
        "",
    )
    assert child.said(ValueError(), tmp_path)[0] == "ValueError"
    assert child.said(ValueError("x" * 400), tmp_path)[0] == f"ValueError: {'x' * 300}..."
    assert "leave sys.exit, exit and quit out" in child.said(SystemExit(), tmp_path)[0]
    assert child.said(EOFError("end"), tmp_path)[0] == (
        "EOFError: end: there is no keyboard here, leave input() out"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x = (\n",
            "mine.py is not Python yet: line 1: '(' was never closed\n    x = (\n",
        ),
        ("if 1:\n\tx = )\n", "line 2: unmatched ')'\n    x = )\n        ^"),
        (
            "1 / 0\n",
            "mine.py, line 1: 1 / 0\nZeroDivisionError: division by zero\nThis ",
        ),
    ],
)
def test_files_that_can_not_be_imported(
    tmp_path: Path, text: str, said: str, own_imports: None
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    module, problem = child.imported(path)
    assert module is None
    assert said in problem
    assert "can't be read: FileNotFoundError" in child.imported(tmp_path / "none.py")[1]
    large = tmp_path / "large.py"
    large.write_bytes(b"#" * (2**20 + 1))
    assert child.imported(large)[1] == "large.py: expected a file of code, got 1048577 bytes"
    large.write_bytes(b"#" * 2**20)
    assert child.imported(large)[1] == ""


def test_printed_output_is_kept_up_to_a_limit() -> None:
    printed = child.Printed()
    assert printed.write("a\nb\n") == 4
    printed.write("x" * 1995)
    assert printed.write("yz\n") == 3
    assert (len(printed.kept), printed.kept[-2:], printed.lines) == (2000, "xy", 3)
    assert printed.writable()


@pytest.mark.parametrize(
    ("was", "now", "unchanged"),
    [
        (np.array([1.0, np.nan]), np.array([1.0 + 1e-10, np.nan]), True),
        (np.array([1.0]), np.array([1.0 + 1e-8]), False),
        (np.array([0.0]), np.array([0.9e-9]), True),
        (np.array([0.0]), np.array([2e-9]), False),
        (np.array([1]), np.array([1]), True),
        (np.array([1]), np.array([2]), False),
        (np.array([1.0]), np.array([[1.0]]), False),
    ],
)
def test_arguments_that_are_unchanged(was: Any, now: Any, unchanged: bool) -> None:
    assert child._unchanged(was, now) == unchanged


@pytest.mark.parametrize(
    ("code", "trace", "late", "said"),
    [
        (3, "", False, "its process left with exit code 3: leave os._exit and the like out"),
        (-signal.SIGKILL, "", False,
         "its process was ended by SIGKILL: too much memory, or a crash in a library"),
        (-200, "", False,
         "its process was ended by 200: too much memory, or a crash in a library"),
        (1, 'Timeout (0:00:02)!\n  File "/lib/x.py", line 3 in f\n  File "FOLDER/mine.py", line 2',
         False, "it has not ended after 2.5 seconds: it was in line 2 of mine.py: loop(). Is there "
         "an endless loop?"),
        (1, 'Timeout (0:00:02)!\n  File "FOLDER/mine.py", line 9', False,
         "it has not ended after 2.5 seconds: it was in line 9 of mine.py: . Is there an endless "
         "loop?"),
        (-9, "", True, "it has not ended after 2.5 seconds. Is there an endless loop?"),
    ],
)  # fmt: skip
def test_how_a_process_ended(code: int, trace: str, late: bool, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("while True:\n    loop()\n")
    trace = trace.replace("FOLDER", str(path.resolve().parent))
    assert process._ending(code, trace, path, Limits(2.5), late) == said
    assert (Limits().seconds, Limits().memory) == (10, 4 * 2**30)


class Slow:
    """A process that answers once it has been killed."""

    def __init__(self, command: Any, **options: Any) -> None:
        self.pid, self.returncode, self.options = 0, -9, options
        self.waited: list[Any] = []

    def communicate(self, given: Any = None, timeout: Any = None) -> tuple[bytes, bytes]:
        self.waited.append(timeout)
        if timeout is not None:
            raise subprocess.TimeoutExpired("python", timeout)
        return b'{"task": "a"}\nnot an answer\n{"begin": "b"}\n', b""


def test_a_process_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", Slow)
    monkeypatch.setattr(process, "_end", ended.append)
    file = tmp_path / "ch05_loss.py"
    found = process._run(chapter("ch05_loss"), file, ["a", "b", "c"], Limits(2.5))
    said = "it has not ended after 2.5 seconds. Is there an endless loop?"
    assert found == ([{"task": "a"}, {"begin": "b"}], said)
    (made,) = ended
    assert made.waited == [3.5 * 4 + 10, None]
    assert made.options["cwd"] == tmp_path.resolve()
    settings = made.options["env"]
    assert settings["PYTHONSAFEPATH"] == "1"
    assert settings["OPENBLAS_NUM_THREADS"] == "1"


# Names of mistakes


def test_each_wrong_result_is_named_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_small", lambda evidence: [])  # takes seconds
    about = chapter("ch09_first_layer")
    task = about.tasks[-1]
    right = naming.reference(about, task)

    def said(**changes: Any) -> list[str]:
        mine = [
            Outcome({name: changes.get(name, np.array)(v) for name, v in one.values.items()})
            for one in right
        ]
        return naming._each_result(Evidence(about, task, task.used(), mine, right))

    sign = "all have the wrong sign, as with dZ2 = Y - A2; the minus comes later, in the update"
    odd = lambda v: np.cos(v) + v * v  # noqa: E731
    assert said(dW1=np.negative) == [f"dW1: {sign}"]
    assert said(dW1=np.negative, db1=odd) == [f"dW1: {sign}; and db1 wrong too"]
    assert said(dW1=np.negative, db1=odd, dW2=odd) == [f"dW1: {sign}; and db1, dW2 wrong too"]
    assert said(dW1=odd, db1=odd) == []
    assert said() == []


# The folder


def test_hints_are_given_one_by_one_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "ch05_loss.py").write_text("")
    about = chapter("ch05_loss")
    kept = folder.Folder(tmp_path)
    names = ["cross_entropy", "accuracy"]
    count = [len(task.hints) for task in about.tasks]
    found = [kept.next_hint(about, None) for _ in range(5)]
    assert [each[0] for each in found] == [names[0]] * 5
    assert [each[1] for each in found] == [*about.tasks[0].hints, "", ""][:5]
    assert [each[2:] for each in found] == [(n, count[0]) for n in (1, 2, 3, 4, 4)]
    again = folder.Folder(tmp_path)
    assert again.next_hint(about, "accuracy")[:3] == ("accuracy", about.tasks[1].hints[0], 1)
    right = ChapterAnswer(
        "ch05_loss", "", "", [Answer(names[0], PASSED), Answer(names[1], UNWRITTEN)], 2
    )
    again.remember(right)
    assert again.is_right(about) == [names[0]]
    assert folder.Folder(tmp_path).next_hint(about, None)[0] == names[1]
    assert folder.Folder(tmp_path).state["tried"] == ["ch05_loss"]
    again.remember(right)
    assert again.state["tried"] == ["ch05_loss"]
    again.remember(ChapterAnswer("ch04_softmax", "", "", [Answer("softmax", UNWRITTEN)], 1))
    assert again.state["tried"] == ["ch05_loss"]
    assert again.is_right(chapter("ch04_softmax")) == []


def test_a_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder.find("x") == Path("x")
    assert folder.find(None) == Path()
    (tmp_path / "learn").mkdir()
    (tmp_path / "learn" / "learn_progress.json").write_text("{}")
    assert folder.find(None) == Path("learn")
    (tmp_path / "ch01_data.py").write_text("")
    assert folder.find(None) == Path()
    assert not folder.is_ours(tmp_path / "nowhere")


def test_what_is_handed_out_stays_as_it_is(tmp_path: Path) -> None:
    done = folder.start(tmp_path / "mine")
    assert sorted(done.written) == sorted([*(f"{file}.py" for file in FILES), "test_chapters.py"])
    assert (done.kept, done.older) == ([], [])
    kept = folder.Folder(tmp_path / "mine")
    about = chapter("ch05_loss")
    assert kept.is_untouched(about)
    path = kept.file(about)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert kept.is_untouched(about)  # line ends of another system
    path.write_text(path.read_text() + "# mine\n")
    assert not kept.is_untouched(about)
    again = folder.start(tmp_path / "mine")
    assert (again.written, again.older) == ([], [])
    assert len(again.kept) == len(FILES) + 1
    state = json.loads((tmp_path / "mine" / "learn_progress.json").read_text())
    assert state["format"] == 1
    assert collections.Counter(map(type, state.values())) == {int: 1, dict: 3, list: 1}
