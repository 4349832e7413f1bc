# %% [markdown]
"""
# 18. Your own Loss

A loss has a `forward`, which returns the mean loss over the batch and a cache, and a `backward`,
which returns the derivative of that *mean* with respect to the scores. This is the place of the
notes' 1/m: once, for all layers before it.

Write softmax and cross-entropy in one: the scores are the notes' Z2, in rows.

    p  = softmax(scores), along each row              (m, classes)
    L  = -1/m sum of targets * log(p)
    dL/dscores = (p - targets) / m                    dZ2 = A2 - Y, and the 1/m

Targets are one-hot rows. Combined, the two are safer than one after the other: with the row's
maximum subtracted,

    log(p[i]) = s[i] - max - log(sum of exp(s[j] - max))

never takes the logarithm of a number that was rounded to 0.
"""

import numpy as np

import minitorch_np as mt

# %%


class MyCrossEntropy(mt.Loss):
    """Softmax and cross-entropy in one."""

    def forward(self, scores, targets):
        """The mean loss, and the cache.

        scores: (m, classes); targets: (m, classes), one-hot
        returns: a number, and the cache for backward
        """
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return -np.sum(targets * log_p) / len(scores), (np.exp(log_p), targets)

    def backward(self, cache):
        """The derivative of the mean loss with respect to the scores.

        cache: the cache that forward has returned
        returns: (m, classes)
        """
        p, targets = cache
        return (p - targets) / len(p)


# %% Try it out.
if __name__ == "__main__":
    rng = np.random.default_rng(0)
    print(mt.gradcheck(MyCrossEntropy(), rng.normal(size=(5, 4)), np.eye(4)[[0, 3, 1, 1, 2]]))
