"""Drawing tokens, with random numbers that are written down, and a model that only remembers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.generation import _tokens, drawn

# Probabilities 0.4, 0.3, 0.2, 0.1 of the classes 2, 0, 3, 1.
SCORES = np.log([0.3, 0.1, 0.4, 0.2])


def draws(*numbers: float) -> Any:
    left = iter(numbers)
    return SimpleNamespace(random=lambda: next(left))


@pytest.mark.parametrize(
    ("number", "given", "token"),
    [
        (0.0, {}, 2),
        (0.39, {}, 2),
        (0.41, {}, 0),
        (0.69, {}, 0),
        (0.71, {}, 3),
        (0.91, {}, 1),
        (0.9999, {}, 1),
        (0.0, {"top_k": 1}, 2),
        (0.9999, {"top_k": 1}, 2),
        (0.9999, {"top_k": 3}, 3),
        (0.43, {"top_k": 2}, 2),  # 0.4 of 0.7 is 0.571
        (0.58, {"top_k": 2}, 0),
        (0.9999, {"top_p": 0.0}, 2),
        (0.9999, {"top_p": 0.39}, 2),
        (0.9999, {"top_p": 0.41}, 0),
        (0.9999, {"top_p": 0.69}, 0),
        (0.9999, {"top_p": 0.71}, 3),
        (0.9999, {"top_p": 1.0}, 1),
        (0.58, {"top_p": 0.6}, 0),
        (0.56, {"top_p": 0.6}, 2),
        (0.9999, {"top_k": 2, "top_p": 0.9}, 0),  # 0.571 and 0.429 of the first two
        (0.9999, {"top_k": 2, "top_p": 0.56}, 2),
        (0.52, {"temperature": 0.5}, 2),  # 16 of 30 by squares
        (0.54, {"temperature": 0.5}, 0),
        (0.9999, {"temperature": 0}, 2),
    ],
)
def test_which_token_a_number_draws(number: float, given: dict[str, Any], token: int) -> None:
    settings: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None} | given
    assert drawn(SCORES, rng=draws(number), **settings) == token
    assert drawn(SCORES + 800, rng=draws(number), **settings) == token  # no exponential overflows


def test_of_equal_scores_the_lower_number_is_first() -> None:
    for temperature in (0.0, 1.0):
        assert drawn(np.zeros(3), temperature, 1, None, draws(0.99)) == 0


class Remembers:
    """A model that tells which tokens it was given, and says that the next is the last plus one."""

    dtype = np.float32
    outputs_probabilities = False

    def __init__(self, *contexts: int) -> None:
        self.given = list[tuple[list[int], int]]()
        self.contexts = contexts

    def walk(self) -> Any:
        return [SimpleNamespace(), *(SimpleNamespace(max_steps=n) for n in self.contexts)]

    def step(self, x: Any, state: Any) -> Any:
        tokens = x[0].astype(int).tolist()
        self.given.append((tokens, state or 0))
        scores = np.zeros((1, len(tokens), 9))
        scores[0, -1, (tokens[-1] + 1) % 9] = 5
        return scores, (state or 0) + len(tokens)


def told(model: Any, prompt: list[int], length: int) -> list[int]:
    return list(_tokens(model, np.array(prompt), length, 0.0, None, None, draws()))


def test_a_token_costs_one_step() -> None:
    model = Remembers()
    assert told(model, [3, 4], 4) == [5, 6, 7, 8]
    assert model.given == [([3, 4], 0), ([5], 2), ([6], 3), ([7], 4)]
    assert told(Remembers(), [3], 0) == []


def test_a_context_that_is_full_begins_again_with_its_later_half() -> None:
    model = Remembers(9, 4)
    assert told(model, [0, 1], 5) == [2, 3, 4, 5, 6]
    assert model.given == [([0, 1], 0), ([2], 2), ([3], 3), ([3, 4], 0), ([5], 2)]
    short = Remembers(1)
    assert told(short, [0], 3) == [1, 2, 3]
    assert short.given == [([0], 0), ([1], 0), ([2], 0)]
    long = Remembers(5)
    told(long, list(range(8)), 1)
    assert long.given == [([6, 7], 0)]


def test_scores_of_a_model_without_steps_or_with_probabilities() -> None:
    model = Remembers()
    vars(model)["step"] = lambda x, state: (np.array([[0.0, 0.25, 0.75, 0.0]]), None)
    model.outputs_probabilities = True
    found = [
        next(_tokens(model, np.array([0]), 1, 1.0, None, None, draws(number)))  # type: ignore[arg-type]
        for number in (0.7, 0.8)
    ]
    assert found == [2, 1]
    vars(model)["step"] = lambda x, state: (np.array([[0.0, np.nan]]), None)
    with pytest.raises(mt.DataError) as error:
        told(model, [0], 1)
    said = "generate: expected finite scores, got NaN: the model has diverged"
    assert str(error.value) == said
