"""Layers and PyTorch's modules that compute the same, and what PyTorch gave.

`python -m tests.torch_cases` writes PyTorch's outputs and gradients to a file, so that they are
compared where PyTorch is not installed too. It draws nothing itself: numbers come from NumPy's
generator, whose stream is the same everywhere.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Shape

VALUES = Path(__file__).parent / "fixtures" / "torch_values.npz"


class TorchCase(NamedTuple):
    """Our layer, what makes PyTorch's of `torch`, and the shape of a batch for both."""

    ours: Callable[[], mt.Layer]
    theirs: Callable[[Any], Any]
    shape: Shape


CASES = {
    "dense": TorchCase(lambda: mt.Dense(6), lambda t: t.nn.Linear(5, 6), (3, 4, 5)),
    "rms_norm": TorchCase(lambda: mt.RMSNorm(1e-3), lambda t: t.nn.RMSNorm(5, eps=1e-3), (3, 4, 5)),
    "rms_norm_rows": TorchCase(lambda: mt.RMSNorm(), lambda t: t.nn.RMSNorm(5, eps=1e-6), (3, 5)),
    "group_norm": TorchCase(
        lambda: mt.GroupNorm(2, 1e-3), lambda t: t.nn.GroupNorm(2, 4, 1e-3), (3, 4, 3, 2)
    ),
    "group_norm_of_series": TorchCase(
        lambda: mt.GroupNorm(4), lambda t: t.nn.GroupNorm(4, 4), (3, 4, 5)
    ),
    "glu": TorchCase(lambda: mt.GLU(), lambda t: t.nn.GLU(), (3, 4, 6)),
    "conv1d": TorchCase(lambda: mt.Conv1D(6, 3), lambda t: t.nn.Conv1d(4, 6, 3), (3, 4, 8)),
    "conv1d_options": TorchCase(
        lambda: mt.Conv1D(6, 3, 2, 2, 2, 2), lambda t: t.nn.Conv1d(4, 6, 3, 2, 2, 2, 2), (3, 4, 8)
    ),
    "conv1d_same": TorchCase(
        lambda: mt.Conv1D(6, 5, padding="same", use_bias=False),
        lambda t: t.nn.Conv1d(4, 6, 5, padding="same", bias=False),
        (3, 4, 8),
    ),
    "conv_transpose1d": TorchCase(
        lambda: mt.ConvTranspose1D(6, 3), lambda t: t.nn.ConvTranspose1d(4, 6, 3), (3, 4, 5)
    ),
    "conv_transpose1d_options": TorchCase(
        lambda: mt.ConvTranspose1D(6, 3, 2, 1, 1, 2, 2),
        lambda t: t.nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, dilation=2),
        (3, 4, 5),
    ),
    "conv_transpose1d_with_room_for_another_place": TorchCase(
        lambda: mt.ConvTranspose1D(6, 2, 1, 0, 1, 2),
        lambda t: t.nn.ConvTranspose1d(4, 6, 2, 1, 0, 1, dilation=2),
        (3, 4, 5),
    ),
    "conv_transpose2d": TorchCase(
        lambda: mt.ConvTranspose2D(6, (3, 2), 2),
        lambda t: t.nn.ConvTranspose2d(4, 6, (3, 2), 2),
        (3, 4, 5, 3),
    ),
    "conv_transpose2d_options": TorchCase(
        lambda: mt.ConvTranspose2D(6, 3, (2, 3), (1, 0), (1, 2), (2, 1), 2, use_bias=False),
        lambda t: t.nn.ConvTranspose2d(
            4, 6, 3, (2, 3), (1, 0), (1, 2), 2, bias=False, dilation=(2, 1)
        ),
        (3, 4, 4, 3),
    ),
    "max_pool1d": TorchCase(
        lambda: mt.MaxPool1D(3, 2, 1), lambda t: t.nn.MaxPool1d(3, 2, 1), (3, 4, 9)
    ),
    "average_pool1d": TorchCase(
        lambda: mt.AveragePool1D(3, 2, 1),
        lambda t: t.nn.AvgPool1d(3, 2, 1, count_include_pad=False),
        (3, 4, 9),
    ),
    "global_average_pool1d": TorchCase(
        lambda: mt.GlobalAveragePool1D(),
        lambda t: t.nn.Sequential(t.nn.AdaptiveAvgPool1d(1), t.nn.Flatten()),
        (3, 4, 5),
    ),
    "up_sampling2d": TorchCase(
        lambda: mt.UpSampling2D((2, 3)), lambda t: t.nn.Upsample(scale_factor=(2, 3)), (2, 3, 2, 4)
    ),
    "attention": TorchCase(
        lambda: mt.MultiHeadAttention(2), lambda t: _attention(t, causal=False), (3, 5, 6)
    ),
    "causal_attention": TorchCase(
        lambda: mt.MultiHeadAttention(2, causal=True), lambda t: _attention(t), (3, 5, 6)
    ),
    "block": TorchCase(
        lambda: mt.TransformerBlock(2, 7, causal=False),
        lambda t: t.nn.TransformerEncoderLayer(
            6, 2, 7, 0.0, "gelu", batch_first=True, norm_first=True
        ),
        (3, 5, 6),
    ),
    "zero_padding": TorchCase(
        lambda: mt.ZeroPadding([(1, 2), (0, 3)]),
        lambda t: t.nn.ZeroPad2d((0, 3, 1, 2)),
        (2, 3, 4, 2),
    ),
}

for _name in ("RNN", "LSTM", "GRU"):
    _ours = {"RNN": mt.SimpleRNN, "LSTM": mt.LSTM, "GRU": mt.GRU}[_name]
    for _sequences in (True, False):
        key = f"{_name.lower()}{'_sequences' if _sequences else ''}"
        CASES[key] = TorchCase(
            lambda ours=_ours, all=_sequences: ours(5, all),  # type: ignore[misc]
            lambda t, name=_name, all=_sequences: _recurrent(t, name, all),  # type: ignore[misc]
            (3, 6, 4),
        )
        CASES[f"bidirectional_{key}"] = TorchCase(
            lambda ours=_ours, all=_sequences: mt.Bidirectional(ours(5, all)),  # type: ignore[misc]
            lambda t, name=_name, all=_sequences: _recurrent(t, name, all, bidirectional=True),  # type: ignore[misc]
            (3, 6, 4),
        )


def _recurrent(torch: Any, name: str, sequences: bool, **options: Any) -> Any:
    """PyTorch's layer, which gives its last states separately, in the order of directions."""
    base: Any = getattr(torch.nn, name)

    class Last(base):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            y, last = super().forward(x)
            last = last[0] if name == "LSTM" else last
            return y if sequences else last.transpose(0, 1).reshape(len(x), -1)

    return Last(4, 5, batch_first=True, **options)


def _attention(torch: Any, causal: bool = True) -> Any:
    """PyTorch's layer as self-attention."""
    base: Any = torch.nn.MultiheadAttention

    class SelfAttention(base):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool() if causal else None
            return super().forward(x, x, x, attn_mask=later, need_weights=False)[0]

    return SelfAttention(6, 2, batch_first=True)


def ready(case: TorchCase) -> tuple[mt.Layer, Array, Array]:
    """Our layer with random parameters, its inputs, and dy."""
    layer, rng = case.ours(), np.random.default_rng(7)
    layer.initialize(case.shape[1:], rng=rng, dtype=np.float64)
    for array in layer.named_parameters().values():
        array[...] = rng.normal(0.2, 0.6, array.shape)
    x = rng.normal(size=case.shape)
    return layer, x, rng.normal(size=(len(x), *layer.output_shape))


def ours(case: TorchCase) -> dict[str, Array]:
    """y, dx, and the parameters' gradients."""
    layer, x, dy = ready(case)
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(dy, cache)
    assert dx is not None
    return {"y": y, "dx": dx, **gradients}


def theirs(case: TorchCase, torch: Any) -> dict[str, Array]:
    """The same from PyTorch, whose parameters have the names and shapes of ours."""
    layer, x, dy = ready(case)
    module = case.theirs(torch).double()
    module.load_state_dict({name: torch.tensor(a) for name, a in layer.state_dict().items()})
    given = torch.tensor(x, requires_grad=True)
    y = module(given)
    y = y[0] if isinstance(y, tuple) else y
    y.backward(torch.tensor(dy))
    found = {name: p.grad for name, p in module.named_parameters()}
    return {
        name: tensor.detach().numpy()
        for name, tensor in {"y": y, "dx": given.grad, **found}.items()
    }


def write() -> None:
    """Ask PyTorch, and write down what it says."""
    import torch

    found = {key: theirs(case, torch) for key, case in CASES.items()}
    flat = {f"{key}/{name}": a for key, values in found.items() for name, a in values.items()}
    np.savez_compressed(VALUES, **flat)  # type: ignore[arg-type]


if __name__ == "__main__":
    write()
