# %% [markdown]
"""
# 17. Your own Layer

A layer has three methods.

- `build` makes the parameters for samples of a shape, and returns the shape of one output. It is
  given here.
- `forward(x)` returns the outputs, and everything that backward will need: the cache. Store nothing
  on `self`: a layer may be called twice before the way back.
- `backward(dy, cache)` gets the derivative of the loss with respect to the outputs. It returns the
  derivative with respect to the inputs, dx, and a dictionary with that for each parameter.

Write the layer of the notes, Z = W A + b. With samples in rows, x is A^T and y is Z^T:

    y  = x W^T + b                (m, features) @ (features, units) = (m, units)
    dW = dy^T x                   (units, m) @ (m, features) = (units, features)
    db = sum of dy over the rows  (units,)
    dx = dy W                     (m, units) @ (units, features) = (m, features)

Where is the 1/m? Here it is in the loss, as the derivative of the mean, and is contained in dy. So
it is not in a layer: that would be 1/m twice. (`need_dx` and `train` can be ignored.)
"""

import numpy as np

import minitorch_np as mt

# %%


class MyDense(mt.Layer):
    """y = x W^T + b."""

    parameter_names = ("weight", "bias")

    def __init__(self, units):
        self.units = units

    def build(self, input_shape, *, rng, dtype):
        (features,) = input_shape
        weight = rng.normal(size=(self.units, features)) * np.sqrt(2 / features)
        self.weight, self.bias = weight.astype(dtype), np.zeros(self.units, dtype)
        return (self.units,)

    def forward(self, x, *, train=False, rng=None):
        """The outputs and the cache.

        x: (m, features); self.weight: (units, features); self.bias: (units,)
        returns: y (m, units), and the cache for backward
        """
        return x @ self.weight.T + self.bias, x

    def backward(self, dy, cache, *, need_dx=True):
        """The derivatives with respect to the inputs and the parameters.

        dy: (m, units)
        cache: the cache that forward has returned
        returns: dx (m, features), {"weight": (units, features), "bias": (units,)}
        """
        x = cache
        dx = dy @ self.weight
        return dx, {"weight": dy.T @ x, "bias": np.sum(dy, axis=0)}


# %% Try it out.
if __name__ == "__main__":
    print(mt.gradcheck(MyDense(3)))
