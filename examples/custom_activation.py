"""A user-defined activation: only its value and its derivative are needed.

Here it is softsign, g(z) = z / (1 + |z|), with g'(z) = 1 / (1 + |z|)^2, compared with ReLU:

    python examples/custom_activation.py
"""

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array


class Softsign(mt.Activation):
    """g(z) = z / (1 + |z|)."""

    def value(self, z: Array) -> Array:
        a: Array = z / (1 + np.abs(z))
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        return (1 - np.abs(a)) ** 2  # since 1 - |a| = 1 / (1 + |z|)


def main() -> None:
    """Train the notes' network with softsign and with ReLU."""
    digits = mt.data.load_mnist()
    for activation in (Softsign(), mt.ReLU()):
        model = mt.notes_network(activation, seed=0)
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05), metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(digits.train.features(), digits.train.labels, epochs=5, batch_size=50)
        result = trainer.evaluate(digits.test.features(), digits.test.labels)
        print(f"{activation!r:12} test accuracy {result['accuracy']:.3f}")


if __name__ == "__main__":
    main()
