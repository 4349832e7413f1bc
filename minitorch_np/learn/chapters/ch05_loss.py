# %% [markdown]
"""
# 5. The loss: one number that says how wrong the network is

For each picture, look at the probability that the network gave to the right class. If it is 1, the
network was right and certain: loss 0. If it is small, the loss is large:

    loss of one picture = -log(probability of its class)

`log` is the natural logarithm, np.log. Y is one-hot: it is 1 in the row of the right class and 0
elsewhere. So the sum of Y log(A2) over a column picks the right one. The loss of a batch is the
mean over its m pictures:

    L = -1/m * sum over all entries of Y * log(A2)

Training minimizes this cross-entropy. The *accuracy* is easier to read: the fraction of pictures
whose largest probability is at the right class.
"""

import numpy as np

# %%


def cross_entropy(A2, Y):
    """The mean of -log of the right class's probability.

    A2: (classes, m), probabilities
    Y: (classes, m), one-hot
    returns: a number
    """
    m = Y.shape[1]
    return -np.sum(Y * np.log(A2)) / m


# %%


def accuracy(A2, labels):
    """The fraction of pictures whose largest probability is that of their class.

    A2: (classes, m), probabilities
    labels: (m,), whole numbers
    returns: a number from 0 to 1
    """
    return np.mean(np.argmax(A2, axis=0) == labels)


# %% Try it out.
if __name__ == "__main__":
    A2, Y = np.array([[0.8, 0.4], [0.2, 0.6]]), np.array([[1, 1], [0, 0]])
    print(cross_entropy(A2, Y), accuracy(A2, np.array([0, 0])))
