"""A model in a file: what is saved is loaded, and what is damaged is said to be."""

import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.cli import main
from minitorch_np.core.model_file import FORMAT
from minitorch_np.io import expansion_limit
from minitorch_np.io.arrays import read_state, write_state


class Twice(mt.Activation):
    """A user-defined layer, importable from this module."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def value(self, z: Array) -> Array:
        return self.factor * z

    def derivative(self, z: Array, a: Array) -> Array:
        return np.full_like(z, self.factor)


def example(dtype: Any = np.float32) -> mt.Sequential:
    return mt.Sequential(
        mt.Dense(4, weight_initializer="he_normal"),
        mt.Sequential(mt.ELU(1.7), Twice(3.0), mt.Dense(3, use_bias=False)),
        mt.Softmax(),
        input_shape=5,
        seed=0,
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_saved_is_loaded(tmp_path: Path, dtype: Any) -> None:
    model = example(dtype)
    path = tmp_path / "a model without suffix"
    model.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    loaded = mt.Sequential.load(path)
    assert repr(loaded) == repr(model)
    x = np.random.default_rng(0).normal(size=(6, 5))
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.dtype == dtype
    loaded.save(str(path))  # over the old one
    assert repr(mt.Sequential.load(path)) == repr(model)


def test_the_file_is_plain_numpy(tmp_path: Path) -> None:
    model = example()
    model.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {"architecture", *model.named_parameters()}
        architecture = json.loads(str(archive["architecture"]))
    assert architecture["format"] == FORMAT
    assert architecture["input_shape"] == [5]
    assert architecture["model"]["config"]["layers"][0]["config"]["units"] == 4


def test_shared_layers_stay_shared(tmp_path: Path) -> None:
    shared = mt.Dense(4)
    model = mt.Sequential(shared, mt.ReLU(), shared, input_shape=4, seed=0)
    model.save(tmp_path / "m.npz")
    loaded = mt.Sequential.load(tmp_path / "m.npz")
    assert loaded[0] is loaded[2]
    assert loaded.count_parameters() == 20
    np.testing.assert_array_equal(loaded(np.ones((2, 4))), model(np.ones((2, 4))))


def test_an_initializer_of_the_readers_own_does_not_prevent_saving(tmp_path: Path) -> None:
    model = mt.Sequential(
        mt.Dense(2, weight_initializer=lambda rng, shape, i, o: np.ones(shape)), input_shape=3
    )
    model.save(tmp_path / "m.npz")
    assert (mt.Sequential.load(tmp_path / "m.npz").named_parameters()["0.weight"] == 1).all()


def test_a_file_names_classes_and_imports_nothing(tmp_path: Path) -> None:
    """Classes that are defined are found, wherever; others are passed, whatever the module has."""

    class Local(Twice):
        pass

    mt.Sequential(mt.Dense(2), Local(), input_shape=3).save(tmp_path / "m.npz")
    assert isinstance(mt.Sequential.load(tmp_path / "m.npz")[1], Local)
    (tmp_path / "payload.py").write_text("print('imported')")
    for module, name in [
        ("os", "system"),
        ("builtins", "print"),
        ("no.such.module", "Local"),
        ("payload", "Local"),
        ("antigravity", "Local"),
        ("test.__main__", "Local"),
        ("minitorch_np.layers", "Local"),
        ("minitorch_np.io", "Report"),
    ]:
        description = {"class": name, "module": module, "config": {"factor": 3.0}}
        sequential = {"class": "Sequential", "module": "minitorch_np.core.sequential"}
        content = {
            "format": FORMAT,
            "model": {**sequential, "config": {"layers": {"tuple": [description]}}},
            "input_shape": [3],
            "dtype": "float32",
        }
        np.savez(tmp_path / "m.npz", architecture=np.array(json.dumps(content)))
        script = f"""
import sys; before = set(sys.modules)
import minitorch_np as mt
try:
    mt.Sequential.load({str(tmp_path / "m.npz")!r})
except mt.ModelFileError as error:
    print(error)
print(*set(sys.modules) - before)
"""
        if module in ("os", "payload", "antigravity", "test.__main__"):
            arguments = [sys.executable, "-c", script]
            run = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
            assert f"layer {name}: expected its class to be defined" in run.stdout
            assert not {"imported", "payload", "antigravity", "test"} & set(run.stdout.split())
        with pytest.raises(mt.ModelFileError, match=f"layer {name}:.*custom_layers=.{name}."):
            mt.Sequential.load(tmp_path / "m.npz")
        if not module.startswith("minitorch_np.") and name == "Local":
            loaded = mt.Sequential.load(tmp_path / "m.npz", custom_layers=[Local])
            assert repr(loaded[0]) == "Local(factor=3.0)"


def test_a_layer_that_cannot_be_described_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    class Odd(mt.ReLU):
        def __init__(self, thing: Any) -> None:
            self.thing = thing

    class Silent(mt.ReLU):
        def __init__(self, amount: int) -> None:
            self.kept_elsewhere = amount

    for layer, message in (
        (Odd(object()), "numbers, texts, layers and lists, got <object"),
        (Silent(3), "'amount' to be kept as self.amount"),
    ):
        model = mt.Sequential(mt.Dense(2), layer, input_shape=3)
        with pytest.raises(mt.ConfigurationError, match=message):
            model.save(tmp_path / "m.npz")
        assert not list(tmp_path.iterdir())


def edited(path: Path, **changes: Any) -> Path:
    """A copy of a saved model in which arrays are replaced, or dropped where None is given."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    architecture = changes.pop("architecture", None)
    if isinstance(architecture, dict):
        old = json.loads(str(arrays["architecture"]))
        architecture = np.array(json.dumps(old | architecture))
    if architecture is not None:
        arrays["architecture"] = architecture
    arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
    new = path.with_name("edited.npz")
    np.savez(new, **arrays)
    return new


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": {"format": FORMAT + 1}}, f"format {FORMAT} or older, got.*{FORMAT + 1}"),
        ({"architecture": {"format": "new"}}, "missing or incomplete"),
        ({"architecture": np.array("{}")}, "missing or incomplete.*format"),
        ({"architecture": np.array("{")}, "missing or incomplete"),
        ({"architecture": {"model": None}}, "expected a Sequential, got NoneType"),
        ({"architecture": {"dtype": "float16"}}, "float32 or float64"),
        ({"architecture": {"input_shape": [6]}}, "0.weight: expected.*4, 6.*4, 5"),
        ({"0.bias": None}, "0.bias is missing"),
        ({"0.weight": np.ones((5, 4), np.float32)}, r"0.weight: expected.*\(4, 5\).*\(5, 4\)"),
        ({"0.bias": np.array(["a"] * 4)}, "0.bias: expected numbers"),
        ({"9.weight": np.ones(3)}, "9.weight is unexpected"),
    ],
)
def test_files_that_are_not_right(tmp_path: Path, changes: Any, message: str) -> None:
    example().save(tmp_path / "m.npz")
    with pytest.raises(mt.ModelFileError, match=f"(?s)edited.npz.*{message}"):
        mt.Sequential.load(edited(tmp_path / "m.npz", **changes))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    np.savez(tmp_path / "pickled.npz", architecture=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    for path in list(tmp_path.iterdir()):
        with pytest.raises(mt.ModelFileError, match=path.name):
            mt.Sequential.load(path)
    with pytest.raises(FileNotFoundError):
        mt.Sequential.load(tmp_path / "nowhere.npz")


def test_every_truncation_and_every_changed_byte_is_noticed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Every third byte, except with --whole."""
    model = mt.Sequential(mt.Dense(2), input_shape=2, seed=0)
    path = tmp_path / "m.npz"
    model.save(path)
    whole = path.read_bytes()
    expected = model.state_dict()
    rng = np.random.default_rng(0)
    damaged = [whole[:n] for n in range(0, len(whole), 7)]
    step = 1 if request.config.getoption("--whole") else 3
    for place in range(0, len(whole), step):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        damaged.append(bytes(changed))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            loaded = mt.Sequential.load(path).state_dict()
        except mt.ModelFileError:
            refused += 1
            continue
        for name, array in expected.items():  # a byte that means nothing, such as a time stamp
            np.testing.assert_array_equal(loaded[name], array)
    assert refused > 0.5 * len(damaged)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.npz"
    example().save(path)
    old = path.read_bytes()

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        example(np.float64).save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


class Net(mt.Sequential):
    """A user-defined model, as one writes it in PyTorch or Keras."""

    def __init__(self, hidden: int = 4) -> None:
        super().__init__(mt.Dense(hidden), mt.ReLU(), mt.Dense(2), input_shape=3, seed=0)
        self.hidden = hidden


def test_a_subclass_of_sequential(tmp_path: Path) -> None:
    model = Net(7)
    model.named_parameters()["0.bias"][:] = 3
    model.save(tmp_path / "m.npz")
    for cls in (Net, mt.Sequential):
        loaded = cls.load(tmp_path / "m.npz")
        assert isinstance(loaded, Net)
        assert loaded.hidden == 7
        np.testing.assert_array_equal(loaded(np.ones((2, 3))), model(np.ones((2, 3))))
    example().save(tmp_path / "plain.npz")
    with pytest.raises(mt.ModelFileError, match="expected a Net, got Sequential"):
        Net.load(tmp_path / "plain.npz")


def test_links_stay_links_and_devices_stay_devices(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "target.npz")
    example().save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert mt.Sequential.load(tmp_path / "target.npz").built
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(mt.ConfigurationError, match="expected a file or a new name"):
        example().save(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError) as caught:
        example().save(tmp_path / "no" / "folder.npz")
    assert caught.value.filename == str(tmp_path / "no" / "folder.npz")
    example().save(tmp_path / ("x" * 250))
    assert len(list(tmp_path.iterdir())) == 4


def test_our_own_layers_cannot_be_replaced_by_name(tmp_path: Path) -> None:
    class Dense(mt.Dense):
        pass

    mt.Sequential(mt.Dense(2), input_shape=3).save(tmp_path / "m.npz")
    assert type(mt.Sequential.load(tmp_path / "m.npz", custom_layers=[Dense])[0]) is mt.Dense


# What others write


def described(layer: str, module: str = "dense", **config: Any) -> dict[str, Any]:
    return {"class": layer, "module": f"minitorch_np.layers.{module}", "config": config}


def model_file(path: Path, layers: list[Any], input_shape: Any = (15000,), **arrays: Any) -> Path:
    content = {
        "format": FORMAT,
        "model": described("Sequential", layers={"tuple": layers}),
        "input_shape": input_shape,
        "dtype": "float32",
    }
    text = json.dumps(content).replace('"DEEP"', DEEP)
    np.savez_compressed(path, architecture=np.array(text), **arrays)
    return path


WIDE = described("Dense", units=15000)
NORM = described("LayerNorm", "normalization")
NESTED = described("ReLU", "activations")
for _ in range(60):
    NESTED = described("Sequential", layers={"tuple": [NESTED, {"same_as": _}]})
HALVES = json.dumps(described("Sequential", layers={"tuple": ["HERE"]})).split('"HERE"')
DEEP = HALVES[0] * 2000 + json.dumps(NORM) + HALVES[1] * 2000


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([WIDE], [15000], "Dense.15000.: expected parameters of at most"),
        ([described("Dense", units=15000, weight_initializer="zeros")], [15000], "at most"),
        ([described("Embedding", "embedding", vocabulary=10**6, dimensions=300)], [2], "at most"),
        ([NORM] * 4, [5_000_000], "LayerNorm.*at most"),
        ([described("ReLU", "activations")], [10**6, 10**6], "expected at most .* bytes"),
        ([NESTED], [3], "up to 10000 layers"),
        (["DEEP"], [3], "RecursionError|incomplete"),
        ([described("Dense", units="x" * 10**6)], [3], "xxx[.]{3}"),
        ([described("Dense", units=10**400)], [3], "at most"),
        ([described("Dense", no=3)], [3], "expected no argument 'no'"),
    ],
)
def test_what_a_small_file_asks_for_is_not_made(
    layers: Any, shape: Any, message: str, tmp_path: Path
) -> None:
    model_file(tmp_path / "m.npz", layers, shape)
    with pytest.raises(mt.ModelFileError, match=f"(?s)m.npz: .*({message})") as caught:
        mt.Sequential.load(tmp_path / "m.npz")
    assert len(str(caught.value)) < 1500


def test_a_file_expands_as_far_as_the_caller_says(tmp_path: Path) -> None:
    weights = {"0.weight": np.zeros((5000, 4000), np.float32), "0.bias": np.zeros(5000)}
    model_file(tmp_path / "m.npz", [described("Dense", units=5000)], (4000,), **weights)
    with pytest.raises(mt.ModelFileError, match="at most 67,108,864 bytes.*expansion_limit"):
        mt.Sequential.load(tmp_path / "m.npz")
    with expansion_limit(10**8):
        assert mt.Sequential.load(tmp_path / "m.npz").count_parameters() == 20_005_000


def test_json_costs_sixteen_times_its_length(tmp_path: Path) -> None:
    """As much is allowed as its objects may take, and the refusal is passed on as it is."""
    path, text = tmp_path / "run.npz", "x" * 10_000
    write_state(path, {"told": text})
    with np.load(path) as arrays:
        np.savez_compressed(path, **arrays)
    room = 16 * len(json.dumps({"told": text}))
    with expansion_limit(room):
        assert read_state(path) == {"told": text}
    said = f"at most {room - 1:,} bytes when it is expanded, got {room:,}"
    with expansion_limit(room - 1), pytest.raises(mt.ModelFileError, match=said):
        read_state(path)


def test_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (mt.Sequential.load, mt.data.load_csv, mt.data.load_idx, mt.data.load_image):
        with pytest.raises(mt.MinitorchError, match="pipe: expected a file, got a pipe"):
            read(tmp_path / "pipe")


@pytest.mark.parametrize("mode", [0o640, 0o600])
def test_a_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    before = os.umask(0o027)
    try:
        example().save(path)
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(mode)
        os.umask(0)
        example().save(path)
        assert path.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_two_threads_save_to_one_path(tmp_path: Path) -> None:
    models = [example(dtype) for dtype in (np.float32, np.float64)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for saved in [pool.submit(models[n % 2].save, tmp_path / "m.npz") for n in range(80)]:
            saved.result()
    assert mt.Sequential.load(tmp_path / "m.npz").built
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


def test_what_killed_saves_leave_is_removed(tmp_path: Path) -> None:
    script = (
        "import os, signal; import minitorch_np as mt\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "mt.Sequential(mt.Dense(2), input_shape=2).save('a.npz')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path)
    (left,) = tmp_path.iterdir()
    ours, _, rest = left.name.rpartition(f".{left.name.split('.')[3]}.")
    alive = left.with_name(f"{ours}.{os.getpid()}.{rest}")
    elsewhere = left.with_name(f".minitorch_np.0123abcd.{left.name.split('.', 3)[3]}")
    for other in (alive, elsewhere):
        other.write_bytes(b"being written")
    example().save(tmp_path / "b.npz")
    assert set(tmp_path.iterdir()) == {alive, elsewhere, tmp_path / "b.npz"}


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.npz")
    example().save(path)
    assert mt.Sequential.load(path).built


def test_the_command_line_imports_where_a_person_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "import minitorch_np as mt\nclass Mine(mt.ReLU): pass\n"
    (tmp_path / "mine.py").write_text(source)
    script = "import minitorch_np as mt, mine; "
    script += "mt.Sequential(mt.Dense(10), mine.Mine(), input_shape=784, seed=0).save('m.npz')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    imported = ["--import", str(tmp_path / "mine.py")]
    assert main(["info", str(tmp_path / "m.npz")]) == 2
    assert "layer Mine: expected its class to be defined" in capsys.readouterr().err
    for verb in ("info", "evaluate"):
        assert main([verb, str(tmp_path / "m.npz"), *imported]) == 0
