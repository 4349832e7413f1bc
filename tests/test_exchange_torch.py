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
                "the same padding before and after|returns a tensor for inputs|the gate sigmoid|"
                "separate keys and values|activation gelu|"
                "got (RotaryPositions|ZeroPadding|SpatialDropout)",
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
        close = {"float64": 1e-12, "float32": 1e-4}[str(model.dtype)]
        assert np.abs(found - expected).max() <= close * max(1.0, np.abs(expected).max()), seed
        done += 1
    assert done > 45


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
        mt.SpatialDropout: {"rate": 0.25},
        mt.UpSampling2D: {"size": (2, 3)},
    }
    rng = np.random.default_rng(0)
    for kind in KINDS:
        axes = {"2d": 2, "1d": 1}.get(kind.module[-2:], 0) if "Norm1d" not in kind.module else 0
        axes = 2 if kind.module == "Upsample" else axes
        shape: tuple[int, ...] = (4, *[8] * axes) if axes else (6,)
        given = arguments.get(kind.layer, {})
        if kind.layer is mt.ZeroPadding:
            given = {"padding": [(2, 0), (0, 1)][:axes]}
        layer = kind.layer(**given)
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


def there_and_back(layer: mt.Layer, shape: tuple[int, ...], integers: int = 0) -> Any:
    """Of a layer in float64: the module, and its outputs equal to 1e-12 in both directions."""
    model = mt.Sequential(layer, input_shape=shape, seed=0, dtype=np.float64)
    rng = np.random.default_rng(0)
    for array in (model.named_parameters() | model.named_buffers()).values():
        array[...] = rng.uniform(-1, 1, array.shape)
    module = mt.to_torch(model)
    x = rng.integers(integers, size=(3, *shape)) if integers else rng.normal(size=(3, *shape))
    expected = model.predict(x.astype(float))
    np.testing.assert_allclose(outputs(module, x, bool(integers)), expected, rtol=0, atol=1e-12)
    assert module.state_dict().keys() >= model.named_parameters().keys()
    if not integers:
        again = mt.from_torch(module, shape)
        assert type(again[0]) is type(layer)
        np.testing.assert_allclose(
            again.predict(x), expected, atol=1e-12 if again.dtype == float else 1e-5
        )
    return module


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_layers_of_sequences_there_and_back() -> None:
    for cls in (mt.LSTM, mt.GRU, mt.SimpleRNN):
        for every in (False, True):
            for backwards in (False, True):
                layer = cls(3, every, backwards)
                there_and_back(layer, (5, 4))
                there_and_back(mt.Bidirectional(cls(2, every, backwards)), (5, 4))
    there_and_back(mt.SimpleRNN(3, activation="relu"), (1, 1))
    for causal in (False, True):
        there_and_back(mt.MultiHeadAttention(2, causal), (5, 4))
        there_and_back(mt.MultiHeadAttention(2, causal, 0.2, 2, use_bias=False), (1, 4))
        there_and_back(mt.TransformerBlock(2, 7, 0.1, causal=causal), (5, 4))
    for other in (mt.PositionalEmbedding(), mt.SinusoidalPositions(), mt.Transpose()):
        there_and_back(other, (5, 4))
    for axis in (1, 2):
        there_and_back(mt.GlobalAveragePool1D(axis), (5, 4))


@pytest.mark.filterwarnings("ignore")
def test_a_gpt_goes_to_torch() -> None:
    """With the words' vectors tied, under names; it is trained there in the same way."""
    words = mt.Embedding(11, 8).named("words")
    blocks = [mt.TransformerBlock(2).named(f"block{n}") for n in range(2)]
    model = mt.Sequential(
        *(words, mt.PositionalEmbedding(0.1).named("places"), *blocks),
        *(mt.LayerNorm().named("norm"), mt.Unembedding(words)),
        input_shape=6,
        seed=0,
        dtype=np.float64,
    )
    module = mt.to_torch(model).train()
    x, y = np.random.default_rng(0).integers(11, size=(2, 3, 6))
    scores = module(torch.from_numpy(x))
    nn.functional.cross_entropy(scores.transpose(1, 2), torch.from_numpy(y)).backward()
    loss = mt.SoftmaxCrossEntropy()
    ours, cache = model.forward(x.astype(float), train=True)
    np.testing.assert_allclose(ours, scores.detach(), atol=1e-12)
    _, kept = loss.forward(ours, y)
    _, gradients = model.backward(loss.backward(kept), cache)
    theirs = dict(module.named_parameters())
    assert theirs.keys() == gradients.keys()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(theirs[name].grad, gradient, atol=1e-12, err_msg=name)


def in_order(function: Any, *modules: Any) -> Any:
    """A module whose forward is a function of its children."""

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            for n, module in enumerate(modules):
                self.add_module(f"part{n}", module)

        def forward(self, x: Any) -> Any:
            return function(x, *self._modules.values())

    return Net().double().eval()


FIRST: dict[str, Any] = {"batch_first": True}


@pytest.mark.filterwarnings("ignore")
def test_modules_of_sequences_come_from_torch() -> None:
    """What a `forward` takes of recurrent modules and attention is found by trying."""
    block = nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", norm_first=True, **FIRST)
    later = torch.ones(6, 6, dtype=torch.bool).triu(1)
    cases: list[tuple[Any, list[str]]] = [
        (
            in_order(lambda x, r, f: f(r(x)[0][:, -1]), nn.LSTM(4, 3, **FIRST), nn.Linear(3, 2)),
            ["LSTM", "Dense"],
        ),
        (
            in_order(lambda x, r, f: f(r(x)[0]), nn.GRU(4, 3, **FIRST), nn.Linear(3, 2)),
            ["GRU", "Dense"],
        ),
        (
            in_order(lambda x, r: r(x)[1][-1], nn.RNN(4, 3, 2, bias=False, **FIRST)),
            ["SimpleRNN"] * 2,
        ),
        (
            in_order(
                lambda x, r: r(x)[0], nn.LSTM(4, 3, 2, dropout=0.1, bidirectional=True, **FIRST)
            ),
            ["Bidirectional", "Dropout", "Bidirectional"],
        ),
        (
            in_order(
                lambda x, r: torch.cat([*r(x)[1]], -1), nn.GRU(4, 3, bidirectional=True, **FIRST)
            ),
            ["Bidirectional"],
        ),
        (
            in_order(
                lambda x, r, q: q(r(x)[0])[1][0][-1], nn.LSTM(4, 3, **FIRST), nn.LSTM(3, 2, **FIRST)
            ),
            ["LSTM"] * 2,
        ),
        (
            in_order(lambda x, a: a(x, x, x)[0], nn.MultiheadAttention(4, 2, **FIRST)),
            ["MultiHeadAttention"],
        ),
        (
            in_order(
                lambda x, a: a(x, x, x, attn_mask=later)[0],
                nn.MultiheadAttention(4, 2, bias=False, **FIRST),
            ),
            ["MultiHeadAttention"],
        ),
        (
            nn.TransformerEncoder(block, 2, nn.LayerNorm(4)).double().eval(),
            ["TransformerBlock"] * 2 + ["LayerNorm"],
        ),
        (in_order(lambda x, b: b(x, later), block), ["TransformerBlock"]),
    ]
    x = np.random.default_rng(0).normal(size=(3, 6, 4))
    for module, layers in cases:
        model = mt.from_torch(module, (6, 4))
        assert [type(layer).__name__ for layer in model] == layers
        np.testing.assert_allclose(model.predict(x), outputs(module, x), rtol=0, atol=1e-12)


def test_a_recurrent_module_alone_gives_all_states() -> None:
    module, x = nn.LSTM(4, 3, **FIRST).double(), np.random.default_rng(0).normal(size=(3, 6, 4))
    states = module(torch.from_numpy(x))[0].detach()
    found = mt.from_torch(module, (6, 4)).predict(x)
    np.testing.assert_allclose(found, states, rtol=0, atol=1e-12)


def test_pooling_to_one_pixel_comes_from_torch() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    x = np.random.default_rng(0).normal(size=(3, 1, 5, 5))
    model = mt.from_torch(module, (1, 5, 5))
    np.testing.assert_allclose(model.predict(x), outputs(module, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.Softmax, nn.LogSoftmax])
def test_a_softmax_is_over_the_features(kind: Any) -> None:
    for dim in (1, -1):
        module = nn.Sequential(nn.Linear(3, 4), kind(dim=dim)).double()
        x = np.random.default_rng(0).normal(size=(5, 3))
        found = mt.from_torch(module, 3).predict(x)
        np.testing.assert_allclose(found, outputs(module, x), rtol=0, atol=1e-12)
    with pytest.raises(mt.MinitorchError, match="got 0"):
        mt.from_torch(nn.Sequential(nn.Linear(3, 4), kind(dim=0)), 3)


def test_names_stay() -> None:
    inner = mt.Sequential(mt.Dense(2).named("deep")).named("body")
    branches = mt.Residual(mt.Dense(2).named("path")).named("around")
    model = mt.Sequential(mt.Dense(3).named("fc1"), "relu", inner, branches, input_shape=3, seed=0)
    state = mt.to_torch(model).state_dict()
    assert list(state) == list(model.named_parameters())
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(state[name], array)


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
        (nn.Linear(3, 2).bfloat16(), None, "float32 or float64, got torch.bfloat16"),
        (nn.Linear(3, 2).half(), None, "float32 or float64, got torch.float16"),
        (nn.Linear(3, 2, device="meta"), None, "got ones without data"),
        (nn.LazyLinear(3), 4, "got ones without data"),
        (nn.MultiheadAttention(4, 2, batch_first=True), (5, 4), "TypeError: .*missing"),
        (nn.LSTM(3, 2), (5, 3), "itself: expected RNN|LSTM with batch_first=True"),
        (nn.LSTM(3, 4, proj_size=2, batch_first=True), (5, 3), "with proj_size=0, got 2"),
        (nn.TransformerEncoderLayer(4, 2, batch_first=True), (5, 4), "with norm_first=True"),
        (nn.AdaptiveAvgPool2d(2), (1, 4, 4), "output_size=1, got 2"),
        (nn.Upsample(scale_factor=1.5), (1, 4, 4), "a whole scale_factor"),
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
    with pytest.raises(mt.ConfigurationError, match="the same padding before and after"):
        mt.to_torch(mt.Sequential(mt.Conv2D(2, 2, padding="same"), input_shape=(1, 4, 4)))
    with pytest.raises(mt.ConfigurationError, match="separate keys and values for each head"):
        mt.to_torch(mt.Sequential(mt.MultiHeadAttention(2, rotary=True), input_shape=(3, 4)))
    with pytest.raises(mt.ConfigurationError, match="no gated one"):
        block = mt.TransformerBlock(2, activation="swiglu")
        mt.to_torch(mt.Sequential(block, input_shape=(3, 4)))
    with pytest.raises(mt.ConfigurationError, match=r"the gate sigmoid.*got GELU\(\)"):
        mt.to_torch(mt.Sequential(mt.GLU("gelu"), input_shape=4))
    with pytest.raises(mt.NotBuiltError):
        mt.to_torch(mt.Sequential(mt.Dense(3)))


def test_a_graph_becomes_a_module() -> None:
    words, memory = mt.Input(5, "words"), mt.Input((3, 6), "memory")
    twin = mt.Dense(8)
    x = mt.Embedding(7, 8)(words)
    h = mt.Add()(mt.MultiHeadAttention(2)(x, memory), twin(x))
    h = mt.Add()(h, mt.MultiHeadAttention(2)(h, twin(h)))
    h = mt.Add()(h, mt.MultiHeadAttention(4)(h, memory, mt.Dense(3)(memory)))
    pooled = mt.Sequential(mt.LayerNorm(), mt.GlobalAveragePool1D(axis=1))(h)
    read = mt.GRU(4)(mt.Bidirectional(mt.LSTM(3, True))(memory))
    ends = [mt.Dense(3).named("kind")(mt.Concatenate()(pooled, read)), mt.Tanh()(h)]
    graph = mt.Graph([words, memory], ends, seed=0, dtype=np.float64)
    module = mt.to_torch(graph)
    state = graph.state_dict()
    assert state.keys() <= module.state_dict().keys()
    rng = np.random.default_rng(0)
    ids, seen = rng.integers(7, size=(4, 5)), rng.normal(size=(4, 3, 6))
    found = module(torch.tensor(ids), torch.tensor(seen))
    for ours, theirs in zip(graph(ids, seen), found, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    for name, array in state.items():
        np.testing.assert_array_equal(module.state_dict()[name].numpy(), array)
    one = mt.Graph(a := mt.Input(4), mt.Dense(2)(a), seed=0)
    assert mt.to_torch(one)(torch.zeros(2, 4)).shape == (2, 2)
    shared = mt.Graph(b := mt.Input((3, 8)), mt.MultiHeadAttention(4, key_value_heads=1)(b, b))
    with pytest.raises(mt.ConfigurationError, match="separate keys and values for each head"):
        mt.to_torch(shared)
