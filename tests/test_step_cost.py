"""What one training step does, counted and not timed: each call of NumPy, and each new array.

The counts are exact. A change that makes a step do more, or less, has to change them here, in sight
of whoever reads it. `python -m benchmarks` tells what that costs.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
import minitorch_np.core.parameters as parameters
from minitorch_np.arrays import AnyArray, aligned_empty, ones
from minitorch_np.layers import dense
from minitorch_np.losses import categorical
from minitorch_np.training import batches
from minitorch_np.training.batches import Samples


class Counted(np.ndarray[Any, Any]):
    """An array that counts what is done with it and with all that comes of it."""

    calls: Counter[str] = Counter()
    arrays: Counter[str] = Counter()

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if out is not None:
            options["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        note(name, result, out)
        if out is not None:
            return out[0]
        return result.view(Counted) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function: Any, types: Any, given: Any, options: Any) -> Any:
        result = function(*map(plain, given), **{k: plain(v) for k, v in options.items()})
        note(function.__name__, result, None)
        return result.view(Counted) if isinstance(result, np.ndarray) else result

    def __getitem__(self, key: Any) -> Any:
        result = plain(self)[plain(key)]
        if isinstance(key, np.ndarray):
            note("pick", result, None)
        return result.view(Counted) if isinstance(result, np.ndarray) else result

    def dot(self, other: Any, out: Any = None) -> Any:
        return self._method("dot", other, out=out)

    def take(self, rows: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
        return self._method("take", rows, axis, out=out, mode=mode)

    def copy(self, order: Any = "C") -> Any:
        return self._method("copy", order)

    def _method(self, name: str, *given: Any, out: Any = None, **options: Any) -> Any:
        if out is not None:
            options["out"] = plain(out)
        result = getattr(plain(self), name)(*map(plain, given), **options)
        note(name, result, out)
        if out is not None:
            return out
        return result.view(Counted) if isinstance(result, np.ndarray) else result


def plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Counted) else value


def note(name: str, result: Any, out: Any) -> None:
    Counted.calls[name] += 1
    if out is None and isinstance(result, np.ndarray):
        Counted.arrays[name] += 1


def counted(make: Any) -> Any:
    """A function that makes arrays, made to make counted ones."""

    def made(*given: Any) -> AnyArray:
        array: AnyArray = make(*given).view(Counted)
        return array

    return made


def one_step(
    monkeypatch: pytest.MonkeyPatch, network: Callable[[], mt.Sequential], optimizer: mt.Optimizer
) -> tuple[dict[str, int], dict[str, int]]:
    """The calls of a step and the arrays that they make: those of 4 steps less those of 3."""
    for module, name, make in [
        (parameters, "aligned_empty", aligned_empty),
        (batches, "aligned_empty", aligned_empty),
        (dense, "ones", ones),
        (categorical, "ones", ones),
        (categorical, "_unit_rows", categorical._unit_rows),
    ]:
        monkeypatch.setattr(module, name, counted(make))
    trainer = mt.Trainer(network(), mt.SoftmaxCrossEntropy(), optimizer, seed=0)
    checked = trainer.checked

    def checked_and_counted(*given: Any) -> Samples:
        x, y, _ = checked(*given)
        return Samples(x.view(Counted), y.view(Counted))

    monkeypatch.setattr(trainer, "checked", checked_and_counted)
    batch_size = 64
    rng = np.random.default_rng(0)
    x, y = rng.random((4 * batch_size, 784), np.float32), rng.integers(0, 10, 4 * batch_size)
    found = []
    for steps in (3, 4):
        trainer.fit(x[: steps * batch_size], y[: steps * batch_size], batch_size=batch_size)
        Counted.calls.clear()
        Counted.arrays.clear()
        trainer.fit(x[: steps * batch_size], y[: steps * batch_size], batch_size=batch_size)
        found.append((Counted.calls.copy(), Counted.arrays.copy()))
    (calls, arrays), (more_calls, more_arrays) = found
    return dict(more_calls - calls), dict(more_arrays - arrays)


STEP = {
    "take": 2,  # the batch, and the one-hot columns of its labels
    "pick": 1,  # its labels
    "vdot": 2,  # the look for NaN, in the first epoch only; the scores of the labels
    "dot": 9,  # products: 2 forward, 3 backward; sums: 2 of the loss, 2 of biases' gradients
    "add": 2,  # the biases
    "maximum": 1,  # ReLU
    "greater": 1,  # and its derivative
    "multiply": 2,  # by which dy is multiplied; the learning rate
    "copy": 1,  # the scores, with samples in columns
    "maximum.reduce": 1,
    "subtract": 3,  # the maxima; A - Y; the step
    "exp": 1,
    "divide": 2,  # by the sums; by m
    "log": 1,
}
ARRAYS = {
    "pick": 1,
    "take": 1,  # the one-hot columns: the batch is gathered into a buffer
    "dot": 8,  # two outputs, one dx, the sums of the softmax, four gradients
    "maximum": 1,
    "greater": 1,
    "multiply": 1,
    "copy": 1,
    "maximum.reduce": 1,
    "subtract": 2,
    "exp": 1,
    "log": 1,
}


def test_a_step_of_the_notes_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """29 calls, one of which looks for NaN; the loop written by hand makes 30."""
    calls, arrays = one_step(monkeypatch, lambda: mt.notes_network(seed=0), mt.SGD(0.1))
    assert calls == STEP
    assert arrays == ARRAYS


def test_a_step_with_adam_makes_no_array_more(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, arrays = one_step(monkeypatch, lambda: mt.notes_network(seed=0), mt.Adam())
    assert arrays == ARRAYS
    more = {"add": 3, "multiply": 3, "sqrt": 1, "divide": 1}  # ten of Adam's for two of SGD's
    assert calls == dict(Counter(STEP) + Counter(more))


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_layer_costs_what_it_computes(monkeypatch: pytest.MonkeyPatch, hidden: int) -> None:
    sizes = [784, *[10] * hidden, 10]
    calls, _ = one_step(monkeypatch, lambda: mt.mlp(sizes, seed=0), mt.SGD(0.1))
    layer = {"dot": 4, "add": 1, "maximum": 1, "greater": 1, "multiply": 1}
    assert calls == dict(Counter(STEP) + Counter({k: n * (hidden - 1) for k, n in layer.items()}))


def test_what_is_counted_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One operation more in a layer is one call and one array more."""

    class Wasteful(mt.ReLU):
        def value(self, z: AnyArray) -> AnyArray:
            return super().value(z + 0)

    def network() -> mt.Sequential:
        layers = [mt.Dense(10), Wasteful(), mt.Dense(10)]
        return mt.Sequential(*layers, input_shape=784, seed=0)

    calls, arrays = one_step(monkeypatch, network, mt.SGD(0.1))
    assert calls == STEP | {"add": 3}
    assert arrays == ARRAYS | {"add": 1}


def test_what_a_step_made_is_gone_before_the_next() -> None:
    """Else the two lie in different memory, and neither stays in the processor's cache."""
    made: list[weakref.ref[AnyArray]] = []

    class Watched(mt.ReLU):
        def value(self, z: AnyArray) -> AnyArray:
            assert not any(array() is not None for array in made)
            a = super().value(z)
            made.append(weakref.ref(a))
            return a

    layers = [mt.Dense(10), Watched(), mt.Dense(10)]
    model = mt.Sequential(*layers, input_shape=784, seed=0)
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.Adam(), metrics=[mt.Accuracy()], seed=0
    )
    rng = np.random.default_rng(0)
    x, y = rng.random((1_000, 784), np.float32), rng.integers(0, 10, 1_000)
    trainer.fit(x, y, epochs=2, batch_size=100, micro_batch_size=30, validation_data=(x, y))
    trainer.evaluate(x, y)
    model.predict(x)
    assert len(made) == 2 * (40 + 4) + 4 + 4


def python_calls(run: Callable[[], object], until: str = "") -> list[tuple[str, str]]:
    """File and name of each Python function that `run` calls, up to the first call of `until`."""
    found: list[tuple[str, str]] = []

    def note_call(frame: Any, event: str, argument: object) -> None:
        name = (frame.f_code.co_filename, frame.f_code.co_qualname)
        if event == "call" and until not in [name for _, name in found]:
            found.append(name)

    sys.setprofile(note_call)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def test_a_step_is_read_in_sixteen_calls_of_eight_files() -> None:
    """Of this package, after the first epoch, which also looks for NaN in the data."""
    steps: list[Counter[tuple[str, str]]] = []
    rng = np.random.default_rng(0)
    x, y = rng.random((4 * 64, 784), np.float32), rng.integers(0, 10, 4 * 64)
    for size in (3 * 64, 4 * 64):
        counts: list[Counter[tuple[str, str]]] = []
        for epochs in (1, 2):
            trainer = mt.Trainer(
                mt.notes_network(seed=0), mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0
            )
            arguments: dict[str, Any] = {"epochs": epochs, "batch_size": 64}
            counts.append(
                Counter(python_calls(partial(trainer.fit, x[:size], y[:size], **arguments)))
            )
        steps.append(counts[1] - counts[0])
    step = {place: n for place, n in (steps[1] - steps[0]).items() if "minitorch_np" in place[0]}
    assert sum(step.values()) == 16
    assert len({file for file, _ in step}) == 8


def test_the_first_forward_comes_soon() -> None:
    x, y = np.ones((256, 784), np.float32), np.arange(256) % 10
    trainer = mt.Trainer(mt.notes_network(seed=0), mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    trainer.fit(x, y)  # imports what is imported late
    before = python_calls(partial(trainer.fit, x, y), until="Sequential.forward")
    assert before[-1][1] == "Sequential.forward"
    assert len(before) <= 120, "\n".join(f"{n} {k}" for k, n in Counter(before).most_common())
