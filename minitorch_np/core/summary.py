"""A model as a table: its layers, their output shapes and their numbers of parameters."""

from collections.abc import Iterator

from minitorch_np.arrays import describe_batch
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.text import as_html, folded, terminal_width


def summary_table(model: Layer) -> str:
    """A row for each layer, nested layers indented; then the total.

    A shared parameter counts once in the total.
    """
    rows = _table(model)
    width = max(len(row[2]) for row in rows)
    lines = folded([(a, b, f"{c:>{width}}") for a, b, c in rows], terminal_width())
    rule = "-" * max(map(len, lines))
    return "\n".join([*lines, rule, _total(model)])


def summary_html(model: Layer) -> str:
    """The same table as HTML, for notebooks."""
    rows = [(a.replace(" ", "\N{NO-BREAK SPACE}"), b, c) for a, b, c in _table(model)]
    return as_html(_total(model), rows)


def _total(model: Layer) -> str:
    total = model.count_parameters()
    size = total * model.dtype.itemsize
    return f"Total params: {total:,} ({size:,} bytes of {model.dtype})"


def _table(model: Layer) -> list[tuple[str, str, str]]:
    model.require_built()
    return [("Layer", "Output shape", "Params"), *_rows(model, "")]


def _rows(model: Layer, indent: str) -> Iterator[tuple[str, str, str]]:
    for name, shape in getattr(model, "named_inputs", {}).items():
        yield f"{indent}{name}  Input", describe_batch(shape), "0"
    for place, (name, layer) in enumerate(model.sublayers().items()):
        if not layer.built:  # of a layer's own parts, such as a Dropout for several shapes
            continue
        source = model.source_of(place) if isinstance(model, Composite) else ""
        shape, count = describe_batch(layer.output_shape), layer.count_parameters()
        yield f"{indent}{name}  {layer.label}{source}", shape, f"{count:,}"
        yield from _rows(layer, indent + "  ")
