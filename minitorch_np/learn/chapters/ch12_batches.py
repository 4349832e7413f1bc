# %% [markdown]
"""
# 12. Mini-batches: many small steps

A step with all pictures is slow, and a step with fifty of them goes nearly the same way. So we
shuffle the pictures, cut them into batches, and make one step with each. Once through all pictures
is an *epoch*. 10,000 pictures in batches of 50 are 200 steps instead of one, for the same work.

Three mistakes are easy to make. Shuffle pictures and labels in the *same* order, or the network
learns nonsense. Shuffle again in each epoch. And do not lose the last batch, which may be smaller.

`rng` is a generator of random numbers, made by np.random.default_rng(seed): rng.permutation(m) is
0 ... m-1 in random order, and X[:, order] are the columns of X in that order.

When both functions are right, the check trains your network on 10,000 digits and tests it on 2,000
others.
"""

from minitorch_np.learn.chapters.ch11_loop import step

# %%


def batches(X, Y, batch_size, rng):
    """All pictures once, in random order, in batches.

    X: (pixels, m); Y: (classes, m)
    batch_size: the number of pictures in a batch; the last one may have fewer
    rng: the source of randomness
    returns: a list of pairs (part of X, part of Y), with pictures in columns as before
    """
    m = X.shape[1]
    order = rng.permutation(m)
    found = []
    for start in range(0, m, batch_size):
        chosen = order[start : start + batch_size]
        found.append((X[:, chosen], Y[:, chosen]))
    return found


def epoch(pairs, W1, b1, W2, b2, alpha):
    """One step with each batch, each from the parameters after the previous one.

    pairs: a list of pairs (X, Y), as `batches` returns it
    returns: W1, b1, W2, b2 after the last batch
    """
    for X, Y in pairs:
        W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, alpha)
    return W1, b1, W2, b2
