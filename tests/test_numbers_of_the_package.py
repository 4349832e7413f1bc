"""The numbers that decide: constants and defaults of arguments, against a list of them.

`python -m tests.test_numbers_of_the_package` writes the list anew; what has changed is to be read.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt

LIST = Path(__file__).with_name("fixtures") / "numbers.txt"
EXTRAS = ("minitorch_np.sklearn",)
"""Modules that need a library beyond NumPy."""


def shown(value: Any) -> str:
    """A value as text, without addresses."""
    if isinstance(value, np.ndarray):
        return shown(value.tolist())
    if isinstance(value, dict):
        return f"{{{', '.join(f'{shown(k)}: {shown(v)}' for k, v in value.items())}}}"
    if isinstance(value, (frozenset, set)):
        return f"{{{', '.join(sorted(map(shown, value)))}}}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value)
    return getattr(value, "__name__", type(value).__name__)


def has_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_number, value.values()))
    if isinstance(value, (tuple, list, set, frozenset)):
        return any(map(has_number, value))
    return isinstance(value, (bool, int, float, np.ndarray))


def lines_of(name: str) -> Iterator[str]:
    """The constants and defaults of a module."""
    module = importlib.import_module(name)
    for key, value in vars(module).items():
        if key.isupper() and has_number(value) and _is_own(module, key):
            yield f"{key} = {shown(value)}"
        elif getattr(value, "__module__", None) == name and not isinstance(value, type):
            yield from _defaults(key, value)
        elif isinstance(value, type) and value.__module__ == name:
            yield from _of_class(key, value)


def _is_own(module: Any, key: str) -> bool:
    """Whether a constant is made here, and not imported."""
    return key in _assigned(module.__file__)


@functools.cache
def _assigned(path: str) -> set[str]:
    import ast

    found: set[str] = set()
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found


def _of_class(name: str, cls: type) -> Iterator[str]:
    for key, value in vars(cls).items():
        if key.startswith("__") and key not in ("__init__", "__call__", "__new__"):
            continue
        plain = getattr(value, "__func__", value)
        if inspect.isfunction(plain):
            yield from _defaults(f"{name}.{key}", plain)
        elif has_number(value) and not key.startswith("_"):
            yield f"{name}.{key} = {shown(value)}"


def _defaults(name: str, function: Any) -> Iterator[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    with_default = [p for p in parameters if p.default is not p.empty]
    made = [p for p in with_default if "FACTORY" in shown(p.default)]  # a dataclass makes it anew
    given = [f"{p.name}={shown(p.default)}" for p in with_default if p not in made]
    if given:
        yield f"{name}({', '.join(given)})"


def listed() -> dict[str, list[str]]:
    """The lines of each module."""
    names = {each.name for each in pkgutil.walk_packages(mt.__path__, "minitorch_np.")}
    found = {}
    for name in sorted(names):
        parts = name.split(".")
        if parts[-1] == "__main__" or ".learn.chapters" in name or ".learn.checks" in name:
            continue
        try:
            lines = list(lines_of(name))
        except ImportError:
            assert name in EXTRAS
            continue
        if lines:
            found[name] = lines
    return found


def test_numbers_are_those_that_are_listed() -> None:
    found = listed()
    expected: dict[str, list[str]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            lines = expected.setdefault(line[2:], [])
        elif line:
            lines.append(line)
    missing = [name for name in EXTRAS if name not in found]
    assert found == {name: each for name, each in expected.items() if name not in missing}


if __name__ == "__main__":
    text = "\n\n".join("\n".join([f"# {name}", *each]) for name, each in listed().items())
    LIST.write_text(text + "\n", encoding="utf-8")
