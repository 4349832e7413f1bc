"""Worker processes for tasks, with one BLAS thread each.

If a worker is killed, its task is given to another one. A task that ends several workers counts as
a failed run.
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
"""The number of workers that a task may end before it counts as failed."""

START = "from minitorch_np.experiments.worker import main; main()"
"""The program of a worker process."""


class GoneError(Exception):
    """A worker ended before it answered."""


class Worker:
    """One process, and the pipes to it."""

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
            process_group=0,  # Ctrl-C reaches only the parent, which ends the workers
        )
        self.about = about

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a line, and return the answer. Raises GoneError if the worker ended."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
        except (OSError, ValueError):  # a closed pipe, or an incomplete answer
            raise GoneError from None
        return answer

    def close(self) -> None:
        """Kill the process, wait for its end, and close the pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # unread input in the pipe
                assert pipe is not None
                pipe.close()


class Workers:
    """Up to `jobs` workers, started when there are tasks for them. They end with the `with` block.

    `script` is a file that the workers import first, for the classes that it defines. Raises
    ConfigurationError on systems other than POSIX.
    """

    def __init__(self, jobs: int, arrays: Arrays, script: str | None) -> None:
        if os.name != "posix":
            raise ConfigurationError(
                "compare: expected jobs=1 on this system, whose processes can't inherit files: "
                "pass an executor, such as ProcessPoolExecutor()"
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
        """Run the tasks; yields their numbers and results as they finish."""
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
        """Send tasks to a worker, which is replaced when it ends."""
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
                    self.done.put((number, lost(task, "its process was killed")))
            except BaseException as error:
                self.done.put((number, error))
                break
        if worker is not None:
            worker.close()

    def _start(self) -> Worker:
        """A worker that is ready. Raises ConfigurationError if it can't start, GoneError if the
        workers are being closed."""
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
            "ready: see their output above; jobs=1 needs no processes"
        )


def lost(task: dict[str, Any], why: str) -> dict[str, Any]:
    """The result of a run whose workers ended, which counts as failed."""
    known = {name: task[name] for name in ("name", "seed", "rate", "tuning")}
    return known | {"error": f"{why}, {TRIES} times", "again": True}
