"""Sets the number of threads for matrix products, and the kernels.

The libraries behind NumPy read both from the environment when they are loaded, before the command
line is parsed. So the process sets the environment and restarts itself, which costs a tenth of a
second.

The default is one thread. For matrices as small as the notes', threads wait for each other longer
than they work, and on a busy machine two of them can be ten times slower than one. The kernels are
the fastest known ones, unless the user has chosen some: see `machine`.
"""

import os
import sys

from minitorch_np.machine import best_setting, blas, threads_setting


def pin_threads(threads: int | None, *, verbose: bool = False) -> None:
    """Make this process use that many threads, and the best kernels, restarting it if necessary;
    None changes nothing. With `verbose` the reason is printed to standard error.
    """
    if threads is None or os.name != "posix" or "mpi4py" in sys.modules:
        return  # a rank of an MPI job can't restart: mpiexec sets its environment
    known = best_setting()
    wanted = threads_setting(threads) | known
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        if verbose:
            here = blas().kernels
            words = [f"BLAS threads: {threads}"]
            words += [f"{name}={value} instead of {here}" for name, value in known.items()]
            print(f"minitorch-np: restarts with {', '.join(words)}", file=sys.stderr)
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | wanted)
