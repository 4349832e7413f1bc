"""A Layer of one's own."""

from typing import Any

from minitorch_np.arrays import Generator
from minitorch_np.learn.checks.ch16_own_activation import gradcheck
from minitorch_np.learn.checks.layers import layer_results
from minitorch_np.learn.inputs import Sizes, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "a Layer of one's own"


def _inputs(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    dims = (("m", "inputs"), ("m", "units"), ("units", "inputs"), ("units",))
    return tuple(numbers(*dim)(rng, sizes, kind) for dim in dims)


def _observe(cls: Any, inputs: tuple[Any, ...]) -> Any:
    units = inputs[1].shape[1]
    return layer_results(lambda cls: cls(units), ("weight", "bias"))(cls, inputs)


Y, DX = "x @ self.weight.T + self.bias, x", "dx = dy @ self.weight"
DW, DB = "dy.T @ x", "np.sum(dy, axis=0)"

TASKS = (
    Task(
        "MyDense", _inputs,
        "y = x W^T + b, dx = dy W, dweight = dy^T x, dbias = sum of dy over the rows",
        notes="Z = W A + b, dW = dZ AT, db = sum of dZ; here with samples in rows",
        observe=_observe, arguments=("x", "dy", "weight", "bias"), second=lambda cls: gradcheck(cls(3)),
        hints=(
            "forward: return x @ self.weight.T + self.bias, x. The cache is x.",
            "backward: x = cache; dx = dy @ self.weight; then the dictionary.",
            'return dx, {"weight": dy.T @ x, "bias": np.sum(dy, axis=0)}',
        ),
        mistakes=(
            mistake("a 1/m too much in dweight and dbias: in the framework it is in the loss", DW,
                    "dy.T @ x / len(x)", DB, "np.mean(dy, axis=0)"),
            mistake("a 1/m too much in dweight: in the framework it is in the loss", DW,
                    "dy.T @ x / len(x)"),
            mistake("dbias is a mean, not a sum: 1/m is in the loss", DB, "np.mean(dy, axis=0)"),
            mistake("a 1/m too much in dx, dweight and dbias: it is in the loss", DX, DX + " / len(x)",
                    DW, "dy.T @ x / len(x)", DB, "np.mean(dy, axis=0)"),
            mistake("dweight is transposed", DW, "x.T @ dy"),
            mistake("dbias is summed over the wrong axis: axis 0 goes over the samples here", DB,
                    "np.sum(dy, axis=1)"),
            mistake("dbias is one number: the sum over all entries", DB, "np.sum(dy)"),
            mistake("dbias has the shape (1, units), not (units,)", DB,
                    "np.sum(dy, axis=0, keepdims=True)"),
            mistake("dbias has not been summed over the samples", DB, "dy"),
            mistake("dbias is of the first sample alone", DB, "dy[0]"),
            mistake("dx: the weight is transposed", DX, "dx = dy @ self.weight.T"),
            mistake("dx is dy: it does not go back through the weights", DX, "dx = dy"),
            mistake("dx is of the inputs: x W^T", DX, "dx = x @ self.weight.T"),
            mistake("dx is zero", DX, "dx = 0 * x"),
            mistake("the bias is missing in y", " + self.bias", ""),
            mistake("the bias is subtracted in y", "+ self.bias", "- self.bias"),
            mistake("y: the weight is not transposed", "x @ self.weight.T", "x @ self.weight"),
            mistake("y: the product is transposed, samples in columns", Y,
                    "(x @ self.weight.T + self.bias).T, x"),
            mistake("the cache is y, not x: dweight is made with it", Y,
                    "x @ self.weight.T + self.bias, x @ self.weight.T + self.bias"),
            mistake("dweight is made with the weight, not with x", DW,
                    "dy.T @ (dy @ self.weight)"),
            mistake("the input is kept on self, and another call before the way back overwrites "
                    "it: hand it on as the cache", "return (x @", "self.x = x\n        return (x @",
                    "x = cache", "x = self.x"),
            mistake("ReLU is applied to y", "x @ self.weight.T + self.bias, x",
                    "np.maximum(x @ self.weight.T + self.bias, 0), x"),
            mistake("dweight has the wrong sign", DW, "-dy.T @ x"),
            mistake("dbias has the wrong sign", DB, "-np.sum(dy, axis=0)"),
            mistake("dx has the wrong sign", DX, "dx = -dy @ self.weight"),
            mistake("dweight is of the first sample alone", DW, "np.outer(dy[0], x[0])"),
            mistake("dweight and dbias are zero: nothing is learnt", DW, "0 * self.weight", DB,
                    "0 * self.bias"),
        ),
    ),
)  # fmt: skip
