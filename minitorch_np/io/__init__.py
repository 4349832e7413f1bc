"""Files: replaced whole or not at all, read within bounds, arrays and states in them."""

from minitorch_np.io.bounded import expansion_limit

__all__ = ["expansion_limit"]
