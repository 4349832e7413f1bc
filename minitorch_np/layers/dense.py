"""The fully connected layer: every output is a weighted sum of all inputs, plus a bias.

The notes write it as Z = W A + b. Each row of the weight matrix belongs to one unit and has one
number for each input feature.
"""

from __future__ import annotations

from minitorch_np.arrays import Array, DType, Generator, Shape, ones
from minitorch_np.core.layer import Backward, Forward
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.initializers import Initializer
from minitorch_np.layers.weighted import Weighted
from minitorch_np.validation import is_whole, whole


class Dense(Weighted):
    """A fully connected layer: y = x W.T + b.

    x is (m, features), y is (m, units). For sequences, x is (m, steps, features) and y (m, steps,
    units), with the same weights at each step; so for any axes before the last.

    - `units`: the number of outputs; `weight` W is (units, features), as in the notes (10x784) and
      in PyTorch; `bias` b is (units,);
    - `weight_initializer`, `bias_initializer`: names or functions (see `initializers`);
    - `use_bias=False` omits the bias.

    Gradients: dW = dy.T x, db = sum of dy over the batch, dx = dy W; for a sequence, the sums run
    over the steps too. The notes' factor 1/m is already in dy: it comes from the loss. Raises
    ConfigurationError unless units >= 1, ShapeError for samples without an axis.
    """

    per_step = True

    def __init__(
        self,
        units: int,
        weight_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        use_bias: bool = True,
    ) -> None:
        self.units = whole(self, "units", units)
        if is_whole(weight_initializer):
            raise ConfigurationError(
                f"Dense: expected the number of units only, got {units} and {weight_initializer}: "
                f"write Dense({weight_initializer}); the inputs are counted by the model"
            )
        super().__init__(weight_initializer, bias_initializer, use_bias)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if not input_shape:
            raise ShapeError(
                f"{self!r}: expected samples that are rows of features, got one number each: "
                "pass x.reshape(-1, 1)"
            )
        features = input_shape[-1]
        self.make_parameters((self.units, features), features, self.units, rng, dtype)
        return (*input_shape[:-1], self.units)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        if x.ndim != 2:
            return self._forward_steps(x)
        try:
            y: Array = x.dot(self.weight.T)  # the same as @, half a microsecond faster
        except (ValueError, AttributeError):
            require_input(self, x)
            raise
        if self.use_bias:
            y += self.bias
        return y, x

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        if dy.ndim > 2:
            return self._backward_steps(dy, cache, need_dx)
        gradients = {"weight": dy.T.dot(cache)}
        if self.use_bias:
            gradients["bias"] = ones(len(dy), dy.dtype).dot(dy)
        return (dy.dot(self.weight) if need_dx else None), gradients

    def _forward_steps(self, x: Array) -> Forward:
        """`forward` for x (m, ..., features): all steps are rows of one product."""
        require_trailing(self, x)
        y = x.reshape(-1, x.shape[-1]) @ self.weight.T
        if self.use_bias:
            y += self.bias
        return y.reshape(*x.shape[:-1], self.units), x

    def _backward_steps(self, dy: Array, x: Array, need_dx: bool) -> Backward:
        require_gradient(self, dy, (*x.shape[:-1], self.units))
        dx, gradients = self.backward(
            dy.reshape(-1, self.units), x.reshape(-1, x.shape[-1]), need_dx=need_dx
        )
        return (None if dx is None else dx.reshape(x.shape)), gradients
