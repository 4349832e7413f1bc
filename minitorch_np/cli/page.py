"""Write a page on which to draw digits for a saved network and train it, or a playground."""

import argparse
import math

from minitorch_np.cli.arguments import add_import, open_model, print_json
from minitorch_np.data import load_mnist
from minitorch_np.errors import ConfigurationError
from minitorch_np.reports.model_page import page
from minitorch_np.reports.playground import playground


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np page`."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a model file saved by train; not with a playground",
    )
    parser.add_argument("--out", default="page.html", help="the page (default: %(default)s)")
    parser.add_argument(
        "--no-examples",
        dest="examples",
        action="store_false",
        help="without test digits and the worst errors",
    )
    parser.add_argument(
        "--playground",
        action="store_true",
        help="a page on which to build and train networks with two features",
    )
    parser.add_argument(
        "--data",
        metavar="CSV",
        help="points for the playground: two columns of numbers, then the class",
    )
    add_import(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load, write."""
    if arguments.playground == bool(arguments.model) or (arguments.data and arguments.model):
        raise ConfigurationError(
            "page: expected a model's file, or --playground, with or without --data; got "
            + ("both" if arguments.model else "neither")
        )
    if arguments.playground:
        playground(arguments.out, arguments.data)
    else:
        model = open_model(arguments.model)
        test = load_mnist().test
        fits = math.prod(model.input_shape) == math.prod(test.images.shape[1:])
        page(model, arguments.out, test if arguments.examples and fits else None)
    if arguments.json:
        print_json({"model": arguments.model, "out": arguments.out})
    else:
        print(f"wrote {arguments.out}: open it in a browser")
    return 0
