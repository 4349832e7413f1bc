"""Layers, losses and metrics on sequences: (m, steps, features) and (m, steps, classes)."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array


def built(layer: mt.Layer, *shape: int, seed: int = 0) -> Any:
    layer.initialize(shape, rng=np.random.default_rng(seed), dtype=np.float64)
    return layer


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (1, 3)])
def test_dense_does_the_same_at_each_step(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    layer, x = built(mt.Dense(5, bias_initializer="uniform"), *shape), rng.normal(size=(6, *shape))
    y, cache = layer.forward(x)
    np.testing.assert_allclose(y, x @ layer.weight.T + layer.bias, rtol=1e-13)
    dy = rng.normal(size=y.shape)
    dx, gradients = layer.backward(dy, cache)
    rows, drows = x.reshape(-1, 3), dy.reshape(-1, 5)
    np.testing.assert_allclose(dx, dy @ layer.weight, rtol=1e-13)
    np.testing.assert_allclose(gradients["weight"], drows.T @ rows, rtol=1e-12)
    np.testing.assert_allclose(gradients["bias"], drows.sum(axis=0), rtol=1e-12)
    assert layer.backward(dy, cache, need_dx=False)[0] is None


def test_dense_refuses_steps_of_another_size(rng: np.random.Generator) -> None:
    layer = built(mt.Dense(5), 4, 3)
    for shape in ((2, 4, 2), (2, 2, 4, 3)):
        with pytest.raises(mt.ShapeError, match=r"Dense\(5\): expected samples of shape \(4, 3\)"):
            layer.forward(rng.normal(size=shape))
    with pytest.raises(mt.ShapeError, match=r"backward: expected dy of shape \(2, 4, 5\)"):
        layer.backward(np.ones((2, 3, 5)), layer.forward(np.ones((2, 4, 3)))[1])


@pytest.mark.parametrize(
    "layer",
    [
        mt.Dense(5),
        mt.GELU(),
        mt.LayerNorm(),
        mt.Softmax(),
        mt.LogSoftmax(),
        mt.Residual(mt.LayerNorm(), mt.Dense(3)),
        mt.Concatenate(mt.Dense(2), "tanh", axis=-1),
        mt.Sequential(mt.Dense(4), "relu", mt.Dropout(0.2), mt.Dense(2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_works_per_step_goes_step_by_step(
    layer: mt.Layer, rng: np.random.Generator
) -> None:
    built(layer, 7, 3)
    x, state, parts = rng.normal(size=(2, 7, 3)), None, []
    for part in (slice(0, 1), slice(1, 5), slice(5, 7)):
        y, state = layer.step(x[:, part], state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, 1), layer.forward(x)[0], rtol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [mt.Flatten(), mt.LayerNorm(2), mt.BatchNorm(), mt.Concatenate(mt.Dense(2), mt.Dense(2))],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_sees_the_whole_says_so(layer: mt.Layer) -> None:
    shape = (1, 7, 3) if isinstance(layer, mt.BatchNorm) else (7, 3)
    with pytest.raises(mt.ConfigurationError, match="needs the sequence as a whole"):
        built(layer, *shape).step(np.ones((2, *shape)))


LOSSES: list[tuple[mt.Loss, str]] = [
    (mt.SoftmaxCrossEntropy(), "scores"),
    (mt.SoftmaxCrossEntropy(0.1, [0.5, 2.0, 1.0, 0.7]), "scores"),
    (mt.CrossEntropy(), "probabilities"),
    (mt.KLDivergence(), "logs"),
]


@pytest.mark.parametrize(("loss", "kind"), LOSSES)
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_of_steps_is_that_of_their_rows(
    loss: mt.Loss, kind: str, one_hot: bool, weighted: bool, rng: np.random.Generator
) -> None:
    scores, labels = rng.normal(size=(3, 5, 4)), rng.integers(0, 4, (3, 5))
    if kind != "scores":
        scores = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        scores = np.log(scores) if kind == "logs" else scores
    targets = np.eye(4)[labels] if one_hot else labels
    weights = np.array([0.5, 2.0, 0.0]) if weighted else None
    value, cache = loss.forward(scores, targets, weights)
    flat = targets.reshape(-1, 4) if one_hot else targets.reshape(-1)
    rows = None if weights is None else weights.repeat(5)
    wanted, flat_cache = loss.forward(scores.reshape(-1, 4), flat, rows)
    assert value == wanted
    np.testing.assert_array_equal(
        loss.backward(cache), loss.backward(flat_cache).reshape(scores.shape)
    )
    prepared = loss.prepare(targets, (5, 4))
    assert loss.forward(scores, prepared, weights)[0] == pytest.approx(value, rel=1e-14)


def test_the_mean_is_over_steps_that_count(rng: np.random.Generator) -> None:
    scores, targets = rng.normal(size=(2, 3, 4)), np.array([[1, 3, -1], [0, -1, -1]])
    loss = mt.SoftmaxCrossEntropy(ignore_index=-1)
    value, cache = loss.forward(scores, targets)
    kept = scores[targets >= 0]
    logs = kept - np.log(np.exp(kept).sum(-1, keepdims=True))
    assert value == pytest.approx(-logs[np.arange(3), [1, 3, 0]].mean(), rel=1e-13)
    assert not loss.backward(cache)[targets < 0].any()


def token_model(seed: int = 0) -> mt.Sequential:
    return mt.Sequential(
        mt.Embedding(6, 3), "tanh", mt.Dense(6), input_shape=4, seed=seed, dtype=np.float64
    )


@pytest.mark.parametrize("ignore", [None, -1])
def test_micro_batches_of_sequences_train_the_same(
    ignore: int | None, rng: np.random.Generator
) -> None:
    """The mean is over the steps of the whole batch, however few count in a part of it."""
    x, y = rng.integers(0, 6, (8, 4)), rng.integers(0, 6, (8, 4))
    if ignore is not None:
        y[rng.random(y.shape) < 0.5] = ignore
        y[0] = ignore  # nothing counts in the first micro-batch
    runs = []
    for micro in (None, 1, 3):
        model = token_model()
        loss = mt.SoftmaxCrossEntropy(ignore_index=ignore)
        metrics = [mt.Accuracy(), mt.Perplexity()]
        trainer = mt.Trainer(model, loss, mt.SGD(0.5), metrics=metrics, seed=0)
        history = trainer.fit(x, y, epochs=3, batch_size=8, micro_batch_size=micro, shuffle=False)
        runs.append((model.state_dict(), history.history, trainer.evaluate(x, y)))
    for state, numbers, measured in runs[1:]:
        for name in state:
            np.testing.assert_allclose(state[name], runs[0][0][name], rtol=1e-12, atol=1e-14)
        for name in numbers:
            np.testing.assert_allclose(numbers[name], runs[0][1][name], rtol=1e-12)
        assert measured == pytest.approx(runs[0][2])
    assert measured["perplexity"] == pytest.approx(np.exp(measured["loss"]), rel=1e-12)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros(3, int), r"of shape \(m, 4\) or one-hot.*\(m, 4, 6\), got shape \(3,\).*Flatten"),
        (np.zeros((3, 5), int), r"got shape \(3, 5\)"),
        (np.full((3, 4), 6), "whole numbers from 0 to 5; got 6 at row 0, column 0"),
        (np.full((3, 4, 6), 0.5), "add up to 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: Any, message: str) -> None:
    trainer = mt.Trainer(token_model(), mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    with pytest.raises((mt.ShapeError, mt.DataError), match=message):
        trainer.fit(np.zeros((3, 4)), targets)
    with pytest.raises((mt.ShapeError, mt.DataError)):
        mt.SoftmaxCrossEntropy().forward(np.zeros((3, 4, 6)), targets)


def test_ids_out_of_range_say_where() -> None:
    with pytest.raises(mt.DataError, match=r"from 0 to 5, got 9.0 at \(1, 2\)"):
        token_model()(np.array([[0, 1, 2, 3], [0, 1, 9, 3]]))


@pytest.mark.parametrize("metric", [mt.Accuracy(), mt.TopKAccuracy(2), mt.F1(), mt.Perplexity()])
@pytest.mark.parametrize("one_hot", [False, True])
def test_metrics_of_steps_are_those_of_their_rows(
    metric: mt.Metric, one_hot: bool, rng: np.random.Generator
) -> None:
    scores, labels = rng.normal(size=(3, 5, 4)), rng.integers(0, 4, (3, 5))
    targets = np.eye(4)[labels] if one_hot else labels
    flat = targets.reshape(-1, 4) if one_hot else labels.reshape(-1)
    found = metric.value(metric.count(scores, targets))
    assert found == metric.value(metric.count(scores.reshape(-1, 4), flat))


@pytest.mark.parametrize("last", [None, "softmax", "log_softmax"])
def test_perplexity_is_the_number_of_even_choices(last: str | None) -> None:
    layers: list[Any] = [mt.Dense(7, weight_initializer="zeros"), *([last] if last else [])]
    model = mt.Sequential(*layers, input_shape=(4, 2), seed=0, dtype=np.float64)
    metric, scores = mt.Perplexity(), model(np.ones((3, 4, 2)))
    metric.begin(model)
    assert metric.value(metric.count(scores, np.full((3, 4), 5))) == pytest.approx(7)


def test_perplexity_of_what_is_impossible_is_infinite() -> None:
    metric = mt.Perplexity()
    assert metric.value(metric.count(np.array([[2e3, 0.0]]), np.array([1]))) == np.inf
    with pytest.raises(mt.ShapeError, match="two or more scores"):
        metric.count(np.ones((2, 1)), np.zeros(2, int))


def test_the_gradient_of_an_embedding_adds_up_rows_of_equal_ids(rng: np.random.Generator) -> None:
    layer, x = built(mt.Embedding(9, 3), 5), rng.integers(0, 9, (4, 5)).astype(float)
    y, cache = layer.forward(x)
    dy: Array = rng.normal(size=y.shape)
    wanted = np.zeros((9, 3))
    np.add.at(wanted, x.astype(int), dy)
    np.testing.assert_allclose(layer.backward(dy, cache)[1]["weight"], wanted, rtol=1e-13)


def test_a_series_shorter_than_the_window() -> None:
    with pytest.raises(mt.ShapeError, match="at least 5 steps with their border, got 3"):
        mt.Sequential(mt.Conv1D(2, 5), input_shape=(1, 3))


def test_ids_out_of_range_say_which_sequence_whatever_the_order() -> None:
    x, y = np.ones((300, 4), int), np.ones((300, 4), int)
    x[150, 3] = 9
    trainer = mt.Trainer(token_model(), mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    before = trainer.model.state_dict()
    for call in (trainer.fit, trainer.evaluate, trainer.step):
        with pytest.raises(
            mt.DataError, match=r"from 0 to 5, got 9(\.0)? in sequence 150, place 3"
        ):
            call(x, y)
    x[150, 3] = -1
    with pytest.raises(mt.DataError, match="got -1 in sequence 150, place 3"):
        trainer.fit(x, y)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    words, numbers = mt.Input(4, "words"), mt.Input(2, "numbers")
    h = mt.Flatten()(mt.Embedding(6, 2)(words))
    graph = mt.Graph([words, numbers], mt.Dense(1)(mt.Concatenate()(h, numbers)), seed=0)
    run = mt.Trainer(graph, "mse", "sgd(0.1)", seed=0)
    with pytest.raises(mt.DataError, match="got -1 in sequence 150, place 3"):
        run.fit({"words": x, "numbers": np.full((300, 2), 9.0)}, np.ones((300, 1)))


def test_sequences_of_another_length_than_the_models_are_refused() -> None:
    model = mt.gpt(11, 8, 1, 2, 8, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    x = np.zeros((2, 12), int)
    message = (
        "sequences of 8 numbers, for which the model was built, got sequences of 12: cut longer,"
    )
    for call in (lambda: trainer.fit(x, x), lambda: model.predict(x), lambda: model(x)):
        with pytest.raises(mt.ShapeError, match=message):
            call()


def test_ragged_lists_are_refused_with_what_to_do() -> None:
    trainer = mt.Trainer(token_model(), mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
    ragged = [[1, 2, 3, 4], [1, 2]]
    for call in (lambda: trainer.fit(ragged, ragged), lambda: trainer.model.predict(ragged)):
        with pytest.raises(mt.DataError, match=r"rows of equal length.*pad.*data.pad_sequences"):
            call()


def test_padding_makes_one_array() -> None:
    x, lengths = mt.data.pad_sequences([[1, 2, 3], [4], []])
    assert x.tolist() == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
    assert x.dtype.kind == "i"
    assert lengths.tolist() == [3, 1, 0]
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 2)) for n in (2, 4)]
    x, lengths = mt.data.pad_sequences(parts, value=-1, steps=5)
    assert x.shape == (2, 5, 2)
    np.testing.assert_array_equal(x[0, :2], parts[0])
    assert (x[0, 2:] == -1).all()
    model = mt.Sequential(mt.GRU(3), input_shape=(5, 2), seed=0)
    padded = mt.Sequential(mt.Masking(-1), model[0], input_shape=(5, 2))
    np.testing.assert_array_equal(model.predict((x, lengths)), padded.predict(x))


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        ([], {}, "a list of sequences"),
        ([1, 2], {}, "a list of sequences"),
        ([[1, 2, 3], [1]], {"steps": 2}, "up to 2 steps, got 3 in sequence 0"),
        ([[[1, 2]], [[1, 2, 3]]], {}, r"steps of shape \(2,\), as in the first, got \(3,\) in seq"),
        ([["a"]], {}, "sequence 0"),
        ([[1]], {"value": "x"}, "value"),
    ],
)
def test_what_can_not_be_padded_is_refused(sequences: Any, options: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        mt.data.pad_sequences(sequences, **options)


WORDS = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [3, 0, 0, 0]])
"""Three sequences that end in padding, number 0."""


def words() -> mt.Embedding:
    return mt.Embedding(7, 4, padding_id=0)


def branching(steps: int) -> mt.Graph:
    """Its mask bypasses the layers that move the steps."""
    x = mt.Input(steps)
    h = words()(x)
    return mt.Graph.unbuilt(x, mt.Add()(h, mt.Transpose()(mt.Transpose()(h))))


@pytest.mark.parametrize(
    "inner",
    [
        lambda n: mt.Sequential(mt.Identity(), words()),
        lambda n: mt.Sequential(mt.Sequential(words(), "transpose"), "transpose", mt.Masking()),
        lambda n: mt.Sequential(mt.Concatenate(mt.Embedding(7, 3), words(), axis=-1)),
        lambda n: mt.Sequential(words(), mt.Residual("transpose", "transpose")),
        branching,
    ],
)
def test_a_container_hands_out_the_mask_of_its_last_layer(inner: Any) -> None:
    models = [
        mt.Sequential(inner(n), mt.GRU(2), input_shape=n, seed=0, dtype="float64") for n in (4, 2)
    ]
    one, two = (model(WORDS[1:, : model.input_shape[0]]) for model in models)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_masks_of_several_inputs_are_joined() -> None:
    """Padding that the lengths add to that of the ids; values that do not count."""
    ids, lengths, keys = mt.Input(4), mt.Input(()), mt.Input((4, 4))
    h = words()(ids)
    marked = mt.GRU(2)(mt.Masking()(h, lengths))
    seen = mt.MultiHeadAttention(2)(keys, keys, h)
    graph = mt.Graph([ids, lengths, keys], [marked, seen], seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 4, 4))
    read, found = graph(WORDS, [4, 1, 4], x)
    np.testing.assert_array_equal(read[1], graph([[5, 0, 0, 0]], [4], x[1:2])[0][0])
    attention: Any = graph.layers[-1]
    vectors = graph.layers[0](WORDS)
    for mask in ((None, WORDS > 0, None), (None, None, WORDS > 0)):
        wanted = attention.forward((x, x, vectors), mask=mask)[0]
        np.testing.assert_array_equal(found, wanted)


def test_a_mask_may_be_of_ones_and_zeros(rng: np.random.Generator) -> None:
    model = mt.Sequential("gru(2, True)", mt.MultiHeadAttention(1), input_shape=(4, 2), seed=0)
    x, mask = rng.normal(size=(3, 4, 2)).astype(np.float32), WORDS > 0
    wanted, found = (model.forward(x, mask=one)[0] for one in (mask, mask.astype(int)))
    np.testing.assert_array_equal(found, wanted)


def test_a_wrong_number_is_named_with_its_place_in_all_data() -> None:
    """Not with its place in the batch."""
    model = mt.Sequential(words(), mt.GRU(2), input_shape=4, seed=0)
    for wrong, shown in ((7, "7"), (2.5, "2.5")):
        x = np.ones((300, 4))
        x[280, 1] = wrong
        with pytest.raises(mt.DataError, match=f"0 to 6, got {shown} in sequence 280, place 1"):
            model.predict(x)
        with pytest.raises(mt.DataError, match=f"got {shown} in sequence 280, place 1"):
            mt.Trainer(model, "mse", "sgd(0.1)").fit(x, np.ones((300, 2)), verbose=False)


def test_a_wrong_number_in_a_file_is_named_with_its_row(tmp_path: Path) -> None:
    model = mt.Sequential(words(), mt.GRU(2), input_shape=4, seed=0)
    x = np.ones((300, 4), np.int64)
    x[280, 1] = 7
    np.save(tmp_path / "x.npy", x)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    trainer = mt.Trainer(model, "mse", "sgd(0.1)")
    for call in (
        lambda: model.predict(stored),
        lambda: trainer.fit(stored, np.ones((300, 2)), verbose=False),
    ):
        with pytest.raises(mt.DataError, match="got 7 in sequence 280, place 1$"):
            call()


def test_numbers_of_things_and_lengths_are_not_scaled() -> None:
    reader = mt.Sequential(words(), mt.GRU(2), input_shape=4, seed=0)
    series = mt.Sequential(mt.GRU(2), input_shape=(4, 3), seed=0)
    pair: Any = (np.ones((3, 4, 3)), [1, 2, 1])
    for model, x, what in ((reader, WORDS, "whole numbers"), (series, pair, "lengths")):
        trainer = mt.Trainer(model, "mse", "sgd(0.1)")
        for call, given in (
            (model.predict, [x]),
            (trainer.fit, [x, np.ones((3, 2))]),
            (trainer.evaluate, [x, np.ones((3, 2))]),
        ):
            with pytest.raises(mt.ConfigurationError, match=f"scale: .* since the {what}"):
                cast(Any, call)(*given, scale=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.RMSNorm(8), "epsilon to be a small number, got 8: the features are counted"),
        (lambda: mt.GroupNorm(4, 8), "epsilon to be a small number, got 8"),
        (
            lambda: mt.Sequential(mt.GRU(2), input_shape=(6, 4), seed=0)(np.ones((6, 3, 4))),
            r"if the steps come first here, pass x.transpose\(1, 0, 2\)",
        ),
        (
            lambda: mt.Sequential(words(), input_shape=4, seed=0).predict(
                np.array([np.ones(2), np.ones(3)], dtype=object)
            ),
            "got object .ndarray.; pad sequences of different lengths with data.pad_sequences",
        ),
        (
            lambda: mt.Sequential("gru(2)", input_shape=(4, 3), seed=0).predict(
                [np.ones((3, 4, 3)), np.ones(3)]
            ),
            r"equal length: .*; pass sequences and their lengths as a tuple, \(x, lengths\)",
        ),
    ],
)
def test_habits_that_mean_something_else_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        make()
