"""Learning-rate schedules.

A schedule is a function from the number of steps already made, 0 before the first, to the learning
rate of the next. Any such function can be an optimizer's `learning_rate`; these are the usual ones.
A step is a batch, not an epoch: an epoch has ceil(samples / batch_size) steps.

    SGD(learning_rate=warmup(100, cosine(0.1, steps=5000)))

They are classes, so that they can be printed, pickled and compared, but they are used and named
like functions. Each raises ConfigurationError for rates that are negative or not finite. If PyTorch
has the same schedule, the docstring names it, and the rates are equal.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

from minitorch_np.errors import ConfigurationError
from minitorch_np.signature import Described
from minitorch_np.validation import number, require, whole

Schedule: TypeAlias = Callable[[int], float]
"""A function from the number of steps made to the learning rate of the next."""


class Rates(Described):
    """The base of schedules; two are equal if they have the same arguments."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """The learning rate after `step` steps."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(repr(self))


class constant(Rates):
    """The constant `rate`."""

    def __init__(self, rate: float) -> None:
        self.rate = number(self, "rate", rate, 0)

    def __call__(self, step: int) -> float:
        return self.rate


class step_decay(Rates):
    """rate factor^floor(step / every): a drop every `every` steps. PyTorch: StepLR."""

    def __init__(self, rate: float, every: int, factor: float = 0.1) -> None:
        self.rate, self.factor = number(self, "rate", rate, 0), number(self, "factor", factor, 0)
        self.every = whole(self, "every", every)

    def __call__(self, step: int) -> float:
        return self.rate * _power(self.factor, step // self.every)


class exponential(Rates):
    """rate factor^step: a decay by the same factor at each step. PyTorch: ExponentialLR."""

    def __init__(self, rate: float, factor: float) -> None:
        self.rate, self.factor = number(self, "rate", rate, 0), number(self, "factor", factor, 0)

    def __call__(self, step: int) -> float:
        return self.rate * _power(self.factor, step)


class cosine(Rates):
    """Cosine decay from `rate` to `minimum` in `steps` steps, then `minimum`: minimum + (rate -
    minimum) (1 + cos(pi step / steps)) / 2. PyTorch: CosineAnnealingLR.

    Source: Loshchilov and Hutter 2016 (arXiv:1608.03983).
    """

    def __init__(self, rate: float, steps: int, minimum: float = 0.0) -> None:
        self.rate, self.minimum = number(self, "rate", rate, 0), number(self, "minimum", minimum, 0)
        self.steps = whole(self, "steps", steps)

    def __call__(self, step: int) -> float:
        return _half_wave(self.rate, self.minimum, min(step, self.steps) / self.steps)


class linear(Rates):
    """A straight line from `start` to `end` in `steps` steps, then `end`. PyTorch: LinearLR."""

    def __init__(self, start: float, end: float, steps: int) -> None:
        self.start, self.end = number(self, "start", start, 0), number(self, "end", end, 0)
        self.steps = whole(self, "steps", steps)

    def __call__(self, step: int) -> float:
        return _between(self.start, self.end, min(step, self.steps) / self.steps)


class warmup(Rates):
    """Linear warm-up: for the first `steps` steps, (step + 1) / steps times the initial rate of the
    schedule `then`; after them `then`, from its beginning.
    """

    def __init__(self, steps: int, then: Schedule | float) -> None:
        self.steps, self.then = whole(self, "steps", steps), as_schedule(then)

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return rate_at(self, self.then, 0) * ((step + 1) / self.steps)
        return rate_at(self, self.then, step - self.steps)


class one_cycle(Rates):
    """Up from rate / start_factor to `rate` in the first `warmup_share` of `steps` steps, and down
    to rate / start_factor / end_factor in the rest, each along a cosine. PyTorch: OneCycleLR.

    Source: Smith and Topin 2017 (arXiv:1708.07120).
    """

    def __init__(
        self,
        rate: float,
        steps: int,
        warmup_share: float = 0.3,
        start_factor: float = 25.0,
        end_factor: float = 1e4,
    ) -> None:
        self.rate, self.steps = number(self, "rate", rate, 0), whole(self, "steps", steps, 2)
        self.warmup_share = number(self, "warmup_share", warmup_share, above=1 / steps, below=1)
        self.start_factor = number(self, "start_factor", start_factor, above=0)
        self.end_factor = number(self, "end_factor", end_factor, above=0)

    def __call__(self, step: int) -> float:
        start, last = self.rate / self.start_factor, self.steps - 1
        step, top = min(step, last), self.warmup_share * self.steps - 1
        if step <= top:
            return _half_wave(start, self.rate, step / top)
        return _half_wave(self.rate, start / self.end_factor, (step - top) / (last - top))


class sequence(Rates):
    """Several schedules in turn, given as pairs `(steps, schedule)`; the last one has no end. Each
    begins at its own step 0. PyTorch: SequentialLR.
    """

    def __init__(self, parts: Sequence[tuple[int, Schedule | float]]) -> None:
        pairs = isinstance(parts, (list, tuple)) and len(parts) > 0
        pairs = pairs and all(isinstance(p, (tuple, list)) and len(p) == 2 for p in parts)
        require(pairs, self, "a list of pairs (steps, schedule)", parts)
        self.parts = [(whole(self, "steps", n, 0), as_schedule(part)) for n, part in parts]

    def __call__(self, step: int) -> float:
        for steps, schedule in self.parts[:-1]:
            if step < steps:
                return schedule(step)
            step -= steps
        return self.parts[-1][1](step)


def as_schedule(rate: Schedule | float) -> Schedule:
    """A schedule as it is; a number as a constant schedule."""
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


def _between(start: float, end: float, share: float) -> float:
    """Linear interpolation: exactly `start` at share 0 and `end` at share 1, never outside."""
    rate = start * (1 - share) + end * share
    return min(max(rate, min(start, end)), max(start, end))


def _half_wave(start: float, end: float, share: float) -> float:
    return _between(start, end, (1 - math.cos(math.pi * share)) / 2)


def _power(factor: float, exponent: int) -> float:
    try:
        return factor**exponent
    except OverflowError:  # a rate that no optimizer accepts
        return math.inf
