"""A user-defined block of layers: y = x + f(x).

`Residual` is a container like Sequential, and can be subclassed. A network of twelve such blocks is
26 dense layers deep and learns from the first step, because the gradient can bypass each block.
The same layers without the skip connections hardly learn at all.

    python examples/residual_block.py
"""

import minitorch_np as mt


class Block(mt.Residual):
    """x + Dense(ReLU(Dense(x))), with as many features as its input."""

    def __init__(self, features: int) -> None:
        super().__init__(mt.Dense(features), "relu", mt.Dense(features))
        self.features = features  # an argument under its name: so it can be printed and saved


def plain(features: int) -> mt.Layer:
    """The same layers, one after the other."""
    return mt.Sequential(mt.Dense(features), "relu", mt.Dense(features))


def main() -> None:
    """Check the block, then train the deep network with skip connections and without."""
    print(mt.gradcheck(Block(5)), "\n")
    digits = mt.data.load_mnist()
    accuracies = []
    for block in (Block, plain):
        blocks = [block(32) for _ in range(12)]
        model = mt.Sequential(mt.Dense(32), *blocks, mt.Dense(10), input_shape=784, seed=0)
        trainer = mt.Trainer(
            model,
            mt.SoftmaxCrossEntropy(),
            mt.SGD(0.03, clip_norm=1.0),
            metrics=[mt.Accuracy()],
            seed=0,
        )
        print(f"{block.__name__}:")
        trainer.fit(
            digits.train.features(), digits.train.labels, epochs=2, callbacks=[mt.Progress()]
        )
        test = trainer.evaluate(digits.test.features(), digits.test.labels)
        accuracies.append(test["accuracy"])
    print(f"test accuracy: with the way around {accuracies[0]:.3f}, without {accuracies[1]:.3f}")


if __name__ == "__main__":
    main()
