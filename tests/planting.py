"""Bugs planted in correct code: a piece of a class's source is replaced by what people write.

A specimen is a correct class, the cases on which it is checked, and its bugs. The class itself is
the correct twin of each of them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch_np.gradcheck import Case


class Bug(NamedTuple):
    """One mistake.

    - `name` says what is wrong, in plain words;
    - `old` is a piece of the class's source that occurs exactly once, `new` what replaces it;
    - `cause` is a regular expression for what the report should say of it.
    """

    name: str
    old: str
    new: str
    cause: str = ""


class Specimen(NamedTuple):
    """A correct class, `case` that makes an object of it or of its twin, and its bugs."""

    cls: type[Any]
    case: Callable[[type[Any]], Case]
    bugs: tuple[Bug, ...]


@functools.cache
def sources(module: str) -> dict[str, str]:
    """The source of each class at the top of a module (`inspect` would parse it for each anew)."""
    text = inspect.getsource(sys.modules[module])
    lines = text.splitlines(keepends=True)
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            found[node.name] = "".join(lines[first - 1 : node.end_lineno])
    return found


def planted(cls: type[Any], bug: Bug) -> type[Any]:
    """A class like `cls` whose source has the bug in it; it belongs to no package."""
    source = sources(cls.__module__)[cls.__name__]
    if source.count(bug.old) != 1:
        raise ValueError(
            f"{cls.__name__}, {bug.name!r}: expected its source to have {bug.old!r} once, "
            f"found it {source.count(bug.old)} times"
        )
    scope = {**vars(sys.modules[cls.__module__]), "__name__": "planted"}
    code = "from __future__ import annotations\n" + source.replace(bug.old, bug.new)
    exec(compile(code, f"<{cls.__name__}: {bug.name}>", "exec"), scope)
    found: type[Any] = scope[cls.__name__]
    return found
