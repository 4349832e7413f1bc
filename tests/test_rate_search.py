"""The search for a learning rate, with losses that are written down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.training import rate_search
from minitorch_np.training.rate_search import RateSearch, _suggestion, find_learning_rate

X, Y = np.zeros((10, 3), np.float32), np.arange(10) % 2


def searched(monkeypatch: pytest.MonkeyPatch, losses: list[float], **given: Any) -> Any:
    """The result for these losses in turn, the rates of the steps, and the sizes of the batches."""
    sizes, rates, left = list[int](), list[float](), iter(losses)

    def propagate(model: Any, loss: Any, x: Any, y: Any, weights: Any, rng: Any) -> Any:
        sizes.append(len(x))
        return next(left), None, {}

    monkeypatch.setattr(rate_search, "propagate", propagate)
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.5)", seed=0)
    monkeypatch.setattr(
        type(trainer.optimizer), "step", lambda self, *_: rates.append(self.learning_rate)
    )
    state = trainer.rng.bit_generator.state
    found = find_learning_rate(trainer, X, Y, batch_size=4, **given)
    assert trainer.optimizer.learning_rate == 0.5
    assert trainer.rng.bit_generator.state == state
    return found, rates, sizes


def smoothed(losses: list[float]) -> list[float]:
    """The weighted means of all losses so far, each of a weight 0.9 times that of the next."""
    found = []
    for n in range(1, len(losses) + 1):
        weights = 0.9 ** np.arange(n)[::-1]
        found.append(float(np.average(losses[:n], weights=weights)))
    return found


def test_rates_grow_and_losses_are_smoothed(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [2.0, 1.8, 1.5, 1.1, 0.9, 0.8, 0.7, 0.9, 1.0, 1.2]
    given = {"low": 1e-4, "high": 10.0, "steps": 10}
    found, rates, sizes = searched(monkeypatch, losses, **given)
    expected = [1e-4 * 10 ** (5 * n / 9) for n in range(10)]
    assert found.rates == pytest.approx(expected)
    assert rates == found.rates
    assert found.losses == pytest.approx(smoothed(losses))
    assert sizes == [4, 4, 2, 4, 4, 2, 4, 4, 2, 4]
    assert repr(found) == f"RateSearch(10 rates, suggestion={found.suggestion:.3g})"


def test_a_schedule_is_put_back() -> None:
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    schedule = mt.schedules.cosine(0.1, 10)
    trainer = mt.Trainer(model, "softmax_cross_entropy", mt.SGD(schedule))
    find_learning_rate(trainer, X, Y, steps=10)
    assert trainer.optimizer.learning_rate is schedule
    assert trainer.optimizer.steps == 0


def test_by_default_100_rates_from_a_millionth_to_10(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _, _ = searched(monkeypatch, [1.0] * 100)
    assert len(found.rates) == 100
    assert (found.rates[0], found.rates[-1]) == pytest.approx((1e-6, 10))
    assert math.isnan(found.suggestion)  # the loss never fell


@pytest.mark.parametrize(
    ("last", "kept"),
    [(9.1, 3), (9.2, 2), (math.nan, 2), (math.inf, 2)],
)
def test_the_search_ends_where_the_loss_explodes(
    last: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the smoothed one is 4 times the least: (0.81 + 0.9 + 9.13) / 2.71 is 4."""
    found, rates, _ = searched(monkeypatch, [1.0, 1.0, last, math.nan], steps=10)
    assert len(found.rates) == len(found.losses) == len(rates) == kept


def test_a_negative_first_loss_is_no_explosion(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _, _ = searched(monkeypatch, [-1.0, math.nan], steps=10)
    assert found.losses == [-1.0]


def test_the_suggestion() -> None:
    """Where it falls fastest, at most a tenth of where it is least; without the first tenth."""
    rates = np.geomspace(1e-3, 1e6, 10)
    falling = np.array([9.0, 9, 8, 4, 2.5, 2.4, 2.3, 2.2, 2.1, 5])
    assert _suggestion(rates, falling) == pytest.approx(rates[3])  # from 8 to 2.5 over two steps
    late = np.array([9.0, 9, 9, 9, 9, 9, 9, 9, 1, 5])
    assert _suggestion(rates, late) == pytest.approx(rates[7])  # a tenth of rates[8]
    begins = np.array([99.0, 9, 8, 7.5, 7, 6.5, 4, 3.9, 3.8, 5])
    assert _suggestion(rates, begins) == pytest.approx(rates[5])  # from 7 to 4, not from 99
    for losses in ([], [3.0], [3.0, 2.0], [3.0, 2.0, 2.5], [1.0, 2.0, 3.0, 4.0], [1.0] * 9):
        assert math.isnan(_suggestion(rates[: len(losses)], np.array(losses)))
    assert not math.isnan(_suggestion(rates[:3], np.array([3.0, 2.0, 1.0])))


def test_its_picture() -> None:
    pytest.importorskip("matplotlib")
    found = RateSearch([0.001, 0.01, 0.1], [2.0, 1.0, 4.0], 0.012345)
    figure = found.plot()
    (axes,) = figure.axes
    assert figure.get_size_inches()[1] == pytest.approx(3.2)
    assert axes.get_ylim() == pytest.approx((0.9, 2.5))
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "learning rate")
    assert axes.get_ylabel() == "loss (smoothed)"
    assert axes.get_title() == "suggested learning rate: 0.012"
    curve, mark = axes.get_lines()
    np.testing.assert_array_equal(curve.get_xydata(), np.array([found.rates, found.losses]).T)
    assert mark.get_xdata() == [0.012345, 0.012345]
    (level,) = RateSearch([0.1, 1.0], [3.0, 3.0], math.nan).plot().axes
    assert level.get_ylim() == pytest.approx((2.9, 3.5))
    assert (len(level.get_lines()), level.get_title()) == (1, "")
