"""The data as X and one-hot Y."""

from minitorch_np.learn.inputs import labels, pixels, size
from minitorch_np.learn.task import Task, mistake

TITLE = "the data: X and one-hot Y"

TASKS = (
    Task(
        "to_columns",
        (pixels("m", "inputs"),),
        "X of shape (pixels, m): one picture in each column, its numbers divided by 255",
        notes="Transpose the matrix: each column will represent the image. X: 784 x n",
        hints=(
            "Two things happen: rows become columns, and each number is divided by 255.",
            "`images.T` is the transpose of an array: (m, pixels) becomes (pixels, m).",
            "`/` divides each number and makes floats; `//` and `/=` stay with whole numbers.",
        ),
        mistakes=(
            mistake(
                "it is not transposed: each picture is still in a row",
                "images.T / 255", "images / 255",
            ),
            mistake(
                "the pixels are not divided by 255", "images.T / 255", "images.T.astype(float)",
            ),
            mistake(
                "whole numbers are divided by `//`, which leaves 0 and 1 alone",
                "images.T / 255", "(images.T // 255).astype(float)",
            ),
            mistake(
                "reshape is not a transpose: it keeps the order of the numbers and mixes pictures",
                "images.T / 255", "images.reshape(images.shape[1], images.shape[0]) / 255",
            ),
            mistake(
                "it is divided by the largest pixel, which differs between pictures, not by 255",
                "images.T / 255", "images.T / images.max()",
            ),
            mistake(
                "each picture is divided by its own largest pixel, not by 255",
                "images.T / 255", "images.T / images.max(axis=1)",
            ),
            mistake(
                "each pixel is divided by its largest value over the pictures, not by 255",
                "images.T / 255", "(images / images.max(axis=0)).T",
            ),
            mistake("it is divided by 256, not by 255", "255", "256"),
            mistake("it is divided by 100, not by 255", "255", "100"),
            mistake("it is divided by 10, not by 255", "255", "10"),
            mistake("it is divided by 254, not by 255", "255", "254"),
            mistake(
                "the mean is taken off as well; X goes from 0 to 1 here",
                "images.T / 255", "images.T / 255 - (images / 255).mean()",
            ),
            mistake(
                "the numbers go from -1 to 1, not from 0 to 1",
                "images.T / 255", "images.T / 127.5 - 1",
            ),
            mistake(
                "the numbers go from -0.5 to 0.5, not from 0 to 1",
                "images.T / 255", "images.T / 255 - 0.5",
            ),
            mistake(
                "black and white are exchanged: 255 - pixel",
                "images.T / 255", "(255 - images.astype(float)).T / 255",
            ),
            mistake(
                "the pictures are in reverse order: [::-1] is not a transpose",
                "images.T / 255", "images[::-1].T / 255",
            ),
            mistake(
                "it is turned by rot90, which also reverses the order; `.T` does not",
                "images.T / 255", "np.rot90(images) / 255",
            ),
            mistake(
                "pixels are made 0 or 1, rounded: grey is lost",
                "images.T / 255", "(images.T > 127).astype(float)",
            ),
            mistake(
                "X has one row too much: a row of ones for the bias does not belong here",
                "images.T / 255", "np.vstack([np.ones(len(images)), images.T / 255])",
            ),
        ),
    ),
    Task(
        "one_hot",
        (labels("m", "classes"), size("classes")),
        "Y of shape (classes, m): in each column a 1 in the row of the label, 0 elsewhere",
        notes="Y = One-hot encode",
        hints=(
            "Start from zeros: np.zeros((classes, m)), where m = len(labels).",
            "In column 0 the 1 stands in row labels[0]: Y[labels[0], 0] = 1. A loop does the rest.",
            "Without a loop: Y[labels, np.arange(m)] = 1 takes a row and a column for each label.",
        ),
        mistakes=(
            mistake(
                "one sample a row, not a column: it is transposed", "return Y", "return Y.T"
            ),
            mistake(
                "the labels are counted from 1: each 1 stands one row too high",
                "Y[labels,", "Y[labels - 1,",
            ),
            mistake(
                "each 1 stands one row too low", "Y[labels,", "Y[(labels + 1) % classes,"
            ),
            mistake(
                "Y[labels] = 1 fills whole rows: a column index for each label is missing",
                "Y[labels, np.arange(m)] = 1", "Y[labels] = 1",
            ),
            mistake(
                "row and column are exchanged: Y[row, column], and the label is the row",
                "Y[labels, np.arange(m)]",
                "Y[np.arange(m), labels]",
            ),
            mistake(
                "the label itself stands where the 1 belongs", "] = 1", "] = labels"
            ),
            mistake(
                "only the first column is filled", "Y[labels, np.arange(m)]", "Y[labels[:1], [0]]"
            ),
            mistake(
                "only the last column is filled", "Y[labels, np.arange(m)]", "Y[labels[-1:], [m - 1]]"
            ),
            mistake(
                "the last column is left out", "Y[labels, np.arange(m)]",
                "Y[labels[:-1], np.arange(m - 1)]",
            ),
            mistake(
                "there are as many rows as the largest label needs, not `classes`",
                "(classes, m)", "(labels.max() + 1, m)",
            ),
            mistake(
                "there is a row for each different label that occurs, not for each class",
                "return Y", "return Y[np.unique(labels)]",
            ),
            mistake(
                "0 and 1 are exchanged", "return Y", "return 1 - Y"
            ),
            mistake("nothing is filled in: all zeros", "] = 1", "] = 0"),
            mistake(
                "the labels are repeated in each row: they are not one-hot yet",
                "return Y", "return np.zeros((classes, m)) + labels",
            ),
            mistake(
                "the labels themselves are returned: they are not one-hot yet",
                "return Y", "return labels",
            ),
            mistake(
                "rows from the label on are filled, not the label's row alone",
                "return Y", "return (np.arange(classes)[:, None] >= labels).astype(float)",
            ),
            mistake(
                "rows up to the label are filled, not the label's row alone",
                "return Y", "return (np.arange(classes)[:, None] <= labels).astype(float)",
            ),
            mistake(
                "there is one row too much: classes + 1", "(classes, m)", "(classes + 1, m)"
            ),
            mistake(
                "the 1s stand on the diagonal, whatever the labels are",
                "return Y", "return np.eye(classes, m)",
            ),
            mistake(
                "the rows are in reverse order: class 0 is in the last row",
                "return Y", "return Y[::-1]",
            ),
            mistake(
                "reshape is not a transpose: it keeps the order of the numbers",
                "return Y", "return Y.T.reshape(classes, m)",
            ),
        ),
    ),
)  # fmt: skip
