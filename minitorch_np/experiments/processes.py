"""Processes to run tasks in, with one BLAS thread each, that go when they are no longer wanted.

A worker that is killed takes nothing with it: its task is given to another, and the run goes on. A
task that kills every worker that it is given to is a run that failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from minitorch_np.arrays import BLAS_THREADS
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments.task import Arrays
from minitorch_np.experiments.worker import MARK, write_arrays

TRIES = 3
"""So many workers may a task kill."""

START = "from minitorch_np.experiments.worker import main; main()"
"""The program of a worker process."""


class GoneError(Exception):
    """A worker has ended before it answered."""


class Worker:
    """One process, and the pipes to it. Raises ConfigurationError where it refuses to work."""

    def __init__(self, about: dict[str, Any]) -> None:
        one_thread = dict.fromkeys(BLAS_THREADS, "1")
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), MARK: "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | one_thread | paths,
            pass_fds=[about["file"]],
            process_group=0,  # Ctrl-C is for the process that waits; it ends the others
        )
        self.about = about

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a line. Raises GoneError."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
        except (OSError, ValueError):  # a pipe that is closed, or half an answer
            raise GoneError from None
        return answer

    def close(self) -> None:
        """Wait for the process, which has been killed, and close the pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what it was asked last, it never read
                assert pipe is not None
                pipe.close()


class Workers:
    """Up to `jobs` workers, started as there are tasks for them. They end with the `with` block.

    `script` is the file that the workers import first, for the classes that it defines.
    """

    def __init__(self, jobs: int, arrays: Arrays, script: str | None) -> None:
        if os.name != "posix":
            raise ConfigurationError(
                "compare: expected jobs=1 on this system, whose processes can't inherit files: "
                "hand in an executor, such as ProcessPoolExecutor()"
            )
        self.jobs = jobs
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        found = write_arrays(arrays, self.file)
        self.about = {"script": script, "file": self.file.fileno(), "arrays": found}
        self.todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.workers: list[Worker] = []
        self.threads: list[threading.Thread] = []
        self.closed = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True
        for worker in self.workers:
            worker.process.kill()
        for _thread in self.threads:
            self.todo.put(None)
        for thread in self.threads:
            thread.join()
        self.file.close()

    def run(self, tasks: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The tasks' numbers and results, as they come in."""
        for number, task in enumerate(tasks):
            self.todo.put((number, task, 1))
        while len(self.threads) < min(self.jobs, len(tasks)):
            self.threads.append(threading.Thread(target=self._serve, daemon=True))
            self.threads[-1].start()
        for _ in tasks:
            number, result = self.done.get()
            if isinstance(result, BaseException):
                raise result
            yield number, result

    def _serve(self) -> None:
        """Hand tasks to one worker after the other, each until it is gone."""
        worker: Worker | None = None
        while (item := self.todo.get()) is not None and not self.closed:
            number, task, tries = item
            try:
                if worker is None:
                    worker = self._start()
                self.done.put((number, worker.ask(task)))
            except GoneError:
                if worker is not None:
                    worker.close()
                worker = None
                if tries < TRIES:
                    self.todo.put((number, task, tries + 1))
                else:
                    self.done.put((number, lost(task, "its process was ended from outside")))
            except BaseException as error:
                self.done.put((number, error))
                break
        if worker is not None:
            worker.close()

    def _start(self) -> Worker:
        """A worker that is ready; one that is ended before that is replaced. Raises GoneError and
        ConfigurationError."""
        for _ in range(TRIES):
            worker = Worker(self.about)
            self.workers.append(worker)
            try:
                refused = worker.ask(self.about).get("refused")
            except GoneError:
                worker.close()
                if self.closed:
                    raise
                continue
            if self.closed or refused:
                worker.close()
                raise ConfigurationError(refused)
            return worker
        raise ConfigurationError(
            f"compare: expected a process that runs tasks, got {TRIES} that ended before they were "
            "ready: what they said is above; jobs=1 does without"
        )


def lost(task: dict[str, Any], why: str) -> dict[str, Any]:
    """The result of a run that never came back: as bad as one that failed, and no worse."""
    known = {name: task[name] for name in ("name", "seed", "rate", "tuning")}
    return known | {"error": f"{why}, {TRIES} times", "again": True}
