# %% [markdown]
"""
# 1. The data: X and Y

A picture of a handwritten digit has 28 x 28 = 784 pixels. Each pixel is a number from 0 (black) to
255 (white). The file of m pictures is a table with one picture in each *row*, (m, 784).

The notes put one picture in each *column* instead: "transpose it". And networks learn best from
numbers of about size 1, so we divide by 255. The result is called X.

    X = images.T / 255          images: (m, 784), whole numbers      X: (784, m), from 0 to 1

In this file you write functions. Each has a text that describes its arguments and its result, with
shapes; (784, m) means 784 rows and m columns. Replace `return ...` with your code. Then run

    minitorch-np learn check 1

in this folder. You may write as many lines as you like, and helper functions of your own.
"""

import numpy as np

# %%


def to_columns(images):
    """X: one picture in each column, numbers from 0 to 1.

    images: (m, pixels), whole numbers from 0 to 255 (dtype uint8: bytes that hold no others)
    returns: (pixels, m), X = images.T / 255
    """
    return images.T / 255


# %% [markdown]
"""
A label says which digit a picture shows: 0 to 9. The network has ten outputs, one for each class,
so we write the label as ten numbers too: 1 in the row of its class and 0 elsewhere. This is called
one-hot. For the labels 2, 0 and three classes:

        [[0, 1],       class 0
    Y =  [0, 0],       class 1
         [1, 0]]       class 2
"""

# %%


def one_hot(labels, classes):
    """Y: in each column a 1 in the row of the label, and 0 elsewhere.

    labels: (m,), whole numbers from 0 to classes - 1
    classes: the number of classes
    returns: (classes, m)
    """
    m = len(labels)
    Y = np.zeros((classes, m))
    Y[labels, np.arange(m)] = 1
    return Y


# %% Try it out: this part runs in a notebook, or with `python ch01_data.py`.
if __name__ == "__main__":
    print(to_columns(np.array([[0, 51], [102, 255]], np.uint8)))
    print(one_hot(np.array([2, 0]), 3))
