"""The progress bar of training runs and of comparisons.

It is tqdm's, shown if tqdm is installed (extra `progress`) and there is a terminal or a notebook.
"""

from __future__ import annotations

import sys
from typing import Any


def is_watched() -> bool:
    """Whether the output goes to a terminal or a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


def bar(total: int, label: str, done: int = 0, unit: str = "it") -> Any:
    """A bar that disappears when closed; None without a terminal or notebook, or without tqdm."""
    if not is_watched():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=label, initial=done, unit=unit, leave=False)
