"""Outputs and gradients in float64 equal PyTorch's to 1e-10: as written down, and asked anew."""

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from tests import torch_cases
from tests.torch_cases import CASES


def assert_same(found: Any, wanted: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("key", CASES)
def test_as_pytorch_has_said(key: str) -> None:
    with np.load(torch_cases.VALUES) as values:
        wanted = {n.partition("/")[2]: values[n] for n in values if n.partition("/")[0] == key}
    assert_same(torch_cases.ours(CASES[key]), wanted)


@pytest.mark.parametrize("key", CASES)
def test_as_pytorch_says(key: str) -> None:
    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert_same(torch_cases.ours(CASES[key]), torch_cases.theirs(CASES[key], torch))


def test_a_turned_pair_is_a_product_of_complex_numbers(rng: np.random.Generator) -> None:
    layer, x = mt.RotaryPositions(50.0), rng.normal(size=(2, 5, 6))
    layer.initialize((5, 6), rng=rng, dtype=np.float64)
    angles = np.arange(5)[:, None] / 50.0 ** (np.arange(3) / 3)
    product = (x[..., :3] + 1j * x[..., 3:]) * np.exp(1j * angles)
    wanted = np.concatenate([product.real, product.imag], axis=-1)
    np.testing.assert_allclose(layer.forward(x)[0], wanted, rtol=1e-13)


def test_sinusoidal_positions_are_the_papers(rng: np.random.Generator) -> None:
    layer = mt.SinusoidalPositions()
    layer.initialize((7, 5), rng=rng, dtype=np.float64)
    y = layer.forward(np.zeros((1, 7, 5)))[0][0]
    for t in range(7):
        for i in range(5):
            angle = t / 10_000 ** (2 * (i // 2) / 5)
            assert y[t, i] == pytest.approx(np.cos(angle) if i % 2 else np.sin(angle))


@pytest.mark.parametrize(
    "layer", [mt.PositionalEmbedding(), mt.SinusoidalPositions(), mt.RotaryPositions()]
)
def test_positions_go_on_step_by_step(layer: mt.Layer, rng: np.random.Generator) -> None:
    layer.initialize((6, 4), rng=rng, dtype=np.float64)
    x, state, parts = rng.normal(size=(2, 6, 4)), None, []
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        y, state = layer.step(x[:, part], state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, 1), layer.forward(x)[0], rtol=1e-12)


def test_a_sequence_longer_than_the_context_is_refused(rng: np.random.Generator) -> None:
    layer = mt.PositionalEmbedding()
    layer.initialize((6, 4), rng=rng, dtype=np.float64)
    _, state = layer.step(np.ones((1, 6, 4)))
    with pytest.raises(mt.DataError, match=r"at most 6 steps.*got 7"):
        layer.step(np.ones((1, 1, 4)), state)


def test_spatial_dropout_drops_whole_channels(rng: np.random.Generator) -> None:
    layer, x = mt.SpatialDropout(0.4), np.ones((50, 20, 3, 2))
    y, cache = layer.forward(x, train=True, rng=rng)
    first = y[:, :, :1, :1]
    assert (y == first).all()
    assert 0.3 < (first == 0).mean() < 0.5
    assert np.unique(first) == pytest.approx([0, 1 / 0.6])
    np.testing.assert_array_equal(layer.backward(x, cache)[0], y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Conv1D(3, (2, 2)), "Conv1D: expected the window to be a whole number"),
        (lambda: mt.Conv1D(3, 2, groups=2), "filters that 2 groups divide"),
        (lambda: mt.ConvTranspose2D(3, 2, padding="same"), "padding to be a whole number"),  # type: ignore[arg-type]
        (lambda: mt.ConvTranspose2D(3, 2, output_padding=1), "smaller than the stride"),
        (lambda: mt.ConvTranspose2D(3, 2, output_padding=-1), "expected output_padding to be a"),
        (lambda: mt.ConvTranspose2D(3, 2, output_padding="1"), "expected output_padding to be a"),  # type: ignore[arg-type]
        (lambda: mt.GroupNorm(0), "groups"),
        (lambda: mt.RMSNorm(0), "epsilon"),
        (lambda: mt.GLU("dense(3)"), "GLU: gate: expected"),
        (lambda: mt.UpSampling2D(0), "the window"),
        (lambda: mt.ZeroPadding(-1), "padding"),
        (lambda: mt.ZeroPadding([(1, 2, 3)]), "padding"),  # type: ignore[list-item]
        (lambda: mt.GlobalAveragePool1D(0), "axis"),
        (lambda: mt.SinusoidalPositions(1.0), "base"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.Conv1D(3, 2), (4,), r"\(channels, length\), got \(4,\): put Reshape\(\(1, -1\)\)"),
        (mt.Conv1D(3, 5), (2, 4), "at least 5 steps"),
        (mt.ConvTranspose1D(4, 2, groups=2), (3, 4), "channels that 2 groups divide, got 3"),
        (mt.ConvTranspose2D(4, 2, padding=3), (3, 2, 4), "leaves a part of the output"),
        (mt.MaxPool1D(), (2, 4, 4), r"\(channels, length\)"),
        (mt.GroupNorm(2), (3, 4), "2 groups divide"),
        (mt.GLU(), (3, 5), "even number of features"),
        (mt.ZeroPadding([1]), (3, 4, 4), "samples of 2 axes"),
        (mt.Transpose(), (3, 4, 4), "two axes"),
        (mt.RotaryPositions(), (3, 5), "even number"),
        (mt.PositionalEmbedding(), (3,), r"\(steps, features\)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    layer: mt.Layer, shape: tuple[int, ...], message: str, rng: np.random.Generator
) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        layer.initialize(shape, rng=rng, dtype=np.float64)


def test_they_are_found_by_name_and_come_back_from_a_file(tmp_path: Any) -> None:
    names = ["conv1d(4, 3)", "group_norm(2)", "max_pool1d", "zero_padding(1)", "transpose"]
    names += ["rms_norm", "glu(silu)", "positional_embedding", "sinusoidal_positions"]
    model = mt.Sequential(*names, "rotary_positions", "dense(3)", input_shape=(2, 9), seed=0)
    model.save(tmp_path / "model.npz")
    x = np.random.default_rng(0).normal(size=(3, 2, 9)).astype(np.float32)
    again = mt.Sequential.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model(x), again(x))
