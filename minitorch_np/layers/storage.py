"""A model in a file.

The file is NumPy's own .npz: a zip of arrays, one for each parameter, under the parameter's name.
Beside them lies one text, the architecture as JSON. There is no pickle in it, so reading a file
runs no code that is hidden in it; what can be imported by name is a class of layer, or nothing.

A file is written under another name and renamed when it is complete. So whoever looks at the path
sees the old file or the new one, and never half of either.
"""

import contextlib
import errno
import importlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ConfigurationError, MinitorchError, ModelFileError
from minitorch_np.layers.base import Layer

if TYPE_CHECKING:
    from minitorch_np.layers.containers import Sequential

    S = TypeVar("S", bound=Sequential)

FORMAT = 1
"""Raised whenever an older version of this package could not read the file rightly."""

_ARCHITECTURE = "architecture"


def save(model: Layer, path: StrPath) -> None:
    """Write a built model to `path`. Raises NotBuiltError, ConfigurationError, OSError."""
    import json

    model.require_built()
    architecture = {
        "format": FORMAT,
        "model": encode_layer(model),
        "input_shape": model.input_shape,
        "dtype": str(model.dtype),
    }
    arrays = model.named_parameters() | model.named_buffers()
    write_arrays(path, {_ARCHITECTURE: np.array(json.dumps(architecture)), **arrays})


def load(path: StrPath, cls: "type[S]", custom_layers: Iterable[type[Layer]] = ()) -> "S":
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


def write_arrays(path: StrPath, arrays: Mapping[str, AnyArray]) -> None:
    """Write an .npz at `path` exactly, at once or not at all."""
    with replacing(path) as file:
        np.savez(file, **cast(dict[str, Any], arrays))


@contextlib.contextmanager
def replacing(path: StrPath) -> Iterator[IO[bytes]]:
    """A file to write to, beside `path`, that takes its place when all is written; if anything
    fails, what was there stays. Raises FileNotFoundError, ConfigurationError for a device.
    """
    from pathlib import Path

    target = Path(os.path.realpath(path))  # a link stays one; what it points at is replaced
    if target.exists() and not target.is_file():
        raise ConfigurationError(f"{path}: expected a file or a new name, got something else")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(path))
    remove_leftovers(target)
    part = target.with_name(_part_name(target.name, os.getpid()))
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def read_arrays(path: StrPath) -> dict[str, AnyArray]:
    """All arrays of an .npz. Raises ModelFileError for one that is damaged or not an .npz."""
    with open(path, "rb") as file:
        if file.read(2) != b"PK":
            raise ModelFileError(
                f"{path}: expected a model saved by minitorch_np (an .npz), got something else"
            )
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:  # on damaged files zipfile and NumPy raise a dozen kinds
            raise ModelFileError(
                f"{path}: expected a model saved by minitorch_np (an .npz), got a file that is "
                f"truncated, damaged or something else ({type(error).__name__}: {error})"
            ) from None


def write_state(path: StrPath, state: Mapping[str, Any]) -> None:
    """Write nested dictionaries and lists of numbers, texts and arrays to one .npz at `path`.

    The arrays are stored as such; the rest is a JSON text in which each array has a number.
    """
    import json

    arrays: dict[str, AnyArray] = {}

    def encode(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{path}: expected numbers, texts and arrays, got {value!r}")
        arrays[f"array_{len(arrays)}"] = value
        return {_ARRAY: len(arrays) - 1}

    text = json.dumps(state, default=encode)
    write_arrays(path, {_STATE: np.array(text), **arrays})


def read_state(path: StrPath) -> dict[str, Any]:
    """What `write_state` wrote. Raises ModelFileError for a file that is anything else."""
    import json

    arrays = read_arrays(path)

    def decode(value: dict[str, Any]) -> Any:
        return arrays[f"array_{value[_ARRAY]}"] if value.keys() == {_ARRAY} else value

    try:
        state = json.loads(str(arrays[_STATE]), object_hook=decode)
        return dict(state)
    except (LookupError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: expected a state written by minitorch_np, got another kind of .npz, or part "
            f"of one ({type(error).__name__}: {error})"
        ) from None


_STATE, _ARRAY = "state", "__array__"


def remove_leftovers(path: StrPath) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it."""
    from pathlib import Path

    target = Path(os.path.realpath(path))
    for part in target.parent.glob(_part_name(target.name, "*")):
        if not _alive(part.name.split(".")[-2]):
            part.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _part_name(name: str, process: object) -> str:
    return f".minitorch_np.{zlib.crc32(name.encode()):08x}.{process}.part"  # however long the name


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
        return done[-1]
    return value


def _find_class(module: str, name: str, custom: Mapping[str, type[Layer]]) -> type[Layer]:
    if module.startswith("minitorch_np."):
        module = "minitorch_np.layers"  # wherever in it the class is defined in this version
    elif name in custom:
        return custom[name]
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
