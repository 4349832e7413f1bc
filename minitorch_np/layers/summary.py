"""A model as a table: what each layer is, what shape it gives, and what it has to learn."""

from collections.abc import Iterator, Sequence

from minitorch_np.layers.base import Layer


def summary_table(model: Layer) -> str:
    """A row for each layer, those inside of others indented; then the sums.

    A parameter that stands in several places counts once in the total.
    """
    model.require_built()
    head = ("Layer", "Output shape", "Params")
    rows = [head, *_rows(model, "")]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    total = model.count_parameters()
    size = total * model.dtype.itemsize
    return "\n".join(
        [
            lines[0],
            rule,
            *lines[1:],
            rule,
            f"Total params: {total:,} ({size:,} bytes of {model.dtype})",
        ]
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _rows(model: Layer, indent: str) -> Iterator[tuple[str, str, str]]:
    for name, layer in model.sublayers().items():
        shape = "(" + ", ".join(["m", *map(str, layer.output_shape)]) + ")"
        yield f"{indent}{name}  {layer.label}", shape, f"{layer.count_parameters():,}"
        yield from _rows(layer, indent + "  ")
