"""Convert a CSV of any size to a .npy file, from which train reads a batch at a time."""

import argparse
import os

from minitorch_np.cli.arguments import print_json
from minitorch_np.data.convert import KINDS, convert_csv
from minitorch_np.text import printable
from minitorch_np.training.display import bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np convert`."""
    add = parser.add_argument
    add("csv", metavar="CSV", help="a file of numbers: a line for each sample")
    add("out", metavar="OUT", help="the .npy file to write; labels go to OUT.labels.npy")
    add(
        "--dtype",
        choices=KINDS,
        default="uint8",
        help="uint8 for pixels from 0 to 255 (the default), float32 or float64 for any numbers",
    )
    add("--label", metavar="NAME", help="for float32 and float64: the name of the label column")


def run(arguments: argparse.Namespace) -> int:
    """Convert, or continue an interrupted conversion; report."""
    shown = bar(os.path.getsize(arguments.csv), "convert", unit="B")

    def progress(done: int) -> None:
        if shown is not None:
            shown.update(done - shown.n)

    try:
        found = convert_csv(
            arguments.csv,
            arguments.out,
            dtype=arguments.dtype,
            label=arguments.label,
            progress=progress,
        )
    finally:
        if shown is not None:
            shown.close()
    if arguments.json:
        print_json(found._asdict())
        return 0
    again = f" ({found.resumed:,} of them before)" if found.resumed else ""
    print(printable(f"wrote {found.rows:,} rows of {found.columns} numbers to {found.x}{again}"))
    if found.labels is not None:
        print(printable(f"wrote their labels to {found.labels}"))
    return 0
