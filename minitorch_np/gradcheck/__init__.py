"""Gradient checking: compares gradients with finite differences, and reports what it could miss."""

from minitorch_np.gradcheck.case import Case
from minitorch_np.gradcheck.check import assert_gradients, gradcheck
from minitorch_np.gradcheck.frameworks import gradcheck_jax, gradcheck_torch
from minitorch_np.gradcheck.functions import gradcheck_function
from minitorch_np.gradcheck.hessian import hessian_vector_product
from minitorch_np.gradcheck.registry import components, gradcheck_all
from minitorch_np.gradcheck.report import GradientCheck
from minitorch_np.gradcheck.step import check_step

__all__ = [
    "Case",
    "GradientCheck",
    "assert_gradients",
    "check_step",
    "components",
    "gradcheck",
    "gradcheck_all",
    "gradcheck_function",
    "gradcheck_jax",
    "gradcheck_torch",
    "hessian_vector_product",
]
