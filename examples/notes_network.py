"""The network of the notes, 784-10-10, learns to read handwritten digits.

ReLU, then softmax (inside the loss), on the digits in this package:

    python examples/notes_network.py
"""

import minitorch_np as mt


def main() -> None:
    """Build, train, test, save, read a digit."""
    model = mt.Sequential(mt.Dense(10), mt.ReLU(), mt.Dense(10), input_shape=784, seed=0)
    model.summary()

    digits = mt.data.load_mnist()
    x, y = digits.train.features(), digits.train.labels
    xt, yt = digits.test.features(), digits.test.labels

    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.SGD(0.05), metrics=[mt.Accuracy()], seed=0
    )
    trainer.fit(x, y, epochs=10, batch_size=50, validation_data=(xt, yt), callbacks=[mt.Progress()])

    print("\nA digit that it has never seen:\n")
    print(mt.data.as_text(digits.test.images[0]))
    probabilities = model.predict_proba(xt[:1])[0]
    print(f"\nIt reads {probabilities.argmax()}, with probability {probabilities.max():.2f}.")


if __name__ == "__main__":
    main()
