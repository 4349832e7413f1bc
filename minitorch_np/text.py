"""Text: tables, and what came from outside shown safely."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def excerpt(value: object, most: int = 60) -> str:
    """A value as an error shows what came from a file: escaped, on one line, and cut short."""
    text = value if isinstance(value, str) else repr(value)
    escaped = (c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return "".join(escaped) + ("..." if len(text) > most else "")
