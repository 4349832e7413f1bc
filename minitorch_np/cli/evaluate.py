"""Test a saved network on digits that were not used for training."""

import argparse

from minitorch_np.cli.arguments import (
    add_model,
    input_for,
    load_test_images,
    open_model,
    print_json,
    require_finite_result,
)
from minitorch_np.losses import loss_for
from minitorch_np.optimizers import SGD
from minitorch_np.text import decimal
from minitorch_np.training import Accuracy, Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np evaluate`."""
    add_model(parser)
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="folder with the MNIST files (its test set), a labelled CSV (all of it), or 'full' "
        "for MNIST's test set (the test digits of the sample)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Load, test, report."""
    model = open_model(arguments.model)
    images = load_test_images(arguments.data)
    trainer = Trainer(model, loss_for(model), SGD(), metrics=[Accuracy()])
    x, scale = input_for(model, images)
    result = trainer.evaluate(x, images.labels, scale=scale)
    require_finite_result(result, arguments.model)
    if arguments.json:
        print_json({"model": arguments.model, "images": len(images), **result})
    else:
        loss = decimal(result["loss"])
        print(f"accuracy {result['accuracy']:.4f}, loss {loss} on {len(images)} images")
    return 0
