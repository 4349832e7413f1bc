"""A limit on the size of a model that is read from a file.

A file of a kilobyte can describe a layer of a billion parameters. But it has no more parameters
than its arrays hold, so no more than that is allocated while such a model is built.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

from minitorch_np.arrays import Shape, parts
from minitorch_np.errors import ModelFileError
from minitorch_np.io.bounded import require_room

_LEFT: ContextVar[int | None] = ContextVar("left", default=None)


@contextlib.contextmanager
def room_for(numbers: int) -> Iterator[None]:
    """Within the `with` block, layers may allocate this many numbers in total."""
    before = _LEFT.set(numbers)
    try:
        yield
    finally:
        _LEFT.reset(before)


def require_parameters(place: str, shape: Shape) -> None:
    """Raise ModelFileError if a parameter of that shape exceeds what is left."""
    left = _LEFT.get()
    if left is not None and math.prod(shape) > left:
        raise ModelFileError(
            f"{place}: expected parameters of at most {left} numbers, as the file has, got {shape}"
        )


def require_sample(place: str, shape: Shape) -> None:
    """Raise ModelFileError if one sample of that shape would not fit into memory."""
    if _LEFT.get() is not None:
        size = 4 * sum(map(math.prod, parts(shape)))
        require_room(f"{place}: a sample of shape {shape}", size, 0, ModelFileError)


def take_room(place: str, numbers: int) -> None:
    """Record what a layer has allocated. Raises ModelFileError if that is too much."""
    left = _LEFT.get()
    if left is not None:
        require_parameters(place, (numbers,))
        _LEFT.set(left - numbers)
