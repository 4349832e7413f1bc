"""The networks that have a name are what their names say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt


def test_mlp() -> None:
    model = mt.mlp([784, 512, 512, 10], seed=0)
    assert [layer.label for layer in model] == [
        "Dense(512)",
        "ReLU()",
        "Dense(512)",
        "ReLU()",
        "Dense(10)",
    ]
    assert model.count_parameters() == 669_706
    other = mt.mlp([4, 3, 2], activation="gelu(tanh)", output_activation="softmax", dropout=0.2)
    assert [layer.label for layer in other] == [
        "Dense(3)",
        "GELU(approximate='tanh')",
        "Dropout(rate=0.2)",
        "Dense(2)",
        "Softmax()",
    ]
    assert mt.mlp([4, 2]).count_parameters() == 10
    with pytest.raises(mt.ConfigurationError, match="sizes of inputs"):
        mt.mlp([4])


def test_lenet5() -> None:
    model = mt.lenet5(seed=0)
    assert model.count_parameters() == 61_706  # as published, with all maps connected
    assert model.input_shape == (1, 28, 28)
    assert [layer.output_shape for layer in model if isinstance(layer, mt.Conv2D)] == [
        (6, 28, 28),
        (16, 10, 10),
    ]
    tanh = mt.lenet5("tanh", pool="average_pool2d", classes=3)
    assert tanh.output_shape == (3,)
    assert isinstance(tanh[2], mt.AveragePool2D)


def test_lenet5_learns(digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(1500))
    x = part.features().reshape(-1, 1, 28, 28)
    trainer = mt.Trainer(
        mt.lenet5(seed=0), mt.SoftmaxCrossEntropy(), mt.Adam(0.003), metrics=[mt.Accuracy()], seed=0
    )
    history = trainer.fit(x, part.labels, epochs=3)
    assert history["accuracy"][-1] > 0.88
    xt = digits.test.features().reshape(-1, 1, 28, 28)
    assert trainer.evaluate(xt, digits.test.labels)["accuracy"] > 0.85


@pytest.mark.whole
def test_the_larger_networks_on_full_mnist(full_mnist: mt.data.Digits) -> None:
    """One epoch each is on the way to what `benchmarks.accuracy` shows."""
    for model, least in ((mt.mlp([784, 512, 512, 10], seed=0), 0.955), (mt.lenet5(seed=0), 0.97)):
        x, xt = (
            part.features().reshape(-1, *model.input_shape)
            for part in (full_mnist.train, full_mnist.test)
        )
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.Adam(0.001), metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(x, full_mnist.train.labels, batch_size=128)
        assert trainer.evaluate(xt, full_mnist.test.labels)["accuracy"] > least
        assert np.isfinite(model.predict(xt[:5])).all()


@pytest.mark.parametrize(
    "make", [mt.notes_network, mt.lenet5, lambda seed: mt.mlp([6, 4, 3], seed=seed)]
)
def test_a_seed_fixes_the_first_weights(make: Any) -> None:
    one, same, other = (make(seed=seed).state_dict()["0.weight"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_sizes_are_those_of_the_layers() -> None:
    model = mt.mlp([7, 5, 4, 3])
    assert model.input_shape == (7,)
    assert [a.shape for n, a in model.named_parameters().items() if n.endswith("weight")] == [
        (5, 7),
        (4, 5),
        (3, 4),
    ]
    assert model.dtype == np.float32
    assert mt.mlp([7, 3], dtype="float64").dtype == np.float64
    notes = mt.notes_network()
    assert [a.shape for a in notes.named_parameters().values()] == [
        (10, 784),
        (10,),
        (10, 10),
        (10,),
    ]
    small = mt.notes_network(hidden=4, features=6, classes=3)
    assert [a.shape for a in small.named_parameters().values()] == [(4, 6), (4,), (3, 4), (3,)]


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)],
)
def test_resnet_has_the_published_number_of_parameters(depth: int, parameters: int) -> None:
    """He et al. 2015, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million."""
    model = mt.resnet(depth)
    assert model.count_parameters() == parameters
    blocks = [layer for layer in model if isinstance(layer, mt.Residual)]
    assert [block.output_shape for block in blocks[:: (depth - 2) // 6]] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]
    convolutions = [x for x in model.walk() if isinstance(x, (mt.Conv2D, mt.Dense))]
    assert len(convolutions) == depth


@pytest.mark.whole
def test_unet_has_the_published_number_of_parameters() -> None:
    """As of the well-known one in PyTorch, milesial/Pytorch-UNet."""
    assert mt.unet((3, 16, 16), 2).count_parameters() == 31_037_698


def test_unet_finds_what_pixels_belong_to(rng: np.random.Generator) -> None:
    """Pixels inside of a frame are of class 1: only who sees the frame can know."""
    images, inside = np.zeros((64, 1, 16, 16), np.float32), np.zeros((64, 16, 16), int)
    for image, mask, corner in zip(images, inside, rng.integers(0, 9, (64, 2)), strict=True):
        y, x = corner
        image[0, y : y + 8, x : x + 8] = 1
        image[0, y + 1 : y + 7, x + 1 : x + 7] = 0
        mask[y + 1 : y + 7, x + 1 : x + 7] = 1
    model = mt.unet((1, 16, 16), 2, depth=2, width=4, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.02), seed=0)
    trainer.fit(images[:48], inside[:48], epochs=16, batch_size=16)
    found = model.predict(images[48:]).argmax(-1)
    both, either = (found & inside[48:]).sum(), (found | inside[48:]).sum()
    assert both / either > 0.9


def test_autoencoder() -> None:
    model = mt.autoencoder([6, 5, 2], activation="tanh", seed=0)
    assert [layer.label for layer in model["decoder"].layers] == ["Dense(5)", "Tanh()", "Dense(6)"]  # type: ignore[attr-defined]
    assert model.count_parameters() == (7 * 5 + 6 * 2) + (3 * 5 + 6 * 6)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    code = model["encoder"](x)
    assert code.shape == (4, 2)
    np.testing.assert_array_equal(model["decoder"](code), model(x))


def test_a_vae_learns_a_distribution(rng: np.random.Generator) -> None:
    """What it makes of random codes is distributed as what it was trained on."""
    angle = rng.uniform(0, np.pi, 2000)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, 0.05, (2000, 2))
    model = mt.vae([2, 32, 32, 1], activation="tanh", seed=0)
    losses, weights = ["mse", "normal_kl"], [1 / 0.05**2, 1.0]
    optimizer = mt.Adam(mt.schedules.cosine(0.01, 60 * 20))
    trainer = mt.Trainer(model, losses, optimizer, loss_weights=weights, seed=0)
    history = trainer.fit(x, [x, np.zeros((2000, 2))], epochs=60, batch_size=100)
    assert history["loss"][-1] < 5 < history["loss"][0]
    made = model["decoder"](rng.normal(size=(1000, 1)).astype(np.float32))
    radius = np.hypot(*made.T)
    assert np.median(np.abs(radius - 1)) < 0.05
    assert np.abs(np.quantile(made[:, 0], [0.1, 0.5, 0.9]) - [-0.95, 0, 0.95]).max() < 0.15


def test_a_draw_is_normal_in_training_and_the_mean_in_prediction() -> None:
    layer = mt.NormalSampling()
    model = mt.Sequential(layer, input_shape=4)
    x = np.tile(np.array([1.0, -2.0, np.log(0.25), np.log(9.0)], np.float32), (20_000, 1))
    drawn, _ = model.forward(x, train=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), [1, -2], atol=0.06)
    np.testing.assert_allclose(drawn.std(0), [0.5, 3], rtol=0.02)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(model(x), x[:, :2])
    again, _ = model.forward(x.astype(float), train=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(again, drawn, atol=1e-5)


def test_the_divergence_from_the_standard_normal_distribution() -> None:
    scores = np.array([[0.5, -1.0, np.log(4.0), 0.0], [0.0, 0.0, 0.0, 0.0]])
    value, _ = mt.NormalKL().forward(scores, np.zeros((2, 4)))
    first = ((0.25 + 4 - np.log(4) - 1) + (1 + 1 - 0 - 1)) / 2
    assert value == pytest.approx(first / 2, rel=1e-12)  # 0 for the second


SMALL: dict[str, Callable[[], mt.Sequential | mt.Graph]] = {
    "resnet": lambda: mt.resnet(8, input_shape=(1, 5, 6), classes=3, width=2, seed=0),
    "unet": lambda: mt.unet((1, 4, 4), 2, depth=1, width=2, seed=0),
    "autoencoder": lambda: mt.autoencoder([4, 3, 2], activation="tanh", seed=0),
    "vae": lambda: mt.vae([4, 3, 2], activation="tanh", seed=0),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_network_is_the_same(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    model = SMALL[name]()
    x = rng.normal(size=(4, *model.input_shape)).astype(np.float32)
    model.forward(x, train=True, rng=rng)  # moves running statistics
    model.save(tmp_path / "model.npz")
    again = type(model).load(tmp_path / "model.npz")
    for found, wanted in zip(
        *(y if isinstance(y, tuple) else (y,) for y in (again.predict(x), model.predict(x))),
        strict=True,
    ):
        np.testing.assert_array_equal(found, wanted)
    assert repr(again) == repr(model)


@pytest.mark.parametrize(
    "make", [*SMALL.values(), lambda: mt.gpt(5, 4, 1, 1, 2), lambda: mt.char_rnn(5, 4, 2)]
)
def test_a_network_is_summarized(make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = make()
    model.summary()
    assert f"Total params: {model.count_parameters():,} " in capsys.readouterr().out


@pytest.mark.parametrize("name", SMALL)
def test_gradients_of_networks(name: str) -> None:
    """Without the contracts: their layers keep them one by one."""
    assert mt.gradcheck(SMALL[name](), seed=1, contracts=False).status == "pass"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.resnet(21), "a depth of 6n"),
        (lambda: mt.resnet(2), "a depth of 6n"),
        (lambda: mt.resnet(20, width=0), "width"),
        (lambda: mt.resnet(20, input_shape=(784,)), "channels, height, width"),
        (lambda: mt.unet((1, 28, 28), 2), "height and width divisible by 16"),
        (lambda: mt.unet((784,), 2), "images of shape"),
        (lambda: mt.unet((1, 16, 16), 0), "classes"),
        (lambda: mt.unet((1, 16, 16), 2, depth=0), "depth"),
        (lambda: mt.autoencoder([4]), "sizes of inputs"),
        (
            lambda: mt.autoencoder(4),  # type: ignore[arg-type]
            "sizes of inputs",
        ),
        (lambda: mt.vae([4]), "sizes of inputs"),
        (lambda: mt.Sequential(mt.NormalSampling(), input_shape=3), "an even number of features"),
        (lambda: mt.NormalKL().forward(np.ones((2, 3)), np.ones((2, 3))), "rows of an even number"),
        (
            lambda: mt.Sequential(mt.NormalSampling(), input_shape=2).forward(
                np.ones((1, 2)), train=True
            ),
            "a generator to draw from",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        make()


def test_many_samples_of_a_large_network_are_measured_a_few_at_a_time() -> None:
    from minitorch_np.training.loop import evaluation_rows

    assert evaluation_rows(mt.notes_network()) == evaluation_rows(mt.lenet5()) == 256
    assert 8 <= evaluation_rows(mt.gpt(65, 64)) < 128
    assert evaluation_rows(mt.unet((1, 64, 64), 2, width=16)) < 64
    small = mt.gpt(5, 2048, 1, 1, 8)
    assert 1 <= evaluation_rows(small) < 256
    a, b = mt.Input(2), mt.Input(3)
    joined = mt.Graph([a, b], [mt.Dense(2)(mt.Concatenate()(a, b)), mt.Dense(1)(a)])
    assert evaluation_rows(joined) == 256
