"""The outcome of one call: arrays by name, or a description of what was returned instead.

An outcome is sent from the learner's process as JSON, with arrays as base64 of their bytes. Nothing
is pickled.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import GeneratorType
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.text import excerpt

MOST_ENTRIES = 10_000
"""Larger results are described only by their shape."""

MOST_ITEMS = 1000
"""The most results that are taken from a generator."""


class UnlikeError(Exception):
    """The returned object can't be compared; the text describes it, as "a list, not ..."."""


@dataclass
class Outcome:
    """One call of a learner's function, or of the reference.

    - `values` are the results by name ("" for a single one), if they are arrays of numbers;
    - `problem` describes what was returned instead; `unwritten`: nothing was written yet;
    - `raised` is the error as text, `line` and `source` are where it was raised;
    - `changed` are the numbers of arguments that the call has changed.
    """

    values: dict[str, AnyArray] = field(default_factory=dict)
    problem: str = ""
    unwritten: bool = False
    raised: str = ""
    line: int = 0
    source: str = ""
    changed: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether there is an array for each result."""
        return not (self.problem or self.raised or self.unwritten)


def outcome_of(result: Any, outputs: tuple[str, ...]) -> Outcome:
    """The outcome for the returned object: arrays by name, or the problem with it."""
    if result is ... or result is NotImplemented:
        return Outcome(unwritten=True)
    if isinstance(result, GeneratorType):
        result = list(itertools.islice(result, MOST_ITEMS))
    if isinstance(result, Mapping) and outputs and set(outputs) <= set(result):
        result = tuple(result[name] for name in outputs)
    elif isinstance(result, Mapping) and not outputs and all(isinstance(k, str) for k in result):
        return _several(list(result), list(result.values()))
    if not outputs:
        return _several([""], [result])
    names = ", ".join(outputs)
    if not isinstance(result, (tuple, list)):
        return Outcome(problem=f"{described(result)}, not the {len(outputs)} results {names}")
    if len(result) != len(outputs):
        return Outcome(problem=f"{len(result)} results, not {len(outputs)}: {names}")
    return _several(list(outputs), list(result))


def _several(names: list[str], results: list[Any]) -> Outcome:
    outcome = Outcome()
    if any(result is ... for result in results):
        return Outcome(unwritten=True)
    for name, result in zip(names, results, strict=True):
        array, problem = as_numbers(result)
        if array is not None:
            outcome.values[name] = array
        if problem and not outcome.problem:
            outcome.problem = f"{problem} for {name}" if name else problem
    return outcome


def as_numbers(result: Any) -> tuple[AnyArray | None, str]:
    """The array, and a description of what is wrong with it, or ""."""
    number = isinstance(result, (int, float, np.generic))
    if not isinstance(result, np.ndarray) and not number:
        if isinstance(result, (list, tuple)) and _is_rectangular(result):
            return np.array(result), f"{described(result)}, not an array"
        return None, described(result)
    array = np.asarray(result)
    if array.size > MOST_ENTRIES:
        return None, f"an array of shape {array.shape}, far too many numbers"
    if array.dtype.kind not in "biuf":
        return None, f"an array of dtype {array.dtype}, not of numbers such as float64"
    return array.astype(np.float64) if array.dtype == np.longdouble else array, ""


def _is_rectangular(result: Any) -> bool:
    try:
        return len(result) <= MOST_ITEMS and np.array(result).dtype.kind in "biuf"
    except (ValueError, TypeError):
        return False


def described(result: Any) -> str:
    """A description of an object for learners."""
    if result is None:
        return "nothing (None)"
    kind = type(result).__name__
    if isinstance(result, (list, tuple)):
        return f"a {kind} of {len(result)}"
    if isinstance(result, str):
        return f"the text {excerpt(repr(result))}"
    if isinstance(result, np.ndarray):
        return f"an array of shape {result.shape}"
    if callable(result):
        return f"the function {getattr(result, '__name__', kind)} itself, which was not called"
    return f"a {kind}"


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as data for JSON."""
    packed = {
        name: {
            "dtype": array.dtype.str,
            "shape": array.shape,
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        }
        for name, array in outcome.values.items()
    }
    return {**asdict(Outcome(**{**vars(outcome), "values": {}})), "values": packed}


def from_json(data: dict[str, Any]) -> Outcome:
    """The outcome that `to_json` converted."""
    values = {
        name: np.frombuffer(base64.b64decode(a["data"]), a["dtype"]).reshape(a["shape"])
        for name, a in data["values"].items()
    }
    return Outcome(**{**data, "values": values})
