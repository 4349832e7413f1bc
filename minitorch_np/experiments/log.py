"""The results that are written down, one JSON line each, so that a comparison can go on.

The file is only ever appended to. A line that is damaged, as the last one is where the machine was
switched off while it was written, is left where it is: what it held is not found, and run again.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ConfigurationError

Result: TypeAlias = dict[str, Any]

RESULTS = "results.jsonl"
"""The file in the folder that holds a line for each run."""


class Log:
    """The results in `folder`, if there is one; those of a run before are `done`, by their keys.

    Raises ConfigurationError where there are results and `resume` is not set.
    """

    def __init__(self, folder: StrPath | None, resume: bool, arrays: tuple[AnyArray, ...]) -> None:
        self.data, self.done, self.damaged = _checksum(arrays), dict[str, Result](), 0
        self.path = None if folder is None else os.path.join(os.fspath(folder), RESULTS)
        self._torn = False
        if self.path is None:
            return
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        if os.path.exists(self.path):
            if not resume:
                raise ConfigurationError(
                    f"{self.path}: expected a folder without results: set resume to go on with "
                    "them, or choose another"
                )
            with open(self.path, "rb") as file:
                self._read(file.read())
        with open(self.path, "ab"):  # here and now, not after hours
            pass

    def _read(self, content: bytes) -> None:
        self._torn = bool(content) and not content.endswith(b"\n")
        for line in content.split(b"\n"):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                key, result = entry["key"], entry["result"]
                fits = isinstance(key, str) and {"name", "seed", "rate", "tuning"} <= result.keys()
                if not fits or not {"accuracy", "error"} & result.keys():
                    raise ValueError
            except (ValueError, LookupError, TypeError, AttributeError):
                self.damaged += 1
                continue
            if not result.get("again"):
                self.done[key] = result

    @property
    def notes(self) -> list[str]:
        """What is to be said of how it was read."""
        if not self.damaged:
            return []
        lines = "1 damaged line was" if self.damaged == 1 else f"{self.damaged} damaged lines were"
        return [f"{lines} skipped in {self.path}; what they held was run again."]

    def key(self, task: dict[str, Any]) -> str:
        """What a result is found by again: everything that it depends on."""
        return json.dumps([task, self.data], sort_keys=True)

    def write(self, key: str, result: Result) -> None:
        """Add a line, and see it on the disk."""
        if self.path is None:
            return
        line = json.dumps({"key": key, "result": result}) + "\n"
        with open(self.path, "ab") as file:
            file.write((b"\n" if self._torn else b"") + line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._torn = False


def _checksum(arrays: tuple[AnyArray, ...]) -> int:
    """A number that other data does not have, of a thousand samples."""
    found = 0
    for array in arrays:
        some = np.ascontiguousarray(array[:: max(1, len(array) // 1000)])
        found = zlib.crc32(f"{array.shape} {array.dtype}".encode() + some.tobytes(), found)
    return found
