"""Models and checkpoints of an earlier version load and go on, or are refused with the reason.

The files in `fixtures` were written by the code as it was before parameters, optimizers and the
training loop were rewritten; `runs_ended.npz` holds where its runs ended when nothing stopped them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

FIXTURES = Path(__file__).parent / "fixtures"


class Stop(mt.Callback):
    """Had the runs' name for a callback that stopped them."""


def test_a_model_gives_the_same_outputs() -> None:
    model = mt.Sequential.load(FIXTURES / "model.npz")
    expected = np.load(FIXTURES / "model_outputs.npz")
    np.testing.assert_allclose(model(expected["x"]), expected["y"], rtol=1e-5, atol=1e-6)


def resumed(path: Path, optimizer: mt.Optimizer, frozen: bool = False) -> Any:
    """The run in the file, gone on with to its end."""
    data = np.load(FIXTURES / "runs_ended.npz")
    layers = (mt.Dense(4), mt.BatchNorm(), "tanh", mt.Dropout(0.3), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=1)
    model[0].trainable = not frozen
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), optimizer, metrics=[mt.Accuracy()], seed=2
    )
    history = trainer.fit(
        data["x"],
        data["y"],
        epochs=4,
        batch_size=8,
        validation_split=0.1,
        callbacks=[Stop()],
        checkpoint=mt.Checkpoint(path, every=1, resume=True),
    )
    return model, history, data


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("momentum", mt.SGD(0.1, momentum=0.9)),
        ("adam", mt.AdamW(mt.schedules.cosine(0.01, 40))),
    ],
)
def test_a_run_goes_on(name: str, optimizer: mt.Optimizer, tmp_path: Path) -> None:
    shutil.copy(FIXTURES / f"run_{name}.npz", tmp_path / "run.npz")
    with pytest.warns(UserWarning, match="versions that wrote it, an older version"):
        model, history, data = resumed(tmp_path / "run.npz", optimizer)
    for key, array in model.state_dict().items():
        # BatchNorm takes the bias before it off: its gradient is rounding, which Adam makes large.
        if name == "momentum" or key not in ("0.bias", "1.running_mean"):
            np.testing.assert_allclose(array, data[f"{name}:{key}"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(history["loss"], data[f"{name}:loss"], rtol=1e-4)


def test_a_run_with_frozen_layers_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Its optimizer remembered nothing of frozen layers, and does not say which those were."""
    shutil.copy(FIXTURES / "run_frozen.npz", tmp_path / "run.npz")
    with pytest.raises(mt.ConfigurationError, match="older version.*no state for frozen layers"):
        resumed(tmp_path / "run.npz", mt.Adam(0.01), frozen=True)
