"""What several tests share."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import machine
from minitorch_np.arrays import Array
from minitorch_np.data.dataset import Labels
from minitorch_np.io.atomic import replacing
from minitorch_np.machine import best_setting, threads_setting


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="run all that the suite samples")
    parser.addoption(
        "--rest", action="store_true", help="run what did not pass last time, such as what skipped"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole: run with --whole alone; each run has a sample")
    # For the workers, and for processes that tests start: many threads on few cores wait for each
    # other, and a command that has what it wants need not start itself again.
    dealt = config.getoption("numprocesses", None)
    for name, value in (threads_setting(1) | (best_setting() if dealt else {})).items():
        os.environ.setdefault(name, value)
    if not dealt:
        use_one_thread()
    cache = getattr(config, "cache", None)
    if sys.dont_write_bytecode and cache is not None:
        # Tests start a hundred processes. Where bytecode must not be kept beside the sources, each
        # would compile the package anew, and every run all tests.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(cache.mkdir("bytecode"))
        sys.dont_write_bytecode = False
    if cache is not None and not config.getoption("--rest") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Passed(config))
    if not dealt:  # tests are run here
        gc.disable()  # until all tests are collected: they stay, so that no garbage is found
        prepare_hypothesis(examples=100 if config.getoption("--whole") else 50)


def use_one_thread() -> None:
    """Tell OpenBLAS, which pytest's plugin of this package has loaded before this file is read."""
    library = machine._openblas()
    for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads"):
        if set_threads := getattr(library, name, None):
            set_threads(1)


def prepare_hypothesis(examples: int) -> None:
    """The same examples in every run, so that nobody's change fails for another's. By hand, to look
    farther: `pytest --hypothesis-profile=random`.
    """
    from hypothesis import settings

    settings.register_profile("same", derandomize=True, deadline=None, max_examples=examples)
    settings.register_profile("random", max_examples=1000, deadline=None)
    settings.load_profile("same")


class Passed:
    """Writes down what has passed, so that `--rest` need not run it again."""

    KEY = "minitorch_np/passed"

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.names = config, set[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.names.add(report.nodeid)
        if report.failed:
            self.names.discard(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        assert self.config.cache is not None
        self.config.cache.set(self.KEY, sorted(self.names))


def pytest_collection_finish() -> None:
    """From here on, the garbage collector need not look through thousands of tests each time."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--whole"):
        items[:] = [item for item in items if item.get_closest_marker("whole") is None]
    if config.getoption("--rest") and config.cache is not None:
        passed = set(config.cache.get(Passed.KEY, []))
        items[:] = [item for item in items if item.nodeid not in passed]


@pytest.fixture(scope="module")  # playwright runs an event loop, which others must not meet
def browser() -> Iterator[Any]:
    """A Chromium without a window, for the pages; skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def axe(
    browser: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """axe-core, which checks pages for accessibility; skips where npm can't bring it."""
    npm, cache = shutil.which("npm"), getattr(request.config, "cache", None)
    kept = None if cache is None else cache.mkdir("axe") / "axe.min.js"
    if kept is not None and kept.exists():
        return str(kept.read_text())
    if npm is None:
        pytest.skip("npm is not here, which brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "axe-core@4"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not bring axe-core within a minute")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not source.exists():
        pytest.skip(f"npm could not bring axe-core: {done.stderr[-200:]}")
    if kept is not None:
        with replacing(kept) as file:
            file.write(source.read_bytes())
    return source.read_text()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def digits() -> mt.data.Digits:
    """The digits that come with the package."""
    return mt.data.load_mnist()


@pytest.fixture(scope="session")
def few(digits: mt.data.Digits) -> tuple[Array, Labels]:
    """The first 500 training digits in float32, and their labels: enough to learn something."""
    part = digits.train.take(slice(500))
    return part.features(), part.labels


@pytest.fixture(scope="session")
def full_mnist() -> mt.data.Digits:
    """The whole of MNIST, from the folder in MINITORCH_MNIST or one beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    folder = Path(os.environ.get("MINITORCH_MNIST", beside))
    if not folder.is_dir():
        pytest.skip("the whole of MNIST is not here; set MINITORCH_MNIST to its folder")
    return mt.data.load_mnist(folder)


NASTY = '<b>"$x_1$&'
"""A configuration's name that is markup to HTML, and mathematics to matplotlib."""


@pytest.fixture(scope="session")
def small_digits() -> mt.data.Digits:
    digits = mt.data.load_mnist()
    return mt.data.Digits(digits.train.take(slice(300)), digits.test.take(slice(200)))


@pytest.fixture(scope="session")
def comparison(small_digits: mt.data.Digits) -> mt.Comparison:
    layers: list[mt.Layer | str] = [mt.Dense(6), "sigmoid", mt.Dense(10)]
    other = mt.Configuration(NASTY, layers, epochs=2)
    names: list[str | mt.Configuration] = ["leaky_relu(0.1)+elu", other]
    return mt.compare(names, small_digits, seeds=8, epochs=2, learning_rates=[0.05])


@pytest.fixture
def plots() -> Any:
    pytest.importorskip("matplotlib")
    from minitorch_np.reports import plots

    return plots


@pytest.fixture
def model_plots(plots: Any) -> Any:
    from minitorch_np.reports import model_plots

    return model_plots


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
