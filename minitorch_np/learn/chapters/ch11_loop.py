# %% [markdown]
"""
# 11. The loop: the network learns

    repeat:  forward  ->  back  ->  update

All pictures together go through the network, which gives one gradient for each parameter; each
parameter makes one small step; then all of it is repeated with the new parameters. That is all of
training. `gradients` and `update` are yours, from chapters 9 and 10.

All four gradients belong to the *same* parameters. Compute all of them first, then update. If W2 is
changed before dZ1 = W2^T dZ2 has been computed, dZ1 is that of a network that never existed.

When `train` is right, the check trains your network on 1,000 of the digits in the package.
"""

import numpy as np

from minitorch_np.learn.chapters.ch02_sums import weighted_sums
from minitorch_np.learn.chapters.ch03_activations import relu
from minitorch_np.learn.chapters.ch09_first_layer import gradients
from minitorch_np.learn.chapters.ch10_update import update

# %%


def step(X, Y, W1, b1, W2, b2, alpha):
    """One step of training: all gradients, then the update.

    X: (pixels, m); Y: (classes, m), one-hot
    alpha: the learning rate
    returns: the new W1, b1, W2, b2
    """
    dW1, db1, dW2, db2 = gradients(X, Y, W1, b1, W2, b2)
    return update(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha)


def train(X, Y, W1, b1, W2, b2, alpha, steps):
    """Several steps, one after the other.

    steps: the number of steps; 0 changes nothing
    returns: W1, b1, W2, b2 after the last step
    """
    for _ in range(steps):
        W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, alpha)
    return W1, b1, W2, b2


# %% [markdown]
"""
To use the network, go forward and take the class with the largest number. Softmax can be left out
here: it does not change which one is the largest.
"""

# %%


def predict(X, W1, b1, W2, b2):
    """The class of each picture.

    X: (pixels, m)
    returns: (m,), whole numbers
    """
    Z2 = weighted_sums(W2, relu(weighted_sums(W1, X, b1)), b2)
    return np.argmax(Z2, axis=0)


# %% Your network on digits, if you want to see it here. It takes a few seconds.
if __name__ == "__main__":
    import minitorch_np as mt

    digits = mt.data.load_mnist().train.take(slice(1000))
    X, Y = digits.features().T, np.eye(10)[digits.labels].T
    rng = np.random.default_rng(0)
    W1, b1 = rng.normal(size=(10, 784)) * np.sqrt(2 / 784), np.zeros((10, 1))
    W2, b2 = rng.normal(size=(10, 10)) * np.sqrt(2 / 10), np.zeros((10, 1))
    for round in range(10):
        W1, b1, W2, b2 = train(X, Y, W1, b1, W2, b2, 0.3, 30)
        print(30 * (round + 1), "steps:", np.mean(predict(X, W1, b1, W2, b2) == digits.labels))
