"""What the ranks of an MPI job check, for test_ranks: many checks in a job, which is slow to start.

    mpiexec -n 4 python ranks_script.py FOLDER

Each check is a function of a communicator of 2, 3 or 4 of the ranks. What failed on any rank is
printed by rank 0, as JSON.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

import minitorch_np as mt

FOLDER = Path(sys.argv[1])
faulthandler.dump_traceback_later(90)  # where it hangs, if it does
WORLD: Any = MPI.COMM_WORLD
RNG = np.random.default_rng(0)
N = 643  # batches of 64: the last has 3 samples, fewer than 4 ranks
X, Y = RNG.normal(size=(N, 12)), RNG.integers(0, 4, N)
WEIGHTS = RNG.uniform(0, 2, N) * (RNG.random(N) > 0.2)


def noisy(x: Any, rng: Any) -> Any:
    """A transform that draws by sample, and one number for all."""
    return x * rng.uniform(0.9, 1.1) + 0.1 * rng.normal(size=x.shape)


def model(*layers: Any, shape: Any = 12, seed: int = 0) -> mt.Sequential:
    """A network in float64."""
    return mt.Sequential(*layers, input_shape=shape, seed=seed, dtype=np.float64)


def dense() -> mt.Sequential:
    return model(mt.Dense(9), "tanh", mt.Dense(4))


def normed() -> mt.Sequential:
    """BatchNorm over units and over images' channels, Dropout of units and of channels."""
    return model(
        mt.Reshape((1, 3, 4)),
        mt.Conv2D(3, 2, use_bias=False),
        mt.BatchNorm(),
        "relu",
        mt.SpatialDropout(0.2),
        mt.Flatten(),
        mt.Dense(8, use_bias=False),
        mt.BatchNorm(),
        "tanh",
        mt.Dropout(0.3),
        mt.Dense(4),
    )


def attending() -> mt.Sequential:
    block = mt.TransformerBlock(2, dropout=0.2)
    return model(mt.Reshape((3, 4)), block, mt.Flatten(), mt.Dense(4))


RUNS: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any], dict[str, Any]]] = {
    "sgd": (
        dense,
        mt.SoftmaxCrossEntropy,
        lambda: mt.SGD(0.1, momentum=0.9),
        {"epochs": 6},
    ),
    "adamw": (
        dense,
        lambda: mt.SoftmaxCrossEntropy(class_weights="balanced", label_smoothing=0.1),
        lambda: mt.AdamW(mt.schedules.cosine(0.01, 200), clip_norm=0.05),
        {"epochs": 5, "sample_weight": WEIGHTS, "micro_batch_size": 30},
    ),
    "norm": (
        normed,
        mt.SoftmaxCrossEntropy,
        lambda: mt.AdamW(0.003, clip_value=0.2),
        {"epochs": 5, "transform": noisy, "sample_weight": WEIGHTS},
    ),
    "small batches": (
        normed,
        mt.SoftmaxCrossEntropy,
        mt.Adam,
        {"batch_size": 3, "epochs": 1, "validation_split": 0.9},
    ),
    "whole": (normed, mt.SoftmaxCrossEntropy, mt.Adam, {"batch_size": None, "epochs": 3}),
    "attention": (attending, mt.SoftmaxCrossEntropy, lambda: mt.SGD(0.1), {"epochs": 2}),
}


def train(name: str, communicator: Any, **more: Any) -> tuple[Any, Any]:
    """A run, and its trainer; on one process without a communicator."""
    make, loss, optimizer, given = RUNS[name]
    metrics = ["accuracy", mt.AUC(), mt.F1()]
    trainer = mt.Trainer(
        make(), loss(), optimizer(), metrics=metrics, seed=1, communicator=communicator
    )
    given = {"batch_size": 64, "validation_split": 0.1, "verbose": False, **given, **more}
    history = trainer.fit(X, Y, **given)
    return trainer, history.history


def require_same(one: Any, other: Any) -> None:
    """Parameters, statistics, optimizer, generator and history within 1e-10."""
    (trainer, history), (expected, numbers) = one, other
    want = expected.model.state_dict()
    for key, array in trainer.model.state_dict().items():
        difference = np.abs(array - want[key]).max() / np.abs(want[key]).max()
        assert difference < 1e-10, (key, difference)
    assert trainer.optimizer.steps == expected.optimizer.steps
    assert trainer.rng.bit_generator.state == expected.rng.bit_generator.state
    assert history.keys() == numbers.keys()
    for key in history:
        np.testing.assert_allclose(history[key], numbers[key], 1e-9, 1e-12, err_msg=key)


def same_as_one_process(name: str) -> Callable[[Any], None]:
    expected: list[Any] = []

    def check(communicator: Any) -> None:
        if not expected:
            expected.append(train(name, None))
        require_same(train(name, communicator), expected[0])

    return check


class StopsAt(mt.Callback):
    """Ends the run with an error after so many steps, as a kill does; on all ranks."""

    def __init__(self, age: int) -> None:
        self.age = age  # which is no setting that a checkpoint compares

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        self.age -= 1
        if not self.age:
            raise InterruptedError


def resume_on_other_ranks(communicator: Any) -> None:
    """From all ranks to one less, to one process, and back: in the middle of epochs."""
    path, first = FOLDER / f"resumed_{communicator.size}.npz", communicator.rank == 0
    last = communicator.rank == communicator.size - 1
    fewer = communicator.Split(last, communicator.rank)
    found: list[Any] = []
    for steps, part, here in (
        (15, communicator, True),
        (13, fewer, not last),
        (8, None, first),
        (1_000, communicator, True),
    ):
        if here:
            hooks = [StopsAt(steps), mt.EarlyStopping("val_loss", 30)]
            each = mt.Checkpoint(path, every=1, resume=True)
            try:
                found.append(train("norm", part, checkpoint=each, callbacks=hooks))
            except Exception as error:
                found.append(error)
        communicator.Barrier()
    assert all("InterruptedError" in repr(each) for each in found[:-1]), found
    require_same(found[-1], train("norm", None, callbacks=[mt.EarlyStopping("val_loss", 30)]))


def only_the_first_writes(communicator: Any) -> None:
    folder = FOLDER / f"{communicator.size}_{communicator.rank}"
    folder.mkdir()
    hooks = [mt.CSVLogger(folder / "log.csv"), mt.ModelCheckpoint(folder / "model.npz")]
    train("sgd", communicator, epochs=1, callbacks=hooks)
    assert (sorted(path.name for path in folder.iterdir()) == ["log.csv", "model.npz"]) == (
        communicator.rank == 0
    )
    assert communicator.rank == 0 or not any(folder.iterdir())


class StopsOnRank(mt.Callback):
    """Wants to end training on one rank, as one that looks at the clock might."""

    def __init__(self, here: bool) -> None:
        self.here = here

    def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
        trainer.evaluate(X[:50], Y[:50])  # on each rank by itself
        trainer.stop_training |= self.here and epoch == 1

    def config(self) -> dict[str, Any]:
        return {}


def one_stops_all(communicator: Any) -> None:
    last = communicator.rank == communicator.size - 1
    here = StopsOnRank(last)
    vars(here)["state_dict"] = lambda: {"here": last}  # no setting: ranks may differ in it
    _, history = train("sgd", communicator, callbacks=[here])
    assert len(history["loss"]) == 2


def steps_one_by_one(communicator: Any) -> None:
    trainers = [
        mt.Trainer(normed(), mt.SoftmaxCrossEntropy(), mt.Adam(), seed=0, communicator=each)
        for each in (communicator, None)
    ]
    for k in (64, 5, 1):
        losses = [trainer.step(X[:k], Y[:k], WEIGHTS[:k]) for trainer in trainers]
        assert abs(losses[0] - losses[1]) < 1e-12
    require_same((trainers[0], {}), (trainers[1], {}))


def graph_of_two(communicator: Any) -> None:
    """Two inputs, two outputs, two losses."""
    found = []
    for each in (communicator, None):
        a, b = mt.Input(8, name="a"), mt.Input(4, name="b")
        h = mt.Dropout(0.2)(mt.Concatenate()(mt.Dense(5)(a), b))
        graph = mt.Graph([a, b], [mt.Dense(4)(h), mt.Dense(1)(h)], seed=0, dtype=np.float64)
        losses = [mt.SoftmaxCrossEntropy(), mt.MeanSquaredError()]
        trainer = mt.Trainer(
            graph, losses, "adam", metrics=[["accuracy"], []], seed=0, communicator=each
        )
        history = trainer.fit((X[:, :8], X[:, 8:]), (Y, X[:, :1]), epochs=2, verbose=False)
        found.append((trainer, history.history))
    require_same(*found)


class Counting:
    """A map-style data set that knows which samples were asked for."""

    def __init__(self) -> None:
        self.state = list[int]()  # no setting, in which ranks would differ

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Any:
        self.state.append(row)
        return X[row], Y[row]


def each_reads_its_own(communicator: Any) -> None:
    """Of a data set that gives samples, and of files, and all comes out as in memory."""
    path = FOLDER / f"x_{communicator.size}_{communicator.rank}.npy"
    np.save(path, X)
    data, mapped = Counting(), np.load(path, mmap_mode="r")
    given: dict[str, Any] = {"epochs": 2, "batch_size": 64, "micro_batch_size": 40}
    found = []
    for x, y, each in ((X, Y, None), (data, None, communicator), (mapped, Y, communicator)):
        trainer = mt.Trainer(normed(), mt.SoftmaxCrossEntropy(), "adam", seed=1, communicator=each)
        history = trainer.fit(x, y, validation_data=(X[:90], Y[:90]), verbose=False, **given)
        found.append((trainer, history.history))
    require_same(found[1], found[0])
    require_same(found[2], found[0])
    asked = len(data.state) - 64  # at the beginning each looks at the first 64
    assert 2 * N / communicator.size <= asked + 40, asked
    assert asked < 2 * N / communicator.size + 80, asked


# What goes wrong on one rank


class FailsAt(mt.Layer):
    """A layer of one's own that fails in its third batch, on one rank."""

    calls, here = 0, False

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        self.calls += train
        if self.calls == 3 and self.here:
            raise ZeroDivisionError("of one's own")
        return +x, None

    def backward(self, dy: Any, cache: None, *, need_dx: bool = True) -> Any:
        return +dy, {}


class FailsToWrite(mt.Callback):
    only_first_rank = True

    def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
        raise OSError(28, "No space left on device")


class Mixes(mt.Identity):
    couples_samples = True


def run_with(communicator: Any, kind: str) -> Any:
    """A run in which the last rank is not as the others."""
    wrong = communicator.rank == communicator.size - 1
    x, seed, units, given = X.copy(), 0, 9, dict[str, Any]()
    if wrong:
        x[500, 3] = np.nan if kind == "NaN" else x[500, 3]
        x = x[:-1] if kind == "samples" else x[:, :-1] if kind == "shape" else x
        seed, units = int(kind == "seed"), 9 + (kind == "units")
        given["epochs"] = 2 if kind == "epochs" else 3
    own = FailsAt()
    own.here = wrong and kind == "layer"
    layers = [mt.Dense(units), mt.BatchNorm(), own, mt.Dense(4)]
    given["callbacks"] = [FailsToWrite()] if kind == "disk" else []
    trainer = mt.Trainer(
        model(*layers, seed=seed if kind != "generator" else 0),
        mt.SoftmaxCrossEntropy(),
        mt.SGD(1e200 if kind == "diverges" else 0.1),
        seed=int(wrong) if kind == "generator" else 0,
        communicator=communicator,
    )
    before = trainer.model.state_dict()
    try:
        trainer.fit(x, Y[: len(x)], **{"epochs": 3, "verbose": False, **given})
    except Exception as error:
        after = trainer.model.state_dict()
        assert all(np.isfinite(array).all() for array in after.values())
        if isinstance(error, (mt.errors.DataError, mt.errors.ConfigurationError)):
            assert all(np.array_equal(before[key], after[key]) for key in before)
        return error
    return None


FAILURES: dict[str, tuple[type[Exception], str, str]] = {
    # what goes wrong: the error, what all other ranks say, what the rank itself says
    "NaN": (mt.errors.DataError, "rank {}: fit: x: expected finite numbers, got nan", "row 500"),
    "samples": (mt.errors.ConfigurationError, "samples: 643 on rank 0, 642 on rank {}", "samples"),
    "shape": (mt.errors.ShapeError, "rank {}: ", "12"),
    "seed": (mt.errors.ConfigurationError, "parameters (their seed): ", "same seeds"),
    "units": (mt.errors.ConfigurationError, "Dense(units=9", "Dense(units=10"),
    "generator": (mt.errors.ConfigurationError, "generator (its seed): ", "same seeds"),
    "epochs": (mt.errors.ConfigurationError, "epochs: 3 on rank 0, 2 on rank {}", "epochs"),
    "diverges": (mt.errors.DivergenceError, "finite", "finite"),
    "layer": (mt.errors.RankError, "rank {}: ZeroDivisionError: of one's own", "of one's own"),
    "disk": (mt.errors.RankError, "rank 0: OSError: [Errno 28]", "No space"),
}


def fails_on_all(kind: str) -> Callable[[Any], None]:
    cls, said, own = FAILURES[kind]

    def check(communicator: Any) -> None:
        begun = time.perf_counter()
        error = run_with(communicator, kind)
        seconds = time.perf_counter() - begun
        assert run_with(communicator, "nothing") is None  # the ranks work on after it
        assert seconds < 5
        last = communicator.size - 1
        text = str(error) + "".join(getattr(error, "__notes__", ()))
        failed = communicator.rank == (0 if kind == "disk" else last)
        if failed and kind in ("layer", "disk"):
            assert isinstance(error, (ZeroDivisionError, OSError)), repr(error)
            assert f"on rank {communicator.rank} of" in text
        else:
            assert isinstance(error, cls), repr(error)
        wanted = own if failed else said.format(last)
        assert wanted in text, text

    return check


def refused(communicator: Any) -> None:
    """What can't be done on several ranks, on all of them."""
    given: dict[str, Any] = {
        "model": dense(),
        "loss": "mse",
        "optimizer": "sgd",
        "communicator": communicator,
    }
    cases: list[tuple[dict[str, Any], str]] = [
        ({"model": model(Mixes(), mt.Dense(4))}, "Mixes"),
        ({"communicator": "world"}, "expected communicator to be one of mpi4py"),
    ]
    for wrong, said in cases:
        with pytest.raises(mt.errors.ConfigurationError, match=said):
            mt.Trainer(**(given | wrong))
    trainer = mt.Trainer(**given)
    n = communicator.size - 1
    with pytest.raises(mt.errors.ConfigurationError, match=f"as ranks, {n + 1}, got {n}"):
        trainer.fit(X[:n], X[:n, :4])


def ranks_that_part(communicator: Any) -> None:
    """A callback that changes one rank's parameters is found out at the end of the epoch."""

    class Meddles(mt.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, numbers: dict[str, float]) -> None:
            if communicator.rank == 1:
                trainer.model[0].weight += 1e-9

    with pytest.raises(mt.errors.ConfigurationError, match="parameters"):
        train("sgd", communicator, callbacks=[Meddles()])


CHECKS: dict[str, Callable[[Any], None]] = {
    **{name: same_as_one_process(name) for name in RUNS},
    **{f"fails: {kind}": fails_on_all(kind) for kind in FAILURES},
    **{
        check.__name__: check
        for check in (
            resume_on_other_ranks,
            only_the_first_writes,
            one_stops_all,
            steps_one_by_one,
            graph_of_two,
            each_reads_its_own,
            refused,
            ranks_that_part,
        )
    },
}


WITH_ALL = (
    "adamw",
    "norm",
    "small batches",
    "fails: layer",
    "resume_on_other_ranks",
    "refused",
)
"""What is checked on all ranks, and not on two of them only."""


def wait() -> None:
    """Until all ranks are here, without keeping a core busy."""
    request = WORLD.Ibarrier()
    while not request.Test():
        time.sleep(0.002)


def main() -> None:
    """Each check on two of the ranks, and some on all."""
    wrong: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for size in (2, WORLD.size):
        part = WORLD.Split(WORLD.rank < size, WORLD.rank)
        for name, check in CHECKS.items() if size == 2 else ((k, CHECKS[k]) for k in WITH_ALL):
            begun, failed = time.perf_counter(), ""
            if WORLD.rank < size:
                try:
                    check(part)
                except Exception:
                    failed = traceback.format_exc()
            wait()
            seconds[f"{name}, {size}"] = round(time.perf_counter() - begun, 2)
            for rank, text in enumerate(WORLD.gather(failed) or ()):
                if text:
                    wrong[f"{name}, rank {rank} of {size}"] = text
    if WORLD.rank == 0:
        print(json.dumps({"wrong": wrong, "checks": len(seconds), "seconds": seconds}))


if __name__ == "__main__":
    main()
