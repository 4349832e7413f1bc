"""Commands in tests: in this process, which is quick, or in one of their own, as people do."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

from minitorch_np.cli import main


class Done(subprocess.CompletedProcess[str]):
    """What a command has printed, and its exit code."""


def run(*arguments: object, cwd: Path) -> Done:
    """Run a command in this process, in a folder."""
    out, err = io.StringIO(), io.StringIO()
    words = [str(argument) for argument in arguments]
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as left:  # argparse does
            code = left.code if isinstance(left.code, int) else 0
    return Done(words, code, out.getvalue(), err.getvalue())


def run_process(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "minitorch_np", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    return Done(command, done.returncode, done.stdout, done.stderr)
