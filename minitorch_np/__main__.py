"""`python -m minitorch_np` is the command `minitorch-np`."""

import sys

if __name__ == "__main__":
    try:
        from minitorch_np.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while it starts
        sys.exit(130)
