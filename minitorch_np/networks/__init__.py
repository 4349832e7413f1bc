"""Named networks, each composed of ordinary layers in a few lines.

`notes_network` is the network of the two hand-written notes: 784 pixels, 10 hidden units, 10
classes. `mlp`, `autoencoder` and `vae` are chains of dense layers; `lenet5`, `resnet` and `unet`
are for images; `gpt` and `char_rnn` predict the next token of a text.
"""

from minitorch_np.networks.dense import autoencoder, mlp, notes_network, vae
from minitorch_np.networks.images import lenet5, resnet, unet
from minitorch_np.networks.texts import char_rnn, gpt

__all__ = [
    "autoencoder",
    "char_rnn",
    "gpt",
    "lenet5",
    "mlp",
    "notes_network",
    "resnet",
    "unet",
    "vae",
]
