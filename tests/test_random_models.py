"""The random models are what they say: valid, repeatable, and of everything that there is."""

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from tests import random_models
from tests.random_models import CLASSES, RandomModel, in_float64, random_model, run

SEEDS = range(60)
RICH = (2, 16, 26, 30, 43, 46, 51, 59, 61, 83, 98, 102, 123, 125, 133, 137, 148, 263)
"""Seeds whose models have everything between them; others are tried where something is missing."""


def same(one: RandomModel, other: RandomModel) -> bool:
    states = one.model.state_dict(), other.model.state_dict()
    return (
        one.description == other.description
        and states[0].keys() == states[1].keys()
        and all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
        and np.array_equal(one.x, other.x)
        and np.array_equal(one.targets, other.targets)
        and np.array_equal(np.array(one.sample_weight), np.array(other.sample_weight))
    )


def test_a_seed_and_a_description_make_the_same_model_again() -> None:
    for seed in range(8):
        made = random_model(seed)
        assert same(made, random_model(seed))
        assert same(made, eval(made.description, vars(random_models)))
    assert not same(random_model(0), random_model(1))


def test_every_layer_and_loss_appears() -> None:
    """One that never does is new: say in `ARGUMENTS` what its constructor takes, or in `ENDS`."""
    losses = {cls.__name__ for cls in vars(mt).values() if is_loss(cls)}
    missing = {cls.__name__ for cls in CLASSES} | losses - {"SeveralLosses"}  # of a Graph
    for seed in (*RICH, *range(2000)):
        made = random_model(seed)
        missing -= {type(each).__name__ for each in (made.loss, *made.model.walk())}
        if not missing:
            return
    raise AssertionError(f"in 2,000 models there is no {', '.join(sorted(missing))}")


def is_loss(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, mt.Loss) and not cls.__abstractmethods__


def test_gradients_are_those_of_the_values() -> None:
    """Along a random direction, wherever the function is smooth in it."""
    judged = 0
    for seed in SEEDS:
        made = in_float64(random_model(seed))
        analytic, numeric, tolerance = slopes(made)
        if tolerance:
            assert abs(analytic - numeric) <= tolerance, made.description
            judged += 1
    assert judged > len(SEEDS) / 2


def slopes(made: RandomModel) -> tuple[float, float, float]:
    """The slope along a random direction by the gradients, by a central difference, and how far
    apart they may be: 0 where there is a kink nearby.
    """
    rng = np.random.default_rng([made.seed, 2])
    value, gradients = run(made)
    points = {**made.model.named_parameters(), "x": made.x}
    points = {name: points[name] for name in gradients}
    starts = {name: point.copy() for name, point in points.items()}
    directions = {name: direction(point, rng) for name, point in starts.items()}

    def at(step: float) -> tuple[float, float]:
        """The value a step away, and the slope that the gradients there give."""
        for name, point in points.items():
            point[...] = starts[name] + step * directions[name]
        value, gradients = run(made)
        return value, sum(float((gradients[name] * directions[name]).sum()) for name in points)

    def differences(h: float) -> tuple[float, float]:
        """The central difference, and by how much those to the right and to the left differ."""
        up, down = at(h)[0], at(-h)[0]
        return (up - down) / (2 * h), (up + down - 2 * value) / h

    h = 1e-5
    (numeric, bend), (wide, wide_bend) = differences(h), differences(2 * h)
    scale = sum(float(np.abs(gradients[name] * directions[name]).sum()) for name in points)
    tolerance = 1e-6 * scale + 1e-13 * (1 + abs(value)) / h
    # A curve's bend is twice as large over twice the step; what is more than that is a kink's.
    smooth = max(abs(2 * bend - wide_bend), abs(numeric - wide)) <= tolerance
    # LayerNorm of equal features changes within 1e-10 of them: h would step over all of it. And
    # where it divides rounding by sqrt(epsilon), the gradient is another one at each point.
    smooth = smooth and scale * h <= 100 * (1 + abs(value))
    near = [at(k * 1e-9)[1] for k in (-2, -1, 0, 1, 2)]
    smooth = smooth and max(near) - min(near) <= tolerance
    return near[2], numeric, tolerance * smooth


def direction(point: Array, rng: np.random.Generator) -> Array:
    """Of about the size of the entries."""
    return rng.normal(size=point.shape) * (float(np.abs(point).max()) or 1.0)


@pytest.mark.filterwarnings("ignore:fit. x. expected inputs of about size 1")
def test_they_train() -> None:
    for seed in range(20):
        made = random_model(seed)
        trainer = mt.Trainer(made.model, made.loss, mt.SGD(0.01), seed=seed)
        trainer.fit(made.x, made.targets, batch_size=None, sample_weight=made.sample_weight)
