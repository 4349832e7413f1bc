# %% [markdown]
"""
# 6. dZ2 = A2 - Y, and its derivation

Training needs to know how the loss changes when a number inside the network changes a little. We
write dZ2 for the derivative of a picture's loss with respect to each entry of Z2. The notes say
dZ2 = A2 - Y. It follows from two steps of the chain rule.

**Step 1: from the loss to the probabilities.** The loss of one picture is -sum of y[i] log(a[i]).
The derivative of log(a) is 1 / a, so

    dA[i] = -y[i] / a[i]

(The 1/m of the mean comes later, in chapter 7: the notes keep it out of dZ2.)

**Step 2: from the probabilities to z.** Each a[i] depends on all z[j], because of the sum in the
denominator. The quotient rule gives two cases:

    da[i]/dz[j] = a[i] (1 - a[i])     for i = j
    da[i]/dz[j] = -a[i] a[j]          for i != j

As one square table, the Jacobian: J = diag(a) - a a^T. np.diag(a) is a table with a on the diagonal
and 0 elsewhere; np.outer(a, a) has a[i] a[j] at [i, j].

**Together:** dz[j] = sum over i of dA[i] J[i, j]. Put step 1 in:

    dz[j] = -y[j] (1 - a[j]) + sum over i != j of y[i] a[j]
          = a[j] (sum of y) - y[j]  =  a[j] - y[j]

since a one-hot y adds up to 1. Write all three, and compare them at the end of this file.
"""

import numpy as np

# %%


def loss_by_probabilities(A2, Y):
    """dA: the derivative of each picture's loss with respect to its probabilities, without 1/m.

    A2: (classes, m), probabilities
    Y: (classes, m), one-hot
    returns: (classes, m), -Y / A2
    """
    return -Y / A2


def softmax_jacobian(a):
    """J: the derivative of each probability with respect to each z, for one picture.

    a: (classes,), the probabilities
    returns: (classes, classes), J[i, j] = da[i]/dz[j]
    """
    return np.diag(a) - np.outer(a, a)


def output_error(A2, Y):
    """dZ2: the derivative of each picture's loss with respect to Z2, without 1/m.

    A2: (classes, m), probabilities
    Y: (classes, m), one-hot
    returns: (classes, m), A2 - Y
    """
    return A2 - Y


# %% The chain rule and the short formula give the same.
if __name__ == "__main__":
    A2, Y = np.array([[0.7], [0.2], [0.1]]), np.array([[0], [1], [0]])
    print(softmax_jacobian(A2[:, 0]).T @ loss_by_probabilities(A2, Y))
    print(output_error(A2, Y))
