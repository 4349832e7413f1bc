"""Digits from files, and every way in which a file can be wrong."""

import gzip
import hashlib
import re
import subprocess
import sys
import tracemalloc
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
    path = write_csv(tmp_path / "large.csv", digits.train.take(slice(5000)))
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
    assert int(n) == 5000
    assert 3 < float(mebibytes) < 150 / 8.4  # an 8.4th of Kaggle's 42,000 lines


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


@pytest.mark.parametrize("labels", [[0.7, 1, 2], [-1, 0, 1], [np.nan, 0, 1]])
def test_labels_that_are_not_classes(labels: Any) -> None:
    with pytest.raises(mt.DataError, match="expected labels that are"):
        mt.data.Images(np.zeros((3, 2, 2), np.uint8), np.array(labels))


# Habits


def test_parts_of_the_digits(digits: mt.data.Digits) -> None:
    test = digits.test
    assert len(test[:5]) == 5
    assert test[-1].labels[0] == test.labels[-1]
    np.testing.assert_array_equal(test[np.array([3, 1])].images, test.images[[3, 1]])
    np.testing.assert_array_equal(test[test.labels == 4].labels, 4)
    rest, held_out = test.split(0.1, seed=0)
    assert (len(rest), len(held_out)) == (1800, 200)
    both = np.concatenate([rest.images, held_out.images])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(test.images, axis=0))
    with pytest.raises(mt.ConfigurationError, match="leaves both parts"):
        test[:2].split(0.1)
    assert test.class_names == tuple("0123456789")


def test_classes_have_names() -> None:
    pixels = np.zeros((3, 2, 2), np.uint8)
    named = mt.data.Images(pixels, np.array(["dog", "cat", "dog"]))
    assert named.class_names == ("cat", "dog")
    assert named.labels.tolist() == [1, 0, 1]
    other = mt.data.Images(pixels, np.array(["dog"] * 3), class_names=named.class_names)
    assert other[:2].labels.tolist() == [1, 1]
    with pytest.raises(mt.DataError, match=r"labels of \['cat', 'dog'\], got 'eel'"):
        mt.data.Images(pixels, np.array(["eel"] * 3), class_names=named.class_names)
    with pytest.raises(mt.DataError, match="a name for each of 4 classes, got 2"):
        mt.data.Images(pixels, np.array([3, 1, 1]), class_names=["a", "b"])


ROW = [0, 10, 200, 3]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1;0;1;2;3"], "expected commas between the columns, got ';'"),
        ([f"1{';255' * 5000}"], "expected commas"),
        (["1,0.5,0,0,0"], "got '0.5': pixels from 0 to 1 must be multiplied by 255"),
        (["label,a,b,c,d", f"1,{'9' * 5000},2,3,4"], "in a, got '9999999999.*9[.]{3}'"),
        ([f"{n},0,1,2,3" for n in range(40)], "got row numbers"),
        ([f"{n},0,1,2,3" for n in range(300)], "in column 1, got '256': are these row numbers"),
        ([",label,a,b,c,d", "0,1,0,1,2,3"], "got row numbers: .*index=False"),
        ([f"0,1,2,3,{n % 7}" for n in range(40)], "possible labels in the last one"),
        (["1" * 2**21], "a line of up to 1,048,576 characters"),
    ],
)
def test_csv_files_of_other_kinds(lines: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(mt.DataError, match=f"a.csv.*{message}") as caught:
        mt.data.load_csv(tmp_path / "a.csv")
    assert len(str(caught.value)) < 400


def test_a_label_may_come_last_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_text("pixel1,pixel2,pixel3,pixel4,class\n0,10,200,3,7\n")
    images = mt.data.load_csv(tmp_path / "a.csv.gz")  # plain, whatever its name says
    assert images.labels.tolist() == [7]
    assert images.images.ravel().tolist() == ROW
    (tmp_path / "b.csv").write_bytes(gzip.compress(b"1,2,3,4"))
    with pytest.raises(mt.DataError, match="a binary one: unpack it"):
        mt.data.load_csv(tmp_path / "b.csv")


def test_idx_that_asks_for_too_much(tmp_path: Path) -> None:
    (tmp_path / "axes").write_bytes(b"\0\0\x08\x41" + b"\0\0\0\x01" * 65 + b"x")
    with pytest.raises(mt.DataError, match="at most 32 axes, got 65"):
        mt.data.load_idx(tmp_path / "axes")
    bomb = b"\0\0\x08\x01\0\0\0\x0a" + bytes(2**26)
    (tmp_path / "bomb").write_bytes(gzip.compress(bomb, 1))
    with pytest.raises(mt.DataError, match="expected at most 67,108,864 bytes"):
        mt.data.load_idx(tmp_path / "bomb")


@pytest.mark.parametrize("masked", ["x", "y", "sample_weight", "validation"])
def test_masked_entries_are_not_trained_on(masked: str) -> None:
    given: dict[str, Any] = {
        "x": np.ones((4, 2)),
        "y": np.arange(4) % 2,
        "sample_weight": np.ones(4),
    }
    model = mt.Sequential(mt.Dense(2), input_shape=2, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD())
    whole: dict[str, Any] = {n: np.ma.array(array, mask=False) for n, array in given.items()}
    trainer.fit(**whole)
    if masked == "validation":
        hidden = np.ma.array(given["x"], mask=np.eye(4, 2, dtype=bool))
        given["validation_data"] = (hidden, given["y"])
    else:
        mask = np.eye(4, 2, dtype=bool) if masked == "x" else np.eye(4, dtype=bool)[0]
        given[masked] = np.ma.array(given[masked], mask=mask)
    with pytest.raises(mt.DataError, match=r"masked array without the one at .0.*filled"):
        trainer.fit(**given)
    hidden = np.ma.array(np.ones((3, 2, 2), np.uint8), mask=True)
    with pytest.raises(mt.DataError, match="a.csv: .*masked"):
        mt.data.Images(hidden, source="a.csv")
    with pytest.raises(mt.DataError, match="0.weight: .*masked"):
        model.load_state_dict({"0.weight": hidden[0], "0.bias": np.ones(2)})


def test_whole_numbers_are_converted_a_batch_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (12_000, 784))
    pixels[:] = rng.integers(0, 255, pixels.shape, np.uint8)
    y = rng.integers(0, 10, len(pixels))
    states = []
    for x in (np.load(tmp_path / "x.npy", mmap_mode="r"), pixels.astype(np.float32)):
        model = mt.Sequential(mt.LayerNorm(), mt.Dense(10), input_shape=784, seed=0)
        trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.01), seed=0)
        tracemalloc.start()
        trainer.fit(x, y, validation_split=0.5, batch_size=500)
        trainer.evaluate(x, y)
        peaks = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        states.append(model.state_dict()["1.weight"])
        if x.dtype == np.uint8:
            assert peaks < 20e6  # and not the 38 MB of the whole in float32
    np.testing.assert_array_equal(states[0], states[1])


def test_a_name_that_ends_in_gz_is_compressed(tmp_path: Path) -> None:
    array = np.zeros((50, 50), np.uint8)
    for name in ("a.gz", "b"):
        mt.data.save_idx(tmp_path / name, array)
    plain = (tmp_path / "b").read_bytes()
    assert len(plain) == 12 + 2500
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == plain
