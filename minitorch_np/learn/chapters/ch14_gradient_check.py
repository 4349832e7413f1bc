# %% [markdown]
"""
# 14. Write a gradient check yourself

Is a gradient right? Change one parameter a little, and see how the loss really changes:

    numeric = (f(W + h) - f(W - h)) / (2 h)          for one entry of W, all others as they were

Compare that with your formula's result. All gradients of this package are tested in this way, and
it would find each mistake of chapter 9. It is slow, two losses for each number, so it checks
training code and never runs in it.

Both sides, +h and -h: for f(W) = W^2 the difference to one side, (f(W + h) - f(W)) / h, gives
2 W + h, and both sides give 2 W exactly.

The error is measured in relation to the size of the gradient:

    error = max |analytic - numeric| / max(max |analytic|, max |numeric|)
"""

import numpy as np

# %%


def numeric_gradient(f, W, h):
    """The gradient of f at W by differences.

    f: a function; f(W) is a number
    W: an array of any shape; it must be unchanged at the end
    h: the step to each side, such as 1e-5
    returns: an array of the shape of W
    """
    gradient = np.zeros_like(W)
    for i in np.ndindex(W.shape):
        above = W.copy()
        above[i] = above[i] + h
        below = W.copy()
        below[i] = below[i] - h
        gradient[i] = (f(above) - f(below)) / (2 * h)
    return gradient


def relative_error(analytic, numeric):
    """max |analytic - numeric| / max(max |analytic|, max |numeric|).

    analytic, numeric: arrays of the same shape, not all zeros
    returns: a number
    """
    size = max(np.max(np.abs(analytic)), np.max(np.abs(numeric)))
    return np.max(np.abs(analytic - numeric)) / size


# %% [markdown]
"""
**What it can't see.** ReLU has a corner at 0. Where z is closer to 0 than h, one side sees the
slope 0 and the other the slope 1, and the difference gives something between: the check complains
about a gradient that is right. Such entries must be left out.

And it sees only what the numbers show. With b = 0, a formula without b looks right; with one
picture, m = 1, so does a missing 1/m; with a square W a missing transpose at least runs. So check
at random parameters, with several pictures, and with sizes that are all different. That is also how
`minitorch-np learn check` chooses its inputs.
"""

# %%


def at_corner(Z, h):
    """Where ReLU's corner is within h.

    Z: any shape
    returns: the same shape, True where |z| <= h
    """
    return np.abs(Z) <= h


# %% Try it out.
if __name__ == "__main__":
    W = np.array([[1.0, 2.0], [3.0, -1.0]])
    print(numeric_gradient(lambda W: np.sum(W**2), W, 1e-5), "should be", 2 * W)
