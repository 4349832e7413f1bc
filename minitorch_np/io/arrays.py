"""Arrays, and nested states made of arrays, numbers and texts, in one .npz file without pickle."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ModelFileError
from minitorch_np.io.atomic import replacing
from minitorch_np.validation import path as checked_path

_STATE, _ARRAY = "state", "__array__"


def write_arrays(path: StrPath, arrays: Mapping[str, AnyArray]) -> None:
    """Write an .npz at `path` exactly, at once or not at all."""
    with replacing(path) as file:
        np.savez(file, **cast(dict[str, Any], arrays))


def read_arrays(path: StrPath) -> dict[str, AnyArray]:
    """All arrays of an .npz. Raises ModelFileError for one that is damaged or not an .npz."""
    with open(checked_path("file", "its path", path), "rb") as file:
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
