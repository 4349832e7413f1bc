"""Worker processes with one BLAS thread each: with more they would compete for the cores."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from minitorch_np.arrays import BLAS_THREADS


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of new processes."""
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))  # inherited by what is started from now on
    return ProcessPoolExecutor(jobs, get_context("spawn"))
