"""Generate text with a network saved by `text train`, character by character."""

import argparse
from collections.abc import Iterator

from minitorch_np.cli.arguments import (
    add_import,
    open_model,
    parsed,
    positive_integer,
    print_json,
    seed,
    share,
)
from minitorch_np.core.generation import generate
from minitorch_np.data import CharTokenizer
from minitorch_np.errors import DataError
from minitorch_np.layers import Sequential
from minitorch_np.text import printable
from minitorch_np.validation import number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np text sample`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model file saved by text train")
    add("--prompt", metavar="TEXT", help="the beginning of the text (a line break)")
    add("--length", type=positive_integer, default=500, metavar="N", help="characters (500)")
    add(
        "--temperature",
        type=_temperature,
        default=1.0,
        metavar="T",
        help="below 1 for likelier characters, 0 for only the likeliest (1)",
    )
    add("--top-k", type=positive_integer, metavar="K", help="only the K likeliest characters")
    add("--top-p", type=share, metavar="P", help="only the likeliest with total probability P")
    add("--seed", type=seed, metavar="N", help="gives the same text each time")
    add_import(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load, generate."""
    model = open_model(arguments.model)
    tokenizer = _tokenizer(model, arguments.model)
    default = "\n" if "\n" in tokenizer.characters else tokenizer.characters[0]
    prompt = default if arguments.prompt is None else arguments.prompt
    characters = _characters(model, tokenizer, prompt, arguments)
    if arguments.json:
        print_json({"model": arguments.model, "prompt": prompt, "text": "".join(characters)})
        return 0
    print(_shown(prompt), end="", flush=True)
    try:
        for character in characters:
            print(_shown(character), end="", flush=True)
    finally:  # end the line even if interrupted
        print()
    return 0


def _tokenizer(model: Sequential, path: str) -> CharTokenizer:
    """The tokenizer of a model. Raises DataError for a model that is not one of text."""
    characters = model.metadata.get("characters")
    classes = model.output_shape[-1]
    if not isinstance(characters, str) or len(set(characters)) != classes:
        raise DataError(
            f"{path}: expected a model saved by `minitorch-np text train`, got one without the "
            f"characters of its {classes} outputs"
        )
    return CharTokenizer(characters)


def _characters(
    model: Sequential, tokenizer: CharTokenizer, prompt: str, arguments: argparse.Namespace
) -> Iterator[str]:
    """The characters that follow the prompt, as they are generated."""
    unknown = sorted(set(prompt) - set(tokenizer.characters))
    if unknown or not prompt:
        got = f"{''.join(unknown)!r}, which its text did not have" if unknown else "none"
        raise DataError(
            f"--prompt: expected characters that the model knows, {tokenizer.characters!r}, got "
            f"{got}"
        )
    tokens = generate(
        model,
        tokenizer.encode(prompt),
        arguments.length,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        rng=arguments.seed,
    )
    return (tokenizer.characters[token] for token in tokens)


def _temperature(text: str) -> float:
    """A finite number of at least 0."""
    return parsed(number, float, text, least=0)


def _shown(text: str) -> str:
    """The text without control characters except tabs and line breaks."""
    return "\t".join(map(printable, text.split("\t")))
