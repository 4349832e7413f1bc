"""The same planted bugs, seen by this gradient check and by PyTorch's.

The bugs are those of `tests/planted.py`. For PyTorch each object's forward and backward are wrapped
as an autograd function and given to `torch.autograd.gradcheck` with its defaults, in float64, on
inputs off the kinks; a bug counts as found if it says no, or raises. Without PyTorch (extra
`bench`) its column is absent.

    python -m benchmarks.gradcheck_scores
"""

import contextlib
import importlib
import time
import warnings
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from minitorch_np.gradcheck.made_up import made_up, made_up_for
from tests.planted import PLANTED

torch: Any = None
with contextlib.suppress(ImportError):
    torch = importlib.import_module("torch")

SAMPLES = 5


def ours(obj: Any, shape: tuple[int, ...]) -> bool:
    """Whether this check finds something wrong."""
    try:
        return Case(obj, shape, SAMPLES).check(0, "exhaustive").status == "fail"
    except mt.MinitorchError:
        return True


def theirs(obj: Any, shape: tuple[int, ...]) -> bool:
    """Whether PyTorch's does."""
    rng = np.random.default_rng(0)
    x = made_up(shape, rng, SAMPLES)
    x[x == 0] = 0.3  # at a kink it would call a right ReLU wrong, and every bug "found"
    arrays, forward, backward = _as_functions(obj, x, rng)

    class Wrapped(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            for array, tensor in zip(arrays, tensors, strict=True):
                array[...] = tensor.detach().numpy()
            y, ctx.cache = forward()
            return torch.from_numpy(np.array(y, dtype=np.float64))

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return tuple(torch.from_numpy(g) for g in backward(dy.numpy(), ctx.cache))

    tensors = [torch.tensor(array.copy(), requires_grad=True) for array in arrays]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return not torch.autograd.gradcheck(Wrapped.apply, tensors)
    except Exception:
        return True


def _as_functions(obj: Any, x: np.ndarray[Any, Any], rng: np.random.Generator) -> Any:
    """The arrays that a gradient is claimed for, and forward and backward on them."""
    if isinstance(obj, mt.Loss):
        x, targets = made_up_for(obj, rng, x.shape[1:], SAMPLES)

        def loss_backward(dy: Any, cache: Any) -> Any:
            return [float(dy) * obj.backward(cache)]

        return [x], lambda: obj.forward(x, targets), loss_backward
    layer = type(obj).from_config(obj.config())
    layer.initialize(x.shape[1:], rng=rng, dtype=np.float64)
    parameters = layer.named_parameters()

    def backward(dy: Any, cache: Any) -> Any:
        dx, gradients = layer.backward(dy, cache)
        return [np.asarray(dx), *(gradients[name] for name in parameters)]

    return [x, *parameters.values()], lambda: layer.forward(x, train=True), backward


def main() -> None:
    """Check every bug with both, print who found what."""
    checkers = {"minitorch_np": ours} | ({"torch": theirs} if torch is not None else {})
    found = dict.fromkeys(checkers, 0)
    seconds = dict.fromkeys(checkers, 0.0)
    for name, obj, _ in PLANTED:
        shape = (4,) if isinstance(obj, mt.Loss) else (6,)
        row = []
        for checker, check in checkers.items():
            start = time.perf_counter()
            hit = check(obj, shape)
            seconds[checker] += time.perf_counter() - start
            found[checker] += hit
            row.append("found" if hit else "MISSED")
        print(f"{name:32} " + "  ".join(f"{word:12}" for word in row).rstrip())
    for checker in checkers:
        share = found[checker] / len(PLANTED)
        print(
            f"{checker}: {found[checker]} of {len(PLANTED)} ({share:.0%}), {seconds[checker]:.1f} s"
        )
    if torch is None:
        print("torch: not installed (extra bench)")


if __name__ == "__main__":
    main()
