"""The libraries that are measured. Each module has a function `contestant(task, x, y)`, which
returns None for tasks that it does not support, and is imported in a process of its own.
"""

from importlib.util import find_spec

CONTESTANTS = {
    "floor": ("bare products and gather", "numpy"),
    "by_hand": ("NumPy by hand", "numpy"),
    "framework": ("minitorch_np", "numpy"),
    "micro_batches": ("minitorch_np, micro-batches", "numpy"),
    "torch_eager": ("PyTorch, eager", "torch"),
    "scikit": ("scikit-learn", "sklearn"),
    "jax_jit": ("jax, a jit a step", "jax"),
}
"""The module of each, its name in tables, and the library that it needs."""


def present(name: str) -> bool:
    """Whether the library that a contestant needs is installed."""
    return find_spec(CONTESTANTS[name][1]) is not None
