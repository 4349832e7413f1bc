"""Text for models that predict the next character: characters as numbers, and windows of them.

A window is a section of a text; its targets are the same section shifted by one character, so that
every position has a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Seed, StrPath, as_generator, row_of_whole
from minitorch_np.errors import DataError
from minitorch_np.io.bounded import read_bytes
from minitorch_np.signature import Explained, explained
from minitorch_np.validation import path as path_of
from minitorch_np.validation import require, whole


class CharTokenizer(metaclass=Explained):
    """Numbers the different characters of a text: 0, 1, 2 and so on in the order of Unicode.

    `characters` is a text, or the characters in any order. Raises ConfigurationError if it is
    empty.
    """

    def __init__(self, characters: str) -> None:
        expected = "a text of at least one character"
        require(isinstance(characters, str) and len(characters) > 0, self, expected, characters)
        self.characters = "".join(sorted(set(characters)))
        self._codes = _codes(self.characters)  # in order

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> AnyArray:
        """The numbers of a text, (length,). Raises DataError for an unknown character."""
        require(isinstance(text, str), "CharTokenizer.encode", "a text", text)
        codes = _codes(text)
        numbers = np.searchsorted(self._codes, codes)
        unknown = self._codes[np.minimum(numbers, len(self) - 1)] != codes
        if unknown.any():
            place = int(unknown.argmax())
            raise DataError(
                f"CharTokenizer: expected characters of the text that it was made from, got "
                f"{text[place]!r} at place {place}"
            )
        return numbers

    def decode(self, ids: Iterable[int]) -> str:
        """The text for these numbers. Raises DataError for a number without a character."""
        listed: Any = list(ids) if isinstance(ids, Iterator) else ids
        numbers = row_of_whole(listed, "CharTokenizer.decode: ids").tolist()
        for place, n in enumerate(numbers):
            if not 0 <= n < len(self.characters):
                raise DataError(
                    f"CharTokenizer: expected numbers from 0 to {len(self) - 1}, got {n} at place "
                    f"{place}"
                )
        return "".join(self.characters[n] for n in numbers)


def _codes(text: str) -> AnyArray:
    """The code point of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class TextWindows(metaclass=Explained):
    """Windows of `steps` numbers of a text, with the number after each as target.

    `ids` is (length,), from CharTokenizer.encode; windows x and targets y are (n, steps). Raises
    DataError for a text shorter than one window and its last target.
    """

    def __init__(self, ids: AnyArray, steps: int) -> None:
        self.steps = whole(self, "steps", steps)
        self.ids = row_of_whole(ids, "TextWindows: ids")
        if len(self.ids) <= self.steps:
            raise DataError(
                f"TextWindows: expected a text of at least {self.steps + 1} numbers, one window "
                f"and its last target, got {len(self.ids)}"
            )

    def consecutive(self) -> tuple[AnyArray, AnyArray]:
        """All consecutive windows, without overlap; a remainder at the end is left out."""
        n = (len(self.ids) - 1) // self.steps
        return self._at(np.arange(n) * self.steps)

    def random(self, n: int, rng: Seed) -> tuple[AnyArray, AnyArray]:
        """n windows at random positions."""
        whole(self, "n", n)
        return self._at(as_generator(rng).integers(len(self.ids) - self.steps, size=n))

    def streams(self, n: int) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Batches of n windows; each row continues where it ended in the previous batch.

        The text is cut into n parts of equal length, which are read in parallel. Raises DataError
        for a text too short for n windows.
        """
        length = (len(self.ids) - 1) // whole(self, "n", n)
        if length < self.steps:
            raise DataError(
                f"TextWindows: expected a text of at least {n * self.steps + 1} numbers for {n} "
                f"streams, got {len(self.ids)}"
            )
        starts = np.arange(n) * length
        for first in range(0, length - self.steps + 1, self.steps):
            yield self._at(starts + first)

    def _at(self, starts: AnyArray) -> tuple[AnyArray, AnyArray]:
        places = starts[:, np.newaxis] + np.arange(self.steps)
        return self.ids[places], self.ids[places + 1]


@explained
def load_text(path: StrPath) -> str:
    """The text in a file; line breaks of any kind become "\\n", a byte order mark is removed.

    Raises DataError, with the position, for a file that is not UTF-8.
    """
    raw = read_bytes(path_of("load_text", "path", path))
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected a text in UTF-8, got byte {raw[error.start]:#04x} at byte "
            f"{error.start}: save it as UTF-8"
        ) from None
