"""Let a network that `text train` has saved write a text, character by character."""

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
    """What `minitorch-np text sample` takes."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that text train has saved")
    add("--prompt", metavar="TEXT", help="how the text begins (a new line)")
    add("--length", type=positive_integer, default=500, metavar="N", help="characters (500)")
    add(
        "--temperature",
        type=_temperature,
        default=1.0,
        metavar="T",
        help="below 1 for likelier characters, 0 for the likeliest only (1)",
    )
    add("--top-k", type=positive_integer, metavar="K", help="of the K likeliest characters only")
    add(
        "--top-p", type=share, metavar="P", help="of the likeliest that have probability P together"
    )
    add("--seed", type=seed, metavar="N", help="the same text each time")
    add_import(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load, write."""
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
    finally:  # interrupted or not, the line ends
        print()
    return 0


def _tokenizer(model: Sequential, path: str) -> CharTokenizer:
    """The characters that a model knows. Raises DataError for a model of something else."""
    characters = model.metadata.get("characters")
    classes = model.output_shape[-1]
    if not isinstance(characters, str) or len(set(characters)) != classes:
        raise DataError(
            f"{path}: expected a model that `minitorch-np text train` has saved, got one without "
            f"the characters of its {classes} outputs"
        )
    return CharTokenizer(characters)


def _characters(
    model: Sequential, tokenizer: CharTokenizer, prompt: str, arguments: argparse.Namespace
) -> Iterator[str]:
    """The characters that follow the prompt, as they come."""
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
    """What a terminal shows: no control characters but tabs and line breaks."""
    return "\t".join(map(printable, text.split("\t")))
