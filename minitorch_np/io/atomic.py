"""A file that is replaced whole or not at all.

It is written under another name and renamed when it is complete. So a reader of the path sees
the old file or the new one, and never half of either.
"""

import contextlib
import errno
import os
import zlib
from collections.abc import Iterator
from typing import IO

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError
from minitorch_np.validation import path as checked_path


@contextlib.contextmanager
def replacing(path: StrPath) -> Iterator[IO[bytes]]:
    """A file to write to, beside `path`, that takes its place when all is written; if anything
    fails, what was there stays. Raises FileNotFoundError, ConfigurationError for a device.
    """
    from pathlib import Path

    target = Path(
        os.path.realpath(checked_path("file", "its path", path))
    )  # a link stays one; what it points at is replaced
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


def remove_leftovers(path: StrPath) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it."""
    from pathlib import Path

    target = Path(os.path.realpath(checked_path("file", "its path", path)))
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
