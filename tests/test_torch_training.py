"""Losses, optimizers, schedules and a whole run, in float64, against PyTorch's."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import optimizers, schedules
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.schedules import Schedule
from tests.bare_parameters import Numbers

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = getattr(torch, "nn", None)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other take 100 times as long where a core is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def close(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, torch.Tensor):
        theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def same(loss: mt.Loss, theirs: Any, scores: Array, targets: AnyArray) -> None:
    """The same value, and the same gradient."""
    value, cache = loss.forward(scores, targets)
    tensor = torch.tensor(scores, requires_grad=True)
    other = theirs(tensor, torch.tensor(targets))
    other.backward()
    close(value, other)
    close(loss.backward(cache), tensor.grad)


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [
        (mt.MeanSquaredError(), lambda: nn.MSELoss()),
        (mt.MeanAbsoluteError(), lambda: nn.L1Loss()),
        (mt.Huber(), lambda: nn.HuberLoss()),
        (mt.Huber(0.3), lambda: nn.HuberLoss(delta=0.3)),
        (mt.BinaryCrossEntropy(), lambda: nn.BCEWithLogitsLoss()),
    ],
)
@pytest.mark.parametrize("shape", [(7, 1), (4, 3), (2, 3, 4, 4)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_losses_of_numbers(
    loss: mt.Loss, theirs: Any, shape: tuple[int, ...], scale: float, rng: np.random.Generator
) -> None:
    scores, targets = rng.normal(size=shape) * scale, rng.integers(0, 2, shape).astype(float)
    scores[0], targets[0] = 0, 0  # the corner of the absolute value
    same(loss, theirs(), scores, targets)
    same(loss, theirs(), scores, rng.uniform(size=shape))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0], [1.0, 0.0, 0.0, 2.0]])
@pytest.mark.parametrize("ignore", [None, 2, -7])
def test_cross_entropy_of_labels(
    smoothing: float, weights: list[float] | None, ignore: int | None, rng: np.random.Generator
) -> None:
    scores, labels = rng.normal(size=(12, 4)) * 4, np.arange(12) % 4
    if ignore is not None:
        labels[::5] = ignore
    close_to = nn.CrossEntropyLoss(
        label_smoothing=smoothing,
        weight=None if weights is None else torch.tensor(weights).double(),
        ignore_index=-100 if ignore is None else ignore,
    )
    same(mt.SoftmaxCrossEntropy(smoothing, weights, ignore), close_to, scores, labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_of_probabilities(smoothing: float, rng: np.random.Generator) -> None:
    scores, y = rng.normal(size=(9, 5)), rng.dirichlet(np.ones(5), size=9)
    theirs = nn.CrossEntropyLoss(label_smoothing=smoothing)
    same(mt.SoftmaxCrossEntropy(smoothing), theirs, scores, y)


def test_divergence(rng: np.random.Generator) -> None:
    y = rng.dirichlet(np.ones(5), size=9)
    y[0] = [0, 0, 0.25, 0.75, 0]
    logs = np.log(rng.dirichlet(np.ones(5), size=9))
    same(mt.KLDivergence(), nn.KLDivLoss(reduction="batchmean"), logs, y)


optim: Any = torch.optim
RULES: list[tuple[Callable[[], mt.Optimizer], Callable[[Any], Any]]] = [
    (lambda: mt.SGD(0.05), lambda p: optim.SGD(p, 0.05)),
    (lambda: mt.SGD(0.05, 0.9), lambda p: optim.SGD(p, 0.05, 0.9)),
    (lambda: mt.SGD(0.05, 0.9, True), lambda p: optim.SGD(p, 0.05, 0.9, nesterov=True)),
    (lambda: mt.SGD(0.05, weight_decay=0.1), lambda p: optim.SGD(p, 0.05, weight_decay=0.1)),
    (lambda: mt.Adagrad(0.05), lambda p: optim.Adagrad(p, 0.05)),
    (lambda: mt.RMSprop(0.05), lambda p: optim.RMSprop(p, 0.05)),
    (
        lambda: mt.RMSprop(0.05, 0.5, 0.1),
        lambda p: optim.RMSprop(p, 0.05, alpha=0.5, eps=0.1),
    ),
    (lambda: mt.Adam(0.05), lambda p: optim.Adam(p, 0.05)),
    (
        lambda: mt.Adam(0.05, 0.8, 0.95, 1e-3),
        lambda p: optim.Adam(p, 0.05, betas=(0.8, 0.95), eps=1e-3),
    ),
    (
        lambda: mt.Adam(0.05, weight_decay=0.2),
        lambda p: optim.AdamW(p, 0.05, weight_decay=0.2),
    ),
    (lambda: mt.AdamW(0.05), lambda p: optim.AdamW(p, 0.05)),
    (lambda: mt.SGD(), lambda p: optim.SGD(p, 0.01)),
    (lambda: mt.Adagrad(), lambda p: optim.Adagrad(p)),
    (lambda: mt.RMSprop(), lambda p: optim.RMSprop(p)),
    (lambda: mt.Adam(), lambda p: optim.Adam(p)),
    (lambda: mt.AdamW(), lambda p: optim.AdamW(p)),
]


@pytest.mark.parametrize(("make", "theirs"), RULES)
def test_a_hundred_steps(
    make: Callable[[], mt.Optimizer], theirs: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    """The defaults too, but for SGD's learning rate, which is 0.001 there."""
    start, sizes = rng.normal(size=9), np.logspace(-4, 2, 9)
    numbers, tensor = Numbers(start), torch.tensor(start, requires_grad=True)
    optimizer, other = make(), theirs([tensor])
    for _ in range(100):
        gradient = rng.normal(size=9) * sizes + numbers.weight / 10
        numbers.moved(optimizer, gradient)
        tensor.grad = torch.tensor(gradient)
        other.step()
    close(numbers.weight, tensor)


lr: Any = torch.optim.lr_scheduler
SCHEDULES: list[tuple[Schedule, Callable[[Any], Any]]] = [
    (schedules.constant(0.1), lambda o: lr.ConstantLR(o, 1.0)),
    (schedules.step_decay(0.1, 7, 0.5), lambda o: lr.StepLR(o, 7, 0.5)),
    (schedules.step_decay(0.1, 7), lambda o: lr.StepLR(o, 7)),
    (schedules.exponential(0.1, 0.9), lambda o: lr.ExponentialLR(o, 0.9)),
    (schedules.cosine(0.1, 60, 0.01), lambda o: lr.CosineAnnealingLR(o, 60, 0.01)),
    (schedules.linear(0.02, 0.06, 10), lambda o: lr.LinearLR(o, 0.2, 0.6, 10)),
    (schedules.one_cycle(0.1, 60), lambda o: lr.OneCycleLR(o, 0.1, total_steps=60)),
    (
        schedules.one_cycle(0.1, 60, 0.1, 10, 100),
        lambda o: lr.OneCycleLR(
            o, 0.1, total_steps=60, pct_start=0.1, div_factor=10, final_div_factor=100
        ),
    ),
    (
        schedules.warmup(5, schedules.cosine(0.1, 50)),
        lambda o: lr.SequentialLR(
            o, [lr.LinearLR(o, 1 / 5, 1, 4), lr.CosineAnnealingLR(o, 50)], milestones=[5]
        ),
    ),
    (
        schedules.sequence(
            [
                (10, schedules.exponential(0.1, 0.9)),
                (20, schedules.step_decay(0.1, 3)),
                (1, schedules.linear(0.05, 0.1, 9)),
            ]
        ),
        lambda o: lr.SequentialLR(
            o,
            [lr.ExponentialLR(o, 0.9), lr.StepLR(o, 3), lr.LinearLR(o, 0.5, 1, 9)],
            milestones=[10, 30],
        ),
    ),
]


@pytest.mark.parametrize(("schedule", "make"), SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")  # their own call
def test_schedules(schedule: Schedule, make: Callable[[Any], Any]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler = make(optimizer)
    theirs = []
    for step in range(55):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < 54:
            scheduler.step()
    close([schedule(step) for step in range(55)], theirs)


BATCH, STEPS = 32, 30


def clip(parameters: Any, limit: float) -> None:
    """torch.nn.utils.clip_grad_norm_, but without the 1e-6 that it adds to the norm."""
    norm = torch.cat([p.grad.flatten() for p in parameters]).norm()
    if norm > limit:
        for p in parameters:
            p.grad *= limit / norm


@pytest.mark.parametrize("limit", [None, 0.7])
def test_a_training_run(limit: float | None, digits: mt.data.Digits) -> None:
    """Batch normalization, AdamW, a schedule, smoothing and clipping, on real digits."""
    part = digits.train.take(slice(BATCH * STEPS))
    x, y = part.features(np.float64), part.labels
    model = mt.Sequential(
        mt.Dense(16), mt.BatchNorm(), mt.Tanh(), mt.Dense(10), input_shape=784, seed=3, dtype=float
    )
    theirs = nn.Sequential(
        nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 10)
    ).double()
    state = {name: torch.tensor(array) for name, array in model.state_dict().items()}
    theirs.load_state_dict(state, strict=False)  # which also counts the batches
    optimizer = mt.AdamW(
        schedules.cosine(0.01, STEPS),
        weight_decay=0.1,
        spare=optimizers.nothing,
        clip_norm=limit,
        epsilon=1e-5,  # the first bias has a gradient of nothing but rounding errors
    )
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(label_smoothing=0.1), optimizer)
    history = trainer.fit(x, y, batch_size=BATCH, shuffle=False)
    other = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1, eps=1e-5)
    scheduler = lr.CosineAnnealingLR(other, STEPS)
    loss, losses = nn.CrossEntropyLoss(label_smoothing=0.1), []
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        other.zero_grad()
        value = loss(theirs(torch.tensor(x[rows])), torch.tensor(y[rows]))
        value.backward()
        if limit is not None:
            clip(list(theirs.parameters()), limit)
        other.step()
        scheduler.step()
        losses.append(value.item())
    assert optimizer.steps == STEPS
    close(history["loss"][0], np.mean(losses))
    reference = theirs.state_dict()
    for name, array in model.state_dict().items():
        close(array, reference[name])
    theirs.eval()
    close(model.predict(x), theirs(torch.tensor(x)))
