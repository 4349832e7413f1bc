"""Train a network on a text, character by character, or generate text: train, sample."""

import argparse

from minitorch_np.cli import text_sample, text_train
from minitorch_np.cli.arguments import add_common

ACTIONS = {"train": text_train, "sample": text_sample}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np text`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|sample")
    for name, module in ACTIONS.items():
        summary = (module.__doc__ or "").split("\n")[0]
        action = actions.add_parser(name, help=summary, description=summary)
        module.add_arguments(action)
        # Without a default here, the same option before the action keeps its value.
        add_common(action, argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Train or sample."""
    code: int = ACTIONS[arguments.action].run(arguments)
    return code
