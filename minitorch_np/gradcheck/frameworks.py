"""The same check for gradients of PyTorch and JAX: modules, autograd functions, custom rules.

The framework computes in float64 on the CPU, on copies; the check uses arrays, a value and the
gradients that the framework's own backward returns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import DataError, GradientError, optional
from minitorch_np.gradcheck.array_check import Effort
from minitorch_np.gradcheck.functions import check_target, joined, split
from minitorch_np.gradcheck.report import GradientCheck
from minitorch_np.gradcheck.targets import Target
from minitorch_np.signature import explained

TENSORS = Effort(128, 2)
"""A PyTorch call takes about ten times as long as a NumPy call: fewer entries are checked singly.
"""


@explained
def gradcheck_torch(
    module: Any, inputs: Any, *, seed: int = 0, allow: dict[str, str] | None = None
) -> GradientCheck:
    """Check the gradients of a `torch.nn.Module`, a `torch.autograd.Function` or a function.

    Parameters:
        module: the module (a float64 copy is checked, in its present mode), the Function's class,
            or any function of tensors.
        inputs: a tensor, or a sequence of arguments. Floating-point tensors and the module's
            parameters are differentiated.
        seed: for the directions, and for everything that the module draws at random.
        allow: arrays whose gradient differs on purpose, with the reason.

    Returns a GradientCheck, in which an input is "x" (several are "x0", "x1", ...) and parameters
    have their own names.

    Raises MissingExtraError without PyTorch, DataError if there is nothing to differentiate.
    """
    torch = optional("torch", "torch", "gradcheck_torch")
    arguments = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    return check_target(_TorchTarget(torch, module, arguments, seed), seed, allow, TENSORS)


@explained
def gradcheck_jax(
    f: Callable[..., Any], args: Any, *, seed: int = 0, allow: dict[str, str] | None = None
) -> GradientCheck:
    """Check the result of `jax.vjp` for a function, such as one with `jax.custom_vjp`.

    Parameters:
        f: a function of arrays, or of structures (pytrees) of them.
        args: its arguments as a tuple; anything else is its only argument.
        seed: for the directions.
        allow: arrays whose gradient differs on purpose, with the reason.

    Returns a GradientCheck, in which arrays are named by their position in `args`: "args[1]['w']".

    Raises MissingExtraError without JAX, DataError if there is nothing to differentiate.
    """
    jax = optional("jax", "jax", "gradcheck_jax")
    with jax.enable_x64(True):
        target = _JaxTarget(jax, f, args if isinstance(args, tuple) else (args,))
        return check_target(target, seed, allow)


class _TorchTarget(Target):
    """A PyTorch call whose tensors share their memory with the arrays that are moved."""

    def __init__(self, torch: Any, module: Any, inputs: Sequence[Any], seed: int) -> None:
        self.torch, self.seed = torch, seed
        is_module = isinstance(module, torch.nn.Module)
        self.call: Any = getattr(module, "apply", module) if isinstance(module, type) else module
        if isinstance(module, type) and not issubclass(module, torch.autograd.Function):
            raise DataError(f"gradcheck: expected an instance of a module, got its class {module}")
        if is_module:
            self.call = copy.deepcopy(module).double()
        self.label = getattr(module, "__name__", None) or str(module).split("\n", 1)[0].rstrip("(")
        self.composed = is_module and any(True for _ in module.children())
        names = ["x"] if len(inputs) == 1 else [f"x{place}" for place in range(len(inputs))]
        self.inputs, self.leaves = [], {}
        for name, value in zip(names, inputs, strict=True):
            own = value
            if isinstance(value, (np.ndarray, torch.Tensor)):
                own = torch.as_tensor(value).detach().cpu()
                if own.is_floating_point():
                    self.leaves[name] = own = own.double()
            self.inputs.append(own)
        self.buffers = []
        if is_module:
            self.leaves |= {n: p for n, p in self.call.named_parameters() if p.requires_grad}
            self.buffers = [(b, b.clone()) for b in self.call.buffers()]
        if not self.leaves:
            raise DataError(
                f"gradcheck of {self.label}: expected a floating-point tensor, got none"
            )
        self.arrays = {}
        for name, tensor in self.leaves.items():
            tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
            tensor.requires_grad_(True)
            self.arrays[name] = tensor.detach().numpy()
        with torch.random.fork_rng(devices=[]):
            before = torch.get_rng_state()
            self.call(*self.inputs)
            self.draws = not torch.equal(before, torch.get_rng_state())

    def value(self) -> Array:
        # Gradients stay enabled, since a hook on an inner tensor requires them.
        outputs = [y.detach().numpy() for y in _tensors(self._run())]
        return joined(outputs[0] if len(outputs) == 1 else outputs)

    def gradients(self, dy: Array) -> dict[str, Array]:
        outputs = list(_tensors(self._run()))
        parts = split(dy, [y.detach().numpy() for y in outputs]) if len(outputs) > 1 else [dy]
        pairs = [(y, d) for y, d in zip(outputs, parts, strict=True) if y.requires_grad]
        given = [self.torch.from_numpy(np.array(d)) for _, d in pairs]
        found = self.torch.autograd.grad(
            [y for y, _ in pairs], list(self.leaves.values()), given, allow_unused=True
        )
        if any(not np.array_equal(g.numpy(), d) for g, (_, d) in zip(given, pairs, strict=True)):
            raise GradientError("backward changes the gradient passed to it in place")
        return {
            name: np.zeros(self.arrays[name].shape) if g is None else g.numpy().copy()
            for name, g in zip(self.leaves, found, strict=True)
        }

    def _run(self) -> Any:
        """The call, with the same random draws and the same buffers each time."""
        for buffer, at_first in self.buffers:
            buffer.data.copy_(at_first)
        if not self.draws:
            return self.call(*self.inputs)
        with self.torch.random.fork_rng(devices=[]):
            self.torch.manual_seed(self.seed)
            return self.call(*self.inputs)


def _tensors(outputs: Any) -> Iterator[Any]:
    """All floating-point tensors in an output, such as an LSTM's (y, (h, c))."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (tuple, list)):
        for each in outputs:
            yield from _tensors(each)
    elif outputs is not None and outputs.is_floating_point():
        yield outputs


class _JaxTarget(Target):
    """A JAX call on the arrays of its arguments."""

    def __init__(self, jax: Any, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.label = getattr(f, "__name__", type(f).__name__)
        leaves, self.tree = jax.tree_util.tree_flatten_with_path(args)
        self.jax, self.f, self.leaves, self.arrays = jax, f, [], {}
        for path, leaf in leaves:
            value, name = np.asarray(leaf), "args" + jax.tree_util.keystr(path)
            if value.dtype.kind == "f" or str(value.dtype) == "bfloat16":
                value = self.arrays[name] = np.array(value, dtype=np.float64, order="C")
            self.leaves.append((name, value))
        if not self.arrays:
            raise DataError(f"gradcheck of {self.label}: expected a floating-point array, got none")
        self._value = jax.jit(self._call)
        self._pulled = jax.jit(lambda moved, dy: jax.vjp(self._call, moved)[1](dy)[0])

    def value(self) -> Array:
        return joined(self.jax.device_get(self._value(self.arrays)))

    def gradients(self, dy: Array) -> dict[str, Array]:
        like = self.jax.device_get(self._value(self.arrays))
        found = self._pulled(self.arrays, split(dy, like))
        return {name: np.array(gradient) for name, gradient in found.items()}

    def _call(self, moved: dict[str, Any]) -> Any:
        leaves = [moved.get(name, value) for name, value in self.leaves]
        return self.f(*self.jax.tree_util.tree_unflatten(self.tree, leaves))
