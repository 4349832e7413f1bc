"""`minitorch-np text`: a real text trained on, resumed and sampled; what makes no sense."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from examples.tiny_gpt import SONNETS
from tests.commands import run, run_process

# Shakespeare, sonnet 18 (1609), the first of those in the example.
SONNET = SONNETS.strip().partition("\n\n")[0] + "\n"
SMALL = ["--context", 16, "--width", 16, "--epochs", 3, "--steps-per-epoch", 5, "--lr", 0.01]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a model of it."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "sonnet.txt").write_text(SONNET)
    sizes = ["--network", "char_rnn", "--cell", "gru", "--context", 16, "--width", 40]
    steps = ["--epochs", 4, "--steps-per-epoch", 40, "--lr", 0.03]
    done = run("text", "train", "sonnet.txt", *sizes, *steps, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "train.txt").write_text(done.stdout)
    return folder


def test_a_text_is_learned_by_heart(trained: Path) -> None:
    *epochs, measured, saved = (trained / "train.txt").read_text().splitlines()
    assert len(epochs) == 4
    assert epochs[0].startswith("epoch 1/4  loss ")
    assert "  val_loss " in epochs[0]
    assert measured.startswith("validation loss ")
    assert saved == "saved to model.npz"
    prompt = "Thou art more lov"
    arguments = ["--prompt", prompt, "--temperature", 0, "--length", 20]
    done = run("text", "sample", "model.npz", *arguments, cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Thou art more lovely and more tempera\n"
    model = mt.Sequential.load(trained / "model.npz")
    assert model.metadata == {"characters": "".join(sorted(set(SONNET)))}


def test_a_seed_fixes_a_sample(trained: Path) -> None:
    def sample(*arguments: object) -> str:
        done = run("text", "sample", "model.npz", "--length", 60, *arguments, cwd=trained)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert sample("--seed", 1) == sample("--seed", 1) != sample("--seed", 2)
    assert sample("--seed", 1, "--top-k", 1) == sample("--temperature", 0)
    assert sample("--top-p", 1e-9) == sample("--temperature", 0)
    assert sample("--seed", 1)[0] == "\n"  # without a prompt
    as_json = json.loads(sample("--seed", 1, "--json"))
    assert as_json["prompt"] + as_json["text"] + "\n" == sample("--seed", 1)
    assert len(as_json["text"]) == 60
    assert json.loads(run("text", "--json", "sample", "model.npz", cwd=trained).stdout)["text"]


def test_json_keeps_to_its_streams(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SONNET)
    done = run("text", "train", "a.txt", *SMALL, "--layers", 2, "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert done.stderr.count("epoch") == 3
    assert len(result["history"]["val_loss"]) == 3
    assert result["validation"]["loss"] == result["history"]["val_loss"][-1]
    assert result["characters"] == len(set(SONNET))
    model = mt.Sequential.load(tmp_path / "model.npz")
    assert [type(layer).__name__ for layer in model].count("TransformerBlock") == 2
    assert result["parameters"] == model.count_parameters()
    shown = run("info", "model.npz", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "TransformerBlock" in shown.stdout
    assert f"Total params: {model.count_parameters():,}" in shown.stdout
    # What is measured is the mean over the windows of the last tenth.
    ids = mt.data.CharTokenizer(SONNET).encode(SONNET)
    x, y = mt.data.TextWindows(ids[-(len(ids) // 10) :], 16).consecutive()
    loss = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)").evaluate(x, y)["loss"]
    assert loss == pytest.approx(result["validation"]["loss"], rel=1e-6)


@pytest.mark.parametrize("network", ["gpt", "char_rnn"])
def test_an_interrupted_run_ends_where_it_would_have_ended(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text(SONNET)
    base = ["text", "train", "a.txt", *SMALL, "--network", network, "--dropout", 0.1]
    assert run(*base, "--out", "whole.npz", cwd=tmp_path).returncode == 0

    kept = [*base, "--checkpoint", "kept", "--checkpoint-every", 2]
    calls = iter(range(100))

    def stop(*_: object) -> None:
        if next(calls) == 8:  # in the second epoch, after its second step was written
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mt.Progress, "on_batch_end", stop)
        done = run(*kept, cwd=tmp_path)
    assert done.returncode == 130
    assert "add --resume to continue the run in kept" in done.stderr
    assert not (tmp_path / "model.npz").exists()
    again = run(*kept, cwd=tmp_path)
    assert again.returncode == 2
    assert "add --resume" in again.stderr

    done = run(*kept, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/3" not in done.stdout
    ends = [mt.Sequential.load(tmp_path / name) for name in ("whole.npz", "model.npz")]
    for name, array in ends[0].state_dict().items():
        np.testing.assert_array_equal(array, ends[1].state_dict()[name])

    (tmp_path / "a.txt").write_text(SONNET.replace("Death", "death", 1))
    other = run(*kept, "--resume", cwd=tmp_path)
    assert other.returncode == 2
    assert "expected the same run, got another" in other.stderr


def test_each_epoch_has_windows_of_its_own() -> None:
    from minitorch_np.cli.text_train import NewWindows

    windows = mt.data.TextWindows(np.arange(1000), 4)
    fresh = NewWindows(windows, 50, seed=3)
    (x, y), (same, _), (other, _) = fresh.draw(0), fresh.draw(0), fresh.draw(1)
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(x, same)
    assert (x != other).any()
    assert (x != NewWindows(windows, 50, seed=4).draw(0)[0]).any()


def test_a_long_text_is_measured_at_equal_distances() -> None:
    from minitorch_np.cli.text_train import VALIDATION_WINDOWS, _spread

    x, y = _spread(mt.data.TextWindows(np.arange(100_001) % 7, 4))
    assert VALIDATION_WINDOWS / 2 < len(x) == len(y) <= VALIDATION_WINDOWS
    x, _ = _spread(mt.data.TextWindows(np.arange(81), 4))
    assert len(x) == 20


def test_a_text_as_windows_writes_it_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "crlf.txt").write_bytes(b"\xef\xbb\xbf" + SONNET.replace("\n", "\r\n").encode())
    assert mt.data.load_text(tmp_path / "crlf.txt") == SONNET


def test_what_makes_no_sense_is_refused(trained: Path) -> None:
    (trained / "latin.txt").write_bytes("caf\u00e9".encode("latin-1") * 300)
    (trained / "short.txt").write_text(SONNET[:100])
    (trained / "empty.txt").write_text("")
    (trained / "same.txt").write_text("a" * 1000)
    mt.mlp([4, 3]).save(trained / "numbers.npz")
    odd = mt.char_rnn(3, 4, 2)
    odd.metadata = {"characters": "ab"}
    odd.save(trained / "odd.npz")
    for arguments, message in (
        (["train", "nowhere.txt"], "nowhere.txt: No such file"),
        (["train", "latin.txt"], "latin.txt: expected a text in UTF-8, got byte 0xe9 at byte 3"),
        (["train", "short.txt"], "short.txt: expected a text of at least 650 characters"),
        (["train", "empty.txt"], "empty.txt: expected a text of at least 650 characters"),
        (["train", "same.txt"], "same.txt: expected at least two different characters, got 'a'"),
        (["train", "."], ".: "),
        (["train", "sonnet.txt", "--out", "no/such.npz"], "a writable folder"),
        (["train", "sonnet.txt", "--context", 8, "--heads", 3], "3 heads divide"),
        (["train", "sonnet.txt", "--context", 8, "--cell", "gru"], "expected --network char_rnn"),
        (
            ["train", "sonnet.txt", "--context", 8, "--network", "char_rnn", "--heads", 2],
            "expected --network gpt with it",
        ),
        (["train", "sonnet.txt", "--context", 8, "--warmup", 2000], "fewer than the 2000 steps"),
        (["train", "sonnet.txt", "--dropout", 1], "smaller than 1"),
        (["train", "sonnet.txt", "--network", "gtp"], "did you mean gpt?"),
        (["train", "sonnet.txt", "--resume"], "expected --checkpoint DIR with it"),
        (["trian"], "did you mean train?"),
        (["sample", "nowhere.npz"], "nowhere.npz: No such file"),
        (["sample", "sonnet.txt"], "sonnet.txt: expected a model saved by minitorch_np"),
        (
            ["sample", "numbers.npz"],
            "numbers.npz: expected a model saved by `minitorch-np text train`",
        ),
        (["sample", "odd.npz"], "odd.npz: expected a model saved by `minitorch-np text train`"),
        (["sample", "model.npz", "--prompt", "caf\u00e9 9"], "got '9\u00e9', which its text did"),
        (["sample", "model.npz", "--prompt", ""], "got none"),
        (["sample", "model.npz", "--temperature", -1], "at least 0"),
        (["sample", "model.npz", "--top-p", 2], "at most 1"),
        (["sample", "model.npz", "--length", 0], "at least 1"),
    ):
        done = run("text", *arguments, cwd=trained)
        assert done.returncode == 2, (arguments, done)
        assert message in done.stderr, (arguments, done.stderr)
        assert done.stdout == ""


def test_a_model_that_has_diverged_writes_nothing(trained: Path) -> None:
    model = mt.Sequential.load(trained / "model.npz")
    model.named_parameters()["0.weight"][:] = np.nan
    model.save(trained / "nan.npz")
    done = run("text", "sample", "nan.npz", "--prompt", "a", cwd=trained)
    assert (done.returncode, done.stdout) == (2, "a\n")
    assert "the model has diverged" in done.stderr
    done = run("text", "train", "sonnet.txt", *SMALL, "--lr", 1e30, "--out", "x.npz", cwd=trained)
    assert done.returncode == 1
    assert not (trained / "x.npz").exists()


def test_control_characters_do_not_reach_a_terminal(tmp_path: Path) -> None:
    text = "ab\x1b[31m\tc\x07d\u0142\n" * 40
    (tmp_path / "a.txt").write_text(text)
    assert run("text", "train", "a.txt", *SMALL, cwd=tmp_path).returncode == 0
    done = run("text", "sample", "model.npz", "--prompt", "\x1b", "--length", 300, cwd=tmp_path)
    assert done.stdout.startswith("\\x1b")
    assert not set(done.stdout) & {"\x1b", "\x07"}
    assert set(done.stdout) & {"\t", "\n"} == {"\t", "\n"}
    shown = run_process(
        *("text", "sample", "model.npz", "--prompt", "\u0142", "--length", 3),
        cwd=tmp_path,
        PYTHONIOENCODING="ascii",
    )
    assert shown.stdout.startswith("\\u0142")


def test_characters_come_as_they_are_made_until_the_interrupt(trained: Path) -> None:
    command = [sys.executable, "-m", "minitorch_np", "text", "sample", "model.npz"]
    process = subprocess.Popen(
        [*command, "--prompt", "Thou", "--length", "10000000"],
        cwd=trained,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        assert process.stdout.read(40).startswith("Thou")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert rest.endswith("\n")
    assert errors == "minitorch-np: error: interrupted; nothing was saved\n"


@pytest.mark.parametrize("stream", ["| head -c 30", ">&-"])
def test_a_reader_that_goes_away_is_no_error(stream: str, trained: Path) -> None:
    command = f"{sys.executable} -m minitorch_np text sample model.npz --length 3000 {stream}"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        cwd=trained,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) <= 30


@pytest.mark.parametrize("metadata", [{"a": 1, "b": ["x", None, {"c": 2.5}]}, {}])
def test_metadata_is_saved_with_a_model(metadata: dict[str, Any], tmp_path: Path) -> None:
    a = mt.Input(2)
    for model in (mt.mlp([2, 3]), mt.Graph(a, mt.Dense(1)(a))):
        model.metadata = metadata
        model.save(tmp_path / "m.npz")
        assert type(model).load(tmp_path / "m.npz").metadata == metadata
    assert mt.mlp([2, 3]).metadata == {}


@pytest.mark.parametrize("wrong", [{"a": {1, 2}}, {"a": np.ones(2)}, {(1, 2): 3}])
def test_metadata_is_made_of_plain_values(wrong: Any, tmp_path: Path) -> None:
    model = mt.mlp([2, 3])
    model.metadata = wrong
    with pytest.raises(mt.ConfigurationError, match="metadata made of numbers, texts"):
        model.save(tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


def test_a_file_without_metadata_is_read(tmp_path: Path) -> None:
    mt.mlp([2, 3]).save(tmp_path / "m.npz")
    arrays = dict(np.load(tmp_path / "m.npz"))
    for value, works in ((None, True), ([1], False), ({"characters": 3}, True)):
        head = json.loads(str(arrays["architecture"]))
        head.pop("metadata")
        head |= {} if value is None else {"metadata": value}
        np.savez(tmp_path / "m.npz", **{**arrays, "architecture": np.array(json.dumps(head))})
        if works:
            assert mt.Sequential.load(tmp_path / "m.npz").metadata == (value or {})
            done = run("text", "sample", "m.npz", cwd=tmp_path)
            assert (done.returncode, "m.npz: expected a model" in done.stderr) == (2, True)
        else:
            with pytest.raises(mt.ModelFileError):
                mt.Sequential.load(tmp_path / "m.npz")


def test_a_play_is_learned_a_little(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "shared" / "data" / "text"
    path = Path(os.environ.get("MINITORCH_TEXTS", folder)) / "shakespeare.txt"
    if not path.is_file():
        pytest.skip("shakespeare.txt is not here; set MINITORCH_TEXTS to its folder")
    sizes = ["--network", "char_rnn", "--cell", "gru", "--context", 16, "--width", 32]
    steps = ["--epochs", 1, "--steps-per-epoch", 100, "--lr", 0.03, "--json"]
    done = run("text", "train", path, *sizes, *steps, cwd=tmp_path)
    result = json.loads(done.stdout)
    assert result["characters"] == 65
    assert 2.2 < result["validation"]["loss"] < 2.7  # guessing by frequency alone: 3.3
    shown = run("text", "sample", "model.npz", "--prompt", "JULIET:", "--seed", 0, cwd=tmp_path)
    assert shown.stdout.startswith("JULIET:")
    assert len(shown.stdout) == 7 + 500 + 1
