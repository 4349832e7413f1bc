"""Models to and from PyTorch: the outputs are the same, whatever cannot be translated is named."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.exchange.torch_kinds import KINDS
from tests.random_models import random_model

torch = pytest.importorskip("torch")
nn = torch.nn


def outputs(module: Any, x: Any, integers: bool = False) -> Any:
    with torch.no_grad():
        return module(torch.tensor(x, dtype=torch.int64 if integers else torch.float64)).numpy()


def test_random_models_go_to_torch() -> None:
    """Of 60 random models: all but those with something that torch.nn does not have."""
    done = 0
    for seed in range(60):
        made = random_model(seed)
        model = made.model
        try:
            module = mt.to_torch(model)
        except mt.ConfigurationError as error:
            # Embedding takes whole numbers only, a layer beside it fractions only; and these have
            # no counterpart.
            if not re.search(
                "as many pixels before as after|takes inputs of shape|got (GLU|Transpose|"
                "UpSampling2D|ZeroPadding|SpatialDropout|GlobalAveragePool1D|.*Positions|"
                "PositionalEmbedding|Bidirectional|LSTM|GRU|SimpleRNN)",
                str(error),
            ):
                raise
            continue
        integers = any(isinstance(part, nn.Embedding) for part in module.modules())
        x = torch.tensor(
            made.x, dtype=torch.int64 if integers else getattr(torch, str(model.dtype))
        )
        with torch.no_grad():
            found = module(x).numpy()
        expected = model.predict(made.x)
        close = {"float64": 1e-12, "float32": 1e-5}[str(model.dtype)]
        assert np.abs(found - expected).max() <= close * max(1.0, np.abs(expected).max()), seed
        done += 1
    assert done > 30


def test_every_kind_there_and_back() -> None:
    window = {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 2}
    pool = {"pool_size": 3, "stride": 2, "padding": 1}
    arguments: dict[type, dict[str, Any]] = {
        mt.Dense: {"units": 3},
        mt.Conv2D: {"filters": 4, **window, "kernel_size": (3, 2)},
        mt.Conv1D: {"filters": 4, **window},
        mt.ConvTranspose2D: {"filters": 4, **window, "output_padding": 1},
        mt.ConvTranspose1D: {"filters": 4, **window, "output_padding": 1},
        mt.MaxPool2D: pool,
        mt.MaxPool1D: pool,
        mt.AveragePool2D: pool,
        mt.AveragePool1D: pool,
        mt.GroupNorm: {"groups": 2},
        mt.Reshape: {"shape": (3, 2)},
        mt.Embedding: {"vocabulary": 7, "dimensions": 2},
        mt.PReLU: {"per_channel": True},
        mt.LeakyReLU: {"negative_slope": 0.3},
        mt.ELU: {"alpha": 0.7},
        mt.Softplus: {"beta": 2.5},
        mt.GELU: {"approximate": "tanh"},
        mt.Dropout: {"rate": 0.25},
    }
    rng = np.random.default_rng(0)
    for kind in KINDS:
        axes = {"2d": 2, "1d": 1}.get(kind.module[-2:], 0) if "Norm1d" not in kind.module else 0
        shape: tuple[int, ...] = (4, *[8] * axes) if axes else (6,)
        layer = kind.layer(**arguments.get(kind.layer, {}))
        model = mt.Sequential(layer, input_shape=shape, seed=1, dtype=np.float64)
        for array in (model.named_parameters() | model.named_buffers()).values():
            array[...] = rng.uniform(0.5, 1.5, array.shape)
        module = mt.to_torch(model)
        assert type(module[0]) is getattr(nn, kind.module)
        again = mt.from_torch(module, shape)
        assert type(again[0]) is kind.layer
        integers = kind.layer is mt.Embedding
        x = rng.integers(7, size=(4, *shape)) if integers else 5 * rng.normal(size=(4, *shape))
        expected = outputs(module, x, integers)
        for each in (model, again):  # a module without parameters has no dtype: float32
            close = 1e-12 if each.dtype == np.float64 else 1e-5
            np.testing.assert_allclose(each.predict(x), expected, rtol=close, atol=close)


def test_a_module_that_calls_its_children_in_a_row() -> None:
    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.pool = nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)
            self.flat, self.fc = nn.Flatten(), nn.Linear(6 * 4 * 4, 10)

        def forward(self, x: Any) -> Any:
            return self.fc(self.flat(self.pool(self.act(self.conv(x)))))

    net = Net()
    x = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    model = mt.from_torch(net, (1, 12, 12))
    assert model.dtype == np.float32
    np.testing.assert_allclose(model.predict(x), net(torch.tensor(x)).detach(), atol=1e-5)
    assert net.training


def test_copies_not_views() -> None:
    module = nn.Linear(3, 2)
    model = mt.from_torch(module)
    before = model.predict(np.ones((1, 3)))
    with torch.no_grad():
        module.weight.zero_()
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))), before)
    back = mt.to_torch(model)
    model.named_parameters()["0.weight"][...] = 0
    assert back[0].weight.abs().sum() > 0


def test_a_layer_in_two_places_has_one_set_of_parameters() -> None:
    shared = nn.Linear(4, 4)
    model = mt.from_torch(nn.Sequential(shared, nn.ReLU(), shared))
    assert model[0] is model[2]
    twice = mt.Sequential(dense := mt.Dense(4), "relu", dense, input_shape=4, seed=0)
    module = mt.to_torch(twice)
    assert module[0] is module[2]


class Skip(nn.Module):  # type: ignore[misc, name-defined]
    """Adds its input: more than its children in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return x + self.a(x)


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (Skip(), None, "expected the same outputs of both"),
        (
            nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Bilinear(2, 2, 2))),
            None,
            "1.0: expected",
        ),
        (nn.Conv2d(1, 2, 3), None, "expected input_shape="),
        (nn.Conv2d(1, 2, 3, padding_mode="reflect"), (1, 5, 5), "padding_mode=zeros, got reflect"),
        (nn.Linear(3, 2), 5, "expected numbers of shape"),
        (nn.Sequential(), 5, "at least one"),
        ("a text", 5, "expected a torch.nn.Module"),
    ],
)
def test_what_cannot_come_from_torch(module: Any, shape: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        mt.from_torch(module, shape)


def test_what_cannot_go_to_torch() -> None:
    class Mine(mt.Identity):
        pass

    with pytest.raises(mt.ConfigurationError, match=r"layer 1\.0, Mine"):
        mt.to_torch(mt.Sequential("relu", mt.Sequential(Mine()), input_shape=3))
    with pytest.raises(mt.ConfigurationError, match="as many pixels before as after"):
        mt.to_torch(mt.Sequential(mt.Conv2D(2, 2, padding="same"), input_shape=(1, 4, 4)))
    with pytest.raises(mt.NotBuiltError):
        mt.to_torch(mt.Sequential(mt.Dense(3)))
