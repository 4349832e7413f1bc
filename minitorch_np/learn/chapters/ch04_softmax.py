# %% [markdown]
"""
# 4. Softmax: A2 = softmax(Z2)

The last layer gives ten numbers for each picture, one for each class. Softmax turns them into
probabilities: all positive, and each *column* adds up to 1.

    softmax(z)[i] = exp(z[i]) / (exp(z[0]) + exp(z[1]) + ... )

For z = 1.3, 5.1, 2.2, 0.7, 1.1 that is 0.02, 0.90, 0.05, 0.01, 0.02.

exp(1000) is too large for a float. It becomes inf, and inf / inf is not a number (nan). But softmax
does not change if we subtract the same number c from all z of a column:

    exp(z[i] - c) / sum of exp(z[j] - c)  =  exp(z[i]) exp(-c) / (sum of exp(z[j]) exp(-c))

and exp(-c) cancels. With c = the largest z of the column no exponent is above 0, and nothing
overflows. So subtract each column's maximum first.
"""

import numpy as np

# %%


def softmax(Z):
    """Probabilities, column by column.

    Z: (classes, m)
    returns: (classes, m); each column adds up to 1; right for numbers such as 1000 too
    """
    E = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return E / np.sum(E, axis=0, keepdims=True)


# %% Try it out.
if __name__ == "__main__":
    print(softmax(np.array([[1.3], [5.1], [2.2], [0.7], [1.1]])))
    print(softmax(np.array([[1000.0], [1001.0]])))
