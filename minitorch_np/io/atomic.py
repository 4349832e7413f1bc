"""A file that is replaced whole or not at all.

It is written under another name and renamed when it is complete. So a reader of the path sees
the old file or the new one, and never half of either.
"""

import contextlib
import errno
import functools
import os
import stat
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

    A file that is replaced keeps its mode; a new one has what the umask leaves.
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
    part = target.with_name(f"{_ours()}{os.getpid()}.{os.urandom(6).hex()}.part")
    try:
        with open(part, "xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(part, stat.S_IMODE(os.stat(target).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def remove_leftovers(path: StrPath) -> None:
    """Remove what processes of this machine left in the folder of `path`, because they were killed
    while they wrote.
    """
    from pathlib import Path

    folder = Path(os.path.realpath(checked_path("file", "its path", path))).parent
    for part in folder.glob(f"{_ours()}*.part"):
        if not _alive(part.name.removeprefix(_ours()).partition(".")[0]):
            part.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except (OSError, OverflowError):  # it is somebody else's
        return True
    return True


@functools.cache
def _ours() -> str:
    """How the names of unfinished files begin: a folder may be shared with other machines, whose
    processes have other numbers. Then come the process and a random number.
    """
    import socket  # slow to import

    return f".minitorch_np.{zlib.crc32(socket.gethostname().encode()):08x}."
