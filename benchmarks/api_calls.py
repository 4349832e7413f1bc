"""Calls of everything public with wrong and odd arguments: `python -m benchmarks.api_calls [N]`.

Each call is a good one of which one to three arguments are replaced, left out, or added: by None,
texts, NaN, huge and negative numbers, lists, other classes, arrays of the wrong kind. A call may
return, or raise an error of this package. Anything else is a fault: another exception, more than 5
seconds, more than 500 MB. A seed makes the same calls again.

What is made without an error is then used: a layer in a model on a few samples, an optimizer, a
loss and a callback in a step of training.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import io
import math
import os
import re
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

import minitorch_np as mt
from minitorch_np.cli.arguments import positive_integer
from minitorch_np.signature import REQUIRED, SPREAD, arguments_of

SECONDS, MEGABYTES = 5, 500

ODD: list[Callable[[], Any]] = [
    *(lambda v=v: v for v in (None, True, False, 0, 1, -1, 2, 3, 3.5, -0.5, 1e308, 1e-320, 1j)),
    *(lambda v=v: v for v in (math.nan, math.inf, -math.inf, 10**9, -(10**9), 10**400, ...)),
    *(lambda v=v: v for v in ("", "relu", "loss", "no such", "\0", "a/b", b"ab", "elu(", "{x}")),
    *(
        lambda v=v: v
        for v in ((), (1, 2), (2, -1), (0,), slice(2), range(3), int, mt.ReLU, mt.Adam)
    ),
    lambda: [],
    lambda: [1, 2],
    lambda: [[1], [2, 3]],
    lambda: [None],
    lambda: ["relu", 3],
    lambda: {},
    lambda: {"a": 1},
    lambda: {0: 1.0},
    lambda: {1, 2},
    lambda: iter([1]),
    object,
    lambda: lambda *a, **k: None,
    lambda: lambda *a, **k: "text",
    lambda: len,
    lambda: np.float32(0.5),
    lambda: np.int64(2),
    lambda: np.array(3),
    lambda: np.zeros(0),
    lambda: np.zeros((0, 4)),
    lambda: np.ones((2, 3)),
    lambda: np.full((2, 4), np.nan),
    lambda: np.full((2, 4), 1e300),
    lambda: np.ones((2, 4), complex),
    lambda: np.array(["a", "b"]),
    lambda: np.array([None, 1]),
    lambda: np.arange(6),
    lambda: mt.Dense(2),
    lambda: model(),  # noqa: PLW0108  # defined below
    *(mt.ReLU, mt.SGD, mt.MeanSquaredError),
]
"""Wrong and odd values for arguments; each call makes them anew."""

DATA = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.arange(6) % 3


def model() -> mt.Sequential:
    """A small classifier."""
    return mt.Sequential(mt.Dense(3), "relu", mt.Dense(3), input_shape=4, seed=0)


def trainer() -> mt.Trainer:
    """What trains it."""
    return mt.Trainer(model(), mt.SoftmaxCrossEntropy(), mt.SGD(0.01), seed=0)


def digits() -> mt.data.Images:
    """A few pictures."""
    return mt.data.Images(np.zeros((6, 8, 8), np.uint8), LABELS)


def optimizer_state() -> dict[str, Any]:
    """What an optimizer remembers."""
    used_before = trainer()
    used_before.optimizer = mt.Adam()
    used_before.step(DATA, LABELS)
    return used_before.optimizer.state_dict()


GOOD: dict[str, Callable[[], Any]] = {
    "x": lambda: DATA,
    "y": lambda: LABELS,
    "model": model,
    "obj": model,
    "loss": mt.SoftmaxCrossEntropy,
    "optimizer": mt.SGD,
    "trainer": trainer,
    "layers": lambda: [mt.Dense(3), "relu"],
    "path": lambda: "file.npz",
    "state": lambda: model().state_dict(),
    "name": lambda: "some",
    "input_shape": lambda: 4,
    "rng": lambda: np.random.default_rng(0),
    "dtype": lambda: np.float32,
    "units": lambda: 3,
    "filters": lambda: 2,
    "kernel_size": lambda: 3,
    "vocabulary": lambda: 5,
    "dimensions": lambda: 2,
    "shape": lambda: (2, 2),
    "rate": lambda: 0.1,
    "steps": lambda: 10,
    "groups": lambda: 2,
    "rows": lambda: np.arange(3),
    "every": lambda: 2,
    "factor": lambda: 0.5,
    "start": lambda: 0.1,
    "end": lambda: 0.2,
    "then": lambda: 0.1,
    "parts": lambda: [(2, 0.1), (3, 0.2)],
    "sizes": lambda: [4, 3, 3],
    "labels": lambda: LABELS,
    "predicted": lambda: LABELS,
    "images": lambda: np.zeros((6, 8, 8), np.uint8),
    "image": lambda: np.zeros((8, 8), np.uint8),
    "image_shape": lambda: (8, 8),
    "array": lambda: np.zeros((2, 3), np.uint8),
    "transforms": lambda: [],
    "degrees": lambda: 5.0,
    "pixels": lambda: 1,
    "data": lambda: (DATA, LABELS, DATA, LABELS),
    "configurations": lambda: [
        mt.Configuration(name, [mt.Dense(3), name, mt.Dense(3)], 0.1) for name in ("relu", "tanh")
    ],
    "seeds": lambda: 2,
    "epochs": lambda: 1,
    "learning_rate": lambda: 0.1,
    "vector": lambda: {name: np.ones_like(p) for name, p in model().state_dict().items()},
    "f": lambda: np.sin,
    "df": lambda: np.cos,
    "inputs": lambda: [np.ones(3)],
    "train": digits,
    "test": digits,
    "step": lambda: 3,
    "optional": lambda: None,
    "monitor": lambda: "loss",
    "samples": lambda: 6,
    "sample_weight": lambda: np.ones(6),
    "place": lambda: 0,
    "initializer": lambda: "zeros",
}
"""A good value for each argument, by its name."""


class Subject(NamedTuple):
    """Something to call: how it is made, what it takes, and what is done with a result."""

    name: str
    make: Callable[[], Callable[..., Any]]
    arguments: dict[str, Any]
    use: Callable[[Any], object]


def used(thing: Any) -> object:
    """What a user does next with what was made."""
    repr(thing)
    if isinstance(thing, mt.Layer) and not thing.built and small(thing):
        for shape in ((4,), (2, 6, 6)):
            with contextlib.suppress(mt.ShapeError):
                built = mt.Sequential(thing, input_shape=shape, seed=0)
                return built.predict(np.ones((2, *shape)))
    if isinstance(thing, mt.Optimizer):
        return mt.Trainer(model(), mt.SoftmaxCrossEntropy(), thing).step(DATA, LABELS)
    if isinstance(thing, mt.losses.Pointwise):
        return mt.Trainer(model(), thing, mt.SGD()).step(DATA, np.eye(3)[LABELS])
    if isinstance(thing, mt.Loss):
        return mt.Trainer(model(), thing, mt.SGD()).step(DATA, LABELS)
    if isinstance(thing, mt.Metric):
        tried = mt.Trainer(model(), mt.SoftmaxCrossEntropy(), mt.SGD(), metrics=[thing])
        return tried.evaluate(DATA, LABELS)
    if isinstance(thing, mt.Callback):
        return trainer().fit(DATA, LABELS, callbacks=[thing])
    if isinstance(thing, mt.schedules.Rates):
        return [thing(step) for step in range(5)]
    return None


def small(layer: mt.Layer) -> bool:
    """Whether its sizes are such that someone would build it."""
    return not re.search(r"\d{5}", repr(layer))


def subjects() -> list[Subject]:
    """Every public class and function, and the methods that users call."""
    found: dict[str, Subject] = {}
    for room in (mt, mt.data, mt.schedules, mt.optimizers, mt.losses, mt.initializers):
        for name in getattr(room, "__all__", None) or vars(room):
            thing = getattr(room, name)
            ours = getattr(thing, "__module__", "").startswith("minitorch_np")
            if name.startswith("_") or name in SKIPPED or not (ours and callable(thing)):
                continue
            if inspect.isabstract(thing):
                continue
            if not (inspect.isclass(thing) and issubclass(thing, Exception)):
                found.setdefault(name, subject(name, functools.partial(_same, thing), thing))
    for make, methods in METHODS:
        for method in methods.split():
            bound = getattr(make(), method)
            name = f"{type(make()).__name__}.{method}"
            found[name] = subject(name, functools.partial(_method, make, method), bound)
    return list(found.values())


def subject(name: str, make: Callable[[], Callable[..., Any]], thing: Any) -> Subject:
    """With its arguments: those of a tuple's class are found elsewhere."""
    named_tuple = inspect.isclass(thing) and issubclass(thing, tuple)
    arguments = dict.fromkeys(thing._fields) if named_tuple else arguments_of(thing)
    return Subject(name, make, arguments, used)


def _same(thing: Callable[..., Any]) -> Callable[..., Any]:
    return thing


def _method(make: Callable[[], Any], method: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(make(), method)
    return found


SKIPPED = {
    "load_fashion_mnist",  # fetches it
    *(
        "Comparison",
        "Diagnosis",
        "Finding",
        "Report",
        "report",
        "RateSearch",
    ),  # made by others' results
    *("gradcheck_all", "Rates"),
    *(
        "gradcheck_torch",
        "gradcheck_jax",
        "from_torch",
        "to_torch",
        "TensorBoardLogger",
    ),  # whose libraries take more than is allowed here
    *("rate_at", "check_weights", "biases_and_norms", "nothing"),  # called by optimizers only
    *("nearest", "number", "whole", "require", "arguments_of"),  # imported from elsewhere
    *mt.initializers.INITIALIZERS,  # called by layers only
}
METHODS: list[tuple[Callable[[], Any], str]] = [
    (
        model,
        "predict predict_proba predict_classes outputs load_state_dict named initialize save load "
        "__getitem__ __call__ summary",
    ),
    (trainer, "fit step evaluate"),
    (mt.Adam, "load_state_dict"),
    (digits, "take features"),
]

FINE = (mt.MinitorchError, OSError, KeyError, IndexError)
"""A file that can't be opened and a place that is not there have Python's errors."""


class Fault(NamedTuple):
    """A call that did what it must not."""

    call: str
    what: str


CALLED = {
    *("f", "df", "formula", "transform", "transforms", "progress", "spare", "then"),
    *("learning_rate", "weight_initializer", "bias_initializer", "initializer"),
}
"""Functions of the user's own: what these raise is passed on, so they get no odd ones."""


LONG = {"epochs", "seeds", "steps", "input_shape", "hidden", "features", "classes"}
"""Of these a huge number is no mistake, but a long wait or a lot of memory."""


def generated(seed: int, count: int) -> Iterator[tuple[Subject, dict[str, Any], list[str]]]:
    """So many calls: the subject, its arguments, and which of these are odd."""
    rng, every = np.random.default_rng(seed), subjects()
    for n in range(count):
        chosen = every[n % len(every)]
        given = {
            name: GOOD[name]()
            for name, default in chosen.arguments.items()
            if name in GOOD and (default is None or not _optional(default) or rng.random() < 0.3)
        }
        names = list(chosen.arguments)
        if chosen.name == "Adam.load_state_dict":
            given["state"] = optimizer_state()
        changed = list(rng.permutation(names)[: rng.integers(1, 4)]) if names else []
        for name in changed:
            if rng.random() < 0.1:
                given.pop(name, None)
            else:
                odd = ODD[rng.integers(len(ODD))]()
                long = name in LONG and isinstance(odd, int) and odd > 10
                given[str(name)] = 3 if long or (name in CALLED and callable(odd)) else odd
        if rng.random() < 0.05:
            given[str(rng.choice(["lr", "units", "epoch", "weights", "activation"]))] = 1
        yield chosen, given, changed


def _optional(default: object) -> bool:
    return default is not REQUIRED and default is not SPREAD


def outcome(chosen: Subject, given: dict[str, Any]) -> str:
    """What is wrong with what the call did; empty if nothing is."""
    spread = [n for n, default in chosen.arguments.items() if default is SPREAD]
    options, places = dict(given), list[Any]()
    for name in chosen.arguments if spread else ():  # arguments before *layers are positional
        value = options.pop(name, None)
        if name in spread:
            places += value if isinstance(value, (list, tuple)) else [value]
            break
        places.append(value)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            chosen.use(chosen.make()(*places, **options))
    except FINE:
        return ""
    except MemoryError:
        return f"over {MEGABYTES} MB"
    except TypeError as error:
        if error.__traceback__ and not (error.__traceback__.tb_next or {}):
            return ""
        plain = re.search(r"argument|takes no|abstract", str(error)) and _refused(error)
        return "" if plain else described(error)
    except TimeoutError:
        return f"over {SECONDS} s"
    except Exception as error:
        return described(error)
    return ""


def _refused(error: BaseException) -> bool:
    """Whether Python refused the call itself: no code of the package has run."""
    frame = error.__traceback__
    return frame is not None and frame.tb_next is None


def described(error: BaseException) -> str:
    """An error and where it was raised."""
    frame = error.__traceback__
    place = ""
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if "minitorch_np" in Path(file).parts:
            place = f"{Path(file).name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__} at {place}: {str(error)[:90]}"


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Calls that take too much raise; only where the system can do so."""
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if os.path.exists("/proc") else 0
    used_now = pages * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    if used_now:
        resource.setrlimit(resource.RLIMIT_AS, (used_now + MEGABYTES * 2**20, before[1]))
    handler = signal.signal(signal.SIGALRM, _too_long)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _too_long(*_: object) -> None:
    raise TimeoutError


def faults(seed: int, count: int) -> Iterator[Fault]:
    """Make the calls in a folder of their own; each that is wrong."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, watched():
        os.chdir(folder)
        try:
            for chosen, given, _ in generated(seed, count):
                if hasattr(signal, "setitimer"):
                    signal.setitimer(signal.ITIMER_REAL, SECONDS)
                shown = ", ".join(f"{name}={str(value)[:40]!r}" for name, value in given.items())
                wrong = outcome(chosen, given)
                for number in range(3):  # a number taken for a path is an open file
                    try:
                        os.fstat(number)
                    except OSError:
                        os.open(os.devnull, os.O_RDWR)
                        wrong = wrong or "a standard stream was closed"
                if wrong:
                    yield Fault(f"{chosen.name}({shown})", wrong)
        finally:
            os.chdir(here)


def main() -> None:
    """Make the calls."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_calls", description=__doc__)
    parser.add_argument("count", type=positive_integer, nargs="?", default=15_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with os.fdopen(os.dup2(1, 99), "w") as out:
        report(out, list(faults(arguments.seed, arguments.count)), arguments.count)


def report(out: TextIO, found: list[Fault], count: int) -> None:
    """Write what was wrong, the same places together."""
    places = Counter(fault.what.partition(": ")[0] for fault in found)
    for place, times in places.most_common():
        example, what = next(fault for fault in found if fault.what.startswith(place))
        print(f"{times:5} {what}\n      {example}", file=out)
    print(f"{count:,} calls of {len(subjects())} callables: {len(found)} faults", file=out)


if __name__ == "__main__":
    main()
