"""Starts the command line: `python -m minitorch_np` is the command `minitorch-np`."""

import sys


def main() -> int:
    """Run this process's own command line; returns the exit code."""
    try:
        from minitorch_np import cli  # takes a moment, in which Ctrl-C may be pressed

        return cli.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
