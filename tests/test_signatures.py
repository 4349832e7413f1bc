"""The public interface as a table: functions, classes and methods with their defaults, and what
classes say of themselves. Who changes one changes it there too:

    python -m tests.test_signatures
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minitorch_np as mt

TABLE = Path(__file__).with_name("material") / "signatures.txt"

PROTOCOL = ("forward", "backward", "step")
"""What every layer has, with the same defaults."""


def shown(thing: Any) -> str:
    """The arguments and their defaults, without types."""
    parameters = inspect.signature(thing).parameters.values()
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    named = [one.replace(default=Named(one.default)) if _has_name(one) else one for one in plain]
    return str(inspect.Signature(named))


class Named:
    """A default that is a function or a class, without its place in memory."""

    def __init__(self, default: Any) -> None:
        self.name = default.__name__

    def __repr__(self) -> str:
        return str(self.name)


def _has_name(one: inspect.Parameter) -> bool:
    return one.default is not one.empty and hasattr(one.default, "__name__")


def signatures() -> Iterator[str]:
    places: list[Any] = [mt, mt.data, mt.optimizers, mt.schedules, mt.initializers]
    seen = set[int]()
    for place in places:
        for name in sorted(getattr(place, "__all__", None) or vars(place)):
            thing = getattr(place, name)
            ours = getattr(thing, "__module__", "").startswith("minitorch_np")
            if name.startswith("_") or not ours or not callable(thing) or id(thing) in seen:
                continue
            seen.add(id(thing))
            if not isinstance(thing, type):
                yield f"{name}{shown(thing)}"
            elif not issubclass(thing, Exception):
                yield f"{name}{shown(thing)}"
                for key, own in sorted(vars(thing).items()):
                    public = not key.startswith("_") and key not in PROTOCOL
                    if public and inspect.isfunction(own) and "=" in (arguments := shown(own)):
                        yield f"    {name}.{key}{arguments}"
                    elif public and isinstance(own, (bool, int, float, str, tuple)):
                        yield f"    {name}.{key} = {own!r}"


def test_the_public_interface_and_its_defaults() -> None:
    assert list(signatures()) == TABLE.read_text().splitlines()


if __name__ == "__main__":
    TABLE.write_text("\n".join(signatures()) + "\n")
