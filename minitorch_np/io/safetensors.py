"""Named arrays in a safetensors file: a JSON header and the plain numbers, which PyTorch, JAX and
others can read too. The `safetensors` library writes and reads it (extra `safetensors`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.errors import ModelFileError, optional
from minitorch_np.io.arrays import in_words
from minitorch_np.io.atomic import replacing
from minitorch_np.io.bounded import open_file
from minitorch_np.validation import path as path_of


def write_safetensors(path: StrPath, arrays: Mapping[str, AnyArray]) -> None:
    """Write the arrays to `path`, atomically. Raises MissingExtraError, OSError."""
    # The library ignores strides: an array in another order would be scrambled.
    ordered = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    library = optional("safetensors.numpy", "safetensors", "save_weights")
    content = library.save(ordered)
    with replacing(path_of("save_weights", "path", path)) as file:
        file.write(content)


def read_safetensors(path: StrPath) -> dict[str, AnyArray]:
    """The arrays in `path`. Raises MissingExtraError, ModelFileError for another kind of file."""
    library = optional("safetensors.numpy", "safetensors", "load_weights")
    name = path_of("load_weights", "path", path)
    open_file(name).close()  # raises an OSError that names the file
    try:
        arrays: dict[str, AnyArray] = library.load_file(name)
    except Exception as error:  # SafetensorError, and KeyError for dtypes that NumPy lacks
        raise ModelFileError(
            f"{name}: expected a safetensors file of numbers that NumPy has, got one that is "
            f"truncated, damaged or something else ({in_words(error)})"
        ) from None
    return arrays
