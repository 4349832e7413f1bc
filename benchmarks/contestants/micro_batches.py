"""This framework with full batches that are processed in micro-batches of about a thousand."""

from __future__ import annotations

from benchmarks.contestants.framework import Framework
from benchmarks.work import Array, Task


def contestant(task: Task, x: Array, y: Array) -> Framework | None:
    """This framework for full batches, or None."""
    whole = task.batch is None and task.measure != "prediction"
    return Framework(task, x, y, micro_batch_size=1024) if whole else None
