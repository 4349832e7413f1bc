"""A traced step as a page on which to walk through it.

The page contains the arrays and a script that draws them; nothing is loaded. Of an array with more
than `LARGEST` entries only a part is shown, without the sums of its entries.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath
from minitorch_np.io.atomic import replacing
from minitorch_np.reports.page import render
from minitorch_np.reports.trace_parts import TracedArray

LARGEST = 200_000
"""The most entries of one array that a page holds."""


def write_page(title: str, arrays: list[TracedArray], path: StrPath) -> None:
    """Write the page to `path`, atomically."""
    content = render("trace", title=title, step=as_json(arrays))
    with replacing(path) as file:
        file.write(content.encode())


def fragment(title: str, rows: list[tuple[str, ...]]) -> str:
    """The table as HTML for a notebook. Raises MissingExtraError without Jinja2."""
    return render("fragment", parts=[("table", (title, rows))])


def as_json(arrays: list[TracedArray]) -> dict[str, Any]:
    """The parts of the step in order, each with its arrays, for the page's script."""
    parts: dict[str, list[dict[str, Any]]] = {}
    shown = {each.name for each in arrays if each.value.size <= LARGEST}
    for each in arrays:
        parts.setdefault(each.part, []).append(
            {
                "name": each.name,
                "formula": each.formula,
                "shape": list(each.value.shape),
                **_numbers(each.value),
                "product": _product(each, shown),
            }
        )
    return {"parts": [{"title": title, "arrays": held} for title, held in parts.items()]}


def _numbers(array: AnyArray) -> dict[str, Any]:
    """An array as a matrix of float32, in base64; a large one is cut to its first rows."""
    rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(1, -1)
    if rows.size > LARGEST:
        columns = min(rows.shape[1], LARGEST)
        rows = rows[: max(1, LARGEST // columns), :columns]
    single = np.ascontiguousarray(rows, "<f4")
    return {
        "rows": rows.shape[0],
        "columns": rows.shape[1],
        "cut": rows.size < array.size,
        "numbers": base64.b64encode(single.tobytes()).decode(),
    }


def _product(array: TracedArray, shown: set[str]) -> dict[str, Any] | None:
    product = array.product
    if product is None or array.name not in shown:
        return None
    return product._asdict() if product.parts <= shown else None
