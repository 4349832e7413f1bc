"""How many threads the matrix products use.

The libraries behind NumPy read that number once, from the environment, when they are loaded; by the
time a command line is read it is too late. So the process sets the environment and starts itself
again, which costs a tenth of a second.

The default is one. For matrices as small as the notes', threads wait for each other longer than
they work, and on a busy machine two of them can be ten times slower than one.
"""

import os
import sys

from minitorch_np.arrays import BLAS_THREADS


def pin_threads(threads: int | None) -> None:
    """Make this process use that many threads, restarting it if necessary; None changes nothing."""
    if threads is None or os.name != "posix" or "mpi4py" in sys.modules:
        return  # a rank of an MPI job can't be started again: mpiexec sets its environment
    wanted = dict.fromkeys(BLAS_THREADS, str(threads))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | wanted)
