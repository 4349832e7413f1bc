# %% [markdown]
"""
# 20. Attention: steps that look at each other

A sentence is a sequence of steps, one row each. In attention each step asks a question (its row of
Q), each step has a key (its row of K) that says what it has to offer, and a value (its row of V).
The more a key fits the question, the more of its value the asking step takes:

    S = Q K^T / sqrt(width)         (steps, steps)   how well each question fits each key
    P = softmax of S, along each row                 shares: each row adds up to 1
    O = P V                         (steps, width)   a mixture of the values

A dot product of `width` numbers has about the size sqrt(width). Divided by that, S keeps the size
of 1, and softmax does not become all or nothing.

The way back uses all that you know. O = P V is a product of matrices; the derivative of softmax
along a row is that of chapter 6:

    dV = P^T dO
    dP = dO V^T
    dS = P * (dP - sum along each row of dP * P)
    dQ = dS K / sqrt(width)
    dK = dS^T Q / sqrt(width)
"""

import numpy as np

# %%


def attention(Q, K, V):
    """Each step's mixture of the values.

    Q, K, V: (steps, width)
    returns: (steps, width)
    """
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - np.max(S, axis=1, keepdims=True))
    P = E / np.sum(E, axis=1, keepdims=True)
    return P @ V


def attention_gradients(dO, Q, K, V):
    """The derivatives by Q, K and V.

    dO: (steps, width), the loss's derivative by what `attention` returns
    Q, K, V: (steps, width)
    returns: dQ, dK, dV, each (steps, width)
    """
    root = np.sqrt(K.shape[1])
    S = Q @ K.T / root
    E = np.exp(S - np.max(S, axis=1, keepdims=True))
    P = E / np.sum(E, axis=1, keepdims=True)
    dV = P.T @ dO
    dP = dO @ V.T
    dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
    dQ = dS @ K / root
    dK = dS.T @ Q / root
    return dQ, dK, dV


# %% [markdown]
"""
# From your symbols to the framework

You have written all of a network. This is where each part of it is in minitorch_np, which has
samples in rows:

| yours | shape | the framework's | shape |
|---|---|---|---|
| X (chapter 1) | (784, m) | x | (m, 784) |
| W1, b1 | (10, 784), (10, 1) | "0.weight", "0.bias" | (10, 784), (10,) |
| Z1 = W1 X + b1 (2) | (10, m) | mt.Dense(10) | (m, 10) |
| A1 = g(Z1) (3) | (10, m) | mt.ReLU(), mt.LeakyReLU(), mt.ELU(), mt.Sigmoid() | (m, 10) |
| softmax, loss, dZ2 (4, 5, 6) | (10, m) | mt.SoftmaxCrossEntropy() | (m, 10) |
| dW, db (7, 9) | those of W, b | Dense.backward; 1/m is in the loss | those of W, b |
| dZ1 (8) | (10, m) | Dense.backward, then Activation.backward | (m, 10) |
| the update (10) | | mt.SGD(0.1) | |
| the loop, batches (11, 12) | | mt.Trainer(...).fit(x, y, epochs=3, batch_size=50) | |
| initial weights (13) | | mt.initializers, `seed=0` | |
| the gradient check (14) | | mt.gradcheck(layer) | |
| the comparison (15) | | mt.compare(...), minitorch-np compare | |
| the block, attention (19, 20) | | mt.Residual(...), mt.MultiHeadAttention(...) | |

The same network in the framework:

    model = mt.Sequential(mt.Dense(10), mt.ReLU(), mt.Dense(10), input_shape=784, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), metrics=[mt.Accuracy()])
    trainer.fit(x, y, epochs=3, batch_size=50)
"""
