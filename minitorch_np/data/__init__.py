"""Loading of data: MNIST and other digits, CSV, IDX, pictures, data frames, texts and sequences."""

from minitorch_np.data.augment import Compose, ImageTransform, Rotate, Shift
from minitorch_np.data.convert import convert_csv, load_converted
from minitorch_np.data.csv import load_csv
from minitorch_np.data.dataset import Digits, Images
from minitorch_np.data.idx import load_idx, save_idx
from minitorch_np.data.images import as_text, load_image
from minitorch_np.data.mnist import load_fashion_mnist, load_mnist
from minitorch_np.data.sequences import pad_sequences
from minitorch_np.data.table import Table, load_dataframe
from minitorch_np.data.texts import CharTokenizer, TextWindows, load_text

__all__ = [
    "CharTokenizer",
    "Compose",
    "Digits",
    "ImageTransform",
    "Images",
    "Rotate",
    "Shift",
    "Table",
    "TextWindows",
    "as_text",
    "convert_csv",
    "load_converted",
    "load_csv",
    "load_dataframe",
    "load_fashion_mnist",
    "load_idx",
    "load_image",
    "load_mnist",
    "load_text",
    "pad_sequences",
    "save_idx",
]
