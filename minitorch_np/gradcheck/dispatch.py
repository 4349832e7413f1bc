"""Checks any object that has a gradient: layers, losses, functions, trainers, PyTorch's, JAX's.

The command line and the pytest fixture use it. In a file, derivative and inputs of a function are
found by their names: `softplus` has its derivative in `softplus_derivative`, or its vector-Jacobian
product in `softplus_vjp`, and its inputs in `softplus_inputs`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.errors import ConfigurationError
from minitorch_np.gradcheck.check import gradcheck
from minitorch_np.gradcheck.frameworks import gradcheck_jax, gradcheck_torch
from minitorch_np.gradcheck.functions import gradcheck_function, required_arguments
from minitorch_np.gradcheck.registry import check_class
from minitorch_np.gradcheck.report import GradientCheck
from minitorch_np.gradcheck.step import check_step
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss
from minitorch_np.training import Trainer
from minitorch_np.validation import shown

DERIVATIVES = ("{}_vjp", "{}_derivative", "{}_prime", "d_{}", "d{}")
"""The names that a function's derivative may have."""

MADE_UP = (4, 5)
"""The shape of each made-up input of a function."""


def check_any(obj: Any, *arguments: Any, **options: Any) -> list[GradientCheck]:
    """Check an object with the function for its kind, which gets the further arguments.

    A class of layers or losses: all its cases. A layer or a loss: `gradcheck`. A Trainer:
    `check_step`. A PyTorch module or autograd function: `gradcheck_torch`. A JAX function:
    `gradcheck_jax`. Any other function: `gradcheck_function`. Raises ConfigurationError for
    anything else.
    """
    if isinstance(obj, type) and issubclass(obj, (Layer, Loss)):
        return check_class(obj, **options)
    if isinstance(obj, (Layer, Loss)):
        return [gradcheck(obj, *arguments, **options)]
    if isinstance(obj, Trainer):
        return [check_step(obj, *arguments, **options)]
    if _is_of("torch", obj):
        return [gradcheck_torch(obj, *arguments, **options)]
    if _is_of("jax", obj):
        return [gradcheck_jax(obj, *arguments, **options)]
    if callable(obj) and not isinstance(obj, type):
        return [gradcheck_function(obj, *arguments, **options)]
    raise ConfigurationError(
        f"gradcheck: expected a layer, a loss, a trainer or a function, got {shown(obj)}"
    )


def check_named(name: str, found: dict[str, Any], seed: int) -> list[GradientCheck]:
    """Check the object that a file calls `name`, with the derivative and inputs found there.

    Raises ConfigurationError for a name that the file does not define, and for a function without
    its derivative.
    """
    if name not in found:
        names = ", ".join(sorted(n for n in found if not n.startswith("_")))
        raise ConfigurationError(f"gradcheck: expected one of {names}; got {name!r}")
    obj, inputs = found[name], found.get(f"{name}_inputs")
    if isinstance(obj, type) and issubclass(obj, (Layer, Loss)):
        return check_any(obj, seed=seed)
    if isinstance(obj, (Layer, Loss, Trainer)) or _is_of("torch", obj) or _is_of("jax", obj):
        if inputs is None and not isinstance(obj, (Layer, Loss)):
            raise ConfigurationError(f"gradcheck of {name}: expected its inputs in {name}_inputs")
        foreign = not isinstance(obj, (Layer, Loss, Trainer))
        return check_any(obj, *([inputs] if foreign else inputs or ()), seed=seed)
    derivative = next((d for text in DERIVATIVES if (d := text.format(name)) in found), None)
    if not callable(obj) or derivative is None:
        looked = ", ".join(text.format(name) for text in DERIVATIVES)
        raise ConfigurationError(
            f"gradcheck of {name}: expected a layer, a loss, or a function with its derivative "
            f"in the same file, under one of the names {looked}"
        )
    if inputs is None:
        rng = np.random.default_rng(seed)
        inputs = tuple(rng.normal(size=MADE_UP) for _ in range(required_arguments(obj) or 1))
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    return check_any(obj, found[derivative], *arguments, seed=seed)


def _is_of(library: str, obj: Any) -> bool:
    """Whether an object's class or a base of it comes from a library; nothing is imported."""
    classes = obj.__mro__ if isinstance(obj, type) else type(obj).__mro__
    return any(cls.__module__.split(".")[0] == library for cls in classes)
