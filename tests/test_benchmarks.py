"""The benchmarks: is it the same work for all, and does the page show what was measured?"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks import __main__ as benchmark
from benchmarks import exchange, mutants, mutation, report
from benchmarks.contestants import CONTESTANTS, by_hand, floor, framework, micro_batches
from benchmarks.race import ROOT
from benchmarks.work import FULL, GROWTH, LENET5, LIMITS, MLP, NOTES, TASKS, Array, Contestant, Task
from minitorch_np.data import load_mnist

RESULTS = ROOT / "benchmarks" / "results.json"


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    train = load_mnist().train
    return train.features()[:640], train.labels[:640].astype(np.int64)


def losses(module: Any, task: Task, digits: tuple[Array, Array], rounds: int = 3) -> list[float]:
    contestant: Contestant = module.contestant(task, *digits)
    return [contestant.train() for _ in range(rounds)]


@pytest.mark.parametrize("task", [NOTES, MLP, FULL, GROWTH["depth"][2]], ids=lambda task: task.name)
def test_by_hand_and_here_the_same_is_learned(task: Task, digits: tuple[Array, Array]) -> None:
    ours = losses(framework, task, digits)
    np.testing.assert_allclose(losses(by_hand, task, digits), ours, 2e-3)
    assert ours[-1] < ours[0]


def test_two_layers_are_a_case_of_many(digits: tuple[Array, Array]) -> None:
    """Two programs, each written for its own purpose."""
    two = by_hand.TwoLayersByHand(NOTES, *digits, (784, 10, 10))
    many = by_hand.ManyLayersByHand(NOTES, *digits, (784, 10, 10))
    np.testing.assert_allclose(two.train(), many.train(), 1e-5)
    np.testing.assert_allclose(two.predict(digits[0]), many.predict(digits[0]), 1e-3, 1e-4)


def test_micro_batches_are_for_whole_batches(digits: tuple[Array, Array]) -> None:
    assert micro_batches.contestant(NOTES, *digits) is None
    np.testing.assert_allclose(
        losses(micro_batches, FULL, digits), losses(framework, FULL, digits), 1e-4
    )


@pytest.mark.parametrize("name", ["torch_eager", "scikit", "jax_jit"])
@pytest.mark.parametrize("task", [NOTES, MLP], ids=lambda task: task.name)
def test_other_libraries_learn_as_much(name: str, task: Task, digits: tuple[Array, Array]) -> None:
    pytest.importorskip(CONTESTANTS[name][1])
    module = pytest.importorskip(f"benchmarks.contestants.{name}")
    contestant: Contestant = module.contestant(task, *digits)
    for _ in range(3):
        loss = contestant.train()
    assert 0.5 < loss / losses(framework, task, digits)[-1] < 2
    assert np.asarray(contestant.predict(digits[0])).shape == (640, 10)


def test_the_floor_multiplies_and_learns_nothing(digits: tuple[Array, Array]) -> None:
    bare = floor.contestant(MLP, *digits)
    assert bare is not None
    before = [weight.copy() for weight in bare.weights]
    assert np.isnan(bare.train())
    assert all(map(np.array_equal, before, bare.weights))
    assert bare.predict(digits[0]).shape == (640, 10)


def test_who_does_not_know_convolution_says_so(digits: tuple[Array, Array]) -> None:
    lenet = next(task for task in TASKS if task.sizes == LENET5)
    assert by_hand.contestant(lenet, *digits) is None
    assert floor.contestant(lenet, *digits) is None
    few = digits[0][:64], digits[1][:64]
    assert np.isfinite(framework.contestant(replace(lenet, repeats=1), *few).train())


def test_the_command_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real processes that take turns. What they took is not looked at, only that it is there."""
    out = tmp_path / "results.json"
    # Those that start quickly, and one that is not installed.
    monkeypatch.setattr(benchmark, "GROWING", ["by_hand", "framework", "jax_jit"])
    absent = CONTESTANTS["jax_jit"][0]
    monkeypatch.setitem(CONTESTANTS, "jax_jit", (absent, "no_such_library"))
    first = ["--only", "width 16", "--threads", "1", "--rounds", "2", "--restarts", "2"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *first, "--out", str(out)])
    benchmark.main()
    printed = capsys.readouterr().out
    results = json.loads(out.read_text())
    (measured,) = results["tasks"]
    assert (measured["name"], measured["threads"]) == ("width 16", 1)
    assert {"by_hand", "framework"} == measured["rounds"].keys()
    for rounds in measured["rounds"].values():
        assert len(rounds) == 4
        assert all(each["seconds"] > 0 and each["loss"] > 0 for each in rounds)
    assert results["versions"]["numpy"] == np.__version__
    assert absent in results["absent"]
    for label in results["absent"]:
        assert label in printed
    assert "minitorch_np" in printed
    assert "width 16 | " in report.section(results)
    again = ["--only", "depth 16", "--threads", "1", "--rounds", "1", "--restarts", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *again, "--out", str(out)])
    benchmark.main()  # what there is already stays
    both = json.loads(out.read_text())["tasks"]
    assert both[0] == measured
    assert [task["name"] for task in both] == ["width 16", "depth 16"]


def rounds(*seconds: float) -> list[dict[str, float]]:
    return [{"seconds": each} for each in seconds]


def test_figures() -> None:
    measured = {"rounds": {"framework": rounds(1, 2, 9), "by_hand": rounds(1, 4, 3)}}
    assert report.median(measured, "framework") == 2e6
    assert report.ratio(measured, "by_hand") == pytest.approx(2 / 3)
    assert report.spread(measured, "by_hand") == pytest.approx((0.5, 3.0))
    assert np.isnan(report.median(measured, "jax_jit"))
    once = {"rounds": {"framework": rounds(3), "by_hand": rounds(2)}}
    assert report.spread(once, "by_hand") == (1.5, 1.5)


def test_the_readme_shows_these_results() -> None:
    """Whoever measures anew runs `python -m benchmarks.report`, and not half of it."""
    text = report.PAGE.read_text()
    assert report.rewritten(text, json.loads(RESULTS.read_text())) == text


def test_all_that_was_to_be_measured_was() -> None:
    results = json.loads(RESULTS.read_text())
    for threads in (1, 2):
        for task in TASKS:
            there = report.find(results, task.name, threads)["rounds"].keys()
            assert {"framework"} <= there
    for name, over, _ in LIMITS:
        assert report.figures(report.find(results, name), over)
    assert all(results["versions"][name] != "not installed" for name in ("torch", "jax"))
    assert report.figures(report.find(results, "import"), "numpy")


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report.picture(json.loads(RESULTS.read_text()), tmp_path / "growth.svg")
    assert "microseconds a step" in report.PICTURE.read_text()
    assert (tmp_path / "growth.svg").stat().st_size > 10_000


def test_mutants_are_of_what_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each differs from the source, can be parsed, and leaves texts and annotations as they are."""
    for module in (mutants, mutation):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    source = (
        '"""1 + 1"""\n'
        "if TYPE_CHECKING:\n    import a\n"
        'def f(x: "1 + 1", y: int = 3) -> int:\n    """2 < 3"""\n'
        '    if not x < y:\n        raise ValueError(f"{x + y} or 4")\n    return g(x, y) + 1\n'
    )
    (tmp_path / "code.py").write_text(source)
    made = mutants.mutants_of(tmp_path / "code.py")
    changed = {(mutant.kind, mutant.line) for mutant in made}
    assert changed == {
        ("constant", 4), ("condition", 6), ("not", 6), ("comparison", 6), ("statement", 7),
        ("statement", 8), ("arithmetic", 8), ("arguments", 8), ("constant", 8),
    }  # fmt: skip
    assert all(mutant.text != source for mutant in made)
    assert any("return (g(y, x)) + 1" in mutant.text for mutant in made)


def test_a_mutant_runs_the_tests_of_its_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or of its function, for a default; or of its file, for what runs when that is imported."""
    for module in (mutants, mutation):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    source = "n = 1\ndef f(x=2):\n    if x > 3:\n        x = g(\n            4)\n    return 5\n"
    (tmp_path / "code.py").write_text(source)
    made = mutants.mutants_of(tmp_path / "code.py")
    ran = {m.before: mutation.run_with(m) for m in made if m.kind == "constant"}
    wanted = {
        "1": range(1, 7),
        "2": range(2, 7),
        "3": range(3, 4),
        "4": range(4, 6),
        "5": range(6, 7),
    }
    assert ran == wanted
    covered = mutation.Covered(
        {"code.py": ["few", "slow", "all"], "code.py:3": ["all", "few"], "code.py:5": ["slow"]},
        {
            "few": 1.0,
            "slow": mutation.MOST_SECONDS,
            "all": 1.0,
            (table := mutation.TABLES + "t"): 1,
        },
    )
    ran_by = {m.before: covered.of(m) for m in made if m.kind == "constant"}
    assert ran_by["3"] == ["few", "all"]  # what runs the fewest lines comes first
    assert ran_by["4"] == ["slow"]
    assert ran_by["5"] == ["few"]  # the others take too long
    assert ran_by["1"] == ran_by["2"] == ["few", table]  # which reads what no test runs


def test_the_outcome_of_a_mutant_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    outcomes = iter(["tests/test_a.py::test_b", ""])
    monkeypatch.setattr(mutation, "seen_by", lambda *given: next(outcomes))
    made = [mutants.Mutant("code.py", 1, "constant", "1", "2", text) for text in ("n = 2", "n = 0")]
    covered = mutation.Covered({}, {})
    for _ in range(2):  # the second time from the file
        record = mutation.Record()
        assert [record.of(mutant, covered, []) for mutant in made] == [
            "tests/test_a.py::test_b",
            "",
        ]


def test_networks_in_other_hands(capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides of each comparison do the same work; the numbers are not looked at here."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    digits = load_mnist()
    for make in exchange.NETWORKS.values():
        ours, theirs = exchange.predictions(make(), digits.test, 3)
        np.testing.assert_allclose(theirs()[0], ours(), atol=1e-5)
    setting = exchange.SETTINGS["784-10-10, SGD, batch 64"]
    ours, theirs = exchange.trainings(setting, digits.train, samples=500)
    mine, other = ours(), theirs()
    assert mine.n_iter_ == other.n_iter_ == setting.epochs
    counts = [sum(a.size for a in (*other.coefs_, *other.intercepts_))]
    assert counts == [mine.model_.count_parameters()]
    np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=0.3)
    assert len(exchange.ratios(lambda: None, lambda: None, 3)) == 3


def test_sequences_are_the_same_work_in_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks import sequences

    theirs = sum(p.numel() for p in sequences.torch_gpt().parameters())
    assert theirs == mt.gpt(65, 64, 4, 4, 128).count_parameters()
    monkeypatch.setattr(sequences, "STEPS", 1)
    made = dict(sequences.tasks())
    for name, others in (("rnn", {"torch", "products"}), ("layer_norm", {"torch"})):
        task = made[name]()
        found = sequences.measured(task, 1)
        assert found.keys() == {"ours"} | others
        line = sequences.row(name, task, found)
        assert line[0] == name
        assert "torch " in line[2]
    ids = torch.randint(65, (2, 64))
    assert sequences.torch_gpt()(ids).shape == (2, 64, 65)


def test_the_network_for_clothes_is_small_and_learns() -> None:
    from benchmarks.accuracy import SETTINGS

    network, optimizer, _, _, transform = SETTINGS["clothes"]
    model = network(0)
    assert model.count_parameters() < 100_000
    assert sum(isinstance(layer, mt.Conv2D) for layer in model) == 2
    part = load_mnist().train.take(slice(32))
    x = part.features().reshape(-1, *model.input_shape)
    trainer = mt.Trainer(model, "softmax_cross_entropy", optimizer(100), seed=0)
    losses = [trainer.step(x, part.labels) for _ in range(8)]
    assert losses[-1] < 0.6 * losses[0]
    assert transform is not None
    mirrored = transform(x, np.random.default_rng(0))
    same = (mirrored == x).all(axis=(1, 2, 3))
    assert 8 < same.sum() < 24
    np.testing.assert_array_equal(mirrored[~same], x[~same, :, :, ::-1])
