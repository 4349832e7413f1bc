"""The cases of each component, and the check that no component is left out.

Every concrete layer and loss is found once its class is defined. Those of this package have their
cases in `cases`. A user-defined class has the cases that its classmethod `gradcheck_cases` returns,
or else one instance created without arguments. A test fails for a class that has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minitorch_np.errors import ConfigurationError
from minitorch_np.gradcheck.case import Case
from minitorch_np.gradcheck.cases import CASES
from minitorch_np.gradcheck.report import FAIL, INCONCLUSIVE, PASS, ContractResult, GradientCheck
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss
from minitorch_np.signature import concrete_subclasses, explained
from minitorch_np.text import folded, terminal_width


def components(package: str = "minitorch_np") -> list[type[Layer] | type[Loss]]:
    """Every concrete layer and loss that is defined in a package or module, in order."""
    found = [*concrete_subclasses(Layer), *concrete_subclasses(Loss)]
    inside = [c for c in found if c.__module__ == package or c.__module__.startswith(package + ".")]
    # The course's exercises and their solutions are not components.
    others = ("minitorch_np.gradcheck.packed", "minitorch_np.learn.")
    return [c for c in dict.fromkeys(inside) if not c.__module__.startswith(others)]


def cases_for(cls: type[Layer] | type[Loss]) -> list[Case]:
    """The cases of a class. Raises ConfigurationError if it has none, saying how to add some."""
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
    """The results of many components, by name; true only if all of them are right."""

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
        return "\n".join(folded(rows, terminal_width()))


@explained
def gradcheck_all(package: str = "minitorch_np", *, mode: str = "auto", seed: int = 0) -> AllChecks:
    """Check every case of every component of a package; each result says how to run it alone."""
    checks = AllChecks()
    for cls in components(package):
        checks.results[cls.__name__] = check_class(cls, mode=mode, seed=seed)
    return checks


def check_class(
    cls: type[Layer] | type[Loss], *, mode: str = "auto", seed: int = 0
) -> list[GradientCheck]:
    """All cases of one class."""
    results = []
    for number, case in enumerate(_cases_or_none(cls)):
        try:
            if isinstance(case, str):
                raise ConfigurationError(case)
            result = case.check(seed, mode)
        except Exception as error:  # a case that does not run must not hide the others
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
