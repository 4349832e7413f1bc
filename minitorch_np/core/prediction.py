"""Models: containers with predictions, a summary, saving and loading.

Predictions are made one batch at a time, so memory does not grow with the number of samples.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Generator,
    Shape,
    StrPath,
    all_finite,
    as_batch,
    as_rows,
    count,
    describe_batch,
    each,
    parts,
    require_finite,
)
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import load_model, save_model
from minitorch_np.core.parameters import ParameterVector
from minitorch_np.core.shapes import require_input
from minitorch_np.core.summary import summary_html, summary_table
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.numerics import sigmoid, softmax
from minitorch_np.signature import explained
from minitorch_np.sources.reading import converted, inputs_in, kind_of
from minitorch_np.validation import number, whole

_TRAINER = "train it with Trainer(model, loss, optimizer).fit(x, y)"
_NO_MODE = "a call predicts, Trainer.fit trains: a model has no mode"
_NO_DEVICE = "it computes on the processor"
ELSEWHERE = {
    **dict.fromkeys(("fit", "compile", "fit_generator", "train_on_batch"), _TRAINER),
    **dict.fromkeys(("train", "eval"), _NO_MODE),
    **dict.fromkeys(("to", "cuda", "cpu"), _NO_DEVICE),
    "evaluate": "write Trainer(model, loss, optimizer).evaluate(x, y)",
    "score": "write Trainer(model, loss, optimizer, metrics=['accuracy']).evaluate(x, y)",
    "parameters": "write named_parameters()",
    "weights": "write named_parameters()",
    "get_weights": "write state_dict()",
    "set_weights": "write load_state_dict(state)",
    "count_params": "write count_parameters()",
    "freeze": "set layer.trainable = False",
    "zero_grad": "gradients are returned, not kept: there is nothing to set to zero",
    "add": "write Sequential(*model.layers, layer, input_shape=...)",
}
"""Methods of models in Keras, PyTorch and scikit-learn, and their counterparts here."""


def check_numbers(model: Model, x: Any, place: str) -> None:
    """Raise DataError, with its position, for a number that an Embedding has no row for."""
    limits = model.index_limits
    if limits == [None]:
        return  # the usual case
    for part, limit in zip(parts(x), limits, strict=False):  # lengths may follow x
        if limit is None or not part.size or part.dtype.kind not in "fiub":
            continue
        whole_numbers = part.dtype.kind != "f" or (np.floor(part) == part).all()
        if whole_numbers and part.min() >= 0 and part.max() < limit:
            continue
        fits = (part >= 0) & (part < limit) & (np.floor(part) == part)
        wrong = np.argwhere(~fits)[0].tolist()
        where = ", place ".join(map(str, wrong))
        raise DataError(
            f"{place}: expected whole numbers from 0 to {limit - 1}, got "
            f"{part[tuple(wrong)]:.12g} in sequence {where}"
        )


def check_scale(model: Model, x: Any, scale: float | None, place: str) -> None:
    """Raise ConfigurationError for a scale where inputs are numbers of things, or lengths."""
    lengths = isinstance(x, tuple) and not model.several_inputs
    if scale is not None and (lengths or any(limit is not None for limit in model.index_limits)):
        what = "the lengths" if lengths else "the whole numbers that an Embedding looks up"
        raise ConfigurationError(
            f"{place}: scale: expected inputs of measured numbers only, since {what} would be "
            "multiplied too: multiply the others before"
        )


class Model(Composite):
    """A container that makes predictions, and can be trained, saved and loaded."""

    exclusive_classes: bool | None = None
    """Whether each sample belongs to exactly one class; if not, each output is a yes-or-no question
    of its own. A trainer sets it from the loss; while it is None, a final Sigmoid decides."""

    metadata: Mapping[str, Any] = MappingProxyType({})
    """What is saved along with the model, such as the characters of the text it was trained on:
    numbers, texts, lists and dictionaries. Set it with `model.metadata = {"author": "me"}`."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Raise AttributeError, with a hint for names known from Keras and PyTorch."""
            kind, hint = type(self).__name__, ELSEWHERE.get(name)
            text = f"{kind!r} object has no attribute {name!r}" + (f": {hint}" if hint else "")
            raise AttributeError(text, name=name, obj=self)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        output_shape = super().build(input_shape, rng=rng, dtype=dtype)
        ParameterVector(self)  # so that parameters are contiguous in memory
        return output_shape

    @property
    def last_layers(self) -> tuple[Layer, ...]:
        """The layer that computes the outputs; with several outputs, one layer each."""
        return self.layers[-1:]

    @property
    def index_limits(self) -> list[int | None]:
        """For each input of whole numbers, as for Embedding, their upper bound (exclusive)."""
        return [self.index_limit]

    def check_input(self, x: Any) -> None:
        """Raise ShapeError unless x is (m, *input_shape)."""
        require_input(self, x, type(self).__name__)

    def inputs_of(self, x: Any, place: str) -> Any:
        """x as `forward` takes it: a Graph's inputs may be given by name, or in a list."""
        return x

    def targets_of(self, y: Any, place: str) -> Any:
        """y as the loss takes it: a Graph's targets may be given by name, or in a list."""
        return y

    @explained
    def predict(self, x: object, batch_size: int = 256, *, scale: float | None = None) -> Any:
        """The outputs (m, *output_shape) for x (m, *input_shape), `batch_size` samples at a time;
        a tuple if the model has several.

        x may be any data that `fit` takes, and is multiplied by `scale`; targets in data sets and
        iterables are ignored. Raises DataError, with row and column, for a NaN or infinity in x.
        """
        whole("predict", "batch_size", batch_size)
        scale = None if scale is None else number("predict", "scale", scale)
        self.require_built()
        whole_in_memory = kind_of(x) == "memory" and all(
            kind_of(part) == "memory" for part in parts(self.inputs_of(x, "predict: x"))
        )
        batches = self._batches if whole_in_memory else self._read_batches
        outputs = [self.forward(given)[0] for given in batches(x, batch_size, scale)]
        return each(lambda *pieces: np.concatenate(pieces), *outputs) if outputs[1:] else outputs[0]

    def _batches(self, x: Any, batch_size: int, scale: float | None) -> Iterator[Any]:
        """Yield the batches of inputs in memory."""

        def batch(part: Any) -> Array:
            return as_batch(part, self.dtype, "predict")

        def sliceable(part: Any) -> Any:
            # Slices of an array are converted one at a time: a copy of all may not fit into memory.
            sliced = isinstance(part, np.ndarray) and part.ndim and part.size
            return part if sliced else batch(part)

        rows = each(sliceable, self.inputs_of(x, "predict: x"))
        if not isinstance(rows, tuple) and rows.shape == self.input_shape:
            self.check_input(rows)  # one sample, of which a slice would be a part
        check_scale(self, rows, scale, "predict")
        check_numbers(self, rows, "predict: x")
        for start in range(0, count(rows), batch_size):
            piece = slice(start, start + batch_size)
            given = each(lambda part, piece=piece: batch(part[piece]), rows)
            if not all_finite(given):
                require_finite(each(batch, rows), "predict: x")
            yield (
                given if scale is None else each(lambda part: part * part.dtype.type(scale), given)
            )

    def _read_batches(self, x: Any, batch_size: int, scale: float | None) -> Iterator[Any]:
        """Yield the batches of inputs that are read from a source."""
        place = "predict: x"

        def batch(samples: Any) -> Any:
            rows = each(lambda part: as_rows(part, place), self.inputs_of(samples, place))
            self.check_input(rows)
            check_scale(self, rows, scale, "predict")
            check_numbers(self, rows, place)
            return converted(rows, self.dtype, scale, place)

        kind = kind_of(x)
        given = x if kind in ("samples", "batches") else self.inputs_of(x, place)
        with closing(inputs_in(given, batch_size, place, batch)) as batches:
            yield from batches

    @explained
    def predict_proba(
        self, x: object, batch_size: int = 256, *, scale: float | None = None
    ) -> Array:
        """Probabilities (m, classes): the softmax of the outputs, unless these are probabilities.

        If classes do not exclude each other (BinaryCrossEntropy, a final Sigmoid): the sigmoid of
        each output. A single output is the probability of class 1; both columns are returned.
        Raises ShapeError for a model whose outputs are not class scores.
        """
        exclusive = self._exclusive("predict_proba")
        outputs = self.predict(x, batch_size, scale=scale)
        if exclusive:
            p: Array = outputs if self.outputs_probabilities else softmax(outputs)
            return p
        p = outputs if self.outputs_separate_probabilities else sigmoid(outputs)
        both: Array = np.concatenate([1 - p, p], axis=-1) if p.shape[-1] == 1 else p
        return both

    @explained
    def predict_classes(
        self, x: object, batch_size: int = 256, *, scale: float | None = None
    ) -> AnyArray:
        """The most probable class of each sample, as integers (m,).

        If classes do not exclude each other: 1 or 0 for each, (m, classes). Raises as
        predict_proba.
        """
        exclusive = self._exclusive("predict_classes")
        outputs = self.predict(x, batch_size, scale=scale)
        if exclusive:
            classes: AnyArray = np.argmax(outputs, axis=-1)
            return classes
        chosen: AnyArray = outputs > (0.5 if self.outputs_separate_probabilities else 0)
        return (chosen[..., 0] if chosen.shape[-1] == 1 else chosen).astype(np.intp)

    def _exclusive(self, method: str) -> bool:
        """Whether each sample has exactly one class. Raises ShapeError for outputs that are not
        class scores.
        """
        self.require_built()
        separate = self.outputs_separate_probabilities
        exclusive = not separate if self.exclusive_classes is None else self.exclusive_classes
        shape = self.output_shape
        if (
            len(parts(shape)) > 1
            or len(shape) not in (1, 2)
            or (shape[-1] < 2 and exclusive and not separate)
        ):
            raise ShapeError(
                f"{type(self).__name__}.{method}: expected a model with a score for each of two or "
                f"more classes, or one trained with BinaryCrossEntropy, got outputs of shape "
                f"{describe_batch(shape)}: use predict"
            )
        return exclusive and shape[-1] > 1

    @property
    def outputs_probabilities(self) -> bool:  # type: ignore[override]
        return all(layer.outputs_probabilities for layer in self.last_layers)

    @property
    def outputs_log_probabilities(self) -> bool:  # type: ignore[override]
        return all(layer.outputs_log_probabilities for layer in self.last_layers)

    @property
    def outputs_separate_probabilities(self) -> bool:  # type: ignore[override]
        return all(layer.outputs_separate_probabilities for layer in self.last_layers)

    def summary(self) -> None:
        """Print a table of the layers, their output shapes and their numbers of parameters."""
        print(summary_table(self))

    def _repr_html_(self) -> str | None:
        return summary_html(self) if self.built else None  # then a notebook shows the text

    def save(self, path: StrPath) -> None:
        """Write architecture and parameters to one .npz file, atomically."""
        save_model(self, path)

    def to_onnx(self, path: StrPath) -> None:
        """Write the model to an ONNX file; see `minitorch_np.to_onnx`."""
        # By name, since the exporter imports all layers, which import this module.
        importlib.import_module("minitorch_np.exchange").to_onnx(self, path)

    @classmethod
    def load(cls, path: StrPath, custom_layers: Iterable[type[Layer]] = ()) -> Self:
        """A model from a file that `save` wrote.

        User-defined layers are found among `custom_layers`, or by their name in the module that
        they were defined in, if it is already imported: loading a file never imports anything.
        Raises ModelFileError for a file that is damaged, incomplete, of a newer format, or names a
        layer that is not found.
        """
        return load_model(path, cls, custom_layers)
