"""The text of a gradient check, and what its parts add up to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minitorch_np.gradcheck import registry
from minitorch_np.gradcheck.registry import AllChecks
from minitorch_np.gradcheck.report import (
    ContractResult,
    GradientCheck,
    TensorResult,
    without_nan,
)


def of(name: str = "x", **numbers: Any) -> TensorResult:
    return TensorResult(name, 12, **{"ratio": 0.0123, "resolution": 2.34e-9} | numbers)


@pytest.mark.parametrize(
    ("numbers", "status", "lines"),
    [
        ({"entries": 12}, "pass", ["12 of 12 entries; "]),
        ({"directions": 1}, "pass", ["all entries in 1 direction; "]),
        ({"directions": 2, "kinks": 3}, "pass", ["all entries in 2 directions, 3 at a corner; "]),
        ({"entries": 12, "jumps": 2}, "pass", ["12 of 12 entries, 2 at a jump; "]),
        ({"entries": 5, "kinks": 1, "jumps": 2}, "pass",
         ["5 of 12 entries, 1 at a corner, 2 at a jump; "]),
        ({"entries": 12, "doubt": "Hm."}, "inconclusive", ["12 of 12 entries; ", "Hm."]),
        ({"entries": 12, "remark": "Right."}, "pass", ["12 of 12 entries; ", "Right."]),
        ({"entries": 12, "wrong": 2}, "fail", ["12 of 12 entries; "]),
        ({"entries": 12, "wrong": 2, "place": (1, 3), "analytic": 1.5, "numeric": -1 / 3}, "fail",
         ["12 of 12 entries; ",
          "2 wrong; the worst is x[1, 3]: analytic 1.5, numeric -0.3333333333"]),
        ({"entries": 12, "wrong": 1, "place": (), "cause": "why"}, "fail",
         ["12 of 12 entries; ", "1 wrong; the worst is x: analytic 0, numeric 0", "cause: why"]),
        ({"entries": 12, "wrong": 1, "place": (2,), "cause": "why", "allowed": "meant"}, "pass",
         ["12 of 12 entries; ", "1 differ; the worst is x[2]: analytic 0, numeric 0",
          "allowed: meant"]),
    ],
)  # fmt: skip
def test_an_array_in_words(numbers: Any, status: str, lines: list[str]) -> None:
    found = of(**numbers)
    assert found.status == status
    head, *more = found.lines()
    measured = "|a-n| = 0.012 tolerances, resolution 2e-09"
    assert head == f"  {status.upper():12} d/dx: {lines[0]}{measured}"
    assert more == [f"    {line}" for line in lines[1:]]


@pytest.mark.parametrize(
    ("resolution", "needed", "status"),
    [
        (1e-6, 1e-6, "pass"), (1.1e-6, 1e-6, "inconclusive"), (9e-5, 1e-4, "pass"),
        (math.nan, 1e-6, "inconclusive"),
    ],
)  # fmt: skip
def test_what_could_miss_too_much_is_inconclusive(
    resolution: float, needed: float, status: str
) -> None:
    assert of(resolution=resolution, needed=needed).status == status
    assert TensorResult("x", 3).needed == 1e-6


RIGHT, WRONG, UNSURE = of(entries=12), of("w", wrong=1, ratio=7.0, kinks=2), of(doubt="Hm.")
KEPT, BROKEN = ContractResult("it holds", True), ContractResult("it runs", False, "no")


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (GradientCheck("a"), "inconclusive"),  # nothing was seen
        (GradientCheck("a", [RIGHT]), "pass"),
        (GradientCheck("a", [RIGHT, UNSURE]), "inconclusive"),
        (GradientCheck("a", [UNSURE, WRONG]), "fail"),
        (GradientCheck("a", [RIGHT], [BROKEN]), "fail"),
        (GradientCheck("a", [], [KEPT]), "pass"),
        (GradientCheck("a", [UNSURE], [KEPT]), "inconclusive"),
        (GradientCheck("a", [RIGHT], parts=[GradientCheck("b", [WRONG])]), "fail"),
        (GradientCheck("a", [RIGHT], parts=[GradientCheck("b", [UNSURE])]), "inconclusive"),
        (GradientCheck("a", parts=[GradientCheck("b", [RIGHT])]), "pass"),
    ],
)
def test_the_status_is_that_of_the_worst(check: GradientCheck, status: str) -> None:
    assert check.status == status
    assert bool(check) == (status == "pass")


def nested() -> GradientCheck:
    inner = GradientCheck("[0] Dense(3)", [WRONG], [BROKEN, KEPT])
    fine = GradientCheck("when predicting", [of(directions=2, ratio=9.0, resolution=0.5)])
    return GradientCheck(
        "Sequential", [RIGHT, of("b", entries=5, kinks=1)], [KEPT, KEPT], [fine, inner],
        "In doubt.", 1.5, "run it",
    )  # fmt: skip


def test_a_report_as_text_has_failures_first() -> None:
    found = nested()
    assert str(found).splitlines() == [
        "FAIL Sequential",
        "  FAIL [0] Dense(3)",
        "    FAIL         d/dw: all entries, 2 at a corner; |a-n| = 7 tolerances, resolution 2e-09",
        "    BROKEN       it runs: no",
        "  PASS         d/dx: 12 of 12 entries; |a-n| = 0.012 tolerances, resolution 2e-09",
        "  PASS         d/db: 5 of 12 entries, 1 at a corner; |a-n| = 0.012 tolerances, "
        "resolution 2e-09",
        "  PASS         2 contracts",
        "  In doubt.",
        "  INCONCLUSIVE when predicting",
        "    INCONCLUSIVE d/dx: all entries in 2 directions; |a-n| = 9 tolerances, resolution 0.5",
        "  reproduce: run it",
    ]
    right = GradientCheck("Tanh()", [RIGHT], reproduce="run it")
    assert "reproduce" not in str(right)
    assert "contracts" not in str(right)


def test_what_the_parts_add_up_to() -> None:
    found = nested()
    assert (found.ratio, found.resolution) == (9, 0.5)
    assert (found.entries, found.kinks) == (12 + 5, 1 + 2)
    assert found.failed_contracts == [BROKEN]
    assert not found.allowed
    assert GradientCheck("a", parts=[GradientCheck("b", [of(allowed="yes")])]).allowed
    empty = GradientCheck("a")
    assert (empty.ratio, empty.resolution, empty.entries, empty.kinks) == (0, 0, 0, 0)
    data = found.to_dict()
    assert list(data) == [
        "subject", "status", "ratio", "resolution", "tensors", "contracts", "parts", "doubt",
        "seconds", "reproduce",
    ]  # fmt: skip
    assert (data["seconds"], data["reproduce"], data["doubt"]) == (1.5, "run it", "In doubt.")
    assert data["contracts"][0] == {"name": "it holds", "ok": True, "detail": ""}
    assert data["parts"][1]["tensors"][0]["name"] == "w"
    assert not {"places", "left", "right", "sample"} & data["tensors"][0].keys()
    assert data["tensors"][0]["status"] == "pass"


def test_json_has_no_nan() -> None:
    given = {"a": math.nan, "b": [math.inf, 1.0, "x"], "c": (2, {"d": -math.inf})}
    assert without_nan(given) == {"a": None, "b": [None, 1.0, "x"], "c": [2, {"d": None}]}


def test_many_checks_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "terminal_width", lambda: 200)
    checks = AllChecks({"Dense": [nested(), GradientCheck("b", [RIGHT], [BROKEN], seconds=0.25)]})
    checks.results["ELU"] = [GradientCheck("c", [of(entries=3, ratio=0.5)])]
    assert str(checks).splitlines() == [
        "component  status  entries  error/tol  resolution  kinks  broken  s",
        "----------------------------------------------------------------------",
        "Dense      fail    29       9          0.5         3      2       1.75",
        "ELU        pass    3        0.5        2e-09       0      0       0.00",
    ]
    assert checks.status == "fail"
    assert not checks
    assert AllChecks({"ELU": checks.results["ELU"]})
    assert AllChecks(
        {"a": [GradientCheck("a", [UNSURE])], "b": [GradientCheck("b", [RIGHT])]}
    ).status == ("inconclusive")
    assert AllChecks().status == "pass"


def test_arrays_of_a_result_are_empty_at_first() -> None:
    found = TensorResult("x", 3)
    assert (found.left.size, found.right.size, found.places, found.sample) == (0, 0, [], None)
    np.testing.assert_array_equal(found.left, np.zeros(0))
