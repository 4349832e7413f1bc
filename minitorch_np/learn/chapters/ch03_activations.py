# %% [markdown]
"""
# 3. Activations and their derivatives

Weighted sums of weighted sums are only weighted sums again. Between two layers each number goes
through a function g, so that the network can compute more than that: A = g(Z), entry by entry. All
functions of this chapter take an array of any shape and return one of the same shape.

For training we also need the derivative g'(Z): how fast g grows at Z.

    name          g(z) for z > 0    g(z) for z <= 0       g'(z) for z > 0    g'(z) for z <= 0
    ReLU          z                 0                     1                  0
    LeakyReLU     z                 slope z               1                  slope
    ELU           z                 alpha (exp(z) - 1)    1                  alpha exp(z)

    Sigmoid       s(z) = 1 / (1 + exp(-z))                s'(z) = s(z) (1 - s(z))

ReLU has a corner at 0. The two notes put the equals sign on different sides; the value is 0 either
way. The derivative at 0 is a choice, and ours is the one from the left, 0 (and slope, and alpha).

Do not change Z: `Z[Z < 0] = 0` would also change the caller's array. Work on a new one.
"""

import numpy as np

# %%


def relu(Z):
    """max(z, 0), entry by entry.

    Z: any shape
    returns: the same shape
    """
    return np.maximum(Z, 0)


def relu_derivative(Z):
    """1 where z > 0, else 0.

    Z: any shape
    returns: the same shape
    """
    return np.where(Z > 0, 1.0, 0.0)


# %%


def leaky_relu(Z, slope):
    """z where z > 0, else slope times z.

    Z: any shape
    slope: a number such as 0.01
    returns: the same shape
    """
    return np.where(Z > 0, Z, slope * Z)


def leaky_relu_derivative(Z, slope):
    """1 where z > 0, else slope.

    Z: any shape
    returns: the same shape
    """
    return np.where(Z > 0, 1.0, slope)


# %% [markdown]
"""
np.exp of a large number is too large for a float: it becomes inf, with a warning. ELU needs exp for
z <= 0 only. `np.where(Z > 0, Z, ...)` computes both sides for all entries, so give exp the smaller
of Z and 0.
"""

# %%


def elu(Z, alpha):
    """z where z > 0, else alpha (exp(z) - 1).

    Z: any shape
    alpha: a positive number, often 1
    returns: the same shape
    """
    return np.where(Z > 0, Z, alpha * (np.exp(np.minimum(Z, 0)) - 1))


def elu_derivative(Z, alpha):
    """1 where z > 0, else alpha exp(z).

    Z: any shape
    returns: the same shape
    """
    return np.where(Z > 0, 1.0, alpha * np.exp(np.minimum(Z, 0)))


# %%


def sigmoid(Z):
    """1 / (1 + exp(-z)), entry by entry: between 0 and 1.

    Z: any shape
    returns: the same shape
    """
    return 1 / (1 + np.exp(-Z))


def sigmoid_derivative(Z):
    """s(z) (1 - s(z)), where s is the sigmoid.

    Z: any shape (before the sigmoid)
    returns: the same shape
    """
    s = 1 / (1 + np.exp(-Z))
    return s * (1 - s)


# %% Try it out.
if __name__ == "__main__":
    Z = np.array([[-2.0, 0.0, 2.0]])
    for g in (relu, relu_derivative, sigmoid, sigmoid_derivative):
        print(g.__name__, g(Z))
