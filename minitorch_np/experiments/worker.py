"""A worker process: it reads tasks from standard input, a line of JSON each, and writes the results
to standard output.

The data is in an inherited file that has been unlinked, so it disappears when the last process that
uses it ends. When standard input is closed, because the parent has finished or died, the worker
ends too, even in the middle of a task.
"""

import importlib
import json
import os
import queue
import sys
import threading
from typing import Any

import numpy as np

from minitorch_np.errors import MinitorchError
from minitorch_np.experiments.task import Arrays, run_task

MARK = "MINITORCH_NP_WORKER"
"""Set in the environment of a worker, so that it starts no further workers."""


def main() -> None:
    """Run tasks until standard input is closed."""
    # Output printed by a layer must not mix with the results, so it goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def answer(result: dict[str, Any]) -> None:
        try:
            answers.write(json.dumps(result) + "\n")
            answers.flush()
        except BrokenPipeError:  # the parent died, and `_listen` has not noticed yet
            os._exit(0)

    about = json.loads(lines.get())
    try:
        _import_script(about["script"])
    except MinitorchError as error:
        answer({"refused": str(error)})
        return
    arrays = open_arrays(about["file"], about["arrays"])
    answer({})
    while True:
        answer(run_task(json.loads(lines.get()), arrays))


def _listen(lines: Any) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _import_script(path: str | None) -> None:
    """Import the parent's main script, so that its classes are defined, as multiprocessing does."""
    if path is not None:
        importlib.import_module("multiprocessing.spawn").import_main_path(path)


def write_arrays(arrays: Arrays, file: Any) -> list[dict[str, Any]]:
    """Append the arrays to a file; returns their offsets, shapes and dtypes."""
    found = []
    for array in arrays:
        found.append({"offset": file.tell(), "shape": array.shape, "dtype": array.dtype.str})
        file.write(np.ascontiguousarray(array).data)
        file.write(b"\0" * (-file.tell() % 64))
    file.flush()
    return found


def open_arrays(number: int, found: list[dict[str, Any]]) -> Any:
    """The memory-mapped arrays in the file with that descriptor."""
    with open(number, "rb") as file:
        return tuple(
            np.asarray(np.memmap(file, each["dtype"], "r", each["offset"], tuple(each["shape"])))
            for each in found
        )
