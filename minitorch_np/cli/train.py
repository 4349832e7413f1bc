"""Train a network on digits, and save it.

By default it is the notes' network on the digits of this package.
"""

import argparse
import sys
import time
from contextlib import nullcontext

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.cli.arguments import (
    activation,
    add_run,
    checkpoint_of,
    inputs_in,
    learning_rate,
    listed,
    load_digits,
    named,
    positive_integer,
    print_json,
    require_finite_result,
    require_writable,
)
from minitorch_np.data import Digits
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments import Diagnostics, diagnose
from minitorch_np.experiments.diagnostics import PROBE
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss, loss_for
from minitorch_np.networks import mlp
from minitorch_np.optimizers import Optimizer
from minitorch_np.text import decimal, printable, wrapped
from minitorch_np.training import Accuracy, Checkpoint, History, Progress, Trainer
from minitorch_np.training.together import Together, world

CLASSES = 10
"""The number of digits."""

RATE = 0.05
"""The default learning rate."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np train`."""
    add = parser.add_argument
    add(
        "--data",
        metavar="PATH",
        help='folder with the MNIST files, a CSV, a .npy of convert, or "full" for all of MNIST (a '
        "sample of MNIST)",
    )
    _add_model(parser)
    add("--epochs", type=positive_integer, default=25, metavar="N", help="epochs (25)")
    add(
        "--batch-size",
        type=_batch_size,
        default=50,
        metavar="N|full",
        help="images per step (50); full: all of them, as in the notes",
    )
    add("--mpi", action="store_true", help="divide each batch among the ranks of mpiexec")
    add_run(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options for the network, the loss and the optimizer."""
    add = parser.add_argument
    add(
        "--hidden",
        type=listed(positive_integer),
        default=[10],
        metavar="N,N,...",
        help="units of each hidden layer (10)",
    )
    add(
        "--activation",
        type=activation,
        default="relu",
        metavar="NAME",
        help="of the hidden layers: relu (the default), leaky_relu(0.01), elu(1.0), sigmoid",
    )
    add(
        "--output-activation",
        type=lambda text: None if text == "none" else activation(text),
        metavar="NAME",
        help="of the last layer: none (scores; the default), softmax, or as for hidden ones",
    )
    add(
        "--loss",
        type=named(Loss),
        metavar="NAME",
        help="softmax_cross_entropy, mse, ... (the one that suits the outputs)",
    )
    add(
        "--optimizer",
        type=named(Optimizer),
        default=f"sgd({RATE})",
        metavar="NAME",
        help=f"adam(0.001), sgd(0.1, momentum=0.9), ... (sgd({RATE}))",
    )
    add("--lr", type=learning_rate, metavar="RATE", help=f"the optimizer's learning rate ({RATE})")


def run(arguments: argparse.Namespace) -> int:
    """Train, test, save, report; with several ranks, only the first reports."""
    arguments.rank = world().Get_rank() if arguments.mpi else 0
    with Together(world()) if arguments.mpi else nullcontext():  # all ranks fail together
        checkpoint = checkpoint_of(arguments)
        require_writable("--out", arguments.out)  # checked before the training
        digits = load_digits(arguments.data)
        model = mlp(
            [digits.train.images[0].size, *arguments.hidden, CLASSES],
            arguments.activation,
            arguments.output_activation,
            seed=arguments.seed,
        )
    start = time.perf_counter()
    # With --json, standard output is for the result, so progress goes to standard error.
    progress = Progress(sys.stderr if arguments.json else None)
    found = _train(model, digits, arguments, progress, checkpoint)
    if found is None:
        return 0
    history, test, ill = found
    seconds = time.perf_counter() - start
    require_finite_result(test, "test")  # the very last step may have diverged
    model.save(arguments.out)
    if arguments.json:
        print_json(
            {
                "model": str(arguments.out),
                "parameters": model.count_parameters(),
                "history": history.to_dict(),
                "test": test,
                "health": ill,
                "seconds": seconds,
            }
        )
    else:
        loss = decimal(test["loss"])
        print(f"test accuracy {test['accuracy']:.4f}, loss {loss} ({seconds:.1f} s)")
        print(wrapped("\n  ".join(["health:", *ill] if ill else ["health: nothing ill was found"])))
        print(printable(f"saved to {arguments.out}"))
    return 0


def _train(
    model: Sequential,
    digits: Digits,
    arguments: argparse.Namespace,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> tuple[History, dict[str, float], list[str]] | None:
    """The history, loss and accuracy on the test digits, and the findings that matter; None on all
    but the first of several ranks.
    """
    loss, optimizer = arguments.loss or loss_for(model), arguments.optimizer
    if arguments.lr is not None:
        optimizer.learning_rate = arguments.lr
    (x, scale), y = inputs_in(digits.train), _targets(digits.train.labels, loss)
    (xt, _), yt = inputs_in(digits.test), _targets(digits.test.labels, loss)
    trainer = Trainer(
        model,
        loss,
        optimizer,
        metrics=[Accuracy()],
        seed=arguments.seed,
        communicator=world() if arguments.mpi else None,
    )
    probe = digits.train.take(slice(PROBE)).features()
    health = Diagnostics(probe, y[:PROBE])
    history = trainer.fit(
        x,
        y,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        scale=scale,
        callbacks=[progress, health],
        checkpoint=checkpoint,
    )
    if trainer.ranks.rank:
        return None
    # If a resumed run was already at its end, no epoch was diagnosed.
    ill = health.words if health.epochs else diagnose(model, probe, y[:PROBE], loss).words
    ill = [*_of_labels(digits.train.labels), *ill]
    return history, trainer.evaluate(xt, yt, scale=scale), ill


def _of_labels(labels: AnyArray) -> list[str]:
    """What is ill about the labels of all training images."""
    if (labels != labels[0]).any():
        return []
    return [
        f"all {len(labels):,} training images are of class {labels[0]}: there is nothing to tell "
        "it from, and an accuracy of 1 shows nothing; add images of other classes"
    ]


def _targets(labels: AnyArray, loss: Loss) -> AnyArray:
    """Class numbers, or one-hot rows for a loss that compares numbers."""
    if loss.exclusive_classes is False:
        raise ConfigurationError(
            f"--loss: expected a loss for one class out of {CLASSES}, got {loss!r}, which is for "
            "independent labels: write softmax_cross_entropy"
        )
    return labels if loss.exclusive_classes else np.eye(CLASSES, dtype=np.float32)[labels]


def _batch_size(text: str) -> int | None:
    """A whole number of at least 1, or full."""
    try:
        return None if text == "full" else positive_integer(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or write full") from None
