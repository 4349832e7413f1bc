"""Do hostile and damaged files ever do more than raise an error of this package's own?

Model files, checkpoints, CSV and IDX files and pictures are damaged in their bytes, edited in what
they say, and made to ask for more than they hold; each attack follows from its kind and its number.
They run in processes of their own, which look at each one:

- no exception but a MinitorchError or an OSError of the system's (a file that is not there);
- no module is imported that a file names;
- at most 500 MB of memory and 5 seconds;
- what is accepted is right: a checkpoint goes on to the same parameters, a table has the numbers
  that Python's own `csv` and `int` read in it, and a run with other settings is refused.

    python -m benchmarks.attacks [--per-kind 3000] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from benchmarks.settings import OTHER_SETTINGS, run_with
from minitorch_np.arrays import Generator
from minitorch_np.io import arrays as states

MOST_MEMORY, MOST_SECONDS = 500e6, 5.0

NAMED = ("payload", "antigravity", "this", "test.__main__", "turtledemo", "lib2to3.pgen2.driver")
"""Modules that files name."""

BATCH = 250
"""How many attacks a process makes before the next one begins."""


class Outcome(NamedTuple):
    """What came of one attack; `fault` is empty where nothing is wrong."""

    kind: str
    number: int
    said: str
    fault: str
    megabytes: float
    seconds: float


# Damage


def bytes_damaged(content: bytes, rng: Generator) -> bytes:
    """Cut off, or with bytes changed, put in, taken out or repeated."""
    data, way = bytearray(content), rng.integers(5)
    place = int(rng.integers(len(data)))
    length = int(rng.integers(1, 40))
    if way == 0:
        return bytes(data[:place])
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(max(len(data), 1)))
        if way == 1:
            data[place : place + 1] = bytes([int(rng.integers(256))])
        elif way == 2:
            data[place:place] = rng.bytes(length)
        elif way == 3:
            del data[place : place + length]
        else:
            data[place:place] = data[place : place + 400 * length]
    return bytes(data)


def hostile_value(rng: Generator) -> Any:
    """Something that does not belong into a JSON text, or too much of it."""
    values: list[Any] = [
        *(None, True, -1, 0, 2, 15000, 10**9, 2**63, 10**400, 1e308, float("nan"), float("inf")),
        *("", "x", "relu", "\x1b[2J", "x" * 10**5, "\ud800", [], {}, [[]], [None] * 10**5),
        *({"same_as": 0}, {"same_as": -1}, {"same_as": 10**6}, {"tuple": 3}, {"__array__": 0}),
        *({"tuple": [{"same_as": 0}] * 2000}, {"__array__": 10**6}, {"__array__": [0]}),
        {"class": "Dense", "module": "minitorch_np.layers.dense", "config": {"units": 15000}},
        {"class": "system", "module": "os", "config": {}},
    ]
    if rng.random() < 0.2:
        name = NAMED[rng.integers(len(NAMED))]
        return {"class": "Layer", "module": name, "config": {}}
    if rng.random() < 0.05:
        return nested(int(rng.integers(2, 3000)))
    return values[rng.integers(len(values))]


def nested(depth: int) -> Any:
    """Containers in containers, or layers that stand twice at each depth."""
    value: Any = {"class": "ReLU", "module": "minitorch_np.layers.activations", "config": {}}
    for level in range(min(depth, 60)):
        layers = [value, {"same_as": level}]
        value = {"class": "Sequential", "module": "minitorch_np.core", "config": {"layers": layers}}
    for _ in range(depth - 60 if depth < 150 else 0):
        value = [value]
    return value


def edited(value: Any, rng: Generator) -> Any:
    """A JSON value with one entry, somewhere inside, replaced, dropped or added."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        keys: list[Any] = list(copy) if isinstance(copy, dict) else list(range(len(copy)))
        key = keys[rng.integers(len(keys))]
        if rng.random() < 0.1:
            del copy[key]
        else:
            copy[key] = edited(copy[key], rng)
        return copy
    if isinstance(value, (int, float)) and rng.random() < 0.4:
        return value + int(rng.integers(1, 5))
    return hostile_value(rng)


def array_damaged(rng: Generator) -> Any:
    """An array that no parameter is."""
    many = int(rng.integers(1, 3000)) if rng.random() < 0.1 else 1
    made: list[Callable[[], Any]] = [
        lambda: np.zeros((many, 5000), np.float32),
        lambda: np.zeros((5000, many)),
        lambda: np.array("x" * int(rng.integers(10**6))),
        lambda: np.array([b"a", b"b"]),
        lambda: np.zeros((0, 2**40), np.int8),
        lambda: np.zeros(3, "f4,i2"),
        lambda: np.full((4, 5), np.nan),
        lambda: np.ones((5, 4), complex),
        lambda: np.ones((4, 5), bool),
        lambda: np.array("[" * 10**6),
        lambda: np.zeros((1,) * 32),
    ]
    return made[rng.integers(len(made))]()


def archive_damaged(path: Path, text_name: str, rng: Generator) -> None:
    """Edit an .npz: its bytes, its text, or its arrays."""
    way = rng.integers(4)
    if way == 0:
        path.write_bytes(bytes_damaged(path.read_bytes(), rng))
        return
    with np.load(path) as archive:
        arrays = dict(archive)
    names = list(arrays)
    if way == 3:
        arrays[names[rng.integers(len(names))]] = array_damaged(rng)
    elif rng.random() < 0.1:
        del arrays[names[rng.integers(len(names))]]
    else:
        text = json.dumps(edited(json.loads(str(arrays[text_name])), rng))
        arrays[text_name] = np.array(text)
    forged = "checksum" in arrays and rng.random() < 0.5
    if forged:
        del arrays["checksum"]
        arrays["checksum"] = np.array(states._checksum(arrays))
    save: Any = np.savez_compressed if rng.random() < 0.2 else np.savez
    save(path, **arrays)
    if forged:
        path.with_suffix(".forged").touch()


# The kinds: each makes a file, stops while the clock is set, reads it, and says what is wrong


@functools.cache
def whole_files() -> tuple[bytes, bytes, dict[str, Any]]:
    """A model of several kinds of layers; a run of two epochs; and where one of three ends."""
    with tempfile.TemporaryDirectory() as name:
        folder, shared = Path(name), mt.Dense(4)
        layers = [shared, mt.BatchNorm(), mt.ELU(0.5), shared, mt.Residual(mt.Dense(4), "relu")]
        mt.Sequential(*layers, mt.Dense(3), input_shape=4, seed=0).save(folder / "m.npz")
        run_with({}, folder / "run.npz", epochs=2)
        straight = run_with({}, folder / "none.npz", epochs=3).state_dict()
        return (folder / "m.npz").read_bytes(), (folder / "run.npz").read_bytes(), straight


def attack_model(folder: Path, rng: Generator) -> Iterator[str]:
    """A saved model."""
    path = folder / "m.npz"
    path.write_bytes(whole_files()[0])
    archive_damaged(path, "architecture", rng)
    yield ""
    mt.Sequential.load(path)(np.ones((2, 4)))


def attack_checkpoint(folder: Path, rng: Generator) -> Iterator[str]:
    """A run that is gone on with."""
    path = folder / "run.npz"
    path.write_bytes(whole_files()[1])
    archive_damaged(path, "checked_state", rng)
    yield ""
    found = run_with({}, path, epochs=3, resume=True).state_dict()
    same = all(np.array_equal(array, found[name]) for name, array in whole_files()[2].items())
    forged = path.with_suffix(".forged").exists()
    yield "" if same or forged else "silent: another end"


def attack_settings(folder: Path, rng: Generator) -> Iterator[str]:
    """A run whose checkpoint is gone on with under other settings."""
    names = list(OTHER_SETTINGS)
    name = names[rng.integers(len(names))]
    first, other = OTHER_SETTINGS[name](rng), OTHER_SETTINGS[name](rng)
    run_with(first[1], folder / "run.npz", epochs=2)
    yield ""
    try:
        run_with(other[1], folder / "run.npz", epochs=3, resume=True)
    except mt.ConfigurationError as error:
        if first[0] != other[0]:
            raise
        yield f"refused without a reason: {name}: {error}"
    yield "" if first[0] == other[0] else f"silent: {name} {first[0]}, then {other[0]}"


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


KINDS: dict[str, Callable[[Path, Generator], Iterator[str]]] = {
    "model": attack_model,
    "checkpoint": attack_checkpoint,
    "settings": attack_settings,
    "csv": attack_csv,
    "idx": attack_idx,
    "image": attack_image,
}


# Running them


def attack(kind: str, number: int, seed: int) -> Outcome:
    """Make one attack in a folder of its own, and look at what it does."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    said, fault, before, begun = "accepted", "", set(sys.modules), 0.0
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError):
        (Path(folder) / "payload.py").write_text("")
        steps = KINDS[kind](Path(folder), rng)
        next(steps)
        with contextlib.suppress(OSError):  # where the system counts the largest size anew
            Path("/proc/self/clear_refs").write_text("5")
        signal.setitimer(signal.ITIMER_REAL, 2 * MOST_SECONDS)
        begun = time.perf_counter()
        try:
            fault = next(steps, "")
        except mt.MinitorchError as error:
            said = type(error).__name__
            fault = f"a message of {len(str(error)):,} characters" * (len(str(error)) > 3000)
        except FileNotFoundError as error:
            said = type(error).__name__
        except Exception as error:  # this is what is looked for
            said, fault = type(error).__name__, f"{type(error).__name__}: {error}"[:200]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    seconds, megabytes = time.perf_counter() - begun, peak() / 1e6
    imported = [name for name in NAMED if name in sys.modules and name not in before]
    fault = fault or (f"imported {imported}" if imported else "")
    fault = fault or (f"took {seconds:.1f} s" if seconds > MOST_SECONDS else "")
    fault = fault or (f"took {megabytes:.0f} MB" if megabytes * 1e6 > MOST_MEMORY else "")
    return Outcome(kind, number, said, fault, megabytes, seconds)


def peak() -> float:
    """This process's largest size in bytes since it was last counted anew."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * float(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        import resource

        return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def attacks(kind: str, first: int, count: int, seed: int) -> Iterator[Outcome]:
    """So many attacks of a kind, in this process."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"over {2 * MOST_SECONDS:.0f} s")

    signal.signal(signal.SIGALRM, too_long)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for number in range(first, first + count):
            yield attack(kind, number, seed)


def in_a_process(kind: str, first: int, count: int, seed: int) -> list[Outcome]:
    """The same in a process of its own; one that dies is a fault."""
    arguments = [kind, str(first), str(count), str(seed)]
    command = [sys.executable, "-m", "benchmarks.attacks", "--worker", *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = [Outcome(*json.loads(line)) for line in run.stdout.splitlines()]
    if run.returncode:
        found.append(Outcome(kind, first + len(found), "died", run.stderr[-300:], 0, 0))
    return found


def table(outcomes: list[Outcome]) -> str:
    """A line for each kind, and one for each fault."""
    lines = [f"{'kind':<11}{'attacks':>8}{'refused':>9}{'faults':>8}{'most MB':>9}{'most s':>8}"]
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        if own:
            refused = sum(outcome.said != "accepted" for outcome in own)
            faults = sum(bool(outcome.fault) for outcome in own)
            memory = max(outcome.megabytes for outcome in own)
            seconds = max(outcome.seconds for outcome in own)
            numbers = f"{len(own):>8}{refused:>9}{faults:>8}{memory:>9.0f}{seconds:>8.2f}"
            lines.append(f"{kind:<11}{numbers}")
    lines += [f"{o.kind} {o.number}: {o.fault}" for o in outcomes if o.fault]
    return "\n".join(lines)


def main() -> None:
    """Attack, print a table; the exit code is 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-kind", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, *numbers = arguments.worker
        for outcome in attacks(kind, *map(int, numbers)):
            print(json.dumps(outcome), flush=True)
        return
    outcomes = []
    for kind, first in itertools.product(KINDS, range(0, arguments.per_kind, BATCH)):
        count = min(BATCH, arguments.per_kind - first)
        outcomes += in_a_process(kind, first, count, arguments.seed)
    print(table(outcomes))
    sys.exit(any(outcome.fault for outcome in outcomes))


if __name__ == "__main__":
    main()
