"""Models to and from other software: PyTorch's modules, safetensors' files."""

from minitorch_np.exchange.torch_modules import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
