"""Gradient checks of plain functions: f and its derivative, or f and its vector-Jacobian product.

Inputs are NumPy arrays, or tuples, lists and dictionaries of them. Floating-point arrays and
numbers are differentiated; integers, strings and everything else are constants.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.gradcheck.array_check import Effort
from minitorch_np.gradcheck.report import PASS, GradientCheck
from minitorch_np.gradcheck.rules import attempt, linear_in_dy, repeats
from minitorch_np.gradcheck.search import check_arrays, check_beside_special_values
from minitorch_np.gradcheck.targets import Target
from minitorch_np.signature import explained
from minitorch_np.validation import instance, whole

FUNCTION = Effort(256, 2)
"""The effort for a function: arrays of at most this many entries are checked on each of them."""


@explained
def gradcheck_function(
    f: Callable[..., Any],
    df: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
    allow: dict[str, str] | None = None,
) -> GradientCheck:
    """Check the derivative of a plain function on NumPy arrays.

        mt.gradcheck_function(np.sin, np.cos, x)
        mt.gradcheck_function(f, vjp, x, w)  # with f(x, w) and vjp(dy, x, w) -> (dx, dw)

    Parameters:
        f: returns an array, or a tuple, list or dictionary of arrays.
        df: its derivative, with f's arguments: df(x) has x's shape for an elementwise f, else the
            shape (*f(x).shape, *x.shape); for several inputs, a tuple of them. Or, with one
            argument more, its vector-Jacobian product: vjp(dy, *inputs) returns dL/d(input) for
            each input, in its structure, None for constants.
        inputs: f's arguments. A single tuple is unpacked if f takes more than one argument.
        seed: for the directions.
        allow: arrays whose gradient differs on purpose, with the reason.

    Returns a GradientCheck, in which arrays have the names of f's arguments: "x", "params.w".

    Raises ConfigurationError if df takes neither number of arguments, DataError if there is no
    floating-point array among the inputs.
    """
    if len(inputs) == 1 and isinstance(inputs[0], tuple) and required_arguments(f) not in (1, None):
        inputs = inputs[0]
    target = FunctionTarget(f, df, inputs)
    result = check_target(target, seed, allow)
    with np.errstate(all="ignore"):
        changed = attempt(lambda _: target.changes_inputs(), None, "inputs stay as they are")
    result.contracts += [] if changed.ok else [changed]
    return result


def check_target(
    target: Target, seed: int = 0, allow: dict[str, str] | None = None, effort: Effort = FUNCTION
) -> GradientCheck:
    """The report on any target: its arrays, and the rules that every function must keep.

    Raises ConfigurationError for empty arrays and unknown names in `allow`.
    """
    whole("gradcheck", "seed", seed, 0)
    if allow is not None:
        instance("gradcheck", "allow", allow, dict)
    start, result = time.perf_counter(), GradientCheck(target.label)
    for name, array in target.arrays.items():
        if not array.size:
            raise ConfigurationError(
                f"gradcheck of {target.label}: expected arrays with entries, got an empty {name}"
            )
    for name in allow or {}:
        if name not in target.arrays:
            raise ConfigurationError(
                f"gradcheck of {target.label}: allow: expected names of "
                f"{', '.join(target.arrays)}; got {name!r}"
            )
    with np.errstate(all="ignore"):
        claim = check_arrays(result, target, effort, np.random.default_rng(seed), allow or {})
        if claim is not None and np.isfinite(claim.origin).all():
            result.contracts = [
                attempt(lambda _: repeats(target, claim), None, "calls repeat, inputs stay"),
                attempt(lambda _: linear_in_dy(target, claim), None, "linear in dy"),
            ]
            if result.status == PASS:
                rng = np.random.default_rng(seed)
                check_beside_special_values(result, target, rng, allow or {})
    result.seconds = time.perf_counter() - start
    return result


class FunctionTarget(Target):
    """f at some inputs, with the gradient that df gives."""

    def __init__(self, f: Callable[..., Any], df: Callable[..., Any], inputs: tuple[Any, ...]):
        self.f, self.df = f, df
        self.label = getattr(f, "__name__", type(f).__name__)
        names = _argument_names(f, len(inputs))
        self.arrays = {}
        self.inputs = tuple(
            _own(value, name, self.arrays) for name, value in zip(names, inputs, strict=True)
        )
        if not self.arrays:
            raise DataError(
                f"gradcheck of {self.label}: expected an array of floating-point numbers among "
                "the inputs, got none"
            )
        self.names, self.is_vjp = names, _is_vjp(f, df, len(inputs))

    def value(self) -> Array:
        return joined(self.f(*_copied(self.inputs)))

    def gradients(self, dy: Array) -> dict[str, Array]:
        inputs = _copied(self.inputs)
        if self.is_vjp:
            found = self.df(split(dy, self.f(*_copied(self.inputs))), *inputs)
        else:
            found = self.df(*inputs)
        if len(inputs) == 1 and not (isinstance(found, tuple) and len(found) == 1):
            found = (found,)
        gradients: dict[str, Array] = {}
        for name, value, gradient in zip(self.names, self.inputs, found, strict=True):
            for path, leaf in _matching(value, gradient, name):
                if path in self.arrays and leaf is not None:
                    array = np.asarray(leaf)
                    gradients[path] = array if self.is_vjp else self._product(dy, array, path)
        return gradients

    def changes_inputs(self) -> str | None:
        """A sentence if one of the two functions changes its arguments, else None."""
        dy = [split(np.ones_like(self.value()), self.f(*_copied(self.inputs)))]
        for name, call, before in (("f", self.f, []), ("df", self.df, dy if self.is_vjp else [])):
            given = _copied(self.inputs)
            call(*before, *given)
            after, kept = _leaves(given), _leaves(self.inputs)
            if any(not np.array_equal(after[path], kept[path]) for path in kept):
                return f"{name} changes its inputs in place"
        return None

    def _product(self, dy: Array, derivative: Array, path: str) -> Array:
        """dL/dx from dL/dy and dy/dx: elementwise, or with a whole Jacobian."""
        shape = self.arrays[path].shape
        if derivative.shape == (*dy.shape, *shape):
            return np.asarray(np.tensordot(dy, derivative, axes=dy.ndim))
        return dy * derivative if derivative.shape == shape == dy.shape else derivative


def _own(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """A value with its floating-point arrays replaced by copies, which `arrays` lists by path."""
    if isinstance(value, dict):
        return {key: _own(item, f"{path}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, float) for item in value):
        value = np.array(value)  # a list of numbers is a vector
    if isinstance(value, (tuple, list)):
        items = [_own(item, f"{path}.{n}", arrays) for n, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, (float, np.floating, np.ndarray)):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            arrays[path] = np.array(array, dtype=np.float64, order="C")
            return arrays[path]
    return value


def _leaves(value: Any) -> dict[str, Array]:
    """All floating-point arrays of a structure, by path."""
    arrays: dict[str, Array] = {}
    _own(value, "", arrays)
    return arrays


def _copied(value: Any) -> Any:
    """The same structure with copies, since a function may change its arguments."""
    return _own(value, "", {})


def _matching(value: Any, gradient: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each array of an input by its path, with the gradient at the same place."""
    if isinstance(value, (dict, tuple, list)) and gradient is not None:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from _matching(value[key], gradient[key], f"{path}.{key}")
    else:
        yield path, gradient


def joined(value: Any) -> Array:
    """An output as an array; several outputs, in any structure, as one vector."""
    if not isinstance(value, (dict, tuple, list)):
        return np.array(value, dtype=np.float64)
    parts = value.values() if isinstance(value, dict) else value
    return np.concatenate([joined(part).reshape(-1) for part in parts])


def split(vector: Array, like: Any) -> Any:
    """The reverse of `joined`: a vector in the structure of an output."""
    if not isinstance(like, (dict, tuple, list)):
        return vector.reshape(np.shape(like))
    parts = list(like.values() if isinstance(like, dict) else like)
    ends = np.cumsum([joined(part).size for part in parts])[:-1]
    pieces = [split(v, p) for v, p in zip(np.split(vector, ends), parts, strict=True)]
    if isinstance(like, dict):
        return dict(zip(like, pieces, strict=True))
    return type(like)(*pieces) if hasattr(like, "_fields") else type(like)(pieces)


def _parameters(f: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C
        return None


def required_arguments(f: Callable[..., Any], optional: bool = False) -> int | None:
    """The number of required (or with `optional`, possible) arguments; None if it is unknown."""
    if isinstance(f, np.ufunc):
        return f.nin
    parameters = _parameters(f)
    if parameters is None or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in places and (optional or p.default is p.empty) for p in parameters)


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    parameters = [] if isinstance(f, np.ufunc) else _parameters(f) or []
    names = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL][:count]
    if len(names) == count:
        return names
    return ["x"] if count == 1 else [f"x{place}" for place in range(count)]


def _is_vjp(f: Callable[..., Any], df: Callable[..., Any], count: int) -> bool:
    """Whether df takes dy before f's inputs. Raises ConfigurationError if it takes neither."""
    required, most = required_arguments(df), required_arguments(df, optional=True)
    if required is None or most is None:
        return count > 1
    own = required_arguments(f), required_arguments(f, optional=True)
    if required == count + 1 or (None not in own and (required - 1, most - 1) == own):
        return True  # f's arguments after dy, perhaps some of them with defaults
    if required <= count <= most:
        return False
    raise ConfigurationError(
        f"gradcheck: expected df to take the {count} inputs of f, or dy and the inputs, got a "
        f"function of {required} arguments"
    )
