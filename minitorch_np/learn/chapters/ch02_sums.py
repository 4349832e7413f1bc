# %% [markdown]
"""
# 2. Weighted sums: Z1 = W1 X + b1

A unit of the network multiplies each of its inputs by a weight, adds the products up, and adds one
more number, its bias:

    z = w[0] x[0] + w[1] x[1] + ... + b

A layer has several units, and a batch has several pictures. Written as matrices, all of them at
once are one product. W has a row for each unit, A a column for each picture:

    Z = W @ A + b       W: (units, inputs)   A: (inputs, m)   b: (units, 1)   Z: (units, m)

`@` is the product of matrices: entry [i, j] is the sum of row i of W times column j of A. `*`
multiplies entry by entry, which is something else.

b has one number for each unit, but Z has m columns. NumPy *broadcasts*: where one array has the
size 1 and the other m, it is used m times. That is why b is (units, 1), a column, not (units,):
an array (units,) would be taken for a row and added along the wrong side.
"""

import numpy as np

# %%


def one_unit(w, x, b):
    """The weighted sum of one unit for one picture: a number.

    w, x: (inputs,)
    b: a number
    returns: w[0] x[0] + w[1] x[1] + ... + b
    """
    return np.sum(w * x) + b


# %%


def weighted_sums(W, A, b):
    """The weighted sums of all units for all pictures.

    W: (units, inputs)
    A: (inputs, m)
    b: (units, 1)
    returns: Z = W A + b, (units, m)
    """
    return W @ A + b


# %% Try it out.
if __name__ == "__main__":
    W, A, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]), np.array([[0.5], [0]])
    print(one_unit(W[0], A[:, 0], 0.5))
    print(weighted_sums(W, A, b))
