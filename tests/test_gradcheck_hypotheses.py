"""Hypotheses on a wrong gradient: what each says, and what it does not say."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minitorch_np.gradcheck import hypotheses
from minitorch_np.gradcheck.evidence import Evidence
from minitorch_np.gradcheck.targets import LayerTarget
from tests.test_gradcheck_evidence import Factor


@pytest.mark.parametrize(
    ("mask", "among", "said"),
    [
        ("eye", "all", "at the same index"),
        ("off", "all", "at other indices"),
        ("upper", "all", "at earlier indices"),
        ("lower", "all", "at later indices"),
        ("next", "all", "at the next index"),
        ("far", "all", "at indices more than one later"),
        ("all", "all", ""),
        ("none", "all", ""),
        ("corner", "all", ""),
        ("next", "lower", "at the next index"),
    ],
)
def test_pairs_along_an_axis(mask: str, among: str, said: str) -> None:
    """A row is an index of y, a column one of x: y is later than x below the diagonal."""
    o, i = np.indices((4, 4))
    kinds = {
        "eye": o == i, "off": o != i, "lower": o > i, "upper": o < i, "next": o == i + 1,
        "far": o > i + 1, "all": o >= 0, "none": o < 0, "corner": (o == 0) & (i == 0),
    }  # fmt: skip
    assert hypotheses._relation(kinds[mask], kinds[among]) == said


def test_lines_in_each_row() -> None:
    q = np.array([[1.0, 2.0, 4.0, 8.0]])
    rows = np.array([[2.0, 4.0, 8.0, 16.0], [7.0, 6.0, 4.0, 0.0]])
    assert hypotheses._are_lines(rows, q, 30.0)
    assert not hypotheses._are_lines(rows + np.array([[0, 0, 0, 1e-5], [0] * 4]), q, 30.0)
    assert not hypotheses._are_lines(rows[:, :2], q[:, :2], 30.0)  # any two points are on a line
    assert not hypotheses._are_lines(rows[:1, :3], q[:, :3], 30.0)  # one more point is not enough
    assert hypotheses._are_lines(rows[:, :3], q[:, :3], 30.0)


def test_rows_along_axes() -> None:
    a = np.arange(24).reshape(2, 3, 4)  # 2 outputs, entries (3, 4)
    assert hypotheses._grouped(a, (1,))[:2].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert hypotheses._grouped(a, (0,))[1].tolist() == [1, 5, 9]
    assert hypotheses._grouped(a, (0, 1)).tolist() == a.reshape(2, 12).tolist()


@pytest.mark.parametrize(("value", "said"), [(0.5, "+ 0.5"), (-2.0, "- 2"), (0.0, "+ 0")])
def test_terms_have_a_sign(value: float, said: str) -> None:
    assert hypotheses._signed(value) == said


def moves(a: Any) -> dict[str, Any]:
    return {text: moved.tolist() for text, moved in hypotheses._moves(np.array(a), "w")}


def test_all_ways_to_rearrange_two_rows() -> None:
    found = moves([[1, 2, 3], [4, 5, 6]])
    exchanged = "axes 0 and 1 of w are exchanged"
    along = "along axis"
    assert found == {
        f"{exchanged} (a transpose too many, or missing)": [[1, 4], [2, 5], [3, 6]],
        f"{exchanged} and the result reshaped": [[1, 4, 2], [5, 3, 6]],
        f"{exchanged} by a reshape": [[1, 3, 5], [2, 4, 6]],
        "w is reversed along axis 0": [[4, 5, 6], [1, 2, 3]],
        "w is reversed along axis 1": [[3, 2, 1], [6, 5, 4]],
        "w is reversed along axis 0 and axis 1": [[6, 5, 4], [3, 2, 1]],
        f"w is shifted by 1 {along} 0": [[0, 0, 0], [1, 2, 3]],
        f"w is shifted by -1 {along} 0": [[4, 5, 6], [0, 0, 0]],
        f"w is shifted by 1 {along} 1": [[0, 1, 2], [0, 4, 5]],
        f"w is shifted by -1 {along} 1": [[2, 3, 0], [5, 6, 0]],
        f"w is shifted by 2 {along} 1": [[0, 0, 1], [0, 0, 4]],
        f"w is shifted by -2 {along} 1": [[3, 0, 0], [6, 0, 0]],
        f"index 0 stands for all indices {along} 0 of w": [[1, 2, 3], [1, 2, 3]],
        f"the last index stands for all indices {along} 0 of w": [[4, 5, 6], [4, 5, 6]],
        f"{along} 0 each entry has the mean of all": [[2.5, 3.5, 4.5]] * 2,
        f"{along} 0 each entry has the sum of all": [[5, 7, 9]] * 2,
        f"the mean {along} 0 of w is taken off": [[-1.5] * 3, [1.5] * 3],
        f"index 0 stands for all indices {along} 1 of w": [[1, 1, 1], [4, 4, 4]],
        f"the last index stands for all indices {along} 1 of w": [[3, 3, 3], [6, 6, 6]],
        f"{along} 1 each entry has the mean of all": [[2] * 3, [5] * 3],
        f"{along} 1 each entry has the sum of all": [[6] * 3, [15] * 3],
        f"the mean {along} 1 of w is taken off": [[-1, 0, 1], [-1, 0, 1]],
    }


def test_further_ways_to_rearrange() -> None:
    found = moves([1, 2, 3, 4, 5, 6])
    assert found["axis 0 of w is read as 3 times 2 in the other order"] == [1, 4, 2, 5, 3, 6]
    assert found["axis 0 of w is read as 2 times 3 in the other order"] == [1, 3, 5, 2, 4, 6]
    rolled = [m.tolist() for t, m in hypotheses._moves(np.arange(3), "w") if "by -1" in t]
    assert rolled == [[1, 2, 0], [1, 2, 0]]
    orders = [text for text in moves(np.zeros((2, 2, 2)).tolist()) if "order (" in text]
    assert len(orders) == 6


class OfInput(Factor):
    """The change is of the gradient and of x."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return 3 * x, x

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        return self.change(3 * dy, x), {}


def signed(change: Any, rows: int = 2) -> Evidence:
    """As `case_of`, with a dy of both signs: +-0.6, 0.7, 0.8, ..."""
    x = np.random.default_rng(0).normal(size=(rows, 3))
    layer = OfInput(change)
    layer.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
    u = (0.6 + 0.1 * np.arange(3 * rows)) * (-1.0) ** np.arange(3 * rows)
    claim = SimpleNamespace(u=u.reshape(rows, 3))
    tensor = SimpleNamespace(name="x", left=np.zeros(0), right=np.zeros(0))
    return Evidence(LayerTarget(layer, x), claim, tensor)


DECAY = "0.5 * x is added to it, whatever dy is: a weight decay?"
ADDED = "it is not zero for dy = 0: something is added that has nothing to do with dy"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g, x: 0 * g, ["it is zero: the gradient is not computed, or not returned",
                              "analytic is 0"]),
        (lambda g, x: g, []),
        (lambda g, x: g * (1 + 2e-7), []),  # that is rounding to float32
        (lambda g, x: g * (1 + 4e-7), ["analytic = numeric * 1"]),
        (lambda g, x: 7 * g, ["analytic = numeric * 7"]),
        (lambda g, x: g + 0.5 * x, [DECAY, ADDED]),
        (lambda g, x: g + 1.0, [ADDED]),
        (lambda g, x: g + 1e-9, []),
    ],
)  # fmt: skip
def test_all_of_it_is_wrong(change: Any, said: list[str]) -> None:
    assert list(hypotheses.whole(signed(change))) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g, x: 3 * np.ones_like(g), ["dy is ignored: ones are taken for it"]),
        (lambda g, x: 3 * np.sign(g), ["dy's size is ignored: only its sign is used"]),
        (lambda g, x: np.sign(g), ["only the sign of each entry is returned",
                                   "it is clipped to +-1"]),
        (lambda g, x: np.abs(g), ["dy's sign is ignored",
                                  "its absolute value is returned: the sign is lost"]),
        (lambda g, x: np.clip(g, -2.5, 2.5), ["it is clipped to +-2.5"]),
        (lambda g, x: np.where(np.abs(g) < 2.2, 0, g),
         ["small entries are set to zero: all up to 2.1 in size"]),
        (lambda g, x: np.where(np.abs(np.abs(g) - 2.4) < 0.1, 0, g), []),  # there are smaller ones
        (lambda g, x: 5 * g / np.linalg.norm(g), ["it is scaled to a norm of 5"]),
        (lambda g, x: 5.3 * g / np.linalg.norm(g), []),
        (lambda g, x: 2 * g, []),  # it is linear
    ],
)  # fmt: skip
def test_dy_is_not_used_as_it_should_be(change: Any, said: list[str]) -> None:
    assert list(hypotheses.not_linear(signed(change))) == said


@pytest.mark.parametrize(
    ("off", "told"), [(5e-11, False), (1e-9, True), (1e-7, True), (3e-6, False)]
)
def test_what_is_rounded(off: float, told: bool) -> None:
    case = signed(lambda g, x: g)
    case.residue = np.full((2, 3), off * case.scale)
    said = "it agrees to about 7 digits only: is something rounded to float32 on the way?"
    assert list(hypotheses.rounded(case)) == [said] * told


def at(places: list[int], value: Any) -> Any:
    """A change of some entries."""

    def change(g: Any, x: Any) -> Any:
        found = g.copy()
        found.flat[places] = value(g.flat[places])
        return found

    return change


@pytest.mark.parametrize(
    ("places", "value", "said"),
    [
        ([1, 4], lambda g: 0 * g, "wrong at index 1 of axis 1 of x: analytic is 0 there"),
        ([3, 4, 5], lambda g: 7 * g, "wrong at sample 1 (the last): analytic = numeric * 7"),
        ([0], lambda g: 2 * g, "wrong at sample 0 and at index 0 of axis 1 of x: right elsewhere"),
        ([1, 4], lambda g: g + 1, "wrong at index 1 of axis 1 of x: analytic = numeric + 1"),
        ([0, 1, 2], lambda g: g * [1, -2, 5] + 1, "wrong at sample 0: right elsewhere"),
    ],
)
def test_where_it_is_wrong_and_how(places: list[int], value: Any, said: str) -> None:
    with np.errstate(all="ignore"):
        assert next(iter(hypotheses.places(signed(at(places, value))))) == said


@pytest.mark.parametrize(
    ("places", "said"),
    [([1, 5], ["of"]), ([0, 2, 3, 4], ["beside"]), ([0, 5], []), ([1], [])],
)
def test_scores_of_the_right_class(places: list[int], said: list[str]) -> None:
    case = signed(at(places, lambda g: g * (1 + np.arange(len(g)) ** 2) + 1))
    case.quantities = [("one_hot(targets)", np.eye(3)[[1, 2]])]
    with np.errstate(all="ignore"):
        found = [text for text in hypotheses.places(case) if "the right class" in text]
    starts = [f"wrong only in the scores {each} the right class: " for each in said]
    assert [text[: len(start)] for text, start in zip(found, starts, strict=True)] == starts


def test_a_factor_is_of_what_is_not_0() -> None:
    """Entries of 0 have no factor, and are divided by without a warning."""
    case = signed(at([0, 1, 2], lambda g: 3 * g + 1))
    case.numeric = case.numeric.copy()
    case.numeric[0, 1] = 0
    with np.errstate(all="raise"):
        assert hypotheses._how(case) == ""


def test_where_all_is_wrong_there_is_no_place() -> None:
    assert list(hypotheses.places(signed(lambda g, x: 2 * g))) == []
    with np.errstate(all="ignore"):
        assert list(hypotheses.parts(signed(at([0, 1, 2], lambda g: g * [1, -2, 5] + 1)))) == []


def jacobians(claimed: Any, true: Any, u: tuple[int, ...] = (2, 3), name: str = "x") -> Any:
    """A case of which only the two Jacobians are known."""
    return SimpleNamespace(
        claimed=claimed, jacobian=true, u=np.ones(u), array=np.ones((2, 3)), name=name
    )


def per_sample(inside: Any) -> Any:
    """The Jacobian of two samples, each with the same (3, 3), and no path between them."""
    return np.kron(np.eye(2), inside)


FULL = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (FULL, []),
        (np.triu(FULL, 1) + np.tril(FULL, -1), [
            "the path from x to y at the same index along axis 1 of x is missing: analytic is 0 "
            "for such pairs",
            "only the path from x to y at the same index along axis 1 of x is wrong",
        ]),
        (np.diag(np.diag(FULL)), [
            "the path from x to y at other indices along axis 1 of x is missing: analytic is 0 for "
            "such pairs",
            "only the path from x to y at other indices along axis 1 of x is wrong",
        ]),
        (np.triu(FULL), [
            "the path from x to y at later indices along axis 1 of x is missing: analytic is 0 for "
            "such pairs",
            "only the path from x to y at later indices along axis 1 of x is wrong",
        ]),
        (FULL * (1 + np.eye(3)), [
            "only the path from x to y at the same index along axis 1 of x is wrong",
        ]),
    ],
)  # fmt: skip
def test_paths_that_are_missing(inside: Any, said: list[str]) -> None:
    assert list(hypotheses.paths(jacobians(per_sample(inside), per_sample(FULL)))) == said
    named = list(hypotheses.paths(jacobians(per_sample(inside), per_sample(FULL), name="w")))
    missing = [each for each in said if "missing" in each]
    assert [re.sub(r"\bw\b", "x", each) for each in named] == missing
    assert list(hypotheses.paths(jacobians(None, per_sample(FULL)))) == []
    assert list(hypotheses.paths(jacobians(np.ones((1, 6)), np.zeros((1, 6)), (1,)))) == []


def test_samples_that_are_mixed() -> None:
    mixed = np.kron(np.ones((2, 2)), FULL)
    first, *_ = hypotheses.paths(jacobians(mixed, per_sample(FULL)))
    assert first.startswith("dy is mixed along axis 0 (samples), though an entry of x changes y at")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], []),
        ([3, 4, 5], ["what comes from dy at sample 1 (the last) is wrong; the rest is right"]),
        ([1, 4], ["what comes from dy at index 1 of axis 1 of dy is wrong; the rest is right"]),
        ([0, 1, 2, 3, 4, 5], []),
    ],
)
def test_outputs_whose_part_is_wrong(rows: list[int], said: list[str]) -> None:
    claimed = per_sample(FULL)
    claimed[rows] *= 2
    assert list(hypotheses.outputs(jacobians(claimed, per_sample(FULL)))) == said
    assert list(hypotheses.outputs(jacobians(None, per_sample(FULL)))) == []


@pytest.mark.parametrize(
    ("wrong", "word"), [([1], " in one sample"), ([0, 1], ""), ([0], None), ([2, 3], None)]
)
def test_rows_of_a_table_that_are_used_twice(wrong: list[int], word: str | None) -> None:
    mask = np.zeros((5, 2), bool)
    mask[wrong] = True
    target = SimpleNamespace(arrays={"weight": mask}, x=np.array([[0.0, 1, 1], [2, 0, 3]]))
    case: Any = SimpleNamespace(target=target, array=mask, wrong=mask, name="weight")
    said = f"wrong in just the rows of weight that are used more than once{word}: only one of"
    found = list(hypotheses._repeated_rows(case))
    assert [each.startswith(said) for each in found] == [True] * (word is not None)
    target.x = np.array([[0.0, 0], [1, 1]])
    assert list(hypotheses._repeated_rows(case)) == []  # none is used once
