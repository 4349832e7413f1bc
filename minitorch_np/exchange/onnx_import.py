"""Models from ONNX files (extra `onnx`) whose operators correspond to layers of this package.

The graph is read backward, from its output to its input. Each operator, or each known group of
operators, becomes a layer; where paths join in a sum or a concatenation, they are followed back to
the tensor at which they diverged, and become branches. Anything else is refused, with the node's
name. At the end the model is compared with onnxruntime, or, if that is not installed, with onnx's
own evaluator, on random numbers.
"""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

import minitorch_np.exchange.onnx_operators  # noqa: F401  # registers them
from minitorch_np.arrays import StrPath
from minitorch_np.core.model_file import decode_layer
from minitorch_np.core.prediction import Model
from minitorch_np.core.room import room_for
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import MinitorchError, ModelFileError, optional
from minitorch_np.exchange.onnx_export import ARCHITECTURE, onnx_model
from minitorch_np.exchange.onnx_reader import ROWS, Reader
from minitorch_np.io.bounded import open_file
from minitorch_np.layers.activations import Identity
from minitorch_np.signature import explained
from minitorch_np.validation import path as path_of

CLOSE = 1e-4
"""The allowed difference of the outputs from those of onnx, in float32, over the largest one."""


@explained
def from_onnx(path: StrPath) -> Model:
    """The model in an ONNX file, in float32.

    A file written by `to_onnx` gives the same model again, a Sequential or a Graph. Others become a
    Sequential: the graph must have one input (batch, ...) of fixed sizes except for the batch; of
    several outputs the first that can be read is used.

    Raises MissingExtraError without the library onnx, FileNotFoundError, and ModelFileError for a
    file that is damaged or contains other operators, naming the node.
    """
    onnx = optional("onnx", "onnx", "from_onnx")
    place = path_of("from_onnx", "path", path)
    open_file(place).close()  # raises an OSError that names the file
    try:
        proto = onnx.load(place)
        onnx.checker.check_model(proto)
    except Exception as error:  # errors of protobuf, the checker and external data
        raise ModelFileError(
            f"{place}: expected an ONNX model, got a file that is damaged or something else "
            f"({type(error).__name__}: {str(error).splitlines()[0]:.200})"
        ) from None
    return _own(onnx, proto) or _foreign(onnx, proto, place)


def _own(onnx: Any, proto: Any) -> Model | None:
    """The model that the metadata describes, if the graph computes the same; else None."""
    described = {entry.key: entry.value for entry in proto.metadata_props}.get(ARCHITECTURE)
    if described is None:
        return None
    try:
        description = json.loads(described)
        model = decode_layer(description["model"], {})
        with _room(proto):
            shape, rng = tuple(description["input_shape"]), np.random.default_rng(0)
            model.initialize(shape, rng=rng, dtype=np.float32)
        present = model.named_parameters() | model.named_buffers()
        for tensor in proto.graph.initializer:
            if tensor.name in present:
                present[tensor.name][...] = onnx.numpy_helper.to_array(tensor)
    except Exception:
        return None  # a user-defined layer, or edited metadata: use the graph
    same = onnx_model(model).graph.SerializeToString() == proto.graph.SerializeToString()
    return model if same and isinstance(model, Model) else None


def _foreign(onnx: Any, proto: Any, path: str) -> Sequential:
    """The model that the graph of another program describes."""
    try:
        reader = Reader(onnx, proto, path)
    except ModelFileError:
        raise
    except Exception as error:  # invalid numbers, which the checker does not detect
        raise ModelFileError(
            f"{path}: expected numbers and inputs that onnx can read, got a file that is damaged "
            f"({type(error).__name__}: {error!s:.200})"
        ) from None
    errors = [ModelFileError(f"{path}: expected a graph with an output, got none")]
    for output in proto.graph.output:
        name, last = output.name, reader.nodes.get(output.name)
        if last is not None and last.op_type == "ZipMap":  # scikit-learn's probabilities as a dict
            name = last.input[0]
        try:
            layers = reader.between(reader.input, name) or [Identity()]
        except ModelFileError as error:
            errors.append(error)
            continue
        try:
            with _room(proto):
                model = Sequential(*layers, input_shape=reader.input_shape, seed=0)
            for layer, weights in reader.weights:
                layer.load_state_dict(weights)
        except MinitorchError as error:
            raise ModelFileError(f"{path}: expected matching shapes: {error}") from None
        _compare(reader, model, name)
        return model
    raise errors[-1]


def _room(proto: Any) -> AbstractContextManager[None]:
    """A context that limits the size of a model that is built to about that of the file."""
    numbers = sum(math.prod(tensor.dims) for tensor in proto.graph.initializer)
    return room_for(numbers + proto.ByteSize() + 2**20)


def _compare(reader: Reader, model: Sequential, output: str) -> None:
    """Raise ModelFileError unless model and graph agree on random inputs."""
    rng = np.random.default_rng(0)
    shape = (2 if reader.rows == ROWS else reader.rows, *model.input_shape)
    x = rng.normal(size=shape)
    if model.index_limit:
        x = rng.integers(model.index_limit, size=shape).astype(float)
    expected, found = reader.run(output, x), model(x.astype(np.float32))
    far = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not far <= CLOSE * max(1.0, np.abs(expected).max()):
        raise ModelFileError(
            f"{reader.path}: expected layers that compute the same as the graph, got outputs of "
            f"shape {found.shape} for {expected.shape}, which differ by up to {far:.1g}"
        )
