"""A data set in pieces: the batches of one epoch.

Each epoch sees every sample once, in a new random order. Picking the rows of a batch out of a large
array is a fifth of the cost of a step of a small network, so the rows are gathered with one call
into an array that is used again for each batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minitorch_np.arrays import (
    AnyArray,
    Array,
    Generator,
    aligned_empty,
    all_finite,
    require_finite,
)


class Batches:
    """Batches of `size` rows of x and y; the last one may be smaller. `size=None` is all rows.

    An array that was yielded is valid until the next one is asked for. In the first epoch each
    batch is looked through for numbers that are not finite, while it is in the processor's cache:
    a tenth of what it costs to look through all of x beforehand.
    """

    def __init__(
        self, x: Array, y: AnyArray, size: int | None, *, shuffle: bool, place: str
    ) -> None:
        self.x, self.y, self.place = x, y, place
        self.size = min(size or len(x), len(x))
        # The order within a batch is of no consequence, so all rows at once are never copied.
        self.shuffle = shuffle and self.size < len(x)
        self.checked = False

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def epoch(self, rng: Generator) -> Iterator[tuple[Array, AnyArray]]:
        """The batches of one epoch, in an order drawn from `rng` if they are shuffled.

        Raises DataError, with row and column, for a NaN or infinity in x.
        """
        for x, y in self._shuffled(rng) if self.shuffle else self._in_order():
            if not self.checked and not all_finite(x):
                require_finite(self.x, self.place)  # all of it, for the row's number
            yield x, y
        self.checked = True

    def _in_order(self) -> Iterator[tuple[Array, AnyArray]]:
        for start in range(0, len(self.x), self.size):
            stop = start + self.size
            yield self.x[start:stop], self.y[start:stop]

    def _shuffled(self, rng: Generator) -> Iterator[tuple[Array, AnyArray]]:
        x, y, size = self.x, self.y, self.size
        buffer = aligned_empty((size, *x.shape[1:]), x.dtype)
        order = rng.permutation(len(x))
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            # "clip" writes straight into the buffer; the default mode goes through a copy.
            yield x.take(rows, 0, buffer[: len(rows)], "clip"), y.take(rows, 0)
