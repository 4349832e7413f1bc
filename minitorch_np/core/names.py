"""Layers by name: "relu" is ReLU(), "leaky_relu(0.1)" is LeakyReLU(0.1).

A name is the class's, whatever the case and with or without underscores. All layer classes that
are defined are known, user-defined ones among them. Arguments are numbers or words, in their order
or by name: "gelu(tanh)", "conv2d(6, 5, padding=same)".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from minitorch_np.core.layer import Layer
from minitorch_np.core.signature import concrete_subclasses
from minitorch_np.errors import ConfigurationError


def layer_classes() -> Iterator[type[Layer]]:
    """Every layer class that has been defined so far, in order of definition."""
    return concrete_subclasses(Layer)


def layer_from_name(text: str) -> Layer:
    """The layer that a text such as "relu", "dense(10)" or "elu(1.7)" describes.

    Raises ConfigurationError for an unknown name or arguments that it does not take.
    """
    known = sorted(layer_classes(), key=lambda cls: cls.__module__.startswith("minitorch_np."))
    classes = {cls.__name__: cls for cls in known}  # ours, or else the one defined last
    layer: Layer = called_by_name("layer", text, classes)
    return layer


def called_by_name(kind: str, text: str, known: Mapping[str, Any], **arguments: Any) -> Any:
    """The object that "name(arguments)" makes, of the classes `known` by name. Raises as above."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
    name, inside = match.groups() if match else (text, None)
    plain = {_key(each): made for each, made in known.items()}
    found = plain.get(_key(name)) or plain.get(ALIASES.get(_key(name), ""))
    if found is None:
        names = ", ".join(sorted(known, key=str.lower))
        raise ConfigurationError(f"{kind}: expected one of {names}; got {text!r}")
    words = [part.strip() for part in inside.split(",")] if inside else []
    named = [word.partition("=") for word in words if "=" in word]
    if any("=" in word for word in words[: len(words) - len(named)]):
        raise ConfigurationError(f"{kind} {text!r}: expected arguments by name after the others")
    try:
        return found(
            *(_value(word) for word in words if "=" not in word),
            **{key.strip(): _value(value.strip()) for key, _, value in named},
            **arguments,
        )
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{kind} {text!r}: {error}") from None


ALIASES = {"swish": "silu", "linear": "identity"}
"""Other names in use for the same layer."""

WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _value(text: str) -> int | float | str | bool | None:
    if text in WORDS:
        return WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
