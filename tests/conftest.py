"""What several tests share."""

import os
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.data.dataset import Labels


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def digits() -> mt.data.Digits:
    """The digits that come with the package."""
    return mt.data.load_mnist()


@pytest.fixture(scope="session")
def few(digits: mt.data.Digits) -> tuple[Array, Labels]:
    """The first 500 training digits in float32, and their labels: enough to learn something."""
    part = digits.train.take(slice(500))
    return part.features(), part.labels


@pytest.fixture(scope="session")
def full_mnist() -> mt.data.Digits:
    """The whole of MNIST, from the folder in MINITORCH_MNIST or one beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    folder = Path(os.environ.get("MINITORCH_MNIST", beside))
    if not folder.is_dir():
        pytest.skip("the whole of MNIST is not here; set MINITORCH_MNIST to its folder")
    return mt.data.load_mnist(folder)
