"""Data sets by name, downloaded once with pooch (extra `data`).

A file is downloaded from the first mirror that has it, and kept only if its checksum is the one
listed here. After that no network is needed. The folder is the user's cache, or the one in the
environment variable MINITORCH_NP_DATA.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from minitorch_np.arrays import StrPath
from minitorch_np.errors import DataError, optional
from minitorch_np.validation import path as checked_path

CACHE = "MINITORCH_NP_DATA"
"""The environment variable with the folder for downloaded files."""

TIMEOUT = 30
"""The timeout of a server, in seconds."""


class Source(NamedTuple):
    """A data set on the web: addresses that end in "/", and each file's SHA-256."""

    name: str
    mirrors: tuple[str, ...]
    checksums: Mapping[str, str]


MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)

FASHION_MNIST = Source(
    "fashion-mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)


def fetch(source: Source, cache: StrPath | None, caller: str) -> str:
    """The folder with a data set's files; missing ones are downloaded.

    Raises MissingExtraError without pooch, DataError if no mirror has a file with the right
    checksum; a wrong file is not kept.
    """
    pooch = optional("pooch", "data", caller)
    place = os.environ.get(CACHE) or pooch.os_cache("minitorch_np") if cache is None else cache
    folder = os.path.join(checked_path(caller, "cache", place), source.name)
    for name, checksum in source.checksums.items():
        problems = []
        for mirror in source.mirrors:
            loader = pooch.HTTPDownloader(progressbar=_has_bar(), timeout=TIMEOUT)
            try:
                pooch.retrieve(mirror + name, f"sha256:{checksum}", name, folder, downloader=loader)
                break
            except (OSError, ValueError) as error:  # requests' errors, and a wrong checksum
                problems.append(f"{mirror}: {type(error).__name__}: {error!s:.200}")
        else:
            raise DataError(
                f"{caller}: expected to download {name} from a mirror, got "
                f"{'; '.join(problems)}. Without a network, copy the files to any folder and call "
                f"load_mnist(folder); or copy {folder} from a machine that has it, or set "
                f"{CACHE} to the folder of the cache"
            )
    return folder


def _has_bar() -> bool:
    """Whether tqdm, which shows the progress, is installed."""
    try:
        optional("tqdm", "data", "a progress bar")
    except ImportError:
        return False
    return True
