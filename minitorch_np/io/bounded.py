"""Files that somebody else has written, read within bounds.

A small file can ask for a lot: a compressed one expands a thousandfold, a picture says 13000 x
13000 in a few bytes, an architecture says 15000 units in a word, a pipe makes its reader wait for
ever. So a file has to be a file, and what it asks for is compared with what it is before memory is
taken for it.
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
"""What a file may expand to, whatever the limit: so many times its own size."""

_LIMIT: ContextVar[int] = ContextVar("limit", default=64 * 2**20)


@contextlib.contextmanager
def expansion_limit(size: int) -> Iterator[None]:
    """Inside of the `with`, a file that is read may expand to `size` bytes (by default 64 MiB, or
    eight times its own size). Raises ConfigurationError.
    """
    before = _LIMIT.set(whole("expansion_limit", "size", size))
    try:
        yield
    finally:
        _LIMIT.reset(before)


def require_room(
    place: object, wanted: int, stored: int = 0, error: type[MinitorchError] = DataError
) -> None:
    """Raise `error` if a file of `stored` bytes makes `wanted` bytes, and that is too much."""
    if wanted > max(_LIMIT.get(), RATIO * stored):
        raise error(
            f"{place}: expected at most {max(_LIMIT.get(), RATIO * stored):,} bytes when it is "
            f"expanded, got {wanted:,}: if you trust the file, read it inside of "
            "`with minitorch_np.io.expansion_limit(...):`"
        )


def open_file(path: StrPath) -> IO[bytes]:
    """A file, opened to read bytes. Raises DataError for a pipe or a device, OSError."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # to open a folder is an error of its own
        raise DataError(f"{path}: expected a file, got a pipe or a device")
    return open(path, "rb")


def read_bytes(path: StrPath) -> bytes:
    """A file's bytes, expanded where it is a gzip file, which its first two bytes tell.

    Raises DataError for a gzip file that is damaged or expands too far.
    """
    import gzip  # like zlib: not needed before a file is read
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
