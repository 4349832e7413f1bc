"""The mistakes of dW and db, which two chapters have in common."""

from minitorch_np.learn.task import Mistake, mistake


def of_weights(dZ: str, A: str) -> tuple[Mistake, ...]:
    """Mistakes of `dZ @ A.T / m`."""
    right = f"{dZ} @ {A}.T / m"
    return (
        mistake("the 1/m is missing: a sum over the pictures, not their mean", " / m", ""),
        mistake("the 1/m is there twice", " / m", " / m / m"),
        mistake("it is multiplied by m, not divided", " / m", " * m"),
        mistake("it is divided by the number of rows, not of pictures: shape[0] for shape[1]",
                f"{dZ}.shape[1]", f"{dZ}.shape[0]"),
        mistake("it is divided by the number of units, not of pictures", f"{dZ}.shape[1]",
                f"{A}.shape[0]"),
        mistake("the product is transposed: the shape has to be the weights'", right,
                f"{A} @ {dZ}.T / m"),
        mistake(f"`.T` is missing after {A}", f"{A}.T", A),
        mistake(f"`.T` stands after {dZ}, and belongs after {A}", f"{dZ} @ {A}.T", f"{dZ}.T @ {A}"),
        mistake("the product is transposed, and the 1/m is missing", right, f"{A} @ {dZ}.T"),
        mistake("`*` (entry by entry) stands where the matrix product `@` belongs", right,
                f"{dZ} * {A} / m"),
        mistake("the sign is wrong: the minus comes later, in the update", right, f"-({right})"),
        mistake("it is a mean over all entries of the product", right, f"np.mean({dZ} @ {A}.T)"),
        mistake("the first picture alone is used", right,
                f"np.outer({dZ}[:, 0], {A}[:, 0])"),
        mistake("the last picture alone is used, as when a loop replaces and does not add up",
                right, f"np.outer({dZ}[:, -1], {A}[:, -1]) / m"),
        mistake("the last picture alone is used, and without 1/m", right,
                f"np.outer({dZ}[:, -1], {A}[:, -1])"),
        mistake("the last picture is left out", right, f"{dZ}[:, :-1] @ {A}[:, :-1].T / m"),
        mistake("the first picture is left out", right, f"{dZ}[:, 1:] @ {A}[:, 1:].T / m"),
        mistake("the sums over the pictures are multiplied, not the pictures one by one",
                right, f"np.outer({dZ}.sum(axis=1), {A}.sum(axis=1)) / m"),
        mistake("the means over the pictures are multiplied, not the pictures one by one",
                right, f"np.outer({dZ}.mean(axis=1), {A}.mean(axis=1))"),
        mistake("it is divided by m - 1", " / m", " / (m - 1)"),
        mistake("it is divided by 2 m", " / m", " / (2 * m)"),
        mistake("it is divided by the square root of m", " / m", " / np.sqrt(m)"),
        mistake(f"the absolute values of {dZ} are taken", f"{dZ} @", f"np.abs({dZ}) @"),
        mistake(f"{A} is taken as 1 and 0, whether it is positive, not as its numbers",
                f"{A}.T", f"(1.0 * ({A} > 0)).T"),
    )  # fmt: skip


def of_biases(dZ: str) -> tuple[Mistake, ...]:
    """Mistakes of `np.sum(dZ, axis=1, keepdims=True) / m`."""
    right = f"np.sum({dZ}, axis=1, keepdims=True) / m"
    return (
        mistake("the 1/m is missing: a sum over the pictures, not their mean", " / m", ""),
        mistake("the 1/m is there twice: np.mean has it already", " / m", " / m / m"),
        mistake("it is multiplied by m, not divided", " / m", " * m"),
        mistake("it is divided by the number of rows, not of pictures: shape[0] for shape[1]",
                f"{dZ}.shape[1]", f"{dZ}.shape[0]"),
        mistake("the bias has the shape (units,), without the 1: keepdims=True is missing, and "
                "later `+ b` would go along the wrong side", ", keepdims=True", ""),
        mistake("the shape is (units,), and the 1/m is missing", right, f"np.sum({dZ}, axis=1)"),
        mistake("summed over the wrong axis: axis 0 goes over the units, axis 1 over the pictures",
                "axis=1", "axis=0"),
        mistake("summed over the wrong axis, without keepdims and without 1/m", right,
                f"np.sum({dZ}, axis=0)"),
        mistake("summed over the wrong axis, without keepdims", right,
                f"np.sum({dZ}, axis=0) / m"),
        mistake("summed over the wrong axis, as a mean", right,
                f"np.mean({dZ}, axis=0, keepdims=True)"),
        mistake("summed over the wrong axis, as a mean without keepdims", right,
                f"np.mean({dZ}, axis=0)"),
        mistake("summed over the wrong axis and turned into a column", right,
                f"np.sum({dZ}, axis=0, keepdims=True).T / m"),
        mistake("one number for all units: the sum over all entries, where one a unit is meant",
                right, f"np.sum({dZ}) / m"),
        mistake("one number for all units: the sum over all entries, without 1/m", right,
                f"np.sum({dZ})"),
        mistake("one number for all units: the mean over all entries", right, f"np.mean({dZ})"),
        mistake("an average of absolute errors: the signs are lost (a slip in the notes)",
                f"np.sum({dZ},", f"np.sum(np.abs({dZ}),"),
        mistake("the absolute value of the mean: the sign is lost", right, f"np.abs({right})"),
        mistake("a mean of squares: the signs are lost", f"np.sum({dZ},", f"np.sum({dZ} ** 2,"),
        mistake("the sum over the pictures is missing", right, f"{dZ} / m"),
        mistake("it is a row, (1, units), not a column", right, f"({right}).T"),
        mistake("the sign is wrong: the minus comes later, in the update", right, f"-({right})"),
        mistake("the first picture alone is used", right, f"{dZ}[:, :1]"),
        mistake("the last picture alone is used", right, f"{dZ}[:, -1:]"),
        mistake("the last picture alone is used, as when a loop replaces and does not add up",
                right, f"{dZ}[:, -1:] / m"),
        mistake("the last picture is left out", f"np.sum({dZ},", f"np.sum({dZ}[:, :-1],"),
        mistake("the first picture is left out", f"np.sum({dZ},", f"np.sum({dZ}[:, 1:],"),
        mistake("it is divided by m - 1", " / m", " / (m - 1)"),
        mistake("it is divided by 2 m", " / m", " / (2 * m)"),
        mistake("the largest entry is taken, not the mean", right,
                f"np.max({dZ}, axis=1, keepdims=True)"),
    )  # fmt: skip
