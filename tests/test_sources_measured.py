"""Parts of `benchmarks.sources`: what it measures, without times."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks import sources as measured
from minitorch_np.arrays import AnyArray
from minitorch_np.sources import order, reading, stores
from minitorch_np.training import read_batches


def test_the_same_parameters_from_everywhere(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    pytest.importorskip("zarr")
    measured.write_data(tmp_path, 1500)
    assert measured.same_parameters(tmp_path, epochs=1) == dict.fromkeys(measured.KINDS, True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA and /proc")
@pytest.mark.parametrize("shuffle", [pytest.param(False, marks=pytest.mark.whole), True])
def test_ten_times_the_memory_that_there_is(
    shuffle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 MB of pixels in a process that may have 8 MB more than after training on a few."""
    monkeypatch.setattr(measured, "_write_hdf5", lambda folder, x: None)
    monkeypatch.setattr(measured, "_write_zarr", lambda folder, x: None)
    for name, rows in {"small": 2_000, "whole": 80 * 2**20 // measured.FEATURES}.items():
        (tmp_path / name).mkdir()
        measured.write_data(tmp_path / name, rows)
    limit = 8 * 2**20
    peak = measured.peak_memory("memmap", tmp_path / "whole", limit, shuffle, tmp_path / "small")
    assert peak < limit


@pytest.mark.parametrize("chunks", [None, (64, 8)])
def test_the_next_samples_are_read_while_the_network_computes(
    chunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (order, reading, stores):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64 * 8)
    monkeypatch.setattr(read_batches, "GROUP_NUMBERS", 64 * 8)
    x = np.random.default_rng(0).integers(0, 2, (640, 8), np.uint8)
    reads, later = list[int](), threading.Event()

    class Source:
        shape, dtype = x.shape, x.dtype

        def __getitem__(self, rows: slice) -> AnyArray:
            reads.append(rows.start)
            if len(reads) == 3:  # the look at the first samples, the first batch, the second
                later.set()
            return x[rows]

    if chunks:
        setattr(Source, "chunks", chunks)

    class Waits(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            assert later.wait(30)  # without a thread, for ever

    model = mt.Sequential(mt.Dense(2), input_shape=8, seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd", seed=0)
    trainer.fit(Source(), x[:, 0], batch_size=64, shuffle=False, callbacks=[Waits()])
    assert reads == [0, *range(0, 640, 64)]
