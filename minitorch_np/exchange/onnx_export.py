"""Models as ONNX files (extra `onnx`), which onnxruntime, browsers and phones run.

Each layer is written as the ONNX operators that compute its prediction: one operator if possible,
several for SiLU, Mish, GELU and the like. `onnx_writers` has a function for each layer; one for a
user-defined layer is registered in the same way. Parameters keep their names; those of a shared
layer are stored once. The architecture is also in the file's metadata, so that `from_onnx` returns
the same model.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import minitorch_np.exchange.onnx_writers  # noqa: F401  # registers them
from minitorch_np.arrays import StrPath, parts
from minitorch_np.core.graph import Graph as Network
from minitorch_np.core.layer import Layer
from minitorch_np.core.model_file import encode_layer
from minitorch_np.errors import ConfigurationError, optional
from minitorch_np.exchange.masks import refuse_masks
from minitorch_np.exchange.onnx_graph import Graph, write_layer
from minitorch_np.io.atomic import replacing
from minitorch_np.signature import explained
from minitorch_np.validation import instance, require
from minitorch_np.validation import path as path_of

OPSET, IR_VERSION = 17, 10
"""The versions of the operators and of the file, supported by runtimes since 2023."""

ARCHITECTURE = "minitorch_np.architecture"
"""The entry of the metadata that describes the model's layers as JSON."""


@explained
def to_onnx(model: Layer, path: StrPath) -> None:
    """Write a built model to an ONNX file: float32, opset 17, any batch size.

    The inputs and outputs of a Graph keep their names, those of other models are "input" and
    "output". Raises MissingExtraError without the library onnx, NotBuiltError for a model that is
    not built, OSError, and ConfigurationError, naming the layer, for one that has no writer.
    """
    target = path_of("to_onnx", "path", path)
    content = onnx_model(model).SerializeToString()
    with replacing(target) as file:
        file.write(content)


def onnx_model(model: Layer) -> Any:
    """The model as an `onnx.ModelProto`. Raises as `to_onnx`."""
    onnx = optional("onnx", "onnx", "to_onnx")
    instance("to_onnx", "model", model, Layer)
    model.require_built()
    refuse_masks(model, "to_onnx")
    owners = model.owners("parameter_names", "buffer_names")
    names = {(id(layer), key): name for name, layer, key in reversed(owners)}
    graph = Graph(onnx, names)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    given: tuple[str, ...] = ("input",)
    wanted: tuple[str, ...] = ("output",)
    if isinstance(model, Network):
        given, wanted = model.input_names, model.output_names
    both = sorted({*given} & {*wanted})
    require(not both, "to_onnx", "other names for outputs than for inputs", ", ".join(both))
    written = write_layer(graph, model, given if given[1:] else given[0], "")
    for made, name in zip(written if wanted[1:] else (written,), wanted, strict=True):
        graph.nodes.append(helper.make_node("Identity", [made], [name], name=name))

    def values(names: tuple[str, ...], shapes: Any) -> list[Any]:
        pairs = zip(names, parts(shapes), strict=True)
        return [helper.make_tensor_value_info(n, kind, ["batch", *shape]) for n, shape in pairs]

    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(model).__name__,
            values(given, model.input_shape),
            values(wanted, model.output_shape),
            [onnx.numpy_helper.from_array(a, name) for name, a in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minitorch_np",
        producer_version=vars(sys.modules["minitorch_np"])["__version__"],  # imports this module
    )
    with contextlib.suppress(ConfigurationError):  # an initializer may be a function
        description = {"model": encode_layer(model), "input_shape": model.input_shape}
        helper.set_model_props(made, {ARCHITECTURE: json.dumps(description)})
    onnx.checker.check_model(made)
    return made
