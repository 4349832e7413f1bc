"""Text in, tokens out: tokenizer, windows, networks of tokens, generation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

TEXT = "the cat sat on the mat. " * 30


def naive(model: mt.Sequential, prompt: list[int], length: int) -> list[int]:
    """The most probable tokens, with the whole sequence read anew for each."""
    tokens = list(prompt)
    for _ in range(length):
        scores, _ = model.step(np.array([tokens], model.dtype))
        tokens.append(int(scores[0, -1].argmax()))
    return tokens[len(prompt) :]


def networks() -> list[mt.Sequential]:
    return [
        mt.gpt(11, 40, 2, 2, 16, seed=0),
        mt.char_rnn(11, 40, 16, 2, seed=0),
        mt.char_rnn(11, 40, 16, cell="gru", dropout=0.1, seed=0),
    ]


@pytest.mark.parametrize("model", networks())
def test_generation_gives_the_tokens_of_the_whole_sequence(model: mt.Sequential) -> None:
    found = list(mt.generate(model, [3, 1, 4], 30, temperature=0))
    assert found == naive(model, [3, 1, 4], 30)
    one, other, third = (list(mt.generate(model, [3], 20, rng=seed)) for seed in (1, 1, 2))
    assert one == other != third


def test_past_its_context_a_model_goes_on() -> None:
    model = mt.gpt(11, 8, 1, 2, 8, seed=0)
    assert len(list(mt.generate(model, list(range(11)), 30, rng=0))) == 30


def test_a_text_is_learned(tmp_path: Path) -> None:
    tokenizer = mt.data.CharTokenizer(TEXT)
    windows = mt.data.TextWindows(tokenizer.encode(TEXT), 24)
    x, y = windows.random(32, np.random.default_rng(0))
    model = mt.gpt(len(tokenizer), 24, 1, 2, 32, seed=0)
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.AdamW(0.01), metrics=[mt.Perplexity()], seed=0
    )
    history = trainer.fit(x, y, epochs=120)
    assert history["perplexity"][-1] < 1.2
    model.save(tmp_path / "gpt.npz")
    again = mt.Sequential.load(tmp_path / "gpt.npz")
    tokens = list(mt.generate(again, tokenizer.encode("the cat"), 12, temperature=0))
    assert tokenizer.decode(tokens) == " sat on the "


def test_top_k_and_top_p_leave_the_unlikely_out() -> None:
    from minitorch_np.core.generation import drawn

    rng, scores = np.random.default_rng(0), np.log([0.1, 0.5, 0.05, 0.35])

    def seen(**options: Any) -> dict[int, float]:
        given = {"temperature": 1.0, "top_k": None, "top_p": None, **options}
        found = [drawn(scores, rng=rng, **given) for _ in range(4000)]
        return {n: found.count(n) / 4000 for n in sorted(set(found))}

    assert seen() == pytest.approx({0: 0.1, 1: 0.5, 2: 0.05, 3: 0.35}, abs=0.03)
    assert seen(top_k=2) == pytest.approx({1: 0.5 / 0.85, 3: 0.35 / 0.85}, abs=0.03)
    assert seen(top_p=0.6) == pytest.approx({1: 0.5 / 0.85, 3: 0.35 / 0.85}, abs=0.03)
    assert seen(top_p=0.4) == {1: 1.0}
    assert seen(top_p=0.0) == {1: 1.0}
    assert seen(temperature=0.0) == {1: 1.0}
    assert seen(temperature=0.5)[1] == pytest.approx(0.25 / 0.385, abs=0.03)


def test_windows_are_stretches_and_what_follows() -> None:
    ids = np.arange(50)
    windows = mt.data.TextWindows(ids, 8)
    x, y = windows.consecutive()
    assert x.shape == (6, 8)
    np.testing.assert_array_equal(x.reshape(-1), ids[:48])
    np.testing.assert_array_equal(y, x + 1)
    x, y = windows.random(500, np.random.default_rng(0))
    np.testing.assert_array_equal(y, x + 1)
    assert x.min() == 0
    assert y.max() == 49
    np.testing.assert_array_equal(np.diff(x), 1)
    batches = list(windows.streams(3))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches], 1)[1], 16 + ids[:16])
    assert len(list(mt.data.TextWindows(ids[:9], 8).streams(1))) == 1


def test_a_tokenizer_goes_both_ways() -> None:
    tokenizer = mt.data.CharTokenizer("b\u00e4a\n")
    assert tokenizer.characters == "\nab\u00e4"
    assert tokenizer.decode(tokenizer.encode("ab\u00e4\nb")) == "ab\u00e4\nb"
    for unknown in "c\U0001f600\t":  # beyond the last, and between others
        with pytest.raises(mt.DataError, match=f"got {unknown!r} at place 2".replace("\\", ".")):
            tokenizer.encode(f"ab{unknown}")
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.encode("ab").dtype == np.int64
    faces = mt.data.CharTokenizer("\U0001f600\ud800z")
    assert faces.decode(faces.encode("z\U0001f600\ud800")) == "z\U0001f600\ud800"
    with pytest.raises(mt.DataError, match="from 0 to 3, got 4 at place 1"):
        tokenizer.decode([0, 4])


def test_a_file_that_is_no_text_says_where(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("caf\u00e9\n", "utf-8")
    assert mt.data.load_text(tmp_path / "good.txt") == "caf\u00e9\n"
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9!")
    with pytest.raises(mt.DataError, match="UTF-8, got byte 0xe9 at byte 3"):
        mt.data.load_text(tmp_path / "bad.txt")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.data.TextWindows(np.arange(8), 8), "at least 9 numbers.*got 8"),
        (lambda: mt.data.TextWindows(np.ones((3, 3), int), 2), "one row of whole numbers"),
        (lambda: list(mt.data.TextWindows(np.arange(20), 8).streams(3)), "at least 25 numbers"),
        (lambda: mt.data.CharTokenizer(""), "at least one character"),
        (lambda: mt.generate(networks()[0], [], 3), "one or more tokens"),
        (lambda: mt.generate(networks()[0], [1], 3, temperature=-1), "temperature"),
        (lambda: mt.generate(networks()[0], [1], 3, top_k=0), "top_k"),
        (lambda: mt.generate(networks()[0], [1], 3, top_p=2), "top_p"),
        (lambda: list(mt.generate(networks()[0], [99], 3)), "from 0 to 10, got 99"),
        (lambda: list(mt.generate(mt.mlp([2, 3]), [1, 2], 3)), "expected 2 features"),
        (lambda: mt.gpt(5, 8, layers=0), "layers"),
        (lambda: mt.gpt(5, 8, heads=3), "3 heads divide"),
        (lambda: mt.char_rnn(5, 8, cell="dense"), "cell"),
    ],
)
def test_what_has_no_meaning_is_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        make()


@pytest.mark.parametrize(
    ("length", "steps", "starts"),
    [(7, 3, [0, 3]), (6, 3, [0]), (4, 3, [0]), (9, 1, list(range(8))), (10, 3, [0, 3, 6])],
)
def test_consecutive_windows_use_all_that_there_is(
    length: int, steps: int, starts: list[int]
) -> None:
    x, y = mt.data.TextWindows(np.arange(length), steps).consecutive()
    expected = [list(range(start, start + steps)) for start in starts]
    assert x.tolist() == expected
    np.testing.assert_array_equal(y, x + 1)


def test_windows_at_random_reach_both_ends() -> None:
    windows = mt.data.TextWindows(np.arange(6), 3)
    x, y = windows.random(200, 0)
    assert {row[0] for row in x.tolist()} == {0, 1, 2}
    np.testing.assert_array_equal(y, x + 1)
    assert (mt.data.TextWindows(np.arange(4), 3).random(5, 0)[0] == [0, 1, 2]).all()


def test_streams_are_parts_of_equal_length() -> None:
    windows = mt.data.TextWindows(np.arange(14), 3)
    found = [x.tolist() for x, _ in windows.streams(2)]
    assert found == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    assert [len(x) for x, _ in windows.streams(4)] == [4]
    with pytest.raises(mt.DataError) as error:
        next(windows.streams(5))
    said = "TextWindows: expected a text of at least 16 numbers for 5 streams, got 14"
    assert str(error.value) == said
    with pytest.raises(mt.DataError) as error:
        mt.data.TextWindows(np.arange(3), 3)
    assert str(error.value) == (
        "TextWindows: expected a text of at least 4 numbers, one window and its last target, got 3"
    )
