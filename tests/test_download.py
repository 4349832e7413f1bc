"""Data sets by name, fetched from a server on this machine."""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.data import download, mnist

pytest.importorskip("pooch", reason="pooch is not installed")

ASKED: list[str] = []
"""What the server was asked for."""


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        ASKED.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[download.Source]:
    """Twelve images in each part, on a server's second address; the first has nothing."""
    site = tmp_path / "site" / "second"
    site.mkdir(parents=True)
    small = mt.data.load_mnist()
    for part, images in (("train", small.train[:12]), ("t10k", small.test[:12])):
        mt.data.save_idx(site / f"{part}-images-idx3-ubyte.gz", images.images)
        mt.data.save_idx(site / f"{part}-labels-idx1-ubyte.gz", images.labels.astype(np.uint8))
    names = list(download.MNIST.checksums)
    sums = {name: hashlib.sha256((site / name).read_bytes()).hexdigest() for name in names}
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path / "site")
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}"
    made = download.Source("mnist", (f"{place}/first/", f"{place}/second/"), sums)
    for name in ("MNIST", "FASHION_MNIST"):
        monkeypatch.setattr(mnist, name, made)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(download.CACHE, str(tmp_path / "cache"))
    ASKED.clear()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetched_once(source: download.Source, tmp_path: Path) -> None:
    digits = mt.data.load_mnist("full")
    np.testing.assert_array_equal(digits.train.images, mt.data.load_mnist().train[:12].images)
    assert len(ASKED) == 8  # of each file at both addresses
    mt.data.load_mnist("full")
    assert len(ASKED) == 8
    folder = tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(source.checksums)
    again = mt.data.load_mnist("full", cache=tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "mnist").is_dir()
    assert len(again.test) == 12
    np.testing.assert_array_equal(mt.data.load_mnist(folder).test.labels, again.test.labels)


def test_the_progress_is_shown(source: download.Source, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    mt.data.load_mnist("full")
    assert capfd.readouterr().err.count("100%") >= 4


def test_clothes_have_names(source: download.Source) -> None:
    clothes = mt.data.load_fashion_mnist()
    assert len(clothes.train.class_names) == 10
    assert clothes.test.class_names[9] == "Ankle boot"


def test_the_command_line(source: download.Source, tmp_path: Path) -> None:
    out = str(tmp_path / "model.npz")
    assert main(["train", "--data", "full", "--epochs", "1", "--out", out]) == 0
    assert main(["evaluate", out, "--data", "full"]) == 0
    assert ASKED


@pytest.mark.parametrize("cached", [False, True], ids=["nothing there", "a damaged file there"])
def test_a_wrong_checksum(cached: bool, source: download.Source, tmp_path: Path) -> None:
    """What a server sends in place of a file is not kept, and does not replace what was there."""
    site = tmp_path / "site" / "second" / "t10k-labels-idx1-ubyte.gz"
    folder = tmp_path / "cache" / "mnist"
    if cached:
        folder.mkdir(parents=True)
        (folder / site.name).write_bytes(b"cut")
    site.write_bytes(b"something else")
    with pytest.raises(mt.DataError, match=r"t10k-labels.*404.*second/: ValueError: .*hash"):
        mt.data.load_mnist("full")
    kept = {path.name for path in folder.iterdir()}
    assert kept == set(source.checksums) - ({site.name} if not cached else set())
    if cached:
        assert (folder / site.name).read_bytes() == b"cut"


def test_without_a_network(
    source: download.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MNIST", source._replace(mirrors=("http://127.0.0.1:9/",)))
    with pytest.raises(mt.DataError) as caught:
        mt.data.load_mnist("full")
    said = str(caught.value)
    assert "load_mnist: expected to download" in said
    assert "ConnectionError" in said
    assert "Without a network, copy the files to any folder" in said
    assert download.CACHE in said
    folder = tmp_path / "cache" / "mnist"
    assert not folder.exists() or not list(folder.iterdir())


def test_what_stands_in_the_package() -> None:
    """Four files each, at addresses that end in a slash, with a checksum of 256 bits."""
    names = {f"{p}-{k}-ubyte.gz" for p in ("train", "t10k") for k in ("images-idx3", "labels-idx1")}
    for source in (download.MNIST, download.FASHION_MNIST):
        assert set(source.checksums) == names
        assert {len(bytes.fromhex(checksum)) for checksum in source.checksums.values()} == {32}
        assert all(mirror.endswith("/") for mirror in source.mirrors)


def test_without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[data\]"):
        mt.data.load_mnist("full")
