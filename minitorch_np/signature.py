"""Signatures: objects that describe themselves, and errors that suggest the right argument.

In its repr and in a file, an object is described by its class and its constructor's arguments. They
are read from the constructor's signature and from the attributes of the same names, so that a
user-defined layer need not list them.

The error for an unknown argument names the one that was probably meant. No check is made before a
call: Python refuses it, and its TypeError is replaced by a more helpful one.
"""

from __future__ import annotations

import functools
import re
import weakref
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ParamSpec, Self, TypeVar

from minitorch_np.errors import ArgumentError, ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")

FIRST = ("self", "_cls")
"""The names of a first argument that Python itself passes."""

REQUIRED = object()
"""In `arguments_of`: an argument without a default."""

SPREAD = object()
"""In `arguments_of`: an argument like *layers."""

ELSEWHERE = {
    "lr": "learning_rate",
    "eps": "epsilon",
    "p": "rate",
    "bias": "use_bias",
    "strides": "stride",
    "betas": "beta1",
    "alpha": "negative_slope",
    "init": "initial_slope",
    "kernel_initializer": "weight_initializer",
    "weight": "class_weights",
    "class_weight": "class_weights",
    "restore_best_weights": "restore_best",
    "num_embeddings": "vocabulary",
    "embedding_dim": "dimensions",
    "out_features": "units",
    "out_channels": "filters",
    "n_epochs": "epochs",
    "max_iter": "epochs",
    "random_state": "seed",
    "maxlen": "steps",
    "total_length": "steps",
    "padding_value": "value",
    "hidden_size": "units",
    "nhead": "heads",
    "n_head": "heads",
    "dim_feedforward": "hidden",
    "vocab_size": "vocabulary",
    "input_dim": "vocabulary",
    "output_dim": "dimensions",
    "block_size": "context",
    "n_embd": "width",
    "max_new_tokens": "length",
    "seed": "rng",
    "scale_factor": "size",
}
"""The names of arguments in PyTorch, Keras and scikit-learn, and their names here."""

_INFERRED = "leave it out, since the model finds it from the layer before"
ADVICE = {
    **dict.fromkeys(("lr", "learning_rate"), "give it to the optimizer, as in Adam(0.001)"),
    "activation": "write the activation as a layer after it, as in Sequential(Dense(10), 'relu')",
    "in_features": _INFERRED,
    "in_channels": _INFERRED,
    "num_features": _INFERRED,
    "normalized_shape": _INFERRED,
    "num_channels": _INFERRED,
    "input_size": _INFERRED,
    "embed_dim": _INFERRED,
    "d_model": _INFERRED,
    "batch_first": "leave it out, since batches are (m, steps, features)",
    "num_layers": "write several layers, all but the last with return_sequences=True",
    "bidirectional": "write Bidirectional(layer)",
    "return_state": "layer.step(x) returns the state too",
    "stateful": "give it to fit, as in fit(x, y, stateful=True, shuffle=False)",
    "mask_zero": "write padding_id=0",
    "norm_first": "leave it out, since the norms come first",
    **dict.fromkeys(("LSTM.activation", "GRU.activation"), "its activations are PyTorch's"),
    "class_weight": "give it to the loss, as in SoftmaxCrossEntropy(class_weights={1: 5})",
    "input_dim": "give the model input_shape=, as in Sequential(Dense(10), input_shape=784)",
    "input_shape": "give it to the model, as in Sequential(Dense(10), input_shape=784)",
}
"""Arguments that exist only elsewhere, and what to write here."""


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option with the spelling closest to `word`, ignoring case; None if none is close."""
    import difflib  # slow to import; only needed for errors

    plain = {option.replace("_", "").lower(): option for option in options}
    found = difflib.get_close_matches(word.replace("_", "").lower(), plain, 1)
    return plain[found[0]] if found else None


def arguments_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a function, or of a class's constructor, and their defaults, REQUIRED or
    SPREAD. If a constructor has **common, the arguments of the base class are included.
    """
    lines: Any = [function]
    if isinstance(function, type):
        lines = [vars(cls)["__init__"] for cls in function.__mro__[:-1] if "__init__" in vars(cls)]
    found: dict[str, Any] = {}
    for each in lines:
        arguments, common = _signature(each)
        for name, default in arguments[isinstance(function, type) :]:
            found.setdefault(name, default)
        if not common:
            break
    return found


Signature = tuple[list[tuple[str, Any]], bool]

_known: MutableMapping[Callable[..., Any], Signature] = weakref.WeakKeyDictionary()
"""What `_read` has found: each repr asks for it, and `inspect` is slow."""


def _signature(function: Callable[..., Any]) -> Signature:
    try:
        return _known[function]
    except TypeError:  # it can't be a key
        return _read(function)
    except KeyError:
        found = _known[function] = _read(function)
        return found


def _read(function: Callable[..., Any]) -> Signature:
    """The arguments and their defaults, `self` included, and whether **common is among them."""
    import inspect  # takes longer to import than the rest of this package; rarely needed

    found, common = list[tuple[str, Any]](), False
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if parameter.kind is parameter.VAR_KEYWORD:
            common = True
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            default = SPREAD
        elif default is parameter.empty:
            default = REQUIRED
        found.append((parameter.name, default))
    return found, common


def explain(
    error: TypeError, function: Callable[..., Any], count: int, given: Mapping[str, object]
) -> None:
    """Raise ArgumentError if `error` says that a call of `function` had the wrong arguments."""
    text, name = str(error), function.__name__
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown and unknown[1] in given:
        word, known = unknown[1], arguments_of(function)
        for first in FIRST:
            known.pop(first, None)
        meant = ELSEWHERE.get(word)
        if meant not in known:
            advised = word in ADVICE and f"{word}s" not in known
            meant = None if advised else nearest(word, known)
        takes = ADVICE.get(word, f"it takes {', '.join(known) or 'none'}")
        takes = ADVICE.get(f"{name}.{word}", takes)
        advice = f"did you mean {meant}?" if meant else takes
        raise ArgumentError(f"{name}: expected no argument {word!r}: {advice}") from None
    # Python itself refused the call if no code of the function has run.
    if "argument" in text and error.__traceback__ and error.__traceback__.tb_next is None:
        shown = [
            f"*{key}" if default is SPREAD else key if default is REQUIRED else f"{key}={default!r}"
            for key, default in arguments_of(function).items()
            if key not in FIRST
        ]
        missing = re.search(r"missing .*: (.*)", text)
        got = f"none for {missing[1]}" if missing else f"{count} argument{'s' * (count != 1)}"
        if twice := re.search(r"multiple values for argument ('\w+')", text):
            got = f"{twice[1]} twice"
        raise ArgumentError(f"{name}: expected {name}({', '.join(shown)}), got {got}") from None


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that a call with wrong arguments raises ArgumentError."""

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            explain(error, function, len(arguments) + len(options), options)
            raise

    return call


class Explained(ABCMeta):
    """The metaclass of public classes: creating an object with wrong arguments raises
    ArgumentError. It changes neither classes nor objects.
    """

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        try:
            if (arguments or options) and cls.__init__ is object.__init__:  # type: ignore[misc]
                first = f"unexpected keyword argument {next(iter(options), '')!r}"
                raise TypeError(first if options else "takes no arguments")
            return super().__call__(*arguments, **options)
        except TypeError as error:
            explain(error, cls, len(arguments) + len(options), options)
            raise

    @property
    def __signature__(cls) -> Any:
        """The signature of the constructor instead of that of `__call__`, for `inspect`."""
        import inspect

        if cls.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def concrete_subclasses(root: type[Any]) -> Iterator[type[Any]]:
    """Every subclass of `root` defined so far that is not abstract, in order of definition."""
    for cls in root.__subclasses__():
        if not getattr(cls, "__abstractmethods__", None):
            yield cls
        yield from concrete_subclasses(cls)


class Described(metaclass=Explained):
    """The base of objects that store each constructor argument as an attribute of the same name."""

    def config(self) -> dict[str, Any]:
        """The constructor arguments of this object; an argument `*layers` is one tuple.

        Override it if arguments are not stored under their own names. Raises ConfigurationError if
        one is not found.
        """
        return {name: self._argument(name) for name in arguments_of(type(self))}

    def _argument(self, name: str) -> Any:
        if name not in vars(self):
            raise ConfigurationError(
                f"{type(self).__name__}.config: expected the argument {name!r} to be kept as "
                f"self.{name}, found no such attribute: keep it, or define config()"
            )
        return vars(self)[name]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new object, not built, from the arguments that `config` returned."""
        spread = next((n for n, default in arguments_of(cls).items() if default is SPREAD), None)
        named = {name: value for name, value in config.items() if name != spread}
        return cls(*config.get(spread, ()), **named) if spread else cls(**named)

    def __repr__(self) -> str:
        shown = []
        for name, default in arguments_of(type(self)).items():
            value = vars(self).get(name, "?")
            text = getattr(value, "__name__", None) or repr(value)
            if default is REQUIRED:
                shown.append(text)
            elif default is SPREAD and not value:
                continue
            elif not _is_default(value, default):
                shown.append(f"{name}={text}")
        if getattr(self, "given_name", None) is not None:
            shown.append(f"name={vars(self)['given_name']!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_default(value: Any, default: Any) -> bool:
    """Whether an argument has its default value; an array never has."""
    same = value is default or value == default
    return same if isinstance(same, bool) else False  # arrays compare entry by entry
