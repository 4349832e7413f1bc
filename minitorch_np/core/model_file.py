"""A model in a file.

The file is NumPy's own .npz: a zip of arrays, one for each parameter, under the parameter's name.
It also contains the architecture as JSON. There is no pickle in it, and loading never imports
anything: it can only name layer classes that the program has already defined. The sizes of the
parameters in the architecture are compared with the arrays before they are allocated.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.core.layer import Layer
from minitorch_np.core.room import room_for
from minitorch_np.errors import ConfigurationError, MinitorchError, ModelFileError
from minitorch_np.io.arrays import in_words, read_arrays, read_json, write_arrays
from minitorch_np.signature import concrete_subclasses
from minitorch_np.text import excerpt
from minitorch_np.validation import shown

L = TypeVar("L", bound=Layer)

FORMAT = 1
"""Increment when older versions of this package can't read the file correctly."""

_ARCHITECTURE = "architecture"


def save_model(model: Layer, path: StrPath) -> None:
    """Write a built model to `path`. Raises NotBuiltError, ConfigurationError, OSError."""
    import json

    model.require_built()
    arrays = model.named_parameters() | model.named_buffers()
    try:
        text = json.dumps(architecture(model))
    except (TypeError, ValueError) as error:  # the rest is checked as it is encoded
        raise ConfigurationError(
            f"save: expected metadata made of numbers, texts, lists and dictionaries, got {error}"
        ) from None
    write_arrays(path, {_ARCHITECTURE: np.array(text), **arrays})


def architecture(model: Layer) -> dict[str, Any]:
    """The description of a built model in a file, without arrays. Raises ConfigurationError."""
    return {
        "format": FORMAT,
        "model": encode_layer(model),
        "input_shape": model.input_shape,
        "dtype": str(model.dtype),
        "exclusive_classes": getattr(model, "exclusive_classes", None),
        "metadata": dict(getattr(model, "metadata", {})),
    }


PLACES = 10_000
"""The most layers of a model in a file; a layer used in two places counts twice."""


def load_model(path: StrPath, cls: type[L], custom_layers: Iterable[type[Layer]] = ()) -> L:
    """The model in `path`, which must be a `cls`. Raises ModelFileError, FileNotFoundError."""
    arrays = read_arrays(path)
    try:
        described = read_json(path, arrays.pop(_ARCHITECTURE))
        if not 1 <= described["format"] <= FORMAT:
            raise ModelFileError(
                f"expected a model file of format {FORMAT} or older, got format "
                f"{excerpt(described['format'])}: read it with a newer minitorch_np"
            )
        model = decode_layer(described["model"], {c.__name__: c for c in custom_layers})
        if not isinstance(model, cls):
            raise ModelFileError(f"expected a {cls.__name__}, got {type(model).__name__}")
        # The initial parameters are overwritten below; the generator only has to be one.
        # A little more than the file has is built, for an error that names what does not fit.
        with room_for(sum(array.size for array in arrays.values()) + 2**20):
            rng, shape = np.random.default_rng(0), described["input_shape"]
            model.initialize(shape, rng=rng, dtype=described["dtype"])
        model.load_state_dict(arrays)
        if hasattr(model, "exclusive_classes"):  # absent in older files, where it was True
            setattr(model, "exclusive_classes", described.get("exclusive_classes", True))
            setattr(model, "metadata", dict(described.get("metadata", {})))
    except MinitorchError as error:
        said = str(error).removeprefix(f"{path}: ")
        raise ModelFileError(f"{path}: {excerpt(said, 1000)}") from None
    except Exception as error:  # layers' constructors raise many kinds of errors
        raise ModelFileError(
            f"{path}: expected a model saved by minitorch_np, got a file whose {_ARCHITECTURE} "
            f"is missing or incomplete ({in_words(error)})"
        ) from None
    return model


def encode_layer(layer: Layer) -> Any:
    """A layer as values for JSON: its class and its constructor's arguments, recursively.

    A layer used in two places is described in the first and referred to in the second.
    """
    return _encode(layer, {})


def _encode(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, Layer):
        if id(value) in numbers:
            return {"same_as": numbers[id(value)]}
        described = {
            "class": type(value).__name__,
            "module": type(value).__module__,
            "config": {name: _encode(item, numbers) for name, item in value.config().items()},
        }
        if value.given_name is not None:
            described["name"] = value.given_name
        numbers[id(value)] = len(numbers)
        return described
    if isinstance(value, tuple) and not any(isinstance(item, Layer) for item in value):
        return {"tuple": [_encode(item, numbers) for item in value]}
    if isinstance(value, (list, tuple)):
        return [_encode(item, numbers) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigurationError(
        f"save: expected layer arguments made of numbers, texts, layers and lists, got "
        f"{shown(value)}: give the layer a config() that describes itself in these"
    )


def decode_layer(description: Any, custom: Mapping[str, type[Layer]]) -> Any:
    """The layer that `encode_layer` described, not built."""
    return _Decoder(custom).decode(description)


class _Decoder:
    """Creates layers from descriptions. `done` lists the complete ones, in order."""

    def __init__(self, custom: Mapping[str, type[Layer]]) -> None:
        self.custom, self.done, self.places = custom, list[Layer](), list[int]()

    def decode(self, value: Any) -> Any:
        return self._decode(value)[0]

    def _decode(self, value: Any) -> tuple[Any, int]:
        """The value, and the number of layers in it."""
        if isinstance(value, dict) and "same_as" in value:
            return self.done[value["same_as"]], self.places[value["same_as"]]
        if isinstance(value, dict) and "tuple" in value:
            items, places = self._all(value["tuple"])
            return tuple(items), places
        if isinstance(value, list):
            return self._all(value)
        if not isinstance(value, dict):
            return value, 0
        cls = _find_class(value["module"], value["class"], self.custom)
        items, places = self._all(value["config"].values())
        if places >= PLACES:  # before anything walks through all of them
            raise ModelFileError(f"expected a model of up to {PLACES} layers, got more")
        layer = cls.from_config(dict(zip(value["config"], items, strict=True)))
        if "name" in value:
            layer.named(value["name"])
        self.done.append(layer)
        self.places.append(places + 1)
        return self.done[-1], places + 1

    def _all(self, values: Iterable[Any]) -> tuple[list[Any], int]:
        pairs = [self._decode(value) for value in values]
        return [item for item, _ in pairs], sum(places for _, places in pairs)


def _find_class(module: str, name: str, custom: Mapping[str, type[Layer]]) -> type[Layer]:
    """The class of that name: the package's own class, in whichever module this version defines it;
    else the one in `custom`; else the one that the program has defined in that module.
    """
    ours = isinstance(module, str) and module.startswith("minitorch_np.")
    modules = (module, "__mp_main__") if module == "__main__" else (module,)  # in a worker process
    found = None if ours else custom.get(name)
    for cls in concrete_subclasses(Layer):
        theirs = cls.__module__
        right = theirs.startswith("minitorch_np.") if ours else theirs in modules
        if cls.__name__ == name and right and (found is None or name not in custom):
            found = cls  # of two, the one defined last, as where a notebook's cell is run again
    if found is None:
        shown = excerpt(name)
        raise ModelFileError(
            f"layer {shown}: expected its class to be defined, but no module that is loaded has "
            f"defined it as {excerpt(module)}.{shown}: import the module, or pass the class, as in "
            f"Sequential.load(path, custom_layers=[{shown}])"
        )
    return found
