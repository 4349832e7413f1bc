"""Ranks as threads of this process: what of an MPI communicator the package uses, without MPI."""

from __future__ import annotations

import copy
import functools
import operator
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST_SECONDS = 20.0
"""Who waits longer for others would wait forever."""


class Shared:
    """What all ranks know: what each has brought to each joint call, and messages."""

    def __init__(self, size: int) -> None:
        self.size, self.lock = size, threading.Lock()
        self.brought: list[dict[int, Any]] = []
        self.messages: list[list[Any]] = [[] for _ in range(size)]
        self.copies: list[Shared] = []


class Request:
    """A joint call that has begun."""

    def __init__(self, shared: Shared, place: int, found: Any = None) -> None:
        self.shared, self.place, self.found = shared, place, found
        self.until, self.polls = time.monotonic() + MOST_SECONDS, 0

    def Test(self) -> bool:  # noqa: N802
        brought = self.shared.brought[self.place]
        self.polls += 1
        if not self.place % 20 and self.polls < 70:  # now and then it takes long
            return False
        if len(brought) < self.shared.size:
            assert time.monotonic() < self.until, "the other ranks do not come"
            time.sleep(1e-6)
            return False
        if self.found is not None:
            arrays = [brought[rank] for rank in range(self.shared.size)]
            self.found[...] = functools.reduce(operator.add, arrays)
        return True


class Communicator:
    """One rank's end."""

    def __init__(self, shared: Shared, rank: int) -> None:
        self.shared, self.rank, self.calls, self.copies = shared, rank, 0, 0

    def Get_rank(self) -> int:  # noqa: N802
        return self.rank

    def Get_size(self) -> int:  # noqa: N802
        return self.shared.size

    def Dup(self) -> Communicator:  # noqa: N802
        with self.shared.lock:
            if self.copies == len(self.shared.copies):
                self.shared.copies.append(Shared(self.shared.size))
        self.copies += 1
        return Communicator(self.shared.copies[self.copies - 1], self.rank)

    def _bring(self, own: Any, found: Any = None) -> Request:
        with self.shared.lock:
            if self.calls == len(self.shared.brought):
                self.shared.brought.append({})
            self.shared.brought[self.calls][self.rank] = copy.deepcopy(own)
        self.calls += 1
        return Request(self.shared, self.calls - 1, found)

    def Ibarrier(self) -> Request:  # noqa: N802
        return self._bring("here")

    def Iallreduce(self, own: Any, found: Any) -> Request:  # noqa: N802
        return self._bring(own, found)

    def Allreduce(self, where: object, own: Any) -> None:  # noqa: N802
        assert where == "in place"
        request = self._bring(own, own)
        while not request.Test():
            pass

    def allgather(self, own: Any) -> list[Any]:
        request = self._bring(own)
        while not request.Test():
            pass
        brought = self.shared.brought[request.place]
        return [copy.deepcopy(brought[rank]) for rank in range(self.shared.size)]

    def isend(self, message: Any, to: int, tag: int) -> None:
        self.shared.messages[to].append((tag, message))

    def Iprobe(self, *, tag: int) -> bool:  # noqa: N802
        return any(tag == each for each, _ in self.shared.messages[self.rank])

    def recv(self, *, tag: int) -> Any:
        return next(said for each, said in self.shared.messages[self.rank] if each == tag)


def on_threads(size: int, function: Callable[[Communicator], Any]) -> list[Any]:
    """What a function returns or raises on each rank."""
    shared = Shared(size)

    def call(rank: int) -> Any:
        try:
            return function(Communicator(shared, rank))
        except Exception as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(call, range(size)))
