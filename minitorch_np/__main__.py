"""`python -m minitorch_np` is the command `minitorch-np`."""

import sys

from minitorch_np.cli import main

if __name__ == "__main__":
    sys.exit(main())
