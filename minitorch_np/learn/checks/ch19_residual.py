"""A residual block."""

from typing import Any

from minitorch_np.arrays import Generator
from minitorch_np.learn.checks.ch16_own_activation import gradcheck
from minitorch_np.learn.checks.layers import layer_results
from minitorch_np.learn.inputs import LARGE, Sizes, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "a residual block: a way around"


def _inputs(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    dims = (("m", "inputs"), ("m", "inputs"), ("units", "inputs"), ("inputs", "units"))
    return tuple(numbers(*dim)(rng, sizes, kind) for dim in dims)


def _observe(cls: Any, inputs: tuple[Any, ...]) -> Any:
    units = len(inputs[2])
    return layer_results(lambda cls: cls(units), ("inner", "outer"))(cls, inputs)


Y, R = "x + r @ self.outer.T, (x, h, r)", "r = np.maximum(h, 0)"
DR, DH, DX = "dr = dy @ self.outer", "dh = dr * (h > 0)", "dx = dy + dh @ self.inner"
DU, DV = "dh.T @ x", "dy.T @ r"

TASKS = (
    Task(
        "MyBlock", _inputs,
        "y = x + relu(x U^T) V^T; dx = dy + dh U, dinner = dh^T x, douter = dy^T relu(h)",
        notes="dZ(1) = W(2)T dZ(2) * g'(Z(1)), and a way around",
        observe=_observe, arguments=("x", "dy", "inner", "outer"), without=(LARGE,), second=lambda cls: gradcheck(cls(4)),
        hints=(
            "forward: h = x @ self.inner.T, r = np.maximum(h, 0), y = x + r @ self.outer.T.",
            "The cache needs x, h and r.",
            "backward goes through the lines of forward from the last to the first, and adds dy to "
            "dx at the end.",
        ),
        mistakes=(
            mistake("dx: the way around is missing: dy + ...", DX, "dx = dh @ self.inner"),
            mistake("dx: the way through is missing: ... + dh U", DX, "dx = dy"),
            mistake("y: the way around is missing: x + ...", "x + r @", "r @"),
            mistake("y and dx: the way around is missing in both", "x + r @", "r @", DX,
                    "dx = dh @ self.inner"),
            mistake("dx: the two ways are multiplied, not added", DX,
                    "dx = dy * (dh @ self.inner)"),
            mistake("dx: the two ways are averaged, not added", DX,
                    "dx = (dy + dh @ self.inner) / 2"),
            mistake("dx: 1 is added, not dy", DX, "dx = 1 + dh @ self.inner"),
            mistake("dx: x is added, not dy", DX, "dx = x + dh @ self.inner"),
            mistake("relu'(h) is missing in dh", DH, "dh = dr"),
            mistake("dh is multiplied by relu(h), not by relu'(h)", DH, "dh = dr * r"),
            mistake("dh is multiplied by h, not by relu'(h)", DH, "dh = dr * h"),
            mistake("relu' is taken at dr, not at h", DH, "dh = dr * (dr > 0)"),
            mistake("relu' is taken where h < 0", DH, "dh = dr * (h < 0)"),
            mistake("ReLU is missing in y", R, "r = h"),
            mistake("ReLU is missing in y, and its derivative in dh", R, "r = h", DH, "dh = dr"),
            mistake("ReLU is applied after the addition, to y", "x + r @ self.outer.T, (x",
                    "np.maximum(x + r @ self.outer.T, 0), (x"),
            mistake("ReLU is applied to x first", "h = x @", "h = np.maximum(x, 0) @"),
            mistake("dinner is transposed", DU, "x.T @ dh"),
            mistake("douter is transposed", DV, "r.T @ dy"),
            mistake("douter is made with h, not with relu(h)", DV, "dy.T @ h"),
            mistake("dinner is made with dr, not with dh: relu' is missing there", DU,
                    "dr.T @ x"),
            mistake("dinner and douter have a 1/m too much: it is in the loss", DU,
                    "dh.T @ x / len(x)", DV, "dy.T @ r / len(x)"),
            mistake("dinner has a 1/m too much: it is in the loss", DU, "dh.T @ x / len(x)"),
            mistake("douter has a 1/m too much: it is in the loss", DV, "dy.T @ r / len(x)"),
            mistake("dr: outer is transposed", DR, "dr = dy @ self.outer.T"),
            mistake("dx: inner is transposed", DX, "dx = dy + dh @ self.inner.T"),
            mistake("the way through dx is made with dr, not with dh", DX,
                    "dx = dy + dr @ self.inner"),
            mistake("x is added twice in y", "x + r @", "x + x + r @"),
            mistake("x is subtracted in y", "x + r @ self.outer.T", "r @ self.outer.T - x"),
            mistake("dy is subtracted in dx", DX, "dx = dh @ self.inner - dy"),
            mistake("the arrays are kept on self, and another call before the way back overwrites "
                    "them: hand them on as the cache", R, R + "\n        self.kept = (x, h, r)",
                    "x, h, r = cache", "x, h, r = self.kept"),
            mistake("douter is made with x, not with relu(h)", DV, "dy.T @ x"),
        ),
    ),
)  # fmt: skip
