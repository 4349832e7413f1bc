"""Reads untrusted files within limits.

A small file can require a lot of memory: a compressed one can expand a thousandfold, a picture can
declare 13000 x 13000 pixels in a few bytes, an architecture 15000 units in a word; and a pipe can
make its reader wait forever. So the path must be a regular file, and its expanded size is checked
before memory is allocated.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from typing import IO

from minitorch_np.arrays import StrPath
from minitorch_np.errors import DataError, MinitorchError
from minitorch_np.validation import whole

RATIO = 8
"""A file may always expand to this many times its own size."""

_LIMIT: ContextVar[int] = ContextVar("limit", default=64 * 2**20)


@contextlib.contextmanager
def expansion_limit(size: int) -> Iterator[None]:
    """A context in which a file may expand to `size` bytes (by default 64 MiB, or eight times its
    own size). Raises ConfigurationError unless size is a whole number of at least 1.
    """
    before = _LIMIT.set(whole("expansion_limit", "size", size))
    try:
        yield
    finally:
        _LIMIT.reset(before)


def require_room(
    place: object, wanted: int, stored: int = 0, error: type[MinitorchError] = DataError
) -> None:
    """Raise `error` if `wanted` bytes are too many for a file of `stored` bytes."""
    if wanted > max(_LIMIT.get(), RATIO * stored):
        raise error(
            f"{place}: expected at most {max(_LIMIT.get(), RATIO * stored):,} bytes when it is "
            f"expanded, got {wanted:,}: if you trust the file, read it inside "
            "`with minitorch_np.io.expansion_limit(...):`"
        )


def open_file(path: StrPath) -> IO[bytes]:
    """A file opened for reading bytes. Raises DataError for a pipe or a device, OSError."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder raises by itself
        raise DataError(f"{path}: expected a file, got a pipe or a device")
    return open(path, "rb")


def read_bytes(path: StrPath) -> bytes:
    """A file's bytes, decompressed if its first two bytes are those of gzip.

    Raises DataError for a gzip file that is damaged or too large when expanded.
    """
    import gzip  # like zlib: imported only when a file is read
    import zlib

    with open_file(path) as file:
        stored = os.fstat(file.fileno()).st_size
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            return file.read(stored)  # in one piece
        file.seek(0)
        most = max(_LIMIT.get(), RATIO * stored)
        try:
            content = gzip.GzipFile(fileobj=file).read(most + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(
                f"{path}: expected a whole gzip file, got a damaged one: {error}"
            ) from None
    require_room(path, len(content), stored)
    return content
