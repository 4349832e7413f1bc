"""Weights in safetensors files: as the library and PyTorch read them, whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray
from minitorch_np.io.safetensors import read_safetensors, write_safetensors

safetensors = pytest.importorskip("safetensors.numpy")


def model(seed: int) -> mt.Sequential:
    layers = mt.Dense(4), mt.BatchNorm(), "relu", mt.Dense(2)
    return mt.Sequential(*layers, input_shape=3, seed=seed)


def test_there_and_back(tmp_path: Path) -> None:
    first, second = model(0), model(1)
    first.named_buffers()["1.running_mean"][...] = 7
    path = tmp_path / "weights.safetensors"
    first.save_weights(path)
    assert safetensors.load_file(path).keys() == first.state_dict().keys()
    second.load_weights(path)
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array)


def test_arrays_in_another_order_of_memory(tmp_path: Path) -> None:
    path, rng = tmp_path / "w.safetensors", np.random.default_rng(0)
    arrays: dict[str, AnyArray] = {
        "transposed": rng.normal(size=(3, 5)).T,
        "strided": np.arange(24).reshape(4, 6)[::2, ::-1],
        "fortran": np.asfortranarray(rng.normal(size=(2, 3, 4))).astype(np.float32),
        "number": np.array(3.5),
        "empty": np.zeros((0, 3)),
    }
    write_safetensors(path, arrays)
    found = read_safetensors(path)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_pytorch_reads_it_and_writes_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    path, ours = tmp_path / "w.safetensors", mt.Sequential(mt.Dense(4), input_shape=3, seed=0)
    ours.save_weights(path)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4))
    theirs.load_state_dict(load_file(path))
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(theirs(torch.from_numpy(x)).detach(), ours(x), rtol=1e-6)
    save_file({"fc1.weight": torch.ones(4, 3), "fc1.bias": torch.zeros(4)}, path)
    ours.load_weights(path, names={"fc1": "0"})
    np.testing.assert_array_equal(ours(x), np.full((2, 4), 3))


def test_everything_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    path, net = tmp_path / "w.safetensors", model(0)
    before = net.state_dict()
    write_safetensors(path, {"0.weight": np.ones((9, 9)), "other": np.ones(1)})
    with pytest.raises(mt.DataError) as caught:
        net.load_weights(path)
    for part in ("other is unexpected", "3.bias is missing", "0.weight: expected numbers of shape"):
        assert part in str(caught.value)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"PK\3\4 a zip", b"cut"])
def test_another_kind_of_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    if content == b"cut":
        model(0).save_weights(path)
        content = path.read_bytes()[:-3]
    path.write_bytes(content)
    with pytest.raises(mt.ModelFileError, match="expected a safetensors file"):
        model(0).load_weights(path)
    with pytest.raises(FileNotFoundError, match="nothing"):
        model(0).load_weights(tmp_path / "nothing")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(mt.MissingExtraError, match="safetensors"):
        model(0).save_weights(tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_names_by_which_two_arrays_would_be_one(tmp_path: Path) -> None:
    model, path = mt.Sequential(mt.Dense(2), mt.Dense(2), input_shape=2, seed=0), tmp_path / "w"
    model.save_weights(path)
    before = model.state_dict()
    for strict in (True, False):
        with pytest.raises(
            mt.ConfigurationError, match=r"lead to different ones, got '1.bias, 1.w"
        ):
            model.load_weights(path, strict, names={"0": "1"})
    model.load_weights(path, names={"0": "1", "1": "0"})
    np.testing.assert_array_equal(model.named_parameters()["1.weight"], before["0.weight"])
