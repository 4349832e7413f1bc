# %% [markdown]
"""
# 16. Your own Activation, in the framework

From here on you write parts for minitorch_np. There is one change: the framework has samples in
*rows*, as NumPy, PyTorch and Keras do. A batch is (m, features). So each product is the transposed
one; elementwise functions stay as they are. The table at the end of chapter 20 has all of it.

An activation is a class with two methods. `value` is g(z). `derivative` is g'(z); it is also given
a = g(z), since some derivatives are shorter in terms of a. The rest, including the multiplication
by dA on the way back, is in the base class mt.Activation.

Write SiLU (also called Swish):

    g(z)  = z s(z)                       where s(z) = 1 / (1 + exp(-z))
    g'(z) = s(z) + z s(z) (1 - s(z))     by the product rule: (u v)' = u' v + u v'

`self` is the object itself; write self.helper(...) to call another method of yours.

The check compares your numbers, and then runs mt.gradcheck, which compares `derivative` with finite
differences of `value`, as you did in chapter 14.
"""

import numpy as np

import minitorch_np as mt

# %%


class MySiLU(mt.Activation):
    """g(z) = z s(z), with the sigmoid s."""

    def value(self, z):
        """g(z), entry by entry.

        z: any shape
        returns: the same shape
        """
        s = 1 / (1 + np.exp(-z))
        return z * s

    def derivative(self, z, a):
        """g'(z), entry by entry.

        z: any shape
        a: g(z), the same shape, if you need it
        returns: the same shape
        """
        s = 1 / (1 + np.exp(-z))
        return s + z * s * (1 - s)


# %% Try it out.
if __name__ == "__main__":
    print(mt.gradcheck(MySiLU()))
    print(mt.Sequential(mt.Dense(10), MySiLU(), mt.Dense(10), input_shape=784, seed=0))
