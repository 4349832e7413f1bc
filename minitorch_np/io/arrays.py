"""Arrays, and nested states of arrays, numbers and strings, in one .npz file without pickle."""

import os
import zlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ModelFileError
from minitorch_np.io.atomic import replacing
from minitorch_np.io.bounded import open_file, require_room
from minitorch_np.text import excerpt
from minitorch_np.validation import path as checked_path

_STATE, _CHECKSUM, _ARRAY = "checked_state", "checksum", "__array__"
_UNCHECKED = "state"
"""The name of the JSON text in files of format 2 or older, which have no checksum."""

JSON_COSTS = 16
"""The bytes of Python objects per byte of JSON, at most: an empty list takes two characters."""


def write_arrays(path: StrPath, arrays: Mapping[str, AnyArray]) -> None:
    """Write an .npz to exactly `path`, atomically."""
    with replacing(path) as file:
        np.savez(file, **cast(dict[str, Any], arrays))


def read_arrays(path: StrPath) -> dict[str, AnyArray]:
    """All arrays of an .npz. Raises ModelFileError if it is damaged, not an .npz, or too large when
    expanded.
    """
    with open_file(checked_path("file", "its path", path)) as file:
        if file.read(2) != b"PK":
            raise ModelFileError(
                f"{path}: expected a model saved by minitorch_np (an .npz), got something else"
            )
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                expanded = sum(member.file_size for member in archive.zip.infolist())
                require_room(path, expanded, os.fstat(file.fileno()).st_size, ModelFileError)
                return {name: archive[name] for name in archive.files}
        except ModelFileError:
            raise
        except Exception as error:  # zipfile and NumPy raise many kinds of errors
            raise ModelFileError(
                f"{path}: expected a model saved by minitorch_np (an .npz), got a file that is "
                f"truncated, damaged or something else ({in_words(error)})"
            ) from None


def read_json(path: StrPath, text: AnyArray, **options: Any) -> Any:
    """The content of a JSON text in an .npz at `path`. Raises ValueError or similar if it is not
    JSON, ModelFileError if it is too large.
    """
    import json

    if text.dtype.kind != "U" or text.ndim:
        raise ValueError(f"expected a text, got {text.dtype} of shape {text.shape}")
    require_room(path, JSON_COSTS * text.nbytes // 4, os.path.getsize(path), ModelFileError)
    return json.loads(str(text), **options)


def write_state(path: StrPath, state: Mapping[str, Any]) -> None:
    """Write nested dictionaries and lists of numbers, strings and arrays to one .npz at `path`.

    The arrays are stored as such; the rest is a JSON text that refers to them by number. A checksum
    of everything detects later changes.
    """
    import json

    arrays: dict[str, AnyArray] = {}

    def encode(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{path}: expected numbers, strings and arrays, got {value!r}")
        arrays[f"array_{len(arrays)}"] = value
        return {_ARRAY: len(arrays) - 1}

    text = json.dumps(state, default=encode)
    arrays = {_STATE: np.array(text), **arrays}
    write_arrays(path, {**arrays, _CHECKSUM: np.array(_checksum(arrays))})


def read_state(path: StrPath) -> dict[str, Any]:
    """The state written by `write_state`. Raises ModelFileError for any other file, or one that was
    changed since.
    """
    arrays = read_arrays(path)

    def decode(value: dict[str, Any]) -> Any:
        return arrays[f"array_{value[_ARRAY]}"] if value.keys() == {_ARRAY} else value

    try:
        if _UNCHECKED in arrays:
            return dict(read_json(path, arrays[_UNCHECKED], object_hook=decode))
        if arrays.pop(_CHECKSUM) != _checksum(arrays):
            raise ValueError("its checksum differs: it was changed after it was written")
        return dict(read_json(path, arrays[_STATE], object_hook=decode))
    except ModelFileError:
        raise
    except Exception as error:  # the text can contain anything
        raise ModelFileError(
            f"{path}: expected a state written by minitorch_np, got another kind of .npz, or part "
            f"of one ({in_words(error)})"
        ) from None


def in_words(error: Exception) -> str:
    """An error of Python or NumPy as part of a message: its class, and the escaped beginning of its
    text, which may quote a file's content.
    """
    return f"{type(error).__name__}: {excerpt(str(error), 200)}"


def _checksum(arrays: Mapping[str, AnyArray]) -> int:
    found = 0
    for name, array in arrays.items():
        head = f"{name} {array.dtype.str} {array.shape}"
        found = zlib.crc32(np.ascontiguousarray(array).data, zlib.crc32(head.encode(), found))
    return found
