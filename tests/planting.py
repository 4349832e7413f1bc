"""Bugs planted in correct code: a piece of a class's source is replaced by what people write.

A specimen is a correct class, the cases on which it is checked, and its bugs. The class itself is
the correct twin of each of them.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
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


def planted(cls: type[Any], bug: Bug) -> type[Any]:
    """A class like `cls` whose source has the bug in it; it belongs to no package."""
    source = textwrap.dedent(inspect.getsource(cls))
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
