"""A process that runs tasks: it reads them from standard input, a line of JSON each, and answers on
standard output.

The data is in a file that it has inherited, which has no name any more: nothing is left of it when
the last process that knows it ends, however it ends. When standard input is closed, because the
process that asks has finished or is gone, this one goes as well, in the middle of a task too.
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
"""Set in the environment of a worker, so that it does not start workers of its own."""


def main() -> None:
    """Answer until nobody asks any more."""
    # What a layer prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def answer(result: dict[str, Any]) -> None:
        answers.write(json.dumps(result) + "\n")
        answers.flush()

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
    """Make the classes known that the script which asks has defined, as multiprocessing does."""
    if path is not None:
        importlib.import_module("multiprocessing.spawn").import_main_path(path)


def write_arrays(arrays: Arrays, file: Any) -> list[dict[str, Any]]:
    """Append the arrays to a file, and tell where in it they are."""
    found = []
    for array in arrays:
        found.append({"offset": file.tell(), "shape": array.shape, "dtype": array.dtype.str})
        file.write(np.ascontiguousarray(array).data)
        file.write(b"\0" * (-file.tell() % 64))
    file.flush()
    return found


def open_arrays(number: int, found: list[dict[str, Any]]) -> Any:
    """The arrays in the file of that number, mapped into memory rather than read."""
    with open(number, "rb") as file:
        return tuple(
            np.asarray(np.memmap(file, each["dtype"], "r", each["offset"], tuple(each["shape"])))
            for each in found
        )
