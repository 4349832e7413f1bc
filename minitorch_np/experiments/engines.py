"""Engines that run tasks elsewhere: on the workers of a Dask cluster, or the ranks of an MPI job.

Both are `concurrent.futures` executors, which `compare` requires. The data is sent once to each
worker of a Dask cluster. Ranks read it from a folder, so they must share a file system. Each worker
should use one BLAS thread (OPENBLAS_NUM_THREADS=1 in its environment), or they slow each other
down.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from minitorch_np.errors import ConfigurationError, MissingExtraError


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of the Dask scheduler at `address`, such as tcp://host:8786.

    Raises MissingExtraError without dask.distributed, ConfigurationError if there is no answer.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("dask.distributed", "dask", "compare on a cluster") from None
    try:
        client: Any = Client(address, timeout="10s")  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            f"--dask {address}: expected the address of a scheduler, such as tcp://host:8786, got "
            f"one that does not answer ({type(error).__name__})"
        ) from None
    try:
        yield client.get_executor(pure=False)  # a task that was run before may be run again
    finally:
        client.close()


@contextlib.contextmanager
def mpi_executor() -> Iterator[Executor]:
    """The ranks of `mpiexec -n N python -m mpi4py.futures -m minitorch_np compare --mpi`.

    Raises MissingExtraError without mpi4py, or the MPI library that it needs.
    """
    try:
        from mpi4py.futures import MPIPoolExecutor
    except (ImportError, RuntimeError):
        raise MissingExtraError("mpi4py", "mpi", "compare on MPI ranks") from None
    with MPIPoolExecutor() as pool:
        yield pool
