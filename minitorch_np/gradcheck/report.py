"""The results of a gradient check, as objects and as text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.text import wrapped

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"

WORST_RESOLUTION = 1e-6
"""A check that could miss an error of this fraction of the gradient is inconclusive."""

WORST_RESOLUTION_OF_WHOLE = 1e-4
"""The same for directions through a whole model. Each layer has been checked by itself to the
other limit; errors between layers are large: a gradient is lost, doubled or misplaced. Near many
thousands of kinks, as in a convolutional network, steps must be so short that no better resolution
is possible.
"""


@dataclass
class TensorResult:
    """One array's gradient: the inputs' or a parameter's.

    - `ratio` is the worst |analytic - numeric| over its tolerance: above 1 the gradient is wrong;
    - `resolution` is the largest tolerance over the size of the gradient's terms: smaller errors
      would be missed. The result is inconclusive if it is above `needed`, or if there is a `doubt`;
    - `entries` of `size` were checked one by one, or all of them along `directions`;
    - `wrong` entries differ; `kinks` are at a corner, where the gradient is a choice; at `jumps`
      the value itself jumps, so that there is no gradient to compare with;
    - `suspect` entries differ by little, which is decided at other points;
    - `allowed` is the caller's reason for a difference.
    """

    name: str
    size: int
    entries: int = 0
    directions: int = 0
    ratio: float = 0.0
    resolution: float = 0.0
    wrong: int = 0
    kinks: int = 0
    jumps: int = 0
    place: tuple[int, ...] | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    cause: str = ""
    doubt: str = ""
    remark: str = ""
    allowed: str = ""
    needed: float = WORST_RESOLUTION
    suspect: int = 0
    places: list[int] = field(default_factory=list, repr=False)
    left: Array = field(default_factory=lambda: np.zeros(0), repr=False)
    right: Array = field(default_factory=lambda: np.zeros(0), repr=False)
    sample: tuple[AnyArray, Array] | None = field(default=None, repr=False)

    @property
    def status(self) -> str:
        """pass, fail or inconclusive."""
        if self.allowed:
            return PASS
        if self.wrong:
            return FAIL
        seen = self.resolution <= self.needed  # false for NaN too
        return INCONCLUSIVE if self.doubt or not seen else PASS

    def lines(self) -> list[str]:
        """The result in words."""
        how = f"{self.entries} of {self.size} entries" if self.entries else "all entries"
        if self.directions:
            how += f" in {self.directions} direction{'s' * (self.directions > 1)}"
        kinks = f", {self.kinks} at a corner" if self.kinks else ""
        kinks += f", {self.jumps} at a jump" if self.jumps else ""
        head = (
            f"  {self.status.upper():12} d/d{self.name}: {how}{kinks}; |a-n| = "
            f"{self.ratio:.2g} tolerances, resolution {self.resolution:.1g}"
        )
        lines = [head]
        if self.wrong and self.place is not None:
            at = f"[{', '.join(map(str, self.place))}]" if self.place else ""
            what = "differ" if self.allowed else "wrong"
            lines.append(
                f"    {self.wrong} {what}; the worst is {self.name}{at}: analytic "
                f"{self.analytic:.10g}, numeric {self.numeric:.10g}"
            )
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        elif self.cause:
            lines.append(f"    cause: {self.cause}")
        return lines + [f"    {text}" for text in (self.doubt, self.remark) if text]

    def to_dict(self) -> dict[str, Any]:
        """Everything except the arrays."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.repr}
        return {**kept, "status": self.status}


def without_nan(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class ContractResult(NamedTuple):
    """The result for one rule of the contract, and how it was broken, if it was."""

    name: str
    ok: bool
    detail: str = ""


@dataclass
class GradientCheck:
    """The result of `gradcheck`. True only if everything was checked and is right."""

    subject: str
    tensors: list[TensorResult] = field(default_factory=list)
    contracts: list[ContractResult] = field(default_factory=list)
    parts: list[GradientCheck] = field(default_factory=list)
    doubt: str = ""
    seconds: float = 0.0
    reproduce: str = ""

    @property
    def status(self) -> str:
        """pass, fail or inconclusive: the worst of all parts."""
        states = [tensor.status for tensor in self.tensors] + [part.status for part in self.parts]
        if FAIL in states or not all(contract.ok for contract in self.contracts):
            return FAIL
        seen = states or self.contracts  # there may be no array, as in an untrained embedding
        return PASS if seen and INCONCLUSIVE not in states else INCONCLUSIVE

    def __bool__(self) -> bool:
        return self.status == PASS

    @property
    def ratio(self) -> float:
        """The worst error over tolerance in any part."""
        own = [tensor.ratio for tensor in self.tensors]
        return max([*own, *(part.ratio for part in self.parts)], default=0.0)

    @property
    def resolution(self) -> float:
        """The worst resolution of any part."""
        own = [tensor.resolution for tensor in self.tensors]
        return max([*own, *(part.resolution for part in self.parts)], default=0.0)

    @property
    def entries(self) -> int:
        """The number of entries that were checked one by one."""
        own = sum(tensor.entries for tensor in self.tensors)
        return own + sum(part.entries for part in self.parts)

    @property
    def kinks(self) -> int:
        """The number of entries at a kink."""
        return sum(t.kinks for t in self.tensors) + sum(part.kinks for part in self.parts)

    @property
    def allowed(self) -> bool:
        """Whether there is a difference that is allowed."""
        return any(t.allowed for t in self.tensors) or any(part.allowed for part in self.parts)

    @property
    def failed_contracts(self) -> list[ContractResult]:
        """The rules that were broken, in any part."""
        own = [contract for contract in self.contracts if not contract.ok]
        return own + [contract for part in self.parts for contract in part.failed_contracts]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain dictionaries, lists and numbers."""
        data: dict[str, Any] = without_nan(
            {
                "subject": self.subject,
                "status": self.status,
                "ratio": self.ratio,
                "resolution": self.resolution,
                "tensors": [tensor.to_dict() for tensor in self.tensors],
                "contracts": [contract._asdict() for contract in self.contracts],
                "parts": [part.to_dict() for part in self.parts],
                "doubt": self.doubt,
                "seconds": self.seconds,
                "reproduce": self.reproduce,
            }
        )
        return data

    def __str__(self) -> str:
        # A command or a line of code to copy is not broken.
        whole = ("reproduce: ", "import ")
        return "\n".join(
            line if line.lstrip().startswith(whole) else wrapped(line) for line in self._lines()
        )

    def _lines(self) -> list[str]:
        failed = [part for part in self.parts if part.status == FAIL]
        lines = [f"{self.status.upper()} {self.subject}"]
        for part in failed:  # failures first
            lines += ["  " + line for line in part._lines()]
        for tensor in self.tensors:
            lines += tensor.lines()
        broken = [contract for contract in self.contracts if not contract.ok]
        lines += [f"  BROKEN       {contract.name}: {contract.detail}" for contract in broken]
        if self.contracts and not broken:
            lines.append(f"  PASS         {len(self.contracts)} contracts")
        lines += [f"  {self.doubt}"] if self.doubt else []
        for part in (part for part in self.parts if part.status != FAIL):
            lines += ["  " + line for line in part._lines()]
        if self.reproduce and not self:
            lines.append(f"  reproduce: {self.reproduce}")
        return "\n".join(lines).split("\n")

    __repr__ = __str__
