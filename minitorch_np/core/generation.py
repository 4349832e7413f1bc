"""Generate a sequence: predict the next token, append it, repeat.

Each token is sampled from the model's probabilities. A temperature below 1 sharpens them; top-k and
top-p drop the unlikely tokens. The model runs step by step and its state is kept, so a new token
costs one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    Generator,
    Seed,
    as_batch,
    as_generator,
    parts,
    row_of_whole,
)
from minitorch_np.core.layer import Layer
from minitorch_np.core.prediction import Model, check_numbers
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.signature import explained
from minitorch_np.validation import instance, number, whole


@explained
def generate(
    model: Layer,
    prompt: Sequence[int] | AnyArray,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    rng: Seed = None,
) -> Iterator[int]:
    """Yield `length` tokens that continue `prompt`, one at a time.

    - `prompt`: a one-dimensional sequence of at least one token;
    - `temperature` t: sample from softmax(scores / t); 0 always takes the most probable token;
    - `top_k`: sample among the k most probable tokens; `top_p`: among the fewest tokens whose
      probabilities sum to at least p, after top_k (Holtzman et al. 2019, arXiv:1904.09751);
    - `rng`: a seed or a Generator.

    When the sequence outgrows the model's context (PositionalEmbedding), the model starts again
    from its later half. Raises ConfigurationError for a model that can't run step by step, or an
    argument out of range, DataError for a prompt that is empty or not one-dimensional.
    """
    whole("generate", "length", length, 0)
    number("generate", "temperature", temperature, 0)
    if top_k is not None:
        whole("generate", "top_k", top_k)
    if top_p is not None:
        number("generate", "top_p", top_p, most=1, least=0)
    ids = row_of_whole(prompt, "generate: prompt")
    if not len(ids):
        raise DataError("generate: prompt: expected a row of one or more tokens, got none")
    instance("generate", "model", model, Layer).require_built()
    ins, outs = len(parts(model.input_shape)), len(parts(model.output_shape))
    if ins > 1 or outs > 1:
        raise ConfigurationError(
            f"generate: expected a model of one input and one output, got one of {ins} and {outs}: "
            "call y, state = model.step(x, state) for each token"
        )
    if isinstance(model, Model):
        check_numbers(model, ids[np.newaxis], "generate: prompt")
    return _tokens(model, ids, length, temperature, top_k, top_p, as_generator(rng))


def _tokens(
    model: Layer,
    ids: AnyArray,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    rng: Generator,
) -> Iterator[int]:
    tokens = [int(n) for n in ids]
    limits = [layer.max_steps for layer in model.walk() if hasattr(layer, "max_steps")]
    longest = min(limits, default=None)
    state, seen = None, 0
    for _ in range(length):
        new = tokens[seen:]
        if longest is not None and len(tokens) > longest:
            tokens = new = tokens[-max(1, longest // 2) :]
            state = None
        scores, state = model.step(as_batch([new], model.dtype, "generate: prompt"), state)
        seen = len(tokens)
        last = scores[0, -1] if scores.ndim > 2 else scores[0]
        if np.isnan(last).any():
            raise DataError("generate: expected finite scores, got NaN: the model has diverged")
        if model.outputs_probabilities:
            with np.errstate(divide="ignore"):
                last = np.log(last)
        tokens.append(drawn(last, temperature, top_k, top_p, rng))
        yield tokens[-1]


def drawn(
    scores: Array, temperature: float, top_k: int | None, top_p: float | None, rng: Generator
) -> int:
    """Sample a class number from scores (logits); the parameters are those of `generate`."""
    if temperature == 0:
        return int(np.argmax(scores))
    order = np.argsort(-scores, kind="stable")[:top_k]
    logits = scores[order].astype(np.float64)
    with np.errstate(over="ignore"):  # a temperature near 0 leaves only the most probable
        p = np.exp((logits - logits[0]) / temperature)
    sums = np.cumsum(p / p.sum())
    kept = len(sums) if top_p is None else int(np.searchsorted(sums, top_p)) + 1
    sums = sums[:kept]
    return int(order[int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))])
