"""Starts the process in which a learner's code runs, and describes how it ended.

If a function ends the process, by an endless loop, a crash or an exit, another process runs the
remaining functions.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minitorch_np.arrays import BLAS_THREADS
from minitorch_np.learn.outcome import Outcome, from_json
from minitorch_np.learn.task import Chapter


class Limits:
    """The time limit of one function, in seconds, and the memory limit of its process, in bytes."""

    def __init__(self, seconds: float = 10.0, memory: int = 4 * 2**30) -> None:
        self.seconds, self.memory = seconds, memory


@dataclass
class Ran:
    """One function's outcomes, case by case; or `refused`, the reason why there are none."""

    outcomes: list[Outcome] = field(default_factory=list)
    refused: str = ""
    second: tuple[str, str] = ("", "")
    printed: str = ""
    lines: int = 0


def run_chapter(chapter: Chapter, file: Path, limits: Limits) -> dict[str, Ran] | str:
    """The outcomes of each function of a learner's file; a text if the file can't be imported."""
    found: dict[str, Ran] = {}
    names = [task.name for task in chapter.tasks]
    while rest := [name for name in names if name not in found]:
        answers, ending = _run(chapter, file, rest, limits)
        begun = ""
        for answer in answers:
            begun = answer.get("begin", begun)
            if answer.get("imported"):
                return str(answer["imported"])
            if "task" in answer:
                found[answer["task"]] = _ran(answer)
        if answers and "end" in answers[-1]:
            break
        if not begun:
            return f"{file.name}: {ending}\nThis happens when the file is imported."
        if begun not in found:
            found[begun] = Ran(refused=ending)
    return found


def _ran(answer: dict[str, Any]) -> Ran:
    return Ran(
        [from_json(outcome) for outcome in answer["outcomes"]],
        *(answer[name] for name in ("refused", "second", "printed", "lines")),
    )


def _run(
    chapter: Chapter, file: Path, names: list[str], limits: Limits
) -> tuple[list[dict[str, Any]], str]:
    """The answers of one process, and a description of how it ended."""
    job = {
        "chapter": chapter.file,
        "file": str(file.resolve()),
        "tasks": names,
        "seconds": limits.seconds,
        "memory": limits.memory,
    }
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONSAFEPATH": "1",  # a learner's json.py must not be taken for Python's
        "PYTHONIOENCODING": "utf-8",
        "MPLBACKEND": "Agg",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "minitorch_np.learn.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=file.resolve().parent,
        env=os.environ | dict.fromkeys(BLAS_THREADS, "1") | settings,
        start_new_session=True,  # Ctrl-C is for the process that waits; it ends this one
    )
    late = False
    try:
        most = (limits.seconds + 1) * (len(names) + 1) + 10
        out, err = process.communicate(json.dumps(job).encode(), timeout=most)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        _end(process)
    if late:
        out, err = process.communicate()
    answers = []
    for line in out.decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError):
            answers.append(json.loads(line))
    return answers, _ending(process.returncode, err.decode("utf-8", "replace"), file, limits, late)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children."""
    if process.poll() is None or hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _ending(code: int, trace: str, file: Path, limits: Limits, late: bool) -> str:
    """The reason why a process ended early."""
    if "Timeout (" in trace or late:
        where = ""
        for name, line in re.findall(r'File "([^"]+)", line (\d+)', trace):
            if Path(name).parent == file.resolve().parent:
                text = Path(name).read_text("utf-8", "replace").splitlines()
                source = text[int(line) - 1].strip() if int(line) <= len(text) else ""
                where = f": it was in line {line} of {Path(name).name}: {source}"
                break
        return (
            f"it has not ended after {limits.seconds:g} seconds{where}. Is there an endless loop?"
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"its process was ended by {name}: too much memory, or a crash in a library"
    return f"its process left with exit code {code}: leave os._exit and the like out"
