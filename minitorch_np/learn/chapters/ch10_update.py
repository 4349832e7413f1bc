# %% [markdown]
"""
# 10. The update: W := W - alpha dW

A gradient points to where the loss grows. So each parameter makes a small step the other way. The
learning rate alpha says how small; you choose it.

    W1 := W1 - alpha dW1         b1 := b1 - alpha db1
    W2 := W2 - alpha dW2         b2 := b2 - alpha db2

Return new arrays. `W1 -= alpha * dW1` would also change the caller's array, a common cause
of bugs that are hard to find.
"""

# %%


def update(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    """One step against the gradient.

    W1, b1, W2, b2: the parameters
    dW1, db1, dW2, db2: their gradients, of the same shapes
    alpha: the learning rate, a positive number
    returns: the new W1, b1, W2, b2, in this order
    """
    W1 = W1 - alpha * dW1
    b1 = b1 - alpha * db1
    W2 = W2 - alpha * dW2
    b2 = b2 - alpha * db2
    return W1, b1, W2, b2


# %% Try it out.
if __name__ == "__main__":
    import numpy as np

    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    print(update(one, one, one, one, one, zero, one, zero, 0.1))
