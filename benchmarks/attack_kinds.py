"""The kinds of attacks: each makes a file, stops while the clock is set, reads it, and says what is
wrong. Those on data, logs and the command line are here; those on files of models and runs are in
`attack_models`.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from benchmarks.attack_models import (
    HUGE,
    attack_checkpoint,
    attack_model,
    attack_onnx,
    attack_settings,
    attack_weights,
)
from benchmarks.damage import array_damaged, bytes_damaged, edited
from benchmarks.settings import X, Y
from minitorch_np import cli
from minitorch_np.arrays import Generator
from minitorch_np.data import convert


def attack_csv(folder: Path, rng: Generator) -> Iterator[str]:
    """Four pixels and a label a line, damaged as text."""
    table = rng.integers(0, 256, (int(rng.integers(1, 40)), 5))
    table[:, 0] = rng.integers(0, 10, len(table))
    head = ["label,a,b,c,d"] if rng.random() < 0.5 else []
    text = "\n".join([*head, *(",".join(map(str, row)) for row in table.tolist())])
    inserted = ["9" * 5000, ";", '"', "\0", "-1", "256", "0.5", "1e2", "\u0663", "\r", "\ufeff"]
    inserted += ["," * 300_000, "7," * 100_000, "x" * 2**21, " ", "\n\n", "nan", "\x1b]0;x\x07"]
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(text)))
        text = text[:place] + inserted[rng.integers(len(inserted))] + text[place:]
    content = text.encode()
    if rng.random() < 0.3:
        content = bytes_damaged(content, rng)
    path = folder / ("a.csv.gz" if rng.random() < 0.1 else "a.csv")
    path.write_bytes(content)
    yield ""
    images = mt.data.load_csv(path)
    lines = [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    rows = [[int(field) for field in line.split(",")] for line in lines[-len(images) :]]
    expected = np.array(rows)
    found = images.images.reshape(len(images), -1)
    if images.has_labels:
        found = np.column_stack([images.labels, found])
    yield "" if np.array_equal(found, expected) else "a wrong table"


def attack_idx(folder: Path, rng: Generator) -> Iterator[str]:
    """An IDX file, plain or gzip, of 10 bytes or of many."""
    shape = tuple(rng.integers(0, 6, rng.integers(1, 4)).tolist())
    path = folder / "a.idx"
    mt.data.save_idx(path, np.zeros(shape, ["u1", "i2", "f8"][rng.integers(3)]))
    content = path.read_bytes()
    way = rng.integers(4)
    if way == 0:
        content = content[:3] + rng.bytes(int(rng.integers(1, 300))) + content[4:]
    if way == 1:
        content = content[:4] + rng.bytes(4 * len(shape)) + content[4 + 4 * len(shape) :]
    if way == 2 and rng.random() < 0.05:
        content += bytes(int(rng.integers(10**6, 3 * 10**8)))
    if rng.random() < 0.7:
        content = gzip.compress(content, 1)
    if way == 3 or rng.random() < 0.2:
        content = bytes_damaged(content, rng)
    path.write_bytes(content)
    del content
    yield ""
    array = mt.data.load_idx(path)
    content = path.read_bytes()
    raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    right = raw[4 + 4 * array.ndim :] == array.astype(array.dtype.newbyteorder(">")).tobytes()
    yield "" if right and raw[3] == array.ndim else "a wrong array"


FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "PCX", "DDS", "ICO", "TGA", "AVIF")


def attack_image(folder: Path, rng: Generator) -> Iterator[str]:
    """A picture in one of Pillow's formats, damaged, or said to be huge."""
    from PIL import Image

    pixels = rng.integers(0, 256, (40, 30, 3), np.uint8)
    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    if rng.random() < 0.03:
        side = int(rng.integers(3000, 13000))
        picture = Image.new(["1", "L", "P"][rng.integers(3)], (side, side))
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, str(rng.choice(FORMATS)))
    content = buffer.getvalue()
    if content[1:4] == b"PNG" and rng.random() < 0.3:  # another size, with the right checksum
        head = content[12:16] + rng.bytes(8) + content[24:29]
        content = content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:]
    else:
        content = bytes_damaged(content, rng)
    (folder / "a.png").write_bytes(content)
    yield ""
    yield "" if mt.data.load_image(folder / "a.png").shape == (28, 28) else "another shape"


def attack_npy(folder: Path, rng: Generator) -> Iterator[str]:
    """What `convert` has written, with another head, another size or other bytes."""
    pixels = rng.integers(0, 256, (int(rng.integers(1, 9)), 16), np.uint8)
    labels = rng.integers(0, 10, len(pixels), np.uint8)
    paths = folder / "a.npy", folder / "a.labels.npy"
    for path, array in zip(paths, (pixels, labels), strict=True):
        np.save(path, array)
    path = paths[rng.integers(2)]
    if rng.random() < 0.5:
        path.write_bytes(bytes_damaged(path.read_bytes(), rng))
    elif rng.random() < 0.5:
        np.save(path, array_damaged(rng))
    else:
        content = path.read_bytes()
        shape = f"({HUGE[rng.integers(len(HUGE))]}, {HUGE[rng.integers(len(HUGE))]})"
        head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        path.write_bytes(content[:10] + head.ljust(117).encode() + b"\n" + content[128:])
    yield ""
    found = mt.data.load_converted(paths[0])
    found.take(slice(3)).features()


def attack_convert(folder: Path, rng: Generator) -> Iterator[str]:
    """A table of any numbers, and a conversion that was interrupted and then tampered with."""
    rows = rng.normal(size=(int(rng.integers(1, 60)), 3)).round(3)
    path, out = folder / "a.csv", folder / "a.npy"
    text = "a,label,b\n" * int(rng.integers(2)) + "\n".join(",".join(map(str, r)) for r in rows)
    path.write_text(text)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 3))):
            place = int(rng.integers(len(text)))
            text = text[:place] + str(rng.choice(INSERTED)) + text[place:]
        path.write_text(text)
    else:
        _interrupt(path, out)
        left = sorted(folder.glob("a.*npy*"))
        if left:
            chosen = left[rng.integers(len(left))]
            content = chosen.read_bytes()
            if chosen.name.endswith(("json", "note", "progress")) and rng.random() < 0.7:
                content = json.dumps(edited(json.loads(content), rng)).encode()
            else:
                content = bytes_damaged(content, rng)
            chosen.write_bytes(content)
    tampered = [p.read_bytes() for p in sorted(folder.glob("a.*part*"))]
    yield ""
    done = mt.data.convert_csv(path, out, dtype="float64")
    if tampered and done.resumed:
        return  # numbers that were changed in a file that is not finished can't be told
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    table = [[float(field) for field in line.split(",")] for line in lines[-done.rows :]]
    expected = np.delete(np.array(table), 1, axis=1) if done.labels else np.array(table)
    yield "" if np.array_equal(np.load(out), expected, equal_nan=True) else "a wrong table"


INSERTED = [
    *("9" * 5000, ";", '"', "\0", "x", "1e400", "nan", "inf", "0x1", "1_0", "\r", "\ufeff", ","),
    *("," * 100_000, "x" * 2**21, "\n\n", "#", "\u0663", " ", "-", "1d3"),
]
"""What is put into tables."""


def _interrupt(path: Path, out: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    before = convert.BLOCK
    setattr(convert, "BLOCK", 200)
    try:
        mt.data.convert_csv(path, out, dtype="float64", progress=stop)
    except KeyboardInterrupt:
        pass
    finally:
        setattr(convert, "BLOCK", before)


def attack_text(folder: Path, rng: Generator) -> Iterator[str]:
    """A text to learn, in bytes that may be no UTF-8."""
    content = "the quick brown fox jumps over the lazy dog äöü\r\n€\U0001f600".encode() * 3
    (folder / "a.txt").write_bytes(bytes_damaged(content, rng))
    yield ""
    text = mt.data.load_text(folder / "a.txt")
    tokenizer = mt.data.CharTokenizer(text)
    ids = tokenizer.encode(text)
    yield "" if tokenizer.decode(ids) == text else "another text"
    mt.data.TextWindows(ids, 5).consecutive()


def attack_table(folder: Path, rng: Generator) -> Iterator[str]:
    """A data frame's file, and the points for a playground."""
    text = "size,colour,kind\n" + "".join(
        f"{rng.normal():.3f},{rng.choice(['red', 'blue'])},{rng.integers(3)}\n" for _ in range(12)
    )
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(text)))
        text = text[:place] + str(rng.choice(INSERTED)) + text[place:]
    content = text.encode()
    if rng.random() < 0.3:
        content = bytes_damaged(content, rng)
    (folder / "a.csv").write_bytes(content)
    points = rng.random() < 0.3
    yield ""
    if points:
        mt.playground(folder / "a.html", folder / "a.csv")
        yield "" if b"<script>alert" not in (folder / "a.html").read_bytes() else "a script"
        return
    found = mt.data.load_dataframe(folder / "a.csv", "kind")
    yield "" if np.isfinite(found.features).all() else "no numbers"


def attack_log(folder: Path, rng: Generator) -> Iterator[str]:
    """The results of a comparison that is gone on with."""
    results = folder / "results.jsonl"
    compared(folder, resume=False)
    whole, content = results.read_bytes(), results.read_bytes()
    lines = content.splitlines()
    if rng.random() < 0.5:
        content = bytes_damaged(content, rng)
    else:
        place = int(rng.integers(len(lines)))
        lines[place] = json.dumps(edited(json.loads(lines[place]), rng)).encode()
        content = b"\n".join(lines) + b"\n"
    results.write_bytes(content)
    yield ""
    found = compared(folder, resume=True)
    accuracies = [json.loads(line)["result"].get("accuracy") for line in whole.splitlines()]
    known = {value for value in accuracies if value is not None}
    there = {value for name in found.names for value in found.accuracies(name)}
    yield "" if there <= known or b'"accuracy"' in content else "other results"


def compared(folder: Path, *, resume: bool) -> Any:
    """A small comparison."""
    x, y = X[:60], Y[:60]
    chosen = [
        mt.Configuration(name, [mt.Dense(3), name, mt.Dense(3)], 0.1) for name in ("relu", "tanh")
    ]
    return mt.compare(chosen, (x, y, x, y), seeds=2, epochs=1, folder=folder, resume=resume)


def attack_command(folder: Path, rng: Generator) -> Iterator[str]:
    """A command with odd words: it ends with one of its exit codes, and says why."""
    made_files(folder)
    verb = list(COMMANDS)[rng.integers(len(COMMANDS))]
    words = [*verb.split(), *COMMANDS[verb].split()]
    for _ in range(int(rng.integers(0, 3))):
        way, place = rng.integers(4), int(rng.integers(1, len(words) + 1))
        odd = str(rng.choice(WORDS))
        if way == 0 and place < len(words):
            words[place] = odd
        elif way == 1 and place < len(words):
            del words[place]
        else:
            words[place:place] = [odd] if way == 2 else [str(rng.choice(OPTIONS)), odd]
    out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(folder)
    yield ""
    code: Any = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(words)
    except SystemExit as left:
        code = left.code
    except BaseException as error:
        yield f"{words}: {type(error).__name__}: {error}"
    finally:
        os.chdir(here)
    said = out.getvalue() + err.getvalue()
    if code not in (0, 1, 2):
        yield f"{words}: exit code {code}"
    if "Traceback" in said or (code in (1, 2) and not said.strip()):
        yield f"{words}: {said[-200:]}"
    yield f"{words}: control characters" if "\x1b[2J" in said else ""


@functools.cache
def _made_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        mt.Sequential(mt.Dense(10), input_shape=64, seed=0).save(folder / "m.npz")
        text = mt.char_rnn(3, 8, 4, seed=0)
        text.metadata = {"characters": "abc"}
        text.save(folder / "t.npz")
        pixels = rng.integers(0, 256, (30, 64))
        lines = (",".join(map(str, [i % 10, *row])) for i, row in enumerate(pixels.tolist()))
        (folder / "d.csv").write_text("\n".join(lines))
        (folder / "t.txt").write_text("abcabcaabbcc" * 20)
        (folder / "odd.npz").write_bytes(b"PK\3\4" + rng.bytes(100))
        (folder / "layer.py").write_text("raise ValueError('mine')")
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def made_files(folder: Path) -> None:
    """Files for commands."""
    for name, content in _made_files().items():
        (folder / name).write_bytes(content)


COMMANDS = {
    "train": "--data d.csv --epochs 1 --hidden 3 --out o.npz",
    "evaluate": "m.npz --data d.csv",
    "predict": "m.npz d.csv",
    "info": "m.npz",
    "export": "m.npz o.safetensors",
    "page": "m.npz --out o.html --no-examples",
    "text train": "t.txt --network char_rnn --context 5 --layers 1 --width 4 --epochs 1"
    " --steps-per-epoch 2 --out o.npz",
    "text sample": "t.npz --length 5 --prompt ab",
    "gradcheck": "ELU --seed 1",
    "convert": "d.csv o.npy",
    "compare": "relu+relu --data d.csv --seeds 2 --epochs 1 --rate 0.1 --jobs 1",
    "learn": "list",
    "learn start": "new",
    "learn hint": "1 --dir new",
    "doctor": "--no-measuring",
}
"""Commands, and words with which they work and end soon."""

OPTIONS = [
    *("--data", "--hidden", "--activation", "--output-activation", "--loss", "--optimizer", "--lr"),
    *("--batch-size", "--seed", "--out", "--checkpoint", "--checkpoint-every", "--json", "-v"),
    *("--import", "--dtype", "--label", "--rate", "--rates", "--reference", "--target", "--size"),
    *("--folder", "--report", "--plot", "--csv", "--resume", "--model", "--case", "--dir"),
    *("--temperature", "--top-k", "--top-p", "--warmup", "--dropout", "--heads", "--cell"),
    *("--no-such", "--threads", "--resample-data", "--playground", "--class", "--jobs"),
]
WORDS = [
    *("", "-1", "0", "1", "2", "0.5", "nan", "inf", "1e400", "9" * 5000, "x", "m.npz", "t.npz"),
    *("d.csv", "t.txt", "odd.npz", "layer.py", "no such", "..", "/", "/dev/null", "relu", "relu+"),
    *("elu(", "adam(", "adam(1,2,3)", "a\nb", "\x1b[2J", "Zoë", "\ud800", "--", "-", "relu+relu"),
    *("sgd(momentum=2)", "mse", "1,2", "3,0", "full", "leaky_relu(0.1)+elu", "o.npz", "mean"),
    *("learn", "{x}", "%s", "ELU", "layer.py:f", "step_decay", "True", "None", "a" * 300),
]


KINDS: dict[str, Callable[[Path, Generator], Iterator[str]]] = {
    "model": attack_model,
    "checkpoint": attack_checkpoint,
    "settings": attack_settings,
    "weights": attack_weights,
    "onnx": attack_onnx,
    "npy": attack_npy,
    "convert": attack_convert,
    "csv": attack_csv,
    "table": attack_table,
    "text": attack_text,
    "idx": attack_idx,
    "image": attack_image,
    "log": attack_log,
    "command": attack_command,
}
