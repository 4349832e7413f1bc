"""Training on the ranks of a real MPI job: the same numbers as in one process, and no hanging."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.io.arrays import read_state
from minitorch_np.training.draws import draws

SCRIPT = Path(__file__).with_name("ranks_script.py")
KILLED = """
import os, signal, sys
import numpy as np
from mpi4py import MPI
import minitorch_np as mt

class Killed(mt.Callback):
    def on_batch_end(self, trainer, batch, loss):
        if trainer.run.epoch == 1 and batch == 3 and MPI.COMM_WORLD.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

x, y = np.random.default_rng(0).normal(size=(200, 8)), np.arange(200) % 3
model = mt.mlp([8, 5, 3], seed=0)
trainer = mt.Trainer(model, "softmax_cross_entropy", "adam", seed=0, communicator=MPI.COMM_WORLD)
checkpoint = mt.Checkpoint(sys.argv[1], every=1)
trainer.fit(x, y, epochs=100, batch_size=20, callbacks=[Killed()], checkpoint=checkpoint)
"""


def job(ranks: int, *command: object) -> subprocess.CompletedProcess[str]:
    """What an MPI job with so many ranks has said; skips where there is no MPI."""
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec here")
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    start = ["mpiexec", "-n", str(ranks)]
    if "Open" in subprocess.run(["mpiexec", "--version"], capture_output=True, text=True).stdout:
        start += ["--oversubscribe", "--allow-run-as-root"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.run(
        [*start, sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
    )


def test_ranks_are_as_one_process(tmp_path: Path) -> None:
    """All that ranks_script checks, on two ranks and on four: one job, since starting is slow."""
    done = job(4, "-W", "error", SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["wrong"], "\n\n".join(f"{k}\n{v}" for k, v in found["wrong"].items())
    assert found["checks"] >= 29


def test_a_rank_that_is_killed_ends_the_job(tmp_path: Path) -> None:
    begun = time.perf_counter()
    done = job(2, "-c", KILLED, tmp_path / "run.npz")
    assert time.perf_counter() - begun < 30  # with the start; on a busy machine
    assert done.returncode != 0
    assert "rank 1" in done.stderr
    assert "signal 9" in done.stderr
    state = read_state(tmp_path / "run.npz")
    assert (state["epoch"], state["batch"]) in ((1, 3), (1, 4))
    assert not list(tmp_path.glob(".*"))


def test_the_command(tmp_path: Path) -> None:
    """`train --mpi` ends with the network that `train` ends with, and says all once."""
    train = ["-m", "minitorch_np", "train", "--epochs", "1", "--batch-size", "500"]
    done = job(2, *train, "--mpi", "--out", tmp_path / "two.npz")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 1/1  loss ") == done.stdout.count("saved to ") == 1
    one = subprocess.run([sys.executable, *train, "--out", str(tmp_path / "one.npz")])
    assert one.returncode == 0
    two, one_model = (
        mt.Sequential.load(tmp_path / f"{n}.npz").state_dict() for n in ("two", "one")
    )
    for name, array in one_model.items():
        np.testing.assert_allclose(two[name], array, rtol=1e-4, atol=1e-6)
    wrong = job(2, *train, "--mpi", "--data", tmp_path / "nothing.csv")
    assert wrong.returncode == 2
    assert wrong.stderr.count("minitorch-np: error:") == 1
    assert "nothing.csv: No such file" in wrong.stderr


def test_without_a_communicator_of_mpi() -> None:
    with pytest.raises(mt.errors.ConfigurationError, match="communicator to be one of mpi4py"):
        mt.Trainer(mt.mlp([4, 2], seed=0), "mse", "sgd", communicator=4)


DRAWS: list[Any] = [
    lambda rng, m, width: rng.random((m, width), np.float32),
    lambda rng, m, width: rng.random((m, width), dtype=np.float32),
    lambda rng, m, width: rng.random((m, width)),
    lambda rng, m, width: rng.normal(size=(m, width)),
    lambda rng, m, width: rng.integers(0, 9, m),
    lambda rng, m, width: rng.uniform(-1, 1, (m, 1, width)),
]


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937])
def test_a_part_of_what_is_drawn(bits: Any) -> None:
    """The rows of each rank are those that one process draws, and all generators end alike."""
    for before, rows, width, start, stop in [
        (0, 8, 5, 0, 4),
        (1, 8, 5, 4, 8),
        (1, 7, 3, 2, 5),
        (0, 7, 3, 2, 3),
        (1, 300, 64, 100, 200),
        (0, 2, 1, 1, 2),
    ]:
        whole, part = (np.random.Generator(bits(3)) for _ in range(2))
        for rng in (whole, part):
            rng.random(before, np.float32)  # half of a draw may be left over
        own: Any = draws()(part.bit_generator, slice(start, stop), rows)
        for draw in DRAWS:
            found, wanted = draw(own, stop - start, width), draw(whole, rows, width)
            np.testing.assert_array_equal(found, wanted[start:stop])
            assert repr(own.bit_generator.state) == repr(whole.bit_generator.state)
        assert own.random() == whole.random()  # one number for all
        assert repr(own.bit_generator.state) == repr(whole.bit_generator.state)


def test_the_forecast_of_a_sum() -> None:
    """By hand: two ranks exchange once; a ring of many sends twice the vector, however many."""
    pytest.importorskip("mpi4py.MPI", reason="mpi4py is not installed", exc_type=ImportError)
    from benchmarks.forecast import Network, best, fitted

    network = Network("one", 1e-6, 1e9)
    assert network.sum(1, 1_000) == 0
    assert network.sum(2, 1_000_000) == pytest.approx(2e-6 + 1e-3)
    assert network.sum(512, 512_000_000) == pytest.approx(2 * 511 * (1e-6 + 1e-3))
    assert network.sum(512, 8) == pytest.approx(9 * (2e-6 + 8e-9))
    host = fitted({"2": 4e-6, "1000000": 4e-6 + 1e-3})
    assert (host.latency, host.bandwidth) == pytest.approx((2e-6, 4e9))
    assert best({1: 1.0, 2: 0.6, 8: 0.3, 64: 0.29, 512: 0.28}, 10**9, network) == 1
    assert best({1: 1.0, 2: 0.6, 8: 0.3, 64: 0.29, 512: 0.28}, 8, network) == 512
