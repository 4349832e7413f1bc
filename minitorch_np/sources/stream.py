"""Iterables of batches: a generator function, a PyTorch DataLoader, an endless iterator.

They yield batches (x, y) or (x, y, sample_weight) in their own order, and only forwards. So an
epoch is a number of steps. A resumed run reads the batches that were already used again and skips
them; a checksum shows whether they are the same as before.

- A function is called for each epoch. If it takes the number of the epoch as an argument, only the
  batches of the epoch in which the run was stopped are read again.
- An object such as a DataLoader is iterated over once per epoch.
- An iterator continues from epoch to epoch.
"""

from __future__ import annotations

import inspect
import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.errors import DataError, MinitorchError
from minitorch_np.io.arrays import in_words
from minitorch_np.sources.stores import tree


class Given(NamedTuple):
    """A batch as arrays, its number in the epoch, and the checksum of all batches up to it."""

    batch: tuple[Any, ...]
    number: int
    seen: int


class Stream:
    """The batches of an iterable, `steps` per epoch; None means all that it yields."""

    def __init__(self, batches: Any, steps: int | None, place: str) -> None:
        self.batches, self.place = batches, place
        self.steps = len(batches) if steps is None and hasattr(batches, "__len__") else steps
        self.by_epoch = callable(batches) and _takes_epoch(batches)
        self._goes_on = not callable(batches) and hasattr(batches, "__next__")
        self._ready: Iterator[Any] | None = None  # of the first epoch, once `first` was called
        self._epoch = self._seen = 0

    def first(self) -> tuple[Any, ...]:
        """The first batch; the first epoch begins with it."""
        opened = self.opened()
        batch = self._next(opened, 0)
        self._ready = itertools.chain([batch], opened)
        return self._as_batch(batch, 0)

    def epoch(self, number: int, done: int = 0, seen: int = 0) -> Iterator[Given]:
        """The batches of an epoch except the first `done`, whose checksum is `seen`.

        Raises DataError if these are different now, or if an epoch ends early.
        """
        for earlier in range(number if self.by_epoch else self._epoch, number):
            for _ in self._run(earlier):  # when a run is resumed
                pass
        for given in self._run(number):
            if given.number >= done:
                yield given
            elif given.number == done - 1 and given.seen != seen:
                raise DataError(
                    f"{self.place}: expected the {done} batches that this epoch was already "
                    "trained on, got others: to resume a run in the middle of an epoch, the "
                    "iterable must yield the same batches again"
                )

    def _run(self, number: int) -> Iterator[Given]:
        """All batches of an epoch."""
        opened = self.opened(number)
        if self.by_epoch:
            self._seen = 0
        for step in itertools.count() if self.steps is None else range(self.steps):
            batch = self._next(opened, step)
            if batch is None:
                break
            arrays = self._as_batch(batch, step)
            self._seen = _checksum(arrays, self._seen)
            yield Given(arrays, step, self._seen)
        self._epoch = number + 1

    def opened(self, number: int = 0) -> Iterator[Any]:
        """An iterator over the batches of an epoch. Raises DataError if there is none."""
        if self._ready is not None and (self._goes_on or not number):
            opened = self._ready
            self._ready = opened if self._goes_on else None
            return opened
        if not callable(self.batches):
            return iter(self.batches)
        expected = f"{self.place}: expected a function that returns an iterator over batches"
        try:
            made = self.batches(number) if self.by_epoch else self.batches()
        except (MinitorchError, MemoryError):
            raise
        except Exception as error:
            raise DataError(f"{expected}, got {in_words(error)}") from error
        if not hasattr(made, "__iter__"):
            raise DataError(f"{expected}, got one that returns {type(made).__name__}")
        return iter(made)

    def _next(self, opened: Iterator[Any], step: int) -> Any:
        """The next batch, or None at the end if the number of steps is not fixed."""
        try:
            return next(opened)
        except StopIteration:
            if self.steps is None and step:
                return None
        except (MinitorchError, MemoryError):
            raise
        except Exception as error:
            raise DataError(
                f"{self.place}: expected batch {step}, got {in_words(error)}"
            ) from error
        expected = "at least one batch" if self.steps is None else f"{self.steps} batches an epoch"
        raise DataError(
            f"{self.place}: expected {expected}, got {step or 'none'}: set steps_per_epoch to the "
            "number of batches, or, if the iterable was used up before, pass a function that "
            "creates it"
        )

    def _as_batch(self, batch: Any, step: int) -> tuple[Any, ...]:
        """Inputs, targets and weights of a batch as arrays. Raises DataError for other batches."""
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            found = f"{len(batch)} items" if isinstance(batch, (tuple, list)) else type(batch)
            raise DataError(
                f"{self.place}: expected batches (x, y) or (x, y, sample_weight), got {found} "
                f"as batch {step}"
            )
        arrays: tuple[Any, ...] = tree(np.asarray, tuple(batch))
        shapes = list[tuple[int, ...]]()
        tree(lambda leaf: shapes.append(leaf.shape), arrays)
        lengths = {shape[:1] for shape in shapes}
        if len(lengths) > 1 or lengths & {(), (0,)}:
            raise DataError(
                f"{self.place}: expected as many inputs as targets in batch {step}, and at least "
                f"one, got shapes {', '.join(map(str, shapes))}"
            )
        return arrays


def _takes_epoch(function: Callable[..., Any]) -> bool:
    """Whether a function has a required positional argument."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(one.kind in positional and one.default is one.empty for one in given)


def _checksum(batch: tuple[Any, ...], seen: int) -> int:
    """A checksum of the targets and the first sample, enough to tell batches apart."""
    leaves = list[AnyArray]()
    tree(lambda leaf: leaves.append(leaf[:1]), batch[0])
    tree(leaves.append, batch[1:])
    for leaf in leaves:
        numbers = leaf if leaf.dtype != object else leaf.astype(str)
        seen = zlib.crc32(np.ascontiguousarray(numbers).data, seen)
    return seen
