"""Random models of all our layers and losses, to look for false alarms of the gradient check.

A model is drawn as a text, from a grammar: `{layer}` stands for one of its alternatives. What does
not fit (a convolution on a row of features, a residual path that changes the shape) is found by
trying it, and drawn again; so the tables below need no conditions, and a layer that is added to the
package takes part by itself if its constructor needs no arguments.

The data and the parameters are what users have, special by accident: zeros, ties, one row, dead
units. `description` is a call of `assemble` that makes the same model again: to find out what
matters in one that fails, change it by hand.
"""

import math
import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array, Generator, Shape
from minitorch_np.core.composite import Composite
from minitorch_np.gradcheck.registry import components


class RandomModel(NamedTuple):
    """A built model, and all that `mt.gradcheck` takes with it."""

    model: mt.Sequential
    x: Array
    targets: AnyArray
    loss: mt.Loss
    sample_weight: Array | None
    seed: int
    description: str


def random_model(seed: int) -> RandomModel:
    """The model, data and loss of this number: finite, forwards and backwards."""
    rng = np.random.default_rng(seed)
    while True:  # until the end fits, and nothing is infinite
        shape = pick(rng, SHAPES)
        indices = rng.random() < 0.12 and math.prod(shape) <= 8
        body, shape_out = grow(rng, shape, int(rng.integers(1, 7)), indices)
        words = Words(rng, shape_out)
        for _ in range(5):
            targets = pick(rng, list(ENDS))
            head, loss = pick(rng, ENDS[targets].split(" | ")).format_map(words).split(" > ")
            try:
                made = assemble(
                    seed=seed,
                    layers=", ".join(filter(None, [*body, words["neck"], head.strip()])),
                    shape=shape,
                    dtype=pick(rng, ("float64", "float64", "float32")),
                    rows=pick(rng, (1, 2, 2, 3, 4, 5, 8)),
                    x=pick(rng, INPUTS),
                    loss=loss,
                    targets=targets,
                    sample_weight=pick(rng, SAMPLE_WEIGHTS),
                    parameters=pick(rng, PARAMETERS),
                    steps=pick(rng, (0, 0, 0, 3)),
                    frozen=rng.random() < 0.05,
                )
            except MISFITS:
                continue
            if is_finite(made):
                return made


def assemble(
    seed: int, layers: str, shape: Shape, dtype: str, rows: int, **texts: Any
) -> RandomModel:
    """What a description says: texts are Python, for `rng` and what the tables below name."""
    given = {"seed": seed, "layers": layers, "shape": shape, "dtype": dtype, "rows": rows, **texts}
    lines = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    rng = np.random.default_rng([seed, 1])
    model = evaluate(f"Sequential({layers})")
    model.initialize(shape, rng=rng, dtype=dtype)
    x = evaluate(texts["x"], rng=rng, rows=rows, shape=(rows, *shape))
    if model.index_limit:
        x = np.floor(np.abs(x) * 3) % model.index_limit
    x, loss = x.astype(dtype), evaluate(texts["loss"])
    targets = evaluate(texts["targets"], rng=rng, rows=rows, shape=(rows, *model.output_shape))
    weights = evaluate(texts["sample_weight"], rng=rng, rows=rows)
    loss.check_model(model)
    loss.prepare(targets, model.output_shape)
    change(model, texts["parameters"], rng)
    trainer = mt.Trainer(model, loss, mt.SGD(0.05, clip_norm=1.0), seed=rng)
    for _ in range(texts["steps"]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "fit: x: expected inputs of about size 1")
            trainer.fit(x, targets, batch_size=None, sample_weight=weights)
    pick(rng, model.layers).trainable = not texts["frozen"]
    return RandomModel(model, x, targets, loss, weights, seed, f"assemble(\n{lines})")


def change(model: mt.Sequential, text: str, rng: Generator) -> None:
    """Set each parameter to what the text makes of it."""
    owners = model.parameter_owners()
    chosen = pick(rng, owners)[1] if owners else None
    for _, layer, name in owners:
        p = getattr(layer, name).reshape(len(getattr(layer, name)), -1)
        p[...] = evaluate(text, p=p, name=name, chosen=layer is chosen, rng=rng)


def grow(
    rng: Generator, shape: Shape, length: int, indices: bool = False, nest: int = 0
) -> tuple[list[str], Shape]:
    """Pieces of a model for samples of `shape`, and the shape that comes out of the last."""
    parts: list[str] = []
    word = "piece" if nest < NESTED else "plain"
    while len(parts) < length:
        first = indices and not parts
        part = Words(rng, shape, nest)["start" if first else word]
        after = shape_after(part, np.zeros((3, *shape)) if first else rng.normal(size=(3, *shape)))
        if after:
            parts, shape = [*parts, part], after
    return parts, shape


def shape_after(layers: str, x: Array) -> Shape | None:
    """The shape of one output of these layers; None if they do not fit, or are large."""
    rng = np.random.default_rng(0)
    try:
        model = evaluate(f"Sequential({layers})")
        model.initialize(x.shape[1:], rng=rng, dtype=x.dtype)
        model.forward(x, train=True, rng=rng)
    except MISFITS:
        return None
    shape: Shape = model.output_shape
    return shape if math.prod(shape) <= 120 and model.count_parameters() <= 120 else None


def evaluate(text: str, **names: Any) -> Any:
    """What a text makes, with our public names, NumPy and these."""
    return eval(text, {**vars(mt), "np": np, **names})


def run(made: RandomModel, train: bool = True) -> tuple[float, dict[str, Array]]:
    """The loss, and its gradients by the names of the parameters and, unless it is indices, "x"."""
    y, cache = made.model.forward(made.x, train=train, rng=np.random.default_rng(made.seed))
    value, loss_cache = made.loss.forward(y, made.targets, made.sample_weight)
    dx, gradients = made.model.backward(made.loss.backward(loss_cache), cache)
    assert dx is not None
    return value, gradients if made.model.index_limit else {**gradients, "x": dx}


def in_float64(made: RandomModel) -> RandomModel:
    """A copy whose model computes in float64, with the same parameters."""
    model = deepcopy(made.model)
    model.initialize(model.input_shape, rng=np.random.default_rng(0), dtype=np.float64)
    model.load_state_dict(made.model.state_dict())
    return made._replace(model=model, x=made.x.astype(np.float64))


def is_finite(made: RandomModel) -> bool:
    """Whether the loss and all gradients are numbers, when training and when predicting."""
    exact = in_float64(made)
    with np.errstate(all="ignore"):
        runs = [run(exact, train) for train in (True, False)]
        return all(np.isfinite(each).all() for v, g in runs for each in (np.array(v), *g.values()))


def pick(rng: Generator, options: Sequence[Any]) -> Any:
    """One of them."""
    return options[int(rng.integers(len(options)))]


class Words:
    """What the words in braces stand for, where samples of `shape` arrive."""

    def __init__(self, rng: Generator, shape: Shape, nest: int = 0) -> None:
        self.rng, self.shape, self.nest = rng, shape, nest

    def __getitem__(self, word: str) -> str:
        if word == "same":  # as many features or channels as arrive
            return str(self.shape[0])
        if word == "chain":
            length = int(self.rng.integers(1, 4))
            return ", ".join(grow(self.rng, self.shape, length, nest=self.nest + 1)[0])
        pattern = GRAMMAR[word] if word in GRAMMAR else ARGUMENTS.get(word, "")
        made: str = pick(self.rng, pattern.split(" | ")).format_map(self)
        return made if word in GRAMMAR else f"{word}({made})"


NESTED = 2
"""How deep a container may be inside of others."""

MISFITS = (mt.ShapeError, mt.DataError, mt.ConfigurationError, mt.DivergenceError)

SHAPES: tuple[Shape, ...] = (
    *((1,), (2,), (3,), (4,), (5,), (8,), (2, 3), (4, 2), (1, 3), (3, 1)),
    *((1, 4, 4), (2, 4, 3), (1, 6, 6), (4, 3, 3), (2, 1, 1), (1, 5, 5), (2, 3, 4), (3, 4, 4)),
)

ARGUMENTS = {
    "Dense": "{n} | {n} | {same} | {n}, use_bias=False | {n}, bias_initializer='normal'",
    "Conv2D": "{n}, {window} | {n}, {window}, {step}, {padding} | {n}, 2, 1, 'same', {n}"
    " | {same}, {window}, padding='same', groups={same} | 4, 2, padding=1, groups=2",
    "Conv1D": "{n}, {width} | {n}, {width}, 2, 1 | {same}, 3, padding='same', groups={same}",
    "ConvTranspose1D": "{n}, {width} | {n}, {width}, 2, 1, 1 | {same}, 2, groups={same}",
    "ConvTranspose2D": "{n}, {window} | {n}, 2, {step} | {same}, 3, 2, 1, 1, groups={same}",
    "MaxPool1D": " | {width} | 3, 2, 'same' | 2, 1",
    "AveragePool1D": " | {width} | 3, 2, 1 | 2, 1",
    "GlobalAveragePool1D": " | axis=1",
    "UpSampling2D": " | {window}",
    "ZeroPadding": " | 2 | [(2, 0)] | [1, (0, 1)]",
    "GroupNorm": "1 | 2 | {same} | 1, epsilon=0.1",
    "SimpleRNN": "1 | 2 | 2, True | 2, True, True | 3, activation='relu'",
    "LSTM": "1 | 2 | 2, True | 2, True, True",
    "GRU": "1 | 2 | 2, True | 2, True, True",
    "Bidirectional": "'lstm(1)' | GRU(1, True) | SimpleRNN(2, True)",
    "MultiHeadAttention": "1 | 1, True | 2, True | 2, key_value_heads=1, dropout=0.2",
    "TransformerBlock": "1, 2 | 1, 3, 0.2, 'swiglu'",
    "Unembedding": "Embedding(4, {same})",
    "RMSNorm": " |  | epsilon=0.1",
    "GLU": " | 'silu' | 'gelu' | 'tanh'",
    "SpatialDropout": " | 0.2 | 0.9",
    "PositionalEmbedding": " | 0.02",
    "SinusoidalPositions": " | 5.0",
    "RotaryPositions": " | 5.0",
    "MaxPool2D": " | {window} | 3, {step}, {padding} | 2, 1",
    "AveragePool2D": " | {window} | 3, {step}, {padding} | 2, 1",
    "BatchNorm": " |  | momentum=1.0 | epsilon=0.1",
    "LayerNorm": " |  | 2 | 3 | epsilon=0.1",
    "Dropout": " | 0.0 | 0.2 | 0.9",
    "Reshape": "(-1,) | (1, -1) | (-1, 1) | (2, -1) | (1, 1, -1) | ({same}, -1, 1)",
    "Embedding": "4, {n} | 1, {n} | 30, {n}",
    "ELU": " |  | 0.3 | 1.7",
    "LeakyReLU": " |  | 0 | 0.3 | 1",
    "PReLU": " |  | per_channel=True | -0.5 | 0 | 1",
    "Softplus": " | 0.5 | 20",
    "GELU": " | approximate='tanh'",
    "Sequential": "{chain}",
    "Residual": "{chain} | {chain}, shortcut={layer} | s := {layer}, shortcut=s"
    " | {chain}, {Dense}, {activation}, Dense({same})"
    " | Conv2D({same}, {window}, padding='same'), {activation}",
    "Add": "{activation}, {activation}, {activation} | Sequential({chain}), {activation}"
    " | Sequential({chain}, Dense(2)), Sequential({chain}, Dense(2)) | s := {layer}, s"
    " | Sequential({chain}, Flatten(), Dense(3)), Sequential(Flatten(), Dense(3))",
    "Concatenate": "Sequential({chain}), Sequential({chain}) | Sequential({chain}), {activation}"
    " | {activation}, {layer}, axis=-1 | Sequential({chain}), s := {layer}, s",
}
"""The alternatives for the arguments of a layer; a layer that is not listed has none."""

# A Graph is composed with the shapes of its inputs; tests/test_graph.py has some.
# Masking has a jump where a step is all zeros, as steps of these models' data often are.
LEFT_OUT = (mt.Graph, mt.Masking)
CLASSES = [cls for cls in components() if issubclass(cls, mt.Layer) and cls not in LEFT_OUT]
BENT = (mt.Activation, mt.PReLU)


def _words(kind: Any, but: Any = ()) -> str:
    """Our layers of one kind, as alternatives."""
    own = [cls for cls in CLASSES if issubclass(cls, kind) and not issubclass(cls, but)]
    return " | ".join(f"{{{cls.__name__}}}" for cls in own)


GRAMMAR = {
    "piece": "{plain} | {plain} | {plain} | {container} | {twice}",
    "plain": "{layer} | {layer} | {activation} | {activation} | {idiom}",
    "layer": _words(mt.Layer, but=(*BENT, Composite))
    + 4 * " | {Conv2D} | {MaxPool2D} | {AveragePool2D} | {Dense} | {BatchNorm}",
    "activation": _words(BENT) + " | {ReLU} | {ReLU} | {ELU} | {Sigmoid}",
    "container": _words(Composite),
    "idiom": "Dense({n}), BatchNorm(), {activation} | ReLU(), BatchNorm() | ReLU(), MaxPool2D()"
    " | {Conv2D}, ReLU(), {MaxPool2D} | Dense(2), LayerNorm() | {activation}, {Dropout}, {Dense}",
    "twice": "s := Dense({same}), {activation}, s | s := BatchNorm(), {chain}, s"
    " | s := Conv2D({same}, 3, padding='same'), {activation}, s | s := LayerNorm(), {activation}, s"
    " | s := {activation}, {chain}, s | s := Residual({chain}), {activation}, s",
    "start": "{Embedding} | {Embedding}, Flatten() | Reshape((-1, 1)), {Embedding}, Flatten()"
    " | Concatenate(s := Embedding(4, {n}), Embedding(4, 1), s, axis=-1)"
    " | s := Embedding(4, {n}), {activation}, Unembedding(s)"
    " | Add(Embedding(4, 2), Sequential(Embedding(4, 2), LayerNorm()))",
    "neck": " |  | Dense({n}) | Flatten(), Dense({n}) | GlobalAveragePool2D() | {Sequential}",
    "n": "1 | 2 | 3 | 5",
    "width": "1 | 2 | 2 | 3",
    "window": "1 | 2 | 2 | 3 | (1, 3) | (3, 2)",
    "step": "1 | 2 | (2, 1)",
    "padding": "0 | 1 | 'same' | (1, 0)",
}
"""What the other words in braces stand for: alternatives, of which some stand twice."""

ENDS = {
    "rng.integers(shape[1], size=rows)": " > SoftmaxCrossEntropy()"
    " |  > SoftmaxCrossEntropy(label_smoothing=0.1) | LogSoftmax() > SoftmaxCrossEntropy()"
    " | Dense(2) > SoftmaxCrossEntropy(class_weights=[1, 0.5]) | Softmax() > CrossEntropy()",
    "rng.integers(-1, shape[1], size=rows)": " > SoftmaxCrossEntropy(ignore_index=-1)"
    " | Dense(3) > SoftmaxCrossEntropy(0.1, class_weights=[1, 2, 0.3], ignore_index=-1)",
    "np.eye(shape[1])[rng.integers(shape[1], size=rows)]": "Dense(10) > SoftmaxCrossEntropy()"
    " | Softmax() > CrossEntropy() | {Dense}, LogSoftmax() > KLDivergence()",
    "rng.dirichlet(np.ones(shape[1]), size=rows)": "LogSoftmax() > KLDivergence()"
    " | {Dense}, Softmax() > CrossEntropy()"
    " | Dense(3) > SoftmaxCrossEntropy(0.3, class_weights=[2, 0, 1])",
    "rng.integers(2, size=shape)": " > BinaryCrossEntropy() | Sigmoid() > MeanSquaredError()",
    "rng.integers(2, size=rows)": "Sigmoid(), Dense(1) > BinaryCrossEntropy()",
    "rng.random(shape)": " > BinaryCrossEntropy()",
    "rng.normal(size=shape)": " > MeanSquaredError() |  > MeanAbsoluteError() |  > Huber()"
    " | {Dense} > NormalKL() | Dense(4) > NormalKL()",
    "rng.normal(size=rows)": "Dense(1) > MeanSquaredError() | Dense(1) > MeanAbsoluteError()",
    "np.zeros(shape)": " > MeanSquaredError() |  > MeanAbsoluteError() |  > Huber(0.01)"
    " | Dense(2) > NormalKL()",
}
"""Targets for outputs of `shape`; for each what the model may end in, and the loss."""

INPUTS = (
    *("rng.normal(size=shape)", "rng.normal(size=shape) * 1e-3", "rng.normal(size=shape) * 1e3"),
    *("rng.random(shape)", "np.zeros(shape)", "np.ones(shape)"),
    "rng.integers(-2, 3, size=shape)",  # ties
    "np.where(rng.random(shape) < 0.8, 0, rng.integers(256, size=shape) / 255)",  # like MNIST
    "np.eye(rows, np.prod(shape[1:])).reshape(shape)",  # one-hot rows
    "rng.normal(size=shape)[np.arange(rows) // 2]",  # rows that stand twice
    "rng.normal(size=(1, *shape[1:])).repeat(rows, 0)",
    "np.where(np.indices(shape)[1] == 0, 0.5, rng.normal(size=shape))",  # a constant column
)

SAMPLE_WEIGHTS = ("None", "None", "None", "rng.random(rows) + 0.1", "np.arange(1, rows + 1) % 2")

PARAMETERS = (
    *("p", "p"),  # as initialized
    "0",
    "0 if chosen else p",
    "p - 10 * (name == 'bias') * np.eye(len(p), 1)",  # the first unit of each layer is dead
    "p[:1]",  # all units are the same
    "np.eye(*p.shape) if name == 'weight' else p",
    "20 * p",  # saturated
    "np.round(2 * p)",
    "p + rng.normal(size=p.shape)",
)
"""Of each parameter as a matrix p of a unit in each row; in one layer `chosen` is true."""
