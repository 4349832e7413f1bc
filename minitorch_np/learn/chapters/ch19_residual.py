# %% [markdown]
"""
# 19. A residual block: a way around

In a deep network the error becomes smaller with each layer on the way back. A residual block has a
shortcut around its layers: its input is added to their output.

    h = x U^T                       (m, units)
    y = x + relu(h) V^T             (m, features), like x

with U (units, features) and V (features, units), without biases. On the way back the error takes
both paths, and the two results are added:

    dr = dy V                       the error at relu(h)
    dh = dr * relu'(h)
    dx = dy + dh U                  around, and through
    dU = dh^T x
    dV = dy^T relu(h)

Even if U and V are nearly 0, dx is nearly dy: nothing is lost. The parameters are called inner (U)
and outer (V) here.
"""

import numpy as np

import minitorch_np as mt

# %%


class MyBlock(mt.Layer):
    """y = x + relu(x U^T) V^T."""

    parameter_names = ("inner", "outer")

    def __init__(self, units):
        self.units = units

    def build(self, input_shape, *, rng, dtype):
        (features,) = input_shape
        inner = rng.normal(size=(self.units, features)) * np.sqrt(2 / features)
        outer = rng.normal(size=(features, self.units)) * np.sqrt(1 / self.units)
        self.inner, self.outer = inner.astype(dtype), outer.astype(dtype)
        return input_shape

    def forward(self, x, *, train=False, rng=None):
        """The outputs and the cache.

        x: (m, features); self.inner: (units, features); self.outer: (features, units)
        returns: y (m, features), and the cache for backward
        """
        h = x @ self.inner.T
        r = np.maximum(h, 0)
        return x + r @ self.outer.T, (x, h, r)

    def backward(self, dy, cache, *, need_dx=True):
        """The derivatives with respect to the inputs and the parameters.

        dy: (m, features)
        cache: the cache that forward has returned
        returns: dx (m, features), {"inner": (units, features), "outer": (features, units)}
        """
        x, h, r = cache
        dr = dy @ self.outer
        dh = dr * (h > 0)
        dx = dy + dh @ self.inner
        return dx, {"inner": dh.T @ x, "outer": dy.T @ r}


# %% Try it out.
if __name__ == "__main__":
    print(mt.gradcheck(MyBlock(4)))
