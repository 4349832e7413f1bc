"""A sample of what a test is run with; all of it with `pytest --whole`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def every(step: int, values: Iterable[Any], name: Callable[[Any], str] = str) -> list[Any]:
    """Parameters: every so many of these values in each run, the others with --whole."""
    return [whole_only(value, name(value), n % step > 0) for n, value in enumerate(values)]


def whole_only(value: Any, name: str, only: bool) -> Any:
    """A parameter that is run with --whole alone, if it is."""
    return pytest.param(value, id=name, marks=[pytest.mark.whole] * only)
