"""What is checked of each component, and that none is left out.

Every concrete layer and loss is known as soon as its class is defined. Each has cases here, with
arguments that are not the defaults (a factor of 1 hides its own absence), with sizes that differ
(a square matrix hides its transposition) and one square one. A class of the reader's own has cases
too: those that its classmethod `gradcheck_cases` returns, or else an object made without arguments.
A test fails for a class that has neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Shape
from minitorch_np.errors import ConfigurationError
from minitorch_np.gradcheck.check import gradcheck, made_up, made_up_for
from minitorch_np.gradcheck.report import FAIL, INCONCLUSIVE, PASS, ContractResult, GradientCheck
from minitorch_np.layers import (
    ELU,
    Dense,
    Layer,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
)
from minitorch_np.layers.names import layer_classes
from minitorch_np.losses import CrossEntropy, Loss, SoftmaxCrossEntropy


@dataclass(frozen=True)
class Case:
    """An object to check and the inputs to check it on.

    - `shape` is that of one sample, for a loss of one row of scores;
    - `targets` for a loss: "labels", "one-hot" or "rows" that add up to 1.
    """

    obj: Layer | Loss
    shape: Shape = (5,)
    samples: int = 4
    targets: str = "labels"

    def check(self, seed: int = 0, mode: str = "auto") -> GradientCheck:
        """Run it. The same seed gives the same inputs."""
        rng = np.random.default_rng(seed)
        if isinstance(self.obj, Loss):
            x, labels = made_up_for(self.obj, rng, self.shape, self.samples)
            return gradcheck(self.obj, x, self._targets(labels, rng), mode=mode, seed=seed)
        return gradcheck(self.obj, made_up(self.shape, rng, self.samples), mode=mode, seed=seed)

    def _targets(self, labels: AnyArray, rng: np.random.Generator) -> AnyArray:
        if self.targets == "labels":
            return labels
        if self.targets == "one-hot":
            return np.eye(self.shape[0])[labels]
        return rng.dirichlet(np.ones(self.shape[0]), self.samples)


CASES: dict[type[Layer] | type[Loss], list[Case]] = {
    Dense: [
        Case(Dense(4), (3,)),
        Case(Dense(3, weight_initializer="uniform", bias_initializer="uniform"), (3,), 3),
        Case(Dense(2, use_bias=False), (6,), 1),
    ],
    ReLU: [Case(ReLU(), (5,)), Case(ReLU(), (3, 3), 3)],
    LeakyReLU: [Case(LeakyReLU(0.3), (5,)), Case(LeakyReLU(0.07), (3, 3), 3)],
    ELU: [Case(ELU(1.7), (5,)), Case(ELU(0.4), (3, 3), 3)],
    Sigmoid: [Case(Sigmoid(), (5,)), Case(Sigmoid(), (3, 3), 3)],
    Softmax: [Case(Softmax(), (5,)), Case(Softmax(), (3, 3), 3)],
    Sequential: [
        Case(Sequential(Dense(4), ELU(0.6), Dense(3)), (5,)),
        Case(Sequential(Sequential(Dense(3), Sigmoid()), LeakyReLU(0.2)), (3,), 3),
    ],
    SoftmaxCrossEntropy: [
        Case(SoftmaxCrossEntropy(), (5,)),
        Case(SoftmaxCrossEntropy(), (4,), 4, "one-hot"),
        Case(SoftmaxCrossEntropy(), (3,), 5, "rows"),
    ],
    CrossEntropy: [
        Case(CrossEntropy(), (5,)),
        Case(CrossEntropy(), (4,), 4, "one-hot"),
        Case(CrossEntropy(), (3,), 5, "rows"),
    ],
}


def components(package: str = "minitorch_np") -> list[type[Layer] | type[Loss]]:
    """Every concrete layer and loss that is defined in a package or module, in order."""
    found: list[type[Layer] | type[Loss]] = [*layer_classes(), *_losses()]
    inside = [c for c in found if c.__module__ == package or c.__module__.startswith(package + ".")]
    return list(dict.fromkeys(inside))


def _losses(root: Any = Loss) -> Iterator[type[Loss]]:
    for cls in root.__subclasses__():
        if not cls.__abstractmethods__:
            yield cls
        yield from _losses(cls)


def cases_for(cls: type[Layer] | type[Loss]) -> list[Case]:
    """The cases of a class. Raises ConfigurationError, saying how to give some, for one without."""
    if cls in CASES:
        return CASES[cls]
    own = getattr(cls, "gradcheck_cases", None)
    if own is not None:
        return [case if isinstance(case, Case) else Case(case) for case in own()]
    try:
        return [Case(cls())]
    except TypeError:
        raise ConfigurationError(
            f"gradcheck: expected cases for {cls.__name__}, found none: give it a classmethod "
            "gradcheck_cases that returns a list of objects, or of Case(object, shape)"
        ) from None


@dataclass
class AllChecks:
    """The results of many components, by name. True only if all of them are right."""

    results: dict[str, list[GradientCheck]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """pass, fail or inconclusive: the worst of all."""
        states = {result.status for results in self.results.values() for result in results}
        return next((state for state in (FAIL, INCONCLUSIVE) if state in states), PASS)

    def __bool__(self) -> bool:
        return self.status == PASS

    def __str__(self) -> str:
        head = ("component", "status", "entries", "error/tol", "resolution", "kinks", "broken", "s")
        rows = [head]
        for name, results in self.results.items():
            worst = AllChecks({name: results})
            rows.append(
                (
                    name,
                    worst.status,
                    str(sum(result.entries for result in results)),
                    f"{max(result.ratio for result in results):.2g}",
                    f"{max(result.resolution for result in results):.1g}",
                    str(sum(result.kinks for result in results)),
                    str(sum(len(result.failed_contracts) for result in results)),
                    f"{sum(result.seconds for result in results):.2f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def gradcheck_all(
    package: str = "minitorch_np", *, mode: str = "exhaustive", seed: int = 0
) -> AllChecks:
    """Check every case of every component of a package; each result says how to run it alone."""
    checks = AllChecks()
    for cls in components(package):
        checks.results[cls.__name__] = check_class(cls, mode=mode, seed=seed)
    return checks


def check_class(
    cls: type[Layer] | type[Loss], *, mode: str = "exhaustive", seed: int = 0
) -> list[GradientCheck]:
    """All cases of one class."""
    results = []
    for number, case in enumerate(_cases_or_none(cls)):
        try:
            if isinstance(case, str):
                raise ConfigurationError(case)
            result = case.check(seed, mode)
        except Exception as error:  # one that does not run must not hide the others
            detail = f"{type(error).__name__}: {error}"
            result = GradientCheck(
                cls.__name__, contracts=[ContractResult("it runs", False, detail)]
            )
        result.reproduce = f"minitorch-np gradcheck {cls.__name__} --case {number} --seed {seed}"
        results.append(result)
    return results


def _cases_or_none(cls: type[Layer] | type[Loss]) -> Sequence[Case | str]:
    try:
        return cases_for(cls)
    except ConfigurationError as error:
        return [str(error)]
