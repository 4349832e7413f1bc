"""Classify digits with a saved network: pictures, or the lines of CSV files.

For a picture, the digit is shown as the network sees it, with the ten probabilities. For CSV files
the result is a table in the format of Kaggle's competition.
"""

import argparse
import math
from typing import Any

from minitorch_np.cli.arguments import add_model, input_for, open_model, print_json
from minitorch_np.data import Images, as_text, load_csv, load_image
from minitorch_np.errors import DataError
from minitorch_np.layers import Sequential
from minitorch_np.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np predict`."""
    add_model(parser)
    parser.add_argument(
        "files",
        metavar="IMAGE|CSV",
        nargs="+",
        help="pictures of one digit each (PNG, JPEG, ...), or CSV files of pixels",
    )


def run(arguments: argparse.Namespace) -> int:
    """Load, read, report."""
    model = open_model(arguments.model)
    tables = [path for path in arguments.files if path.lower().endswith(".csv")]
    if tables and len(tables) < len(arguments.files):
        raise DataError("predict: expected pictures or CSV files, got both: run it once for each")
    if tables:
        _predict_tables(model, tables, arguments.json)
    else:
        _predict_pictures(model, arguments.files, arguments.json)
    return 0


def _predict_tables(model: Sequential, paths: list[str], as_json: bool) -> None:
    # All files are read before a line is printed: a partial table would look like a full one.
    labels = [
        int(label)
        for path in paths
        for label in model.predict_classes(input_for(model, load_csv(path))[0])
    ]
    if as_json:
        print_json({"labels": labels})
        return
    print("ImageId,Label")
    for number, label in enumerate(labels, 1):
        print(f"{number},{label}")


def _predict_pictures(model: Sequential, paths: list[str], as_json: bool) -> None:
    results: list[dict[str, Any]] = []
    for path in paths:
        image = load_image(path)
        features, _ = input_for(model, Images(image[None], source=path))
        probabilities = [float(p) for p in model.predict_proba(features)[0]]
        if not math.isfinite(sum(probabilities)):
            raise DataError("predict: expected a model with finite outputs, got one that diverged")
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        results.append({"file": path, "label": best, "probabilities": probabilities})
        if not as_json:
            print(printable(f"{path}: {best}, with probability {probabilities[best]:.3f}\n"))
            print(as_text(image) + "\n")
            for digit, p in enumerate(probabilities):
                print(f"  {digit}  {p:.4f}  {'#' * round(40 * p)}".rstrip())
    if as_json:
        print_json({"predictions": results})
