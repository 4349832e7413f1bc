"""How the learning rate changes as training goes on.

A schedule is a function: from the number of steps already made, 0 before the first, to the learning
rate of the next. Any such function will do as an optimizer's `learning_rate`; these are the usual
ones. A step is a batch, not an epoch: an epoch has ceil(samples / batch_size) of them.

    SGD(learning_rate=warmup(100, cosine(0.1, steps=5000)))

Where PyTorch has the same schedule it is named in the docstring, and gives the same rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from minitorch_np.errors import ConfigurationError

Schedule: TypeAlias = Callable[[int], float]
"""From the number of steps made to the learning rate of the next."""


def constant(rate: float) -> Schedule:
    """`rate`, always."""
    rate = _number("rate", rate)
    return lambda step: rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """rate factor^floor(step / every): a fall at every `every` steps. PyTorch: StepLR."""
    rate, factor, every = _number("rate", rate), _number("factor", factor), _steps("every", every)
    return lambda step: rate * _power(factor, step // every)


def exponential(rate: float, factor: float) -> Schedule:
    """rate factor^step: a fall by the same share at each step. PyTorch: ExponentialLR."""
    rate, factor = _number("rate", rate), _number("factor", factor)
    return lambda step: rate * _power(factor, step)


def cosine(rate: float, steps: int, minimum: float = 0.0) -> Schedule:
    """Half a wave from `rate` down to `minimum` in `steps` steps, and `minimum` from then on:
    minimum + (rate - minimum) (1 + cos(pi step / steps)) / 2. PyTorch: CosineAnnealingLR.

    Source: Loshchilov and Hutter 2016 (arXiv:1608.03983).
    """
    rate, minimum = _number("rate", rate), _number("minimum", minimum)
    steps = _steps("steps", steps)
    return lambda step: _half_wave(rate, minimum, min(step, steps) / steps)


def linear(start: float, end: float, steps: int) -> Schedule:
    """A straight line from `start` to `end` in `steps` steps, and `end` from then on. PyTorch:
    LinearLR.
    """
    start, end, steps = _number("start", start), _number("end", end), _steps("steps", steps)

    def schedule(step: int) -> float:
        share = min(step, steps) / steps
        return start * (1 - share) + end * share  # exactly `end` at the end

    return schedule


def warmup(steps: int, then: Schedule | float) -> Schedule:
    """Linear warm-up: for the first `steps` steps (step + 1) / steps of the rate with which `then`
    begins, which it reaches with the last of them; then `then`, from its beginning.
    """
    steps, after = _steps("steps", steps), as_schedule(then)
    return lambda step: after(0) * (step + 1) / steps if step < steps else after(step - steps)


def one_cycle(
    rate: float,
    steps: int,
    warmup_share: float = 0.3,
    start_factor: float = 25.0,
    end_factor: float = 1e4,
) -> Schedule:
    """Up from rate / start_factor to `rate` in the first `warmup_share` of `steps` steps, and down
    to rate / start_factor / end_factor in the rest, each along half a wave. PyTorch: OneCycleLR.

    Source: Smith and Topin 2017 (arXiv:1708.07120).
    """
    rate, steps = _number("rate", rate), _steps("steps", steps)
    _require(steps >= 2, "one_cycle: expected steps >= 2", steps)
    share = _number("warmup_share", warmup_share)
    _require(1 / steps < share < 1, "one_cycle: expected warmup_share from a step to all", share)
    factors = _number("start_factor", start_factor), _number("end_factor", end_factor)
    _require(min(factors) > 0, "one_cycle: expected factors greater than 0", factors)
    start, top = rate / factors[0], share * steps - 1
    end = start / factors[1]

    def schedule(step: int) -> float:
        step = min(step, steps - 1)
        if step <= top:
            return _half_wave(start, rate, step / top)
        return _half_wave(rate, end, (step - top) / (steps - 1 - top))

    return schedule


def sequence(parts: Sequence[tuple[int, Schedule | float]]) -> Schedule:
    """One schedule after the other: `(steps, schedule)` each, the last of which goes on for ever.
    Each begins at its own step 0. PyTorch: SequentialLR.
    """
    pairs = isinstance(parts, Sequence) and all(isinstance(p, (tuple, list)) for p in parts)
    _require(
        pairs and len(parts) > 0 and all(len(part) == 2 for part in parts),
        "sequence: expected a list of pairs (steps, schedule)",
        parts,
    )
    schedules = [as_schedule(part) for _, part in parts]
    ends = list(accumulate(_steps("steps", steps, 0) for steps, _ in parts))

    def schedule(step: int) -> float:
        place = next((n for n, end in enumerate(ends) if step < end), len(parts) - 1)
        return schedules[place](step - (ends[place - 1] if place else 0))

    return schedule


def as_schedule(rate: Schedule | float) -> Schedule:
    """A schedule; a number is a constant one."""
    return rate if callable(rate) else constant(rate)


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _number(name: str, value: object) -> float:
    real = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    _require(real and 0 <= value < math.inf, f"{name}: expected a finite number >= 0", value)  # type: ignore[operator]
    return float(value)  # type: ignore[arg-type]


def _steps(name: str, value: object, least: int = 1) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    _require(whole and value >= least, f"{name}: expected a whole number >= {least}", value)  # type: ignore[operator]
    return int(value)  # type: ignore[call-overload,no-any-return]


def _power(factor: float, exponent: int) -> float:
    try:
        return factor**exponent
    except OverflowError:  # a rate that no optimizer takes
        return math.inf


def _require(right: bool, expected: str, got: object) -> None:
    if not right:
        raise ConfigurationError(f"{expected}, got {got!r}")
