"""Learning-rate schedules.

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

from minitorch_np.errors import ConfigurationError
from minitorch_np.validation import number, require, whole

Schedule: TypeAlias = Callable[[int], float]
"""From the number of steps made to the learning rate of the next."""


def constant(rate: float) -> Schedule:
    """`rate`, always."""
    rate = number("constant", "rate", rate, 0)
    return lambda step: rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """rate factor^floor(step / every): a fall at every `every` steps. PyTorch: StepLR."""
    rate, factor = number("step_decay", "rate", rate, 0), number("step_decay", "factor", factor, 0)
    every = whole("step_decay", "every", every)
    return lambda step: rate * _power(factor, step // every)


def exponential(rate: float, factor: float) -> Schedule:
    """rate factor^step: a fall by the same share at each step. PyTorch: ExponentialLR."""
    rate = number("exponential", "rate", rate, 0)
    factor = number("exponential", "factor", factor, 0)
    return lambda step: rate * _power(factor, step)


def cosine(rate: float, steps: int, minimum: float = 0.0) -> Schedule:
    """Half a wave from `rate` down to `minimum` in `steps` steps, and `minimum` from then on:
    minimum + (rate - minimum) (1 + cos(pi step / steps)) / 2. PyTorch: CosineAnnealingLR.

    Source: Loshchilov and Hutter 2016 (arXiv:1608.03983).
    """
    rate, minimum = number("cosine", "rate", rate, 0), number("cosine", "minimum", minimum, 0)
    steps = whole("cosine", "steps", steps)
    return lambda step: _half_wave(rate, minimum, min(step, steps) / steps)


def linear(start: float, end: float, steps: int) -> Schedule:
    """A straight line from `start` to `end` in `steps` steps, and `end` from then on. PyTorch:
    LinearLR.
    """
    start, end = number("linear", "start", start, 0), number("linear", "end", end, 0)
    steps = whole("linear", "steps", steps)

    def schedule(step: int) -> float:
        share = min(step, steps) / steps
        return start * (1 - share) + end * share  # exactly `end` at the end

    return schedule


def warmup(steps: int, then: Schedule | float) -> Schedule:
    """Linear warm-up: for the first `steps` steps (step + 1) / steps of the rate with which `then`
    begins, which it reaches with the last of them; then `then`, from its beginning.
    """
    steps, after = whole("warmup", "steps", steps), as_schedule(then)
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
    rate, steps = number("one_cycle", "rate", rate, 0), whole("one_cycle", "steps", steps, 2)
    share = number("one_cycle", "warmup_share", warmup_share, above=1 / steps, below=1)
    start = rate / number("one_cycle", "start_factor", start_factor, above=0)
    end = start / number("one_cycle", "end_factor", end_factor, above=0)
    top = share * steps - 1

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
    pairs = pairs and len(parts) > 0 and all(len(part) == 2 for part in parts)
    require(pairs, "sequence", "a list of pairs (steps, schedule)", parts)
    schedules = [as_schedule(part) for _, part in parts]
    ends = list(accumulate(whole("sequence", "steps", steps, 0) for steps, _ in parts))

    def schedule(step: int) -> float:
        place = next((n for n, end in enumerate(ends) if step < end), len(parts) - 1)
        return schedules[place](step - (ends[place - 1] if place else 0))

    return schedule


def as_schedule(rate: Schedule | float) -> Schedule:
    """A schedule; a number is a constant one."""
    return rate if callable(rate) else constant(rate)


def rate_at(owner: object, rate: Schedule | float, step: int) -> float:
    """The learning rate of step number `step`. Raises ConfigurationError if it is not a number."""
    if not callable(rate):
        return float(rate)  # a NumPy float64 would widen float32 arrays
    try:
        return number(owner, "rate", rate(step), 0)
    except TypeError as error:
        raise ConfigurationError(
            f"{type(owner).__name__}: expected a learning_rate that is a number or a function of "
            f"the step, such as cosine(0.1, steps=100), got one that fails: {error}"
        ) from None


def _half_wave(start: float, end: float, share: float) -> float:
    rate = end + (start - end) * (1 + math.cos(math.pi * share)) / 2
    return min(max(rate, min(start, end)), max(start, end))  # rounding must not leave the two


def _power(factor: float, exponent: int) -> float:
    try:
        return factor**exponent
    except OverflowError:  # a rate that no optimizer takes
        return math.inf
