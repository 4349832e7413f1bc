"""Training on ranks that are threads: the rules of test_ranks, without MPI and its slow start."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.training import rank_sums
from minitorch_np.training.ranks import Alone
from tests.threads import Communicator, Shared, on_threads

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)), RNG.integers(0, 3, 20)
WEIGHTS = RNG.uniform(0, 2, 20) * (RNG.random(20) > 0.2)


class Losses(mt.Callback):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        self.losses = list[float]()

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state: Any) -> None:
        self.losses = state["losses"]

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.losses.append(loss)


def trained(
    communicator: Any, x: Any = X, y: Any = Y, **given: Any
) -> tuple[mt.Trainer, dict[str, Any]]:
    """A run in float64 with all that ranks must share: statistics, draws, weights, metrics.

    Of 18 samples in batches of 8, the last batch has 2, fewer than three ranks.
    """
    layers: list[mt.Layer | str] = [
        mt.Dense(5),
        mt.BatchNorm(),
        "tanh",
        mt.Dropout(0.3),
        mt.Dense(3),
    ]
    trainer = mt.Trainer(
        mt.Sequential(*layers, input_shape=4, seed=0, dtype=np.float64),
        mt.SoftmaxCrossEntropy(),
        mt.SGD(0.1, momentum=0.9),
        metrics=["accuracy", mt.AUC()],
        seed=1,
        communicator=communicator,
    )
    given = {"epochs": 2, "batch_size": 8, "validation_split": 0.1, "verbose": False, **given}
    kept = Losses()
    hooks = [kept, *given.pop("callbacks", ())]
    history = trainer.fit(x, y, callbacks=hooks, **given).history
    return trainer, {**history, "steps": kept.losses}


def require_same(found: Any, expected: Any) -> None:
    (trainer, history), (other, numbers) = found, expected
    for name, array in other.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, 1e-10, 1e-12)
    assert trainer.rng.bit_generator.state == other.rng.bit_generator.state
    assert history.keys() == numbers.keys()
    for key in numbers:
        np.testing.assert_allclose(history[key], numbers[key], 1e-10, err_msg=key)


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What of mpi4py itself is used in a sum that is made in place."""
    monkeypatch.setitem(
        sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(IN_PLACE="in place"))
    )


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("small", [0, 2**16], ids=["long vectors", "short vectors"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sample_weight": WEIGHTS, "micro_batch_size": 5},
        {"transform": lambda x, rng: x + rng.normal(size=x.shape) * rng.uniform(0.9, 1.1)},
        {"batch_size": None},
    ],
    ids=["plain", "weights", "transform", "whole"],
)
def test_threads_are_as_one_process(
    size: int, small: int, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_sums, "SMALL", small)
    expected = trained(None, **given)
    for found in on_threads(size, lambda own: trained(own, **given)):
        if isinstance(found, Exception):
            raise found
        require_same(found, expected)


class Stored:
    """A store of slices, in chunks, which knows the rows that were read."""

    shape, dtype, chunks = X.shape, X.dtype, (4, 4)

    def __init__(self) -> None:
        self.state = list[int]()  # no setting, in which ranks would differ

    def __getitem__(self, part: slice) -> Any:
        self.state += range(20)[part]
        return X[part]


class Samples:
    """A data set that gives a sample at a time, and knows which."""

    def __init__(self) -> None:
        self.state = list[int]()

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, row: int) -> Any:
        self.state.append(row)
        return X[row], Y[row]


def pairs() -> Any:
    return iter([(X[first : first + 8], Y[first : first + 8]) for first in (0, 8, 16)])


@pytest.mark.parametrize("micro", [None, 5])
@pytest.mark.parametrize("transform", [None, lambda x, rng: x + rng.normal(size=x.shape)])
def test_each_thread_reads_its_own(micro: int | None, transform: Any) -> None:
    """All comes out as in memory; without a transform each rank reads a third of the samples."""
    given: dict[str, Any] = {
        "validation_split": 0.0,
        "shuffle": False,
        "micro_batch_size": micro,
        "transform": transform,
    }
    expected = trained(None, **given)
    for x, y, more in (
        (Stored, Y, {}),
        (Samples, None, {}),
        (lambda: pairs, None, {"steps_per_epoch": 3}),
    ):
        settings = {**given, **more}
        if more:
            del settings["shuffle"]

        def run(own: Any, x: Any = x, y: Any = y, settings: Any = settings) -> Any:
            data = x()
            return (*trained(own, data, y, **settings), data)

        found = on_threads(3, run)
        for each in found:
            assert not isinstance(each, Exception), each
            require_same(each[:2], expected)
        if x is Samples:
            asked = [len(each[2].state) - 20 - 1 for each in found]  # all at first, for a look
            whole = transform is not None
            assert max(asked) <= (40 if whole else 2 * 9), asked
            assert sum(asked) >= (120 if whole else 40), asked


def stepped(communicator: Any, **loss: Any) -> tuple[mt.Trainer, dict[str, Any]]:
    """Single steps with a batch for all ranks, and one for less; two inputs, outputs and losses."""
    a, b = mt.Input(3, name="a"), mt.Input(1, name="b")
    h = mt.Dropout(0.2)(mt.Concatenate()(mt.Dense(5)(a), b))
    graph = mt.Graph([a, b], [mt.Dense(3)(h), mt.Dense(1)(h)], seed=0, dtype=np.float64)
    losses = [mt.SoftmaxCrossEntropy(**loss), mt.MeanSquaredError()]
    trainer = mt.Trainer(graph, losses, "adam", seed=0, communicator=communicator)
    values = []
    for k in (9, 1):
        x, y = (X[:k, :3], X[:k, 3:]), (Y[:k], X[:k, :1])
        values.append(trainer.step(x, y, WEIGHTS[:k]))
    history = trainer.fit((X[:, :3], X[:, 3:]), (Y, X[:, :1]), batch_size=7, verbose=False)
    return trainer, {"steps": values, **history.history}


@pytest.mark.usefixtures("in_place")
def test_single_steps_of_threads() -> None:
    expected = stepped(None)
    for found in on_threads(3, stepped):
        require_same(found, expected)
    for error in on_threads(2, lambda own: stepped(own, ignore_index=0)):
        assert type(error) is mt.errors.ConfigurationError
        assert "expected losses that count all samples alike" in str(error)


class Ends(mt.Callback):
    """Ends a run in some way on some rank."""

    epochs = calls = 0

    def __init__(self, how: str = "") -> None:
        self.how, self.steps = how, 0

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "how": self.how}  # in which ranks may differ

    def load_state_dict(self, state: Any) -> None:
        self.steps = state["steps"]

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.steps += 1
        self.calls += 1
        if self.how == "error" and self.steps == 4:
            raise ZeroDivisionError("of one's own")
        if self.how == "interrupted" and self.steps == 5:
            raise InterruptedError

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.epochs += 1
        if self.how == "stops":
            trainer.stop_training = True
        if self.how == "meddles":
            trainer.model.named_parameters()["0.weight"][0, 0] += 1e-9
        if self.how == "diverges":
            raise mt.errors.DivergenceError("too far")


class Shows(Ends):
    only_first_rank = True


def test_one_thread_stops_all() -> None:
    def run(own: Communicator) -> int:
        return len(trained(own, callbacks=[Ends("stops" if own.rank == 2 else "")])[1]["loss"])

    assert on_threads(3, run) == [1, 1, 1]


def test_callbacks_that_write_are_called_on_the_first_rank() -> None:
    def run(own: Communicator) -> tuple[int, int]:
        hooks = Ends(), Shows()
        trained(own, callbacks=hooks)
        return hooks[0].epochs, hooks[1].epochs

    assert on_threads(3, run) == [(2, 2), (2, 0), (2, 0)]


@pytest.mark.parametrize(
    ("how", "on_itself", "on_others", "said"),
    [
        (
            "error",
            ZeroDivisionError,
            mt.errors.RankError,
            "rank 1: ZeroDivisionError: of one's own",
        ),
        ("diverges", mt.errors.DivergenceError, mt.errors.DivergenceError, "rank 1: too far"),
    ],
)
def test_an_error_on_one_thread_is_one_on_all(
    how: str, on_itself: type, on_others: type, said: str
) -> None:
    def run(own: Communicator) -> Exception | None:
        try:
            trained(own, callbacks=[Ends(how if own.rank == 1 else "")])
        except Exception as error:
            return error
        return None

    first, own, last = on_threads(3, run)
    assert type(own) is on_itself
    assert vars(own)["__notes__"] == ["on rank 1 of 3"]
    assert type(first) is type(last) is on_others
    assert str(first) == str(last) == said


def test_ranks_that_part_are_found_out() -> None:
    errors = on_threads(
        3, lambda own: trained(own, callbacks=[Ends("meddles" if own.rank == 1 else "")])
    )
    assert len({str(error) for error in errors}) == 1
    assert all(type(error) is mt.errors.ConfigurationError for error in errors)
    text = str(errors[0])
    assert text.startswith("ranks: expected the same on all 3, got parameters (their seed): ")
    assert " on rank 0, " in text
    assert " on rank 1: give each the same seeds, model, arguments and data" in text
    assert "rank 2" not in text
    assert "optimizer" not in text


def test_ranks_that_are_not_alike_do_not_begin() -> None:
    errors = on_threads(2, lambda own: trained(own, epochs=2 + own.rank))
    expected = "ranks: expected the same on all 2, got epochs: 2 on rank 0, 3 on rank 1: give"
    assert [str(error).startswith(expected) for error in errors] == [True, True]


def test_threads_resume_what_one_process_began(tmp_path: Path) -> None:
    """In the middle of the second epoch; the first rank reads, and all go on from it."""
    path = tmp_path / "run.npz"
    expected = trained(None, epochs=3, callbacks=[Ends()], checkpoint=mt.Checkpoint(path))

    def begin(own: Any) -> Any:
        each = mt.Checkpoint(tmp_path / "begun.npz", every=1)
        try:
            return trained(own, epochs=3, callbacks=[Ends("interrupted")], checkpoint=each)
        except InterruptedError as error:
            return error

    def resume(own: Any) -> Any:
        hook, each = Ends(), mt.Checkpoint(tmp_path / "begun.npz", every=1, resume=True)
        found = trained(own, epochs=3, callbacks=[hook], checkpoint=each)
        assert (hook.steps, hook.calls) == (9, 5)  # four were made before
        return found

    for before, after in ((None, 3), (3, None)):
        (tmp_path / "begun.npz").unlink(missing_ok=True)
        for size, run in ((before, begin), (after, resume)):
            found = on_threads(size, run) if size else [run(None)]
        for each in found:
            assert not isinstance(each, Exception), each
            require_same(each, expected)


class Mixes(mt.Identity):
    couples_samples = True


class Coupling(mt.MeanSquaredError):
    couples_samples = True


def test_what_threads_can_not_do() -> None:
    def begin(own: Any, **given: Any) -> mt.Trainer:
        whole: dict[str, Any] = {"model": mt.mlp([4, 3], seed=0), "loss": "mse", "optimizer": "sgd"}
        return mt.Trainer(**(whole | given), communicator=own)

    def refused(own: Any) -> list[str]:
        texts = []
        for given in (
            {"model": mt.Sequential(Mixes(), mt.Dense(3), input_shape=4)},
            {"loss": Coupling()},
        ):
            with pytest.raises(mt.errors.ConfigurationError) as error:
                begin(own, **given)
            texts.append(str(error.value))
        with pytest.raises(mt.errors.ConfigurationError) as error:
            begin(own).fit(X[:1], X[:1, :3], verbose=False)
        begin(own, seed=0).fit(X[:2], X[:2, :3], verbose=False)
        return [*texts, str(error.value)]

    for layer, loss, samples in on_threads(2, refused):
        assert "or measure means over all ranks through `all_parts`, got Mixes()" in layer
        assert "which compares the samples of a batch: train it in one process" in loss
        assert samples.startswith("fit: expected at least as many samples as ranks, 2, got 1")
    assert type(begin(Communicator(Shared(1), 0)).ranks) is Alone
