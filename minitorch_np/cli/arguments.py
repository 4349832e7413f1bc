"""Shared by the verbs: types of arguments, and loading of models and digits."""

import argparse
import importlib.util
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.data import Digits, Images, load_converted, load_csv, load_mnist
from minitorch_np.errors import ConfigurationError, DataError, DivergenceError
from minitorch_np.layers import (
    Activation,
    Layer,
    LogSoftmax,
    PReLU,
    Sequential,
    Softmax,
)
from minitorch_np.names import by_name
from minitorch_np.signature import concrete_subclasses
from minitorch_np.training import Checkpoint
from minitorch_np.validation import number, whole

MODULE = "minitorch_np_imported"
"""The module name of the file that --import runs."""

HELD_OUT = 6
"""Every sixth of the digits in a CSV file is kept for the test."""

T = TypeVar("T")


def parsed(
    check: Callable[..., T], convert: Callable[[str], object], text: str, **bounds: Any
) -> T:
    """The text as a number that passes the check. Raises ArgumentTypeError if it does not."""
    try:
        value = convert(text)
    except ValueError:
        value = text
    try:
        return check("it", "the value", value, **bounds)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("it: ")) from None


def positive_integer(text: str) -> int:
    """A whole number of at least 1."""
    return parsed(whole, int, text, most=2**31 - 1)


def seed(text: str) -> int:
    """A whole number of at least 0."""
    return parsed(whole, int, text, least=0)


def learning_rate(text: str) -> float:
    """A finite number greater than 0."""
    return parsed(number, float, text, above=0)


def share(text: str) -> float:
    """A number greater than 0 and at most 1."""
    return parsed(number, float, text, above=0, most=1)


def listed(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    """The type of several values of a kind, separated by commas."""
    return lambda text: [kind(part) for part in text.split(",")]


def named(kind: type[T]) -> Callable[[str], T]:
    """The type of an optimizer or a loss by its name, as in adam(0.001)."""

    def convert(text: str) -> T:
        try:
            return by_name(kind, text)
        except ConfigurationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def activation(text: str) -> str:
    """The name of an activation, such as relu, leaky_relu(0.1), softmax."""
    layer = named(Layer)(text)
    if not isinstance(layer, (Activation, PReLU, Softmax, LogSoftmax)):
        raise argparse.ArgumentTypeError(f"expected an activation, got the layer {layer!r}")
    return text


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add `--import FILE`, which runs a Python file before the verb, to define its layers."""
    add = parser.add_argument
    add("--import", dest="imported", metavar="FILE", help="a Python file with your own layers")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the file of a saved model, and `--import`."""
    parser.add_argument("model", metavar="MODEL", help="a model file saved by train")
    add_import(parser)


def import_file(path: str) -> ModuleType:
    """Run a Python file, which can import modules of its folder. Raises DataError if it fails."""
    spec = importlib.util.spec_from_file_location(MODULE, Path(path))
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise DataError(f"{path}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def open_model(path: str) -> Sequential:
    """A saved model; its layers may be this package's or imported with `--import`."""
    return Sequential.load(path, custom_layers=concrete_subclasses(Layer))


def load_digits(path: str | None) -> Digits:
    """Training and test digits from a folder, a CSV or .npy file, this package, or "full"."""
    if path is None or path == "full" or Path(path).is_dir():
        return load_mnist(path)
    if path.endswith(".npy"):  # memory-mapped: slices are not read
        images = load_converted(path)
        kept = len(images) - len(images) // HELD_OUT
        if kept < len(images):
            return Digits(images.take(slice(kept)), images.take(slice(kept, None)))
    else:
        images = load_csv(path)
    held_out = np.arange(len(images)) % HELD_OUT == HELD_OUT - 1
    if not held_out.any():
        raise DataError(
            f"{path}: expected at least {HELD_OUT} images, since every {HELD_OUT}th is kept for "
            f"the test, got {len(images)}"
        )
    return Digits(train=images.take(~held_out), test=images.take(held_out))


def load_test_images(path: str | None) -> Images:
    """Test digits: a folder's test set, a whole CSV or .npy file, or this package's test set."""
    if path is None or path == "full" or Path(path).is_dir():
        return load_mnist(path).test
    return load_converted(path) if path.endswith(".npy") else load_csv(path)


def inputs_in(images: Images) -> tuple[AnyArray, float | None]:
    """The pixels in rows, and their scale factor, or None if it is already applied. Those of a
    mapped file are read and scaled a batch at a time.
    """
    if isinstance(images.images, np.memmap):
        return images.images.reshape(len(images), -1), 1 / 255
    return images.features(), None


def input_for(model: Sequential, images: Images) -> tuple[AnyArray, float | None]:
    """The same in the form of the model's inputs: rows of features, or images with one channel."""
    rows, scale = inputs_in(images)
    fits = math.prod(model.input_shape) == rows.shape[1]
    return rows.reshape(-1, *model.input_shape) if fits else rows, scale


def print_json(result: dict[str, Any]) -> None:
    """Print a JSON document to standard output."""
    print(json.dumps(result, indent=2, allow_nan=False))


def require_finite_result(result: dict[str, float], what: str) -> None:
    """Raise DivergenceError if the loss is not a finite number."""
    if not math.isfinite(result["loss"]):
        raise DivergenceError(
            f"{what}: expected a finite loss, got {result['loss']}: the model has diverged"
        )


def require_writable(option: str, out: str) -> None:
    """Raise DataError, naming the option, if a file can't be written."""
    path = Path(out)
    if path.is_dir():
        raise DataError(f"{option} {out}: expected the name of a file, got a folder")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise DataError(f"{option} {out}: expected a writable folder, got {path.parent}")


def add_common(parser: argparse.ArgumentParser, default: Any = False) -> None:
    """Add the options of all commands, with this default."""
    for names, what in (
        (["--json"], "print the result as JSON"),
        (["-v", "--verbose"], "show settings for speed"),
        (["--debug"], "show the traceback of an error"),
    ):
        parser.add_argument(*names, action="store_true", default=default, help=what)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of each command that trains: seed, threads, checkpoint, output file."""
    add = parser.add_argument
    add("--seed", type=seed, default=0, metavar="N", help="seed of everything random (0)")
    add("--threads", type=positive_integer, default=1, metavar="N", help="BLAS threads (1)")
    add("--checkpoint", metavar="DIR", help="write the run to DIR, so that it can be resumed")
    add(
        "--checkpoint-every",
        type=positive_integer,
        metavar="N",
        help="save it every N steps too, not only after each epoch",
    )
    add("--resume", action="store_true", help="continue the run in --checkpoint DIR, if any")
    add("--out", default="model.npz", metavar="FILE", help="the model file (model.npz)")


def checkpoint_of(arguments: argparse.Namespace) -> Checkpoint | None:
    """The checkpoint of these options, or None. Raises ConfigurationError or DataError."""
    if arguments.checkpoint is None:
        if arguments.resume or arguments.checkpoint_every:
            raise ConfigurationError(
                "--resume, --checkpoint-every: expected --checkpoint DIR with it, got none"
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
            "to continue it, or choose another folder"
        )
    return Checkpoint(path, every=arguments.checkpoint_every, resume=arguments.resume)
