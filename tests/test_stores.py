"""Each kind of source by itself: which rows it reads, what it says of itself, and its errors."""

from __future__ import annotations

import functools
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from minitorch_np.sources import order, reading, stores
from minitorch_np.sources.order import in_turn, own_rows, without_first
from minitorch_np.sources.reading import Group, Span, grouped, spans

X = np.random.default_rng(5).random((40, 3), np.float32)


class Store:
    """A store of slices that remembers them; `broken` rows can't be read, `gone` are blank."""

    fill_value = 0
    nchunks_initialized: Any = 0

    def __init__(self, x: AnyArray = X, **more: Any) -> None:
        self.x, self.shape, self.dtype = x, x.shape, x.dtype
        self.asked, self.broken = list[tuple[int, int]](), set[int]()
        vars(self).update(more)

    def __getitem__(self, part: slice) -> AnyArray:
        self.asked.append((part.start, part.stop))
        if self.broken & set(range(part.start, part.stop)):
            raise OSError("no such block")
        return self.x[part]


def rows(*places: int) -> AnyArray:
    return np.array(places)


def test_rows_are_read_in_as_few_slices_as_can_be() -> None:
    store = Store()
    source = stores.Sliced(store, "x")
    for places, slices in (
        ([3, 4, 5], [(3, 6)]),
        ([7], [(7, 8)]),
        ([0, 1, 2, 5, 6, 9], [(0, 3), (5, 7), (9, 10)]),
        ([0, 2, 39], [(0, 1), (2, 3), (39, 40)]),
    ):
        store.asked.clear()
        np.testing.assert_array_equal(source.read(np.array(places)), X[places])
        assert store.asked == slices


@pytest.mark.parametrize("broken", [[5], [17], [34], [30, 18], [6, 7]])
def test_the_first_row_that_can_not_be_read_is_named(broken: list[int]) -> None:
    store = Store()
    store.broken = set(broken)
    said = (
        f"x: expected to read row {min(broken)}, got OSError: no such block: was the data deleted, "
        "or is it damaged?"
    )
    with pytest.raises(mt.DataError) as error:
        stores.Sliced(store, "x").read(np.arange(5, 35))
    assert str(error.value) == said
    assert isinstance(error.value.__cause__, OSError)


def test_errors_of_ours_and_of_memory_are_left_alone() -> None:
    for wrong in (mt.ShapeError("mine"), MemoryError("full")):

        class Fails(Store):
            def __getitem__(self, part: Any, wrong: Exception = wrong) -> Any:
                raise wrong

        for source in (stores.Sliced(Fails(), "x"), stores.ByIndex.__new__(stores.ByIndex)):
            source.x, source.n, source.place = Fails(), 40, "x"
            with pytest.raises(type(wrong), match=r"^(mine|full)$"):
                source._run(0, 2) if isinstance(source, stores.Sliced) else source._sample(0)


def test_rows_of_another_shape_are_named() -> None:
    store = Store()
    source = stores.Sliced(store, "x")
    store.x = X[:, :2]
    with pytest.raises(mt.ShapeError) as error:
        source.read(np.arange(3, 7))
    assert str(error.value) == "x: expected rows 3 to 6 of shape (3,), got (4, 2)"


def test_chunks_that_were_removed_are_found_where_rows_are_blank() -> None:
    """A blank row alone is none, and neither is a chunk more; only first rows of chunks count."""
    x = X.copy()
    store = Store(x, nchunks_initialized=4, chunks=(10, 3))
    source = stores.Sliced(store, "x")
    store.nchunks_initialized = 3
    np.testing.assert_array_equal(source.read(np.arange(40)), X)
    x[20, 1:] = 0
    x[21] = 0
    np.testing.assert_array_equal(source.read(np.arange(40)), x)
    x[20] = 0
    with pytest.raises(mt.DataError) as error:
        source.read(np.arange(10, 40))
    said = "x: expected 4 chunks, as at the beginning, got 3 when rows 10 to 39 were read"
    assert str(error.value) == said
    for now in (4, 5):
        store.nchunks_initialized = now
        np.testing.assert_array_equal(source.read(np.arange(40)), x)
    for unknown in (Store(x), Store(x, nchunks_initialized=lambda: 4)):
        np.testing.assert_array_equal(stores.Sliced(unknown, "x").read(np.arange(40)), x)


@pytest.mark.parametrize(
    ("more", "chunk"),
    [
        ({"chunks": (7, 3)}, 7),
        ({"chunks": ((16, 16, 8), (3,))}, 16),  # Dask's, which differ
        ({"chunks": (7, 3), "shards": (14, 3)}, 14),
        ({"chunks": (7, 3), "shards": None}, 7),
        ({"chunks": None}, 2**22 // 12),
        ({}, 2**22 // 12),
    ],
)
def test_what_is_stored_together(more: dict[str, Any], chunk: int) -> None:
    source = stores.Sliced(Store(**more), "x")
    assert (len(source), source.sample_shape) == (40, (3,))
    assert (source.chunk, source.row_bytes) == (chunk, 12)


def test_a_row_larger_than_a_block_is_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BLOCK_BYTES", 11)
    assert stores.Sliced(Store(), "x").chunk == 1


def test_the_size_of_a_sample() -> None:
    assert stores.InMemory(X, "x").row_bytes == 12
    assert stores.InMemory(np.zeros((4, 0)), "x").row_bytes == 1
    assert stores.InMemory(np.zeros(4), "x").row_bytes == 8
    assert stores.Sliced(Store(np.zeros((4, 0))), "x").row_bytes == 1
    assert stores.Sliced(Store(np.zeros(4, np.int16)), "x").row_bytes == 2
    assert stores.ByIndex([(X[0], np.int16(3)), (X[1], np.int16(4))], "x").row_bytes == 14
    assert stores.ByIndex([np.zeros(0)], "x").row_bytes == 1
    assert stores.Source.chunk is stores.InMemory(X, "x").chunk is None


def test_which_arrays_are_taken_from_without_a_copy() -> None:
    """`take` would copy all of any other."""
    for x, simple in (
        (X, True),
        (X[::2], False),
        (np.asfortranarray(X), False),
        (X.astype(">f4"), False),
        (np.zeros((4, 0)), False),
    ):
        source = stores.InMemory(x, "x")
        assert source.simple is simple
        later = source.ahead(np.arange(len(x))[::-1])
        for first, last in ((0, 2), (1, 4), (3, 4)):
            np.testing.assert_array_equal(later[first:last], x[::-1][first:last])
    kept = stores.InMemory(X, "x").ahead(np.arange(40))
    first = kept[:8]
    assert np.shares_memory(first, kept[2:6])
    np.testing.assert_array_equal(first[:4], X[2:6])  # valid until the next time


def test_no_samples_and_no_axes() -> None:
    with pytest.raises(mt.DataError, match=r"^x: expected at least one sample, got none$"):
        stores.Sliced(Store(X[:0]), "x")
    with pytest.raises(mt.DataError, match=r"^x: expected at least one axis, got a single number$"):
        stores.Sliced(Store(np.array(3.0)), "x")


def test_a_length_that_changes_is_told() -> None:
    for make, kind in ((stores.Sliced, Store()), (stores.ByIndex, [*X])):
        source: Any = make(kind, "x")
        if isinstance(kind, Store):
            kind.shape = (39, 3)
        else:
            kind.pop()
        with pytest.raises(mt.DataError) as error:
            source.read(rows(5, 6))
        assert str(error.value) == (
            "x: expected 40 samples, as at the beginning, got 39 when row 5 was read: do not "
            "change the data while a run reads it"
        )


def test_what_identifies_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All rows of a small source, and 64 of a large one, from the first to the last."""
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole = f"40 x (3,) <f4, 40 rows {zlib.crc32(X.tobytes()):08x}"
    monkeypatch.setattr(stores, "AFFORDABLE", 40 * 12)
    monkeypatch.setattr(stores, "BLOCK_BYTES", 30)
    for source in (stores.Sliced(Store(), "x"), stores.Mapped(mapped, "x")):
        assert source.identity() == whole
    monkeypatch.setattr(stores, "AFFORDABLE", 40 * 12 - 1)
    assert stores.Sliced(Store(), "x").identity() == whole  # there are fewer than 64
    monkeypatch.setattr(stores, "SAMPLED", 4)
    monkeypatch.setattr(stores, "AFFORDABLE", 40 * 12)
    assert stores.Sliced(Store(), "x").identity() == whole
    monkeypatch.setattr(stores, "AFFORDABLE", 40 * 12 - 1)
    some = zlib.crc32(X[[0, 13, 26, 39]].tobytes())
    assert stores.Sliced(Store(), "x").identity() == f"40 x (3,) <f4, 4 rows {some:08x}"
    memory = stores.InMemory(X, "x")
    assert memory.identity().startswith("40 x (3,) <f4, all ")
    assert memory.identity() != stores.InMemory(X[::-1], "x").identity()
    samples = stores.ByIndex([*X], "x")
    assert samples.identity() == "list of 40, (3,)"
    pair = stores.Columns(memory, samples, None, "x")
    assert pair.identity() == f"{memory.identity()}; {samples.identity()}"
    assert stores.Part(samples, 5, 9).identity() == "rows 5 to 9 of list of 40, (3,)"


def test_the_sizes_that_are_read_and_kept() -> None:
    assert (stores.AFFORDABLE, stores.SAMPLED) == (67_108_864, 64)
    assert (order.WINDOW_BYTES, order.BLOCK_BYTES, order.GROUP_NUMBERS) == (
        33_554_432,
        4_194_304,
        262_144,
    )


def taken(source: stores.Source, places: AnyArray) -> Any:
    return source.ahead(places)[:1]


def test_a_file_that_was_cut_or_deleted(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    size = path.stat().st_size
    for source in (
        stores.Mapped(np.load(path, mmap_mode="r"), "x"),
        stores.Mapped(np.load(path, mmap_mode="r")[:, ::2], "x"),
        stores.Sliced(Store(file=type("File", (), {"filename": str(path)})), "x"),
    ):
        uses: list[Any] = [source.read, functools.partial(taken, source)]
        if isinstance(source, stores.InMemory):
            uses.append(functools.partial(source.picked, room=np.empty((1, 3), "f4")))
        for use in uses:
            np.testing.assert_array_equal(use(rows(7))[0, 0], X[7, 0])
        path.write_bytes(path.read_bytes() + b"more")  # is no harm
        source.read(rows(7))
        with path.open("r+b") as file:
            file.truncate(size - 1)
        for use in uses:
            with pytest.raises(mt.DataError) as error:
                use(rows(7))
            assert str(error.value) == (
                f"x: expected {path} with {size:,} bytes, as at the beginning, got {size - 1:,} "
                "when row 7 was to be read"
            )
        path.unlink()
        with pytest.raises(mt.DataError, match="x: expected to read row 7, got FileNotFoundError"):
            source.read(rows(7))
        np.save(path, X)


def test_samples_one_at_a_time() -> None:
    pairs = [(row, {"kind": number}) for number, row in enumerate(X)]
    x, y = stores.ByIndex(pairs, "x").read(rows(4, 2))
    np.testing.assert_array_equal(x, X[[4, 2]])
    np.testing.assert_array_equal(y["kind"], [4, 2])
    wrong = [*X[:5], X[5, :2]]
    with pytest.raises(mt.ShapeError) as error:
        stores.ByIndex(wrong, "x").read(rows(4, 5))
    said = "x: expected samples of shape (3,), as the first one, got (2,) at row 5"
    assert str(error.value) == said
    with pytest.raises(mt.DataError, match="x: expected to read row 3, got KeyError: 3"):
        stores.ByIndex({0: X[0], 1: X[1], 2: X[2], 4: X[4]}, "x").read(rows(2, 3))


def test_columns_and_parts() -> None:
    x, y = stores.Sliced(Store(chunks=(8, 3)), "x"), stores.InMemory(np.arange(40), "y")
    weights = stores.Sliced(Store(X[:, 0], chunks=(20,)), "weights")
    both, all_three = stores.Columns(x, y, None, "fit"), stores.Columns(x, y, weights, "fit")
    assert (both.chunk, both.row_bytes, len(both)) == (8, 20, 40)
    assert (all_three.chunk, all_three.row_bytes) == (20, 24)
    assert stores.Columns(y, y, None, "fit").chunk is None
    ahead = stores.tree(lambda part: part[:], all_three.ahead(rows(3, 4, 9)))
    both_ways: list[Any] = [all_three.read(rows(3, 4, 9)), ahead]
    for found in both_ways:
        for one, whole in zip(found, [X, np.arange(40), X[:, 0]], strict=True):
            np.testing.assert_array_equal(one, np.asarray(whole)[[3, 4, 9]])
    part: Any = stores.Part(all_three, 10, 25)
    assert (len(part), part.chunk, part.row_bytes, part.place) == (15, 20, 24, "fit")
    np.testing.assert_array_equal(part.read(rows(0, 14))[1], [10, 24])
    np.testing.assert_array_equal(part.ahead(rows(0, 14))[1][:], [10, 24])
    with pytest.raises(mt.ShapeError) as error:
        stores.Columns(x, y, stores.InMemory(np.ones(39), "weights"), "fit")
    said = "expected as many targets as samples, got x: 40, y: 40, weights: 39"
    assert str(error.value) == said


# The order of rows, and their groups


def test_rows_in_turn() -> None:
    given = rows(6, 2, 4, 0, 5)
    assert [block.tolist() for block in in_turn(given, 5, 2)] == [[6, 2], [4, 0], [5]]
    assert [block.tolist() for block in in_turn(None, 5, 3)] == [[0, 1, 2], [3, 4]]
    assert [block.tolist() for block in in_turn(None, 4, 2)] == [[0, 1], [2, 3]]


def test_what_a_resumed_run_has_used_is_left_out() -> None:
    blocks = [rows(6, 2), rows(4), rows(0, 5, 1)]
    for skipped, left in (
        (0, [[6, 2], [4], [0, 5, 1]]),
        (1, [[2], [4], [0, 5, 1]]),
        (2, [[4], [0, 5, 1]]),
        (3, [[0, 5, 1]]),
        (5, [[1]]),
        (6, []),
    ):
        assert [block.tolist() for block in without_first(iter(blocks), skipped)] == left


def test_the_rows_of_one_process_among_several() -> None:
    """Pieces of 4, 1 and 3 rows, of which each gives its first half; blocks cut across them."""
    blocks = [np.arange(0, 3), np.arange(3, 5), np.arange(5, 8)]
    found = own_rows(iter(blocks), iter([4, 1, 3]), lambda size: slice(0, (size + 1) // 2))
    assert [block.tolist() for block in found] == [[0, 1], [4], [5, 6]]


def test_batches_and_their_pieces() -> None:
    assert list(spans(7, 3, 2)) == [
        Span(2, False),
        Span(1, True),
        Span(2, False),
        Span(1, True),
        Span(1, True),
    ]
    assert list(spans(7, 3, 3, done=1)) == [Span(3), Span(1)]
    assert list(spans(6, 3, 5, done=1)) == [Span(3)]
    assert Span(3) == (3, True, None)


def test_spans_in_groups() -> None:
    sizes = [Span(size) for size in (2, 2, 3, 5, 1)]
    for most, groups in (
        (4, [[2, 2], [3], [5], [1]]),
        (5, [[2, 2], [3], [5], [1]]),
        (7, [[2, 2, 3], [5, 1]]),
        (1, [[2], [2], [3], [5], [1]]),
        (100, [[2, 2, 3, 5, 1]]),
    ):
        assert [[one.size for one in group] for group in grouped(sizes, most)] == groups
    assert list(grouped([], 3)) == []


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("chunks", [None, (4, 3)])
def test_groups_across_blocks(prefetch: int, chunks: Any) -> None:
    """In the order that is asked for, whatever order the store reads them in."""
    places = np.random.default_rng(0).permutation(40)[:17]
    source = stores.Sliced(Store(chunks=chunks), "x")
    blocks = [places[:5], places[5:6], places[6:]]
    cuts = [[Span(2)], [Span(1), Span(4)], [Span(10)]]
    seen: list[list[int]] = []

    def prepared(samples: Any, stored: AnyArray) -> Any:
        seen.append(stored.tolist())
        return -samples

    found = list(reading.read(source, iter(blocks), iter(cuts), prefetch, prepared))
    at = 0
    for group, cut, last in zip(found, cuts, (2, 7, 17), strict=True):
        assert isinstance(group, Group)
        assert (group.spans, group.seen) == (cut, 0)
        np.testing.assert_array_equal(group.rows, places[at:last])
        np.testing.assert_array_equal(group.samples, -X[places[at:last]])
        at = last
    assert seen == [sorted(block.tolist()) for block in blocks]
