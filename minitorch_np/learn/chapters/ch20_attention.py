# %% [markdown]
"""
# 20. Attention: steps that look at each other

A sentence is a sequence of steps, one row each. In attention each step has a query (its row of Q),
a key (its row of K) that describes what it offers, and a value (its row of V). The better a key
matches the query of a step, the more of its value this step takes:

    S = Q K^T / sqrt(width)         (steps, steps)   how well each query matches each key
    P = softmax of S, along each row                 weights: each row adds up to 1
    O = P V                         (steps, width)   weighted means of the values

A dot product of `width` numbers has about the size sqrt(width). Divided by that, S has about the
size 1, and softmax does not become all or nothing.

The way back uses what you know. O = P V is a product of matrices; the derivative of softmax along a
row is that of chapter 6:

    dV = P^T dO
    dP = dO V^T
    dS = P * (dP - sum along each row of dP * P)
    dQ = dS K / sqrt(width)
    dK = dS^T Q / sqrt(width)
"""

import numpy as np

# %%


def attention(Q, K, V):
    """The weighted mean of the values for each step.

    Q, K, V: (steps, width)
    returns: (steps, width)
    """
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - np.max(S, axis=1, keepdims=True))
    P = E / np.sum(E, axis=1, keepdims=True)
    return P @ V


def attention_gradients(dO, Q, K, V):
    """The derivatives with respect to Q, K and V.

    dO: (steps, width), the derivative of the loss with respect to the result of `attention`
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

You have written a complete network. This table shows each part of it in minitorch_np, which has
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
