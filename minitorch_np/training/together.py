"""Processes that work together: either all of them succeed, or all fail.

A process that waits for others also checks for a message that one of them has failed, and then
raises the same error, so that none waits forever. A process that is killed sends no message;
mpiexec then ends the others.
"""

from __future__ import annotations

import time
import warnings
from typing import Any, Self

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import MinitorchError, MissingExtraError, RankError

FAILED = 1
"""The tag of the message that a process sends to all others when it fails."""

PATIENCE = 2_000
"""After this many polls, about a millisecond, a waiting process sleeps between polls."""


def world() -> Any:
    """The communicator of all processes started by mpiexec.

    Raises MissingExtraError without mpi4py, or the MPI library that it needs.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        raise MissingExtraError("mpi4py", "mpi", "training on MPI ranks") from None
    return MPI.COMM_WORLD


class Together:
    """The processes of an MPI communicator; this one is number `rank`.

    A `with` block encloses their joint work: it ends on all of them, or raises an error on all.
    """

    def __init__(self, communicator: Any) -> None:
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()
        self._parent = communicator
        self._here: Any = None
        self._unfinished: list[Any] = []

    def __enter__(self) -> Self:
        # Failures are sent on a communicator of our own, which is abandoned after one.
        if self._here is None:
            self._here = self._parent.Dup()
        if self.rank:  # only the first rank shows warnings
            self._quiet = warnings.catch_warnings(action="ignore", category=UserWarning)
            self._quiet.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.rank:
            self._quiet.__exit__(None, None, None)
        try:
            if error is None:
                self._arrive()
        except BaseException as found:
            error = found
            raise
        finally:
            if error is not None:
                if not hasattr(error, "rank_that_failed"):
                    self._tell(error)
                self._here = None

    def _tell(self, error: BaseException) -> None:
        """Send an error to all other ranks."""
        error.add_note(f"on rank {self.rank} of {self.size}")
        kind, text = type(error).__name__, str(error)
        said = text if isinstance(error, MinitorchError) else f"{kind}: {text}"
        for other in range(self.size):
            if other != self.rank:
                message = (self.rank, kind, said)
                self._unfinished.append(self._here.isend(message, other, FAILED))

    def _finish(self, request: Any, *buffers: AnyArray) -> None:
        """Wait for a request. Raises the error of a rank that failed meanwhile."""
        polls = 0
        while not request.Test():
            polls += 1
            if not polls % 64 and self._here.Iprobe(tag=FAILED):
                self._unfinished += [request, *buffers]  # MPI may still write to them
                rank, kind, said = self._here.recv(tag=FAILED)
                known = {cls.__name__: cls for cls in MinitorchError.__subclasses__()}
                cls = known.get(kind, RankError)
                cls = RankError if "__init__" in vars(cls) else cls
                error = cls(f"rank {rank}: {said}")
                vars(error)["rank_that_failed"] = rank
                raise error
            if polls > PATIENCE:
                time.sleep(1e-5)

    def _arrive(self) -> None:
        """Wait until all ranks arrive here."""
        self._finish(self._here.Ibarrier())

    def total(self, own: Array) -> Array:
        """The sum of the arrays of all ranks."""
        found = np.empty_like(own)
        self._finish(self._here.Iallreduce(own, found), own, found)
        return found

    def reduce(self, own: Array) -> None:
        """The same sum in place; blocks, so all ranks must have arrived. A second array would take
        a third longer.
        """
        from mpi4py import MPI

        self._here.Allreduce(MPI.IN_PLACE, own)

    def gather(self, own: Any) -> list[Any]:
        """The objects of all ranks, in order of rank."""
        self._arrive()
        found: list[Any] = self._here.allgather(own)
        return found
