"""Named networks for images give PyTorch's outputs and gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

nn: Any = torch.nn
functional: Any = torch.nn.functional


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions and a shortcut without parameters: option A of He et al."""

    def __init__(self, inside: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.more = stride, filters - inside

    def forward(self, x: Any) -> Any:
        h = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        short = functional.pad(
            x[:, :, :: self.stride, :: self.stride],
            (0, 0, 0, 0, self.more // 2, self.more // 2),
        )
        return torch.relu(h + short)


def resnet(depth: int, channels: int, width: int, classes: int) -> Any:
    layers = [nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    inside = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            filters = width * 2**stage
            layers.append(Block(inside, filters, 2 if stage and not block else 1))
            inside = filters
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes)]
    return nn.Sequential(*layers, *end)


def twice(inside: int, filters: int) -> list[Any]:
    layers = []
    for channels in (inside, filters):
        layers += [nn.Conv2d(channels, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters)]
        layers.append(nn.ReLU())
    return layers


class Level(nn.Module):  # type: ignore[misc]
    """A level of a U-Net, and those below it."""

    def __init__(self, below: int, inside: int, filters: int) -> None:
        super().__init__()
        self.before = nn.Sequential(*twice(inside, filters))
        self.inner = None
        if below:
            self.inner = Level(below - 1, filters, 2 * filters)
            self.up = nn.ConvTranspose2d(2 * filters, filters, 2, 2)
            self.after = nn.Sequential(*twice(2 * filters, filters))

    def forward(self, x: Any) -> Any:
        h = self.before(x)
        if self.inner is None:
            return h
        below = self.up(self.inner(functional.max_pool2d(h, 2)))
        return self.after(torch.cat([h, below], 1))


class UNet(nn.Module):  # type: ignore[misc]
    def __init__(self, channels: int, classes: int, depth: int, width: int) -> None:
        super().__init__()
        self.levels, self.last = Level(depth, channels, width), nn.Conv2d(width, classes, 1)

    def forward(self, x: Any) -> Any:
        return self.last(self.levels(x)).permute(0, 2, 3, 1)


def agree(ours: mt.Sequential, theirs: Any, x: Array, y: AnyArray) -> None:
    """Outputs, the loss and all gradients, with the parameters of theirs, in their order."""
    theirs.double()
    parameters = dict(theirs.named_parameters())
    assert [a.shape for a in ours.named_parameters().values()] == [
        tuple(p.shape) for p in parameters.values()
    ]
    for mine, p in zip(ours.named_parameters().values(), parameters.values(), strict=True):
        mine[...] = p.detach().numpy()
    given = torch.tensor(x, requires_grad=True)
    scores = theirs(given)
    wanted = functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), torch.tensor(y).ravel())
    wanted.backward()

    found, cache = ours.forward(x, train=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found, scores.detach().numpy(), rtol=0, atol=1e-10)
    loss = mt.SoftmaxCrossEntropy()
    value, own = loss.forward(found, y)
    assert value == pytest.approx(wanted.item(), abs=1e-12)
    dx, gradients = ours.backward(loss.backward(own), cache)
    assert dx is not None
    np.testing.assert_allclose(dx, given.grad.numpy(), rtol=0, atol=1e-10)
    for name, p in zip(ours.named_parameters(), parameters.values(), strict=True):
        np.testing.assert_allclose(gradients[name], p.grad.numpy(), rtol=0, atol=1e-10)
    theirs.eval()
    with torch.no_grad():
        np.testing.assert_allclose(ours(x), theirs(given).numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("depth", "side"), [(8, 12), (14, 9)])
def test_resnet(depth: int, side: int, rng: np.random.Generator) -> None:
    ours = mt.resnet(
        depth, input_shape=(2, side, side), classes=5, width=4, seed=0, dtype="float64"
    )
    x, y = rng.normal(size=(3, 2, side, side)), rng.integers(0, 5, 3)
    agree(ours, resnet(depth, 2, 4, 5), x, y)


@pytest.mark.parametrize("depth", [1, 2])
def test_unet(depth: int, rng: np.random.Generator) -> None:
    ours = mt.unet((2, 8, 12), 3, depth=depth, width=3, seed=0, dtype="float64")
    x, y = rng.normal(size=(2, 2, 8, 12)), rng.integers(0, 3, (2, 8, 12))
    agree(ours, UNet(2, 3, depth, 3), x, y)


def test_counts_are_those_of_pytorch() -> None:
    def count(module: Any) -> int:
        return sum(p.numel() for p in module.parameters())

    assert mt.resnet(20).count_parameters() == count(resnet(20, 3, 16, 10))
    ours = mt.unet((3, 16, 16), 2, width=8)
    assert ours.count_parameters() == count(UNet(3, 2, 4, 8))


def test_the_divergence_of_normal_distributions(rng: np.random.Generator) -> None:
    q, p = rng.normal(size=(2, 5, 6))
    given = torch.tensor(q, requires_grad=True)

    def normal(rows: Any) -> Any:
        mean, log_variance = rows[:, :3], rows[:, 3:]
        return torch.distributions.Normal(mean, torch.exp(log_variance / 2))

    divergence = torch.distributions.kl_divergence(normal(given), normal(torch.tensor(p)))
    wanted = divergence.sum(1).mean()
    wanted.backward()
    value, cache = mt.NormalKL().forward(q, p)
    assert value == pytest.approx(wanted.item(), abs=1e-12)
    np.testing.assert_allclose(mt.NormalKL().backward(cache), given.grad.numpy(), atol=1e-12)
