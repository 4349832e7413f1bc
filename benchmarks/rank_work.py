"""The work of each rank of an MPI job for `benchmarks.ranks` and `benchmarks.forecast`.

    mpiexec -n 2 python -m benchmarks.rank_work MODE FOLDER [NUMBER]

MODE is numbers, resumed, killed, speed, reduction or model. The first rank prints the result as one
line of JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

import minitorch_np as mt
from benchmarks.rank_models import BATCH as BATCH_OF_ALL
from benchmarks.rank_models import WORKS, steps
from minitorch_np.training.together import Together

WORLD: Any = MPI.COMM_WORLD
SAMPLES, BATCH = 640, 64
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(SAMPLES, 20)), RNG.integers(0, 5, SAMPLES)
EPOCHS = 20  # 200 steps


def normed() -> list[Any]:
    """Dropout and BatchNorm; a bias before BatchNorm has no gradient but rounding."""
    hidden = [mt.Dense(16, use_bias=False), mt.BatchNorm(), "tanh", mt.Dropout(0.3)]
    return [*hidden, mt.Dense(5)]


def plain() -> list[Any]:
    """One hidden layer."""
    return [mt.Dense(16), "tanh", mt.Dense(5)]


RUNS: dict[str, tuple[Callable[[], list[Any]], Callable[[], mt.Optimizer]]] = {
    "SGD with momentum": (plain, lambda: mt.SGD(0.1, momentum=0.9)),
    "AdamW with clipping": (plain, lambda: mt.AdamW(0.003, clip_norm=0.1)),
    "BatchNorm and Dropout, AdamW": (normed, lambda: mt.AdamW(0.003, clip_norm=0.5)),
}


def trained(name: str, epochs: int = EPOCHS, **given: Any) -> mt.Sequential:
    """The model of a run in float64, on these ranks."""
    layers, optimizer = RUNS[name]
    model = mt.Sequential(*layers(), input_shape=20, seed=0, dtype=np.float64)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer(), seed=1, communicator=WORLD)
    trainer.fit(X, Y, epochs=epochs, batch_size=BATCH, **given)
    return model


def numbers(folder: Path, number: int) -> None:
    """The parameters of each run, in files."""
    for place, name in enumerate(RUNS):
        model = trained(name)
        if WORLD.rank == 0:
            model.save(folder / f"numbers_{place}_{WORLD.size}.npz")


def resumed(folder: Path, epochs: int) -> None:
    """Resume each run, up to this number of epochs."""
    for place, name in enumerate(RUNS):
        checkpoint = mt.Checkpoint(folder / f"run_{place}.npz", resume=True)
        model = trained(name, epochs, checkpoint=checkpoint)
        if WORLD.rank == 0:
            model.save(folder / f"resumed_{place}.npz")


class Slow(mt.Callback):
    """Makes a step take 10 ms, so that a kill can hit any moment of it."""

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        time.sleep(0.01)


def killed(folder: Path, number: int) -> None:
    """A run to be killed: each rank writes its process id to a file."""
    (folder / f"rank_{WORLD.rank}").write_text(str(os.getpid()))
    checkpoint = mt.Checkpoint(folder / "killed.npz", every=1, resume=True)
    name = "BatchNorm and Dropout, AdamW"
    model = trained(name, checkpoint=checkpoint, callbacks=[Slow()])
    if WORLD.rank == 0:
        model.save(folder / "killed_model.npz")


def say(found: dict[str, Any]) -> None:
    """Print one line, from the first rank."""
    if WORLD.rank == 0:
        print(json.dumps(found), flush=True)


def timed(run: Callable[[], object], seconds: float = 1.0) -> float:
    """The median time of a call, in seconds; all ranks make as many calls."""
    run()
    WORLD.Barrier()
    begun = time.perf_counter()
    run()
    repeats = max(3, int(seconds / max(1e-7, time.perf_counter() - begun)))
    repeats = WORLD.bcast(min(repeats, 2_000))
    times = []
    for _ in range(repeats):
        WORLD.Barrier()
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return float(WORLD.allreduce(statistics.median(times), op=MPI.MAX))


def speed(folder: Path, batch: int) -> None:
    """The time of a step, of its Allreduce, and of one that overlaps with a product."""
    work = WORKS[1]
    times = steps(work, batch, WORLD if WORLD.size > 1 else None)
    step = WORLD.allreduce(statistics.median(times), op=MPI.MAX)
    parameters = work.make().count_parameters()
    found = {"ranks": WORLD.size, "step": step, "parameters": parameters}
    if WORLD.size > 1:
        gradient, total = np.zeros(parameters, np.float32), np.empty(parameters, np.float32)
        layer, rest = gradient[: 784 * 512], gradient[784 * 512 :]
        rows = batch // WORLD.size
        x, dy = np.ones((rows, 784), np.float32), np.ones((rows, 512), np.float32)

        def in_turn() -> None:
            dy.T.dot(x)
            WORLD.Allreduce(MPI.IN_PLACE, gradient)

        def overlapping() -> None:  # the upper layers' gradients travel during the last product
            request = WORLD.Iallreduce(rest, total[784 * 512 :])
            dy.T.dot(x)
            WORLD.Allreduce(layer, total[: 784 * 512])
            request.Wait()

        found |= {
            "allreduce": timed(lambda: WORLD.Allreduce(MPI.IN_PLACE, gradient)),
            "in turn": timed(in_turn),
            "overlapping": timed(overlapping),
        }
    say(found)


def reduction(folder: Path, number: int) -> None:
    """The time of the sum over all ranks as training makes it, by the number of floats."""
    found: dict[str, Any] = {}
    with Together(WORLD) as ranks:
        for n in (2, 1_000, 10_000, 65_536, 200_000, 700_000, 2_000_000):
            own = np.zeros(n, np.float32)

            def short(own: Any = own) -> None:
                ranks.total(own)

            def long(own: Any = own) -> None:
                ranks.total(np.ones(2))
                ranks.reduce(own)

            found[str(n)] = timed(short if n <= 2**16 else long, 0.5)
    say(found)


def model(folder: Path, place: int) -> None:
    """The median time of a step of one of the networks."""
    say({"step": statistics.median(steps(WORKS[place], BATCH_OF_ALL, WORLD))})


if __name__ == "__main__":
    modes = {f.__name__: f for f in (numbers, resumed, killed, speed, reduction, model)}
    modes[sys.argv[1]](Path(sys.argv[2]), int((*sys.argv[3:], "0")[0]))
