"""What a gradient check has found, to read and to compute with."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"

ZERO = "the gradient is zero everywhere: nothing to compare; check at another point"

AT_KINKS = "the point lies at several kinks at once: check at another point"

WORST_RESOLUTION = 1e-6
"""A check that would not have seen an error of this share of the gradient has shown nothing."""

WORST_RESOLUTION_OF_WHOLE = 1e-4
"""The same for directions through a whole model. Each of its layers has been held to the other by
itself; between them a gradient is lost, doubled or misplaced, or it is right. With many thousands
of kinks about, as in a convolutional network, steps have to be so short that no more can be
seen.
"""


@dataclass
class TensorResult:
    """One array's gradient: the inputs' or a parameter's.

    - `ratio` is the worst |analytic - numeric| over its tolerance: above 1 the gradient is wrong;
    - `resolution` is the largest tolerance over the largest entry: what could have been seen;
    - `entries` of `size` were checked one by one, or all of them in so many `directions`;
    - `wrong` entries differ; `kinks` lie at a corner, where the gradient is a choice.
    """

    name: str
    size: int
    entries: int = 0
    directions: int = 0
    ratio: float = 0.0
    resolution: float = 0.0
    wrong: int = 0
    kinks: int = 0
    place: tuple[int, ...] | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    cause: str = ""
    remark: str = ""
    needed: float = WORST_RESOLUTION

    @property
    def status(self) -> str:
        """pass, fail or inconclusive."""
        if self.wrong:
            return FAIL
        seen = self.resolution <= self.needed  # false for NaN too
        return INCONCLUSIVE if self.remark or not seen else PASS

    def lines(self) -> list[str]:
        """The result in words."""
        how = f"{self.entries} of {self.size} entries" if self.entries else "all entries"
        if self.directions:
            how += f" in {self.directions} direction{'s' * (self.directions > 1)}"
        kinks = f", {self.kinks} at a kink" if self.kinks else ""
        head = (
            f"  {self.status.upper():12} d/d{self.name}: {how}{kinks}; |a-n| = "
            f"{self.ratio:.2g} tolerances, resolution {self.resolution:.1g}"
        )
        lines = [head]
        if self.wrong:
            at = f"[{', '.join(map(str, self.place))}]" if self.place is not None else ""
            lines.append(
                f"    {self.wrong} wrong; the worst is {self.name}{at}: analytic "
                f"{self.analytic:.10g}, numeric {self.numeric:.10g}"
            )
        if self.cause:
            lines.append(f"    cause: {self.cause}")
        if self.remark:
            lines.append(f"    {self.remark}")
        return lines


def without_nan(value: Any) -> Any:
    """The same with None for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class ContractResult(NamedTuple):
    """One rule that every layer keeps, and how this one did not."""

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
    seconds: float = 0.0
    reproduce: str = ""

    @property
    def status(self) -> str:
        """pass, fail or inconclusive: the worst of all parts."""
        states = [tensor.status for tensor in self.tensors] + [part.status for part in self.parts]
        if FAIL in states or not all(contract.ok for contract in self.contracts):
            return FAIL
        return INCONCLUSIVE if INCONCLUSIVE in states or not states else PASS

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
        """How many entries were checked one by one."""
        own = sum(tensor.entries for tensor in self.tensors)
        return own + sum(part.entries for part in self.parts)

    @property
    def kinks(self) -> int:
        """How many entries lie at a kink."""
        return sum(t.kinks for t in self.tensors) + sum(part.kinks for part in self.parts)

    @property
    def shows_nothing(self) -> bool:
        """Whether some part could not be told at this point, and no part is wrong."""
        own = any(tensor.remark for tensor in self.tensors)
        return self.status != FAIL and (own or any(part.shows_nothing for part in self.parts))

    @property
    def failed_contracts(self) -> list[ContractResult]:
        """The rules that were broken, in any part."""
        own = [contract for contract in self.contracts if not contract.ok]
        return own + [contract for part in self.parts for contract in part.failed_contracts]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain dictionaries, lists and numbers."""
        data: dict[str, Any] = without_nan(
            {
                "subject": self.subject,
                "status": self.status,
                "ratio": self.ratio,
                "resolution": self.resolution,
                "tensors": [{**asdict(tensor), "status": tensor.status} for tensor in self.tensors],
                "contracts": [contract._asdict() for contract in self.contracts],
                "parts": [part.to_dict() for part in self.parts],
                "seconds": self.seconds,
                "reproduce": self.reproduce,
            }
        )
        return data

    def __str__(self) -> str:
        lines = [f"{self.status.upper()} {self.subject}"]
        for tensor in self.tensors:
            lines += tensor.lines()
        broken = [contract for contract in self.contracts if not contract.ok]
        lines += [f"  BROKEN       {contract.name}: {contract.detail}" for contract in broken]
        if self.contracts and not broken:
            lines.append(f"  PASS         {len(self.contracts)} contracts")
        for part in self.parts:
            lines += ["  " + line for line in str(part).split("\n")]
        if self.reproduce and not self:
            lines.append(f"  reproduce: {self.reproduce}")
        return "\n".join(lines)

    __repr__ = __str__
