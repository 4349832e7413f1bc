"""Training on data that is not in memory: the same numbers, whatever holds them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from minitorch_np.sources import order, reading, stores
from minitorch_np.sources.ahead import NAME, ReadAhead
from minitorch_np.training import read_batches

N = 230
RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (N, 12), np.uint8)
Y = RNG.integers(0, 3, N)
W = RNG.random(N)
SCALE = 1 / 255


class Samples:
    """A map-style data set, as PyTorch's."""

    def __init__(self, x: AnyArray = X, y: AnyArray = Y, weights: AnyArray | None = None) -> None:
        self.arrays = (x, y) if weights is None else (x, y, weights)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, place: int) -> tuple[Any, ...]:
        return tuple(array[place] for array in self.arrays)


class Slices:
    """Anything with a shape, a dtype and slices; `reads` are the slices that were asked for."""

    def __init__(self, array: AnyArray, seconds: float = 0) -> None:
        self.array, self.seconds = array, seconds
        self.shape, self.dtype = array.shape, array.dtype
        self.reads = list[tuple[int, int]]()

    def __getitem__(self, part: slice) -> AnyArray:
        time.sleep(self.seconds)
        self.reads.append((part.start, part.stop))
        return self.array[part]


def batches_of(size: int = 32, x: AnyArray = X, y: AnyArray = Y) -> Callable[[], Iterator[Any]]:
    def generate() -> Iterator[Any]:
        for first in range(0, len(x), size):
            yield x[first : first + size], y[first : first + size]

    return generate


def trainer_for(**options: Any) -> mt.Trainer:
    layers: list[mt.Layer | str] = [
        mt.Dense(6),
        mt.BatchNorm(),
        "relu",
        mt.Dropout(0.2),
        mt.Dense(3),
    ]
    model = mt.Sequential(*layers, input_shape=12, seed=0)
    settings: dict[str, Any] = {"metrics": [mt.Accuracy()], "seed": 3} | options
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.01), **settings)


def trained(x: Any, y: Any = None, **options: Any) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    trainer = trainer_for()
    settings = {"epochs": 3, "batch_size": 32, "scale": SCALE, "shuffle": False} | options
    history = trainer.fit(x, y, **settings)
    assert not readers()
    return trainer.model.state_dict(), history.to_dict()


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == NAME]


def assert_same(found: Any, expected: Any) -> None:
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    assert found[1] == expected[1]


def memmap(folder: Path) -> tuple[Any, Any]:
    for name, array in {"x": X, "y": Y}.items():
        np.save(folder / f"{name}.npy", array)
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in "xy")


def hdf5(folder: Path) -> tuple[Any, Any]:
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "data.h5", "w")
    x = file.create_dataset("x", data=X, chunks=(50, 5), compression="gzip")
    return x, file.create_dataset("y", data=Y)  # one in chunks, one not


def zarr(folder: Path) -> tuple[Any, Any]:
    library = pytest.importorskip("zarr")
    x = library.create_array(
        store=str(folder / "x.zarr"), shape=X.shape, chunks=(40, 12), dtype=X.dtype
    )
    x[:] = X
    return x, Y.tolist()


def dask(folder: Path) -> tuple[Any, Any]:
    array = pytest.importorskip("dask.array")
    return array.from_array(X, chunks=(60, 12)), array.from_array(Y, chunks=70)


STORES: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "memmap": memmap,
    "hdf5": hdf5,
    "zarr": zarr,
    "dask": dask,
    "slices": lambda folder: (Slices(X), Slices(Y)),
    "samples": lambda folder: (Samples(),),
    "samples of x": lambda folder: (_OnlyX(), Y),
}


class _OnlyX:
    def __len__(self) -> int:
        return N

    def __getitem__(self, place: int) -> AnyArray:
        row: AnyArray = X[place]
        return row


@functools.cache
def in_memory(**options: Any) -> Any:
    return trained(X, Y, **options)


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_the_same_numbers_as_in_memory(
    store: str, shuffle: bool, prefetch: int, tmp_path: Path
) -> None:
    """A window that holds everything, as here, is a shuffle of everything."""
    given = STORES[store](tmp_path)
    assert_same(trained(*given, shuffle=shuffle, prefetch=prefetch), in_memory(shuffle=shuffle))


@pytest.mark.parametrize("store", ["hdf5", "zarr", "memmap", "samples"])
def test_pieces_held_out_rows_and_transforms(store: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "micro_batch_size": 7,
        "validation_split": 0.3,
        "shuffle": True,
        "transform": lambda x, rng: np.multiply(x, rng.random(x.shape, np.float32), out=x),
    }
    assert_same(trained(*STORES[store](tmp_path), **options), trained(X, Y, **options))


def test_weights_are_a_source_too(tmp_path: Path) -> None:
    expected = trained(X, Y, sample_weight=W, validation_data=(X, Y, W), shuffle=True)
    both = Samples(X, Y, W)
    assert_same(trained(both, validation_data=both, shuffle=True), expected)
    given = (Slices(X), Y)
    slices = trained(
        *given, sample_weight=Slices(W), validation_data=(*given, Slices(W)), shuffle=True
    )
    assert_same(slices, expected)


class Endless:
    """An iterator that begins anew where the data ends."""

    def __init__(self, epoch: Callable[[], Iterator[Any]] | None = None) -> None:
        once = epoch or batches_of()
        self.batches = itertools.chain.from_iterable(once() for _ in itertools.count())

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.batches)


ITERABLES: dict[str, Callable[[], Any]] = {
    "function": batches_of,
    "of the epoch": lambda: lambda epoch: batches_of()(),
    "list": lambda: lambda: list(batches_of()()),
    "endless": Endless,
}


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("kind", ITERABLES)
def test_iterables_in_the_same_order(kind: str, prefetch: int) -> None:
    options = {"steps_per_epoch": -(-N // 32), "prefetch": prefetch}
    assert_same(trained(ITERABLES[kind](), **options), in_memory(shuffle=False))


def test_a_dataloader_of_torch() -> None:
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    tensors = data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    assert_same(trained(data.DataLoader(tensors, 32)), in_memory(shuffle=False))
    assert_same(trained(tensors, shuffle=True), in_memory(shuffle=True))


def test_pieces_of_the_batches_of_an_iterable() -> None:
    expected = trained(X, Y, micro_batch_size=10)
    assert_same(trained(batches_of(), steps_per_epoch=8, micro_batch_size=10), expected)


def test_a_graph_with_several_inputs_and_outputs() -> None:
    def fit(x: Any, y: Any) -> dict[str, AnyArray]:
        a, b = mt.Input(5), mt.Input(7)
        model = mt.Graph([a, b], [mt.Dense(3)(mt.Dense(4)(a)), mt.Dense(1)(b)], seed=0)
        losses = [mt.SoftmaxCrossEntropy(), mt.MeanSquaredError()]
        trainer = mt.Trainer(model, losses, mt.SGD(0.1), seed=0)
        trainer.fit(x, y, epochs=2, scale=SCALE, batch_size=32)
        trainer.evaluate(x, y, scale=SCALE)
        state = model.state_dict()
        state["outputs"] = np.concatenate(model.predict(x, scale=SCALE), axis=1)
        return state

    left, right, numbers = X[:, :5], X[:, 5:], W[:, np.newaxis]
    expected = fit((left, right), (Y, numbers))

    class Nested(Samples):
        def __getitem__(self, place: int) -> tuple[Any, ...]:
            return (left[place], right[place]), (Y[place], numbers[place])

    for found in (fit((Slices(left), right), (Y, Slices(numbers))), fit(Nested(), None)):
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def test_evaluate_and_predict(tmp_path: Path) -> None:
    trainer = trainer_for()
    expected = trainer.evaluate(X, Y, scale=SCALE)
    outputs = trainer.model.predict(X, scale=SCALE)
    for name, store in STORES.items():
        folder = tmp_path / name
        folder.mkdir()
        given = store(folder)
        assert trainer.evaluate(*given, scale=SCALE) == expected
        np.testing.assert_array_equal(trainer.model.predict(given[0], scale=SCALE), outputs)
    loss = trainer.evaluate(batches_of(), scale=SCALE)["loss"]
    assert loss == pytest.approx(expected["loss"], rel=1e-6)
    found = trainer.model.predict(batches_of(256), scale=SCALE)
    np.testing.assert_array_equal(found, outputs)
    classes = trainer.model.predict_classes(Slices(X), scale=SCALE)
    np.testing.assert_array_equal(classes, trainer.model.predict_classes(X * np.float32(SCALE)))
    assert not readers()


def test_find_learning_rate() -> None:
    found = [
        mt.find_learning_rate(trainer_for(), *given, steps=20, scale=SCALE)
        for given in ((X, Y), (Slices(X), Y), (Samples(),))
    ]
    assert found[0].losses == found[1].losses == found[2].losses
    assert mt.find_learning_rate(trainer_for(), batches_of(), steps=20, scale=SCALE).losses
    assert not readers()


# The order


@pytest.mark.parametrize(("n", "chunk", "window"), [(100, 10, 30), (103, 10, 25), (7, 10, 3)])
def test_windows_hold_every_row_once_and_chunks_together(n: int, chunk: int, window: int) -> None:
    blocks = list(order.windows(n, chunk, window, 1))
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(n))
    assert max(map(len, blocks)) <= max(chunk, window)
    for rows in blocks:  # what is read of a window is whole chunks
        chunks = np.unique(rows // chunk)
        assert len(rows) == sum(min((c + 1) * chunk, n) - c * chunk for c in chunks)
    again = order.windows(n, chunk, window, 2)
    assert n == 7 or not np.array_equal(np.concatenate(blocks), np.concatenate(list(again)))


def test_chunks_are_read_once_an_epoch_and_the_batches_are_mixed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Chunked(Slices):
        chunks = (20, 12)

    source, taken = Chunked(X), list[AnyArray]()
    settings: dict[str, Any] = {"shuffle": True, "shuffle_window": 60, "batch_size": 32}
    trainer = trainer_for()

    def note(x: AnyArray, rng: Any) -> AnyArray:
        taken.append(x.copy())
        return x

    trainer.fit(source, Y, epochs=1, scale=SCALE, transform=note, **settings)
    reads = source.reads[1:]  # the first is a look at the first samples
    rows = [row for first, last in reads for row in range(first, last)]
    assert sorted(rows) == list(range(N))
    assert all(first % 20 == 0 and (last % 20 == 0 or last == N) for first, last in reads)
    assert [len(x) for x in taken] == [32] * 7 + [6]
    used = np.concatenate(taken)
    known = {row.tobytes(): place for place, row in enumerate(X * np.float32(SCALE))}
    places = [known[row.tobytes()] for row in used]
    assert sorted(places) == list(range(N))
    assert len({place // 20 for place in places[:60]}) == 3  # a window's
    assert len({place // 20 for place in places[:20]}) > 1  # and mixed


def test_samples_are_read_in_groups_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12 * 100)
    monkeypatch.setattr(stores, "BLOCK_BYTES", 12 * 100)
    source = Slices(X)
    assert_same(trained(source, Y, epochs=3), in_memory(shuffle=False))
    assert max(last - first for first, last in source.reads) <= 100


# Reading ahead


def items(n: int, seconds: float = 0) -> Iterator[int]:
    for place in range(n):
        time.sleep(seconds)
        yield place


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_reading_ahead_gives_the_same_items(depth: int) -> None:
    with ReadAhead(items(20), depth) as ahead:
        assert list(ahead) == list(range(20))
        assert list(ahead) == []
    assert not readers()


@pytest.mark.parametrize("depth", [1, 2])
def test_no_more_is_read_ahead_than_is_asked_for(depth: int) -> None:
    read = list[int]()

    def noted() -> Iterator[int]:
        for place in range(100):
            read.append(place)
            yield place

    with ReadAhead(noted(), depth) as ahead:
        assert not read  # nothing before it is needed
        for place in range(5):
            assert next(ahead) == place
            time.sleep(0.01)
            assert len(read) <= place + 1 + depth
    assert not readers()


def test_an_error_comes_where_the_item_would_have() -> None:
    closed = list[bool]()

    def breaks() -> Iterator[int]:
        try:
            yield 1
            yield 2
            raise ValueError("here")
        finally:
            closed.append(True)

    with ReadAhead(breaks(), 5) as ahead:
        time.sleep(0.02)
        assert [next(ahead), next(ahead)] == [1, 2]
        with pytest.raises(ValueError, match="here"):
            next(ahead)
    assert closed
    assert not readers()


class Stops(mt.Callback):
    """Ends the run in the middle of an epoch."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        assert batch or readers()  # one reads while the loop works
        if batch == 2 and self.error:
            raise self.error

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        trainer.stop_training = True


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RuntimeError("own")])
def test_the_thread_ends_with_the_run(error: BaseException | None, endless: bool) -> None:
    x: Any = Endless() if endless else Slices(X, 0.002)
    y, steps = (None, 8) if endless else (Y, None)
    caught = pytest.raises(type(error)) if error else contextlib.nullcontext()
    with caught, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", 12 * 32)
        patch.setattr(stores, "BLOCK_BYTES", 12 * 32)
        patch.setattr(read_batches, "GROUP_NUMBERS", 12 * 32)
        settings: dict[str, Any] = {"epochs": 3, "batch_size": 32, "shuffle": False}
        hooks = [Stops(error)]
        trainer_for().fit(x, y, steps_per_epoch=steps, scale=SCALE, callbacks=hooks, **settings)
    assert not readers()


def test_the_thread_ends_with_a_divergence_and_with_bad_data() -> None:
    model = mt.Sequential(mt.Dense(3), input_shape=12, seed=0)
    wild = mt.Trainer(model, mt.MeanSquaredError(), mt.SGD(1e30), seed=0)
    with pytest.raises(mt.DivergenceError):
        wild.fit(Slices(X), np.ones((N, 3)), epochs=20, scale=SCALE)
    assert not readers()
    with pytest.raises(mt.DataError):
        trainer_for().fit(Slices(np.where(X > 254, np.nan, X)), Y)
    assert not readers()


def test_an_epoch_that_is_closed_ends_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BLOCK_BYTES", 12)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 12)
    monkeypatch.setattr(read_batches, "GROUP_NUMBERS", 12)
    trainer = trainer_for()
    trainer.fit(Slices(X), Y, scale=SCALE, epochs=1)
    epoch = trainer.run.batches.epoch(None, None)
    next(epoch)
    assert readers()
    epoch.close()
    assert not readers()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([3, 4, 5, 6], slice(3, 7)),
        ([5], slice(5, 6)),
        ([3, 5], None),
        ([4, 3], None),
        ([0, 0, 2], None),
    ],
)
def test_rows_that_follow_each_other_are_read_as_a_slice(rows: list[int], found: Any) -> None:
    taken = stores._as_slice(np.array(rows))
    assert taken == found if found else list(taken) == rows


@pytest.mark.parametrize(
    ("row_bytes", "chunk", "unit", "rows"),
    [(100, None, 1, 1), (10, None, 1, 5), (10, None, 2, 4), (10, 3, 1, 3), (1, 8, 1, 48)],
)
def test_how_many_rows_are_read_at_a_time(
    row_bytes: int, chunk: int | None, unit: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole chunks, or so many times a unit, as 50 bytes hold; at least one."""
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50)
    source: Any = SimpleNamespace(row_bytes=row_bytes, chunk=chunk)
    assert reading.block_rows(source, unit) == rows
