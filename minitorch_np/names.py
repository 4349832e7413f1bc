"""Objects by name: "relu" is ReLU(), "leaky_relu(0.1)" is LeakyReLU(0.1), "mse" a loss.

A name is that of the class, in any case and with or without underscores. All classes can be used,
including user-defined ones. Arguments are numbers or words, by position or by name: "gelu(tanh)",
"conv2d(6, 5, padding=same)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from minitorch_np.errors import ConfigurationError
from minitorch_np.signature import concrete_subclasses, nearest
from minitorch_np.validation import shown

T = TypeVar("T")

ALIASES = {
    "swish": "silu",
    "linear": "identity",
    "mse": "meansquarederror",
    "mae": "meanabsoluteerror",
    "bce": "binarycrossentropy",
    "cce": "crossentropy",
    "categoricalcrossentropy": "crossentropy",
    "sparsecategoricalcrossentropy": "crossentropy",
    "acc": "accuracy",
    "f1score": "f1",
}
"""Alternative names of classes."""

ELSEWHERE = {
    "Linear": "Dense",
    "CrossEntropyLoss": "SoftmaxCrossEntropy",
    "MSELoss": "MeanSquaredError",
    "L1Loss": "MeanAbsoluteError",
    "BCEWithLogitsLoss": "BinaryCrossEntropy",
    "RNN": "SimpleRNN",
    "GRUCell": "GRU",
    "BatchNormalization": "BatchNorm",
    "LayerNormalization": "LayerNorm",
    "GroupNormalization": "GroupNorm",
    "RMSNormalization": "RMSNorm",
    "Dropout1d": "SpatialDropout",
    "Dropout2d": "SpatialDropout",
    "Conv1DTranspose": "ConvTranspose1D",
    "Permute": "Transpose",
    "PositionalEncoding": "SinusoidalPositions",
    "Tokenizer": "data.CharTokenizer",
    "pad_sequence": "data.pad_sequences",
    "pad_sequences": "data.pad_sequences",
    "Model": "Graph",
    "nn": "layers",
    "optim": "optimizers",
    "load": "Sequential.load",
    "load_model": "Sequential.load",
    "MLPClassifier": "sklearn.Classifier",
    "MLPRegressor": "sklearn.Regressor",
}
"""What PyTorch, Keras and scikit-learn call something, and what it is called here."""

WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}


def by_name(kind: type[T], given: T | str, place: str = "", **arguments: Any) -> T:
    """The object of the class `kind` for "name(arguments)"; an object is returned as it is.

    Errors begin with `place`, by default the kind. Raises ConfigurationError for an unknown name,
    for invalid arguments, and for an object of another kind.
    """
    what = kind.__name__.lower()
    article = "an" if what[0] in "aeiou" else "a"
    place = place or what
    if isinstance(given, kind):
        return given
    if not isinstance(given, str):
        hint = ": write parentheses after its name" if isinstance(given, type) else ""
        expected = f"{article} {kind.__name__} or the name of one"
        raise ConfigurationError(f"{place}: expected {expected}, got {shown(given)}{hint}")
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", given)
    if not match:
        closed = re.fullmatch(r"\s*\w+\s*\([^()]*", given)
        advice = f"did you mean {given.strip() + ')'!r}?" if closed else "as in 'elu(1.7)'"
        raise ConfigurationError(f"{place}: expected name(arguments), got {shown(given)}: {advice}")
    name, inside = match.groups()
    known = {cls.__name__: cls for cls in _known(kind)}
    plain = {_key(each): cls for each, cls in known.items()}
    found = plain.get(_key(name)) or plain.get(ALIASES.get(_key(name), ""))
    if found is None:
        meant = nearest(name, [*known, *(a for a, key in ALIASES.items() if key in plain)])
        advice = f"did you mean {meant!r}?" if meant else "write one of " + ", ".join(sorted(known))
        raise ConfigurationError(
            f"{place}: expected the name of {article} {what}, got {shown(given)}: {advice}"
        )
    words = [part.strip() for part in inside.split(",")] if inside else []
    named = [word.partition("=") for word in words if "=" in word]
    if any("=" in word for word in words[: len(words) - len(named)]):
        raise ConfigurationError(f"{place} {given!r}: expected arguments by name after the others")
    try:
        made: T = found(
            *(_value(word) for word in words if "=" not in word),
            **{key.strip(): _value(value.strip()) for key, _, value in named},
            **arguments,
        )
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{place} {given!r}: {error}") from None
    return made


def hint(name: str, known: Iterable[str]) -> str:
    """What was probably meant by a name that there is not, for an error; empty if nothing is."""
    public = (one for one in known if not one.startswith("_"))
    meant = ELSEWHERE.get(name) or nearest(name, public)
    return f": did you mean {meant}?" if meant else ""


def _known(kind: type[Any]) -> list[type[Any]]:
    """The public classes of a kind; of equal names, this package's or the last one wins."""
    public = [cls for cls in concrete_subclasses(kind) if not cls.__name__.startswith("_")]
    return sorted(public, key=lambda cls: cls.__module__.startswith("minitorch_np."))


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
