"""Whole outputs against what is written in `fixtures`: every word, every digit.

The products of another processor round differently, so that of a number with decimals the last one
shown may be off by one.
"""

from __future__ import annotations

import re
from pathlib import Path

FIXTURES = Path(__file__).with_name("fixtures")

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")


def require_written(name: str, said: str) -> None:
    """Raise AssertionError unless this is what the file says."""
    expected = (FIXTURES / name).read_text(encoding="utf-8").rstrip().splitlines()
    lines = said.rstrip().splitlines()
    for number, (line, wanted) in enumerate(zip(lines, expected, strict=False), 1):
        assert line == wanted or alike(line, wanted), f"{name}:{number}"
    assert len(lines) == len(expected), name


def write(name: str, said: str) -> None:
    """Write the file anew; what has changed in it is to be read."""
    (FIXTURES / name).write_text(said.rstrip() + "\n", encoding="utf-8")


def alike(line: str, wanted: str) -> bool:
    """Whether two lines have the same words, and the same numbers but for the last decimal."""
    if NUMBER.split(line) != NUMBER.split(wanted):
        return False
    pairs = zip(NUMBER.findall(line), NUMBER.findall(wanted), strict=True)
    return all(a == b or abs(float(a) - float(b)) < 1.5 * max(unit(a), unit(b)) for a, b in pairs)


def unit(number: str) -> float:
    """What the last decimal stands for; 0 of a whole number, which has to be equal."""
    digits, _, power = number.partition("e")
    _, dot, decimals = digits.partition(".")
    return float(10.0 ** (int(power or 0) - len(decimals))) if dot else 0.0
