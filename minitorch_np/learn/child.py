"""The process in which a learner's code runs: reads a job, runs the functions, writes outcomes.

A job is one JSON document on standard input; answers are lines of JSON on standard output. Output
printed by the learner's code is captured, up to a limit; there is no keyboard input. A call that
takes too long ends the process, after its current line has been written to standard error. Memory
and the size of files are limited if the system supports it. This limits accidents, but it is not a
sandbox: the code has all rights of the user.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import io
import json
import linecache
import os
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.learn.outcome import Outcome, UnlikeError, outcome_of, to_json
from minitorch_np.learn.task import Task, chapter
from minitorch_np.text import excerpt

MOST_PRINTED = 2000
"""The most characters of printed output that are kept."""

LARGEST_FILE = 16 * 2**20
"""The largest file, in bytes, that the learner's code may write."""

LARGEST_SOURCE = 2**20
"""The largest size of a chapter's file, in bytes."""


class Printed(io.TextIOBase):
    """Captures the beginning of the printed output, and counts its lines."""

    def __init__(self) -> None:
        self.kept, self.lines = "", 0

    def write(self, text: str) -> int:
        self.kept += text[: max(0, MOST_PRINTED - len(self.kept))]
        self.lines += text.count("\n")
        return len(text)

    def writable(self) -> bool:
        return True


def main() -> None:
    """Run the job on standard input."""
    job = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    trace = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    sys.stdin = open(os.devnull)  # noqa: SIM115  # for the whole process
    limit(job["memory"])

    def answer(**result: Any) -> None:
        answers.write(json.dumps(result) + "\n")
        answers.flush()

    def watched(begin: str) -> None:
        answer(begin=begin)
        faulthandler.dump_traceback_later(job["seconds"], exit=True, file=trace)

    run_job(job, answer, watched)
    answer(end=True)
    answers.flush()
    os._exit(0)  # remaining threads of the learner's code would keep it alive


def limit(memory: int) -> None:
    """Set limits of memory and of files, if the system supports them."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        for kind, most in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_FSIZE, LARGEST_FILE),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (most, most))


def run_job(
    job: dict[str, Any], answer: Callable[..., None], watched: Callable[[str], None]
) -> None:
    """Import the learner's file and run its functions on the chapter's cases."""
    about, path = chapter(job["chapter"]), Path(job["file"])
    printed = Printed()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        watched("")
        module, problem = imported(path)
        faulthandler.cancel_dump_traceback_later()
        answer(imported=problem)
        for task in about.tasks if module is not None else ():
            if task.name not in job["tasks"]:
                continue
            watched(task.name)
            result = run_task(task, module, about.module, path)
            faulthandler.cancel_dump_traceback_later()
            answer(task=task.name, **result, printed=printed.kept, lines=printed.lines)
            printed.kept, printed.lines = "", 0


def imported(path: Path) -> tuple[Any, str]:
    """The learner's file as a module and "", or None and the reason."""
    try:
        if path.stat().st_size > LARGEST_SOURCE:
            return None, f"{path.name}: expected a file of code, got {path.stat().st_size} bytes"
        source = path.read_bytes()
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        return None, f"{path.name} is not Python yet: {syntax(error, path)}"
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return None, f"{path.name} can't be read: {type(error).__name__}: {error}"
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module
    sys.path.append(str(path.parent))  # last, so that a learner's file can't hide a library
    try:
        exec(code, vars(module))
    except BaseException as error:
        words, line, text = said(error, path.parent)
        where = f"{path.name}, line {line}: {text}\n" if line else f"{path.name}: "
        return None, f"{where}{words}\nThis happens when the file is imported."
    return module, ""


def syntax(error: SyntaxError, path: Path) -> str:
    """The line of a syntax error, with a caret under its position, and Python's message."""
    text = (error.text or "").rstrip("\n").expandtabs(1)
    shown = text.lstrip()
    column = max(0, (error.offset or 1) - 1 - (len(text) - len(shown)))
    caret = " " * min(column, len(shown)) + "^"
    return f"line {error.lineno}: {error.msg}\n    {shown}\n    {caret}"


def said(error: BaseException, folder: Path) -> tuple[str, int, str]:
    """An exception as text, with the number and source of the learner's last line in its trace."""
    words = f"{type(error).__name__}: {excerpt(str(error), 300)}".removesuffix(": ")
    if isinstance(error, SystemExit):
        words = "it ends the program (SystemExit): leave sys.exit, exit and quit out"
    elif isinstance(error, EOFError):
        words = f"{words}: there is no keyboard here, leave input() out"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(str(folder)):
            name = Path(frame.filename).name
            source = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return words, frame.lineno or 0, f"{source}" if name else source
    return words, 0, ""


def run_task(task: Task, module: Any, solutions: Any, path: Path) -> dict[str, Any]:
    """The outcomes of one function, or the reason why it can't be called."""
    function = getattr(module, task.name, None)
    problem = refused(function, getattr(solutions, task.name), task, module)
    if problem:
        return {"refused": problem, "outcomes": [], "second": ("", "")}
    outcomes = [outcome(task, function, task.made(case), path) for case in task.used()]
    second = ("", "")
    if task.second is not None and all(one.complete for one in outcomes):
        try:
            second = task.second(function)
        except BaseException as error:
            second = said(error, path.parent)[0], ""
    return {"refused": "", "outcomes": [to_json(one) for one in outcomes], "second": second}


def refused(function: Any, solution: Any, task: Task, module: Any) -> str:
    """The reason why a function can't be called, or "": it is missing or has other arguments."""
    name = task.name
    if function is None and not hasattr(module, name):
        others = [n for n, f in vars(module).items() if callable(f) and not n.startswith("_")]
        same = [n for n in others if n.lower().replace("_", "") == name.lower().replace("_", "")]
        hint = f"; did you mean {same[0]}?" if same else ""
        return f"there is no {'class' if isinstance(solution, type) else 'function'} {name}{hint}"
    if isinstance(solution, type) != isinstance(function, type) or not callable(function):
        kind = "class" if isinstance(solution, type) else "function"
        return f"expected {name} to be a {kind}, got {type(function).__name__}"
    wanted = inspect.signature(solution)
    try:
        got = inspect.signature(function)
        got.bind(*wanted.parameters)
    except TypeError:
        return f"expected {name}{wanted}, got {name}{got}: the arguments differ"
    except ValueError:  # a function of C has no signature
        pass
    return ""


def outcome(task: Task, function: Any, inputs: tuple[Any, ...], path: Path | None) -> Outcome:
    """The outcome of one call."""
    before = [np.array(x) if isinstance(x, np.ndarray) else None for x in inputs]
    try:
        with np.errstate(all="ignore"):
            found = outcome_of(task.observe(function, inputs), task.outputs)
    except UnlikeError as error:
        return Outcome(problem=str(error))
    except NotImplementedError as error:
        if path is None or type(error) is not NotImplementedError:
            raise
        return Outcome(unwritten=True)
    except BaseException as error:
        if path is None and not isinstance(error, Exception):
            raise
        words, line, source = said(error, path.parent if path else Path("/nowhere"))
        return Outcome(raised=words, line=line, source=source)
    found.changed = [
        number
        for number, (was, x) in enumerate(zip(before, inputs, strict=True))
        if was is not None and not _unchanged(was, x)
    ]
    return found


def _unchanged(was: AnyArray, now: AnyArray) -> bool:
    """Whether an argument is unchanged, up to the rounding error of `x += h` and then `x -= h`."""
    if was.dtype.kind != "f":
        return np.array_equal(was, now)
    return was.shape == now.shape and np.allclose(was, now, rtol=1e-9, atol=1e-9, equal_nan=True)


if __name__ == "__main__":
    main()
