"""What is ill in a network is found where it was planted, and nowhere else."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks import illnesses
from minitorch_np.experiments.diagnostics import findings_since, lost_classes
from minitorch_np.experiments.health import noted
from tests.random_models import random_model


def network(*layers: mt.Layer | str) -> mt.Sequential:
    return mt.Sequential(*layers, input_shape=784, seed=0)


def kinds(diagnosis: mt.Diagnosis, ill: bool = True) -> list[tuple[str, str, float]]:
    return [(f.path, f.kind, f.value) for f in diagnosis.findings if f.ill or not ill]


def test_a_healthy_network_has_no_complaints(few: Any) -> None:
    x, y = few
    diagnosis = mt.diagnose(network(mt.Dense(10), "relu", mt.Dense(10)), x, y)
    assert diagnosis.words == []
    assert [(each.path, each.label) for each in diagnosis.layers] == [
        ("0", "Dense(10)"),
        ("1", "ReLU()"),
        ("2", "Dense(10)"),
    ]
    assert "Dense(10)" in str(diagnosis)


def test_dead_units_are_counted_and_ill_where_they_are_many(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    model.named_parameters()["0.bias"][:2] = -100
    assert kinds(mt.diagnose(model, x, y), ill=False) == [("1", "dead", 2)]
    assert mt.diagnose(model, x, y).words == []
    model.named_parameters()["0.bias"][:4] = -100
    assert mt.diagnose(model, x, y).words == [
        "layer 1 (ReLU()): 4 of 10 units dead (0 for every sample)"
    ]


def test_one_dead_output_is_ill(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10), "relu")
    model.named_parameters()["2.bias"][3] = -100
    assert ("3", "dead", 1) in kinds(mt.diagnose(model, x, y))


def test_units_inside_of_a_residual_are_seen(few: Any) -> None:
    x, y = few
    model = network(
        mt.Dense(10), mt.Residual(mt.Dense(10), mt.Sequential("relu", mt.Dense(10))), mt.Dense(10)
    )
    model.named_parameters()["1.0.0.bias"][:4] = -100
    assert kinds(mt.diagnose(model, x, y)) == [("1.0.1.0", "dead", 4)]


def test_a_channel_is_a_unit() -> None:
    x, y = np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3
    model = mt.Sequential(
        mt.Conv2D(5, 3), "relu", mt.Flatten(), mt.Dense(3), input_shape=(1, 8, 8), seed=0
    )
    model.named_parameters()["0.bias"][:2] = -100
    assert kinds(mt.diagnose(model, x, y)) == [("1", "dead", 2)]


@pytest.mark.parametrize("bias", [-60, 60])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "hard_sigmoid", "relu6", "elu"])
def test_units_stuck_at_a_bound_are_seen(name: str, bias: float, few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), name, mt.Dense(10))
    assert mt.diagnose(model, x, y).words == []
    model.named_parameters()["0.bias"][:4] = bias
    kind = "dead" if name == "relu6" and bias < 0 else "stuck"
    expected = [] if name == "elu" and bias > 0 else [("1", kind, 4)]
    assert kinds(mt.diagnose(model, x, y)) == expected


@pytest.mark.parametrize("name", ["leaky_relu", "softplus", "gelu", "silu", "mish", "hard_swish"])
def test_what_is_smooth_or_leaks_is_no_less_healthy(name: str, few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), name, mt.Dense(10))
    assert mt.diagnose(model, x, y).words == []
    assert all(each.saturated is None for each in mt.diagnose(model, x, y).layers)
    model.named_parameters()["0.bias"][:4] = -100
    expected = [] if name == "leaky_relu" else [("1", "dead", 4)]
    assert kinds(mt.diagnose(model, x, y)) == expected


def test_a_layer_may_be_saturated_without_a_unit_that_is_stuck(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "tanh", mt.Dense(10))
    model.named_parameters()["0.weight"][:] *= 200
    (value,) = [f.value for f in mt.diagnose(model, x, y).ill if f.kind == "saturated"]
    assert value > 0.9
    assert mt.diagnose(model, x, y).layers[1].stuck == 0


def test_what_is_planted_anywhere_is_found_there(digits: mt.data.Digits) -> None:
    """Some of those that `python -m benchmarks.illnesses` plants."""
    x, y = digits.train.features()[:512], digits.train.labels[:512]
    for words, model, path, kind in itertools.islice(illnesses.planted(x, y), 0, None, 7):
        found = [(each.path, each.kind) for each in mt.diagnose(model, x, y).ill]
        assert (path, kind) in found, (words, found)


def test_idle_and_identical_units_are_told_and_seldom_ill(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    weight, bias = (model.named_parameters()[f"0.{name}"] for name in ("weight", "bias"))
    bias[1] = -np.quantile(x @ weight[1], 0.985)  # active for 1.5 % of the images
    weight[6], bias[6] = weight[5], bias[5]
    diagnosis = mt.diagnose(model, x, y)
    assert kinds(diagnosis, ill=False) == [("1", "idle", 1), ("1", "identical", 1)]
    assert not diagnosis.ill
    model.named_parameters()["0.weight"][:] = weight[5]
    model.named_parameters()["0.bias"][:] = bias[5]
    assert ("1", "identical", 9) in kinds(mt.diagnose(model, x, y))


def test_weights_that_are_all_the_same_are_seen(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10, weight_initializer="zeros"), "sigmoid", mt.Dense(10))
    assert ("1", "identical", 9) in kinds(mt.diagnose(model, x, y))


def test_a_gradient_is_compared_over_all_layers(few: Any) -> None:
    """Each layer takes no more than a fifth of it."""
    x, y = few
    layers: list[mt.Layer | str] = [mt.Dense(20), "sigmoid"] * 10
    layers = [each if isinstance(each, str) else mt.Dense(20) for each in layers]
    model = network(*layers, mt.Dense(10))
    (finding,) = mt.diagnose(model, x, y).ill
    assert (finding.path, finding.kind) == ("0", "vanishing gradient")
    assert 1e3 < finding.value < 1e12
    assert "e+" in str(finding)
    plain = network(*[mt.Dense(20) for _ in range(6)], mt.Dense(10))
    for number in range(1, 6):
        plain.named_parameters()[f"{number}.weight"][:] *= 7
    (finding,) = mt.diagnose(plain, x, y).ill
    assert (finding.path, finding.kind) == ("0", "exploding gradient")
    plain.named_parameters()["3.weight"][:] = 0
    found = mt.diagnose(plain, x, y).ill
    assert any("no gradient arrives here" in str(each) for each in found)
    assert not any(len(str(each)) > 120 for each in found)


def test_a_lost_class_counts_where_others_were_learned(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(30), "relu", mt.Dense(10))
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.005), seed=0)
    trainer.fit(x, y, epochs=10)
    assert mt.diagnose(model, x, y).ill == []
    model.named_parameters()["2.bias"][4] = -1000
    assert kinds(mt.diagnose(model, x, y)) == [("2", "lost class", 4)]
    fresh = network(mt.Dense(10), "relu", mt.Dense(10))  # has not learned any
    assert not mt.diagnose(fresh, x, y).findings
    assert lost_classes(np.array([0, 1, 1, 3]), np.array([0, 2, 1, 1])) == [3]


def test_bounded_scores_are_told(few: Any) -> None:
    """ln(1 + 9/e), which no training gets below."""
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10), "sigmoid")
    (finding,) = mt.diagnose(model, x, y).findings
    assert (finding.kind, finding.ill) == ("bounded scores", False)
    assert finding.value == pytest.approx(math.log(1 + 9 / math.e))


def test_as_many_units_as_now_are_counted_since_there_were_as_many() -> None:
    def epoch(dead: int, lost: int) -> mt.Diagnosis:
        where = ("1", "ReLU()")
        units = [mt.Finding(*where, "dead", dead, 10)] if dead else []
        return mt.Diagnosis([], [*units, mt.Finding(*where, "lost class", lost)])

    found = findings_since([epoch(9, 3), epoch(0, 3), epoch(7, 4), epoch(10, 4), epoch(10, 4)])
    assert [str(each).partition("): ")[2] for each in found] == [
        "10 of 10 units dead (0 for every sample) since epoch 4",
        "class 4 is never predicted where it should be since epoch 3",
    ]
    assert [each.since for each in findings_since([epoch(10, 1), epoch(8, 1)])] == [1, 1]


def test_a_callback_says_since_when(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    diagnostics = mt.Diagnostics(x, y)

    class Kills(mt.Callback):
        def on_epoch_begin(self, trainer: mt.Trainer, epoch: int) -> None:
            if epoch == 1:
                trainer.model.named_parameters()["0.bias"][:3] = -100

    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05), seed=0)
    trainer.fit(x, y, epochs=3, callbacks=[Kills(), diagnostics])
    assert len(diagnostics.epochs) == 3
    assert diagnostics.words == [
        "layer 1 (ReLU()): 3 of 10 units dead (0 for every sample) since epoch 2"
    ]
    assert findings_since([]) == []


def test_steps_of_the_wrong_size_are_seen_where_they_are(few: Any) -> None:
    """Also of two layers that are called the same."""
    x, y = few
    for rate, kind in ((1e-9, "small steps"), (100.0, "large steps")):
        model = network(mt.Dense(10), "tanh", mt.Dense(10))
        diagnostics = mt.Diagnostics(x, y)
        trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(rate), seed=0)
        trainer.fit(x, y, epochs=1, callbacks=[diagnostics])
        assert kind in [each.kind for each in diagnostics.findings]
    model = network(mt.Dense(10), "tanh", mt.Dense(10))

    class Moves(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            trainer.model.named_parameters()["0.weight"][:] *= 2

    diagnostics = mt.Diagnostics(x, y)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(1e-5), seed=0)
    trainer.fit(x, y, epochs=1, callbacks=[diagnostics, Moves()])
    updates = {each.path: each.update for each in diagnostics.epochs[0].layers}
    assert updates["0"] is not None
    assert updates["2"] is not None
    assert updates["0"] > 0.5
    assert updates["2"] < 0.01


def test_the_step_of_a_whole_epoch_is_measured(few: Any) -> None:
    """Training on all samples at once, an epoch is one step."""
    x, y = few
    model = network(mt.Dense(10), "tanh", mt.Dense(10))
    diagnostics = mt.Diagnostics(x, y)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    before = model.named_parameters()["0.weight"].copy()
    trainer.fit(x, y, epochs=1, batch_size=len(x), callbacks=[diagnostics])
    step = np.linalg.norm(model.named_parameters()["0.weight"] - before) / np.linalg.norm(before)
    assert diagnostics.epochs[0].layers[0].update == pytest.approx(float(step))
    assert diagnostics.words == []


@pytest.mark.parametrize("name", ["softplus", "silu", "hard_swish", "gelu"])
def test_a_fresh_deep_network_is_not_ill(name: str, few: Any) -> None:
    x, y = few
    for seed, width in enumerate((16, 32, 48)):
        layers: list[mt.Layer | str] = []
        for _ in range(8):
            layers += [mt.Dense(width), name]
        model = mt.Sequential(*layers, mt.Dense(10), input_shape=784, seed=seed)
        assert not [each for each in mt.diagnose(model, x, y).ill if "gradient" in each.kind]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_found_where_they_are(value: float, few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10), "relu", mt.Dense(10))
    model.named_parameters()["2.weight"][0, :3] = value
    assert ("2", "not finite", 3) in kinds(mt.diagnose(model, x, y))
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    model.named_parameters()["2.weight"][:] = 1e38  # finite, but what they make is not
    (path,) = [f.path for f in mt.diagnose(model, 1e3 * x, y).ill if f.kind == "not finite"]
    assert path == "2"


def test_from_few_samples_no_unit_is_called_dead(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), "relu", mt.Dense(10))
    model.named_parameters()["0.bias"][:] = -100
    assert ("1", "dead", 10) in kinds(mt.diagnose(model, x[:50], y[:50]))
    assert "dead" not in [each.kind for each in mt.diagnose(model, x[:49], y[:49]).findings]


def test_any_composition_of_layers_is_walked_through() -> None:
    for seed in range(30):
        made = random_model(seed)
        visits: list[Any] = []
        expected = made.model.forward(made.x)[0]
        np.testing.assert_array_equal(noted(made.model, visits, {}).forward(made.x)[0], expected)
        diagnosis = mt.diagnose(made.model, made.x, made.targets, made.loss)
        assert "layer" in str(diagnosis)
        # A TransformerBlock is one layer here; its parameters belong to layers within.
        paths = tuple(f"{layer.path}." for layer in diagnosis.layers)
        assert all(name.startswith(paths) for name in made.model.named_parameters())


def test_the_model_is_not_changed(few: Any) -> None:
    x, y = few
    model = network(mt.Dense(10), mt.BatchNorm(), "relu", mt.Dropout(0.5), mt.Dense(10))
    before = model.state_dict()
    mt.diagnose(model, x, y)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(mt.ShapeError):
        mt.diagnose(model, x[:, :5], y)


def two_ended() -> tuple[mt.Graph, tuple[Any, Any], tuple[Any, Any]]:
    a, b = mt.Input(6, "a"), mt.Input(3, "b")
    h = mt.ReLU()(mt.Dense(10).named("first")(mt.Concatenate()(a, b)))
    kind = mt.Dense(3).named("kind")(mt.Sequential(mt.Dense(8), "relu")(h))
    graph = mt.Graph([a, b], [mt.Dense(1).named("price")(h), kind], seed=0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)), rng.normal(size=(80, 3))
    labels = (x[0][:, 0] > 0).astype(int) + (x[1][:, 0] > 0)
    return graph, x, (x[0][:, :1], labels)


def test_a_graph_is_diagnosed_along_its_wiring() -> None:
    graph, x, y = two_ended()
    run = mt.Trainer(graph, ["mse", "softmax_cross_entropy"], mt.Adam(0.01), seed=0)
    diagnostics = mt.Diagnostics(x, y)
    run.fit(x, y, epochs=60, batch_size=16, callbacks=[diagnostics])
    last = diagnostics.epochs[-1]
    paths = [each.path for each in last.layers]
    hidden = paths[paths.index("first") + 1]  # the ReLU after it
    assert sorted(paths) == sorted(["first", hidden, "price", "4.0", "4.1", "kind"])
    assert last.words == []
    assert all(layer.update for layer in last.layers if layer.weighted)
    graph.named_parameters()["kind.bias"][2] = -100
    assert kinds(mt.diagnose(graph, x, y, run.loss)) == [("kind", "lost class", 2)]
    graph.named_parameters()["first.bias"][:6] = -100
    assert (hidden, "dead", 6) in kinds(mt.diagnose(graph, x, y, run.loss))


def test_the_gradients_of_a_graph_are_those_of_its_backward() -> None:
    graph, x, y = two_ended()
    visits: list[Any] = []
    gradients: dict[str, Any] = {}
    watched = noted(graph, visits, gradients)
    given = tuple(part.astype(np.float32) for part in x)
    scores, cache = watched.forward(given)
    for one, other in zip(scores, graph.forward(given)[0], strict=True):
        np.testing.assert_array_equal(one, other)
    dy = tuple(np.ones_like(part) for part in scores)
    watched.backward(dy, cache)
    np.testing.assert_array_equal(gradients["kind"], dy[1])
    assert gradients.keys() == {visit.path for visit in visits}


def test_padding_is_no_part_of_a_diagnosis(rng: np.random.Generator) -> None:
    layers: list[Any] = [mt.Embedding(7, 4, padding_id=0), mt.LSTM(5), mt.Dense(3)]
    model = mt.Sequential(*layers, input_shape=5, seed=0)
    x = rng.integers(0, 7, (60, 5)).astype(np.float32)
    visits: list[Any] = []
    found = noted(model, visits, {}).forward(x)[0]
    np.testing.assert_array_equal(found, model.forward(x)[0])
    assert mt.diagnose(model, x, np.arange(60) % 3).layers[-1].units == 3
