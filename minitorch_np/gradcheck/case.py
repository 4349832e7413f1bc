"""One case: an object to check, and the form of its inputs."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, parts
from minitorch_np.gradcheck.check import gradcheck
from minitorch_np.gradcheck.made_up import made_up_for, made_up_inputs
from minitorch_np.gradcheck.packed import as_one, unpack
from minitorch_np.gradcheck.report import GradientCheck
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss


class Case(NamedTuple):
    """An object to check and the inputs to check it on.

    - `shape` of one sample, or for a loss, of its scores; a tuple of shapes for several inputs;
    - `targets` for a loss: "labels", "one-hot" or "rows" that add up to 1; "numbers" of both signs
      or "shares" from 0 to 1, in the scores' shape;
    - `scale` is the size of a layer's inputs;
    - `weighted` gives the samples of a loss different weights, one of them 0.
    """

    obj: Layer | Loss
    shape: Any = (5,)
    samples: int = 4
    targets: str = "labels"
    weighted: bool = False
    scale: float = 1.0

    def check(self, seed: int = 0, mode: str = "auto") -> GradientCheck:
        """Run the check. The same seed gives the same inputs."""
        rng = np.random.default_rng(seed)
        if isinstance(self.obj, Loss):
            with np.errstate(all="ignore"):  # some of the inputs tried may not suit the loss
                x, labels = made_up_for(self.obj, rng, self.shape, self.samples)
            targets = self._targets(labels, rng)
            weights = np.arange(self.samples) * 0.7 if self.weighted else None
            return gradcheck(self.obj, x, targets, mode=mode, seed=seed, sample_weight=weights)
        built = copy.deepcopy(self.obj)
        built.initialize(self.shape, rng=np.random.default_rng(seed), dtype=np.float64)
        x = self.scale * made_up_inputs(as_one(built), rng, self.samples)
        inputs = parts(built.input_shape)
        return gradcheck(built, unpack(x, inputs) if inputs[1:] else x, mode=mode, seed=seed)

    def _targets(self, labels: AnyArray, rng: np.random.Generator) -> AnyArray:
        if self.targets == "labels":
            return labels
        if self.targets == "one-hot":
            return np.eye(self.shape[-1])[labels]
        if self.targets == "rows":
            return rng.dirichlet(np.ones(self.shape[-1]), (self.samples, *self.shape[:-1]))
        size = (self.samples, *self.shape)
        return rng.normal(size=size) if self.targets == "numbers" else rng.uniform(size=size)
