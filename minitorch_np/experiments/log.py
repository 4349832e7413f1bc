"""The file of results, one JSON line each, from which a comparison can be resumed.

Lines are only appended. A damaged line (the last one, if the machine was switched off during the
write) or one with invalid content is ignored, and its run is repeated.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments.configuration import LOSS
from minitorch_np.experiments.diagnostics import Finding
from minitorch_np.experiments.measure import ACCURACY, measure_for
from minitorch_np.losses import Loss
from minitorch_np.names import by_name
from minitorch_np.validation import path as checked_path

Result: TypeAlias = dict[str, Any]

RESULTS = "results.jsonl"
"""The file in the folder that holds a line for each run."""


class Log:
    """The results in `folder`, if there is one; those of an earlier run are in `done`, by key.

    Raises ConfigurationError if there are results and `resume` is not set, or if `resume` is set
    without a folder.
    """

    def __init__(self, folder: StrPath | None, resume: bool, arrays: tuple[AnyArray, ...]) -> None:
        self.data, self.done, self.damaged = _checksum(arrays), dict[str, Result](), 0
        self.path = (
            None
            if folder is None
            else os.path.join(checked_path("compare", "folder", folder), RESULTS)
        )
        self._torn = False
        if self.path is None:
            if resume:
                raise ConfigurationError(
                    "compare: expected a folder with results to resume from, got none: resume "
                    "needs folder (--folder DIR)"
                )
            return
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        if os.path.exists(self.path):
            if not resume:
                raise ConfigurationError(
                    f"{self.path}: expected a folder without results: set resume to continue "
                    "them, or choose another"
                )
            with open(self.path, "rb") as file:
                self._read(file.read())
        with open(self.path, "ab"):  # raises now if it can't be written
            pass

    def _read(self, content: bytes) -> None:
        self._torn = bool(content) and not content.endswith(b"\n")
        for line in content.split(b"\n"):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                key, result = entry["key"], entry["result"]
                _check(json.loads(key)[0], result)
            except Exception:  # a damaged line can raise anything
                self.damaged += 1
                continue
            if not result.get("again"):
                self.done[key] = result

    @property
    def notes(self) -> list[str]:
        """Remarks on damaged lines."""
        if not self.damaged:
            return []
        lines = "1 damaged line was" if self.damaged == 1 else f"{self.damaged} damaged lines were"
        return [f"{lines} skipped in {self.path}; their runs were repeated."]

    def key(self, task: dict[str, Any]) -> str:
        """The key of a task's result: everything that it depends on."""
        return json.dumps([task, self.data], sort_keys=True)

    def write(self, key: str, result: Result) -> None:
        """Append a line and flush it to the disk."""
        if self.path is None:
            return
        line = json.dumps({"key": key, "result": result}) + "\n"
        with open(self.path, "ab") as file:
            file.write((b"\n" if self._torn else b"") + line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._torn = False


def _check(task: Any, result: Any) -> None:
    """Raise an exception if the task can't have returned this result."""
    same = ("name", "seed", "rate", "tuning")
    fits = all(json.dumps(result[name]) == json.dumps(task[name]) for name in same)
    if "error" in result:
        fits = fits and isinstance(result["error"], str)
    else:
        key = measure_for(by_name(Loss, task["configuration"].get("loss", LOSS))).key
        fits = fits and _are_measures(key, [result[key]])
        if not task["tuning"]:
            fits = fits and _is_whole(result, task["configuration"]["epochs"], key)
    if not fits:
        raise ValueError


def _is_whole(result: Result, epochs: int, key: str) -> bool:
    """Whether the result has all measurements of a run of `epochs` epochs."""
    curves, findings = result["curves"], [Finding.of(each) for each in result["findings"]]
    return (
        _are_numbers([result[name] for name in ("loss", "seconds", "steps")])
        and all(len(curve) == epochs and _are_numbers(curve) for curve in curves.values())
        and _are_measures(key, curves[key] + curves[f"test_{key}"])
        and isinstance(result["lost"], list)
        and _are_numbers(result["lost"])
        and _are_numbers(number for each in findings for number in (each.value, each.runs))
        and all(type(each.ill) is bool and str(each) for each in findings)
        and all(type(each.since) in (int, type(None)) for each in findings)
        and all(isinstance(each.path, str) for each in findings)
    )


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(type(each) in (int, float) for each in values)


def _are_measures(key: str, values: list[Any]) -> bool:
    least = 0 if key == ACCURACY.key else -math.inf
    return _are_numbers(values) and all(least <= each <= 1 for each in values)


def _checksum(arrays: tuple[AnyArray, ...]) -> int:
    """A checksum of about a thousand samples, which identifies the data."""
    found = 0
    for array in arrays:
        some = np.ascontiguousarray(array[:: max(1, len(array) // 1000)])
        found = zlib.crc32(f"{array.shape} {array.dtype}".encode() + some.tobytes(), found)
    return found
