"""Does `diagnose` find each planted problem at its place, and nothing in healthy networks?

Problems are planted in networks of all activations and several depths; each has to be found with
its kind and its path. Then healthy networks of all activations and depths of 1 to 8 are trained,
and convolutional networks are initialized; none of these should be reported.

    python -m benchmarks.illnesses
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array

SMOOTH = ("relu", "relu6", "gelu", "silu", "mish", "hard_swish", "softplus")
"""Activations whose units can be dead."""

BOUNDED = ("sigmoid", "tanh", "hard_sigmoid", "relu6")
"""Activations whose units can be stuck at their upper bound."""

ALL = (*SMOOTH, "leaky_relu", "elu", "selu", "sigmoid", "tanh", "hard_sigmoid")

DEPTHS = (1, 2, 3, 5, 8)

LEARNS = {"sigmoid": 3, "hard_sigmoid": 2}
"""Plain networks of these that are deeper than this do not learn, and are not healthy."""

UNITS = 20


def main() -> None:
    """Diagnose networks with planted problems and healthy ones; print."""
    digits = mt.data.load_mnist()
    x, y = digits.train.features()[:4000], digits.train.labels[:4000]
    found = total = 0
    for words, model, path, kind in planted(x, y):
        total += 1
        seen = [f for f in mt.diagnose(model, x, y).ill if (f.path, f.kind) == (path, kind)]
        found += bool(seen)
        if not seen:
            print(f"NOT FOUND: {kind} at {path} of {words}: {mt.diagnose(model, x, y).words}")
    print(f"planted illnesses named at the right layer: {found} of {total}")
    complaints = networks = 0
    for words, said in healthy(x, y):
        networks += 1
        complaints += bool(said)
        if said:
            print(f"COMPLAINT: {words}: {said}")
    print(f"healthy networks with a complaint: {complaints} of {networks}")


def chain(activation: str, depth: int, seed: int = 0) -> mt.Sequential:
    """A plain network with `depth` hidden layers."""
    hidden: list[mt.Layer | str] = []
    for _ in range(depth):
        hidden += [mt.Dense(UNITS, weight_initializer="he_uniform"), activation]
    return mt.Sequential(*hidden, mt.Dense(10), input_shape=784, seed=seed)


def planted(x: Array, y: object) -> Iterator[tuple[str, mt.Sequential, str, str]]:
    """Networks with one problem each: description, network, path and kind of the problem."""
    rng = np.random.default_rng(0)
    for activation in ALL:
        for depth in DEPTHS:
            place = int(rng.integers(depth)) * 2
            words = f"{depth} layers of {activation}"
            shift = {"dead": -300.0, "stuck": 300.0}
            kinds = ["dead"] * (activation in SMOOTH) + ["stuck"] * (activation in BOUNDED)
            for kind in kinds:
                model = chain(activation, depth)
                model.named_parameters()[f"{place}.bias"][: UNITS // 3] = shift[kind]
                yield words, model, str(place + 1), kind
            model = chain(activation, depth)
            weight, bias = (model.named_parameters()[f"{place}.{k}"] for k in ("weight", "bias"))
            weight[1 : UNITS // 2], bias[1 : UNITS // 2] = weight[0], bias[0]
            yield words, model, str(place + 1), "identical"
            if activation in ("relu", "relu6", "hard_swish"):
                model = chain(activation, depth)
                inputs = mt.Sequential(*model.layers[: place + 1]).forward(x[:512])[0]
                bias = model.named_parameters()[f"{place}.bias"]
                few = int(0.6 * UNITS)
                edge = -3.0 if activation == "hard_swish" else 0.0
                bias[:few] -= np.quantile(inputs[:, :few], 0.987, axis=0) - edge
                yield words, model, str(place + 1), "idle"
    yield from deep(x, y)


def deep(x: Array, y: object) -> Iterator[tuple[str, mt.Sequential, str, str]]:
    """Vanishing and exploding gradients, nested units, dead outputs, lost classes."""
    for depth in (5, 8, 10):
        layers: list[mt.Layer | str] = []
        for _ in range(depth):
            layers += [mt.Dense(UNITS), "sigmoid"]
        model = mt.Sequential(*layers, mt.Dense(10), input_shape=784, seed=0)
        yield f"{depth} layers of sigmoid", model, "0", "vanishing gradient"
        model = chain("relu", depth)
        for place in range(2, 2 * depth, 2):
            model.named_parameters()[f"{place}.weight"][:] *= 6
        yield f"{depth} layers of relu with large weights", model, "0", "exploding gradient"
    for activation in SMOOTH:
        nested = mt.Residual(mt.Dense(UNITS), activation, mt.Dense(UNITS))
        model = mt.Sequential(mt.Dense(UNITS), nested, mt.Dense(10), input_shape=784, seed=0)
        model.named_parameters()["1.0.0.bias"][: UNITS // 3] = -300
        yield f"a Residual with {activation}", model, "1.0.1", "dead"
    for unit in (0, 4, 9):
        model = mt.notes_network("relu", "relu", seed=unit)
        model.named_parameters()["2.bias"][unit] = -300
        yield "relu + relu", model, "3", "dead"
        model = mt.notes_network("relu", seed=unit)
        mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.005), seed=0).fit(x, y, epochs=3)
        model.named_parameters()["2.bias"][unit] = -300
        yield "the notes' network", model, "2", "lost class"


def healthy(x: Array, y: object) -> Iterator[tuple[str, list[str]]]:
    """Trained plain networks and initialized convolutional ones, each with its problems."""
    for activation in ALL:
        for depth in DEPTHS:
            if depth <= LEARNS.get(activation, 8):
                model = chain(activation, depth, seed=depth)
                watch = mt.Diagnostics(x, np.asarray(y))
                trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.002), seed=0)
                trainer.fit(x, y, epochs=6, callbacks=[watch])
                yield f"{depth} layers of {activation}", watch.words
    images = x.reshape(-1, 1, 28, 28)
    for seed in range(5):
        yield f"LeNet-5, seed {seed}", mt.diagnose(mt.lenet5(seed=seed), images, y).words
        tanh = mt.lenet5("tanh", pool="average_pool2d", seed=seed)
        yield f"LeNet-5 of tanh, seed {seed}", mt.diagnose(tanh, images, y).words
        deeper = mt.Sequential(
            *(mt.Conv2D(8, 3, padding="same"), "relu", "max_pool2d(2)"),
            *(mt.Conv2D(16, 3, padding="same"), mt.BatchNorm(), "relu", "max_pool2d(2)"),
            *(mt.Residual(mt.Conv2D(16, 3, padding="same"), "relu"), mt.GlobalAveragePool2D()),
            mt.Dense(10),
            input_shape=(1, 28, 28),
            seed=seed,
        )
        yield f"a residual network, seed {seed}", mt.diagnose(deeper, images, y).words


if __name__ == "__main__":
    main()
