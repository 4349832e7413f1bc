"""The parts of the command line, each by itself: its options, what they take, what is printed."""

from __future__ import annotations

import argparse
import errno
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import cli
from minitorch_np.cli import arguments, build_parser, compare, main, text_train, train
from minitorch_np.cli import learn as learning
from minitorch_np.learn.answer import PASSED, UNWRITTEN, WRONG, Answer, ChapterAnswer
from minitorch_np.learn.task import chapter_named

OPTIONS = Path(__file__).with_name("fixtures") / "options.txt"


def options_of(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """A line for each option of a parser, and of those inside."""
    yield f"# {name}"
    inside = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inside += list(action.choices.items())
            continue
        kind = "" if action.type is None else getattr(action.type, "__name__", "a type")
        told = {
            "default": action.default, "takes": action.nargs, "const": action.const,
            "choices": action.choices, "metavar": action.metavar, "needed": action.required or None,
            "type": kind or None,
        }  # fmt: skip
        more = ", ".join(f"{key} {value!r}" for key, value in told.items() if value is not None)
        yield f"{' '.join(action.option_strings) or 'argument'} {action.dest}: {more}"
    groups = [[a.dest for a in group._group_actions] for group in parser._mutually_exclusive_groups]
    if groups:
        yield f"one of each: {groups}"
    for verb, each in inside:
        yield from options_of(each, f"{name} {verb}")


def options() -> str:
    return "\n".join(options_of(build_parser(), "minitorch-np")) + "\n"


def test_the_options_of_all_commands() -> None:
    assert options().splitlines() == OPTIONS.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (arguments.positive_integer, {"1": 1, "2147483647": 2**31 - 1},
         ["0", "-1", "1.5", "x", "2147483648"]),
        (arguments.seed, {"0": 0, "7": 7}, ["-1", "1.5", ""]),
        (arguments.learning_rate, {"0.1": 0.1, "1e-9": 1e-9, "50": 50.0},
         ["0", "-1", "inf", "nan"]),
        (arguments.share, {"1": 1.0, "0.5": 0.5}, ["0", "1.01", "x"]),
        (arguments.listed(arguments.positive_integer), {"3": [3], "3,4": [3, 4]}, ["3,", "0,1"]),
        (arguments.activation, {"relu": "relu", "softmax": "softmax", "prelu": "prelu",
                                "log_softmax": "log_softmax"}, ["dense(3)", "reloo"]),
        (train._batch_size, {"full": None, "5": 5}, ["0", "ful"]),
        (compare._jobs, {"auto": 0, "3": 3}, ["0", "many"]),
        (text_train._dropout, {"0": 0.0, "0.99": 0.99}, ["1", "-0.1"]),
    ],
)  # fmt: skip
def test_what_options_take(kind: Any, right: dict[str, Any], wrong: list[str]) -> None:
    for given, value in right.items():
        assert kind(given) == value
        assert type(kind(given)) is type(value)
    for given in wrong:
        with pytest.raises(argparse.ArgumentTypeError):
            kind(given)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (mt.ConfigurationError("no\x1b"), 2, "no\\x1b"),
        (mt.DivergenceError("far"), 1, "far"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a\nb"), 2, "a\\nb: No such file"),
        (PermissionError(errno.EACCES, "Denied", "f"), 2, "f: Denied"),
        (IsADirectoryError(errno.EISDIR, "A folder", "f"), 2, "f: A folder"),
        (NotADirectoryError(errno.ENOTDIR, "No folder", "f"), 2, "f: No folder"),
        (OSError(errno.ENOSPC, "No space"), 1, "[Errno 28] No space"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was saved"),
        (MemoryError("5 GB"), 1, "out of memory: 5 GB: try a smaller --batch-size or --hidden"),
    ],
)
def test_errors_and_their_exit_codes(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._explain(error) == code
    assert capsys.readouterr().err == f"minitorch-np: error: {said}\n"
    if isinstance(error, KeyboardInterrupt):
        assert cli._explain(error, "run") == 130
        assert "add --resume to continue the run in run" in capsys.readouterr().err


def csv_of(path: Path, images: int) -> str:
    lines = [",".join(map(str, [k % 10, *[k] * 784])) for k in range(images)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(("images", "test"), [(6, [5]), (13, [5, 11]), (5, None)])
def test_every_sixth_image_of_a_csv_is_for_the_test(
    tmp_path: Path, images: int, test: list[int] | None
) -> None:
    path = csv_of(tmp_path / "a.csv", images)
    if test is None:
        with pytest.raises(mt.DataError, match="at least 6 images, since every 6th is .* got 5"):
            arguments.load_digits(path)
        return
    found = arguments.load_digits(path)
    assert found.test.images[:, 0, 0].tolist() == test
    assert len(found.train) == images - len(test)
    assert len(arguments.load_test_images(path)) == images  # all of it


def test_of_a_converted_file_the_end_is_for_the_test(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", 13)
    assert main(["convert", path, str(tmp_path / "a.npy")]) == 0
    found = arguments.load_digits(str(tmp_path / "a.npy"))
    assert (len(found.train), len(found.test)) == (11, 2)
    assert found.test.images[:, 0, 0].tolist() == [11, 12]
    rows, scale = arguments.inputs_in(found.train)
    assert (rows.shape, scale) == ((11, 784), 1 / 255)
    assert arguments.inputs_in(arguments.load_test_images(path))[1] is None


def test_inputs_take_the_models_form() -> None:
    images = mt.data.load_mnist().test.take(slice(3))
    flat = mt.Sequential(mt.Dense(2), input_shape=784)
    maps = mt.Sequential(mt.Conv2D(1, 3), input_shape=(1, 28, 28))
    other = mt.Sequential(mt.Dense(2), input_shape=5)
    shapes = [arguments.input_for(model, images)[0].shape for model in (flat, maps, other)]
    assert shapes == [(3, 784), (3, 1, 28, 28), (3, 784)]


def test_where_a_file_can_be_written(tmp_path: Path) -> None:
    arguments.require_writable("--out", str(tmp_path / "new"))
    for wrong, said in ((tmp_path, "got a folder"), (tmp_path / "no" / "x", "a writable folder")):
        with pytest.raises(mt.DataError, match=f"--out .*{said}"):
            arguments.require_writable("--out", str(wrong))
    with pytest.raises(mt.DivergenceError, match="test: expected a finite loss, got nan"):
        arguments.require_finite_result({"loss": float("nan")}, "test")
    arguments.require_finite_result({"loss": 1.0}, "test")


# Commands


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    mt.notes_network(seed=0, hidden=3).save(folder / "digits.npz")
    mt.Sequential(mt.Dense(2), input_shape=4, seed=0).save(folder / "small.npz")
    return folder


@pytest.mark.parametrize(
    ("model", "options", "examples"),
    [("digits", [], 40), ("digits", ["--no-examples"], 0), ("small", [], 0)],
)
def test_a_page_has_examples_that_fit_the_model(
    saved: Path, tmp_path: Path, model: str, options: list[str], examples: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("jinja2")
    out = tmp_path / "page.html"
    assert main(["page", str(saved / f"{model}.npz"), "--out", str(out), *options]) == 0
    assert capsys.readouterr().out == f"wrote {out}: open it in a browser\n"
    assert out.read_text().count('"pixels": "') == examples


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "got neither"),
        (["m.npz", "--playground"], "got both"),
        (["m.npz", "--data", "a"], "both"),
    ],
)
def test_a_page_is_of_one_thing(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["page", *given]) == 2
    assert said in capsys.readouterr().err


def test_what_a_model_is(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(saved / "small.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": str(saved / "small.npz"), "layers": ["Dense(2)"], "input_shape": [4],
        "output_shape": [2], "dtype": "float32", "parameters": {"0.weight": [2, 4], "0.bias": [2]},
        "total": 10,
    }  # fmt: skip


def test_targets_suit_the_loss() -> None:
    labels = np.array([3, 0])
    assert train._targets(labels, mt.SoftmaxCrossEntropy()) is labels
    found = train._targets(labels, mt.MeanSquaredError())
    np.testing.assert_array_equal(found, np.eye(10)[[3, 0]])
    assert found.dtype == np.float32
    with pytest.raises(mt.ConfigurationError, match="--loss: expected a loss for one class"):
        train._targets(labels, mt.BinaryCrossEntropy())


def rates(steps: int, epochs: int, lr: float, rise: int | None) -> list[float]:
    given = argparse.Namespace(epochs=epochs, steps_per_epoch=steps, lr=lr, warmup=rise)
    schedule: Any = text_train._rate(given)
    return [float(schedule(step)) for step in range(steps * epochs)]


def test_the_rate_of_a_text_rises_and_falls_to_a_tenth() -> None:
    found = rates(1000, 3, 0.5, None)
    assert found.index(max(found)) in (99, 100)  # at most 100 steps
    assert max(found) == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.05, rel=1e-3)
    short = rates(10, 5, 0.5, None)
    assert short.index(max(short)) in (4, 5)  # or a tenth of all
    assert rates(10, 1, 0.5, 0)[0] == 0.5
    with pytest.raises(mt.ConfigurationError, match="fewer than the 10 steps of all.*got 10"):
        rates(10, 1, 0.5, 10)


@pytest.mark.parametrize(("windows", "kept"), [(2000, 2000), (2001, 1001), (4001, 1334)])
def test_a_long_text_is_measured_in_part(windows: int, kept: int) -> None:
    x = np.arange(windows)
    some: Any = SimpleNamespace(consecutive=lambda: (x, x + 1))
    first, second = text_train._spread(some)
    assert (len(first), len(second)) == (kept, kept)
    assert first[:2].tolist() == [0, windows // 2000 + (windows % 2000 > 0)]


class Bar:
    """Counts what it is told, as tqdm does."""

    def __init__(self) -> None:
        self.n, self.closed = 0, False

    def update(self, more: int = 1) -> None:
        self.n += more

    def close(self) -> None:
        self.closed = True


def test_progress_of_a_comparison(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {"name": "relu", "rate": 0.05, "seed": 3, "tuning": True, "accuracy": 0.51239}
    monkeypatch.setattr(compare, "bar", lambda *_, **__: None)
    watcher = compare._Watcher()
    watcher(1, 4, run)
    watcher(2, 4, run | {"tuning": False})
    watcher(3, 4, run | {"error": "gone", "tuning": False})
    watcher.close()
    assert capsys.readouterr().err.splitlines() == [
        "1/4  relu, rate 0.05: accuracy 0.5124",
        "2/4  relu, seed 3: accuracy 0.5124",
        "3/4  relu, seed 3: gone",
    ]
    bars: list[Bar] = []
    totals: list[int] = []

    def made(total: int, *_: Any, **__: Any) -> Bar:
        totals.append(total)
        bars.append(Bar())
        return bars[-1]

    monkeypatch.setattr(compare, "bar", made)
    watcher = compare._Watcher()
    for done, total in ((1, 4), (3, 4), (4, 4), (2, 9)):
        watcher(done, total, run)
    assert (totals, [each.n for each in bars]) == ([4, 9], [4, 2])
    assert [each.closed for each in bars] == [True, False]
    watcher.close()
    assert bars[1].closed
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "several"),
    [
        ({}, False), ({"jobs": 1}, False), ({"jobs": 2}, False), ({"mpi": True, "jobs": 1}, False),
        ({"dask": "tcp://a"}, False), ({"jobs": 2, "mpi": True}, True),
        ({"dask": "a", "mpi": True}, True), ({"dask": "a", "jobs": 2}, True),
    ],
)  # fmt: skip
def test_tasks_run_in_one_place(
    given: dict[str, Any], several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dask_executor", "mpi_executor"):
        monkeypatch.setattr(compare, name, lambda *where, name=name: (name, *where))
    told = argparse.Namespace(**{"jobs": 0, "dask": None, "mpi": False} | given)
    if several:
        with pytest.raises(mt.ConfigurationError, match="expected one of them, got several"):
            compare._executor(told)
        return
    found: Any = compare._executor(told)
    if told.dask:
        assert found == ("dask_executor", "tcp://a")
    elif told.mpi:
        assert found == ("mpi_executor",)
    else:
        with found as nothing:
            assert nothing is None


# learn


def test_an_overview_shows_the_first_that_is_begun(capsys: pytest.CaptureFixture[str]) -> None:
    right = ChapterAnswer("ch01", "one", "", [Answer("f", PASSED)], 1)
    empty = ChapterAnswer("ch02", "two", "", [Answer("g", UNWRITTEN)], 1)
    wrong = ChapterAnswer("ch03", "three", "", [Answer("h", WRONG, "why"), Answer("i", PASSED)], 2)
    learning._overview([right, empty, wrong])
    assert capsys.readouterr().out.splitlines() == [
        "ch01  1/1  one", "ch02  -    two", "ch03  1/2  three", "", "ch03: 1 of 2 right",
        "WRONG  h: why", "right  i",
    ]  # fmt: skip
    learning._overview([right, empty])
    assert capsys.readouterr().out.splitlines()[3:] == ["ch02: 0 of 1 right", "to do  g"]
    learning._overview([right])
    assert capsys.readouterr().out.splitlines() == ["ch01  1/1  one"]
    assert wrong.to_dict()["right"] == 1
    assert not wrong.passed
    assert right.passed
    assert not empty.begun
    assert ChapterAnswer("ch04", "four", "broken", [], 1).begun


def test_learn_says_how_to_begin_where_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["learn"]) == 0
    assert capsys.readouterr().out.endswith("\nTo begin: minitorch-np learn start my_network\n")


def test_threads_are_pinned_for_the_command_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned: list[Any] = []
    monkeypatch.setattr(cli, "pin_threads", lambda threads, *, verbose: pinned.append(threads))
    main(["info", "missing.npz"])  # called by a program, which has NumPy loaded
    assert pinned == []
    monkeypatch.setattr("sys.argv", ["minitorch-np", "info", "missing.npz"])
    main()
    assert pinned == [None]


def test_hints_for_a_chapter_and_for_a_function(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ch05_loss.py").write_text("")
    about = chapter_named("5")
    first, second = about.tasks[:2]

    def said(*names: str, plain: bool = False) -> Any:
        told = argparse.Namespace(action="hint", names=names, dir=str(tmp_path), json=not plain)
        assert learning._hint(told) == 0
        printed = capsys.readouterr().out
        return printed if plain else json.loads(printed)

    one = {"chapter": "ch05_loss", "function": first.name, "hint": first.hints[0], "number": 1}
    assert said("5") == one
    other = {"chapter": "ch05_loss", "function": second.name, "hint": second.hints[0], "number": 1}
    assert said("5", second.name) == other
    assert said("5", plain=True).startswith(f"{first.name}, hint 2 of {len(first.hints)}: ")
    for _ in first.hints[2:]:
        said("5", first.name)
    assert said("5", plain=True) == (
        f"{first.name}: there are no more hints. When you have tried, `minitorch-np learn show 5` "
        "shows the solution.\n"
    )
    for names, more in (((), 1), (("5", "a", "b"), 1), (("5", "a"), 0)):
        told = argparse.Namespace(action="hint", names=names)
        with pytest.raises(mt.ConfigurationError) as error:
            learning._one_chapter(told, more)
        assert str(error.value) == (
            f"learn hint: expected a chapter{' and a function of it' if more else ''}, as in "
            f"`minitorch-np learn hint 4`; got {' '.join(names) or 'none'}"
        )


if __name__ == "__main__":
    OPTIONS.write_text(options(), encoding="utf-8")
