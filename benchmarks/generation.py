"""Speed of generation with a key-value cache and without it: `python -m benchmarks.generation`.

The network is the GPT of the training benchmark (4 layers, 4 heads, width 128, context 64), in
float32 on one thread. Both generate the same tokens; without the cache, each token takes a forward
of all tokens so far. Both are measured in turn, and the median of the ratios is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import minitorch_np as mt

VOCABULARY, CONTEXT, LAYERS, HEADS, WIDTH = 65, 64, 4, 4, 128


def cached(model: mt.Sequential, start: list[int], length: int) -> list[int]:
    """By `mt.generate`."""
    return list(mt.generate(model, start, length, temperature=0))


def uncached(model: mt.Sequential, start: list[int], length: int) -> list[int]:
    """Each token from a step over all tokens before it, whose state is discarded."""
    tokens = list(start)
    for _ in range(length):
        scores, _ = model.step(np.array([tokens], model.dtype))
        tokens.append(int(scores[0, -1].argmax()))
    return tokens[len(start) :]


def seconds(call: Callable[[], object]) -> float:
    """Of this process's processor time."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=CONTEXT - 1, help="tokens to write")
    parser.add_argument("--pairs", type=int, default=15, help="how often both are measured")
    arguments = parser.parse_args()
    model = mt.gpt(VOCABULARY, CONTEXT, LAYERS, HEADS, WIDTH, seed=0)
    start, length = [1], arguments.length
    assert cached(model, start, length) == uncached(model, start, length)
    pairs = [
        (
            seconds(lambda: cached(model, start, length)),
            seconds(lambda: uncached(model, start, length)),
        )
        for _ in range(arguments.pairs)
    ]
    own = float(np.median([one for one, _ in pairs]))
    ratio = float(np.median([other / one for one, other in pairs]))
    print(f"{length} tokens: {own / length * 1e6:.0f} us a token, {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
