"""Schedules: the rate at each step, at the ends, and after them."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np import schedules
from minitorch_np.schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    linear,
    one_cycle,
    sequence,
    step_decay,
    warmup,
)

# Rates at steps, by hand.
BY_HAND: dict[str, tuple[Schedule, dict[int, float]]] = {
    "constant": (constant(0.3), {0: 0.3, 10**9: 0.3}),
    "nothing": (constant(0), {0: 0}),
    "step_decay": (
        step_decay(0.8, every=3, factor=0.5),
        {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2, 30: 0.8 / 1024},
    ),
    "step_decay by ten": (step_decay(1.0, every=1), {0: 1, 1: 0.1, 2: 0.01}),
    "exponential": (exponential(2.0, 0.5), {0: 2, 1: 1, 2: 0.5, 11: 2**-10}),
    "exponential, once": (exponential(2.0, 0.0), {0: 2, 1: 0, 2: 0}),
    "cosine": (
        cosine(1.0, steps=6),
        {0: 1, 1: (1 + math.sqrt(3) / 2) / 2, 2: 0.75, 3: 0.5, 4: 0.25, 6: 0, 7: 0, 999: 0},
    ),
    "cosine to a minimum": (cosine(0.5, 4, minimum=0.1), {0: 0.5, 2: 0.3, 4: 0.1, 5: 0.1, 12: 0.1}),
    "cosine, once": (cosine(0.5, 1), {0: 0.5, 1: 0}),
    "linear": (linear(1.0, 0.2, steps=4), {0: 1, 1: 0.8, 2: 0.6, 3: 0.4, 4: 0.2, 5: 0.2, 99: 0.2}),
    "linear, up": (linear(0.0, 0.3, steps=3), {0: 0, 1: 0.1, 2: 0.2, 3: 0.3, 4: 0.3}),
    "warmup": (warmup(4, 0.8), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 0.8, 99: 0.8}),
    "warmup of one": (warmup(1, 0.8), {0: 0.8, 1: 0.8}),
    "warmup and cosine": (
        warmup(2, cosine(0.6, steps=6)),
        {0: 0.3, 1: 0.6, 2: 0.6, 4: 0.45, 5: 0.3, 8: 0, 9: 0, 100: 0},
    ),
    "warmup of a warmup": (warmup(2, warmup(2, 1.0)), {0: 0.25, 1: 0.5, 2: 0.5, 3: 1, 4: 1}),
    # Up over steps 0 to 2, down over steps 2 to 9.
    "one_cycle": (
        one_cycle(1.0, 10, warmup_share=0.3, start_factor=5, end_factor=4),
        {0: 0.2, 1: 0.6, 2: 1.0, 9: 0.05, 10: 0.05, 1000: 0.05},
    ),
    "one_cycle, even": (
        one_cycle(1.0, 9, warmup_share=5 / 9, start_factor=2, end_factor=1),
        {0: 0.5, 2: 0.75, 4: 1, 6: 0.75, 8: 0.5},
    ),
    "sequence": (
        sequence([(2, 0.1), (3, linear(0.3, 0.0, steps=3)), (1, 0.7)]),
        {0: 0.1, 1: 0.1, 2: 0.3, 3: 0.2, 4: 0.1, 5: 0.7, 6: 0.7, 99: 0.7},
    ),
    "sequence of one": (sequence([(0, exponential(1, 0.5))]), {0: 1, 3: 0.125}),
    "sequence with an empty part": (sequence([(2, 0.1), (0, 9.0), (2, 0.3)]), {1: 0.1, 2: 0.3}),
    "sequence of sequences": (
        sequence([(3, sequence([(1, 0.1), (1, 0.2)])), (1, warmup(2, 1.0))]),
        {0: 0.1, 1: 0.2, 2: 0.2, 3: 0.5, 4: 1, 5: 1},
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_rates_by_hand(name: str) -> None:
    schedule, rates = BY_HAND[name]
    for step, rate in rates.items():
        assert schedule(step) == pytest.approx(rate, rel=1e-13, abs=1e-16), step


def test_defaults_are_pytorchs() -> None:
    schedule = one_cycle(0.5, 100)
    assert schedule(0) == pytest.approx(0.5 / 25)
    assert schedule(29) == pytest.approx(0.5)
    assert schedule(99) == pytest.approx(0.5 / 25e4)
    assert step_decay(1.0, 5)(5) == pytest.approx(0.1)


rates = st.floats(0, 10)
many = st.integers(1, 200)
step_numbers = st.integers(0, 500)


def within(rate: float, low: float, high: float) -> bool:
    """But for rounding; below 0 it never is, for that is no rate."""
    return low * (1 - 1e-14) <= rate <= high * (1 + 1e-14)


@settings(deadline=None)
@given(rates, rates, many, step_numbers)
def test_rates_lie_between_the_stated_ones(a: float, b: float, steps: int, step: int) -> None:
    low, high = sorted([a, b])
    for schedule in (cosine(a, steps, minimum=b), linear(a, b, steps)):
        assert within(schedule(step), low, high)
        assert schedule(steps + step) == b
        assert schedule(0) == pytest.approx(a, rel=1e-12, abs=1e-15)
    assert within(warmup(steps, a)(step), 0, a)
    assert within(warmup(steps, cosine(high, 50, low))(step), 0, high)
    assert within(sequence([(steps, a), (steps, linear(b, a, 7))])(step), low, high)


@settings(deadline=None)
@given(rates, st.floats(0, 1), many, step_numbers)
def test_what_falls_never_rises(rate: float, factor: float, steps: int, step: int) -> None:
    falling = [
        step_decay(rate, steps, factor),
        exponential(rate, factor),
        cosine(rate, steps, minimum=factor * rate),
        linear(rate, factor * rate, steps),
    ]
    for schedule in falling:
        assert within(schedule(step), 0, rate)
        assert schedule(step + 1) <= schedule(step) * (1 + 1e-12) + 1e-300


@settings(deadline=None)
@given(
    st.floats(1e-6, 10),
    st.integers(2, 300),
    st.floats(0, 1),
    st.floats(1, 100),
    st.floats(1, 1e5),
    step_numbers,
)
def test_one_cycle_goes_up_once_and_down_once(
    rate: float, steps: int, share: float, start: float, end: float, step: int
) -> None:
    share = 1.001 / steps + share * (0.999 - 1.001 / steps)
    schedule = one_cycle(rate, steps, share, start, end)
    assert within(schedule(step), rate / start / end, rate)
    top = share * steps - 1
    before, after = schedule(step), schedule(step + 1)
    if step + 1 <= top:
        assert after >= before * (1 - 1e-12)
    elif step >= top:
        assert after <= before * (1 + 1e-12)
    assert schedule(steps - 1) == schedule(steps + step)


@pytest.mark.parametrize("steps", [3, 6, 12, 24, 41])
def test_a_line_down_to_0_ends_at_0(steps: int) -> None:
    model = mt.Sequential(mt.Dense(1), input_shape=1, seed=0)
    optimizer = mt.SGD(linear(0.1, 0.0, steps))
    trainer = mt.Trainer(model, mt.MeanSquaredError(), optimizer)
    trainer.fit([[1.0]], [1.0], epochs=steps + 2)
    assert optimizer.last_rate == 0


def test_a_schedule_is_any_function_of_the_step() -> None:
    assert warmup(2, lambda step: 1 / (1 + step))(4) == pytest.approx(1 / 3)
    assert sequence([(1, 0.5), (1, lambda step: 0.1 * step)])(4) == pytest.approx(0.3)


def test_training_follows_it() -> None:
    rates: list[float] = []

    class Spy(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            rates.append(trainer.optimizer.last_rate)

    model = mt.Sequential(mt.Dense(1), input_shape=2, seed=0)
    schedule = warmup(2, linear(0.4, 0.0, steps=4))
    trainer = mt.Trainer(model, mt.MeanSquaredError(), mt.Adam(schedule), seed=0)
    trainer.fit([[0.0, 1], [1, 0], [1, 1]], [1, 2, 3], epochs=4, batch_size=2, callbacks=[Spy()])
    assert rates == pytest.approx([0.2, 0.4, 0.4, 0.3, 0.2, 0.1, 0, 0])


BAD: list[tuple[Callable[..., Schedule], tuple[Any, ...]]] = [
    (constant, (-0.1,)),
    (constant, (math.nan,)),
    (constant, ("0.1",)),
    (step_decay, (0.1, 0)),
    (step_decay, (0.1, -1)),
    (step_decay, (0.1, 5, -0.5)),
    (step_decay, (0.1, 5, math.nan)),
    (exponential, (0.1, -0.5)),
    (exponential, (0.1, math.nan)),
    (cosine, (0.1, 0)),
    (cosine, (0.1, "10")),
    (linear, (0.1, 0.2, 0)),
    (warmup, (0, 0.1)),
    (warmup, (5, -0.1)),
    (warmup, (5, "0.1")),
    (one_cycle, (0.1, 1)),
    (one_cycle, (0.1, 10, 0.0)),
    (one_cycle, (0.1, 10, 0.1)),
    (one_cycle, (0.1, 10, 1.0)),
    (one_cycle, (0.1, 10, 0.3, 0.0)),
    (one_cycle, (0.1, 10, 0.3, 25.0, 0.0)),
    (one_cycle, (0.1, 10, 0.3, -25.0)),
    (sequence, ([],)),
    (sequence, ([(-1, 0.1), (2, 0.1)],)),
    (sequence, ([constant(0.1), constant(0.2)],)),
    *[(make, (-0.1, 10)) for make in (step_decay, cosine, one_cycle)],
    (exponential, (-0.1, 0.5)),
    (linear, (0.1, -0.2, 10)),
]


@pytest.mark.parametrize(("make", "arguments"), BAD)
def test_arguments_out_of_range(make: Callable[..., Schedule], arguments: tuple[Any, ...]) -> None:
    """When it is made, not in the middle of a run."""
    with pytest.raises(mt.ConfigurationError, match="expected"):
        make(*arguments)


def test_what_grows_without_bound_is_explained() -> None:
    model = mt.Sequential(mt.Dense(1), input_shape=2, seed=0)
    optimizer = mt.SGD(exponential(0.1, 10.0))
    optimizer.steps = 400
    with pytest.raises(mt.MinitorchError):
        mt.Trainer(model, mt.MeanSquaredError(), optimizer).fit([[0.0, 1]], [1])


EVERY = [
    schedules.constant(0.1),
    schedules.step_decay(0.1, 3),
    schedules.exponential(0.1, 0.9),
    schedules.cosine(0.1, 7, minimum=0.01),
    schedules.linear(0.1, 0.2, 3),
    schedules.one_cycle(0.1, 10),
    schedules.warmup(2, schedules.sequence([(3, 0.1), (4, schedules.cosine(0.2, 4))])),
]


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_a_schedule_reads_as_code_and_can_be_pickled(schedule: Any) -> None:
    for again in (eval(repr(schedule), vars(schedules)), pickle.loads(pickle.dumps(schedule))):
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert [again(step) for step in range(12)] == [schedule(step) for step in range(12)]
    assert schedule != schedules.constant(0.3)


def test_a_wave_from_almost_nothing_starts_there() -> None:
    assert schedules.cosine(2.5e-90, 3, minimum=1.0)(0) == 2.5e-90
    assert schedules.one_cycle(1.0, 10, start_factor=1e90)(0) == 1e-90
