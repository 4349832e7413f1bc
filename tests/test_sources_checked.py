"""Data that is read: what is wrong in it is found when it is its turn, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from minitorch_np.sources import reading, stores
from minitorch_np.sources.ahead import NAME
from minitorch_np.training.loop import Loop
from tests.test_sources import SCALE, Endless, N, Samples, Slices, X, Y, batches_of, trainer_for


def assert_refused(
    match: str, x: Any, y: Any = None, error: type[Exception] = mt.DataError, **options: Any
) -> None:
    """It is an error, the model is as before, and no thread is left."""
    trainer = trainer_for()
    before = trainer.model.state_dict()
    settings = {"scale": SCALE, "shuffle": False, "batch_size": 32} | options
    with pytest.raises(error, match=match):
        trainer.fit(x, y, **settings)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert not [thread for thread in threading.enumerate() if thread.name == NAME]


def changed(array: AnyArray, row: int, value: Any, dtype: Any = None) -> AnyArray:
    array = array.astype(dtype or array.dtype)
    array[row] = value
    return array


FLOATS = X.astype(np.float32)
BAD_X = changed(FLOATS, 200, np.nan)
BAD_Y = changed(Y, 211, 3)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_bad_number_or_label_is_named_by_its_row(shuffle: bool) -> None:
    options: dict[str, Any] = {"shuffle": shuffle, "shuffle_window": 70}
    for x, y in ((BAD_X, Y), (X, BAD_Y)):
        match = "x: .*nan at row 200, column 0" if x is BAD_X else "labels: .*got 3 at row 211"
        assert_refused(match, Slices(x), y, **options)
        assert_refused(match, Samples(x, y), shuffle=shuffle)
        assert_refused(match, Slices(x), Slices(y), prefetch=0, **options)
    match = "nan at row 8 of batch 6, column 0"
    assert_refused(match, batches_of(32, BAD_X), steps_per_epoch=8)
    assert_refused("got 3 at row 19 of batch 6", batches_of(32, X, BAD_Y), steps_per_epoch=8)


def test_bad_data_is_found_in_what_is_evaluated_too() -> None:
    trainer = trainer_for()
    with pytest.raises(mt.DataError, match="evaluate: x: .* row 200"):
        trainer.evaluate(Slices(BAD_X), Y)
    with pytest.raises(mt.DataError, match="validation_data: x: .* row 200"):
        trainer.fit(X, Y, scale=SCALE, validation_data=(Slices(BAD_X), Y))
    with pytest.raises(mt.DataError, match="predict: x: .* row 200"):
        trainer.model.predict(Slices(BAD_X))
    with pytest.raises(mt.DataError, match="predict: x: .* row 8 of batch 6"):
        trainer.model.predict(batches_of(32, BAD_X))


def test_lengths_that_differ() -> None:
    for y in (Y[:-1], Slices(Y[:-1])):
        assert_refused("as many targets as samples.*230.*229", Slices(X), y, mt.ShapeError)
    weights = np.ones(N - 1)
    assert_refused("230.*229", Slices(X), Y, mt.ShapeError, sample_weight=weights)
    assert_refused(
        "as many inputs as targets in batch 0", lambda: iter([(X[:9], Y[:8])]), steps_per_epoch=1
    )
    assert_refused("at least one", Slices(X[:0]), Y[:0])


def test_samples_of_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uneven(Samples):
        def __getitem__(self, place: int) -> tuple[Any, ...]:
            x, y = super().__getitem__(place)
            return (x[:-1] if place == 150 else x), y

    assert_refused(r"samples of shape .* got .*11.* at row 150", Uneven(), error=mt.ShapeError)
    assert_refused("12 features", Slices(X[:, :11]), Y, mt.ShapeError)

    def uneven() -> Iterator[Any]:
        for place, (x, y) in enumerate(batches_of()()):
            yield (x[:, :11] if place == 4 else x), y

    match = r"12 features.*\(row 0 of batch 4\)"
    assert_refused(match, uneven, error=mt.ShapeError, steps_per_epoch=8)

    class Short(Slices):
        def __getitem__(self, part: slice) -> AnyArray:
            return super().__getitem__(part)[: 128 - part.start]

    monkeypatch.setattr(stores, "BLOCK_BYTES", 12 * 50)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12 * 50)
    assert_refused("expected rows 100 to 149 of shape", Short(X), Y, mt.ShapeError)


def test_a_source_that_changes_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    class Grows(Slices):
        def __getitem__(self, part: slice) -> AnyArray:
            if part.start >= 100:
                self.shape = (N + 1, 12)
            return super().__getitem__(part)

    monkeypatch.setattr(stores, "BLOCK_BYTES", 12 * 50)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12 * 50)
    assert_refused("expected 230 samples, as at the beginning, got 231 when row 150", Grows(X), Y)

    class Shrinks(Samples):
        def __len__(self) -> int:
            return N - self.asked

        asked = 0

        def __getitem__(self, place: int) -> tuple[Any, ...]:
            self.asked = int(place > 180)
            return super().__getitem__(place)

    assert_refused("expected 230 samples, as at the beginning, got 229", Shrinks())


def test_iterables_that_end_early_or_give_nothing() -> None:
    assert_refused("expected 9 batches an epoch, got 8", batches_of(), steps_per_epoch=9)
    assert_refused("expected 3 batches an epoch, got none", lambda: iter(()), steps_per_epoch=3)
    once = batches_of()()
    assert_refused("used up before, pass a function", once, steps_per_epoch=8, epochs=2)
    with pytest.raises(mt.DataError, match="at least one batch, got none"):
        trainer_for().evaluate(lambda: iter(()))
    expected = mt.ConfigurationError
    assert_refused("expected steps_per_epoch", batches_of(), error=expected)
    assert_refused("expected no steps_per_epoch", X, Y, expected, steps_per_epoch=3)
    assert_refused("expected no y and no sample_weight", batches_of(), Y, expected)
    assert_refused("expected targets y", X, None, expected)
    assert_refused("function that returns an iterator", lambda: 3, steps_per_epoch=3)
    assert_refused("got 1 items as batch 0", lambda: iter([(X,)]), steps_per_epoch=3)
    match = "validation_split: expected 0"
    assert_refused(match, batches_of(), error=expected, validation_split=0.1, steps_per_epoch=8)


@pytest.mark.parametrize(
    "options",
    [
        *({"prefetch": -1}, {"prefetch": 1.5}, {"scale": np.nan}, {"scale": "1/255"}),
        *({"shuffle_window": 0}, {"steps_per_epoch": 0}),
    ],
)
def test_arguments_that_have_no_meaning(options: dict[str, Any]) -> None:
    assert_refused(next(iter(options)), Slices(X), Y, mt.ConfigurationError, **options)


def test_an_error_of_a_data_set_is_named_by_its_row() -> None:
    class Broken(Samples):
        def __getitem__(self, place: int) -> tuple[Any, ...]:
            if place == 77:
                raise OSError("picture 77 is not there")
            return super().__getitem__(place)

    assert_refused("read row 77, got OSError: picture 77 is not there", Broken())

    def broken() -> Iterator[Any]:
        yield X[:32], Y[:32]
        raise RuntimeError("no more")

    assert_refused("batch 1, got RuntimeError: no more", broken, steps_per_epoch=3)


def test_names_of_classes_are_given_where_not_all_targets_are_known() -> None:
    names = np.array(["cat", "dog", "eel"])
    assert_refused("classes=", Samples(X, names[Y]), error=mt.ConfigurationError)
    states = []
    for given in ((X, Y), (Samples(X, names[Y]),), (Slices(X), names[Y].tolist())):
        trainer = trainer_for(classes=names.tolist())
        trainer.fit(*given, scale=SCALE, epochs=2)
        states.append(trainer.model.state_dict()["0.weight"])
    np.testing.assert_array_equal(states[0], states[1])
    np.testing.assert_array_equal(states[0], states[2])


def test_balanced_class_weights_need_all_targets() -> None:
    def fit(*given: Any) -> AnyArray:
        model = mt.Sequential(mt.Dense(3), input_shape=12, seed=0)
        loss = mt.SoftmaxCrossEntropy(class_weights="balanced")
        mt.Trainer(model, loss, mt.SGD(0.1), seed=0).fit(*given, scale=SCALE)
        return model.state_dict()["0.weight"]

    np.testing.assert_array_equal(fit(X, Y), fit(Slices(X), Y))
    with pytest.raises(mt.ConfigurationError, match="balanced_weights"):
        fit(Slices(X), Slices(Y))


# Stores that are damaged in the middle of a run


def cut_file(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def memmap(folder: Path) -> tuple[Any, Callable[[], object]]:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r"), lambda: cut_file(folder / "x.npy")


def removed_memmap(folder: Path) -> tuple[Any, Callable[[], object]]:
    return memmap(folder)[0], (folder / "x.npy").unlink


def hdf5(folder: Path) -> tuple[Any, Callable[[], object]]:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(23, 12))
    reader = h5py.File(folder / "x.h5", "r", rdcc_nbytes=0)
    return reader["x"], lambda: cut_file(folder / "x.h5")


def closed_hdf5(folder: Path) -> tuple[Any, Callable[[], object]]:
    dataset, _ = hdf5(folder)
    return dataset, dataset.file.close


def zarr(folder: Path) -> tuple[Any, Callable[[], object]]:
    library = pytest.importorskip("zarr")
    path = str(folder / "x.zarr")
    array = library.create_array(store=path, shape=X.shape, chunks=(23, 12), dtype=X.dtype)
    array[:] = X
    return array, lambda: shutil.rmtree(path)


def cut_zarr(folder: Path) -> tuple[Any, Callable[[], object]]:
    array, _ = zarr(folder)
    return array, lambda: [
        path.write_bytes(b"") for path in (folder / "x.zarr" / "c").rglob("*") if path.is_file()
    ]


def lost_zarr(folder: Path) -> tuple[Any, Callable[[], object]]:
    array, _ = zarr(folder)
    chunks = sorted(path for path in (folder / "x.zarr" / "c").rglob("*") if path.is_file())
    return array, chunks[-3].unlink


@pytest.mark.parametrize(
    "kind", [memmap, removed_memmap, hdf5, closed_hdf5, zarr, cut_zarr, lost_zarr]
)
def test_a_store_that_is_damaged_in_the_middle(
    kind: Callable[[Path], tuple[Any, Callable[[], object]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names a row, the checkpoint is whole, and another copy of the data goes on."""
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12 * 32)
    x, damage = kind(tmp_path)

    path = tmp_path / "run.npz"
    settings: dict[str, Any] = {"epochs": 3, "scale": SCALE, "batch_size": 32}
    with monkeypatch.context() as patch, pytest.raises(mt.DataError, match=r"fit: x: .*rows? \d+"):
        patch.setattr(Loop, "validate", lambda loop: (damage() and {}) or {})  # after an epoch
        trainer_for().fit(x, Y, checkpoint=mt.Checkpoint(path, every=2), **settings)
    (tmp_path / "new").mkdir()
    states = []
    for checkpoint in (mt.Checkpoint(path, resume=True), None):
        trainer = trainer_for()
        trainer.fit(kind(tmp_path / "new")[0], Y, checkpoint=checkpoint, **settings)
        states.append(trainer.model.state_dict())
        shutil.rmtree(tmp_path / "new")
        (tmp_path / "new").mkdir()
    for name, array in states[1].items():
        np.testing.assert_array_equal(array, states[0][name])


# Checkpoints


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "memory": lambda folder: {"x": X, "y": Y},
    "memmap": lambda folder: {"x": memmap(folder)[0], "y": Y},
    "hdf5 in windows": lambda folder: {"x": hdf5(folder)[0], "y": Y, "shuffle_window": 60},
    "zarr": lambda folder: {"x": zarr(folder)[0], "y": Slices(Y)},
    "samples": lambda folder: {"x": Samples()},
    "function": lambda folder: {"x": batches_of(), "steps_per_epoch": 8},
    "function of the epoch": lambda folder: {
        "x": lambda epoch: batches_of(32, np.roll(X, epoch, 0), np.roll(Y, epoch))(),
        "steps_per_epoch": 8,
    },
    "endless": lambda folder: {"x": Endless(), "steps_per_epoch": 7},
}


class Interrupts(mt.Callback):
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def state_dict(self) -> dict[str, Any]:
        return {"steps": 0}

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        self.steps -= 1
        if not self.steps:
            raise KeyboardInterrupt


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_resumed_in_the_middle_of_an_epoch(
    kind: str, prefetch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12 * 32)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 32, "scale": SCALE, "prefetch": prefetch}

    def run(name: str, steps: int) -> Any:
        trainer = trainer_for()
        folder = tmp_path / f"{name}{steps}"
        folder.mkdir()
        history = trainer.fit(
            callbacks=[Interrupts(steps)],
            checkpoint=mt.Checkpoint(tmp_path / f"{name}.npz", every=1, resume=True),
            **KINDS[kind](folder),
            **settings,
        )
        return trainer.model.state_dict(), history.to_dict()

    expected = run("whole", 1000)
    for steps in (11, 9):  # in the second epoch, and in the third
        with pytest.raises(KeyboardInterrupt):
            run("parts", steps)
    found = run("parts", 1000)
    assert found[1] == expected[1]
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array)


@pytest.mark.parametrize("kind", ["function", "function of the epoch", "endless"])
def test_other_batches_than_then_are_refused(kind: str, tmp_path: Path) -> None:
    def shuffled(*epoch: int) -> Iterator[Any]:
        return batches_of(32, X[::-1], Y[::-1])()

    given = KINDS[kind](tmp_path)
    other: Any = Endless(shuffled) if kind == "endless" else (lambda e: shuffled())
    other = shuffled if kind == "function" else other
    monkey: dict[str, Any] = {"epochs": 2, "scale": SCALE}
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        checkpoint = mt.Checkpoint(path, every=1)
        trainer_for().fit(callbacks=[Interrupts(3)], checkpoint=checkpoint, **given, **monkey)
    given["x"] = other
    resumed: dict[str, Any] = {"callbacks": [Interrupts(1000)], **monkey}
    with pytest.raises((mt.DataError, mt.ConfigurationError), match="expected the"):
        trainer_for().fit(checkpoint=mt.Checkpoint(path, resume=True), **given, **resumed)


@pytest.mark.parametrize(
    "other", [np.roll(X, 1, 1), X[:-1], X.astype(np.int16)], ids=["content", "length", "dtype"]
)
def test_other_data_is_another_run(other: AnyArray, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trainer_for().fit(Slices(X), Y, scale=SCALE, checkpoint=mt.Checkpoint(path))
    with pytest.raises(mt.ConfigurationError, match="expected the same run"):
        trainer_for().fit(
            Slices(other), Y[: len(other)], scale=SCALE, checkpoint=mt.Checkpoint(path, resume=True)
        )
