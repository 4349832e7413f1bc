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

from minitorch_np.errors import ConfigurationError

Schedule: TypeAlias = Callable[[int], float]
"""From the number of steps made to the learning rate of the next."""


def constant(rate: float) -> Schedule:
    """`rate`, always."""
    _require(rate >= 0, "constant: expected rate >= 0", rate)
    return lambda step: rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """rate factor^floor(step / every): a fall at every `every` steps. PyTorch: StepLR."""
    _require(every >= 1, "step_decay: expected every >= 1", every)
    _require(factor >= 0, "step_decay: expected factor >= 0", factor)
    return lambda step: rate * factor ** (step // every)


def exponential(rate: float, factor: float) -> Schedule:
    """rate factor^step: a fall by the same share at each step. PyTorch: ExponentialLR."""
    _require(factor >= 0, "exponential: expected factor >= 0", factor)
    return lambda step: rate * factor**step


def cosine(rate: float, steps: int, minimum: float = 0.0) -> Schedule:
    """Half a wave from `rate` down to `minimum` in `steps` steps, and `minimum` from then on:
    minimum + (rate - minimum) (1 + cos(pi step / steps)) / 2. PyTorch: CosineAnnealingLR.

    Source: Loshchilov and Hutter 2016 (arXiv:1608.03983).
    """
    _require(steps >= 1, "cosine: expected steps >= 1", steps)

    def schedule(step: int) -> float:
        angle = math.pi * min(step, steps) / steps
        return minimum + (rate - minimum) * (1 + math.cos(angle)) / 2

    return schedule


def linear(start: float, end: float, steps: int) -> Schedule:
    """A straight line from `start` to `end` in `steps` steps, and `end` from then on. PyTorch:
    LinearLR.
    """
    _require(steps >= 1, "linear: expected steps >= 1", steps)
    return lambda step: start + (end - start) * min(step, steps) / steps


def warmup(steps: int, then: Schedule | float) -> Schedule:
    """Linear warm-up: for the first `steps` steps (step + 1) / steps of the rate with which `then`
    begins, which it reaches with the last of them; then `then`, from its beginning.
    """
    _require(steps >= 1, "warmup: expected steps >= 1", steps)
    after = then if callable(then) else constant(then)
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
    _require(steps >= 2, "one_cycle: expected steps >= 2", steps)
    _require(
        1 / steps < warmup_share < 1,
        "one_cycle: expected warmup_share between that of one step and 1",
        warmup_share,
    )
    start, top = rate / start_factor, warmup_share * steps - 1
    end = start / end_factor

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
    _require(len(parts) >= 1, "sequence: expected at least one part", parts)
    schedules = [part if callable(part) else constant(part) for _, part in parts]
    ends = list(accumulate(steps for steps, _ in parts))

    def schedule(step: int) -> float:
        place = next((n for n, end in enumerate(ends) if step < end), len(parts) - 1)
        return schedules[place](step - (ends[place - 1] if place else 0))

    return schedule


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _require(right: bool, expected: str, got: object) -> None:
    if not right:
        raise ConfigurationError(f"{expected}, got {got!r}")
