"""Reading ahead: a thread fetches the next items of an iterator while the current one is in use.

The items and their order are those of the iterator; only the time of reading changes. An exception
in the iterator is raised where its item was expected. The thread ends with the `with` statement:
the item being read is completed, and nothing more is read.
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
    """An iterator over `items` that reads up to `depth` of them ahead; 0 means without a thread.

    The thread starts when the first item is requested. It copies the context of that moment, so
    that NumPy's error state is the same in both threads.
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
            self._ready.put((item, error))  # a further request raises it again
            raise error
        self._permits.put(True)
        return item  # type: ignore[no-any-return]

    def _start(self) -> None:
        import queue
        import threading

        # Two queues, which wait in C: items that are ready, and permits to read one more.
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
