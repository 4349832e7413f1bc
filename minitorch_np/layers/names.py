"""Layers by name: "relu" is ReLU(), "leaky_relu(0.1)" is LeakyReLU(0.1).

A name is the class's, whatever the case and with or without underscores. All layer classes that
are defined are known, the reader's own among them.
"""

import re
from collections.abc import Iterator

from minitorch_np.errors import ConfigurationError
from minitorch_np.layers.base import Layer


def layer_classes(root: type[Layer] = Layer) -> Iterator[type[Layer]]:
    """Every concrete subclass of `root` that has been defined so far, in order of definition."""
    for cls in root.__subclasses__():
        if not cls.__abstractmethods__:
            yield cls
        yield from layer_classes(cls)


def layer_from_name(text: str) -> Layer:
    """The layer that a text such as "relu", "dense(10)" or "elu(1.7)" describes.

    Raises ConfigurationError for an unknown name or arguments that are not numbers.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
    name, arguments = match.groups() if match else (text, None)
    found = next((c for c in layer_classes() if _key(c.__name__) == _key(name)), None)
    if found is None:
        known = sorted({cls.__name__ for cls in layer_classes()}, key=str.lower)
        raise ConfigurationError(f"layer: expected one of {', '.join(known)}; got {text!r}")
    try:
        values = [_number(part) for part in arguments.split(",")] if arguments else []
        return found(*values)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"layer {text!r}: {error}") from None


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
