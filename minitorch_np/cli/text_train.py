"""Train a network to predict the next character of a text, and save it.

The first nine tenths of the text are the training data, in windows that begin anywhere. After each
epoch the loss on the last tenth is measured. An epoch is a fixed number of steps, since a text has
almost as many windows as characters.
"""

import argparse
import math
import sys
import time
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.cli.arguments import (
    add_run,
    checkpoint_of,
    learning_rate,
    parsed,
    positive_integer,
    print_json,
    require_writable,
    seed,
)
from minitorch_np.data import CharTokenizer, TextWindows, load_text
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.layers import Sequential
from minitorch_np.losses import SoftmaxCrossEntropy
from minitorch_np.networks import char_rnn, gpt
from minitorch_np.optimizers import AdamW
from minitorch_np.schedules import Schedule, cosine, warmup
from minitorch_np.text import decimal, printable
from minitorch_np.training import Callback, History, Progress, Trainer
from minitorch_np.validation import number

HELD_OUT = 10
"""The last tenth of the text is kept for validation."""

VALIDATION_WINDOWS = 2000
"""The most windows of the last tenth that are used for validation."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np text train`."""
    add = parser.add_argument
    add("file", metavar="FILE", help="a text in UTF-8")
    _add_network(parser)
    add("--epochs", type=positive_integer, default=8, metavar="N", help="epochs (8)")
    add(
        "--steps-per-epoch",
        type=positive_integer,
        default=250,
        metavar="N",
        help="steps per epoch; after each, the loss on the last tenth is measured (250)",
    )
    add(
        "--batch-size", type=positive_integer, default=12, metavar="N", help="windows per step (12)"
    )
    add("--lr", type=learning_rate, default=1e-3, metavar="RATE", help="learning rate (0.001)")
    add(
        "--warmup",
        type=seed,
        metavar="N",
        help="steps in which the rate rises, before a cosine decay to a tenth (100, or a tenth of "
        "all steps)",
    )
    add_run(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    """Add the options for the network and its sizes."""
    add = parser.add_argument
    add(
        "--network",
        choices=("gpt", "char_rnn"),
        default="gpt",
        help="transformer blocks (the default), or recurrent layers",
    )
    add(
        "--context",
        type=positive_integer,
        default=64,
        metavar="N",
        help="characters in a window (64), the longest context of a gpt",
    )
    add("--layers", type=positive_integer, metavar="N", help="blocks (4), or recurrent layers (1)")
    add("--width", type=positive_integer, default=128, metavar="N", help="units of each (128)")
    add("--heads", type=positive_integer, metavar="N", help="attention heads of a gpt (4)")
    add(
        "--cell",
        choices=("lstm", "gru", "simple_rnn"),
        help="the recurrent layers of a char_rnn (lstm)",
    )
    add("--dropout", type=_dropout, default=0.0, metavar="RATE", help="dropout rate (0)")


class NewWindows(Callback):
    """Draws new windows of a text for each epoch.

    They depend only on the seed and the number of the epoch, so a resumed epoch has the same ones.
    """

    def __init__(self, windows: TextWindows, n: int, seed: int) -> None:
        self.windows, self.n, self.seed = windows, n, seed

    def draw(self, epoch: int) -> tuple[AnyArray, AnyArray]:
        """The windows of epoch number `epoch`, and their targets."""
        return self.windows.random(self.n, np.random.default_rng([self.seed, epoch]))

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        trainer.run.batches.samples = trainer.checked(*self.draw(epoch), None, "text train")


def run(arguments: argparse.Namespace) -> int:
    """Read, train, save, report."""
    checkpoint = checkpoint_of(arguments)
    require_writable("--out", arguments.out)  # checked before the training
    tokenizer, windows, held_out = _read(arguments.file, arguments.context)
    model = _network(arguments, len(tokenizer))
    model.metadata = {"characters": tokenizer.characters}
    # With --json, standard output is for the result, so progress goes to standard error.
    progress = Progress(sys.stderr if arguments.json else None)
    start = time.perf_counter()
    optimizer = AdamW(_rate(arguments), beta2=0.99, clip_norm=1.0)
    trainer = Trainer(model, SoftmaxCrossEntropy(), optimizer, seed=arguments.seed)
    fresh = NewWindows(windows, arguments.steps_per_epoch * arguments.batch_size, arguments.seed)
    history = trainer.fit(
        *fresh.draw(0),
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        validation_data=_spread(held_out),
        callbacks=[fresh, progress],
        checkpoint=checkpoint,
    )
    model.save(arguments.out)
    _report(arguments, model, tokenizer, history, time.perf_counter() - start)
    return 0


def _read(path: str, context: int) -> tuple[CharTokenizer, TextWindows, TextWindows]:
    """The tokenizer of a text, and windows of its first nine tenths and of its last tenth.

    Raises DataError if the text is too short.
    """
    text = load_text(path)
    least = HELD_OUT * (context + 1)
    if len(text) < least:
        raise DataError(
            f"{path}: expected a text of at least {least} characters, so that the last tenth "
            f"contains a window of {context} and one more, got {len(text)}: "
            "take a longer text, or a smaller --context"
        )
    tokenizer = CharTokenizer(text)
    if len(tokenizer) < 2:
        raise DataError(f"{path}: expected at least two different characters, got {text[0]!r} only")
    ids = tokenizer.encode(text)
    cut = len(ids) - len(ids) // HELD_OUT
    return tokenizer, TextWindows(ids[:cut], context), TextWindows(ids[cut:], context)


def _network(arguments: argparse.Namespace, characters: int) -> Sequential:
    """The network that the options describe."""
    sizes: dict[str, Any] = {"dropout": arguments.dropout, "seed": arguments.seed}
    if arguments.layers:
        sizes["layers"] = arguments.layers
    is_gpt = arguments.network == "gpt"
    wrong = arguments.cell if is_gpt else arguments.heads
    if wrong is not None:
        option, other = ("--cell", "char_rnn") if is_gpt else ("--heads", "gpt")
        raise ConfigurationError(
            f"{option}: expected --network {other} with it, got {arguments.network}"
        )
    if not is_gpt:
        cell = arguments.cell or "lstm"
        return char_rnn(characters, arguments.context, arguments.width, cell=cell, **sizes)
    heads = arguments.heads or 4
    return gpt(characters, arguments.context, heads=heads, width=arguments.width, **sizes)


def _dropout(text: str) -> float:
    """A number of at least 0 and below 1."""
    return parsed(number, float, text, least=0, below=1)


def _rate(arguments: argparse.Namespace) -> Schedule:
    """The schedule: a linear rise, then a cosine decay to a tenth of the learning rate."""
    steps, rate = arguments.epochs * arguments.steps_per_epoch, arguments.lr
    rise = min(100, steps // 10) if arguments.warmup is None else arguments.warmup
    if rise >= steps:
        raise ConfigurationError(
            f"--warmup: expected fewer than the {steps} steps of all epochs, got {rise}"
        )
    fall = cosine(rate, steps - rise, rate / 10)
    return warmup(rise, fall) if rise else fall


def _spread(windows: TextWindows) -> tuple[AnyArray, AnyArray]:
    """Consecutive windows; from a long text, a limited number at equal distances."""
    x, y = windows.consecutive()
    every = math.ceil(len(x) / VALIDATION_WINDOWS)
    return x[::every], y[::every]


def _report(
    arguments: argparse.Namespace,
    model: Sequential,
    tokenizer: CharTokenizer,
    history: History,
    seconds: float,
) -> None:
    loss = history["val_loss"][-1]
    perplexity = math.exp(min(loss, 700.0))
    if arguments.json:
        print_json(
            {
                "model": str(arguments.out),
                "parameters": model.count_parameters(),
                "characters": len(tokenizer),
                "history": history.to_dict(),
                "validation": {"loss": loss, "perplexity": perplexity},
                "seconds": seconds,
            }
        )
        return
    print(f"validation loss {decimal(loss)}, perplexity {perplexity:.2f} ({seconds:.1f} s)")
    print(printable(f"saved to {arguments.out}"))
