"""Atomic writing: a file is replaced completely or not at all.

It is written under another name and renamed when it is complete. So a reader of the path sees
either the old file or the new one, never a part.
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
    """A temporary file that replaces `path` at the end of the context; if anything fails, the old
    file is kept. Raises FileNotFoundError, or ConfigurationError for a device.

    A file that is replaced keeps its mode; a new one gets the default mode.
    """
    from pathlib import Path

    # A symbolic link is kept; its target is replaced.
    target = Path(os.path.realpath(checked_path("file", "its path", path)))
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
    """Remove temporary files in the folder of `path` from processes of this machine that were
    killed while writing.
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
    except (OSError, OverflowError):  # a process of another user
        return True
    return True


@functools.cache
def _ours() -> str:
    """The prefix of this machine's temporary files, which is followed by the process and a random
    number. A folder may be shared with other machines.
    """
    import socket  # slow to import

    return f".minitorch_np.{zlib.crc32(socket.gethostname().encode()):08x}."
