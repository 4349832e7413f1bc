"""Optimizers: each rule against its formula, and what all of them share."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import optimizers
from minitorch_np.arrays import Array, DType
from minitorch_np.schedules import step_decay
from tests.bare_parameters import Numbers

Memory = dict[str, Any]

# The formulas, literally: a step's difference from the gradient g, the step number t, and a memory.


def sgd(g: Array, t: int, s: Memory) -> Array:
    return 0.05 * g


def momentum(g: Array, t: int, s: Memory) -> Array:
    s["v"] = 0.9 * s.get("v", 0) + g
    return np.asarray(0.05 * s["v"])


def nesterov(g: Array, t: int, s: Memory) -> Array:
    s["v"] = 0.9 * s.get("v", 0) + g
    return np.asarray(0.05 * (g + 0.9 * s["v"]))


def adagrad(g: Array, t: int, s: Memory) -> Array:
    s["s"] = s.get("s", 0) + g**2
    return np.asarray(0.05 * g / (np.sqrt(s["s"]) + 1e-10))


def rmsprop(g: Array, t: int, s: Memory) -> Array:
    s["s"] = 0.99 * s.get("s", 0) + 0.01 * g**2
    return np.asarray(0.05 * g / (np.sqrt(s["s"]) + 1e-8))


def adam(g: Array, t: int, s: Memory, b1: float = 0.9, b2: float = 0.999) -> Array:
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    return np.asarray(0.05 * (s["m"] / (1 - b1**t)) / (np.sqrt(s["v"] / (1 - b2**t)) + 1e-8))


def adam_of_short_memory(g: Array, t: int, s: Memory) -> Array:
    return adam(g, t, s, 0.0, 0.9)


def lion(g: Array, t: int, s: Memory) -> Array:
    m = s.get("m", 0 * g)
    s["m"] = 0.99 * m + 0.01 * g
    return np.asarray(0.05 * np.sign(0.9 * m + 0.1 * g))


Rule = Callable[[Array, int, Memory], Array]
RULES: list[tuple[Callable[..., mt.Optimizer], dict[str, Any], Rule]] = [
    (mt.SGD, {}, sgd),
    (mt.SGD, {"momentum": 0.9}, momentum),
    (mt.SGD, {"momentum": 0.9, "nesterov": True}, nesterov),
    (mt.Adagrad, {}, adagrad),
    (mt.RMSprop, {}, rmsprop),
    (mt.Adam, {}, adam),
    (mt.Adam, {"beta1": 0, "beta2": 0.9}, adam_of_short_memory),
    (mt.AdamW, {"weight_decay": 0}, adam),
    (mt.Lion, {}, lion),
]


@pytest.mark.parametrize(("make", "arguments", "rule"), RULES)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_hundred_steps_by_the_formula(
    make: Callable[..., mt.Optimizer],
    arguments: dict[str, Any],
    rule: Rule,
    decay: float,
    rng: np.random.Generator,
) -> None:
    """Weight decay shrinks the parameters, and passes through no optimizer's memory."""
    numbers, memory = Numbers(np.linspace(-2, 3, 7)), dict[str, Any]()
    ours, expected = numbers.weight, np.linspace(-2, 3, 7)
    optimizer = make(0.05, **{**arguments, "weight_decay": decay})
    for t in range(1, 101):
        g = rng.normal(size=7) * np.logspace(-6, 3, 7) + ours / 10
        ours = numbers.moved(optimizer, g)
        expected = expected * (1 - 0.05 * decay) - rule(g, t, memory)
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)
    assert optimizer.steps == 100
    assert optimizer.last_rate == optimizer.rate == 0.05


def test_adamw_decays_unless_it_is_told_not_to() -> None:
    assert mt.AdamW().weight_decay == 0.01
    assert mt.Adam().weight_decay == mt.SGD().weight_decay == 0


X, Y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3


def network(dtype: DType = np.float64) -> mt.Sequential:
    layers = (mt.Dense(4), mt.BatchNorm(), mt.PReLU(), mt.LayerNorm(), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=0, dtype=dtype)
    for parameter in model.named_parameters().values():
        parameter[...] += 0.5  # biases too, so that one sees what decays
    return model


def trainer_for(model: mt.Sequential, optimizer: mt.Optimizer) -> mt.Trainer:
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, seed=0)


def without_gradients(model: mt.Layer) -> dict[str, Array]:
    return {name: np.zeros_like(array) for name, array in model.named_parameters().items()}


@pytest.mark.parametrize("rule", [mt.SGD, mt.RMSprop, mt.Adam, mt.AdamW])
def test_biases_and_norms_are_spared(rule: Any) -> None:
    for spare in (optimizers.biases_and_norms, optimizers.nothing, lambda layer, name: True):
        model = network()
        before = model.state_dict()
        optimizer = rule(0.1, weight_decay=0.5, spare=spare)
        optimizer.step(model, without_gradients(model))
        for name, layer, key in model.parameter_owners():
            factor = 1 if spare(layer, key) else 0.95
            np.testing.assert_allclose(getattr(layer, key), factor * before[name], rtol=1e-15)
    spared = {n for n, layer, key in model.parameter_owners() if mt.SGD().spare(layer, key)}
    assert spared == {"0.bias", "1.weight", "1.bias", "3.weight", "3.bias", "4.bias"}


@pytest.mark.parametrize("norm", [mt.BatchNorm(), mt.LayerNorm(), mt.GroupNorm(2), mt.RMSNorm()])
def test_every_normalization_is_one(norm: mt.Layer) -> None:
    """Its parameters do not decay, and what comes before it may have any size."""
    model = mt.Sequential(norm, mt.Dense(3), input_shape=6, seed=0)
    before = norm.state_dict()
    optimizer = mt.AdamW(0.1, weight_decay=0.5)
    optimizer.step(model, without_gradients(model))
    for name, parameter in norm.named_parameters().items():
        np.testing.assert_array_equal(parameter, before[name])
    trainer_for(model, optimizer).fit(1e3 + np.eye(60, 6), Y, batch_size=None)  # no warning


def first_step(gradients: Array, **arguments: Any) -> Array:
    """How far SGD with the rate 1 goes from 0."""
    return -Numbers(np.zeros_like(gradients)).moved(mt.SGD(1.0, **arguments), gradients)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping(dtype: DType) -> None:
    g = np.array([3.0, -4.0, 0.0], dtype)
    np.testing.assert_allclose(first_step(g, clip_norm=1), g / 5, rtol=1e-6)
    np.testing.assert_array_equal(first_step(g, clip_norm=5), g)
    np.testing.assert_array_equal(first_step(g, clip_norm=100), g)
    np.testing.assert_array_equal(first_step(g, clip_value=3.5), [3, -3.5, 0])
    both = first_step(g, clip_value=3, clip_norm=np.sqrt(2.0))  # the value first
    np.testing.assert_allclose(both, [1, -1, 0], rtol=1e-6)
    assert both.dtype == dtype
    np.testing.assert_array_equal(first_step(0 * g, clip_norm=1), 0 * g)


@pytest.mark.parametrize("size", [1e30, 3e38])
def test_clipping_gradients_whose_squares_overflow(size: float) -> None:
    g = np.array([3, -4, 0, 1e-9], np.float32) / 4 * np.float32(size)
    np.testing.assert_allclose(first_step(g, clip_norm=5), [3, -4, 0, 0], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(first_step(g, clip_value=2), [2, -2, 0, 2])


def test_clipping_does_not_hide_a_divergence() -> None:
    for bad in (np.inf, np.nan):
        assert not np.isfinite(first_step(np.array([1, bad]), clip_norm=1)).all()
    assert np.isnan(first_step(np.array([1, np.nan]), clip_value=1)[1])


class Recall(mt.Callback):
    """Remembers the optimizer's memory as training begins."""

    def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
        self.memory = trainer.optimizer.state_dict()


@pytest.mark.parametrize("rule", [mt.Adam, mt.RMSprop, mt.Lion])
def test_freezing_keeps_the_memory_of_the_others(rule: Any) -> None:
    model, recall = network(), Recall()
    trainer = trainer_for(model, rule(0.01))
    trainer.fit(X, Y, epochs=3, batch_size=20)
    slot = trainer.optimizer.slots[0]
    sizes = [array.size for array in model.named_parameters().values()]
    start = sum(sizes[:2])
    before = trainer.optimizer.state[slot].copy()
    assert before.size == sum(sizes)
    model[0].trainable = False
    trainer.fit(X, Y, callbacks=[recall])
    assert recall.memory["steps"] == 9
    np.testing.assert_array_equal(recall.memory[slot], before)
    after = trainer.optimizer.state[slot].copy()
    np.testing.assert_array_equal(after[:start], before[:start])
    assert (after[start:] != before[start:]).any()
    model[0].trainable = True
    trainer.fit(X, Y, callbacks=[recall])
    np.testing.assert_array_equal(recall.memory[slot], after)


def test_a_fit_in_which_all_is_frozen_changes_nothing() -> None:
    model = network()
    trainer = trainer_for(model, mt.Adam(0.01))
    trainer.fit(X, Y, epochs=3)
    before, steps = model.named_parameters(), trainer.optimizer.steps
    copies = {name: array.copy() for name, array in before.items()}
    model.trainable = False
    trainer.fit(X, Y)
    for name, array in before.items():
        np.testing.assert_array_equal(array, copies[name])
    model.trainable = True
    trainer.fit(X, Y)
    assert trainer.optimizer.steps >= steps + 1


def test_a_layer_that_joins_later_begins_with_steps_of_the_usual_size() -> None:
    """Adam's first step is the rate, as PyTorch's, which counts steps for each parameter."""
    model = network()
    model[0].trainable = False
    trainer = trainer_for(model, mt.Adam(0.001))
    trainer.fit(X, Y, epochs=50, batch_size=None)
    model[0].trainable = True
    before = model.state_dict()["0.weight"]
    trainer.fit(X, Y, batch_size=None)
    moved = np.abs(model.state_dict()["0.weight"] - before)
    np.testing.assert_allclose(moved, 0.001, rtol=0.01)


@pytest.mark.parametrize("rule", [lambda: mt.SGD(0.1, momentum=0.9), mt.Adam])
def test_a_second_model_starts_anew(rule: Any) -> None:
    used = rule()
    trainer_for(network(), used).fit(X, Y, epochs=3)
    results = []
    for optimizer in (used, rule()):
        model = network()
        trainer_for(model, optimizer).fit(X, Y, epochs=2, batch_size=20)
        results.append(model.state_dict())
        assert optimizer.steps == 6
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name])


def test_a_model_that_is_built_anew_starts_anew() -> None:
    model = mt.Sequential(mt.Dense(3), input_shape=5, seed=0)
    trainer = trainer_for(model, mt.Adam())
    trainer.fit(X, Y)
    model.initialize((7,), rng=np.random.default_rng(1), dtype=np.float64)
    trainer.fit(np.ones((60, 7)), Y)
    assert trainer.optimizer.state["mean"].dtype == np.float64


MEMORIES = [
    lambda: mt.SGD(0.1, momentum=0.9),
    lambda: mt.RMSprop(0.01),
    lambda: mt.Adagrad(0.01),
    lambda: mt.AdamW(0.01),
    lambda: mt.Lion(0.001),
]


@pytest.mark.parametrize("rule", MEMORIES)
@pytest.mark.parametrize("ready", [False, True])
def test_a_state_goes_on_in_another_optimizer(rule: Any, ready: bool) -> None:
    """Whether that has seen the model (`ready`) or not."""
    model = network()
    trainer = trainer_for(model, rule())
    trainer.fit(X, Y, epochs=2, batch_size=None)
    twin, other = network(), rule()
    if ready:
        other.bind(twin)
    twin.load_state_dict(model.state_dict())
    other.load_state_dict(trainer.optimizer.state_dict())
    trainer.fit(X, Y, epochs=2, batch_size=None)
    trainer_for(twin, other).fit(X, Y, epochs=2, batch_size=None)
    assert other.steps == trainer.optimizer.steps == 4
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name])


def test_a_state_is_a_copy_and_of_one_kind() -> None:
    optimizer, numbers = mt.Adam(), Numbers(np.ones(3))
    numbers.moved(optimizer, np.ones(3))
    state = optimizer.state_dict()
    assert set(state) >= {"steps", "ages", "learning_rate", "mean", "squares"}
    kept = copy.deepcopy(state)
    numbers.moved(optimizer, np.ones(3))
    np.testing.assert_array_equal(state["mean"], kept["mean"])
    for other in (mt.SGD(), mt.SGD(momentum=0.5), mt.Lion()):
        with pytest.raises(mt.DataError, match=r"expected steps and .* was it another optimizer"):
            other.load_state_dict(state)
    with pytest.raises(mt.DataError, match="expected steps"):
        optimizer.load_state_dict({"mean": kept["mean"], "squares": kept["squares"]})


def test_what_is_taken_back_is_the_memory_too() -> None:
    model, optimizer = network(), mt.Adam()
    trainer = trainer_for(model, optimizer)
    trainer.fit(X, Y, epochs=2)
    before = optimizer.state_dict()
    broken = X.copy()
    broken[59, 0] = np.nan
    with pytest.raises(mt.DataError, match="row 59"):
        trainer.fit(broken, Y, batch_size=10, shuffle=False)
    after = optimizer.state_dict()
    assert after["steps"] == before["steps"] == 2
    np.testing.assert_array_equal(after["mean"], before["mean"])


class Signs(mt.Optimizer):
    """Of a reader: no super().__init__(), a memory, and a setting of its own."""

    slots = ("before",)
    weight_decay = 0.01

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        before = self.state["before"]
        agree = np.sign(before) == np.sign(gradients)
        parameters -= rate * np.where(agree, np.sign(gradients), 0)
        before[...] = gradients


def test_an_optimizer_of_the_reader(few: Any) -> None:
    model = mt.notes_network(seed=0)
    optimizer = Signs(0.003)
    history = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, seed=0).fit(*few, epochs=5)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert optimizer.steps == 40
    assert optimizer.state["before"].dtype == np.float32
    assert optimizer.state_dict().keys() >= {"steps", "ages", "before"}


@pytest.mark.parametrize(("make", "arguments", "rule"), RULES)
def test_blocks_are_of_no_consequence(
    make: Any, arguments: Memory, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit: each parameter moves by its own gradients alone."""
    ends = []
    for block in (1_000, 7, 1):
        monkeypatch.setattr(optimizers.memory, "BLOCK", block)
        rng, optimizer = np.random.default_rng(0), make(0.05, **arguments)
        numbers = Numbers(rng.normal(size=100).astype(np.float32))
        for _ in range(3):
            parameters = numbers.moved(optimizer, rng.normal(size=100).astype(np.float32))
        assert {len(memory) for memory in optimizer.state.values()} <= {100}
        ends.append(parameters)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


@pytest.mark.parametrize("base", [mt.Optimizer, mt.SGD])
def test_a_rule_that_looks_at_all_gradients_gets_them(
    base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Normalized(base):  # type: ignore[misc]
        def update(self, parameters: Array, gradients: Array, rate: float) -> None:
            seen.append(len(gradients))
            parameters -= rate * gradients / np.linalg.norm(gradients)

    monkeypatch.setattr(optimizers.memory, "BLOCK", 7)
    parameters = Numbers(np.zeros(100)).moved(Normalized(1.0), np.ones(100))
    assert seen == [100]
    np.testing.assert_allclose(parameters, -0.1)


@pytest.mark.parametrize("rule", [mt.Adagrad, mt.RMSprop, mt.Adam, mt.AdamW, mt.Lion, mt.SGD])
@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "clip_norm", "clip_value"])
def test_numpy_scalars_do_not_widen(rule: Any, name: str) -> None:
    results = []
    for number in (0.125, np.float64(0.125), np.float32(0.125)):
        model, optimizer = network(np.float32), rule(**{name: number})
        trainer_for(model, optimizer).fit(X, Y, epochs=2)
        assert all(array.dtype == np.float32 for array in optimizer.state.values())
        assert all(array.dtype == np.float32 for array in model.state_dict().values())
        results.append(np.concatenate([a.ravel() for a in model.state_dict().values()]))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_schedule_is_asked_before_each_step_and_goes_on_from_fit_to_fit() -> None:
    asked: list[int] = []

    def schedule(step: int) -> float:
        asked.append(step)
        return float(np.float64(0.1) / (1 + step))

    optimizer = mt.SGD(schedule)
    trainer = trainer_for(network(), optimizer)
    trainer.fit(X, Y, epochs=2, batch_size=20)
    trainer.fit(X, Y, epochs=1, batch_size=20, micro_batch_size=7)
    assert asked == list(range(9))
    assert optimizer.last_rate == pytest.approx(0.1 / 9)
    assert optimizer.rate == pytest.approx(0.1 / 10)
    fallen = mt.SGD(step_decay(1.0, every=2))
    numbers = Numbers(np.zeros(1))
    for expected in (1.0, 2.0, 2.1, 2.2, 2.21):
        assert numbers.moved(fallen, -np.ones(1))[0] == pytest.approx(expected)


@pytest.mark.parametrize("rate", [-1.0, np.nan, None, "0.1"])
def test_a_schedule_gives_a_rate(rate: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="SGD: expected rate to be a finite number"):
        trainer_for(network(), mt.SGD(lambda step: rate)).fit(X, Y)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "0.1", [0.1]])
@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "clip_norm", "clip_value"])
def test_numbers_are_finite_and_at_least_0(name: str, bad: Any) -> None:
    for rule in (mt.SGD, mt.Adagrad, mt.RMSprop, mt.Adam, mt.AdamW, mt.Lion):
        make: Any = rule
        with pytest.raises(mt.ConfigurationError, match=rf"{make.__name__}: expected {name} to be"):
            make(**{name: bad})


@pytest.mark.parametrize("bad", [-0.1, 1.0, np.nan, "0.9", None])
@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (mt.SGD, "momentum"),
        (mt.RMSprop, "rho"),
        *[(rule, beta) for rule in (mt.Adam, mt.AdamW, mt.Lion) for beta in ("beta1", "beta2")],
    ],
)
def test_shares_are_from_0_to_below_1(rule: Any, name: str, bad: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match=f"{rule.__name__}: expected {name} to be"):
        rule(**{name: bad})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.SGD(nesterov=True), "momentum greater than 0 for nesterov"),
        (lambda: mt.SGD(clip_norm=0), "clip_norm to be a finite number greater than 0"),
        (lambda: mt.SGD(clip_value=0.0), "clip_value to be a finite number greater than 0"),
        (lambda: mt.Adam(epsilon=-1e-8), "Adam: expected epsilon"),
        (lambda: mt.Adagrad(epsilon=float("nan")), "Adagrad: expected epsilon"),
    ],
)
def test_what_has_no_meaning(make: Callable[[], object], message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copied_trainer_goes_on_as_the_original(copied: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    rate = mt.schedules.warmup(3, mt.schedules.sequence([(3, 0.1), (5, 0.2)]))
    model = mt.Sequential(mt.Dense(4), "tanh", mt.Dense(2), input_shape=3, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(rate, weight_decay=0.1), seed=1)
    trainer.fit(x, y, epochs=2, batch_size=7)
    other = copied(trainer)
    before = model.state_dict()
    other.fit(x, y, epochs=2, batch_size=7)
    assert all(np.array_equal(array, before[key]) for key, array in model.state_dict().items())
    trainer.fit(x, y, epochs=2, batch_size=7)
    found = other.model.state_dict()
    assert all(np.array_equal(array, found[key]) for key, array in model.state_dict().items())
    assert not all(np.array_equal(array, before[key]) for key, array in found.items())


def test_a_memory_of_another_length_is_refused_and_changes_nothing() -> None:
    optimizer = mt.Adam()
    trainer_for(network(), optimizer).fit(X, Y)
    state = optimizer.state_dict()
    short = {n: v[:-1] if n in ("mean", "squares") else v for n, v in state.items()}
    other, model = mt.Adam(), network()
    before = model.state_dict()
    other.load_state_dict(short)
    with pytest.raises(mt.MinitorchError):
        trainer_for(model, other).fit(X, Y)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
