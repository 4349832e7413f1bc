"""Random numbers for a part of a batch, the same as one process draws for the whole.

Layers such as Dropout draw an array with a row for each of their samples. Where the samples are
divided among processes, each draws the rows of all of them and keeps its own. So the numbers do not
depend on how many processes there are, and their generators stay in the same state.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np


@functools.cache
def draws() -> Any:
    """The class of these generators, made when it is first used: NumPy loads its own then."""

    class Draws(np.random.Generator):
        """A generator whose arrays with a row for each sample are drawn as in one process.

        It draws for all samples of the piece, or skips what others draw, and returns the rows of
        this rank's.
        """

        def __init__(self, bits: Any, rows: slice, all_rows: int) -> None:
            super().__init__(bits)
            self.rows, self.all_rows = rows, all_rows

    for name, place in SIZES.items():
        setattr(Draws, name, _by_sample(name, place))
    return Draws


def _by_sample(name: str, place: int) -> Any:
    """A generator's method, for whose arrays the rows are drawn by sample."""
    draw: Any = getattr(np.random.Generator, name)

    def drawn(self: Any, *given: Any, **options: Any) -> Any:
        size = given[place] if len(given) > place else options.get("size")
        shape = (size,) if isinstance(size, (int, np.integer)) else size
        own = self.rows.stop - self.rows.start
        if shape is None or not len(shape) or shape[0] != own or options.get("out") is not None:
            return draw(self, *given, **options)
        dtype = given[1] if len(given) > 1 else options.get("dtype")
        if name == "random" and dtype == np.float32 and _skips(self.bit_generator):
            row = math.prod(shape[1:])  # as Dropout draws: what others draw is left out
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
    """Go on as if so many float32 had been drawn; of PCG64, each is half of a draw.

    The last ones are drawn, so that the state is the same to the bit.
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
"""What draws by sample, and which of its arguments is the size."""
