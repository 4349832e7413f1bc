"""Train a network on digits, and save it.

Without arguments it is the notes' network on the digits in this package.
"""

import argparse
import sys
import time
from pathlib import Path

from minitorch_np.cli.arguments import (
    activation,
    learning_rate,
    load_digits,
    positive_integer,
    print_json,
    require_finite_result,
    require_writable,
    seed,
)
from minitorch_np.data import Digits
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Layer, ReLU, Sequential
from minitorch_np.losses import loss_for
from minitorch_np.networks import notes_network
from minitorch_np.optimizers import SGD
from minitorch_np.training import Accuracy, Checkpoint, History, Progress, Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `minitorch-np train` takes."""
    add = parser.add_argument
    add(
        "--data", metavar="PATH", help="folder with the MNIST files, or a CSV; else the digits here"
    )
    add("--hidden", type=positive_integer, default=10, metavar="N", help="hidden units (10)")
    add(
        "--activation",
        type=activation,
        default=ReLU(),
        metavar="NAME",
        help="of layer 1: relu (the default), leaky_relu(0.01), elu(1.0), sigmoid",
    )
    add(
        "--output-activation",
        type=_activation_or_none,
        default=None,
        metavar="NAME",
        help="of layer 2: none (scores; the default), softmax, or as for layer 1",
    )
    add("--epochs", type=positive_integer, default=25, metavar="N", help="rounds (25)")
    add(
        "--batch-size",
        type=_batch_size,
        default=50,
        metavar="N|full",
        help="images a step (50); full: all of them, as in the notes",
    )
    add("--lr", type=learning_rate, default=0.05, metavar="RATE", help="learning rate (0.05)")
    add("--seed", type=seed, default=0, metavar="N", help="fixes all that is random (0)")
    add("--threads", type=positive_integer, default=1, metavar="N", help="BLAS threads (1)")
    add("--checkpoint", metavar="DIR", help="write the run to DIR, so that it can be resumed")
    add(
        "--checkpoint-every",
        type=positive_integer,
        metavar="N",
        help="after every N steps too, not only after each epoch",
    )
    add("--resume", action="store_true", help="go on with the run in --checkpoint DIR, if any")
    add("--out", default="model.npz", metavar="FILE", help="where to save it (model.npz)")


def run(arguments: argparse.Namespace) -> int:
    """Train, test, save, report."""
    checkpoint = _checkpoint(arguments)
    require_writable("--out", arguments.out)  # before anything is trained that could then be lost
    digits = load_digits(arguments.data)
    model = notes_network(
        arguments.activation,
        arguments.output_activation,
        hidden=arguments.hidden,
        features=digits.train.images[0].size,
        seed=arguments.seed,
    )
    start = time.perf_counter()
    # Where standard output is for JSON, whoever waits still wants to see it learn.
    progress = Progress(sys.stderr if arguments.json else None)
    history, test = _train(model, digits, arguments, progress, checkpoint)
    seconds = time.perf_counter() - start
    require_finite_result(test, "test")  # the last step of all may have gone too far
    model.save(arguments.out)
    if arguments.json:
        print_json(
            {
                "model": str(arguments.out),
                "parameters": model.count_parameters(),
                "history": history.history,
                "test": test,
                "seconds": seconds,
            }
        )
    else:
        print(f"test accuracy {test['accuracy']:.4f}, loss {test['loss']:.4f} ({seconds:.1f} s)")
        print(f"saved to {arguments.out}")
    return 0


def _train(
    model: Sequential,
    digits: Digits,
    arguments: argparse.Namespace,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> tuple[History, dict[str, float]]:
    trainer = Trainer(
        model,
        loss_for(model),
        SGD(arguments.lr),
        metrics=[Accuracy()],
        seed=arguments.seed,
    )
    history = trainer.fit(
        digits.train.features(),
        digits.train.labels,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        callbacks=[progress],
        checkpoint=checkpoint,
    )
    return history, trainer.evaluate(digits.test.features(), digits.test.labels)


def _checkpoint(arguments: argparse.Namespace) -> Checkpoint | None:
    if arguments.checkpoint is None:
        if arguments.resume or arguments.checkpoint_every:
            raise ConfigurationError(
                "--resume, --checkpoint-every: expected --checkpoint DIR beside it, got none"
            )
        return None
    folder = Path(arguments.checkpoint)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--checkpoint {folder}: expected a folder or a new name, got a file")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.npz"
    if path.exists() and not arguments.resume:
        raise ConfigurationError(
            f"--checkpoint {folder}: expected a folder without a run, found {path}: add --resume "
            "to go on with it, or choose another folder"
        )
    return Checkpoint(path, every=arguments.checkpoint_every, resume=arguments.resume)


def _batch_size(text: str) -> int | None:
    """A whole number of at least 1, or full."""
    try:
        return None if text == "full" else positive_integer(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or write full") from None


def _activation_or_none(text: str) -> Layer | None:
    return None if text == "none" else activation(text)
