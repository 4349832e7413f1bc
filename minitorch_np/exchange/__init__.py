"""Exchange of models with other software: PyTorch modules and ONNX files."""

from minitorch_np.exchange.onnx_export import to_onnx
from minitorch_np.exchange.onnx_import import from_onnx
from minitorch_np.exchange.torch_modules import from_torch, to_torch

__all__ = ["from_onnx", "from_torch", "to_onnx", "to_torch"]
