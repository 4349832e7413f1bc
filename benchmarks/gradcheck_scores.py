"""The same planted bugs, checked by this gradient check and by PyTorch's.

The bugs are those of `tests/material`, in layers, losses and plain functions, and of
`tests/planted.py`. Each is checked by `mt.gradcheck` or `mt.gradcheck_function` with their
defaults, and so is the correct object that the bug was planted in. For PyTorch the same forward and
backward are wrapped as an autograd function and given to `torch.autograd.gradcheck` with its
defaults, in float64, on random inputs without zeros and ties, with parameters away from their
initial values; in both modes of a layer, if they differ. A bug counts as found if the check fails
or raises. Without PyTorch (extra `bench`) its columns are absent.

    python -m benchmarks.gradcheck_scores [--jobs 2]
"""

import argparse
import contextlib
import copy
import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from benchmarks.pool import process_pool
from minitorch_np.arrays import Array
from minitorch_np.gradcheck import Case
from minitorch_np.gradcheck.functions import FunctionTarget
from minitorch_np.gradcheck.made_up import made_up_for, made_up_inputs
from minitorch_np.gradcheck.packed import as_one
from minitorch_np.gradcheck.targets import at_generic_point, takes_numbers
from minitorch_np.text import aligned
from tests.material.functions import ELEMENTWISE, VJPS
from tests.planted import PLANTED
from tests.planting import planted

torch: Any = None
with contextlib.suppress(ImportError):
    torch = importlib.import_module("torch")

LAYERS = (
    "normalization",
    "pooling",
    "convolution",
    "activations",
    "attention",
    "recurrence",
    "embeddings",
    "branching",
    "losses",
    "stateful",
)
"""The modules of the material that list specimens."""

BASIC, ENTRIES, PRODUCTS = "dense, activations, losses", "functions and f'", "functions and VJPs"


class Trial(NamedTuple):
    """One object, wrong or right: `ours` and `theirs` say "fail" or raise if they find it wrong."""

    name: str
    wrong: bool
    ours: Callable[[], str]
    theirs: Callable[[], str]


class Verdict(NamedTuple):
    """The results for a trial, by name of the checker, and the time that each took."""

    name: str
    wrong: bool
    said: dict[str, str]
    seconds: dict[str, float]


class Wrapped(NamedTuple):
    """PyTorch's input: live arrays, forward() -> (y, cache), and the arrays' gradients."""

    arrays: list[Any]
    forward: Callable[[], Any]
    backward: Callable[[Any, Any], list[Any]]


def counts() -> dict[str, int]:
    """The number of groups of trials of each kind: a correct object and its faulty versions."""
    listed = {kind: len(_specimens(kind)) for kind in LAYERS}
    return {**listed, BASIC: 1, ENTRIES: len(ELEMENTWISE), PRODUCTS: len(VJPS)}


def trials(kind: str, number: int) -> Iterator[Trial]:
    """One group of them."""
    if kind == BASIC:
        for name, obj, _ in PLANTED:
            case = Case(obj, (4,) if isinstance(obj, mt.Loss) else (6,), 5)
            yield _of_case(name, True, lambda case=case: case)  # type: ignore[misc]
    elif kind in (ENTRIES, PRODUCTS):
        name, f, right, *made, wrong = (ELEMENTWISE if kind == ENTRIES else VJPS)[number]
        rng = np.random.default_rng(0)
        inputs = made[0](rng) if made else (2 * rng.normal(size=(4, 6)),)
        for what, df in [("", right), *wrong]:
            yield _of_function(f"{name}: {what}", bool(what), f, df, inputs)
    else:
        specimen = _specimens(kind)[number]
        name = specimen.cls.__name__
        yield _of_case(name, False, lambda: specimen.case(specimen.cls))
        for bug in specimen.bugs:
            yield _of_case(
                f"{name}: {bug.name}",
                True,
                lambda bug=bug: specimen.case(planted(specimen.cls, bug)),  # type: ignore[misc]
            )


def _specimens(kind: str) -> list[Any]:
    found: list[Any] = importlib.import_module(f"tests.material.{kind}").SPECIMENS
    return found


def _of_case(name: str, wrong: bool, make: Callable[[], Case]) -> Trial:
    return Trial(name, wrong, lambda: make().check().status, lambda: _by_torch(*_wrapped(make())))


def _of_function(name: str, wrong: bool, f: Any, df: Any, inputs: tuple[Any, ...]) -> Trial:
    def theirs() -> str:
        target = FunctionTarget(f, df, inputs)
        return _by_torch(
            Wrapped(
                list(target.arrays.values()),
                lambda: (target.value(), None),
                lambda dy, _: [target.gradients(dy).get(name) for name in target.arrays],
            )
        )

    return Trial(name, wrong, lambda: mt.gradcheck_function(f, df, *inputs).status, theirs)


def _wrapped(case: Case) -> list[Wrapped]:
    """The forward and backward of a case's object, in each of its modes."""
    rng = np.random.default_rng(0)
    if isinstance(case.obj, mt.Loss):
        return [_wrapped_loss(case, case.obj, rng)]
    layer = copy.deepcopy(case.obj)
    layer.initialize(case.shape, rng=rng, dtype=np.float64)
    layer = as_one(at_generic_point(layer, rng))
    x: Array = case.scale * rng.normal(size=(case.samples, *layer.input_shape))
    if takes_numbers(layer):
        x = made_up_inputs(layer, rng, case.samples)

    def made(train: bool) -> Wrapped:
        return _wrapped_layer(copy.deepcopy(layer), x.copy(), train)

    same = np.array_equal(made(True).forward()[0], made(False).forward()[0])
    return [made(True)] if same else [made(True), made(False)]


def _wrapped_layer(layer: mt.Layer, x: Any, train: bool) -> Wrapped:
    parameters = layer.named_parameters()
    buffers = [(array, array.copy()) for array in layer.named_buffers().values()]
    inputs = [] if takes_numbers(layer) else [x]

    def forward() -> Any:
        for array, at_first in buffers:
            array[...] = at_first
        return layer.forward(x, train=train, rng=np.random.default_rng(0))

    def backward(dy: Any, cache: Any) -> list[Any]:
        dx, gradients = layer.backward(dy, cache)
        return [*([dx] if inputs else []), *(gradients.get(name) for name in parameters)]

    return Wrapped([*inputs, *parameters.values()], forward, backward)


def _wrapped_loss(case: Case, loss: mt.Loss, rng: Any) -> Wrapped:
    scores, labels = made_up_for(loss, rng, case.shape, case.samples)
    targets = case._targets(labels, rng)
    scores = np.where(scores == 0, 0.3, scores) * rng.uniform(0.9, 1.1, scores.shape)  # no ties
    weights = [np.arange(case.samples) * 0.7] if case.weighted else []
    return Wrapped(
        [scores],
        lambda: loss.forward(scores, targets, *weights),
        lambda dy, cache: [float(dy) * loss.backward(cache)],
    )


def _by_torch(*modes: Wrapped) -> str:
    return "pass" if all(map(_passes_torch, modes)) else "fail"


def _passes_torch(given: Wrapped) -> bool:
    """PyTorch's result; it changes the arrays in place, since its tensors share their memory."""

    class Function(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *_: Any) -> Any:
            y, ctx.cache = given.forward()
            return torch.from_numpy(np.array(y, dtype=np.float64))

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            found = given.backward(dy.numpy(), ctx.cache)
            return tuple(None if g is None else torch.from_numpy(np.asarray(g)) for g in found)

    tensors = [torch.from_numpy(array).requires_grad_() for array in given.arrays]
    return bool(torch.autograd.gradcheck(Function.apply, tensors))


def judge(group: tuple[str, int]) -> tuple[str, list[Verdict]]:
    """All trials of a group."""
    verdicts = []
    for trial in trials(*group):
        checkers = {"minitorch_np": trial.ours} | ({"torch": trial.theirs} if torch else {})
        said, seconds = {}, {}
        for name, check in checkers.items():
            start = time.perf_counter()
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    said[name] = check()
            except Exception as error:
                said[name] = f"raises {type(error).__name__}: {str(error).splitlines()[:1]}"
            seconds[name] = time.perf_counter() - start
        verdicts.append(Verdict(trial.name, trial.wrong, said, seconds))
    return group[0], verdicts


def table(found: dict[str, list[Verdict]]) -> list[str]:
    """The bugs found and the correct objects passed, for each kind and in total."""
    checkers = list(next(iter(found.values()))[0].said)
    head = ["kind", "bugs", *(f"found by {name}" for name in checkers)]
    rows = [[*head, "correct", *(f"passed by {name}" for name in checkers)]]
    for kind, verdicts in {**found, "total": [v for vs in found.values() for v in vs]}.items():
        row = [kind]
        for wrong in (True, False):
            these = [verdict for verdict in verdicts if verdict.wrong == wrong]
            right = [sum(_is_right(v, name) for v in these) for name in checkers]
            row += map(str, [len(these), *right])
        rows.append(row)
    return aligned(rows)


def _is_right(verdict: Verdict, checker: str) -> bool:
    said = verdict.said[checker]
    return said == "fail" or said.startswith("raises") if verdict.wrong else said == "pass"


def main() -> None:
    """Check every object with both; print the errors of either, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    found: dict[str, list[Verdict]] = {}
    with process_pool(parser.parse_args().jobs) as pool:
        groups = [(kind, number) for kind, many in counts().items() for number in range(many)]
        for kind, verdicts in pool.map(judge, groups):
            found.setdefault(kind, []).extend(verdicts)
            for verdict in verdicts:
                for checker, said in verdict.said.items():
                    if not _is_right(verdict, checker):
                        what = "misses" if verdict.wrong else "does not pass"
                        print(f"{checker} {what} {kind}, {verdict.name}: {said}", flush=True)
    print("\n".join(table(found)))
    for name in next(iter(found.values()))[0].said:
        spent = sum(verdict.seconds[name] for verdicts in found.values() for verdict in verdicts)
        print(f"{name}: {spent:.0f} s")
    if torch is None:
        print("torch: not installed (extra bench)")


if __name__ == "__main__":
    main()
