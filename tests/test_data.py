"""Digits from files, and every way in which a file can be wrong."""

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch_np as mt
from minitorch_np.data.mnist import SAMPLE

NAMES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]


# The digits in the package


def test_the_embedded_digits_are_the_documented_ones() -> None:
    documented = dict(
        reversed(line.split())
        for line in re.findall("[0-9a-f]{64}  .*", (Path(SAMPLE) / "README.md").read_text())
    )
    assert sorted(documented) == sorted(NAMES)
    for name, digest in documented.items():
        content = gzip.decompress((Path(SAMPLE) / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest
    assert sum(path.stat().st_size for path in Path(SAMPLE).iterdir()) < 2.5e6


def test_the_embedded_digits_are_what_they_should_be(digits: mt.data.Digits) -> None:
    assert digits.train.images.shape == (10_000, 28, 28)
    assert digits.test.images.shape == (2_000, 28, 28)
    for part in digits:
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert set(part.labels) == set(range(10))
        assert np.bincount(part.labels).min() > 0.07 * len(part)
    assert repr(digits.train) == "Images(10,000 of 28x28, labelled)"


def test_they_are_a_part_of_the_whole(full_mnist: mt.data.Digits, digits: mt.data.Digits) -> None:
    for part, whole, every in zip(digits, full_mnist, (6, 5), strict=True):
        np.testing.assert_array_equal(part.images, whole.images[::every])
        np.testing.assert_array_equal(part.labels, whole.labels[::every])


def test_features_are_between_zero_and_one(digits: mt.data.Digits) -> None:
    features = digits.test.features()
    assert features.dtype == np.float32
    assert features.shape == (2_000, 784)
    assert features.min() == 0
    assert features.max() == 1
    np.testing.assert_array_equal(features[3].reshape(28, 28) * 255, digits.test.images[3])
    assert digits.test.features(np.float64).dtype == np.float64


# IDX


def mnist_folder(folder: Path, suffix: str = "", n: int = 12) -> Path:
    for name in NAMES:
        array = mt.data.load_idx(Path(SAMPLE) / f"{name}.gz")[:n]
        mt.data.save_idx(folder / f"{name}{suffix}", array)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_of_mnist_files(tmp_path: Path, suffix: str, digits: mt.data.Digits) -> None:
    loaded = mt.data.load_mnist(mnist_folder(tmp_path, suffix))
    np.testing.assert_array_equal(loaded.train.images, digits.train.images[:12])
    np.testing.assert_array_equal(loaded.test.labels, digits.test.labels[:12])


IDX_DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(IDX_DTYPES).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
    ),
    st.sampled_from(["", ".gz"]),
)
def test_what_is_saved_as_idx_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, array: npt.NDArray[Any], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("idx") / f"array{suffix}"
    mt.data.save_idx(path, array)
    loaded = mt.data.load_idx(path)
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    np.testing.assert_array_equal(loaded, array)


def test_idx_that_is_not_idx(tmp_path: Path) -> None:
    whole = gzip.decompress((Path(SAMPLE) / "t10k-labels-idx1-ubyte.gz").read_bytes())
    packed = (Path(SAMPLE) / "t10k-labels-idx1-ubyte.gz").read_bytes()
    cases = {
        "empty": (b"", "an empty file"),
        "magic": (b"\x01\0\x08\x01" + whole[4:], "begins with 00 00.*got 01 00 08 01"),
        "type": (b"\0\0\x07\x01" + whole[4:], "a type such as 08, got 00 00 07 01"),
        "header": (whole[:6], "the lengths of 1 axes, got 6 bytes"),
        "short": (whole[:-1], r"expected 2,000 bytes.*\(2000,\), got 1,999: .* truncated"),
        "long": (whole + b"x", "got 2,001: the file is longer than it says"),
        "gzip": (packed[: len(packed) // 2], "a whole gzip file, got a damaged one"),
        "crc": (packed[:-8] + b"12345678", "a whole gzip file, got a damaged one"),
        "text": (b"label,pixel0\n1,2\n", "expected an IDX file"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(mt.DataError, match=f"{name}: .*{message}"):
            mt.data.load_idx(path)
    with pytest.raises(FileNotFoundError):
        mt.data.load_idx(tmp_path / "nowhere")
    with pytest.raises(mt.DataError, match="dtype that IDX knows, got complex128"):
        mt.data.save_idx(tmp_path / "complex", np.ones(3, complex))


def test_mnist_folders_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(mt.DataError, match=r"four MNIST files, found no train-images-idx3-ubyte"):
        mt.data.load_mnist(tmp_path)
    mnist_folder(tmp_path)
    mt.data.save_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(11, np.uint8))
    with pytest.raises(mt.DataError, match="train-labels.*each of the 12 images.*got.*11"):
        mt.data.load_mnist(tmp_path)
    mnist_folder(tmp_path)
    mt.data.save_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros((12, 784), np.uint8))
    with pytest.raises(mt.DataError, match=r"t10k.*three axes, got shape \(12, 784\)"):
        mt.data.load_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    with pytest.raises(mt.DataError, match="found no train-images"):
        mt.data.load_mnist(tmp_path)


# CSV


def write_csv(path: Path, images: mt.data.Images, labels: bool = True, header: bool = True) -> Path:
    table = images.images.reshape(len(images), -1)
    names = [f"pixel{i}" for i in range(table.shape[1])]
    if labels:
        table = np.c_[images.labels, table]
        names.insert(0, "label")
    lines = [",".join(map(str, row)) for row in table.tolist()]
    path.write_text("\n".join([",".join(names)] * header + lines) + "\n")
    return path


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("n", [1, 7])
def test_csv_in_every_form(
    tmp_path: Path, digits: mt.data.Digits, labels: bool, header: bool, n: int
) -> None:
    part = digits.train.take(slice(n))
    loaded = mt.data.load_csv(write_csv(tmp_path / "digits.csv", part, labels, header))
    np.testing.assert_array_equal(loaded.images, part.images)
    assert loaded.has_labels == labels
    if labels:
        np.testing.assert_array_equal(loaded.labels, part.labels)
        assert loaded.labels.dtype == np.int64
    else:
        with pytest.raises(mt.DataError, match=r"digits.csv: expected a label column"):
            _ = loaded.labels
    np.testing.assert_array_equal(loaded.features(), part.features())


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(3), st.just(3))), st.booleans())
def test_csv_round_trip(
    tmp_path_factory: pytest.TempPathFactory, images: npt.NDArray[np.uint8], header: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / "any.csv"
    part = mt.data.Images(images, np.arange(len(images)))
    loaded = mt.data.load_csv(write_csv(path, part, header=header))
    np.testing.assert_array_equal(loaded.images, images)


def test_csv_as_other_programs_write_it(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    for text in (
        "\ufefflabel,p0,p1,p2,p3\r\n7,0,255, 3,4\r\n",
        '"label","p0","p1","p2","p3"\n7,0,255,3,4',
        "label,0,1,2,3\n7,0,255,3,4\n",
        "\n7,0,255,3,4\n\n",
        "\ufeff7,0,255,3,4\n",
    ):
        path.write_text(text, encoding="utf-8", newline="")
        loaded = mt.data.load_csv(path)
        assert loaded.labels.tolist() == [7]
        assert loaded.images.tolist() == [[[0, 255], [3, 4]]]


HEADER = "label,p0,p1,p2,p3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.csv:1: .*empty file"),
        (HEADER + "\n", "bad.csv:2: expected at least one image, got only a header"),
        (HEADER, "bad.csv:2: expected at least one image, got only a header"),
        (f"{HEADER}\n1,2,3,4,5\n1,2,3,4\n", "bad.csv:3: expected 5 columns.*got 4"),
        (f"{HEADER}\n1,2,3,4,5\n1,2,3,4,5,6\n", "bad.csv:3: expected 5 columns.*got 6"),
        (f"{HEADER}\n1,2,3,4\n1,2,3,4\n", "bad.csv:2: expected 5 columns.*got 4"),
        (f"{HEADER}\n1,2,256,4,5\n", "bad.csv:2: .*0 to 255 in p1, got '256'"),
        (f"{HEADER}\n1,2,3,-1,5\n", "bad.csv:2: .*0 to 255 in p2, got '-1'"),
        (f"{HEADER}\n\n1,2,3,4,5\nabc,2,3,4,5\n", "bad.csv:4: .* in label, got 'abc'"),
        (f"{HEADER}\n1,2,3,4.5,5\n", "bad.csv:2: .* in p2, got '4.5'"),
        (f"{HEADER}\n1,2,,4,5\n", "bad.csv:2: .* in p1, got ''"),
        (f"{HEADER}\n1,2,nan,4,5\n", "bad.csv:2: .* in p1, got 'nan'"),
        (f"{HEADER}\n1,2,3,4,5\n# 1,2,3,4,5\n", "bad.csv:3: .* in label, got '# 1'"),
        ("1,2,3,4,5\n1,2,3,4,500\n", "bad.csv:2: .* in column 5, got '500'"),
        ("1,2,3\n", "bad.csv:1: expected 784 pixel columns.*got 3 columns"),
        ("label,p0,p1\n1,2,3\n", "bad.csv:1: expected 784 pixel columns.*got 3 columns"),
        ("label\n1\n", "bad.csv:1: expected 784 pixel columns.*got 1 columns"),
    ],
)
def test_csv_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(mt.DataError, match=message):
        mt.data.load_csv(path)


def test_a_large_csv_needs_little_memory(tmp_path: Path, digits: mt.data.Digits) -> None:
    """The pixels once and not much more, measured over the import in a process of its own."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc, which is not here")
    path = write_csv(tmp_path / "large.csv", digits.train)
    script = (
        "import re, sys, minitorch_np as mt\n"
        "def peak():\n"
        "    status = open('/proc/self/status').read()\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
        "before = peak()\n"
        "n = len(mt.data.load_csv(sys.argv[1]))\n"
        "print(n, (peak() - before) / 1024)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    n, mebibytes = run.stdout.split()
    assert int(n) == 10_000
    assert 5 < float(mebibytes) < 150 / 4.2  # a 4.2th of Kaggle's 42,000 lines


# Images in memory


def test_images_that_are_not_images() -> None:
    pixels = np.zeros((3, 2, 2), np.uint8)
    for wrong, labels, message in (
        (pixels.astype(float), None, "uint8 of shape .*got float64"),
        (pixels[0], None, r"\(n, height, width\), got uint8 of shape \(2, 2\)"),
        (pixels[:0], None, "at least one image"),
        (pixels, np.zeros(2, int), "each of the 3 images"),
    ):
        with pytest.raises(mt.DataError, match=message):
            mt.data.Images(wrong, labels)


@pytest.mark.parametrize("labels", [[0.7, 1, 2], [-1, 0, 1], [np.nan, 0, 1], ["a", "b", "c"]])
def test_labels_that_are_not_classes(labels: Any) -> None:
    with pytest.raises(mt.DataError, match="expected labels that are"):
        mt.data.Images(np.zeros((3, 2, 2), np.uint8), np.array(labels))
