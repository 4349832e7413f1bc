"""Attention."""

from minitorch_np.learn.inputs import LARGE, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "attention, and the table to the framework"

QKV = tuple(numbers("steps", "width") for _ in range(3))

S, P = "S = Q @ K.T / np.sqrt(K.shape[1])", "P = E / np.sum(E, axis=1, keepdims=True)"
E = "E = np.exp(S - np.max(S, axis=1, keepdims=True))"
ROOT = "S = Q @ K.T / root"
DV, DP, DQ, DK = "dV = P.T @ dO", "dP = dO @ V.T", "dQ = dS @ K / root", "dK = dS.T @ Q / root"
DS = "dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))"

TASKS = (
    Task(
        "attention", QKV, "O of shape (steps, width): softmax(Q K^T / sqrt(width)) V",
        hints=(
            "S = Q @ K.T / np.sqrt(K.shape[1]); width is K.shape[1].",
            "Softmax along each row: axis=1, keepdims=True, the row's maximum subtracted.",
        ),
        mistakes=(
            mistake("the division by sqrt(width) is missing", " / np.sqrt(K.shape[1])", ""),
            mistake("it is divided by width, not by its root", "np.sqrt(K.shape[1])",
                    "K.shape[1]"),
            mistake("it is divided by sqrt(steps), not by sqrt(width): shape[0] for shape[1]",
                    "K.shape[1]", "K.shape[0]"),
            mistake("it is multiplied by sqrt(width), not divided", "/ np.sqrt", "* np.sqrt"),
            mistake("softmax goes down the columns (axis 0), not along the rows (axis 1)",
                    "axis=1", "axis=0"),
            mistake("softmax's sum goes down the columns (axis 0), not along the rows", P,
                    "P = E / np.sum(E, axis=0, keepdims=True)"),
            mistake("softmax goes over all numbers together: axis=1 is missing in the sum", P,
                    "P = E / np.sum(E)"),
            mistake("the maximum is not subtracted: exp overflows for large numbers", E,
                    "E = np.exp(S)"),
            mistake("softmax goes down the columns, and the maximum is not subtracted", E,
                    "E = np.exp(S)", P, "P = E / np.sum(E, axis=0, keepdims=True)"),
            mistake("softmax is missing: the scores themselves are the shares", P, "P = S"),
            mistake("it is not divided by the sum: the shares do not add up to 1", P, "P = E"),
            mistake("questions and keys are exchanged: K Q^T for Q K^T", "Q @ K.T", "K @ Q.T"),
            mistake("P is transposed: P^T V", "P @ V", "P.T @ V"),
            mistake("V is missing: the shares are returned", "P @ V", "P"),
            mistake("the keys are mixed, not the values", "P @ V", "P @ K"),
            mistake("the questions are mixed, not the values", "P @ V", "P @ Q"),
            mistake("the input is added: a residual block, not attention alone", "P @ V",
                    "P @ V + Q"),
            mistake("each step sees itself and those before it alone: a causal mask, which is not "
                    "asked for", E, "S = np.where(np.tril(np.ones(S.shape)) > 0, S, -np.inf)\n    " + E),
            mistake("all steps count the same", P, "P = 0 * E + 1 / len(E)"),
            mistake("the step that fits best is taken alone: a maximum, not softmax", P,
                    "P = 1.0 * (E == np.max(E, axis=1, keepdims=True))"),
            mistake("questions and values are compared, not questions and keys", "Q @ K.T",
                    "Q @ V.T"),
            mistake("questions are compared with questions", "Q @ K.T", "Q @ Q.T"),
        ),
    ),
    Task(
        "attention_gradients", (numbers("steps", "width"), *QKV),
        "dQ, dK, dV, each of shape (steps, width)",
        outputs=("dQ", "dK", "dV"), without=(LARGE,),
        hints=(
            "First compute P again, as in attention. Then go back from the last line to the first.",
            "O = P V gives dV = P^T dO and dP = dO V^T.",
            "Softmax's derivative: dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True)).",
        ),
        mistakes=(
            mistake("dQ and dK lack the division by sqrt(width)", DQ, "dQ = dS @ K", DK,
                    "dK = dS.T @ Q"),
            mistake("dQ lacks the division by sqrt(width)", DQ, "dQ = dS @ K"),
            mistake("dK lacks the division by sqrt(width)", DK, "dK = dS.T @ Q"),
            mistake("the division by sqrt(width) is missing everywhere", "np.sqrt(K.shape[1])", "1"),
            mistake("the division by sqrt(width) is missing in S, and is there in dQ and dK", ROOT,
                    "S = Q @ K.T"),
            mistake("dS: the sum along the row is missing: softmax's derivative is not P dP", DS,
                    "dS = P * dP"),
            mistake("dS is P (1 - P) dP, as for a sigmoid: all shares of a row depend on each other",
                    DS, "dS = dP * P * (1 - P)"),
            mistake("dS: the derivative of softmax is missing", DS, "dS = dP"),
            mistake("dS: P is missing before the bracket", DS,
                    "dS = dP - np.sum(dP * P, axis=1, keepdims=True)"),
            mistake("dS: the sum is of dP alone, not of dP * P", "np.sum(dP * P,", "np.sum(dP,"),
            mistake("dS: the sum goes down the columns (axis 0), not along the rows", DS,
                    DS.replace("axis=1", "axis=0")),
            mistake("dS: the mean is taken off, not the sum", "np.sum(dP * P", "np.mean(dP * P"),
            mistake("dS: the sum is added, not taken off", "(dP - np.sum", "(dP + np.sum"),
            mistake("dV: P is not transposed", DV, "dV = P @ dO"),
            mistake("dK: dS is not transposed", DK, "dK = dS @ Q / root"),
            mistake("dQ: dS is transposed where it should not be", DQ, "dQ = dS.T @ K / root"),
            mistake("dQ and dK are exchanged", "return (dQ, dK, dV)", "return (dK, dQ, dV)"),
            mistake("the order is dV, dQ, dK", "return (dQ, dK, dV)", "return (dV, dQ, dK)"),
            mistake("the order is dV, dK, dQ", "return (dQ, dK, dV)", "return (dV, dK, dQ)"),
            mistake("dQ is made with Q, not with K", DQ, "dQ = dS @ Q / root"),
            mistake("dK is made with K, not with Q", DK, "dK = dS.T @ K / root"),
            mistake("dQ is made with Q and dK with K: the other one belongs there", DQ,
                    "dQ = dS @ Q / root", DK, "dK = dS.T @ K / root"),
            mistake("dV is made with V, not with dO", DV, "dV = P.T @ V"),
            mistake("dP is dO V^T with V and dO exchanged: it is transposed", DP, "dP = V @ dO.T"),
            mistake("softmax goes down the columns in P (axis 0), not along the rows",
                    E, "E = np.exp(S - np.max(S, axis=0, keepdims=True))", P,
                    "P = E / np.sum(E, axis=0, keepdims=True)"),
            mistake("all softmax sums go down the columns (axis 0), not along the rows",
                    "axis=1", "axis=0"),
            mistake("dQ and dK are divided by width, not by its root", DQ,
                    "dQ = dS @ K / root / root", DK, "dK = dS.T @ Q / root / root"),
            mistake("dQ and dK are multiplied by sqrt(width), not divided", DQ,
                    "dQ = dS @ K * root", DK, "dK = dS.T @ Q * root"),
        ),
    ),
)  # fmt: skip
