"""Networks that predict the next token of a text: a transformer and a recurrent network."""

from minitorch_np.arrays import DType, Seed
from minitorch_np.layers import (
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    PositionalEmbedding,
    Sequential,
    TransformerBlock,
    Unembedding,
)
from minitorch_np.signature import explained
from minitorch_np.validation import choice, share, whole


@explained
def gpt(
    vocabulary: int,
    context: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    *,
    dropout: float = 0.0,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A GPT: scores (m, context, vocabulary) of each next token, for tokens (m, context).

    It has an Embedding and a PositionalEmbedding, `layers` causal TransformerBlocks, a LayerNorm,
    and an output layer that shares the embedding's table. Train it with SoftmaxCrossEntropy on the
    tokens one step later; `generate` makes sequences with it. Raises ConfigurationError and
    ShapeError as these layers do. Source: Radford et al. 2019, "Language models are unsupervised
    multitask learners".
    """
    table = Embedding(vocabulary, width, 0.02)
    chain: list[Layer | str] = [table, PositionalEmbedding(0.02)]
    rate = share("gpt", "dropout", dropout)
    chain += [Dropout(rate)] if rate else []
    chain += [TransformerBlock(heads, dropout=rate) for _ in range(whole("gpt", "layers", layers))]
    chain += [LayerNorm(), Unembedding(table)]
    return Sequential(*chain, input_shape=context, seed=seed, dtype=dtype)


@explained
def char_rnn(
    vocabulary: int,
    steps: int,
    units: int = 128,
    layers: int = 1,
    *,
    cell: str = "lstm",
    dropout: float = 0.0,
    seed: Seed = None,
    dtype: DType = "float32",
) -> Sequential:
    """A recurrent network: scores (m, steps, vocabulary) of each next token, for tokens (m, steps).

    It has an Embedding of `units` numbers, `layers` recurrent layers of the kind `cell` ("lstm",
    "gru" or "simple_rnn") with Dropout after each, and a Dense layer. Train it like `gpt`;
    `generate` makes sequences of any length with it. Raises ConfigurationError for arguments out of
    range. Source: Graves 2013 (arXiv:1308.0850).
    """
    choice("char_rnn", "cell", cell, ("lstm", "gru", "simple_rnn"))
    chain: list[Layer | str] = [Embedding(vocabulary, units)]
    for _ in range(whole("char_rnn", "layers", layers)):
        chain.append(f"{cell}({units}, return_sequences=True)")
        chain += [Dropout(dropout)] if share("char_rnn", "dropout", dropout) else []
    return Sequential(*chain, Dense(vocabulary), input_shape=steps, seed=seed, dtype=dtype)
