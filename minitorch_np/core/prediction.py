"""What a whole model adds to a container: predictions, a summary, files.

Predictions are made in slices, so that memory stays bounded however many samples there are.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    StrPath,
    all_finite,
    as_batch,
    describe_batch,
    require_finite,
)
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import load_model, save_model
from minitorch_np.core.summary import summary_table
from minitorch_np.errors import ShapeError
from minitorch_np.numerics import sigmoid, softmax
from minitorch_np.signature import explained
from minitorch_np.validation import whole


class Model(Composite):
    """A container that can be used on data."""

    exclusive_classes: bool | None = None
    """Whether a sample is of exactly one class; if not, each output answers a question of its own.
    A trainer sets it by its loss; None is until then, and a final Sigmoid means that it is not."""

    @explained
    def predict(self, x: object, batch_size: int = 256) -> Array:
        """The outputs (m, *output_shape) for x (m, *input_shape), `batch_size` samples at a time.

        Raises DataError, with row and column, for a NaN or infinity in x.
        """
        whole("predict", "batch_size", batch_size)
        self.require_built()
        # Slices of an array are converted one at a time: a copy of all may not fit into memory.
        sliced = isinstance(x, np.ndarray) and x.ndim and x.size
        rows: Any = x if sliced else as_batch(x, self.dtype, "predict")
        outputs = []
        for start in range(0, len(rows), batch_size):
            batch = as_batch(rows[start : start + batch_size], self.dtype, "predict")
            if not all_finite(batch):
                require_finite(as_batch(rows, self.dtype, "predict"), "predict: x")
            outputs.append(self.forward(batch)[0])
        return np.concatenate(outputs) if len(outputs) > 1 else outputs[0]

    @explained
    def predict_proba(self, x: object, batch_size: int = 256) -> Array:
        """Probabilities (m, classes): the softmax of the outputs, if they are not that yet.

        Where classes do not exclude each other (BinaryCrossEntropy, a final Sigmoid), the sigmoid
        of each output. A single output is the probability of class 1; both classes are returned.
        Raises ShapeError for a model whose outputs are not scores of classes.
        """
        exclusive, outputs = self._exclusive("predict_proba"), self.predict(x, batch_size)
        if exclusive:
            return outputs if self.outputs_probabilities else softmax(outputs)
        p = outputs if self.outputs_separate_probabilities else sigmoid(outputs)
        return np.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p

    @explained
    def predict_classes(self, x: object, batch_size: int = 256) -> AnyArray:
        """The most probable class of each sample, as integers (m,).

        Where classes do not exclude each other, 1 or 0 for each: (m, classes). Raises as
        predict_proba.
        """
        exclusive, outputs = self._exclusive("predict_classes"), self.predict(x, batch_size)
        if exclusive:
            classes: AnyArray = np.argmax(outputs, axis=-1)
            return classes
        chosen = outputs > (0.5 if self.outputs_separate_probabilities else 0)
        return (chosen[..., 0] if chosen.shape[-1] == 1 else chosen).astype(np.intp)

    def _exclusive(self, method: str) -> bool:
        """Whether a sample is of one class only. Raises ShapeError for outputs that are no scores
        of classes.
        """
        self.require_built()
        separate = self.outputs_separate_probabilities
        exclusive = not separate if self.exclusive_classes is None else self.exclusive_classes
        shape = self.output_shape
        if len(shape) not in (1, 2) or (shape[-1] < 2 and exclusive and not separate):
            raise ShapeError(
                f"{type(self).__name__}.{method}: expected a model with a score for each of two or "
                f"more classes, or one trained with BinaryCrossEntropy, got outputs of shape "
                f"{describe_batch(shape)}: use predict"
            )
        return exclusive and shape[-1] > 1

    def summary(self) -> None:
        """Print a table: each layer, the shape that it gives, and how many parameters it has."""
        print(summary_table(self))

    def save(self, path: StrPath) -> None:
        """Write architecture and parameters to one .npz file, at once or not at all."""
        save_model(self, path)

    def to_onnx(self, path: StrPath) -> None:
        """Write the model to an ONNX file; see `minitorch_np.to_onnx`."""
        # By name: what writes each layer knows all layers, which know this.
        importlib.import_module("minitorch_np.exchange").to_onnx(self, path)

    @classmethod
    def load(cls, path: StrPath, custom_layers: Iterable[type[Layer]] = ()) -> Self:
        """A model from a file that `save` wrote.

        User-defined layers are found among `custom_layers`, or by their name in the module that
        they were defined in, if that is imported: a file causes no import.
        Raises ModelFileError for a file that is damaged, incomplete, of a newer format, or names a
        layer that is not found.
        """
        return load_model(path, cls, custom_layers)
