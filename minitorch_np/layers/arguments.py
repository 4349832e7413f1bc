"""What a class's constructor takes.

A layer describes itself, in its repr and in a file, by the arguments that would make it again. They
are read from the constructor's signature, so that a layer of the reader's own need not list them.
"""

from typing import Any

REQUIRED = object()
"""In `constructor_arguments`: an argument without a default."""

SPREAD = object()
"""In `constructor_arguments`: an argument like *layers."""


def is_default(value: Any, default: Any) -> bool:
    """Whether an argument has its default value; an array never has."""
    same = value is default or value == default
    return same if isinstance(same, bool) else False  # arrays compare entry by entry


def constructor_arguments(cls: type[Any]) -> dict[str, Any]:
    """A layer class's constructor arguments and their defaults, REQUIRED or SPREAD."""
    import inspect  # takes longer to import than the rest of this package; seldom needed

    if cls.__init__ is object.__init__:
        return {}
    found: dict[str, Any] = {}
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            found[parameter.name] = SPREAD
        else:
            missing = parameter.default is parameter.empty
            found[parameter.name] = REQUIRED if missing else parameter.default
    return found
