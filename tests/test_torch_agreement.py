"""The same numbers as PyTorch's, in float64: forwards, gradients and whole training runs."""

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = getattr(torch, "nn", None)

ACTIVATIONS = [
    (mt.ReLU(), lambda: nn.ReLU()),
    (mt.LeakyReLU(0.07), lambda: nn.LeakyReLU(0.07)),
    (mt.ELU(1.7), lambda: nn.ELU(1.7)),
    (mt.Sigmoid(), lambda: nn.Sigmoid()),
    (mt.Softmax(), lambda: nn.Softmax(dim=-1)),
]


def close(ours: Array | None, theirs: Any) -> None:
    assert ours is not None
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("layer", "make"), ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_activations(layer: mt.Layer, make: Any, scale: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 5)) * scale
    x[0, :2] = 0.0  # the corner, on which both have to make the same choice
    y, cache = layer.forward(x)
    dy = rng.normal(size=y.shape)
    theirs_x = torch.tensor(x, requires_grad=True)
    theirs = make()(theirs_x)
    theirs.backward(torch.tensor(dy))
    close(y, theirs)
    close(layer.backward(dy, cache)[0], theirs_x.grad)


@pytest.mark.parametrize("one_hot", [False, True])
def test_softmax_cross_entropy(one_hot: bool, rng: np.random.Generator) -> None:
    scores, labels = rng.normal(size=(9, 10)) * 5, rng.integers(0, 10, 9)
    targets = np.eye(10)[labels] if one_hot else labels
    value, cache = mt.SoftmaxCrossEntropy().forward(scores, targets)
    theirs_scores = torch.tensor(scores, requires_grad=True)
    theirs = nn.CrossEntropyLoss()(theirs_scores, torch.tensor(targets))
    theirs.backward()
    assert value == pytest.approx(theirs.item(), abs=1e-10)
    close(mt.SoftmaxCrossEntropy().backward(cache), theirs_scores.grad)


@pytest.mark.parametrize(("layer", "make"), ACTIVATIONS[:4])
def test_a_training_run(
    layer: mt.Layer, make: Any, digits: mt.data.Digits, rng: np.random.Generator
) -> None:
    """The 784-10-10 net from the same start, 30 steps on the same batches."""
    part = digits.train.take(slice(960))
    x, y = part.features(np.float64), part.labels
    model = mt.notes_network(layer, seed=2, dtype=np.float64)
    theirs = nn.Sequential(nn.Linear(784, 10), make(), nn.Linear(10, 10)).double()
    state = {name: torch.tensor(array) for name, array in model.state_dict().items()}
    theirs.load_state_dict(state)  # the names are PyTorch's
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1)).fit(
        x, y, epochs=1, batch_size=32, shuffle=False
    )
    for start in range(0, len(x), 32):
        rows = slice(start, start + 32)
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(theirs(torch.tensor(x[rows])), torch.tensor(y[rows])).backward()
        optimizer.step()
    for name, parameter in theirs.named_parameters():
        close(model.named_parameters()[name], parameter)
