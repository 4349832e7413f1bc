# %% [markdown]
"""
# 9. dW1 and db1, and all gradients together

The first layer is like the second: its inputs are X instead of A1, and its error is dZ1.

    dW1 = 1/m dZ1 X^T            (units, m) @ (m, pixels) = (units, pixels), the shape of W1
    db1 = 1/m sum of dZ1 over the pictures                 (units, 1)

(One note gives dW1 as 10 x 10, and one calls it dW2. It is 10 x 784 and belongs to layer 1.)

Then put it all together. `gradients` goes forward through the network with ReLU and softmax, and
back through all of it. It uses what you wrote in the earlier chapters: the imports below take your
functions from your files. You can also write them again in this file.
"""

import numpy as np

from minitorch_np.learn.chapters.ch02_sums import weighted_sums
from minitorch_np.learn.chapters.ch03_activations import relu, relu_derivative
from minitorch_np.learn.chapters.ch04_softmax import softmax
from minitorch_np.learn.chapters.ch06_output_error import output_error
from minitorch_np.learn.chapters.ch08_hidden_error import hidden_error

# %%


def first_weight_gradient(dZ1, X):
    """dW1 = 1/m dZ1 X^T.

    dZ1: (units, m)
    X: (pixels, m)
    returns: (units, pixels)
    """
    m = dZ1.shape[1]
    return dZ1 @ X.T / m


def first_bias_gradient(dZ1):
    """db1 = 1/m times the sum of dZ1 over the pictures.

    dZ1: (units, m)
    returns: (units, 1)
    """
    m = dZ1.shape[1]
    return np.sum(dZ1, axis=1, keepdims=True) / m


# %%


def gradients(X, Y, W1, b1, W2, b2):
    """Forward and back: the gradients of the mean loss with respect to all parameters.

    X: (pixels, m); Y: (classes, m), one-hot
    W1: (units, pixels); b1: (units, 1); W2: (classes, units); b2: (classes, 1)
    returns: dW1, db1, dW2, db2, each of the shape of its parameter
    """
    m = X.shape[1]
    Z1 = weighted_sums(W1, X, b1)
    A1 = relu(Z1)
    Z2 = weighted_sums(W2, A1, b2)
    A2 = softmax(Z2)
    dZ2 = output_error(A2, Y)
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = hidden_error(W2, dZ2, Z1, A1, relu_derivative)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return dW1, db1, dW2, db2


# %% Try it out.
if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X, Y = rng.random((3, 2)), np.array([[1, 0], [0, 1]])
    for name, array in zip(
        ("dW1", "db1", "dW2", "db2"),
        gradients(
            X,
            Y,
            rng.normal(size=(4, 3)),
            np.zeros((4, 1)),
            rng.normal(size=(2, 4)),
            np.zeros((2, 1)),
        ),
        strict=True,
    ):
        print(name, array.shape, array, sep="\n")
