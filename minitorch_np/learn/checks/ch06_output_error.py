"""dZ2 = A2 - Y, by the chain rule."""

from minitorch_np.learn.inputs import one_hot, shares
from minitorch_np.learn.task import Task, mistake

TITLE = "dZ2 = A2 - Y, derived and not believed"

PAIR = (shares("classes", "m"), one_hot())
LATER = "the division by m is too early: dZ2 is without 1/m, which belongs to dW2 and db2"
J = "np.diag(a) - np.outer(a, a)"

TASKS = (
    Task(
        "loss_by_probabilities", PAIR, "dA of shape (classes, m): -Y / A2, entry by entry",
        notes="See weights / biases' contribution to the error",
        hints=("The derivative of -y log(a) by a is -y / a.",),
        mistakes=(
            mistake("the minus sign is missing", "-Y / A2", "Y / A2"),
            mistake("Y is missing: only the right class's probability is in the loss", "-Y / A2",
                    "-1 / A2"),
            mistake("Y and A2 are exchanged", "-Y / A2", "-A2 / Y"),
            mistake("it is multiplied by A2, not divided", "-Y / A2", "-Y * A2"),
            mistake(LATER, "-Y / A2", "-Y / A2 / Y.shape[1]"),
            mistake("it is the loss itself, -Y log(A2), not its derivative", "-Y / A2",
                    "-Y * np.log(A2)"),
            mistake("this is already dZ2 = A2 - Y: the derivative by A2 is another", "-Y / A2",
                    "A2 - Y"),
            mistake("it is Y - A2", "-Y / A2", "Y - A2"),
            mistake("it is that of the binary cross-entropy: (1 - Y) / (1 - A2) is not a part of it",
                    "-Y / A2", "-Y / A2 + (1 - Y) / (1 - A2)"),
            mistake("it is -Y / A2^2: one derivative too many", "-Y / A2", "-Y / A2 ** 2"),
            mistake("it is the derivative of the squared error", "-Y / A2", "2 * (A2 - Y)"),
            mistake("it is divided by the probability of the wrong classes, 1 - A2", "-Y / A2",
                    "-Y / (1 - A2)"),
            mistake("it is added up over the classes", "-Y / A2",
                    "np.sum(-Y / A2, axis=0, keepdims=True)"),
            mistake("it is added up over the pictures", "-Y / A2",
                    "np.sum(-Y / A2, axis=1, keepdims=True)"),
        ),
    ),
    Task(
        "softmax_jacobian", (shares("classes"),),
        "J of shape (classes, classes): a[i] (1 - a[i]) on the diagonal, -a[i] a[j] elsewhere",
        notes="A(2) = Softmax(Z(2)): its derivative is not written out there",
        hints=(
            "np.diag(a) makes a square table with a on the diagonal.",
            "np.outer(a, a) makes the table of all products a[i] a[j].",
        ),
        mistakes=(
            mistake("the diagonal lacks the 1 -: it is a[i] minus a[i]^2 that stands there",
                    J, "-np.outer(a, a)"),
            mistake("it is a (1 - a), as for a sigmoid: each probability depends on all z, not on "
                    "its own alone", J, "a * (1 - a)"),
            mistake("only the diagonal is there: the other entries are -a[i] a[j], not 0",
                    J, "np.diag(a * (1 - a))"),
            mistake("the minus sign of the entries off the diagonal is missing", "- np.outer",
                    "+ np.outer"),
            mistake("off the diagonal the sign is wrong: a[i] a[j], not -a[i] a[j]", J,
                    "np.outer(a, a) * (1 - np.eye(len(a))) + np.diag(a * (1 - a))"),
            mistake("the whole has the wrong sign", J, "np.outer(a, a) - np.diag(a)"),
            mistake("1 stands where a belongs: np.eye for np.diag(a)", "np.diag(a)",
                    "np.eye(len(a))"),
            mistake("the 1 for i = j is missing in the bracket: -a[i] a[j] on the diagonal too, "
                    "plus 1", J, "np.diag(1 - a) - np.outer(a, a)"),
            mistake("the diagonal is a[i], not a[i] (1 - a[i])", J,
                    "np.diag(a) - np.outer(a, a) * (1 - np.eye(len(a)))"),
            mistake("a a^T is one number for arrays (classes,): `@` of two of them is a sum",
                    "np.outer(a, a)", "a @ a"),
            mistake("`*` multiplies entry by entry: a * a is not the table of all products",
                    "np.outer(a, a)", "a * a"),
            mistake("off the diagonal stands a[i] (1 - a[j])", J,
                    "a[:, None] * (1 - a)"),
            mistake("the factor a[i] is missing: delta - a[j]", J, "np.eye(len(a)) - a"),
            mistake("the factor a[j] is missing: delta - a[i]", J, "np.eye(len(a)) - a[:, None]"),
            mistake("the diagonal is squared: diag(a)^2", "np.diag(a)", "np.diag(a ** 2)"),
        ),
    ),
    Task(
        "output_error", PAIR, "dZ2 of shape (classes, m): A2 - Y", "dZ(2) = A(2) - Y",
        hints=("It is as short as the notes say.",),
        mistakes=(
            mistake("the sign is wrong: Y - A2, not A2 - Y", "A2 - Y", "Y - A2"),
            mistake(LATER, "A2 - Y", "(A2 - Y) / Y.shape[1]"),
            mistake("it is divided by the number of classes", "A2 - Y", "(A2 - Y) / len(Y)"),
            mistake("it is 2 (A2 - Y), the squared error's", "A2 - Y", "2 * (A2 - Y)"),
            mistake("it is the absolute error: the sign is lost", "A2 - Y", "np.abs(A2 - Y)"),
            mistake("it is the squared error", "A2 - Y", "(A2 - Y) ** 2"),
            mistake("the derivative of a sigmoid, A2 (1 - A2), is too much", "A2 - Y",
                    "(A2 - Y) * A2 * (1 - A2)"),
            mistake("it is -Y / A2, step 1 alone: the derivative of softmax is missing", "A2 - Y",
                    "-Y / A2"),
            mistake("the right class alone gets an error, Y (A2 - 1): softmax is not a function of "
                    "each number alone", "A2 - Y", "-Y * (1 - A2)"),
            mistake("it is added up over the pictures", "A2 - Y",
                    "np.sum(A2 - Y, axis=1, keepdims=True)"),
            mistake("it is averaged over the pictures", "A2 - Y",
                    "np.mean(A2 - Y, axis=1, keepdims=True)"),
            mistake("it is added up over the classes", "A2 - Y",
                    "np.sum(A2 - Y, axis=0, keepdims=True)"),
            mistake("the largest probability's class is taken, not A2", "A2 - Y",
                    "1.0 * (A2 == A2.max(axis=0)) - Y"),
            mistake("it is the loss -Y log(A2), not its derivative", "A2 - Y",
                    "-Y * np.log(A2)"),
            mistake("it is the logarithm of A2 minus Y", "A2 - Y", "np.log(A2) - Y"),
            mistake("softmax is applied to A2 once more", "A2 - Y",
                    "np.exp(A2) / np.exp(A2).sum(axis=0) - Y"),
        ),
    ),
)  # fmt: skip
