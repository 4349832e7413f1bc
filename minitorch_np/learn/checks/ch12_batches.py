"""Mini-batches, to 90 % on digits that the network has not seen."""

from types import GeneratorType
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.data import load_mnist
from minitorch_np.learn.checks.ch09_first_layer import network
from minitorch_np.learn.checks.ch11_loop import NAMES, NEEDED, first_weights, share_read
from minitorch_np.learn.inputs import CASES, RANDOM, SQUARE, Sizes
from minitorch_np.learn.outcome import UnlikeError, described
from minitorch_np.learn.task import Task, mistake

TITLE = "mini-batches: shuffled pairs, an epoch, to 90 % on digits not seen"

SIZES = ((12, 5), (8, 4), (9, 4), (10, 20), (7, 3))
"""Pictures, and pictures in a batch."""


def _data(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    m, batch_size = SIZES[(sizes["m"] + sizes["inputs"]) % len(SIZES)]
    numbers = np.arange(1.0, m + 1)
    X = np.stack([numbers, 10 * numbers, np.ones(m)])
    return X, np.stack([100 * numbers, -numbers]), batch_size, np.random.default_rng(m)


def _facts(function: Any, inputs: tuple[Any, ...]) -> Any:
    """What is true of the batches, whatever their order is."""
    X, Y, batch_size, rng = inputs
    X0, Y0 = X.copy(), Y.copy()
    numbers = X[0].copy()
    got = function(X, Y, batch_size, rng)
    if got is ... or got is None:
        return got
    first, second = _pairs(got), _pairs(function(X0.copy(), Y0.copy(), batch_size, rng))
    again = _pairs(function(X0, Y0, batch_size, np.random.default_rng(X.shape[1])))
    ids = _ids(first, 0)
    labels = _ids(first, 1) / 100
    return {
        "pictures in each batch": np.array([x.shape[-1] for x, _ in first]),
        "the batches' rows": np.array([len(x) for x, _ in first] + [len(y) for _, y in first]),
        "every picture once": np.array(np.array_equal(np.sort(ids), numbers)),
        "labels belong to their pictures": np.array(np.array_equal(ids, labels)),
        "labels shuffled": np.array(not np.array_equal(labels, numbers)),
        "pictures shuffled": np.array(not np.array_equal(ids, numbers)),
        "shuffled anew the next time": np.array(not np.array_equal(ids, _ids(second, 0))),
        "the same for the same rng": np.array(np.array_equal(ids, _ids(again, 0))),
    }


def _pairs(got: Any) -> list[tuple[AnyArray, AnyArray]]:
    if not isinstance(got, (list, tuple, GeneratorType)):
        raise UnlikeError(f"{described(got)}, not a list of pairs (X, Y)")
    found = [tuple(item) if isinstance(item, (tuple, list)) else () for item in got]
    if any(len(item) != 2 for item in found):
        raise UnlikeError("a list of something else than pairs (X, Y)")
    return [(np.atleast_2d(x), np.atleast_2d(y)) for x, y in found]


def _ids(pairs: list[tuple[AnyArray, AnyArray]], which: int) -> AnyArray:
    return np.concatenate([pair[which][0] for pair in pairs] or [np.zeros(0)])


def _epoch(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    X, Y, *parameters = network(rng, {**sizes, "m": 3 * sizes["m"] + 1}, kind)
    m = sizes["m"]
    pairs = [(X[:, i : i + m], Y[:, i : i + m]) for i in range(0, X.shape[1], m)]
    return (pairs, *parameters, float(rng.choice([0.1, 0.3, 0.5])))


def on_digits(epoch: Any) -> tuple[str, str]:
    """Train for some epochs; test on digits that were not trained on."""
    digits = load_mnist()
    X, Y = digits.train.features().T, np.eye(10, dtype=np.float32)[digits.train.labels].T
    rng, m = np.random.default_rng(0), X.shape[1]
    parameters = tuple(a.astype(np.float32) for a in first_weights(32, 784, rng))
    for _ in range(5):
        order = rng.permutation(m)
        parts = [order[i : i + 50] for i in range(0, m, 50)]
        parameters = epoch([(X[:, part], Y[:, part]) for part in parts], *parameters, 0.3)
    share = share_read(digits.test, parameters)
    said = f"after 5 epochs your network reads {share:.1%} of 2,000 digits that it has not seen"
    return ("", said) if share >= NEEDED else (f"{said}; expected {NEEDED:.0%}", "")


PAIR = "found.append((X[:, chosen], Y[:, chosen]))"
STEP = "W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, alpha)"

TASKS = (
    Task(
        "batches", _data, "a list of pairs (part of X, part of Y): all pictures once, shuffled",
        observe=_facts,
        cases=tuple(case for case in CASES if case.kind in (RANDOM, SQUARE)),
        notes="Not in the notes: they use all pictures in each step",
        hints=(
            "First an order: order = rng.permutation(m). Then pieces of it: order[start : start + "
            "batch_size], with start in range(0, m, batch_size).",
            "A piece chooses columns: X[:, piece] and Y[:, piece], the same piece for both.",
        ),
        mistakes=(
            mistake("pictures are shuffled, and labels are not: they no longer belong together",
                    "Y[:, chosen]", "Y[:, start:start + batch_size]"),
            mistake("labels are shuffled, and pictures are not: they no longer belong together",
                    "X[:, chosen]", "X[:, start:start + batch_size]"),
            mistake("pictures and labels are shuffled in two different orders", "Y[:, chosen]",
                    "Y[:, rng.permutation(m)[start:start + batch_size]]"),
            mistake("nothing is shuffled", "rng.permutation(m)", "np.arange(m)",
                    "m = X.shape[1]", "import numpy as np\n    m = X.shape[1]"),
            mistake("the last, smaller batch is lost", "range(0, m, batch_size)",
                    "range(0, m - batch_size + 1, batch_size)"),
            mistake("the last batch is lost even where it is full", "range(0, m, batch_size)",
                    "range(0, m - batch_size, batch_size)"),
            mistake("the batches overlap: range needs the step batch_size", "range(0, m, batch_size)",
                    "range(m)"),
            mistake("there is one batch alone", "range(0, m, batch_size)", "range(1)"),
            mistake("each batch has one picture too many, which the next has too",
                    "start + batch_size]", "start + batch_size + 1]"),
            mistake("each batch has one picture too few", "start + batch_size]",
                    "start + batch_size - 1]"),
            mistake("pictures are drawn at random for each batch, so that some come twice and others "
                    "never", "chosen = order[start:start + batch_size]",
                    "chosen = rng.integers(0, m, min(batch_size, m - start))"),
            mistake("the random numbers do not come from rng: the same seed has to give the same "
                    "order", "rng.permutation(m)", "np.random.permutation(m)", "m = X.shape[1]",
                    "import numpy as np\n    m = X.shape[1]"),
            mistake("the order is the same in each epoch: rng is not used (a generator made anew "
                    "inside gives the same order each time)", "rng.permutation(m)", "np.random.default_rng(0).permutation(m)",
                    "m = X.shape[1]", "import numpy as np\n    m = X.shape[1]"),
            mistake("the batches are transposed: pictures are in rows", PAIR,
                    "found.append((X[:, chosen].T, Y[:, chosen].T))"),
            mistake("rows are chosen, not columns: X[chosen] for X[:, chosen]", PAIR,
                    "found.append((X[chosen % len(X)], Y[chosen % len(Y)]))"),
            mistake("the smaller batch at the end is filled up with pictures that were there "
                    "already", "chosen = order[start:start + batch_size]",
                    "chosen = order[[i % m for i in range(start, start + batch_size)]]"),
        ),
    ),
    Task(
        "epoch", _epoch, "W1, b1, W2, b2 after one step with each batch", outputs=NAMES,
        notes="Repeat all processes for training the model",
        hints=("for X, Y in pairs: one step, which starts from the parameters of the one before.",),
        mistakes=(
            mistake("only the first batch is used: is the `return` inside the loop?",
                    "in pairs", "in pairs[:1]"),
            mistake("only the last batch is used: each step has to start from the one before",
                    "in pairs", "in pairs[-1:]"),
            mistake("the last batch is left out", "in pairs", "in pairs[:-1]"),
            mistake("the first batch is left out", "in pairs", "in pairs[1:]"),
            mistake("the batches are used in reverse order", "in pairs", "in pairs[::-1]"),
            mistake("each batch is used twice", STEP, STEP + "\n        " + STEP),
            mistake("two epochs are made", "in pairs", "in pairs + pairs"),
            mistake("alpha is missing", "alpha)\n", "1)\n"),
            mistake("the sign is wrong", "alpha)\n", "-alpha)\n"),
            mistake("alpha is divided by the number of batches", "alpha)\n", "alpha / len(pairs))\n"),
            mistake("the parameters are not changed at all", "W1, b1, W2, b2 = step", "_ = step"),
            mistake("only layer 2 learns", "W1, b1, W2, b2 = step", "_, _, W2, b2 = step"),
            mistake("only layer 1 learns", "W1, b1, W2, b2 = step", "W1, b1, _, _ = step"),
        ),
        second=on_digits,
    ),
)  # fmt: skip
