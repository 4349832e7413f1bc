# %% [markdown]
"""
# 13. Initial weights, and units that are dead

**Not all zeros.** If all weights of layer 1 are equal, all its units compute the same, get the same
gradients, and stay equal forever: ten units are then worth one. So weights start at random.

**Not too large, not too small.** A unit adds up `inputs` products. If each weight has the standard
deviation s, the sum of `inputs` of them has about s sqrt(inputs) times the size of the inputs. ReLU
throws away half. With s = sqrt(2 / inputs) the numbers keep their size from layer to layer. This is
He's initialization (2015). Biases start at 0.

**Dead units.** A ReLU unit whose z is negative for *every* picture gives 0 for all of them. Its
derivative is 0 too, so its weights never change again. It is dead. Too large a learning rate is the
usual cause.
"""

import numpy as np

# %%


def he_weights(units, inputs, rng):
    """Random weights with the mean 0 and the standard deviation sqrt(2 / inputs).

    rng: np.random.default_rng(seed); rng.normal(size=...) has the standard deviation 1
    returns: (units, inputs)
    """
    return rng.normal(size=(units, inputs)) * np.sqrt(2 / inputs)


# %%


def different_units(W1):
    """The number of different rows of W1: units that are not copies of others.

    W1: (units, inputs)
    returns: a whole number
    """
    return len(np.unique(W1, axis=0))


def dead_units(Z1):
    """Which units are 0 after ReLU for all pictures.

    Z1: (units, m), before ReLU
    returns: (units,), True or False
    """
    return np.all(Z1 <= 0, axis=1)
