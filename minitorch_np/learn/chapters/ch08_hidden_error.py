# %% [markdown]
"""
# 8. dZ1: back through the weights, and g'(Z1)

The hidden units feed all outputs. Unit k's output a1[k] goes with the weight W2[i, k] into output
i. So the error at a1[k] is the sum of all outputs' errors, each times its weight:

    dA1 = W2^T dZ2            (units, classes) @ (classes, m) = (units, m)

Then back through the activation. a1 = g(z1), so a small change of z1 is multiplied by g'(z1):

    dZ1 = W2^T dZ2 * g'(Z1)   where * is entry by entry

g' is taken at Z1, the *input* of the activation, not at A1, its output. For ReLU that makes no
difference, but for Sigmoid, ELU and the others it does.

The function gets g' as an argument, `g_derivative`: call it as g_derivative(Z). It gets A1 too, as
in a real network, where both are available. You need only one of the two.
"""

# %%


def back_to_outputs(W2, dZ2):
    """dA1 = W2^T dZ2: the error at the hidden units' outputs.

    W2: (classes, units)
    dZ2: (classes, m)
    returns: (units, m)
    """
    return W2.T @ dZ2


def hidden_error(W2, dZ2, Z1, A1, g_derivative):
    """dZ1 = W2^T dZ2 * g'(Z1).

    W2: (classes, units)
    dZ2: (classes, m)
    Z1, A1: (units, m), before and after the activation
    g_derivative: a function; g_derivative(Z) is g'(Z), entry by entry
    returns: (units, m)
    """
    return W2.T @ dZ2 * g_derivative(Z1)


# %% Try it out.
if __name__ == "__main__":
    import numpy as np

    W2, dZ2 = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5], [-0.5]])
    print(back_to_outputs(W2, dZ2))
