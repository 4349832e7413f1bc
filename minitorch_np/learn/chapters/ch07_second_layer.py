# %% [markdown]
"""
# 7. dW2 and db2, and where 1/m belongs

dZ2 = A2 - Y says how wrong each output is, for each picture. How much did each weight contribute?

Output i is z[i] = sum over k of W2[i, k] a1[k] + b2[i]. If W2[i, k] grows by a little, z[i] grows
by a1[k] times that. So the derivative of one picture's loss with respect to W2[i, k] is dz[i]
a1[k], and with respect to b2[i] it is dz[i]. The loss of a batch is the *mean* over its m pictures,
so its derivative is the mean of theirs:

    dW2 = 1/m dZ2 A1^T         (classes, m) @ (m, units) = (classes, units), the shape of W2
    db2 = 1/m sum of dZ2 over the pictures                 (classes, 1), the shape of b2

The product dZ2 @ A1.T sums over the pictures; the 1/m turns the sum into a mean. It appears only
here: if it were in dZ2 too, the gradient would be m times too small.

One note calls db2 an average of absolute errors. It is not: the numbers keep their signs, and there
is one for each class.
"""

import numpy as np

# %%


def weight_gradient(dZ2, A1):
    """dW2 = 1/m dZ2 A1^T.

    dZ2: (classes, m)
    A1: (units, m), the outputs of the first layer
    returns: (classes, units)
    """
    m = dZ2.shape[1]
    return dZ2 @ A1.T / m


def bias_gradient(dZ2):
    """db2 = 1/m times the sum of dZ2 over the pictures.

    dZ2: (classes, m)
    returns: (classes, 1)
    """
    m = dZ2.shape[1]
    return np.sum(dZ2, axis=1, keepdims=True) / m


# %% Try it out.
if __name__ == "__main__":
    dZ2, A1 = np.array([[-0.3, 0.4], [0.3, -0.4]]), np.array([[1.0, 2.0], [0.0, 5.0]])
    print(weight_gradient(dZ2, A1), bias_gradient(dZ2))
