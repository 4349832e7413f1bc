"""Training on long sequences in stretches: the state goes from batch to batch, the gradient not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray

STREAMS, STEPS = 4, 5


def text(batches: int = 6) -> tuple[AnyArray, AnyArray]:
    """Windows of streams that are read side by side, one batch after the other."""
    ids = np.random.default_rng(3).integers(0, 7, STREAMS * STEPS * batches + 1)
    pairs = list(mt.data.TextWindows(ids, STEPS).streams(STREAMS))
    assert len(pairs) == batches
    x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return x, y


def model(kind: Any = mt.LSTM, **options: Any) -> mt.Sequential:
    layers = [kind(6, True), mt.Residual(mt.GRU(6, True)), mt.SimpleRNN(5, True), mt.Dense(7)]
    return mt.Sequential(
        mt.Embedding(7, 3), *layers, input_shape=STEPS, seed=0, dtype=np.float64, **options
    )


def trainer(made: Any, **options: Any) -> mt.Trainer:
    return mt.Trainer(made, mt.SoftmaxCrossEntropy(), mt.SGD(0.5), seed=0, **options)


FIT: dict[str, Any] = {"batch_size": STREAMS, "stateful": True, "shuffle": False}


def test_it_is_pytorchs_loop_with_a_detached_state() -> None:
    torch = pytest.importorskip("torch")
    (x, y), ours = text(), model()
    nn: Any = torch.nn
    base: Any = nn.Module

    class Theirs(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.dense = nn.Embedding(7, 3), nn.Linear(5, 7)
            self.lstm, self.gru = nn.LSTM(3, 6, batch_first=True), nn.GRU(6, 6, batch_first=True)
            self.rnn = nn.RNN(6, 5, batch_first=True)

        def forward(self, x: Any, state: Any) -> Any:
            h, one = self.lstm(self.embedding(x), state[0])
            inner, two = self.gru(h, state[1])
            last, three = self.rnn(h + inner, state[2])
            return self.dense(last), (one, two, three)

    def detached(state: Any) -> Any:
        return tuple(map(detached, state)) if isinstance(state, tuple) else state.detach()

    theirs = Theirs().double()
    places = {"0": "embedding", "1": "lstm", "2.0.0": "gru", "3": "rnn", "4": "dense"}
    names = {n: f"{places[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}" for n in ours.state_dict()}
    theirs.load_state_dict({names[n]: torch.tensor(a) for n, a in ours.state_dict().items()})
    losses = []
    for _ in range(2):
        state: Any = (None, None, None)
        for first in range(0, len(x), STREAMS):
            scores, state = theirs(torch.tensor(x[first : first + STREAMS]), state)
            state = detached(state)
            wanted = torch.tensor(y[first : first + STREAMS])
            loss = nn.functional.cross_entropy(scores.transpose(1, 2), wanted)
            theirs.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in theirs.parameters():
                    parameter.sub_(0.5 * parameter.grad)
            losses.append(loss.item())
    found: list[float] = []

    class Losses(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            found.append(loss)

    trainer(ours).fit(x, y, epochs=2, callbacks=[Losses()], **FIT)
    np.testing.assert_allclose(found, losses, rtol=1e-10)
    for name, array in ours.state_dict().items():
        wanted = theirs.state_dict()[names[name]].numpy()
        np.testing.assert_allclose(array, wanted, rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_forward_that_goes_on_is_a_forward_of_the_whole(rng: np.random.Generator) -> None:
    """For every recurrent layer, in a Sequential, side by side, and in a Graph."""
    steps = mt.Input((STEPS, 3))
    h = mt.GRU(4, True)(steps)
    graph = mt.Graph(steps, mt.Add()(mt.LSTM(4, True)(h), mt.Dense(4)(h)), seed=0, dtype=np.float64)
    side = mt.Sequential(
        mt.Concatenate(mt.SimpleRNN(2, True), mt.GRU(3, True), axis=-1), mt.LSTM(2),
        input_shape=(STEPS, 3), seed=0, dtype=np.float64,
    )  # fmt: skip
    x = rng.normal(size=(2, 3 * STEPS, 3))
    for made in (graph, side):
        state, outputs, steady = None, [], None
        for n in range(3):
            part = x[:, n * STEPS : (n + 1) * STEPS]
            y, cache = made.forward(part, train=True, rng=rng, state=state)
            expected, steady = made.step(part, steady)
            np.testing.assert_allclose(y, expected, rtol=1e-12)
            state = made.state_of(cache)
            outputs.append(y)
        again, _ = made.forward(x[:, :STEPS])
        np.testing.assert_array_equal(again, outputs[0])  # nothing was kept
        with pytest.raises(
            mt.DataError, match="a state of 1 sequences, as the batch, got one of 2"
        ):
            made.forward(x[:1, :STEPS], state=state)


def test_an_epoch_begins_with_zeros_and_evaluation_too() -> None:
    x, y = text(3)
    one, other = trainer(model()), trainer(model())
    first = one.fit(x, y, epochs=2, validation_data=(x, y), **FIT)
    other.fit(x, y, **FIT)
    second = other.fit(x, y, validation_data=(x, y), **FIT)
    assert first["loss"][1] == second["loss"][0]
    assert one.evaluate(x, y)["loss"] == first["val_loss"][1]
    stateless = trainer(model()).fit(x, y, batch_size=STREAMS, shuffle=False)
    assert stateless["loss"][0] != first["loss"][0]


class KilledError(Exception):
    """The run ends here."""


class Stops(mt.Checkpoint):
    """Saves each step, and ends the run after so many."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path, every=1)
        self.left = after

    def save(self, run: Any, state: Any) -> None:
        super().save(run, state)
        self.left -= 1
        if not self.left:
            raise KilledError


@pytest.mark.parametrize("after", [1, 4, 6, 7, 11])
def test_a_stopped_run_goes_on_with_its_state(tmp_path: Path, after: int) -> None:
    """Of 6 steps an epoch; after the last one the file is written once more."""
    x, y = text()
    whole, path = trainer(model()), tmp_path / "run.npz"
    history = whole.fit(x, y, epochs=3, **FIT)
    with pytest.raises(KilledError):
        trainer(model()).fit(x, y, epochs=3, checkpoint=Stops(path, after), **FIT)
    resumed = trainer(model())
    kept = mt.Checkpoint(path, resume=True)
    assert resumed.fit(x, y, epochs=3, checkpoint=kept, **FIT).history == history.history
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])


def test_a_run_with_a_state_is_another_run(tmp_path: Path) -> None:
    x, y = text()
    trainer(model()).fit(x, y, checkpoint=mt.Checkpoint(tmp_path / "run.npz"), **FIT)
    again = mt.Checkpoint(tmp_path / "run.npz", resume=True)
    with pytest.raises(mt.ConfigurationError, match="shuffle 'stateful', now False"):
        trainer(model()).fit(x, y, epochs=2, checkpoint=again, batch_size=STREAMS, shuffle=False)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([mt.GRU(3, True, True)], r"GRU\(3, .*which begins at the end of a sequence"),
        ([mt.Bidirectional("gru(2)")], "which begins at both ends of a sequence"),
        ([mt.TransformerBlock(2), "gru(2)"], "which would have to look at all batches before"),
        ([mt.PositionalEmbedding(), "gru(2)"], "counts steps from the start of a batch"),
        (["relu", "flatten"], "a model with a recurrent layer, got one without a state"),
    ],
)
def test_layers_that_do_not_go_on_are_refused(layers: Any, message: str) -> None:
    x, y = text()
    made = mt.Sequential(
        mt.Embedding(7, 4), *layers, "flatten", mt.Dense(7), input_shape=STEPS, seed=0
    )
    with pytest.raises(mt.ConfigurationError, match=message):
        trainer(made).fit(x, y[:, -1], **FIT)


def test_batches_that_are_torn_apart_are_refused() -> None:
    x, y = text()
    for change, message in (
        ({"shuffle": True}, "expected shuffle=False: shuffled"),
        ({"micro_batch_size": 2}, "no micro_batch_size, which divides"),
        (
            {"batch_size": 5},
            "batches of equal size.*24 samples in batches of 5: leave out the last 4",
        ),
        ({"stateful": "yes"}, "stateful"),
        ({"validation_split": 0.1}, "got 22 samples in batches of 4"),
    ):
        with pytest.raises(mt.MinitorchError, match=message):
            trainer(model()).fit(x, y, **(FIT | change))
    padded = mt.Sequential(
        mt.Embedding(7, 3, padding_id=0), mt.GRU(3, True), mt.Dense(7), input_shape=STEPS, seed=0
    )
    with pytest.raises(mt.ConfigurationError, match="without padding"):
        trainer(padded).fit(x, y, **FIT)
    with pytest.raises(mt.ConfigurationError, match="no mask, no lengths"):
        trainer(model()).fit((x, np.full(len(x), STEPS)), y, **FIT)


def test_streams_are_trained_on_as_they_come() -> None:
    ids = np.random.default_rng(3).integers(0, 7, STREAMS * STEPS * 6 + 1)
    windows, (x, y) = mt.data.TextWindows(ids, STEPS), text()
    one, other = trainer(model()), trainer(model())
    options: dict[str, Any] = {"stateful": True, "shuffle": False, "epochs": 2}
    whole = one.fit(x, y, batch_size=STREAMS, **options)
    read = other.fit(lambda: windows.streams(STREAMS), steps_per_epoch=6, **options)
    assert read["loss"] == pytest.approx(whole["loss"], rel=1e-12)

    def changing() -> Any:
        for n in (4, 4, 3):
            yield x[:n], y[:n]

    with pytest.raises(
        mt.DataError, match="equal size, .* got one of 3 samples after one of 4: leave"
    ):
        trainer(model()).fit(changing, steps_per_epoch=3, stateful=True, shuffle=False)
