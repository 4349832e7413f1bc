"""The proof that this is the notes' algorithm: their equations, written out, give the same numbers.

Samples stand in columns, Y is one-hot, dZ = A - Y, gradients have 1/m in front, and W := W - alpha
dW: all as in the notes, in plain NumPy, on real digits, in float64.
"""

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array


def relu(z: Array) -> Array:
    return np.where(z >= 0, z, 0)


def relu_derivative(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def softmax(z: Array) -> Array:
    e: Array = np.exp(z - z.max(axis=0))
    a: Array = e / e.sum(axis=0)
    return a


def notes_steps(
    start: dict[str, Array], images: Array, labels: AnyArray, steps: int, alpha: float
) -> dict[str, Array]:
    """The notes' three parts, `steps` times on all images."""
    w1, b1 = start["0.weight"].copy(), start["0.bias"][:, None].copy()
    w2, b2 = start["2.weight"].copy(), start["2.bias"][:, None].copy()
    x = images.T  # 784 x m
    m = x.shape[1]
    y = np.zeros((10, m))
    y[labels, np.arange(m)] = 1
    for _ in range(steps):
        # Part 1: forward propagation
        z1 = w1 @ x + b1
        a1 = relu(z1)
        z2 = w2 @ a1 + b2
        a2 = softmax(z2)
        # Part 2: back propagation
        dz2 = a2 - y
        dw2 = 1 / m * dz2 @ a1.T
        db2 = 1 / m * dz2.sum(axis=1, keepdims=True)
        dz1 = w2.T @ dz2 * relu_derivative(z1)
        dw1 = 1 / m * dz1 @ x.T
        db1 = 1 / m * dz1.sum(axis=1, keepdims=True)
        # Part 3: update of all parameters
        w1 = w1 - alpha * dw1
        b1 = b1 - alpha * db1
        w2 = w2 - alpha * dw2
        b2 = b2 - alpha * db2
    return {"0.weight": w1, "0.bias": b1[:, 0], "2.weight": w2, "2.bias": b2[:, 0]}


@pytest.mark.parametrize("literal_softmax", [False, True])
def test_fifty_full_batch_steps_are_the_same(digits: mt.data.Digits, literal_softmax: bool) -> None:
    part = digits.train.take(slice(500))
    x, y = part.features(np.float64), part.labels
    model = mt.notes_network(
        output_activation="softmax" if literal_softmax else None,
        initializer="uniform",
        seed=0,
        dtype=np.float64,
    )
    start = model.state_dict()
    expected = notes_steps(start, x, y, steps=50, alpha=0.1)
    trainer = mt.Trainer(model, mt.loss_for(model), mt.SGD(0.1))
    history = trainer.fit(x, y, epochs=50, batch_size=None)
    for name, array in model.named_parameters().items():
        assert np.abs(array - expected[name]).max() <= 1e-12
        assert np.abs(array - start[name]).max() > 1e-4  # they have moved, so this says something
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def test_the_worked_network_is_the_default_configuration() -> None:
    model = mt.notes_network()
    assert model.count_parameters() == 7960
    assert {name: array.shape for name, array in model.named_parameters().items()} == {
        "0.weight": (10, 784),
        "0.bias": (10,),
        "2.weight": (10, 10),
        "2.bias": (10,),
    }


@pytest.mark.parametrize(
    ("first", "second"), [("leaky_relu", "elu"), ("relu", "relu"), ("sigmoid", "sigmoid")]
)
def test_each_option_of_the_notes_learns(first: str, second: str, digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(2000))
    model = mt.notes_network(first, second, seed=1)
    assert [type(layer).__name__.lower() for layer in model][1::2] == [
        first.replace("_", ""),
        second,
    ]
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.SGD(0.2), metrics=[mt.Accuracy()], seed=1
    )
    history = trainer.fit(part.features(), part.labels, epochs=15, batch_size=32)
    assert history["loss"][-1] < history["loss"][0]
    assert history["accuracy"][-1] > 0.5  # five times what guessing gives
