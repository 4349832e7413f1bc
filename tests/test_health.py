"""The numbers of a diagnosis, and from which of them on something is ill, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.layer import layer_from_name
from minitorch_np.experiments import diagnostics
from minitorch_np.experiments.diagnostics import Diagnosis, Finding
from minitorch_np.experiments.health import (
    LayerHealth,
    Visit,
    _plateaus,
    _twins,
    by_unit,
    measured,
    score_range,
)


@pytest.mark.parametrize(
    ("name", "steepest", "left", "right", "score"),
    [
        ("relu", 1, "rest", "slope", None),
        ("leaky_relu(0.1)", 1, "slope", "slope", None),
        ("elu", 1, "saturated", "slope", None),
        ("relu6", 1, "rest", "saturated", 6),
        ("sigmoid", 1 / 4, "saturated", "saturated", 1),
        ("hard_sigmoid", 1 / 6, "saturated", "saturated", 1),
        ("tanh", 1, "saturated", "saturated", 2),
        ("softplus", 1 / (1 + math.exp(-8)), "rest", "slope", None),
        ("gelu", 1.128904, "rest", "slope", None),
        ("silu", 1.099840, "rest", "slope", None),
        ("mish", 1.088493, "rest", "slope", None),
        ("hard_swish", 1.5, "rest", "slope", None),
        ("identity", 1, "slope", "slope", None),
    ],
)
def test_how_functions_end(name: str, steepest: float, left: str, right: str, score: Any) -> None:
    layer = layer_from_name(name)
    assert isinstance(layer, mt.Activation)
    slope, *ends = _plateaus(layer)
    assert slope == pytest.approx(steepest, rel=1e-5)
    assert ends == [left, right]
    assert score_range(layer) == score


class Constant(mt.Activation):
    """3 for any input."""

    def value(self, z: Any) -> Any:
        return np.full_like(z, 3.0)

    def derivative(self, z: Any, a: Any) -> Any:
        return 0.0  # a number will do


def test_a_function_without_a_slope_has_one_of_1_so_that_all_of_it_is_flat() -> None:
    assert _plateaus(Constant()) == (1.0, "saturated", "saturated")
    assert score_range(Constant()) == 0
    assert score_range(mt.Dense(2)) is None


def health(name: str, x: Any, dy: Any = None, compared: bool = False) -> LayerHealth:
    layer = layer_from_name(name)
    y, _ = layer.forward(np.asarray(x, float))
    return measured(Visit("5", layer, x, y), np.zeros_like(y) if dy is None else dy, compared)


def test_outputs_and_gradients_in_numbers() -> None:
    """The gradient is that of a sample's own loss, of which dy has 1/m."""
    dy = np.array([[3.0, 4.0], [0.0, 1.0]]) / 2
    found = health("relu", np.array([[1.0, -7.0], [3.0, 4.0]]), dy)
    assert found[:4] == ("5", "ReLU()", False, 2)
    assert found.mean == 2
    assert found.spread == pytest.approx(math.sqrt((1 + 4 + 1 + 4) / 4))
    assert found.gradient == pytest.approx(math.sqrt((25 + 1) / 2))
    assert (found.dead, found.stuck, found.idle, found.identical) == (0, 0, 0, 0)
    assert found.saturated is None
    dense = mt.Dense(2)
    dense.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
    y = np.ones((4, 2))
    plain = measured(Visit("0", dense, np.ones((4, 3)), y), y, True)
    assert plain[:6] == ("0", "Dense(2)", True, 2, 1, 0)
    assert plain.gradient == pytest.approx(4 * math.sqrt(2))
    assert plain[7:] == (0, 0, 0, 1, None, None)


def of_80(*awake: int, high: float = 2.0, low: float = -3.0) -> Any:
    """A column for each unit that is `high` in the first so many of 80 samples, `low` in others."""
    return np.where(np.arange(80)[:, None] < np.array(awake), high, low) * np.ones((80, 1))


def test_units_that_take_no_part_are_told_from_each_other() -> None:
    """Idle is who is awake in less than one sample of 40."""
    found = health("relu", of_80(0, 1, 2, 80, 0), compared=True)
    assert (found.dead, found.idle, found.stuck, found.useless) == (2, 1, 0, 3)
    assert found.identical == 0  # dead ones are not counted twice
    found = health("tanh", of_80(0, 80, 40, 1, high=4.0, low=0.1), compared=True)
    assert (found.dead, found.idle, found.stuck, found.useless) == (0, 0, 1, 1)
    assert found.saturated == pytest.approx((80 + 40 + 1) / 320)
    found = health("relu6", of_80(0, 80, 79, high=9.0, low=-1.0))
    assert (found.dead, found.idle, found.stuck) == (1, 0, 2)
    assert found.saturated == pytest.approx((80 + 79) / 240)  # below 0 it rests
    assert health("leaky_relu(0.01)", of_80(0)).useless == 0  # it goes on, though not steeply


def test_units_are_the_same_up_to_a_thousandth() -> None:
    one = np.array([3.0, -4.0])
    assert _twins(np.stack([one, one * 1.0009, one * 1.0025, -one])) == 1
    assert _twins(np.stack([one * 1.0025, one, one * 1.0009, one])) == 2
    assert _twins(np.zeros((3, 2))) == 2
    many = np.arange(2.0 * 4096)
    other = many + 1e4 * (np.arange(len(many)) % 2)  # of 8192 numbers every second one is compared
    assert _twins(np.stack([many, other])) == 1
    assert _twins(np.stack([many[:-1], other[:-1]])) == 0


def test_a_unit_is_a_feature_or_a_channel() -> None:
    assert by_unit(np.arange(3)).tolist() == [[0, 1, 2]]
    assert by_unit(np.arange(4).reshape(2, 2)).tolist() == [[0, 2], [1, 3]]
    assert by_unit(np.arange(8).reshape(2, 2, 2)).tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    channels = by_unit(np.arange(8).reshape(2, 2, 1, 2))
    assert channels.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def layer(**numbers: Any) -> LayerHealth:
    told: dict[str, Any] = {"mean": 0.0, "spread": 1.0, "gradient": 1.0} | numbers
    return LayerHealth("1", "ReLU()", True, 8, **told)


@pytest.mark.parametrize(
    ("numbers", "kinds", "ill"),
    [
        ({"dead": 2}, "dead 2", False),
        ({"dead": 3}, "dead 3", True),
        ({"dead": 1, "stuck": 2}, "dead 1, stuck 2", True),
        ({"stuck": 2, "idle": 1}, "stuck 2, idle 1", False),
        ({"idle": 4}, "idle 4", False),
        ({"idle": 5}, "idle 5", True),
        ({"dead": 1, "idle": 4}, "dead 1, idle 4", True),
        ({"identical": 2}, "identical 2", False),
        ({"identical": 3}, "identical 3", True),
        ({"saturated": 0.5}, "", False),
        ({"saturated": 0.51}, "saturated 0.51", False),
        ({"saturated": 0.9}, "saturated 0.9", False),
        ({"saturated": 0.91}, "saturated 0.91", True),
        ({"saturated": 0.0}, "", False),
    ],
)
def test_from_how_many_units_on_a_layer_is_ill(numbers: Any, kinds: str, ill: bool) -> None:
    found = diagnostics._of_units(layer(**numbers), False)
    assert ", ".join(f"{each.kind} {each.value:g}" for each in found) == kinds
    assert all(each.ill == ill for each in found)
    assert all(each[:2] == ("1", "ReLU()") for each in found)
    assert all(each.units == 8 for each in found if each.kind != "saturated")


def test_at_the_output_one_lost_unit_is_ill_and_saturation_is_not() -> None:
    one = diagnostics._of_units(layer(dead=1, idle=1, saturated=0.95), True)
    assert [(each.kind, each.ill) for each in one] == [
        ("dead", True),
        ("idle", False),
        ("saturated", False),
    ]


@pytest.mark.parametrize("end", ["reshape(10)", "identity"])
def test_the_last_measured_layer_is_the_output(end: str, rng: np.random.Generator) -> None:
    """Also where another one comes after it that has neither parameters nor a function."""
    last: Any = mt.Reshape((10,)) if end.startswith("reshape") else mt.Dropout(0.1)
    model = mt.Sequential(mt.Dense(10), "relu", mt.Dense(10), "relu", last, input_shape=5, seed=0)
    model.named_parameters()["2.bias"][3] = -100
    x = rng.normal(size=(60, 5))
    found = mt.diagnose(model, x, np.arange(60) % 10).findings
    assert ("3", "dead", True) in [(each.path, each.kind, each.ill) for each in found]


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([], []),
        ([0.0025, 1.0], [("0", "vanishing gradient", 400.0)]),
        ([0.0026, 1.0], []),
        ([1.0, 0.0, 2.0], [("1", "vanishing gradient", math.inf)]),
        ([3.0, 400.0, 1.0], [("1", "exploding gradient", 400.0)]),
        ([399.0, 1.0], []),
        (
            [0.001, 500.0, 1.0],
            [("0", "vanishing gradient", 1000.0), ("1", "exploding gradient", 500.0)],
        ),
        ([1.0, 0.0], []),
        ([1.0, math.inf], []),
        ([1.0, math.nan], []),
    ],
)  # fmt: skip
def test_gradients_are_held_against_that_of_the_last_layer(gradients: Any, expected: Any) -> None:
    layers = [layer(gradient=g)._replace(path=str(n)) for n, g in enumerate(gradients)]
    found = diagnostics._of_gradients(layers)
    assert [(f.path, f.kind, pytest.approx(f.value)) for f in found] == expected
    assert all(each.ill and each.label == "ReLU()" for each in found)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        (None, None), (0.0, "small steps"), (1e-6, "small steps"), (1.1e-6, None),
        (0.29, None), (0.3, "large steps"), (math.inf, "large steps"),
    ],
)  # fmt: skip
def test_steps_have_a_size_to_be(update: float | None, kind: str | None) -> None:
    found = diagnostics._of_steps([layer(update=update)])
    assert found == ([] if kind is None else [Finding("1", "ReLU()", kind, update or 0.0)])


def test_the_size_of_a_step_is_that_of_the_weights() -> None:
    model = mt.Sequential(mt.Dense(2), mt.Dense(2), mt.Dense(1), input_shape=2, seed=0)
    after = model.named_parameters()
    before = {name: array.copy() for name, array in after.items()}
    before["0.weight"][:] = [[3, 0], [0, 4]]
    after["0.weight"][:] = [[3, 1], [0, 4]]
    after["0.bias"][:] = 7
    before["1.weight"][:] = 0
    after["2.weight"][:] = np.nan
    assert diagnostics._steps(model, before) == {"0": pytest.approx(1 / 5), "2": math.inf}


@pytest.mark.parametrize(
    ("right", "lost"),
    [(5, []), (6, []), (7, [2, 3])],  # chance is 5 of 10: a fifth of the way from there is 6
)
def test_a_class_is_lost_where_something_was_learned(right: int, lost: list[int]) -> None:
    true = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 3, -1])
    taken = np.array([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2])
    taken[right:7] = 3
    visit = Visit("2", mt.Dense(4), None, np.zeros((11, 4)))
    scores = np.eye(4)[taken]
    found = diagnostics._of_scores(visit, scores, true, mt.SoftmaxCrossEntropy())
    assert [(each.path, each.label, each.kind, each.value) for each in found] == [
        ("2", "Dense(4)", "lost class", k) for k in lost
    ]
    one_hot = np.eye(4)[true[:10]]
    found = diagnostics._of_scores(visit, scores[:10], one_hot, mt.CrossEntropy())
    assert [each.value for each in found] == lost
    assert diagnostics._of_scores(visit, scores, true, mt.MeanSquaredError()) == []
    ignored = np.full(11, -1)
    assert diagnostics._of_scores(visit, scores, ignored, mt.SoftmaxCrossEntropy()) == []


def test_probabilities_of_a_bounded_function_are_no_bounded_scores() -> None:
    visit = Visit("2", mt.Tanh(), None, np.zeros((2, 3)))
    scores, true = np.zeros((2, 3)), np.array([0, 1])
    (found,) = diagnostics._of_scores(visit, scores, true, mt.SoftmaxCrossEntropy())
    assert found.value == pytest.approx(math.log(1 + 2 * math.exp(-2)))
    assert diagnostics._of_scores(visit, scores, true, mt.CrossEntropy()) == []


def test_512_samples_are_examined(rng: np.random.Generator) -> None:
    model = mt.Sequential(mt.Dense(4), "relu", mt.Dense(3), input_shape=2, seed=0)
    x, y = rng.normal(size=(600, 2)), np.arange(600) % 3
    assert mt.diagnose(model, x, y) == mt.diagnose(model, x[:512], y[:512])
    assert mt.diagnose(model, x, y) != mt.diagnose(model, x[:511], y[:511])
    kept = mt.Diagnostics(x, y)
    assert (len(kept.x), len(kept.y)) == (512, 512)
    with pytest.raises(mt.ConfigurationError, match="samples x and targets y"):
        mt.Diagnostics(3.0, y)


FOLD = "the gradient is 1.2e+03 times"


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("dead", 3, "3 of 10 units dead (0 for every sample)"),
        ("stuck", 3, "3 of 10 units stuck where the function is flat"),
        ("idle", 3, "3 of 10 units idle (active for hardly any sample)"),
        ("identical", 3, "3 of 10 units identical to another"),
        ("saturated", 0.914, "91% of the outputs saturated"),
        ("vanishing gradient", 1234, f"{FOLD} smaller here than at the last layer"),
        ("vanishing gradient", math.inf, "no gradient arrives here"),
        ("exploding gradient", 1234, f"{FOLD} larger here than at the last layer"),
        ("not finite", 3, "3 weights or outputs are not finite (NaN or infinite)"),
        ("small steps", 1.23e-7, "steps of 1e-07 of the weights, too small"),
        ("small steps", 0.0, "the epoch's last step moves no weight"),
        ("large steps", 0.456, "steps of 0.5 of the weights, too large"),
        ("lost class", 3, "class 3 is never predicted where it should be"),
        ("bounded scores", 1.4567, "scores are bounded: the loss can't fall below 1.46"),
    ],
)  # fmt: skip
def test_each_finding_in_words(kind: str, value: float, said: str) -> None:
    found = Finding("1.0", "ReLU()", kind, value, 10)
    assert str(found) == f"layer 1.0 (ReLU()): {said}"
    assert str(found._replace(since=4)) == f"layer 1.0 (ReLU()): {said} since epoch 4"


def test_a_diagnosis_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "terminal_width", lambda: 100)
    numbers: dict[str, Any] = {"mean": 1.23456, "spread": 0.000123456, "gradient": 0.0456}
    diagnosis = Diagnosis(
        [
            layer(**numbers),
            layer(**numbers, dead=1, stuck=2, idle=3, saturated=0.256, update=0.0123),
        ],
        [
            Finding("1", "ReLU()", "idle", 3, 8, ill=False),
            Finding("1", "ReLU()", "stuck", 2, 8),
        ],
    )
    assert str(diagnosis).splitlines() == [
        "layer          mean  spread    gradient  useless  saturated  update",
        "-------------------------------------------------------------------",
        "1      ReLU()  1.23  0.000123  0.046     0 of 8",
        "1      ReLU()  1.23  0.000123  0.046     6 of 8   26%        0.01",
        "layer 1 (ReLU()): 2 of 8 units stuck where the function is flat",
        "layer 1 (ReLU()): 3 of 8 units idle (active for hardly any sample) (harmless)",
    ]
    assert diagnosis.words == ["layer 1 (ReLU()): 2 of 8 units stuck where the function is flat"]
