"""A variational autoencoder that generates handwritten digits.

An autoencoder finds a code for each picture, but a code between those of two pictures may not
correspond to any picture. Here the encoder gives each picture a normal distribution of codes, and
the decoder has to reconstruct the picture from a random code of this distribution. A second loss
keeps the distributions near the standard normal distribution, so they fill the space without gaps.
After training, the decoder turns any random code into a digit.

The first loss is a mean over 784 pixels, the second a sum over the code. With the weights 784 and 1
both are sums, and their total is an upper bound on the negative log likelihood of a picture.

    python examples/vae.py [EPOCHS [FILE.png]]
"""

import sys
from itertools import zip_longest

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array

CODE = 10


def main(epochs: int = 30, path: str | None = None) -> None:
    """Train on the digits in this package; generate new digits, and interpolate between two."""
    digits = mt.data.load_mnist()
    x, xt = digits.train.features(), digits.test.features()
    model = mt.vae([784, 256, CODE], seed=0)
    trainer = mt.Trainer(
        model,
        ["binary_cross_entropy", "normal_kl"],
        mt.Adam(mt.schedules.cosine(0.002, epochs * len(x) // 100)),
        loss_weights=[784, 1],
        seed=0,
    )
    # The targets are the pictures, and the standard normal distribution: mean 0, log variance 0.
    standard = np.zeros((len(x), 2 * CODE), np.float32)
    trainer.fit(x, [x, standard], epochs=epochs, batch_size=100, callbacks=[mt.Progress()])

    rng = np.random.default_rng(0)
    print("\nNew digits, from random codes:\n")
    new = pictures(model, rng.normal(size=(20, CODE)))
    print(side_by_side(new[:4]))

    print("\nFrom one test digit to another, by equal steps between their codes:\n")
    means = model["encoder"](xt[[0, 2]])[:, :CODE]
    way = np.linspace(0, 1, 10)[:, np.newaxis]
    between = pictures(model, means[0] + way * (means[1] - means[0]))
    print(side_by_side(between[::3]))
    if path is not None:
        save(np.concatenate([new, between]), path)

    bound = trainer.evaluate(xt, [xt, standard[: len(xt)]])["loss"]
    print(f"\nbound on the log likelihood of a test digit: -{bound:.1f}")


def pictures(model: mt.Graph, codes: Array) -> Array:
    """The decoder's output for codes: the probability of each pixel being white."""
    scores = model["decoder"](codes.astype(np.float32))
    pixels: Array = (255 / (1 + np.exp(-scores))).reshape(-1, 28, 28)
    return pixels


def side_by_side(images: Array) -> str:
    """Pictures as text, in a row."""
    texts = [[f"{line:<30}" for line in mt.data.as_text(image).splitlines()] for image in images]
    rows = zip_longest(*texts, fillvalue=30 * " ")
    return "\n".join("".join(row).rstrip() for row in rows)


def save(images: Array, path: str) -> None:
    """Save them as a picture, ten in a row. Needs the extra `images`."""
    from PIL import Image

    rows = [np.concatenate(list(images[n : n + 10]), 1) for n in range(0, len(images), 10)]
    Image.fromarray(np.concatenate(rows).astype(np.uint8)).save(path)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 30, given[1] if given[1:] else None)
