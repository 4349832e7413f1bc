"""Text output: tables, and safe display of untrusted text."""

import math
import textwrap
from collections.abc import Sequence

SHADES = " .:-=+*#%@"
"""Characters from light to dark, or from low to high."""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def printable(text: str) -> str:
    """The text without control characters, which could move a terminal's cursor: "\\x1b" for ESC.

    Line breaks are kept.
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def folded(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """A table with a rule under its first row; if it is wider than `width`, each row becomes a
    paragraph: its first cell, and below it the others with the names of their columns.
    """
    lines = aligned(rows)
    length = max(map(len, lines))
    if length <= width:
        return [lines[0], "-" * length, *lines[1:]]
    head, *body = rows
    names = max(map(len, head[1:]), default=0)
    found = []
    for first, *cells in body:
        found += textwrap.wrap(first, width, subsequent_indent="  ") or [""]
        for name, cell in zip(head[1:], cells, strict=True):
            start, indent = f"  {name:<{names}}  ", " " * (names + 4)
            found += textwrap.wrap(start + cell.strip(), width, subsequent_indent=indent)
    return found


def listed(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows as a table without rules; if it is wider than `width`, each row is wrapped by itself."""
    lines = aligned(rows)
    if max(map(len, lines)) <= width:
        return lines
    joined = ["  ".join(cell for cell in row if cell.strip()) for row in rows]
    return [part for row in joined for part in textwrap.wrap(row, width, subsequent_indent="    ")]


def terminal_width() -> int:
    """The width of standard output in characters; unlimited if it is not a terminal."""
    import shutil
    import sys

    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if on_terminal else sys.maxsize


def wrapped(text: str) -> str:
    """The text with the lines that are wider than the terminal broken between words."""
    width, found = terminal_width(), list[str]()
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        further = " " * (indent + 2 if indent else 0)
        parts = textwrap.wrap(
            line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
        )
        found += parts if len(line) > width else [line]
    return "\n".join(found)


def decimal(number: float) -> str:
    """A number as a log shows it: with four decimals, or three digits where that says little."""
    plain = number == 0 or 1e-3 <= abs(number) < 1e6 or not math.isfinite(number)
    return f"{number:.4f}" if plain else f"{number:.3g}"


def excerpt(value: object, most: int = 60) -> str:
    """A value for an error message: escaped, on one line, and cut to `most` characters."""
    text = value if isinstance(value, str) else repr(value)
    shown = printable(text[:most]).replace("\n", "\\n")
    return shown + ("..." if len(text) > most else "")


def as_html(caption: str, rows: Sequence[Sequence[str]]) -> str:
    """An HTML table for a notebook; the first row is the header, and all text is escaped."""
    from html import escape

    def row(cells: Sequence[str], first: str) -> str:
        head, *others = map(escape, cells)
        kind = "th" if first == "col" else "td"
        rest = "".join(f"<{kind}>{cell}</{kind}>" for cell in others)
        return f'<tr><th scope="{first}" style="text-align: left">{head}</th>{rest}</tr>'

    body = "".join(row(cells, "row") for cells in rows[1:])
    return (
        f"<table><caption>{escape(caption)}</caption><thead>{row(rows[0], 'col')}</thead>"
        f"<tbody>{body}</tbody></table>"
    )
