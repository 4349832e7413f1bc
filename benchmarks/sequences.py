"""Layers for sequences compared with PyTorch's, and with the bare matrix products of the work.

Each task is trained by `Trainer.fit`, by a PyTorch loop with the same optimizer, and reduced to its
matrix products in NumPy, if any. The three are measured in turn in one process; printed are medians
of the milliseconds per step, and of the ratios of consecutive measurements. GELU and LayerNorm are
forward and backward alone. Generation is 64 tokens after 1 and after 64, with the cache and
without.

    python -m benchmarks.sequences [--rounds 15] [--only gpt,gru]

Set OPENBLAS_NUM_THREADS=2 to measure with two threads, and OPENBLAS_CORETYPE=SKYLAKEX if OpenBLAS
does not recognize the processor.
"""

import os

THREADS = os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", THREADS)
os.environ.setdefault("OMP_NUM_THREADS", THREADS)

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Shape
from minitorch_np.cli.arguments import positive_integer
from minitorch_np.text import aligned

STEPS = 5
"""The number of steps in a round."""

Product = tuple[Shape, Shape, int]
"""The shapes of two arrays to multiply, and the number of times."""

BATCH, LENGTH, WIDTH, HEADS, BLOCKS, VOCABULARY = 12, 64, 128, 4, 4, 65
"""The tiny GPT."""

SERIES, FEATURES, UNITS = 32, 64, 128
"""The batch size for recurrent layers, in series of LENGTH steps."""


CLOCK = time.process_time if THREADS == "1" else time.perf_counter
"""With one thread, the time of the processor: others may use the machine meanwhile."""


class Task(NamedTuple):
    """Functions for one round each, the number of steps in a round, and limits for the ratios."""

    rounds: dict[str, Callable[[], Any]]
    steps: int = STEPS
    asked: str = ""


def dense(rows: int, inside: int, outside: int, need_dx: bool = True) -> list[Product]:
    """The products of a dense layer: y, dW and dx."""
    y: Product = ((rows, inside), (inside, outside), 1)
    dw: Product = ((outside, rows), (rows, inside), 1)
    dx: Product = ((rows, outside), (outside, inside), 1)
    return [y, dw, dx] if need_dx else [y, dw]


def attention(need_dx: bool = True) -> list[Product]:
    """The products of attention: queries, keys and values, their scores, sums, and the output."""
    rows, heads = BATCH * LENGTH, (BATCH, HEADS)
    square, tall = (*heads, LENGTH, LENGTH), (*heads, LENGTH, WIDTH // HEADS)
    wide = (*heads, WIDTH // HEADS, LENGTH)
    inner: list[Product] = [(tall, wide, 2), (square, tall, 4)]
    return [*dense(rows, WIDTH, 3 * WIDTH, need_dx), *inner, *dense(rows, WIDTH, WIDTH)]


def block(need_dx: bool = True) -> list[Product]:
    """The products of a transformer block."""
    rows = BATCH * LENGTH
    return [
        *attention(need_dx),
        *dense(rows, WIDTH, 4 * WIDTH),
        *dense(rows, 4 * WIDTH, WIDTH),
    ]


def recurrence(gates: int) -> list[Product]:
    """The products of a recurrent layer: its inputs at once, its state step by step."""
    rows, wide = SERIES * LENGTH, gates * UNITS
    return [
        *dense(rows, FEATURES, wide, need_dx=False),
        ((SERIES, UNITS), (UNITS, wide), LENGTH),
        ((SERIES, wide), (wide, UNITS), LENGTH),
        ((wide, rows), (rows, UNITS), 1),
    ]


def multiplied(products: list[Product]) -> Callable[[], None]:
    """A round of only these products."""
    rng = np.random.default_rng(0)
    made: list[tuple[Any, Any, Any, int]] = []
    for shape, other, often in products:
        a, b = (rng.random(size, np.float32) for size in (shape, other))
        made.append((a, b, a @ b, often))

    def run() -> None:
        for _ in range(STEPS):
            for a, b, out, often in made:
                for _ in range(often):
                    np.matmul(a, b, out=out)

    return run


def fitted(model: mt.Sequential, x: AnyArray, y: AnyArray) -> Callable[[], Any]:
    """A round of our training."""
    loss = mt.SoftmaxCrossEntropy() if y.dtype.kind == "i" else mt.MeanSquaredError()
    trainer = mt.Trainer(model, loss, mt.AdamW(1e-4), seed=0)
    return lambda: trainer.fit(x, y, batch_size=len(x) // STEPS, shuffle=False, verbose=False)


def torch_fitted(module: Any, x: AnyArray, y: AnyArray) -> Callable[[], Any]:
    """A round of PyTorch's."""
    import torch

    optimizer = torch.optim.AdamW(module.parameters(), 1e-4)
    batches = list(zip(*(torch.tensor(part).chunk(STEPS) for part in (x, y)), strict=True))

    def run() -> None:
        for inputs, targets in batches:
            optimizer.zero_grad()
            scores = module(inputs)
            scores = scores[0] if isinstance(scores, tuple) else scores
            if targets.is_floating_point():
                loss = torch.nn.functional.mse_loss(scores, targets)
            else:
                loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
            loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
            optimizer.step()

    return run


def pair(
    layer: mt.Layer, module: Any, shape: Shape, batch: int, products: list[Product], asked: str
) -> Task:
    """Training of one layer on random targets."""
    rng = np.random.default_rng(0)
    model = mt.Sequential(layer, input_shape=shape, seed=0)
    x = rng.normal(size=(STEPS * batch, *shape)).astype(np.float32)
    y = rng.normal(size=(STEPS * batch, *model.output_shape)).astype(np.float32)
    rounds = {"ours": fitted(model, x, y), "torch": torch_fitted(module, x, y)}
    return Task(rounds | {"products": multiplied(products)}, STEPS, asked)


def torch_attention() -> Any:
    """Causal self-attention with one product for queries, keys and values."""
    import torch
    from torch import nn

    class Attention(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.outside = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            m, steps, _ = x.shape
            parts = self.inside(x).view(m, steps, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            q, k, v = parts
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.outside(y.transpose(1, 2).reshape(m, steps, -1))

    return Attention()


def torch_block() -> Any:
    """A pre-norm transformer block."""
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.Sequential(nn.LayerNorm(WIDTH), torch_attention())
            wide = 4 * WIDTH
            dense = [nn.Linear(WIDTH, wide), nn.GELU(), nn.Linear(wide, WIDTH)]
            self.dense = nn.Sequential(nn.LayerNorm(WIDTH), *dense)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(x)
            return x + self.dense(x)

    return Block()


def torch_gpt() -> Any:
    """The tiny GPT, its table used at both ends."""
    import torch
    from torch import nn

    class GPT(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(0.02 * torch.randn(VOCABULARY, WIDTH))
            self.places = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
            blocks = [torch_block() for _ in range(BLOCKS)]
            self.body = nn.Sequential(*blocks, nn.LayerNorm(WIDTH))

        def forward(self, ids: Any) -> Any:
            x = nn.functional.embedding(ids, self.table) + self.places
            return nn.functional.linear(self.body(x), self.table)

    return GPT()


def gpt_task() -> Task:
    """A step of the tiny GPT."""
    ids = np.random.default_rng(0).integers(VOCABULARY, size=(STEPS * BATCH, LENGTH + 1))
    x, y = ids[:, :-1], ids[:, 1:]
    model = mt.gpt(VOCABULARY, LENGTH, BLOCKS, HEADS, WIDTH, seed=0)
    rows = BATCH * LENGTH
    products = [*(BLOCKS * block()), *dense(rows, WIDTH, VOCABULARY)]
    rounds = {"ours": fitted(model, x, y), "torch": torch_fitted(torch_gpt(), x, y)}
    asked = "torch 1.0, products 1.4"
    return Task(rounds | {"products": multiplied(products)}, STEPS, asked)


def alone(layer: mt.Layer, module: Any, shape: Shape, asked: str) -> Task:
    """Forward and backward of a layer."""
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, BATCH * LENGTH, *shape)).astype(np.float32)
    mt.Sequential(layer, input_shape=shape, seed=0)
    inputs, upstream = torch.tensor(x, requires_grad=True), torch.tensor(dy)

    def ours() -> None:
        for _ in range(STEPS):
            layer.backward(dy, layer.forward(x, train=True)[1])

    def theirs() -> None:
        for _ in range(STEPS):
            inputs.grad = None
            module(inputs).backward(upstream)

    return Task({"ours": ours, "torch": theirs}, STEPS, asked)


def generation(length: int) -> Task:
    """64 tokens after `length`, with the cache, and with a forward of the whole sequence each."""
    prompt = np.random.default_rng(0).integers(VOCABULARY, size=length).tolist()
    model = mt.gpt(VOCABULARY, 2 * LENGTH, BLOCKS, HEADS, WIDTH, seed=0)

    def again() -> list[int]:
        tokens = list(prompt)
        for _ in range(64):
            scores, _ = model.step(np.array([tokens], np.float32))
            tokens.append(int(scores[0, -1].argmax()))
        return tokens[length:]

    def cached() -> list[int]:
        return list(mt.generate(model, prompt, 64, temperature=0))

    if cached() != again():
        raise AssertionError("generation: expected the same tokens with the cache as without")
    return Task({"ours": cached, "without the cache": again}, 64, "without the cache 0.25")


def convolutions() -> Iterator[tuple[str, Callable[[], Task]]]:
    """Convolutions of series, and transposed ones of images."""
    from torch import nn

    places = SERIES * 128
    yield (
        "conv1d",
        lambda: pair(
            mt.Conv1D(64, 5, padding=2),
            nn.Conv1d(32, 64, 5, padding=2),
            (32, 128),
            SERIES,
            [((64, 160), (160, places), 1), ((64, places), (places, 160), 1)],
            "products 1.2",
        ),
    )
    small, filters = SERIES * 14 * 14, 32 * 4 * 4
    yield (
        "conv_transpose2d",
        lambda: pair(
            mt.ConvTranspose2D(32, 4, 2, 1),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            (64, 14, 14),
            SERIES,
            [((filters, 64), (64, small), 1), ((64, small), (small, filters), 1)],
            "products 1.3",
        ),
    )


def tasks() -> Iterator[tuple[str, Callable[[], Task]]]:
    """All tasks, by name."""
    from torch import nn

    series, steps = (LENGTH, FEATURES), (LENGTH, WIDTH)
    yield "gpt", gpt_task
    yield (
        "block",
        lambda: pair(
            mt.TransformerBlock(HEADS), torch_block(), steps, BATCH, block(False), "torch 0.95"
        ),
    )
    yield (
        "attention",
        lambda: pair(
            mt.MultiHeadAttention(HEADS, causal=True),
            torch_attention(),
            steps,
            BATCH,
            attention(False),
            "torch 0.95",
        ),
    )
    for name, layer, gates, asked in (
        ("gru", mt.GRU, 3, "torch 0.85"),
        ("rnn", mt.SimpleRNN, 1, "torch 0.8"),
        ("lstm", mt.LSTM, 4, "torch 1.9, products 1.4"),
    ):
        module = getattr(nn, name.upper())(FEATURES, UNITS, batch_first=True)
        made: mt.Layer = layer(UNITS, return_sequences=True)
        yield (
            name,
            lambda made=made, module=module, gates=gates, asked=asked: pair(  # type: ignore[misc]
                made, module, series, SERIES, recurrence(gates), asked
            ),
        )
    yield from convolutions()
    yield "gelu", lambda: alone(mt.GELU(), nn.GELU(), (4 * WIDTH,), "torch 2.5")
    yield "layer_norm", lambda: alone(mt.LayerNorm(), nn.LayerNorm(WIDTH), (WIDTH,), "torch 2.5")
    yield "generation_after_1", lambda: generation(1)
    yield "generation_after_64", lambda: generation(LENGTH)


def measured(task: Task, rounds: int) -> dict[str, list[float]]:
    """The milliseconds per step in each round; the first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in task.rounds}
    for number in range(rounds + 1):
        for name, run in task.rounds.items():
            start = CLOCK()
            run()
            if number:
                found[name].append((CLOCK() - start) / task.steps * 1e3)
    return found


def row(name: str, task: Task, found: dict[str, list[float]]) -> list[str]:
    """A line of the table."""
    median = statistics.median(found["ours"])
    ratios = [
        f"{other} {statistics.median(map(_ratio, found['ours'], found[other])):.2f}"
        for other in found
        if other != "ours"
    ]
    return [name, f"{median:.2f} ms", ", ".join(ratios), task.asked]


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else math.inf  # some systems' clocks of a process are coarse


def main() -> None:
    """Measure and print."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive_integer, default=15)
    parser.add_argument("--only", default="", help="names, with commas between")
    arguments = parser.parse_args()
    torch.set_num_threads(int(THREADS))
    torch.manual_seed(0)
    kernels = os.environ.get("OPENBLAS_CORETYPE", "OpenBLAS's choice")
    print(f"threads: {THREADS}; kernels: {kernels}; ours over each:")
    rows = [["task", "a step", "ours over", "asked, at most"]]
    for name, make in tasks():
        if not arguments.only or name in arguments.only.split(","):
            task = make()
            rows.append(row(name, task, measured(task, arguments.rounds)))
    print("\n".join(aligned(rows)))


if __name__ == "__main__":
    main()
