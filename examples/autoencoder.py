"""An autoencoder: digits compressed to 16 numbers and reconstructed.

The network has to reproduce its input through a layer of 16 units. These can't hold all details, so
it learns what digits have in common. The pixels are between 0 and 1, so the loss is the binary
cross-entropy of each pixel; the result is measured by the mean squared error.

    python examples/autoencoder.py
"""

import numpy as np

import minitorch_np as mt


def main() -> None:
    """Train on the digits in this package, and show one before and after."""
    digits = mt.data.load_mnist()
    x, xt = digits.train.features(), digits.test.features()

    model = mt.autoencoder([784, 128, 16], seed=0)
    encoder, decoder = model
    model.summary()

    trainer = mt.Trainer(model, mt.BinaryCrossEntropy(), mt.Adam(0.002), seed=0)
    trainer.fit(x, x, epochs=8, batch_size=100, callbacks=[mt.Progress()])

    code = encoder(xt)  # the models inside the model are trained with it
    print(f"\nA test digit, and what is made of its {code.shape[1]} numbers:\n")
    made = 1 / (1 + np.exp(-decoder(code)))
    pictures = [(255 * part[1].reshape(28, 28)).astype(np.uint8) for part in (xt, made)]
    halves = [mt.data.as_text(picture).splitlines() for picture in pictures]
    width = max(map(len, halves[0]))
    for left, right in zip(*halves, strict=True):
        print(f"{left:{width + 4}}{right}".rstrip())

    error, plain = np.mean((made - xt) ** 2), np.mean((x.mean(axis=0) - xt) ** 2)
    print(f"\nmean squared error {error:.4f}; of the mean image instead {plain:.4f}")


if __name__ == "__main__":
    main()
