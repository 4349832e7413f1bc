"""The errors of this package.

Each message says where it happened, what was expected, what was found, and what to do about it. All
errors share one base class, so that `except MinitorchError` catches the errors of this package and
nothing else. Each also derives from the Python error that users expect (a wrong shape is a
ValueError).
"""

from __future__ import annotations

import importlib
import os
import sys
from types import TracebackType
from typing import Any

__all__ = [
    "ArgumentError",
    "ConfigurationError",
    "DataError",
    "DivergenceError",
    "GradientError",
    "MinitorchError",
    "MissingExtraError",
    "ModelFileError",
    "NotBuiltError",
    "RankError",
    "ShapeError",
]


class MinitorchError(Exception):
    """The base of every error that this package raises on purpose."""


class ShapeError(MinitorchError, ValueError):
    """An array or a layer has the wrong shape."""


class DataError(MinitorchError, ValueError):
    """A file or an array contains invalid data."""


class ConfigurationError(MinitorchError, ValueError):
    """An argument is invalid: a negative slope, an unknown name, a misplaced softmax."""


class ArgumentError(MinitorchError, TypeError):
    """A call has an unknown argument, or lacks a required one."""


class NotBuiltError(MinitorchError, AttributeError):
    """A layer was used before it had its shapes and parameters."""


class GradientError(MinitorchError, AssertionError):
    """A gradient disagrees with finite differences, or could not be checked."""


class DivergenceError(MinitorchError, ArithmeticError):
    """Training produced a number that is not finite, and was stopped."""


class RankError(MinitorchError, RuntimeError):
    """Training stopped because another of the processes (ranks) failed."""


class ModelFileError(MinitorchError, ValueError):
    """A saved model can't be read: damaged, incomplete, of a newer format, of unknown layers."""


class MissingExtraError(MinitorchError, ImportError):
    """An optional library is not installed; the message names the extra that installs it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose}: expected the library {library} to be installed, but it is not: "
            f"run  pip install 'minitorch-np[{extra}]'"
        )
        self._arguments = library, extra, purpose

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), self._arguments  # by default pickle passes only the message


def optional(module: str, extra: str, purpose: str) -> Any:
    """Import an optional library.

    Raises MissingExtraError, which names the extra that installs it, if it is missing.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(module.partition(".")[0], extra, purpose) from None


def quiet_interrupts() -> None:
    """If this process is the command line, print no traceback if Ctrl-C ends it while it starts.

    The command's own code can't catch that: this package, and NumPy, are imported before it.
    """
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    modules = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
    if modules[:1] != ["minitorch_np"] and name.removesuffix(".exe") != "minitorch-np":
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook
