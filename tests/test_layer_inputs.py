"""What each layer refuses: batches of another shape than it was built for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

ROW, STEPS, IMAGE = (6,), (4, 6), (4, 6, 6)
LAYERS: list[tuple[mt.Layer, tuple[int, ...]]] = [
    (mt.Dense(2), ROW),
    (mt.PReLU(), ROW),
    (mt.PReLU(per_channel=True), IMAGE),
    (mt.BatchNorm(), ROW),
    (mt.BatchNorm(), IMAGE),
    (mt.LayerNorm(), STEPS),
    (mt.LayerNorm(2), STEPS),
    (mt.GroupNorm(2), STEPS),
    (mt.RMSNorm(), ROW),
    (mt.GLU(), ROW),
    (mt.NormalSampling(), ROW),
    (mt.PositionalEmbedding(), STEPS),
    (mt.SinusoidalPositions(), STEPS),
    (mt.RotaryPositions(), STEPS),
    (mt.Unembedding(mt.Embedding(5, 6)), STEPS),
    (mt.Unembedding(mt.Embedding(5, 6)), IMAGE),
    (mt.SimpleRNN(2), STEPS),
    (mt.LSTM(2), STEPS),
    (mt.GRU(2), STEPS),
    (mt.Bidirectional("lstm(2)"), STEPS),
    (mt.MultiHeadAttention(2), STEPS),
    (mt.TransformerBlock(2), STEPS),
    (mt.Conv1D(2, 3), STEPS),
    (mt.Conv2D(2, 3), IMAGE),
    (mt.ConvTranspose1D(2, 3), STEPS),
    (mt.ConvTranspose2D(2, 3), IMAGE),
    (mt.MaxPool1D(2), STEPS),
    (mt.MaxPool2D(2), IMAGE),
    (mt.AveragePool1D(2), STEPS),
    (mt.AveragePool2D(2), IMAGE),
    (mt.GlobalAveragePool2D(), IMAGE),
    (mt.UpSampling2D(2), IMAGE),
    (mt.ZeroPadding(1), IMAGE),
    (mt.Transpose(), STEPS),
    (mt.Reshape((2, -1)), IMAGE),
    (mt.Flatten(), IMAGE),
    (mt.Concatenate("relu", "tanh"), ROW),
    (mt.Residual("tanh"), ROW),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda x: " ".join(str(x).split())[:40])
def test_batches_of_another_shape(layer: mt.Layer, shape: tuple[int, ...]) -> None:
    model: Any = mt.Sequential(layer, input_shape=shape, seed=0)
    right = np.ones((2, *shape), np.float32)
    y = model[0].forward(right, train=True, rng=np.random.default_rng(0))[0]
    assert y.shape == (2, *model.output_shape)
    assert y.dtype == np.float32
    wider = np.ones((2, *shape[:-1], shape[-1] + 1), np.float32)
    fewer = np.ones((2, *shape[:-1], shape[-1] - 1), np.float32)
    deeper, flatter = right[np.newaxis], right[0]
    for wrong in (wider, fewer, deeper, flatter):
        with pytest.raises(mt.ShapeError, match="expected.*got"):
            model.forward(wrong)
        with pytest.raises(mt.ShapeError, match="expected.*got"):
            model[0].forward(wrong)
