"""How data comes to a model: its kind, its batches, and what does not go together."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from minitorch_np.sources.reading import checked_at, converted, kind_of, rows_of
from minitorch_np.sources.stream import Stream, _checksum, _takes_epoch

X, Y = np.random.default_rng(0).random((10, 3)), np.arange(10) % 2


class Indexed:
    """With a length and items: a data set of samples."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, row: int) -> Any:
        return X[row], Y[row]


class Endless:
    """With items, but neither a length nor a shape."""

    def __getitem__(self, row: int) -> Any:
        return X[row]


class Stored(Indexed):
    shape, dtype = X.shape, X.dtype


class Tensor(Stored):
    def __array__(self, *given: object, **options: object) -> AnyArray:
        return X


class Frame(Indexed):
    iloc = None


class Sequence(Indexed):
    def __array__(self, *given: object, **options: object) -> AnyArray:
        return X


class Loader:
    def __iter__(self) -> Iterator[Any]:
        return iter([(X, Y)])


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (X, "memory"),
        (X.tolist(), "memory"),
        ({"a": X}, "memory"),
        ({1, 2}, "memory"),
        ("text", "memory"),
        (3.0, "memory"),
        (None, "memory"),
        (array.array("d", [1, 2]), "memory"),
        (memoryview(b"ab"), "memory"),
        (np.float64(1), "memory"),
        (np.ma.masked_array([1.0]), "memory"),
        (Frame(), "memory"),
        (Sequence(), "memory"),
        (Stored(), "store"),
        (Tensor(), "store"),
        (Indexed(), "samples"),
        (Endless(), "memory"),
        (Loader(), "batches"),
        (iter([1]), "batches"),
        (lambda: iter([1]), "batches"),
        (Loader, "memory"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_of_which_kind_data_is(x: Any, kind: str) -> None:
    assert kind_of(x) == kind


def model(**given: Any) -> mt.Sequential:
    return mt.Sequential(mt.Dense(2), input_shape=3, seed=0, dtype=np.float64, **given)


def trainer() -> mt.Trainer:
    return mt.Trainer(model(), "softmax_cross_entropy", "sgd", seed=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda fit: fit(lambda: iter([(X, Y)]), Y),
            "fit: expected no y and no sample_weight with",
        ),
        (
            lambda fit: fit(lambda: iter([(X, Y)]), sample_weight=Y),
            "fit: expected no y and no sample_weight with an iterable",
        ),
        (
            lambda fit: fit(X, Y, steps_per_epoch=3),
            "fit: expected no steps_per_epoch for data whose length is known, got 3",
        ),
        (lambda fit: fit(X), "fit: expected targets y with x, or a data set or an iterable with"),
        (
            lambda fit: fit(X, Y, validation_data=(X, Y), validation_split=0.5),
            r"validation_data: expected \(x, y\) or .* and no validation_split .*, got 2 items",
        ),
        (lambda fit: fit(X, Y, validation_data=(X,)), "got 1 items$"),
        (lambda fit: fit(X, Y, validation_data=(X, Y, Y, Y)), "got 4 items$"),
        (lambda fit: fit(X, Y, validation_data={"x": X}), "got dict$"),
        (lambda fit: fit(lambda: iter([(X, Y)])), "x: expected steps_per_epoch with an iterable"),
    ],
)
def test_what_does_not_go_together(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        call(trainer().fit)


def test_predictions_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, sizes = model(), list[int]()
    expected = X @ plain.state_dict()["0.weight"].T
    forward = type(plain).forward

    def counted(self: Any, x: Any, **given: Any) -> Any:
        sizes.append(len(x))
        return forward(self, x, **given)

    monkeypatch.setattr(type(plain), "forward", counted)
    for x in (X, X.tolist(), Stored, Indexed):
        for size, pieces in ((4, [4, 4, 2]), (5, [5, 5]), (10, [10]), (256, [10])):
            sizes.clear()
            given: Any = x() if isinstance(x, type) else x
            if isinstance(given, Stored):
                given = Slices()
            np.testing.assert_allclose(plain.predict(given, size), expected, rtol=1e-12)
            assert sizes == pieces
    np.testing.assert_allclose(plain.predict(X, scale=0.5), expected / 2)
    wrong = X.copy()
    wrong[7, 1] = np.nan
    with pytest.raises(mt.DataError, match=r"^predict: x: .* got nan at row 7, column 1"):
        plain.predict(wrong, 4)
    for sample in (X[0], X[0].tolist()):
        with pytest.raises(mt.ShapeError):
            plain.predict(sample)


class Slices:
    shape, dtype = X.shape, X.dtype

    def __getitem__(self, part: slice) -> AnyArray:
        return X[part]


def test_samples_in_another_dtype() -> None:
    pixels = np.array([[0, 255], [51, 102]], np.uint8)
    found = converted(pixels, np.float32, 1 / 255, "x")
    np.testing.assert_allclose(found, pixels / 255, rtol=1e-6)
    assert found.dtype == np.float32
    kept: dict[int, Any] = {}
    first = converted(pixels, np.float32, None, "x", kept)
    again = converted(pixels[:1], np.float32, 2.0, "x", kept)
    assert np.shares_memory(first, again)
    np.testing.assert_array_equal(again, [[0, 510]])
    assert converted(X, np.float64, None, "x", kept) is X
    copied = converted(X, np.float64, None, "x")
    assert not np.shares_memory(copied, X)
    larger = converted(np.ones((3, 2), np.uint8), np.float32, None, "x", kept)
    assert not np.shares_memory(larger, first)
    wider = converted(np.ones((2, 3), np.uint8), np.float32, None, "x", kept)
    assert wider.shape == (2, 3)
    both = converted((pixels, X), np.float32, None, "x", kept)
    assert [part.dtype for part in both] == [np.float32, np.float32]
    for wrong, scale in ((np.array([1e39]), None), (pixels, 1e37), (np.array([np.nan]), 0.5)):
        with pytest.raises(mt.DataError, match="^x: expected finite numbers, got"):
            converted(wrong, np.float32, scale, "x")


# Iterables of batches


def batches() -> list[Any]:
    return [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])]


def sizes_of(stream: Stream, number: int, **given: Any) -> list[tuple[int, int]]:
    return [(one.number, len(one.batch[0])) for one in stream.epoch(number, **given)]


def test_an_epoch_of_an_iterable() -> None:
    stream = Stream(batches, None, "x")
    assert sizes_of(stream, 0) == [(0, 4), (1, 4), (2, 2)]
    assert sizes_of(stream, 1) == [(0, 4), (1, 4), (2, 2)]
    assert Stream(batches(), None, "x").steps == 3  # its length
    assert Stream(Loader(), None, "x").steps is None
    short = Stream(batches, 2, "x")
    assert sizes_of(short, 0) == [(0, 4), (1, 4)]
    for made, steps, said in (
        (batches, 4, "x: expected 4 batches an epoch, got 3: set steps_per_epoch to"),
        (lambda: [], 2, "x: expected 2 batches an epoch, got none: set steps_per_epoch"),
        (lambda: [], None, "x: expected at least one batch, got none: set steps_per_epoch"),
    ):
        with pytest.raises(mt.DataError, match=f"^{said}"):
            sizes_of(Stream(made, steps, "x"), 0)


def test_a_generator_goes_on_from_epoch_to_epoch() -> None:
    stream = Stream((pair for pair in batches() * 2), 2, "x")
    first = stream.first()
    np.testing.assert_array_equal(first[0], X[:4])
    seen = [[len(one.batch[0]) for one in stream.epoch(number)] for number in range(3)]
    assert seen == [[4, 4], [2, 4], [4, 2]]


def test_a_function_may_take_the_number_of_the_epoch() -> None:
    asked = list[int]()

    def made(epoch: int) -> Any:
        asked.append(epoch)
        return batches()[epoch:]

    stream = Stream(made, None, "x")
    assert [len(sizes_of(stream, number)) for number in (0, 1, 2)] == [3, 2, 1]
    assert asked == [0, 1, 2]
    assert _takes_epoch(made)
    assert _takes_epoch(lambda n, /: n)
    for other in (batches, lambda n=1: n, lambda *n: n, lambda *, n: n, lambda **n: n, dict):
        assert not _takes_epoch(other)


def test_a_resumed_epoch_is_the_one_that_was_begun() -> None:
    stream = Stream(batches, None, "x")
    seen = [one.seen for one in stream.epoch(0)]
    assert len(set(seen)) == 3
    again = Stream(batches, None, "x")
    assert sizes_of(again, 0, done=2, seen=seen[1]) == [(2, 2)]
    with pytest.raises(
        mt.DataError, match=r"^x: expected the 2 batches that this epoch was already"
    ):
        sizes_of(Stream(batches, None, "x"), 0, done=2, seen=seen[0])


def test_what_tells_batches_apart() -> None:
    """The targets and the first sample."""
    plain = _checksum((X, Y), 0)
    other = X.copy()
    other[1:] = 0
    assert _checksum((other, Y), 0) == plain
    assert (
        len({plain, _checksum((X + 1, Y), 0), _checksum((X, 1 - Y), 0), _checksum((X, Y), 1)}) == 4
    )
    names = np.array(["a", "b"] * 5, object)
    assert _checksum((X, names), 0) != _checksum((X, names[::-1]), 0)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (
            X,
            "(x, y, sample_weight), got <class 'numpy.ndarray'> as batch 0",
        ),
        ((X,), "expected batches (x, y) or (x, y, sample_weight), got 1 items as batch 0"),
        ((X, Y, Y, Y), "got 4 items as batch 0"),
        ((X, Y[:9]), "in batch 0, and at least one, got shapes (10, 3), (9,)"),
        ((X[:0], Y[:0]), "in batch 0, and at least one, got shapes (0, 3), (0,)"),
        ((3.0, 4.0), "in batch 0, and at least one, got shapes (), ()"),
    ],
)
def test_what_is_no_batch(batch: Any, said: str) -> None:
    with pytest.raises(mt.DataError) as error:
        Stream([batch], None, "x").first()
    assert str(error.value).startswith("x: expected")
    assert said in str(error.value)


def test_functions_that_make_no_batches() -> None:
    def fails() -> Any:
        raise OSError("gone")

    def breaks() -> Any:
        yield X, Y
        raise OSError("gone")

    for made, said in (
        (fails, "x: expected a function that returns an iterator over batches, got OSError: gone"),
        (lambda: 3, "x: expected a function that returns an iterator over batches, got one that "),
        (breaks, "x: expected batch 1, got OSError: gone"),
    ):
        with pytest.raises(mt.DataError) as error:
            sizes_of(Stream(made, None, "x"), 0)
        assert str(error.value).startswith(said)
    for wrong in (mt.ShapeError("mine"), MemoryError("mine")):

        def raises(wrong: Exception = wrong) -> Any:
            raise wrong

        with pytest.raises(type(wrong), match="^mine$"):
            sizes_of(Stream(raises, None, "x"), 0)


def test_the_number_of_samples_in_a_batch() -> None:
    for batch, n in (((X, Y), 10), ({"a": X[:3]}, 3), ([], 0), (np.array(3.0), 0)):
        assert rows_of(batch) == n


def test_the_row_that_fails_on_its_own_is_named() -> None:
    def check(rows: AnyArray) -> float:
        if (rows < 0).any():
            place = "row 0 of it" if len(rows) == 1 and rows[0, 0] == -1 else "somewhere"
            raise mt.DataError(f"negative at {place}")
        return float(rows.sum())

    good = np.ones((3, 2))
    assert checked_at(check, good, ["a", "b", "c"]) == 6
    for value, said in ((-1.0, "negative at row c of it"), (-2.0, "negative at somewhere (row c)")):
        bad = good.copy()
        bad[2] = value
        with pytest.raises(mt.DataError) as error:
            checked_at(check, bad, ["a", "b", "c"])
        assert str(error.value) == said
