"""Files: atomic writing, reading within limits, and arrays and states in files."""

from minitorch_np.io.bounded import expansion_limit

__all__ = ["expansion_limit"]
