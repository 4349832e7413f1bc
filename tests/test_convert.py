"""A CSV file as arrays on disk: streamed, resumed, and trained from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import convert as cli_convert
from minitorch_np.cli import main
from minitorch_np.data import convert
from minitorch_np.data.convert import convert_csv, load_converted

RNG = np.random.default_rng(2)
PIXELS = RNG.integers(0, 256, (300, 16), np.uint8)
LABELS = RNG.integers(0, 10, 300)


def write(path: Path, *, header: bool = True, labels: bool = True, last: bool = False) -> Path:
    columns = [PIXELS, LABELS[:, np.newaxis]][:: 1 if last else -1] if labels else [PIXELS]
    names = [f"pixel{n}" for n in range(16)]
    names = ([*names, "label"] if last else ["label", *names]) if labels else names
    rows = [",".join(map(str, row)) for row in np.concatenate(columns, axis=1).tolist()]
    text = ([",".join(names)] if header else []) + rows
    path.write_text("\n".join(text) + "\n")
    return path


@pytest.mark.parametrize("block", [5000, 4 * 2**20])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_the_same_as_load_csv(
    header: bool,
    labels: bool,
    last: bool,
    block: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "BLOCK", block)
    path = write(tmp_path / "a.csv", header=header, labels=labels, last=last and header)
    found = convert_csv(path, tmp_path / "a.npy")
    expected = mt.data.load_csv(path)
    assert found.rows == 300
    assert found.columns == 16
    images = load_converted(tmp_path / "a.npy")
    assert isinstance(images.images, np.memmap)
    np.testing.assert_array_equal(images.images, expected.images)
    assert images.has_labels == expected.has_labels == labels
    if labels:
        np.testing.assert_array_equal(images.labels, expected.labels)
    left = {"a.csv", "a.npy", *(["a.labels.npy"] if labels else [])}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_any_numbers(tmp_path: Path) -> None:
    table = RNG.normal(size=(50, 4))
    lines = [",".join(map(repr, row)) for row in table.tolist()]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a,b,price,c", *lines]))
    found = convert_csv(path, tmp_path / "a.npy", dtype="float64", label="price")
    np.testing.assert_array_equal(np.load(found.x), table[:, [0, 1, 3]])
    assert found.labels is not None
    np.testing.assert_array_equal(np.load(found.labels), table[:, 2])
    path.write_text("\n".join(lines))
    found = convert_csv(path, tmp_path / "b.npy", dtype="float32")
    np.testing.assert_array_equal(np.load(found.x), table.astype(np.float32))
    assert found.labels is None


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("blocks", [1, 3, 100])
def test_it_goes_on_where_it_was_interrupted(
    blocks: int, torn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "BLOCK", 1000)
    path, out = write(tmp_path / "a.csv"), tmp_path / "a.npy"
    done = list[int]()

    def stop(offset: int) -> None:
        done.append(offset)
        if len(done) == blocks:
            raise StoppedError

    if blocks < 100:
        with pytest.raises(StoppedError):
            convert_csv(path, out, progress=stop)
        assert not out.exists()
        if torn:  # written, and not noted
            with open(f"{out}.part", "ab") as file:
                file.write(b"torn")
    else:  # killed between the last block and the files' names
        with monkeypatch.context() as patch, pytest.raises(StoppedError):
            replace = os.replace

            def once(old: Any, new: Any) -> None:
                if str(new).endswith("labels.npy") and str(old).endswith(".npy.part"):
                    raise StoppedError
                replace(old, new)

            patch.setattr(os, "replace", once)
            convert_csv(path, out)
    found = convert_csv(path, out)
    assert found.resumed > 0
    assert found.rows == 300
    np.testing.assert_array_equal(np.load(out), PIXELS)
    np.testing.assert_array_equal(np.load(tmp_path / "a.labels.npy"), LABELS)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("key", ["offset", "line", "rows"])
def test_a_note_that_was_changed_is_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "BLOCK", 1000)
    path, out = write(tmp_path / "a.csv"), tmp_path / "a.npy"

    def stop(offset: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        convert_csv(path, out, progress=stop)
    note = tmp_path / "a.npy.part.json"
    whole, told = note.read_text(), json.loads(note.read_text())
    note.write_text(json.dumps(told | {key: told[key] - 1}))
    with pytest.raises(mt.DataError, match=r"changed by hand: remove it to start again"):
        convert_csv(path, out)
    note.write_text(whole)
    part = tmp_path / "a.npy.part"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(mt.DataError, match=r"expected at least .* bytes, as .* says, got"):
        convert_csv(path, out)


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 16), np.uint8))
    np.save(tmp_path / "a.labels.npy", np.zeros(3, np.uint8))
    assert len(mt.data.load_converted(tmp_path / "a.npy")) == 3
    labels = tmp_path / "a.labels.npy"
    content = labels.read_bytes()
    for head in (b"(3,)", b"(3, "):  # a size that does not fit into memory; a head that has no end
        new = b"(%d,)" % 2**62 if head == b"(3,)" else b"((3,"
        labels.write_bytes(content[:10] + content[10:].replace(b"(3,)", new, 1))
        with pytest.raises(mt.DataError, match=r"expected a \.npy file of numbers"):
            mt.data.load_converted(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", np.zeros(3))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    with pytest.raises(mt.DataError, match=r"expected a \.npy file of numbers"):
        mt.data.load_converted(tmp_path / "b.npy")


def test_it_goes_on_after_a_kill(tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.csv"), tmp_path / "a.npy"
    script = (
        "import os, sys, minitorch_np.data.convert as c; c.BLOCK = 700; n = []\n"
        "def die(_):\n    n.append(_)\n    if len(n) == 4: os.kill(os.getpid(), 9)\n"
        "c.convert_csv(*sys.argv[1:], progress=die)"
    )
    run = subprocess.run([sys.executable, "-c", script, str(path), str(out)])
    assert run.returncode == -9
    assert not out.exists()
    assert convert_csv(path, out).resumed > 0
    np.testing.assert_array_equal(np.load(out), PIXELS)


@pytest.mark.parametrize(
    ("line", "text", "match"),
    [
        (7, "3,4", "a.csv:7: expected 17 columns, as in the first line, got 2"),
        (250, ",".join(["256"] * 17), "a.csv:250: expected a whole number from 0 to 255 in label"),
        (301, ",".join(["1"] * 16 + ["x"]), "a.csv:301: .* in pixel15, got 'x'"),
    ],
)
@pytest.mark.parametrize("block", [500, 2**20])
def test_a_bad_line_is_named(
    line: int, text: str, match: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "BLOCK", block)
    path = write(tmp_path / "a.csv")
    lines = path.read_text().splitlines()
    good, lines[line - 1] = lines[line - 1], text
    path.write_text("\n".join(lines))
    with pytest.raises(mt.DataError, match=match):
        convert_csv(path, tmp_path / "a.npy")
    lines[line - 1] = good
    assert not (tmp_path / "a.npy").exists()
    path.write_text("\n".join(lines))  # a file that was changed is another
    if (tmp_path / "a.npy.part.json").exists():
        with pytest.raises(mt.DataError, match="another file.*remove it to start again"):
            convert_csv(path, tmp_path / "a.npy")


def test_what_is_refused(tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.csv"), tmp_path / "a.npy"
    with pytest.raises(mt.DataError, match=r"ends in \.npy"):
        convert_csv(path, tmp_path / "a.csv")
    with pytest.raises(mt.ConfigurationError, match="dtype"):
        convert_csv(path, out, dtype="int8")
    with pytest.raises(mt.DataError, match="column named 'price'"):
        convert_csv(path, out, dtype="float32", label="price")
    with pytest.raises(FileNotFoundError):
        convert_csv(tmp_path / "none.csv", out)
    (tmp_path / "head.csv").write_text("label," + ",".join(f"p{n}" for n in range(16)) + "\n")
    with pytest.raises(mt.DataError, match="at least one row"):
        convert_csv(tmp_path / "head.csv", tmp_path / "head.npy")
    convert_csv(path, out)
    with pytest.raises(mt.DataError, match="expected a new file"):
        convert_csv(path, out)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(mt.DataError, match=r"expected a \.npy file"):
        load_converted(tmp_path / "text.npy")
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), np.uint8))
    with pytest.raises(mt.DataError, match="another square"):
        load_converted(tmp_path / "wide.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(mt.DataError):
        load_converted(tmp_path / "objects.npy")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out, model = write(tmp_path / "a.csv"), tmp_path / "a.npy", tmp_path / "m.npz"
    assert main(["convert", str(path), str(out)]) == 0
    assert "wrote 300 rows of 16 numbers" in capsys.readouterr().out
    train = ["train", "--data", str(out), "--out", str(model), "--epochs", "2", "--json"]
    assert main(train) == 0
    trained = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(model), "--data", str(out), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["images"] == 300
    # In memory, the same pixels in the same order give the same numbers.
    network = mt.mlp([16, 10, 10], seed=0)
    trainer = mt.Trainer(network, "softmax_cross_entropy", mt.SGD(0.05), seed=0)
    options: dict[str, Any] = {"epochs": 2, "batch_size": 50, "scale": 1 / 255}
    history = trainer.fit(PIXELS[:250], LABELS[:250], **options)
    assert trained["history"]["loss"] == history["loss"]


def test_the_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Eight times as large a file, and not two megabytes more."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell how much memory a process has used")
    script = (
        "import sys, minitorch_np.data.convert as c; c.BLOCK = 2**18\n"
        "c.convert_csv(sys.argv[1], sys.argv[2])\n"
        "print(*[line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line])"
    )
    peaks = []
    line = ",".join(map(str, range(1, 1 + 785 // 8))) + "," + ",".join(["200"] * 687)
    for times in (500, 4_000):
        path = tmp_path / f"{times}.csv"
        path.write_text(f"{line}\n" * times)
        arguments = [sys.executable, "-c", script, str(path), str(tmp_path / f"{times}.npy")]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))  # kB
    assert peaks[1] < peaks[0] + 2_000  # for 3 MB of rows more, in 11 MB of text


def test_the_bar_ends_at_the_size_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bar:
        n = 0

        def update(self, more: int) -> None:
            assert more >= 0
            self.n += more

        def close(self) -> None:
            pass

    shown, path = Bar(), write(tmp_path / "a.csv")
    monkeypatch.setattr(convert, "BLOCK", 1000)
    monkeypatch.setattr(cli_convert, "bar", lambda size, *_, **__: shown)
    assert main(["convert", str(path), str(tmp_path / "a.npy")]) == 0
    assert shown.n == path.stat().st_size
