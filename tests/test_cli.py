"""The command line: what it prints and writes, its exit codes; as real processes where streams,
signals and threads matter."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import doctor, main
from minitorch_np.cli.arguments import HELD_OUT
from tests.commands import run, run_process
from tests.test_data import write_csv


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that `train` has saved, and the folder that it was run in."""
    folder = tmp_path_factory.mktemp("trained")
    done = run_process("train", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "train.txt").write_text(done.stdout)
    assert done.stderr == ""
    return folder


def test_train_with_its_defaults(trained: Path) -> None:
    *epochs, test, health, saved = (trained / "train.txt").read_text().splitlines()
    assert len(epochs) == 25
    assert epochs[0].startswith("epoch  1/25  loss ")
    assert test.startswith("test accuracy ")
    assert float(test.split()[2].rstrip(",")) >= 0.90
    assert health == "health: nothing ill was found"
    assert saved == "saved to model.npz"
    model = mt.Sequential.load(trained / "model.npz")
    assert model.count_parameters() == 7960
    assert {path.name for path in trained.iterdir()} >= {"model.npz", "train.txt"}
    assert not list(trained.glob("*.part*"))


def test_evaluate_gives_the_same_numbers(trained: Path) -> None:
    done = run("evaluate", "model.npz", "--json", cwd=trained)
    result = json.loads(done.stdout)
    assert (
        f"test accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}"
        in (trained / "train.txt").read_text()
    )
    assert result["images"] == 2000
    assert "on 2000 images" in run("evaluate", "model.npz", cwd=trained).stdout


def test_train_in_json_keeps_to_its_streams(tmp_path: Path) -> None:
    arguments = ["--epochs", 2, "--batch-size", "full", "--activation", "leaky_relu(0.1)"]
    arguments += ["--output-activation", "elu", "--hidden", 7, "--lr", 0.5, "--seed", 3]
    done = run("train", *arguments, "--out", "other.npz", "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert len(result["history"]["loss"]) == 2
    assert set(result["test"]) == {"loss", "accuracy"}
    assert result["health"] == []
    assert result["parameters"] == 785 * 7 + 8 * 10
    assert done.stderr.count("epoch") == 2
    info = json.loads(run("info", "other.npz", "--json", cwd=tmp_path).stdout)
    assert info["layers"] == ["Dense(7)", "LeakyReLU(negative_slope=0.1)", "Dense(10)", "ELU()"]
    assert info["parameters"]["0.weight"] == [7, 784]
    assert info["total"] == result["parameters"]


def test_the_literal_softmax(tmp_path: Path) -> None:
    done = run("train", "--output-activation", "softmax", "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = run("info", "model.npz", cwd=tmp_path).stdout
    assert "(3): Softmax()" in shown
    assert "Total params: 7,960" in shown


def test_one_seed_is_one_file_content(tmp_path: Path) -> None:
    states = []
    for name in ("a.npz", "b.npz"):
        run("train", "--epochs", 1, "--out", name, cwd=tmp_path)
        states.append(mt.Sequential.load(tmp_path / name).state_dict())
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])


def test_training_on_a_csv_keeps_a_part_for_the_test(
    tmp_path: Path, digits: mt.data.Digits
) -> None:
    part = digits.train.take(slice(600))
    path = write_csv(tmp_path / "kaggle.csv", part)
    done = run("train", "--data", path, "--epochs", 20, "--json", cwd=tmp_path)
    accuracy = json.loads(done.stdout)["test"]["accuracy"]
    held_out = part.take(np.arange(600) % HELD_OUT == HELD_OUT - 1)
    model = mt.Sequential.load(tmp_path / "model.npz")
    assert accuracy == (model.predict_classes(held_out.features()) == held_out.labels).mean()
    assert accuracy > 0.6
    whole = json.loads(run("evaluate", "model.npz", "--data", path, "--json", cwd=tmp_path).stdout)
    assert whole["images"] == 600


def test_predict_a_csv_as_kaggle_wants_it(trained: Path, digits: mt.data.Digits) -> None:
    part = digits.test.take(slice(5))
    for labels in (True, False):
        path = write_csv(trained / "test.csv", part, labels=labels)
        done = run("predict", "model.npz", path, cwd=trained)
        lines = done.stdout.splitlines()
        assert lines[0] == "ImageId,Label"
        assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3", "4", "5"]
    expected = mt.Sequential.load(trained / "model.npz").predict_classes(part.features())
    assert [int(line.split(",")[1]) for line in lines[1:]] == expected.tolist()
    twice = json.loads(run("predict", "model.npz", path, path, "--json", cwd=trained).stdout)
    assert twice["labels"] == expected.tolist() * 2


def test_predict_a_picture(trained: Path, digits: mt.data.Digits) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    place = int(np.flatnonzero(digits.test.labels == 7)[0])
    drawn = 255 - digits.test.images[place]
    image.fromarray(drawn).resize((200, 200)).save(trained / "seven.png")
    done = run("predict", "model.npz", "seven.png", "seven.png", cwd=trained)
    assert done.returncode == 0
    assert done.stdout.count("seven.png: 7, with probability") == 2
    rows = [line for line in done.stdout.splitlines() if line.startswith("  ") and "#" in line]
    assert any(line.startswith("  7  0.") for line in rows)
    result = json.loads(run("predict", "model.npz", "seven.png", "--json", cwd=trained).stdout)
    (prediction,) = result["predictions"]
    assert prediction["label"] == 7
    assert len(prediction["probabilities"]) == 10
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_bad_usage_and_bad_input_exit_with_2(trained: Path) -> None:
    (trained / "bad.csv").write_text("label,p0\n3,256\n")
    (trained / "digits.csv").write_text("p0\n3\n")
    (trained / "broken.npz").write_bytes((trained / "model.npz").read_bytes()[:-100])
    for arguments, message in (
        ([], "VERB"),
        (["fly"], "invalid choice: 'fly'"),
        (["trian"], "did you mean train?"),
        (["train", "--optimiser=adam"], "got --optimiser: did you mean --optimizer?"),
        (["compare", "relu+relu", "--seedz", "3"], "got --seedz: did you mean --seeds?"),
        (["info", "model.npz", "--xyzzy"], "got --xyzzy: see minitorch-np info --help"),
        (["train", "--optimizer", "adan"], "did you mean 'Adam'?"),
        (["train", "--loss", "mze"], "--loss: "),
        (["train", "--loss", "bce"], "--loss: expected a loss for one class out of 10"),
        (["train", "--hidden", "128,x"], "argument --hidden: expected"),
        (["compare", "--rates", "0.1,no"], "argument --rates: expected the value to be a finite"),
        (["compare", "--target", "2"], "argument --target: expected the value to be a finite"),
        (["evaluate", "a\nb\x1b[31m.npz"], "error: a\\nb\\x1b[31m.npz: No such file"),
        (
            ["train", "--epochs", "0"],
            "argument --epochs: expected the value to be a whole number of at least 1",
        ),
        (["train", "--batch-size", "some"], "got 'some'; or write full"),
        (
            ["train", "--lr", "-1"],
            "argument --lr: expected the value to be a finite number greater than 0, got -1",
        ),
        (
            ["train", "--seed", "-1"],
            "argument --seed: expected the value to be a whole number of at least 0",
        ),
        (["train", "--hidden", "99999999999999999999"], "argument --hidden: expected"),
        (["train", "--activation", "swoosh"], "got 'swoosh'"),
        (["train", "--activation", "dense(3)"], "expected an activation"),
        (["train", "--data", "nowhere"], "nowhere: No such file"),
        (["train", "--data", "bad.csv"], "bad.csv:2: expected a whole number from 0 to 255"),
        (["train", "--data", "digits.csv"], "at least 6 images"),
        (["train", "--data", "model.npz"], "expected a CSV file, got a binary one"),
        (["train", "--out", "no/such/folder.npz"], "expected a writable folder"),
        (["train", "--out", "."], "expected the name of a file"),
        (["evaluate", "nowhere.npz"], "nowhere.npz: No such file"),
        (["evaluate", "broken.npz"], "broken.npz: expected a model saved by minitorch_np"),
        (["evaluate", "model.npz", "--data", "digits.csv"], "expected a label column"),
        (["predict", "model.npz", "digits.csv"], "expected 784 features"),
        (["predict", "model.npz", "digits.csv", "a.png"], "got both"),
        (["predict", "model.npz", "bad.csv"], "bad.csv:2"),
        (["predict", "model.npz"], "IMAGE|CSV"),
    ):
        done = run(*arguments, cwd=trained)
        assert done.returncode == 2, (arguments, done)
        assert message in done.stderr, (arguments, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
    done = run_process("evaluate", "nowhere.npz", cwd=trained)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    done = run_process("evaluate", "nowhere.npz", "--debug", cwd=trained)
    assert "Traceback" in done.stderr


def test_divergence_exits_with_1_and_saves_nothing(tmp_path: Path) -> None:
    done = run("train", "--lr", "1e30", cwd=tmp_path)
    assert done.returncode == 1
    assert "minitorch-np: error: training: expected finite numbers" in done.stderr
    last_step = ["--epochs", 1, "--batch-size", "full", "--lr", "1e22", "--json"]
    done = run("train", *last_step, cwd=tmp_path)
    assert done.returncode == 1
    assert "expected a finite loss" in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_model_that_has_diverged_reads_nothing(tmp_path: Path) -> None:
    model = mt.notes_network(seed=0)
    model.named_parameters()["0.bias"][:] = np.nan
    model.save(tmp_path / "nan.npz")
    done = run("evaluate", "nan.npz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / "line.png")
    done = run("predict", "nan.npz", "line.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "one that diverged" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_exits_with_130_and_saves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "minitorch_np", "train", "--epochs", "100000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a script is deaf to interrupts, and so are its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("epoch")  # it is training
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "minitorch-np: error: interrupted; nothing was saved\n"
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -m minitorch_np train --epochs 10 | head -n 1; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("epoch  1/10")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert (tmp_path / "model.npz").exists()  # what was asked for is done all the same


@pytest.mark.parametrize(
    ("arguments", "closed"),
    [("--help", ">&-"), ("info model.npz", ">&-"), ("nowhere", ">&- 2>&-")],
)
def test_a_stream_that_is_closed_is_no_error(trained: Path, arguments: str, closed: str) -> None:
    command = f"{sys.executable} -m minitorch_np {arguments} {closed}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=trained,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (2 if arguments == "nowhere" else 0)
    assert (done.stdout, done.stderr) == ("", "")


def test_help_whose_reader_goes_away_is_no_error(tmp_path: Path) -> None:
    code = "import sys; sys.argv[1:] = ['train', '--help']; from minitorch_np.cli import main; "
    command = f'{sys.executable} -c "{code} sys.exit(main())" | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_of_ascii_shows_the_rest_escaped(trained: Path) -> None:
    for name in ("n\N{LATIN SMALL LETTER O WITH DIAERESIS}.npz", "\x1b[31m.npz"):
        arguments = ["train", "--epochs", 1, "--out", name]
        done = run_process(*arguments, cwd=trained, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"saved to {ascii(name)[1:-1]}"
        assert (trained / name).exists()


def test_optimizer_loss_and_layers_are_named(tmp_path: Path) -> None:
    arguments = ["--hidden", "32,16", "--optimizer", "adam(0.003)", "--loss", "mse"]
    done = run("train", "--epochs", 3, *arguments, "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert result["parameters"] == 785 * 32 + 33 * 16 + 17 * 10
    assert 0.5 < result["test"]["accuracy"] <= 1
    assert result["test"]["loss"] < 0.1  # of squares
    model = mt.Sequential.load(tmp_path / "model.npz")
    assert [layer.label for layer in model][::2] == ["Dense(32)", "Dense(16)", "Dense(10)"]
    # --lr is the rate of whichever optimizer it is.
    for name, given in (("sgd", ["--optimizer", "sgd(0.1)", "--lr", 0.05]), ("plain", [])):
        run("train", "--epochs", 1, *given, "--out", f"{name}.npz", cwd=tmp_path)
    one, other = (mt.Sequential.load(tmp_path / f"{name}.npz") for name in ("sgd", "plain"))
    np.testing.assert_array_equal(one.state_dict()["0.weight"], other.state_dict()["0.weight"])


def test_train_says_what_is_ill(tmp_path: Path) -> None:
    done = run("train", "--epochs", 2, "--lr", 10, cwd=tmp_path)
    told = done.stdout.partition("health:\n")[2].splitlines()
    assert told[0] == "  layer 1 (ReLU()): 10 of 10 units dead (0 for every sample) since epoch 1"
    slow = run("train", "--epochs", 1, "--lr", 1e-9, "--json", cwd=tmp_path)
    assert any("too small" in line for line in json.loads(slow.stdout)["health"])


def test_a_single_class_is_remarked_upon(tmp_path: Path, digits: mt.data.Digits) -> None:
    part = digits.train
    write_csv(tmp_path / "sevens.csv", part.take(np.flatnonzero(part.labels == 7)[:10]))
    arguments = ["train", "--data", "sevens.csv", "--epochs", 1]
    told = run(*arguments, cwd=tmp_path).stdout.partition("health:\n")[2].splitlines()
    assert told[0].startswith("  all 9 training images are of class 7: there is nothing to tell")
    again = json.loads(run(*arguments, "--json", cwd=tmp_path).stdout)["health"]
    assert again[0] == told[0].strip()


def test_what_a_finished_run_has_is_diagnosed_too(tmp_path: Path) -> None:
    arguments = ["train", "--epochs", 1, "--lr", 10, "--checkpoint", "run", "--resume", "--json"]
    first, again = (json.loads(run(*arguments, cwd=tmp_path).stdout)["health"] for _ in range(2))
    assert "10 of 10 units dead" in first[0]
    assert "10 of 10 units dead" in again[0]


def test_threads_are_pinned_before_numpy_is_loaded(tmp_path: Path) -> None:
    """The process starts itself again with the environment set; seen from a callback's side."""
    probe = (
        "import os, sys; from minitorch_np.cli.threads import pin_threads; pin_threads(2); "
        "print(os.environ['OPENBLAS_NUM_THREADS'], sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, "kept"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["2", "kept"]


def test_progress_is_a_bar_on_a_terminal_only(tmp_path: Path) -> None:
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    termios = pytest.importorskip("termios", reason="no pseudo-terminals here")
    reader, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))  # a terminal without columns shows no bar
    process = subprocess.Popen(
        [sys.executable, "-m", "minitorch_np", "train", "--epochs", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    assert select.select([reader], [], [], 10)[0], "nothing was drawn"
    drawn = os.read(reader, 65536).decode()
    os.close(terminal)
    os.close(reader)
    assert process.returncode == 0
    assert "epoch 1/2" in drawn
    assert "it/s" in drawn
    assert output.count("epoch") == 2
    assert "it/s" not in output


def test_it_can_be_called_from_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--out", "m.npz"]) == 0
    assert main(["info", "m.npz"]) == 0
    assert "Total params: 7,960" in capsys.readouterr().out
    assert main(["info", "nowhere.npz"]) == 2
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert mt.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(("rank", "said"), [(0, "no such data"), (1, "")])
def test_the_first_rank_alone_says_what_failed(
    rank: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: Any) -> int:
        arguments.rank = rank
        raise mt.DataError("no such data")

    monkeypatch.setattr(doctor, "run", fail)
    with monkeypatch.context() as restored:
        restored.setattr(sys, "stderr", sys.stderr)
        assert main(["doctor"]) != 0
        if rank:
            sys.stderr.close()
    error = capsys.readouterr().err
    assert said in error
    assert bool(error) == bool(said)
