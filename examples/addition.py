"""Addition learned as a language: a small GPT reads "37+85=" and writes the sum, digit by digit.

The network knows nothing about numbers. It reads nine tokens, "37+85=221", and predicts each from
those before it. The sum is written backwards: its last digit depends only on the last digits of
both numbers, and each further digit on the previous ones and a carry.

The digits before the equals sign are random, so the loss skips them: their targets are -100, the
label that it ignores. A thousand of the ten thousand problems are never trained on.

    python examples/addition.py [EPOCHS]
"""

import sys

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray

TOKENS = mt.data.CharTokenizer("0123456789+=")
PROMPT = len("37+85=")
IGNORED = -100


def problem(a: int, b: int) -> str:
    """A problem and its answer, backwards."""
    return f"{a:02}+{b:02}={a + b:03}"[:PROMPT] + f"{a + b:03}"[::-1]


def main(epochs: int = 40) -> None:
    """Learn nine tenths of all problems, and solve the rest."""
    pairs = [(a, b) for a in range(100) for b in range(100)]
    ids = np.stack([TOKENS.encode(problem(a, b)) for a, b in pairs])
    ids = np.random.default_rng(0).permutation(ids)
    x, y = ids[:, :-1], ids[:, 1:].copy()
    y[:, : PROMPT - 1] = IGNORED
    x, y, xt, yt = x[1000:], y[1000:], x[:1000], y[:1000]

    model = mt.gpt(len(TOKENS), context=x.shape[1], layers=2, heads=4, width=64, seed=0)
    loss = mt.SoftmaxCrossEntropy(ignore_index=IGNORED)
    rate = mt.schedules.one_cycle(0.004, epochs * len(x) // 100)
    trainer = mt.Trainer(model, loss, mt.AdamW(rate, clip_norm=1.0), seed=0)
    trainer.fit(x, y, epochs=epochs, batch_size=100, callbacks=[mt.Progress()])

    print()
    for a, b in ((7, 5), (48, 37), (99, 99)):
        prompt = problem(a, b)[:PROMPT]
        digits = mt.generate(model, TOKENS.encode(prompt), 3, temperature=0)
        print(prompt + TOKENS.decode(digits)[::-1])
    print(f"right sums of new problems: {solved(model, xt, yt):.3f}")


def solved(model: mt.Sequential, x: AnyArray, y: AnyArray) -> float:
    """The share of problems whose digits are all right.

    If each digit is the most probable one after the right digits before it, then the network also
    generates the right digits, so that all problems can be tested at once.
    """
    found = model.predict(x).argmax(-1)
    return float(np.mean(np.all((found == y) | (y == IGNORED), axis=1)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
