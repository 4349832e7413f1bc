"""Reading ahead: a thread takes the next items of an iterator while the last one is in use.

What is read, and in which order, is what the iterator gives: the thread changes the time only. An
exception in it is raised where the item would have come. The thread ends with the `with` statement,
however that is left: the item that is being read is finished, and nothing more is read.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

NAME = "minitorch_np read-ahead"
"""The name of the thread."""


class ReadAhead(Generic[T]):
    """An iterator over `items`, of which up to `depth` are read ahead; 0 means without a thread.

    The thread begins with the first item that is asked for. It has the context of that moment, so
    that NumPy's error state is the same on both sides.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items, self._depth = items, depth
        self._thread: Any = None
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is None:
            self._close_items()
            return
        self._stopped = True
        self._permits.put(False)
        self._thread.join()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if not self._depth:
            return next(self._items)
        if self._thread is None:
            self._start()
        item, error = self._ready.get()
        if error is not None:
            self._ready.put((item, error))  # asked again, it has ended again
            raise error
        self._permits.put(True)
        return item  # type: ignore[no-any-return]

    def _start(self) -> None:
        import queue
        import threading

        # Two queues, which wait in C: what is ready, and permits to read one more.
        self._ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        for _ in range(self._depth):
            self._permits.put(True)
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._work,), name=NAME, daemon=True)
        thread.start()
        self._thread = thread

    def _work(self) -> None:
        """Read as many items as there are permits, until the iterator or the run ends."""
        try:
            while self._permits.get() and not self._stopped:
                self._ready.put((next(self._items), None))
        except BaseException as error:  # StopIteration too: it is raised where the items are used
            self._ready.put((None, error))
        finally:
            self._close_items()

    def _close_items(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
