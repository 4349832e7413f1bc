"""Identifies a run: everything that must be the same for it to be resumed.

Everything that the result depends on is described by text that is the same in every process: no
addresses, no order of sets. An object is described by its class and constructor arguments, a
function by its code, constants, defaults, closure and the globals it uses. For a class or function
of this package the name is enough, since the package's version is recorded too.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import types
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import checksum
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.signature import arguments_of
from minitorch_np.training.batches import Batches
from minitorch_np.training.loop import Loop

DEPTH = 12
"""The maximum depth to which nested objects are described."""

PLACES = frozenset({"path", "file", "state", "age"})
"""Attributes that are never settings: output paths and internal state."""

BUILT = frozenset({"input_shape", "output_shape", "dtype", "parameter_shapes", "frozen"})
"""A layer's attributes, apart from its settings, once it is built."""


def fingerprint(loop: Loop, callbacks: Sequence[object]) -> dict[str, Any]:
    """The model, the settings and the data of a run, as numbers and strings."""
    owners = loop.model.parameter_owners()
    return {
        "layers": f"{describe(loop.model)} for {loop.model.input_shape} in {loop.model.dtype}",
        "frozen": [name for name, layer, _ in owners if layer.frozen],
        "loss": describe(loop.loss),
        "optimizer": describe(loop.optimizer),
        "metrics": [describe(metric) for metric in loop.metrics],
        "callbacks": [describe(callback) for callback in callbacks],
        "generator": type(loop.rng.bit_generator).__name__,
        "transform": loop.batches.transform and describe(loop.batches.transform),
        **_data(loop.batches),
        **({"shuffle": "stateful"} if loop.carried else {}),
        "validation checksum": None
        if loop.held_out is None
        else _data(loop.held_out)["data checksum"],
    }


def _data(batches: Batches) -> dict[str, Any]:
    """The data and how it is divided; a function that makes batches is its code."""
    found = batches.identity()
    return {key: describe(value) if callable(value) else value for key, value in found.items()}


def versions() -> dict[str, str]:
    """What numbers may depend on in their last digits, and code in its form."""
    package = vars(sys.modules["minitorch_np"])["__version__"]  # imports this module
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"minitorch_np": package, "numpy": np.__version__, "python": python}


def describe(value: object) -> str:
    """A text, the same in every process, that differs for values that a run could tell apart."""
    return _Describer().describe(value, 0)


class _Describer:
    """Describes a value; a value that contains itself is described there by its class alone."""

    def __init__(self) -> None:
        self.open, self.known = set[int](), dict[int, str]()

    def describe(self, value: Any, depth: int) -> str:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return repr(value)
        if id(value) in self.open or depth > DEPTH:
            return f"<{_name(type(value))}>"
        self.open.add(id(value))
        try:
            if not isinstance(value, (types.FunctionType, type)):
                return self._described(value, depth + 1)
            if id(value) not in self.known:
                self.known[id(value)] = self._described(value, depth + 1)
            return self.known[id(value)]
        finally:
            self.open.discard(id(value))

    def _described(self, value: Any, depth: int) -> str:
        def inner(item: Any) -> str:
            return self.describe(item, depth)

        if isinstance(value, np.ndarray) and value.dtype != object:
            return f"array({checksum([value]):08x})"
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{inner(k)}: {inner(v)}" for k, v in value.items()) + "}"
        if isinstance(value, (set, frozenset)):
            return "{" + ", ".join(sorted(map(inner, value))) + "}"
        if isinstance(value, (list, tuple, range, np.ndarray)):
            return "[" + ", ".join(map(inner, value)) + "]"
        if isinstance(value, functools.partial):
            return f"partial{inner((value.func, value.args, value.keywords))}"
        if isinstance(value, types.MethodType):
            return f"{inner(value.__self__)}.{inner(value.__func__)}"
        if isinstance(value, property):
            return inner((value.fget, value.fset))
        if isinstance(value, types.FunctionType):
            return self._function(value, depth)
        if isinstance(value, type):
            return self._class(value, depth)
        if _of_a_library(type(value)) and not _ours(type(value)):
            depth = DEPTH  # only its own numbers and strings, not the objects it refers to
        shown = [f"{name}={inner(item)}" for name, item in _settings(value)]
        return f"{inner(type(value))}({', '.join(shown)})"

    def _class(self, cls: type, depth: int) -> str:
        """Its name, and a checksum of the code of it and its bases, except a library's."""
        text = "".join(
            f"{name}: {self.describe(getattr(item, '__func__', item), depth)}\n"
            for base in cls.__mro__
            if not _of_a_library(base)
            for name, item in sorted(vars(base).items())
            if isinstance(item, types.FunctionType) or not name.startswith(("__", "_abc"))
        )
        return cls.__qualname__ + (f"[code {zlib.crc32(text.encode()):08x}]" if text else "")

    def _function(self, function: types.FunctionType, depth: int) -> str:
        """Its name, the values of its closure, and, unless a library's, a checksum of its code."""
        parts = [f"{name}={self.describe(value, depth)}" for name, value in _enclosed(function)]
        if not _of_a_library(function):
            text = self._code(function, depth)
            parts.append(f"code {zlib.crc32(text.encode()):08x}")
        return function.__qualname__ + (f"[{', '.join(parts)}]" if parts else "")

    def _code(self, function: types.FunctionType, depth: int) -> str:
        """Everything that determines a function's behaviour, except the values of its closure."""
        texts = [self.describe((function.__defaults__, function.__kwdefaults__), depth)]
        codes, used = [function.__code__], set[str]()
        for code in codes:  # the list grows by the inner functions
            codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
            plain = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
            plain = plain[1:] if plain and plain[0] == function.__doc__ else plain
            texts.append(f"{code.co_code.hex()} {code.co_names} {self.describe(plain, depth)}")
            used |= _globals_of(code)
        found = function.__globals__
        texts += [f"{n}={self.describe(found[n], depth)}" for n in sorted(used & found.keys())]
        return "\n".join(texts)


def _globals_of(code: types.CodeType) -> set[str]:
    """The global names that code reads and does not set."""
    import dis

    steps = list(dis.get_instructions(code))
    read = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return read - {step.argval for step in steps if step.opname == "STORE_GLOBAL"}


def _enclosed(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not set yet
            yield name, cell.cell_contents


def _settings(thing: Any) -> list[tuple[str, Any]]:
    """An object's constructor arguments, or if one is not stored, all of its attributes, except
    those that change during training.
    """
    kept = {name: getattr(thing, name) for name in _slots(thing) if hasattr(thing, name)}
    kept |= getattr(thing, "__dict__", {})
    changing = set(PLACES)
    if isinstance(thing, Layer):
        changing |= {*BUILT, *thing.parameter_names, *thing.buffer_names}
    stateful = isinstance(thing, Layer) or callable(getattr(thing, "state_dict", None))
    if stateful and not isinstance(thing, Layer):
        with contextlib.suppress(Exception):  # a callback may have no state before training
            changing |= thing.state_dict().keys() - {"learning_rate"}
    try:
        arguments = arguments_of(type(thing))
    except (TypeError, ValueError):  # a class that is not written in Python
        arguments = {}
    names = [name if name in kept else f"_{name}" for name in arguments]
    if isinstance(thing, Composite):
        names = [name for name in names if name in kept and name != "layers"] + ["layers"]
        names += [name for name in ("wiring", "ends") if name in kept]  # of a graph
    elif _ours(type(thing)) and "config" in vars(type(thing)):  # it keeps them by other names
        kept = thing.config()
        names = list(kept)
    elif not all(name in kept for name in names):
        hidden = "_" if stateful else ("",) if _ours(type(thing)) else ()
        names = sorted(name for name in kept if not name.startswith(hidden))
    return [(name, kept[name]) for name in names if name not in changing]


def _slots(thing: Any) -> list[str]:
    return [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]


def _ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] == "minitorch_np"


def _of_a_library(thing: Any) -> bool:
    """Whether it is defined by Python, this package or an installed one, which have versions."""
    root = str(getattr(thing, "__module__", "")).split(".")[0]
    if root == "__main__":  # may be an installed program that runs the user's code
        return False
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    installed = "site-packages" in file or "dist-packages" in file
    return _ours(thing) or installed or root in sys.stdlib_module_names


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__name__))
