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
import itertools
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
from benchmarks import call_arguments as made
from benchmarks.call_arguments import DATA, GOOD, LABELS, ODD, OWN, model, trainer
from minitorch_np.arrays import Generator
from minitorch_np.cli.arguments import positive_integer
from minitorch_np.signature import REQUIRED, SPREAD, arguments_of

SECONDS, MEGABYTES = 5, 500


class Subject(NamedTuple):
    """Something to call: how it is made, what it takes, and what is done with a result."""

    name: str
    make: Callable[[], Callable[..., Any]]
    arguments: dict[str, Any]
    use: Callable[[Any], object]


def used(thing: Any) -> object:
    """What a user does next with what was made."""
    repr(thing)
    if isinstance(thing, mt.Layer) and small(thing):
        if not thing.built:
            return used_layer(thing)
        if not isinstance(thing, (mt.Sequential, mt.Graph)):
            return None
        x = [np.ones((2, *shape)) for shape in _shapes(thing.input_shape)]
        return thing.predict(tuple(x) if len(x) > 1 else x[0]) if _small(thing) else None
    if isinstance(thing, mt.Optimizer):
        return mt.Trainer(model(), mt.SoftmaxCrossEntropy(), thing).step(DATA, LABELS)
    if isinstance(thing, mt.Loss):
        ends = {mt.CrossEntropy: "softmax", mt.KLDivergence: "log_softmax"}
        last: Any = ends.get(type(thing))  # type: ignore[arg-type]
        head: list[Any] = (
            [last] if last else [mt.Dense(4)] if isinstance(thing, mt.NormalKL) else []
        )
        classifier = mt.Sequential(mt.Dense(3), *head, input_shape=4, seed=0)
        plain = isinstance(thing, (mt.Pointwise, mt.KLDivergence, mt.CrossEntropy))
        y: Any = np.eye(3, dtype=np.float32)[LABELS] if plain else LABELS
        y = np.ones((6, 4)) if isinstance(thing, mt.NormalKL) else y
        return mt.Trainer(classifier, thing, mt.SGD()).step(DATA, y)
    if isinstance(thing, mt.Metric):
        numbers = isinstance(thing, (mt.MAE, mt.RMSE, mt.R2))
        loss, wanted = ("mse", np.eye(3)[LABELS]) if numbers else ("softmax_cross_entropy", LABELS)
        return mt.Trainer(model(), loss, mt.SGD(), metrics=[thing]).evaluate(DATA, wanted)
    if isinstance(thing, mt.Callback):
        return trainer().fit(DATA, LABELS, callbacks=[thing], validation_split=0.2, epochs=2)
    if isinstance(thing, (mt.data.Shift, mt.data.Rotate, mt.data.Compose)):
        return trainer().fit(DATA, LABELS, transform=thing)
    if isinstance(thing, mt.data.TextWindows):
        return thing.consecutive(), thing.random(2, np.random.default_rng(0))
    if isinstance(thing, mt.schedules.Rates):
        return [thing(step) for step in range(5)]
    if inspect.isgenerator(thing):
        return list(itertools.islice(thing, 5))
    return None


def used_layer(layer: mt.Layer) -> object:
    """Predict with it, and train it, where its input has one of a few shapes."""
    for shape in ((4,), (6, 4), (2, 6, 6), (2, 6)):
        with contextlib.suppress(mt.ShapeError):
            tokens = isinstance(layer, mt.Embedding)
            x = np.ones((2, *shape), np.intp if tokens else np.float32)
            built = mt.Sequential(layer, input_shape=shape, seed=0)
            y = built.predict(x)
            return mt.Trainer(built, "mse", "sgd", seed=0).step(x, y)
    return None


def _shapes(shape: Any) -> list[Any]:
    return list(shape) if shape and isinstance(shape[0], tuple) else [shape]


def _small(layer: mt.Layer) -> bool:
    return bool(sum(math.prod(shape) for shape in _shapes(layer.input_shape)) < 5000)


def small(layer: Any) -> bool:
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
    for label, make, methods in METHODS:
        for method in methods.split():
            name = f"{label}.{method}"
            found[name] = subject(
                name, functools.partial(_method, make, method), getattr(make(), method)
            )
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
METHODS: list[tuple[str, Callable[[], Any], str]] = [
    (
        "Sequential",
        model,
        "predict predict_proba predict_classes outputs load_state_dict named initialize save load "
        "__getitem__ __call__ summary state_dict save_weights load_weights to_onnx",
    ),
    ("Graph", made.graph, "predict outputs load_state_dict initialize save load plot __getitem__"),
    ("Trainer", trainer, "fit step evaluate"),
    ("GraphTrainer", made.graph_trainer, "fit evaluate"),
    ("RecurrentTrainer", made.recurrent_trainer, "fit evaluate"),
    ("Adam", mt.Adam, "load_state_dict"),
    ("History", made.trained, "best plot to_dict to_frame append __getitem__"),
    ("Images", made.digits, "take features split __getitem__"),
    ("CharTokenizer", lambda: mt.data.CharTokenizer("abc"), "encode decode"),
    ("TextWindows", lambda: mt.data.TextWindows(np.arange(40) % 5, 5), "random streams"),
    ("trace", lambda: mt.trace(model(), "softmax_cross_entropy", DATA, LABELS), "to_html table"),
]

FINE = (mt.MinitorchError, OSError, KeyError, IndexError)
"""A file that can't be opened and a place that is not there have Python's errors."""


class TooLongError(BaseException):
    """A call takes too long; no `except` of the package's or of a library's may take it."""


class Fault(NamedTuple):
    """A call that did what it must not."""

    call: str
    what: str


CALLED = {
    *("f", "df", "formula", "transform", "transforms", "progress", "spare", "then"),
    *("learning_rate", "weight_initializer", "bias_initializer", "initializer"),
}
"""Functions of the user's own: what these raise is passed on, so they get no odd ones."""


LONG = {"length", "n", "epochs", "seeds", "steps", "input_shape", "hidden", "features", "classes"}
"""Of these a huge number is no mistake, but a long wait or a lot of memory."""


def generated(seed: int, count: int) -> Iterator[tuple[Subject, dict[str, Any], list[str]]]:
    """So many calls: the subject, its arguments, and which of these are odd."""
    rng, every = np.random.default_rng(seed), subjects()
    for n in range(count):
        chosen = every[n % len(every)]
        given = good_arguments(chosen, rng)
        names = list(chosen.arguments)
        changed = list(rng.permutation(names)[: rng.integers(1, 4)]) if names else []
        for name in changed:
            if rng.random() < 0.1:
                given.pop(name, None)
            else:
                odd = ODD[rng.integers(len(ODD))]()
                big = chosen.name in mt.networks.__all__ or name in LONG
                long = big and isinstance(odd, int) and odd > 10
                given[str(name)] = 3 if long or (name in CALLED and callable(odd)) else odd
        if rng.random() < 0.05:
            given[str(rng.choice(["lr", "units", "epoch", "weights", "activation"]))] = 1
        yield chosen, given, changed


def good_arguments(chosen: Subject, rng: Generator | None = None) -> dict[str, Any]:
    """Good values: of all that has to be given, and with `rng` of some of the rest."""
    found = {}
    for name, default in chosen.arguments.items():
        value = OWN.get(f"{chosen.name}.{name}", GOOD.get(name))
        own = f"{chosen.name}.{name}" in OWN
        needed = own or default is None or not _optional(default)
        if value and (needed or (rng is not None and rng.random() < 0.3)):
            found[name] = value()
    return found


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
    except TooLongError:
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
def watched() -> Iterator[Callable[[], None]]:
    """Calls that take too much raise, only where the system can do so: counted from where the
    function that is given is called, before each.
    """
    try:
        import resource
    except ImportError:  # Windows
        yield lambda: None
        return

    def allow() -> None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of its own, on a busy machine
        if os.path.exists("/proc"):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + MEGABYTES * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))

    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, _too_long)
    try:
        yield allow
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _too_long(*_: object) -> None:
    raise TooLongError


def faults(seed: int, count: int) -> Iterator[Fault]:
    """Make the calls in a folder of their own; each that is wrong."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, watched() as allow:
        os.chdir(folder)
        made.make_files()
        try:
            for chosen, given, _ in generated(seed, count):
                allow()
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
