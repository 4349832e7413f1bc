"""Write a saved network for other software: an ONNX file (.onnx), or safetensors."""

import argparse

from minitorch_np.cli.arguments import add_model, open_model, print_json
from minitorch_np.errors import ConfigurationError
from minitorch_np.exchange import to_onnx


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np export`."""
    add_model(parser)
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the file to write: its name ends in .onnx (architecture and weights) or "
        ".safetensors (weights)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Load, write."""
    model = open_model(arguments.model)
    if arguments.out.endswith(".onnx"):
        to_onnx(model, arguments.out)
    elif arguments.out.endswith(".safetensors"):
        model.save_weights(arguments.out)
    else:
        raise ConfigurationError(
            f"export: expected a name that ends in .onnx or .safetensors, got {arguments.out}"
        )
    if arguments.json:
        print_json({"model": arguments.model, "out": arguments.out})
    else:
        print(f"wrote {arguments.out}")
    return 0
