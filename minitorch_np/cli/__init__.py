"""The command line, `minitorch-np VERB`: one module per verb, listed in `VERBS`.

Each module has two functions: `add_arguments` defines the arguments, `run` executes the verb and
returns the exit code. Results go to standard output; everything else, including errors, to standard
error. Exit codes: 0 success, 1 an operation failed, 2 bad usage or bad input, 130 interrupted.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence

from minitorch_np import __version__
from minitorch_np.cli import (
    compare,
    convert,
    doctor,
    evaluate,
    export,
    gradcheck,
    info,
    learn,
    page,
    predict,
    text,
    train,
)
from minitorch_np.cli.arguments import add_common, import_file
from minitorch_np.cli.parser import Parser
from minitorch_np.cli.threads import pin_threads
from minitorch_np.errors import DivergenceError, MinitorchError
from minitorch_np.text import printable

VERBS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "info": info,
    "export": export,
    "page": page,
    "text": text,
    "gradcheck": gradcheck,
    "convert": convert,
    "compare": compare,
    "learn": learn,
    "doctor": doctor,
}

SUCCESS, FAILURE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = Parser(
        prog="minitorch-np", description="Neural networks to understand and to trust, in NumPy."
    )
    parser.add_argument("--version", action="version", version=f"minitorch-np {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").split("\n")[0]
        verb = verbs.add_parser(name, help=summary, description=summary)
        module.add_arguments(verb)
        add_common(verb)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (None: this process's own); returns the exit code."""
    arguments = argparse.Namespace(debug=False)
    try:
        if argv is None:
            _prepare_streams()
        try:
            arguments = build_parser().parse_args(argv)
        finally:  # --help exits here: flush first, to notice a broken pipe
            sys.stdout.flush()
        arguments.argv = list(sys.argv[1:] if argv is None else argv)  # shown in reports
        if argv is None:
            threads = getattr(arguments, "threads", None)
            pin_threads(threads, verbose=arguments.verbose)
        if getattr(arguments, "imported", None):
            import_file(arguments.imported)
        code: int = VERBS[arguments.verb].run(arguments)
        sys.stdout.flush()
    except (MinitorchError, OSError, KeyboardInterrupt, MemoryError) as error:
        if arguments.debug:
            raise
        if getattr(arguments, "rank", 0):  # all ranks fail together; only the first reports it
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # for the rest of the process
        kept = getattr(arguments, "checkpoint", None) or getattr(arguments, "folder", None)
        return _explain(error, kept)
    return code


def _prepare_streams() -> None:
    """Make printing always work: escape what the terminal's encoding lacks, and discard output if
    the stream is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for the whole process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _explain(error: BaseException, checkpoint: str | None = None) -> int:
    """Print the error to standard error, and return its exit code."""
    if isinstance(error, BrokenPipeError):  # the reader is gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    message = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        name = str(error.filename).replace("\n", "\\n")
        message = f"{name}: {error.strerror}"
    elif isinstance(error, KeyboardInterrupt):
        message = "interrupted; nothing was saved"
        if checkpoint is not None:
            message = f"interrupted; add --resume to continue the run in {checkpoint}"
    elif isinstance(error, MemoryError):
        message = f"out of memory: {error}: try a smaller --batch-size or --hidden"
    print(f"minitorch-np: error: {printable(message)}", file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return FAILURE if isinstance(error, DivergenceError) or _is_no_input(error) else BAD_INPUT


def _is_no_input(error: BaseException) -> bool:
    """Whether the machine failed (a full disk, no memory), rather than the user's input."""
    of_the_input = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES)
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError)
        and not isinstance(error, MinitorchError)
        and error.errno not in of_the_input
    )
