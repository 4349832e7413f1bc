"""Write a page on which to draw digits for a saved network, and to teach it."""

import argparse
import math

from minitorch_np.cli.arguments import add_import, open_model, print_json
from minitorch_np.data import load_mnist
from minitorch_np.reports.model_page import page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `minitorch-np page` takes."""
    parser.add_argument("model", metavar="MODEL", help="a file that train has saved")
    parser.add_argument("--out", default="page.html", help="the page (default: %(default)s)")
    parser.add_argument(
        "--no-examples",
        dest="examples",
        action="store_false",
        help="without digits of the test set and its worst errors",
    )
    add_import(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load, write."""
    model = open_model(arguments.model)
    test = load_mnist().test
    fits = math.prod(model.input_shape) == math.prod(test.images.shape[1:])
    page(model, arguments.out, test if arguments.examples and fits else None)
    if arguments.json:
        print_json({"model": arguments.model, "out": arguments.out})
    else:
        print(f"wrote {arguments.out}: open it in a browser")
    return 0
