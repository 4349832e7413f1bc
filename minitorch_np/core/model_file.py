"""A model in a file.

The file is NumPy's own .npz: a zip of arrays, one for each parameter, under the parameter's name.
Beside them lies one text, the architecture as JSON. There is no pickle in it, so reading a file
runs no hidden code; what can be imported by name is a layer class, or nothing.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from minitorch_np.arrays import StrPath
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ConfigurationError, MinitorchError, ModelFileError
from minitorch_np.io.arrays import read_arrays, write_arrays
from minitorch_np.signature import concrete_subclasses

L = TypeVar("L", bound=Layer)

FORMAT = 1
"""Increment when older versions of this package can't read the file correctly."""

_ARCHITECTURE = "architecture"


def save_model(model: Layer, path: StrPath) -> None:
    """Write a built model to `path`. Raises NotBuiltError, ConfigurationError, OSError."""
    import json

    model.require_built()
    architecture = {
        "format": FORMAT,
        "model": encode_layer(model),
        "input_shape": model.input_shape,
        "dtype": str(model.dtype),
        "exclusive_classes": getattr(model, "exclusive_classes", None),
    }
    arrays = model.named_parameters() | model.named_buffers()
    write_arrays(path, {_ARCHITECTURE: np.array(json.dumps(architecture)), **arrays})


def load_model(path: StrPath, cls: type[L], custom_layers: Iterable[type[Layer]] = ()) -> L:
    """The model in `path`, which must be a `cls`. Raises ModelFileError, FileNotFoundError."""
    import json

    arrays = read_arrays(path)
    try:
        architecture = json.loads(str(arrays.pop(_ARCHITECTURE)))
        if not 1 <= architecture["format"] <= FORMAT:
            raise ModelFileError(
                f"{path}: expected a model file of format {FORMAT} or older, got format "
                f"{architecture['format']}: read it with a newer minitorch_np"
            )
        model = decode_layer(architecture["model"], {c.__name__: c for c in custom_layers})
        if not isinstance(model, cls):
            raise ModelFileError(f"{path}: expected a {cls.__name__}, got {type(model).__name__}")
        # The initial parameters are overwritten below; the generator only has to be one.
        model.initialize(
            architecture["input_shape"], rng=np.random.default_rng(0), dtype=architecture["dtype"]
        )
        model.load_state_dict(arrays)
        if hasattr(model, "exclusive_classes"):  # older files do not say, and meant True
            setattr(model, "exclusive_classes", architecture.get("exclusive_classes", True))
    except ModelFileError:
        raise
    except (LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ModelFileError(
            f"{path}: expected a model saved by minitorch_np, got a file whose {_ARCHITECTURE} "
            f"is missing or incomplete ({type(error).__name__}: {error})"
        ) from None
    except MinitorchError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return model


def encode_layer(layer: Layer) -> Any:
    """A layer as JSON can hold it: its class and its constructor's arguments, the same within.

    A layer that stands in two places is described in the first and numbered in the second.
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
        f"save: expected layer arguments made of numbers, texts, layers and lists, got {value!r}: "
        "give the layer a config() that describes itself in these"
    )


def decode_layer(description: Any, custom: Mapping[str, type[Layer]]) -> Any:
    """The layer that `encode_layer` described, not built."""
    return _decode(description, custom, [])


def _decode(value: Any, custom: Mapping[str, type[Layer]], done: list[Layer]) -> Any:
    if isinstance(value, list):
        return [_decode(item, custom, done) for item in value]
    if isinstance(value, dict) and "tuple" in value:
        return tuple(_decode(item, custom, done) for item in value["tuple"])
    if isinstance(value, dict) and "same_as" in value:
        return done[value["same_as"]]
    if isinstance(value, dict):
        cls = _find_class(value["module"], value["class"], custom)
        config = {name: _decode(item, custom, done) for name, item in value["config"].items()}
        done.append(cls.from_config(config))
        if "name" in value:
            done[-1].named(value["name"])
        return done[-1]
    return value


def _find_class(module: str, name: str, custom: Mapping[str, type[Layer]]) -> type[Layer]:
    found: object = custom.get(name)
    if module.startswith("minitorch_np."):  # wherever the class is defined in this version
        ours = [c for c in concrete_subclasses(Layer) if c.__module__.startswith("minitorch_np.")]
        found = next((c for c in ours if c.__name__ == name), None)
    elif found is None:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except (ImportError, ValueError):
            found = None
    if not (isinstance(found, type) and issubclass(found, Layer)):
        raise ModelFileError(
            f"layer {name}: expected to find the class in the module {module}, but it is not "
            f"there: pass it, as in Sequential.load(path, custom_layers=[{name}])"
        )
    return found
