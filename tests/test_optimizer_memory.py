"""Which parameters an optimizer updates together, and what it keeps of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import optimizers
from minitorch_np.optimizers import memory
from minitorch_np.optimizers.memory import Part, _blocks, _joined, _together

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2


def parts(*numbers: tuple[int, int, int]) -> list[Part]:
    return [Part(slice(start, stop), born) for start, stop, born in numbers]


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ([], []),
        ([(0, 3, 0)], [(0, 3, 0)]),
        ([(0, 3, 0), (3, 5, 0), (5, 6, 0)], [(0, 6, 0)]),
        ([(0, 3, 0), (4, 5, 0)], [(0, 3, 0), (4, 5, 0)]),  # a frozen one in between
        ([(0, 3, 0), (3, 5, 1), (5, 6, 1)], [(0, 3, 0), (3, 6, 1)]),
        ([(1, 3, 2), (3, 5, 1), (5, 6, 2)], [(1, 3, 2), (3, 5, 1), (5, 6, 2)]),
    ],
)
def test_neighbours_of_one_age_are_joined(given: Any, joined: Any) -> None:
    assert _joined(parts(*given)) == parts(*joined)


def test_long_parts_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.BLOCK == 65_536
    monkeypatch.setattr(memory, "BLOCK", 4)
    found = _blocks(parts((1, 4, 0), (5, 9, 1), (9, 18, 2)))
    assert found == parts((1, 4, 0), (5, 9, 1), (9, 13, 2), (13, 17, 2), (17, 18, 2))


def test_a_rule_that_needs_all_gets_the_entries_of_all() -> None:
    assert _together([]) == []
    assert _together(parts((2, 5, 3))) == parts((2, 5, 3))
    (both,) = _together(parts((0, 2, 1), (4, 7, 3)))
    np.testing.assert_array_equal(both.place, [0, 1, 4, 5, 6])
    assert both.born == 3


def test_what_decay_spares() -> None:
    dense, norm = mt.Dense(2), mt.BatchNorm()
    assert optimizers.nothing(dense, "bias") is optimizers.nothing(norm, "weight") is False
    assert optimizers.biases_and_norms(dense, "bias")
    assert optimizers.biases_and_norms(norm, "weight")
    assert not optimizers.biases_and_norms(dense, "weight")
    for spare, bias in ((optimizers.nothing, 0.9), (optimizers.biases_and_norms, 1.0)):
        model = mt.Sequential(mt.Dense(2), input_shape=1, seed=0, dtype=np.float64)
        for array in model.named_parameters().values():
            array[...] = 2.0
        rule = mt.SGD(0.5, weight_decay=0.2, spare=spare)
        rule.step(model, {"0.weight": np.zeros((2, 1)), "0.bias": np.zeros(2)})
        found = model.state_dict()
        assert (found["0.weight"] == 2 * 0.9).all()
        assert (found["0.bias"] == 2 * bias).all()


def by_hand(values: Any, steps: list[list[bool]], rate: float, momentum: float) -> Any:
    """SGD with momentum of one number for each layer; `steps` say which layers move."""
    values, speed = np.array(values, float), np.zeros(len(values))
    for n, moves in enumerate(steps, 1):
        for place, moving in enumerate(moves):
            if moving:
                speed[place] = momentum * speed[place] + n
                values[place] -= rate * speed[place]
    return values, speed


@pytest.mark.parametrize("block", [1, 2, 65_536])
def test_each_parameter_has_its_own_memory_while_others_are_frozen(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "BLOCK", block)
    layers = [mt.Dense(1, use_bias=False) for _ in range(4)]
    model = mt.Sequential(*layers, input_shape=1, seed=0, dtype=np.float64)
    start = [array.item() for array in model.named_parameters().values()]
    rule = mt.SGD(0.1, momentum=0.5)
    steps = [
        [True, True, True, True],
        [True, False, True, True],
        [True, False, True, False],
        [False, True, False, True],
        [True, True, True, True],
    ]
    for n, moves in enumerate(steps, 1):
        for layer, moving in zip(layers, moves, strict=True):
            layer.trainable = moving
        given = {name: np.full((1, 1), float(n)) for name in model.named_parameters()}
        frozen = {f"{place}.weight" for place, moving in enumerate(moves) if not moving}
        rule.step(model, {name: array for name, array in given.items() if name not in frozen})
    values, speed = by_hand(start, steps, 0.1, 0.5)
    found = [array.item() for array in model.named_parameters().values()]
    np.testing.assert_allclose(found, values, rtol=1e-14)
    np.testing.assert_allclose(rule.state["velocity"], speed, rtol=1e-14)
    assert rule.steps == 5


def test_adam_counts_the_steps_of_each_parameter() -> None:
    """Its first step is of the size of the rate, also that of a layer that joins later."""
    layers = [mt.Dense(1, use_bias=False) for _ in range(3)]
    model = mt.Sequential(*layers, input_shape=1, seed=0, dtype=np.float64)
    rule, one = mt.Adam(0.1), np.ones((1, 1))
    layers[1].trainable = False
    for _ in range(3):
        rule.step(model, {"0.weight": one, "2.weight": one})
    layers[1].trainable = True
    before = model.state_dict()
    rule.step(model, {f"{place}.weight": 7 * one for place in range(3)})
    moved = {name: before[name].item() - array.item() for name, array in model.state_dict().items()}
    assert moved["1.weight"] == pytest.approx(0.1, rel=1e-6)
    mean = (0.1 * 0.9 * (1 + 0.9 + 0.81) + 0.7) / (1 - 0.9**4)
    square = (0.001 * 0.999 * (1 + 0.999 + 0.999**2) + 0.049) / (1 - 0.999**4)
    assert moved["0.weight"] == pytest.approx(0.1 * mean / square**0.5, rel=1e-6)
    assert moved["2.weight"] == pytest.approx(moved["0.weight"], rel=1e-14)


def test_a_step_of_nothing_is_none() -> None:
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    rule = mt.SGD(0.5)
    model[0].trainable = False
    rule.step(model, {})
    assert (rule.steps, rule.last_rate) == (0, 0.0)
    model[0].trainable = True
    rule.step(model, {"0.weight": np.ones((2, 3), "f"), "0.bias": np.ones(2, "f")})
    assert (rule.steps, rule.last_rate) == (1, 0.5)


def test_a_memory_of_another_model_is_refused() -> None:
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    rule = mt.Adam()
    rule.step(model, {"0.weight": np.ones((2, 3), "f"), "0.bias": np.ones(2, "f")})
    other = mt.Adam()
    other.load_state_dict(rule.state_dict())
    with pytest.raises(mt.ConfigurationError) as error:
        other.bind(mt.Sequential(mt.Dense(3), input_shape=3, seed=0))
    assert str(error.value).startswith(
        "optimizer: expected state for 2 arrays of 12 parameters in total, as the model has, got "
        "that of another model, or of an older version"
    )


def test_a_rate_is_restored_unless_it_follows_a_schedule() -> None:
    schedule = mt.schedules.cosine(0.1, 10)
    number, scheduled = mt.SGD(0.5).state_dict(), mt.SGD(schedule).state_dict()
    assert number["learning_rate"] == 0.5
    assert "learning_rate" not in scheduled
    for rate, state, expected in (
        (0.1, number, 0.5),
        (0.1, scheduled, 0.1),
        (schedule, number, schedule),
        (schedule, scheduled, schedule),
    ):
        rule = mt.SGD(rate)
        rule.load_state_dict({**state, "last_rate": 0.25})
        assert rule.learning_rate == expected
        assert rule.last_rate == 0.25
