"""The same numbers as PyTorch's for everything on sequences: outputs, gradients, losses."""

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.test_torch_layers import agree, close, nn


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_dense_on_sequences(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    agree(mt.Dense(6), nn.Linear(5, 6), rng.normal(size=shape))
    agree(mt.Dense(6, use_bias=False), nn.Linear(5, 6, bias=False), rng.normal(size=shape))
    agree(mt.Softmax(), nn.Softmax(dim=-1), rng.normal(size=shape))
    agree(mt.LogSoftmax(), nn.LogSoftmax(dim=-1), rng.normal(size=shape))
    agree(mt.LayerNorm(), nn.LayerNorm(5), rng.normal(size=shape))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 0.3]])
@pytest.mark.parametrize("ignore", [-100, 2])
def test_cross_entropy_on_sequences(
    smoothing: float, weights: Any, ignore: int, rng: np.random.Generator
) -> None:
    """PyTorch's has classes on axis 1."""
    scores, labels = rng.normal(size=(3, 5, 4)), rng.integers(0, 4, (3, 5))
    given = None if weights is None else torch.tensor(weights, dtype=torch.double)
    theirs = nn.CrossEntropyLoss(given, ignore_index=ignore, label_smoothing=smoothing)
    ours = mt.SoftmaxCrossEntropy(smoothing, weights, ignore)
    z = torch.tensor(scores, requires_grad=True)
    wanted = theirs(z.transpose(1, 2), torch.tensor(labels))
    wanted.backward()
    value, cache = ours.forward(scores, labels)
    assert value == pytest.approx(wanted.item(), abs=1e-12)
    close(ours.backward(cache), z.grad)
