"""Random numbers for a part of a batch, equal to those that one process draws for all of it.

Layers such as Dropout draw an array with a row for each sample. When the samples are divided among
processes, each process draws the rows of all samples and keeps its own. So the numbers do not
depend on the number of processes, and their generators stay in the same state.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np


@functools.cache
def draws() -> Any:
    """The class of these generators, created at first use, since it loads numpy.random."""

    class Draws(np.random.Generator):
        """A generator that returns this rank's rows of the arrays that one process would draw.

        It draws for all samples of the piece, or skips the numbers of other ranks.
        """

        def __init__(self, bits: Any, rows: slice, all_rows: int) -> None:
            super().__init__(bits)
            self.rows, self.all_rows = rows, all_rows

    for name, place in SIZES.items():
        setattr(Draws, name, _by_sample(name, place))
    return Draws


def _by_sample(name: str, place: int) -> Any:
    """A generator's method, changed to draw one row per sample of the whole batch."""
    draw: Any = getattr(np.random.Generator, name)

    def drawn(self: Any, *given: Any, **options: Any) -> Any:
        size = given[place] if len(given) > place else options.get("size")
        shape = (size,) if isinstance(size, (int, np.integer)) else size
        own = self.rows.stop - self.rows.start
        if shape is None or not len(shape) or shape[0] != own or options.get("out") is not None:
            return draw(self, *given, **options)
        dtype = given[1] if len(given) > 1 else options.get("dtype")
        if name == "random" and dtype == np.float32 and _skips(self.bit_generator):
            row = math.prod(shape[1:])  # as Dropout draws: skip the rows of other ranks
            _skip(self, self.rows.start * row)
            found = draw(self, shape, np.float32)
            _skip(self, (self.all_rows - self.rows.stop) * row)
            return found
        whole = (self.all_rows, *shape[1:])
        if len(given) > place:
            given = (*given[:place], whole, *given[place + 1 :])
        else:
            options["size"] = whole
        return draw(self, *given, **options)[self.rows]

    return drawn


def _skip(rng: Any, numbers: int) -> None:
    """Advance the generator by that many float32; in PCG64, each takes half of a 64-bit draw.

    The last one or two are really drawn, so that the state is the same to the bit.
    """
    draw: Any = np.random.Generator.random
    if numbers and rng.bit_generator.state["has_uint32"]:  # `advance` would forget that half
        draw(rng, 1, np.float32)
        numbers -= 1
    if numbers:
        last = 2 - numbers % 2
        rng.bit_generator.advance((numbers - last) // 2)
        draw(rng, last, np.float32)


def _skips(bits: Any) -> bool:
    return type(bits).__name__ in ("PCG64", "PCG64DXSM")


SIZES = {
    **dict.fromkeys(("random", "standard_normal", "standard_exponential"), 0),
    **dict.fromkeys(("exponential", "poisson", "choice", "standard_t", "geometric"), 1),
    **dict.fromkeys(("normal", "uniform", "integers", "binomial", "gamma", "beta"), 2),
    **dict.fromkeys(("laplace", "gumbel", "logistic", "lognormal"), 2),
}
"""The methods that draw one row per sample, and the position of their argument `size`."""
