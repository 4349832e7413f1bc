"""LeNet-5: a convolutional network, on digits that are moved and turned a little each time.

A filter of 5x5 pixels detects the same stroke everywhere, so shifts of the digits matter little.
On the 10,000 digits in this package an epoch takes a few seconds; on full MNIST, with a folder that
has its four files, about fifteen.

    python examples/lenet5.py [FOLDER] [EPOCHS]
"""

import sys

import minitorch_np as mt


def main(folder: str | None = None, epochs: int = 2) -> None:
    """Train with a decreasing learning rate, and test."""
    digits = mt.data.load_mnist(folder)
    x = digits.train.features().reshape(-1, 1, 28, 28)
    xt = digits.test.features().reshape(-1, 1, 28, 28)

    model = mt.lenet5(seed=0)
    model.summary()
    steps = epochs * -(-len(x) // 64)
    trainer = mt.Trainer(
        model,
        mt.SoftmaxCrossEntropy(),
        mt.Adam(mt.schedules.cosine(0.003, steps)),
        metrics=[mt.Accuracy()],
        seed=0,
    )
    trainer.fit(
        x,
        digits.train.labels,
        epochs=epochs,
        batch_size=64,
        transform=mt.data.Compose(mt.data.Rotate(8), mt.data.Shift(1)),
        callbacks=[mt.Progress()],
    )
    test = trainer.evaluate(xt, digits.test.labels)
    print(f"test accuracy {test['accuracy']:.4f}")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else None, int(sys.argv[2]) if sys.argv[2:] else 2)
