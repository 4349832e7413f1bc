"""The errors of this package.

Each message says four things: where it happened, what was expected, what came, and what to do about
it. All of them share one base class, so that `except MinitorchError` catches what this
package raises and nothing else. Where Python has a kind of error that people expect (a
wrong shape is a ValueError), ours is that kind too.
"""

from __future__ import annotations

import importlib
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
    """An array or a layer does not fit where it is used."""


class DataError(MinitorchError, ValueError):
    """A file or an array of data is not what it has to be."""


class ConfigurationError(MinitorchError, ValueError):
    """An argument has no meaning here: a negative slope, an unknown name, a misplaced softmax."""


class ArgumentError(MinitorchError, TypeError):
    """A call has an argument that does not exist here, or lacks one."""


class NotBuiltError(MinitorchError, AttributeError):
    """A layer was used before it had its shapes and parameters."""


class GradientError(MinitorchError, AssertionError):
    """A gradient is not what finite differences say, or could not be checked."""


class DivergenceError(MinitorchError, ArithmeticError):
    """Training produced a number that is not finite, and was stopped."""


class RankError(MinitorchError, RuntimeError):
    """Another process of a training on several failed, and so this one can't go on."""


class ModelFileError(MinitorchError, ValueError):
    """A saved model can't be read: damaged, incomplete, of a newer format, of unknown layers."""


class MissingExtraError(MinitorchError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose}: expected the library {library} to be installed, but it is not: "
            f"run  pip install 'minitorch-np[{extra}]'"
        )
        self._arguments = library, extra, purpose

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), self._arguments  # pickle would call it with the message alone


def optional(module: str, extra: str, purpose: str) -> Any:
    """An optional library, imported when it is needed.

    Raises MissingExtraError, which names the extra that brings it, where it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(module.partition(".")[0], extra, purpose) from None
