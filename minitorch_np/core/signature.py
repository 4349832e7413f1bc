"""Objects that describe themselves by the arguments that would make them again.

In its repr and in a file, a layer is its class and its constructor's arguments. They are read from
the constructor's signature and from the attributes of the same names, so that a user-defined layer
need not list them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from minitorch_np.errors import ConfigurationError

REQUIRED = object()
"""In `constructor_arguments`: an argument without a default."""

SPREAD = object()
"""In `constructor_arguments`: an argument like *layers."""


def constructor_arguments(cls: type[Any]) -> dict[str, Any]:
    """A class's constructor arguments and their defaults, REQUIRED or SPREAD."""
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


def is_default(value: Any, default: Any) -> bool:
    """Whether an argument has its default value; an array never has."""
    same = value is default or value == default
    return same if isinstance(same, bool) else False  # arrays compare entry by entry


def concrete_subclasses(root: type[Any]) -> Iterator[type[Any]]:
    """Every subclass of `root` defined so far that is not abstract, in order of definition."""
    for cls in root.__subclasses__():
        if not getattr(cls, "__abstractmethods__", None):
            yield cls
        yield from concrete_subclasses(cls)


class Described:
    """An object that keeps each argument of its constructor as an attribute of the same name."""

    def config(self) -> dict[str, Any]:
        """The arguments that would make this object again, an argument `*layers` as one tuple.

        Override it where arguments are not kept under their own names. Raises ConfigurationError
        where one is not found.
        """
        return {name: self._argument(name) for name in constructor_arguments(type(self))}

    def _argument(self, name: str) -> Any:
        if name not in vars(self):
            raise ConfigurationError(
                f"{type(self).__name__}.config: expected the argument {name!r} to be kept as "
                f"self.{name}, found no such attribute: keep it, or define config()"
            )
        return vars(self)[name]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new object, not built, from what `config` returned."""
        arguments = constructor_arguments(cls)
        spread = next((n for n, default in arguments.items() if default is SPREAD), None)
        named = {name: value for name, value in config.items() if name != spread}
        return cls(*config.get(spread, ()), **named) if spread else cls(**named)

    def __repr__(self) -> str:
        shown = []
        for name, default in constructor_arguments(type(self)).items():
            value = vars(self).get(name, "?")
            text = getattr(value, "__name__", None) or repr(value)
            if default is REQUIRED:
                shown.append(text)
            elif not is_default(value, default):
                shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"
