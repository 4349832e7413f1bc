"""The same numbers as PyTorch's for every further layer: outputs, gradients, buffers, training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array, Shape

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = getattr(torch, "nn", None)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Several take longer than one for arrays as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def close(ours: Array | None, theirs: Any, tolerance: float = 1e-10) -> None:
    assert ours is not None
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def agree(
    layer: mt.Layer, theirs: Any, x: Array, *, train: bool = False, tolerance: float = 1e-10
) -> None:
    """Give PyTorch's module our parameters, and compare all that comes out of both."""
    layer.initialize(x.shape[1:], rng=np.random.default_rng(3), dtype=np.float64)
    for array in layer.named_parameters().values():
        array[...] += np.random.default_rng(4).normal(size=array.shape)
    theirs = theirs.double().train(train)
    state = {name: torch.tensor(array) for name, array in layer.state_dict().items()}
    theirs.load_state_dict(state, strict=False)
    given = torch.tensor(x, requires_grad=True)
    wanted = theirs(given)
    y, cache = layer.forward(x, train=train)
    dy = np.random.default_rng(5).normal(size=y.shape)
    wanted.backward(torch.tensor(dy))
    dx, gradients = layer.backward(dy, cache)
    close(y, wanted, tolerance)
    close(dx, given.grad, tolerance)
    parameters = dict(theirs.named_parameters())
    assert set(gradients) == set(parameters)
    for name, gradient in gradients.items():
        close(gradient, parameters[name].grad, tolerance)
    buffers = dict(theirs.named_buffers())
    for name, array in layer.named_buffers().items():
        close(array, buffers[name], tolerance)


ACTIVATIONS = [
    (mt.SELU(), lambda: nn.SELU()),
    (mt.ReLU6(), lambda: nn.ReLU6()),
    (mt.Tanh(), lambda: nn.Tanh()),
    (mt.Softplus(), lambda: nn.Softplus(threshold=1000)),  # PyTorch goes straight from 20 on
    (mt.Softplus(2.5), lambda: nn.Softplus(2.5, threshold=1000)),
    (mt.SiLU(), lambda: nn.SiLU()),
    (mt.HardSwish(), lambda: nn.Hardswish()),
    (mt.Mish(), lambda: nn.Mish()),
    (mt.GELU(), lambda: nn.GELU()),
    (mt.GELU("tanh"), lambda: nn.GELU(approximate="tanh")),
    (mt.Identity(), lambda: nn.Identity()),
    (mt.LogSoftmax(), lambda: nn.LogSoftmax(dim=-1)),
    (mt.PReLU(), lambda: nn.PReLU()),
    (mt.PReLU(per_channel=True), lambda: nn.PReLU(5)),
]


@pytest.mark.parametrize(("layer", "make"), ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_activations(layer: mt.Layer, make: Any, scale: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 5)) * scale
    x[0, :2] = 0.0  # the corner, on which both have to make the same choice
    agree(layer, make(), x)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_hard_sigmoid(scale: float, rng: np.random.Generator) -> None:
    """PyTorch's 1/6 is one of single precision."""
    agree(mt.HardSigmoid(), nn.Hardsigmoid(), rng.normal(size=(8, 5)) * scale, tolerance=1e-7)


@pytest.mark.parametrize("layer", [mt.PReLU(0.1, per_channel=True), mt.LogSoftmax()], ids=repr)
def test_activations_of_images(layer: mt.Layer, rng: np.random.Generator) -> None:
    theirs = nn.PReLU(3) if isinstance(layer, mt.PReLU) else nn.LogSoftmax(dim=-1)
    agree(layer, theirs, rng.normal(size=(2, 3, 4, 5)))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        (1, 0, 1, 1),
        (2, 0, 1, 1),
        ((2, 3), 1, 1, 1),
        (1, (2, 0), 1, 1),
        (1, 0, (1, 2), 1),
        (2, 1, 2, 1),
        (1, 0, 1, 2),
        (1, 1, 1, 4),
        ((2, 3), (2, 0), (1, 2), 2),
        ((3, 1), (0, 2), (2, 1), 4),
    ],
)
def test_convolution(
    stride: Any, padding: Any, dilation: Any, groups: int, rng: np.random.Generator
) -> None:
    agree(
        mt.Conv2D(8, (3, 2), stride, padding, dilation, groups),
        nn.Conv2d(4, 8, (3, 2), stride, padding, dilation, groups),
        rng.normal(size=(3, 4, 7, 8)),
    )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 5)])
def test_convolution_that_keeps_the_size(kernel: Any, rng: np.random.Generator) -> None:
    ours = mt.Conv2D(3, kernel, padding="same", dilation=(2, 1), use_bias=False)
    theirs = nn.Conv2d(2, 3, kernel, padding="same", dilation=(2, 1), bias=False)
    agree(ours, theirs, rng.normal(size=(3, 2, 7, 8)))


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, None, 0), (3, 2, 1), ((2, 3), (1, 2), (1, 0)), (3, 1, 1), (2, 3, 1)],
)
@pytest.mark.parametrize("equal", [False, True])
def test_pools(size: Any, stride: Any, padding: Any, equal: bool, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 2, 7, 8))
    x = np.round(x) if equal else x  # of equal numbers, both choose the first
    agree(mt.MaxPool2D(size, stride, padding), nn.MaxPool2d(size, stride, padding), x)
    theirs = nn.AvgPool2d(size, stride, padding, count_include_pad=False)
    agree(mt.AveragePool2D(size, stride, padding), theirs, x)


def test_global_average_pool(rng: np.random.Generator) -> None:
    theirs = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    agree(mt.GlobalAveragePool2D(), theirs, rng.normal(size=(3, 2, 7, 8)))


@pytest.mark.parametrize("shape", [(9, 4), (2, 4), (5, 4, 3, 2), (1, 4, 3, 2)])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("momentum", "epsilon"), [(0.1, 1e-5), (0.7, 0.1), (1.0, 1e-3)])
def test_batch_norm(
    shape: Shape, train: bool, momentum: float, epsilon: float, rng: np.random.Generator
) -> None:
    make = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    ours, theirs = mt.BatchNorm(momentum, epsilon), make(4, epsilon, momentum)
    x = rng.normal(2, 3, shape)
    agree(ours, theirs, x, train=train)
    if train:  # what both have measured, in prediction
        close(ours(x), theirs.eval()(torch.tensor(x)))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layer_norm(axes: int, rng: np.random.Generator) -> None:
    x = rng.normal(2, 3, (5, 4, 3, 2))
    agree(mt.LayerNorm(axes, 1e-3), nn.LayerNorm(x.shape[-axes:], eps=1e-3), x)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (2, 3, 4)])
def test_embedding(shape: Shape, rng: np.random.Generator) -> None:
    layer, theirs, x = mt.Embedding(5, 3), nn.Embedding(5, 3).double(), rng.integers(0, 5, shape)
    layer.initialize(shape[1:], rng=rng, dtype=np.float64)
    theirs.load_state_dict({"weight": torch.tensor(layer.weight)})
    y, cache = layer.forward(x.astype(float))
    wanted = theirs(torch.tensor(x))
    dy = rng.normal(size=y.shape)
    wanted.backward(torch.tensor(dy))
    close(y, wanted)
    close(layer.backward(dy, cache)[1]["weight"], theirs.weight.grad)


def test_flatten_has_the_same_order(rng: np.random.Generator) -> None:
    agree(mt.Flatten(), nn.Flatten(), rng.normal(size=(3, 2, 4, 5)))
    agree(mt.Reshape((4, -1)), nn.Unflatten(1, (4, 3)), rng.normal(size=(3, 12)))


def test_dropout_that_predicts(rng: np.random.Generator) -> None:
    agree(mt.Dropout(0.3), nn.Dropout(0.3), rng.normal(size=(3, 5)))


def test_a_state_of_pytorchs_with_a_batch_norm_is_loaded() -> None:
    """Theirs counts the batches too: the one name that has no place here."""
    model = mt.Sequential("dense(4)", mt.BatchNorm(), input_shape=3)
    theirs = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    assert set(state) - set(model.state_dict()) == {"1.num_batches_tracked"}
    model.load_state_dict(state, strict=False)
    close(model(np.ones((2, 3))), theirs.eval()(torch.ones(2, 3)), 1e-6)


@pytest.mark.parametrize("frozen", [(), (0,), (1, 4)])
def test_a_training_run_of_a_convolutional_network(
    frozen: tuple[int, ...], rng: np.random.Generator
) -> None:
    """From the same start, with the same batches and frozen layers: the same end."""
    x, y = rng.normal(size=(64, 2, 9, 9)), rng.integers(0, 3, 64)
    model = mt.Sequential(
        mt.Conv2D(4, 3, padding="same"),
        mt.BatchNorm(),
        mt.PReLU(),
        mt.MaxPool2D(),
        mt.Conv2D(4, 3, stride=2, groups=2),
        mt.GELU(),
        mt.Flatten(),
        mt.LayerNorm(),
        mt.Dense(3),
        input_shape=(2, 9, 9),
        seed=0,
        dtype=np.float64,
    )
    theirs = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding="same"),
        nn.BatchNorm2d(4),
        nn.PReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, groups=2),
        nn.GELU(),
        nn.Flatten(),
        nn.LayerNorm(4),
        nn.Linear(4, 3),
    ).double()
    state = {name: torch.tensor(array) for name, array in model.state_dict().items()}
    theirs.load_state_dict(state, strict=False)
    for place in frozen:
        model[place].trainable = False
        theirs[place].requires_grad_(False)
        theirs[place].eval()  # a frozen BatchNorm of ours is one that predicts
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05)).fit(
        x, y, epochs=3, batch_size=16, shuffle=False
    )
    optimizer = torch.optim.SGD([p for p in theirs.parameters() if p.requires_grad], lr=0.05)
    for start in [*range(0, 64, 16)] * 3:
        rows = slice(start, start + 16)
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(theirs(torch.tensor(x[rows])), torch.tensor(y[rows])).backward()
        optimizer.step()
    ours = model.state_dict()
    for name, tensor in theirs.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            close(ours[name], tensor)
    close(model(x), theirs.eval()(torch.tensor(x)))
