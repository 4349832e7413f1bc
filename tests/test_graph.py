"""Graphs: several inputs and outputs, any wiring; trained, saved and checked like a chain."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from tests.graphs import Multiply, as_graph, chain, data, trainer, two_by_two


def test_a_chain_is_equal_to_the_bit_to_the_sequential_that_says_the_same() -> None:
    one, other = as_graph(chain()), mt.Sequential(*chain(), input_shape=5, seed=4)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 5)), rng.integers(3, size=50)
    histories = []
    for model in (one, other):
        trainer = mt.Trainer(model, "softmax_cross_entropy", "adam", metrics=["accuracy"], seed=1)
        histories.append(
            trainer.fit(x, y, epochs=3, batch_size=16, validation_split=0.2, verbose=False).history
        )
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(one.predict(x), other.predict(x))
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


def test_values_and_gradients_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    graph, ((a, b), _) = two_by_two(), data()
    weights = {n: torch.tensor(p, requires_grad=True) for n, p in graph.named_parameters().items()}
    ta, tb = (torch.tensor(part, requires_grad=True) for part in (a, b))

    def dense(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    h = torch.cat([dense(ta, "0"), tb], 1)
    price, kind = dense(h, "price"), dense(torch.tanh(h), "kind")
    got, cache = graph.forward((a, b))
    rng = np.random.default_rng(2)
    dy = tuple(rng.normal(size=part.shape) for part in got)
    dx, gradients = graph.backward(dy, cache)
    assert dx is not None
    da, db = dx
    torch.autograd.backward([price, kind], [torch.tensor(part) for part in dy])
    for ours, theirs in (
        *zip(got, (price.detach(), kind.detach()), strict=True),
        *((da, ta.grad), (db, tb.grad)),
        *((gradients[n], weights[n].grad) for n in weights),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-12)


def test_a_shared_layer_has_one_set_of_parameters_and_sums_its_gradients() -> None:
    a, b = mt.Input(3), mt.Input(3)
    twin = mt.Dense(2)
    graph = mt.Graph([a, b], mt.Concatenate()(twin(a), twin(b)), seed=0, dtype=np.float64)
    assert list(graph.named_parameters()) == ["0.weight", "0.bias"]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    out, cache = graph.forward((x, y))
    dy = rng.normal(size=out.shape)
    _, gradients = graph.backward(dy, cache)
    np.testing.assert_allclose(gradients["0.weight"], dy[:, :2].T @ x + dy[:, 2:].T @ y)
    assert mt.gradcheck(graph)


def test_a_value_used_in_several_places_gets_the_sum() -> None:
    a = mt.Input(3)
    h = mt.Tanh()(a)
    graph = mt.Graph(a, [mt.Add()(h, h, a), Multiply()(h, a)], seed=0, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(2, 3))
    (y, z), cache = graph.forward(x)
    np.testing.assert_allclose(y, 2 * np.tanh(x) + x)
    np.testing.assert_allclose(z, np.tanh(x) * x)
    dx, _ = graph.backward((np.ones_like(x), np.zeros_like(x)), cache)
    np.testing.assert_allclose(dx, 2 * (1 - np.tanh(x) ** 2) + 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["tuple", "list", "dictionary"])
def test_it_is_trained_like_a_sequential(form: str) -> None:
    (a, b), (price, kind) = data(60)
    forms: dict[str, Any] = {
        "tuple": ((a, b), (price, kind)),
        "list": ([a, b], [price, kind]),
        "dictionary": ({"b": b, "a": a}, {"kind": kind, "price": price}),
    }
    x, y = forms[form]
    run = trainer(two_by_two(), loss_weights=[2.0, 0.5], metrics=[["mae"], ["accuracy"]])
    history = run.fit(x, y, epochs=30, batch_size=16, validation_data=(x, y), verbose=False)
    names = ["loss", "price_loss", "price_MAE", "kind_loss", "kind_accuracy"]
    found = [name.lower() for name in history.history if not name.startswith("val_")]
    assert found == [name.lower() for name in names]
    numbers = run.evaluate(x, y)
    total = 2 * numbers["price_loss"] + 0.5 * numbers["kind_loss"]
    assert numbers["loss"] == pytest.approx(total)
    assert numbers["loss"] < 0.5 * history["loss"][0]
    assert numbers == pytest.approx({n: history[f"val_{n}"][-1] for n in numbers})
    outputs = run.model.predict(x, batch_size=7)
    assert [part.shape for part in outputs] == [(60, 1), (60, 5)]
    np.testing.assert_array_equal(outputs[0], run.model.predict((a, b), batch_size=7)[0])
    # Some processors round a product by its number of rows.
    np.testing.assert_allclose(outputs[0], run.model.predict((a, b))[0], rtol=1e-13)


def test_a_metric_is_told_what_its_own_output_is() -> None:
    """A probability is always above 0, where the line between no and yes is for a logit."""
    h = mt.Input(8)
    graph = mt.Graph(h, [mt.Dense(1)(h), mt.Sigmoid()(mt.Dense(1)(h))], seed=0)
    (x, _), _ = data(60)
    y = (x[:, :1] > 0) * 1.0
    losses, metrics = ["binary_cross_entropy", "mse"], [["accuracy"], ["accuracy"]]
    run = mt.Trainer(graph, losses, "sgd", metrics=metrics, seed=0)
    logits, probabilities = graph.predict(x)
    right = np.mean((logits > 0) == y), np.mean((probabilities > 0.5) == y)
    numbers = [number for name, number in run.evaluate(x, (y, y)).items() if "accuracy" in name]
    assert numbers == pytest.approx(right)
    assert 0.2 < right[1] != np.mean(y)


def test_losses_and_weights_by_name_and_in_a_list_are_the_same() -> None:
    x, y = data()
    by_name = mt.Trainer(
        two_by_two(), {"kind": "softmax_cross_entropy", "price": "mse"}, "adam(0.01)", seed=0,
        loss_weights={"kind": 3.0, "price": 1.0}, metrics={"kind": ["accuracy"]},
    )  # fmt: skip
    listed = trainer(two_by_two(), loss_weights=[1, 3], metrics=[[], ["accuracy"]])
    for one in (by_name, listed):
        one.fit(x, y, epochs=2, verbose=False)
    assert by_name.evaluate(x, y) == listed.evaluate(x, y)


def test_a_step_is_the_sum_of_what_each_loss_says() -> None:
    graph, (x, (price, kind)) = two_by_two(), data()
    scores, cache = graph.forward(x)
    mse, entropy = mt.MeanSquaredError(), mt.SoftmaxCrossEntropy()
    l1, c1 = mse.forward(scores[0], price)
    l2, c2 = entropy.forward(scores[1], kind)
    dy = (0.3 * mse.backward(c1), 2 * entropy.backward(c2))
    _, wanted = graph.backward(dy, cache)
    before = graph.state_dict()
    run = mt.Trainer(graph, [mse, entropy], "sgd(0.1)", loss_weights=[0.3, 2])
    assert run.step(x, (price, kind)) == pytest.approx(0.3 * l1 + 2 * l2)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(graph.state_dict()[name], before[name] - 0.1 * gradient)


def test_micro_batches_and_weights_make_the_same_step() -> None:
    x, y = data(32)
    weights = np.random.default_rng(0).uniform(0, 1, 32)
    whole, pieces = trainer(two_by_two()), trainer(two_by_two())
    options: dict[str, Any] = {"batch_size": 32, "shuffle": False, "verbose": False}
    whole.fit(x, y, sample_weight=weights, **options)
    pieces.fit(x, y, sample_weight=weights, micro_batch_size=5, **options)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_allclose(array, pieces.model.state_dict()[name], rtol=1e-9)


def test_what_is_ignored_counts_in_no_loss_and_no_metric() -> None:
    x, (price, kind) = data(30)
    kept = kind.copy()
    kept[::3] = -1
    losses = [mt.MeanSquaredError(), mt.SoftmaxCrossEntropy(ignore_index=-1)]
    run = mt.Trainer(two_by_two(), losses, "adam", metrics=[["mae"], ["accuracy"]], seed=0)
    numbers = run.evaluate(x, (price, kept))
    rows = kept >= 0
    alone = run.evaluate(tuple(part[rows] for part in x), (price[rows], kind[rows]))
    assert numbers["kind_loss"] == pytest.approx(alone["kind_loss"])
    assert numbers["kind_accuracy"] == pytest.approx(alone["kind_accuracy"])
    assert np.isfinite(run.fit(x, (price, kept), verbose=False)["loss"][0])
    with pytest.raises(mt.ConfigurationError, match="micro_batch_size.* count all samples alike"):
        run.fit(x, (price, kept), micro_batch_size=4, verbose=False)


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    graph, (x, _) = two_by_two(), data()
    graph.save(tmp_path / "graph.npz")
    again = mt.Graph.load(tmp_path / "graph.npz")
    for ours, theirs in zip(graph.predict(x), again.predict(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert repr(again) == repr(graph)
    assert again.output_names == ("price", "kind")
    assert again.input_names == ("a", "b")
    with pytest.raises(mt.ModelFileError, match="expected a Sequential, got Graph"):
        mt.Sequential.load(tmp_path / "graph.npz")


def test_a_shared_layer_is_shared_in_the_file(tmp_path: Path) -> None:
    a, b = mt.Input((4, 2)), mt.Input((4, 2))
    twin = mt.Sequential(mt.Dense(3), "tanh")
    graph = mt.Graph([a, b], mt.Add()(twin(a), twin(b)), seed=0)
    graph.save(tmp_path / "graph.npz")
    again = mt.Graph.load(tmp_path / "graph.npz")
    assert again.count_parameters() == graph.count_parameters() == 9
    assert again.layers[0] is again.layers[1]


def test_a_run_is_resumed_to_the_bit(tmp_path: Path) -> None:
    x, y = data(40)

    def run(epochs: int, path: str, resume: bool = False) -> mt.Trainer:
        made = trainer(two_by_two(dtype=np.float32))
        kept = mt.Checkpoint(tmp_path / path, resume=resume)
        made.fit(x, y, epochs=epochs, batch_size=8, checkpoint=kept, verbose=False)
        return made

    run(2, "part")
    resumed, straight = run(4, "part", resume=True), run(4, "whole")
    for name, array in straight.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])
    a, b = mt.Input(8, "a"), mt.Input(3, "b")
    h = mt.Concatenate()(b, mt.Dense(4)(a))  # the same layers, wired in another way
    ends = [mt.Dense(1).named("price")(h), mt.Dense(5).named("kind")(mt.Tanh()(h))]
    other = mt.Graph([a, b], ends)
    kept = mt.Checkpoint(tmp_path / "part", resume=True)
    with pytest.raises(mt.ConfigurationError, match="the same run"):
        trainer(other).fit(x, y, epochs=5, batch_size=8, checkpoint=kept, verbose=False)


def test_it_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    graph = two_by_two()
    assert "(1): Concatenate()  of 0, b" in repr(graph)
    graph.summary()
    table = capsys.readouterr().out
    assert "a  Input" in table
    assert "price  Dense(1, name='price')  of 1 -> price" in table
    assert table.count("->") == 2
    assert "Total params: 84" in table
    start = mt.Input(4)
    assert "->" not in repr(mt.Graph(start, mt.Add()(mt.Dense(4)(start), start)))


def test_it_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    texts = [text.get_text() for text in two_by_two().plot().axes[0].texts]
    assert "Concatenate()\n(m, 7)" in texts
    assert sum("\n" in text for text in texts) == 7  # a box for each input and layer
    assert len(texts) == 7 + 6  # and an arrow for each array


def test_where_the_boxes_of_a_picture_stand() -> None:
    """In rows by their distance from the inputs, each in the middle; a long way is bent."""
    pytest.importorskip("matplotlib")
    from matplotlib.text import Annotation

    a, b = mt.Input(3, "a"), mt.Input(3, "b")
    h = mt.Concatenate()(mt.Dense(2, weight_initializer="he_normal")(a), b)
    figure = mt.Graph([a, b], [mt.Dense(1)(h), mt.Tanh()(h)], seed=0).plot()
    (axes,) = figure.axes
    boxes = [text for text in axes.texts if not isinstance(text, Annotation)]
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [text.get_text() for text in boxes] == [
        "a\n(m, 3)",
        "b\n(m, 3)",
        "Dense(2, weight_initial...\n(m, 2)",
        "Concatenate()\n(m, 5)",
        "Dense(1) -> output0\n(m, 1)",
        "Tanh() -> output1\n(m, 5)",
    ]
    places = [(1.3, 0), (3.9, 0), (2.6, -1), (2.6, -2), (1.3, -3), (3.9, -3)]
    np.testing.assert_allclose([text.get_position() for text in boxes], places)
    ends = [(2, 0), (3, 2), (3, 1), (4, 3), (5, 3)]
    for arrow, (end, start) in zip(arrows, ends, strict=True):
        np.testing.assert_allclose((arrow.xy, arrow.xyann), (places[end], places[start]))
        bent = "rad=0.25" in str(arrow.arrowprops["connectionstyle"])  # type: ignore[index]
        assert bent is ((end, start) == (3, 1))
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 5.2), (-3.6, 0.6))
    assert not axes.axison
    np.testing.assert_allclose(figure.get_size_inches(), (5.2, 3.6))
    narrow = mt.Graph(a, mt.Dense(1)(a), seed=0).plot()
    np.testing.assert_allclose(narrow.get_size_inches(), (3, 2.0))


def test_it_stands_inside_of_a_sequential_and_of_another_graph() -> None:
    start = mt.Input(4)
    inner = mt.Graph(start, mt.Add()(mt.Dense(4)(start), start), seed=1, dtype=np.float64)
    outer = mt.Sequential(inner, "tanh", mt.Dense(2), input_shape=4, seed=0, dtype=np.float64)
    assert mt.gradcheck(outer)
    a, b = mt.Input(4), mt.Input(4)
    both = mt.Graph([a, b], mt.Concatenate()(inner(a), inner(b)), dtype=np.float64)
    assert both.count_parameters() == inner.count_parameters()
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(both((x, x)[0], x)[:, :4], inner(x))
    assert mt.gradcheck(both)


def test_the_outputs_of_all_layers_can_be_seen() -> None:
    graph, ((a, b), _) = two_by_two(), data(5)
    seen = graph.outputs((a, b))
    assert list(seen) == ["0", "1", "price", "3", "kind"]
    np.testing.assert_array_equal(seen["1"][:, 4:], b)


@pytest.mark.parametrize("mode", ["auto", "exhaustive", "directional"])
def test_its_gradients_are_checked(mode: str) -> None:
    assert mt.gradcheck(two_by_two(), mode=mode)
    x, _ = data(6)
    assert mt.gradcheck(two_by_two(), x, mode=mode)


def test_a_wrong_gradient_in_it_is_found() -> None:
    class Wrong(Multiply):
        def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
            a, b = cache
            return (dy * b, dy * a * 1.001), {}

    a, b = mt.Input(3), mt.Input(3)
    assert mt.gradcheck(mt.Graph([a, b], mt.Dense(2)(Multiply()(a, b)), seed=0))
    report = mt.gradcheck(mt.Graph([a, b], mt.Dense(2)(Wrong()(a, b)), seed=0))
    assert not report
    assert "Wrong" in str(report)
    assert not mt.gradcheck(mt.Graph([a, b], Wrong()(mt.Dense(3)(a), b), seed=0))


def test_the_loss_at_its_end_is_checked() -> None:
    a, b = mt.Input(3), mt.Input(2)
    graph = mt.Graph([a, b], mt.Dense(4)(mt.Concatenate()(a, b)), seed=0)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))
    assert mt.gradcheck(graph, x, rng.integers(4, size=5))
    loss = mt.SeveralLosses([mt.MeanSquaredError(), mt.SoftmaxCrossEntropy()], [0.5, 2])
    checked = mt.gradcheck(two_by_two(), *data(6), loss=loss)
    assert checked
    assert "SeveralLosses" in str(checked) or checked.parts


def test_ids_and_numbers_go_together() -> None:
    ids, size = mt.Input(4, "ids"), mt.Input(2, "size")
    words = mt.GlobalAveragePool1D(axis=1)(mt.Embedding(7, 3)(ids))
    graph = mt.Graph([ids, size], mt.Dense(2)(mt.Concatenate()(words, size)), seed=0)
    assert graph.index_limits == [7, None]
    assert mt.gradcheck(graph)
    rng = np.random.default_rng(0)
    x = {"ids": rng.integers(7, size=(20, 4)), "size": rng.normal(size=(20, 2))}
    run = mt.Trainer(graph, "mse", "adam(0.05)", seed=0)
    y = rng.normal(size=(20, 2))
    history = run.fit(x, y, epochs=20, batch_size=8, verbose=False)
    assert history["loss"][-1] < history["loss"][0]
    with pytest.raises(mt.DataError, match="7"):
        graph.predict((np.full((1, 4), 7), np.zeros((1, 2))))


def test_frozen_layers_stay_and_those_before_them_learn() -> None:
    x, y = data()
    graph = two_by_two()
    graph["price"].trainable = False
    graph["kind"].trainable = False
    before = graph.state_dict()
    trainer(graph).fit(x, y, verbose=False)
    moved = {n for n, array in graph.state_dict().items() if not np.array_equal(array, before[n])}
    assert moved == {"0.weight", "0.bias"}
    graph[0].trainable = False
    assert graph.backward(graph.forward(x)[0], graph.forward(x)[1], need_dx=False) == (None, {})


def test_it_goes_step_by_step_where_its_layers_do() -> None:
    ids = mt.Input(6)
    h = mt.Embedding(5, 4)(ids)
    h = mt.Add()(h, mt.GRU(4, return_sequences=True)(h))
    graph = mt.Graph(ids, mt.Dense(5)(h), seed=0)
    whole = graph(np.array([[1, 2, 3, 4, 0, 1]]))
    state, outputs = None, []
    for token in (1, 2, 3, 4, 0, 1):
        y, state = graph.step(np.array([[token]], np.float32), state)
        outputs.append(y)
    np.testing.assert_allclose(np.concatenate(outputs, 1), whole, rtol=1e-5, atol=1e-6)
    assert len(list(mt.generate(graph, [1, 2], 3, rng=0))) == 3
    a, b = mt.Input((4, 2)), mt.Input((4, 2))
    two = mt.Graph([a, b], mt.GRU(3, True)(mt.Add()(a, b)), seed=0)
    with pytest.raises(mt.ShapeError, match="an array for each of input0, input1, got 1"):
        two.step(np.ones((1, 2, 2), np.float32))
    with pytest.raises(mt.ConfigurationError, match="one of 2 and 1: call y, state = model.step"):
        mt.generate(two, [1], 3)


def test_a_divergence_names_the_layer() -> None:
    x, y = data()
    graph = two_by_two(dtype=np.float32)
    graph["kind"].named_parameters()["weight"][:] = 3e38
    with pytest.raises(mt.DivergenceError, match=r"output of Graph\[4\] Dense\(5, name='kind'\)"):
        trainer(graph).fit(x, y, verbose=False)
