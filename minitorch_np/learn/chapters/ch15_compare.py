# %% [markdown]
"""
# 15. LeakyReLU + ELU, or ReLU + ReLU: compare fairly

The notes name three options. Which one is best? It is easy to fool yourself:

- *One run is no answer.* Other initial weights give another accuracy. Train each option from
  several seeds, the same seeds for all.
- *Each option needs its own learning rate.* A rate that suits ReLU may be bad for Sigmoid. Choose
  it for each by its accuracy on validation pictures.
- *Never choose by the test pictures.* The test is for the end, once.
- *A difference has an error too.* With the same seeds on both sides, look at the differences, run
  by run: d = a - b. Their mean says which is better, and the standard error how sure that is:

      mean = 1/n sum of d[k]
      s = sqrt( 1/(n - 1) sum of (d[k] - mean)^2 )        the standard deviation of the differences
      error = s / sqrt(n)                                 of their mean

  n - 1, because the mean was computed from the same numbers: np.std(d, ddof=1). A mean of more than
  two errors is unlikely to be chance.

`minitorch-np compare` does all of this, with better statistics; chapter 20 has the table to it.
"""

import numpy as np

# %%


def choose_rate(rates, accuracies):
    """The learning rate with the best mean validation accuracy over the seeds.

    rates: (r,), the learning rates
    accuracies: (r, n), on validation pictures: a row for each rate, a column for each seed
    returns: a number, one of the rates
    """
    return rates[np.argmax(np.mean(accuracies, axis=1))]


def paired_difference(a, b):
    """The mean of a - b, and its standard error.

    a, b: (n,), test accuracies of two options; a[k] and b[k] are of the same seed
    returns: mean, error
    """
    d = a - b
    return np.mean(d), np.std(d, ddof=1) / np.sqrt(len(d))


def verdict(mean, error):
    """1 if a is better, -1 if b is, 0 if it may be chance: more than two errors count.

    returns: 1, 0 or -1
    """
    if abs(mean) <= 2 * error:
        return 0
    return 1 if mean > 0 else -1
