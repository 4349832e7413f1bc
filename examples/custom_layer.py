"""A user-defined layer with a trainable parameter.

It multiplies each feature by a number: y = x * s. `build` creates the parameter, `forward` also
returns what `backward` needs (here x), and `backward` is the chain rule: dx = dy * s, and ds = the
sum of dy * x over the batch. It can be combined, trained, saved and loaded like any other layer.

    python examples/custom_layer.py
"""

import tempfile
from pathlib import Path

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Shape


class Scale(mt.Layer):
    """y = x * scale, one factor for each feature."""

    parameter_names = ("scale",)
    scale: Array

    def build(self, input_shape: Shape, *, rng: np.random.Generator, dtype: DType) -> Shape:
        self.scale = np.ones(input_shape, dtype)
        return input_shape

    def forward(
        self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Array]:
        return x * self.scale, x

    def backward(
        self, dy: Array, cache: Array, *, need_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        return dy * self.scale, {"scale": (dy * cache).sum(axis=0)}


def main() -> None:
    """Train a network that scales its hidden units; save it and load it again."""
    digits = mt.data.load_mnist()
    model = mt.Sequential(mt.Dense(10), Scale(), mt.ReLU(), mt.Dense(10), input_shape=784, seed=0)
    print(model)
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05), metrics=[mt.Accuracy()], seed=0
    )
    trainer.fit(
        digits.train.features(),
        digits.train.labels,
        epochs=5,
        batch_size=50,
        callbacks=[mt.Progress()],
    )
    print("learned factors:", model.named_parameters()["1.scale"].round(2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scaled.npz"
        model.save(path)
        again = mt.Sequential.load(path, custom_layers=[Scale])
    same = bool((again(digits.test.features()) == model(digits.test.features())).all())
    print("the saved and loaded model gives the same outputs:", same)


if __name__ == "__main__":
    main()
