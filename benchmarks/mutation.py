"""Would the tests see it? Small mistakes, made by machine, each run against the tests of its line.

A mutant is the package with one thing changed: `<` for `<=`, `+` for `-`, `and` for `or`, another
constant or default, two arguments exchanged, a `not` or a statement left out. Texts, annotations
and what is there for type checkers alone are not touched. Each mutant is a copy of the tree, and
runs the tests that pass through its statement (or its function, for a default; or its file, where
importing it runs the line), those that run the fewest lines first, until one fails. A copy that
takes much more processor time than the tests should is taken for an endless loop, which is seen
too. What no test sees is printed with the line before and after: it is a hole in the tests, or it
changes nothing.

Which test passes through which line is measured once, with coverage.py. That and the outcome of
each mutant are kept in the temporary folder (TMPDIR), under a name that stands for the state of the
package and the tests: a run that was cut off goes on where it stopped. The same seed gives the same
mutants.

    pip install coverage
    python -m benchmarks.mutation [--mutants 300] [--seed 0] [--jobs 2] [--only gradcheck]
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.mutants import PACKAGE, ROOT, Mutant, candidates, is_change

COPIED = (PACKAGE, "tests", "benchmarks", "examples", "pyproject.toml", "README.md", ".github")

MOST_SECONDS = 120.0
"""Of a line's tests those are run that take so long together, as measured under coverage.py."""

FEW_SECONDS = 10.0
"""Of the other tests of its room, which may read what a mutant defines, those that take less."""

PATIENCE, START = 3.0, 30.0
"""A mutant's tests may use so many times their seconds of processor time, and so many to start."""

WAITING = 20.0
"""What waits, and uses no time, is ended after so many times that: the machine may be busy."""

OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGXCPU, 128 + signal.SIGKILL)
"""How a run ends that has used its time, alone or under another command."""

PARTS = 12
"""Coverage is measured in so many runs of pytest."""

TABLES = "tests.test_signatures."
"""Tests that read defaults and constants, and run none of their lines."""


class Covered(NamedTuple):
    """The tests that pass through each line ("file:line"), file or folder, and their seconds.

    Those that run the fewest lines come first.
    """

    tests: dict[str, list[str]]
    seconds: dict[str, float]

    def of(self, mutant: Mutant) -> list[str]:
        """Those of its statement, function or file, see :func:`run_with`; or of file or folder."""
        places = [f"{mutant.file}:{line}" for line in run_with(mutant)]
        own = {test for place in places for test in self.tests.get(place, [])}
        folder = str(Path(mutant.file).parent)
        of_file = self.tests.get(mutant.file) or self.tests.get(folder, [])
        tests = [test for test in of_file if test in own] or of_file
        together = accumulate(self.seconds[test] for test in tests)
        few = [test for test, s in zip(tests, together, strict=True) if s < MOST_SECONDS]
        room = f"tests.test_{Path(mutant.file).parts[:2][-1].removesuffix('.py')}"
        read = [test for test in self.seconds if test.startswith((TABLES, room))]
        read = [test for test in read if test not in few and self.seconds[test] < FEW_SECONDS]
        return (few or tests[:1]) + (read if is_read(mutant) else [])


def run_with(mutant: Mutant) -> range:
    """The lines that run when a mutant's does: what starts a line, or takes a default."""
    tree = ast.parse((ROOT / mutant.file).read_text())
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or 0)
    ]
    functions = [n for n in around if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if not functions:
        return range(1, (tree.body[-1].end_lineno or 0) + 1)
    inner: Any = max(functions, key=lambda node: node.lineno)
    if mutant.line >= inner.body[0].lineno:
        inner = max(around, key=lambda node: node.lineno)
        if hasattr(inner, "body"):
            return range(inner.lineno, max(inner.lineno, inner.body[0].lineno - 1) + 1)
    return range(inner.lineno, inner.end_lineno + 1)


def is_read(mutant: Mutant) -> bool:
    """Whether a mutant is no part of a function's body, but a default or what a module defines."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes: Any = ast.walk(ast.parse((ROOT / mutant.file).read_text()))
    bodies = [node.body for node in nodes if isinstance(node, functions)]
    return not any(body[0].lineno <= mutant.line <= (body[-1].end_lineno or 0) for body in bodies)


def kept(kind: str) -> Path:
    """The file for what was found of this state of the package and the tests."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob(f"{PACKAGE}/**/*.py"), *ROOT.glob("tests/**/*.py")]):
        digest.update(path.read_bytes())
    return Path(tempfile.gettempdir()) / f"minitorch_np_{kind}_{digest.hexdigest()[:16]}.json"


def coverage_map(under: list[str], jobs: int) -> Covered:
    """Measured by a run of all tests, once for each state of the package and the tests."""
    if not kept("coverage").is_file():
        modules = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py"))
        lines: dict[str, set[str]] = defaultdict(set)
        seconds: dict[str, float] = {}
        with ThreadPoolExecutor(jobs) as pool:
            parts = [modules[first::PARTS] for first in range(PARTS)]
            for places, took in pool.map(lambda part: _measured(part, under), parts):
                seconds |= took
                for place, tests in places.items():
                    for test in tests:
                        lines[test].add(place)
        found: dict[str, list[str]] = defaultdict(list)
        for test in sorted(lines, key=lambda test: len(lines[test])):
            files = {place.partition(":")[0] for place in lines[test]}
            for place in lines[test] | files | {str(Path(file).parent) for file in files}:
                found[place].append(test)
        kept("coverage").write_text(json.dumps({"tests": found, "seconds": seconds}))
    return Covered(**json.loads(kept("coverage").read_text()))


def _measured(modules: list[str], under: list[str]) -> tuple[dict[str, set[str]], dict[str, float]]:
    """The tests of some modules: those that pass through each line, and their seconds."""
    import coverage

    with tempfile.TemporaryDirectory() as folder:
        data, times = f"{folder}/coverage", Path(folder, "times.xml")
        settings = Path(folder, "settings")
        # A test's name is its context, which the newer core of coverage, sysmon, does not know. The
        # processes that a test starts are measured too, and find it in their environment, where
        # pytest puts it.
        settings.write_text(
            f"[run]\nsource = {ROOT / PACKAGE}\ndata_file = {data}\nparallel = true\n"
            "dynamic_context = test_function\ncore = ctrace\n"
            "context = ${PYTEST_CURRENT_TEST-}\n"
        )
        command = ["-m", "pytest", "-n", "0", f"--junitxml={times}", *modules]
        command = [*under, sys.executable, *command]
        env = _quiet(ROOT) | {"COVERAGE_PROCESS_START": str(settings)}
        subprocess.run(command, check=False, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        seconds: dict[str, float] = defaultdict(float)
        cases = r'<testcase classname="([^"]*)" name="([^"\[]*)[^"]*" time="([^"]*)"'
        for module, name, took in re.findall(cases, times.read_text()):
            seconds[f"{module}.{name}"] += float(took)
        places: dict[str, set[str]] = defaultdict(set)
        for path in Path(folder).glob("coverage.*"):
            measured = coverage.CoverageData(str(path))
            measured.read()
            for file in measured.measured_files():
                for line, contexts in measured.contexts_by_lineno(file).items():
                    tests = set(map(_test_of, contexts)) & seconds.keys()
                    places[f"{Path(file).relative_to(ROOT)}:{line}"] |= tests
            measured.close()
    return places, seconds


def _test_of(context: str) -> str:
    """The test that a context names: `tests.test_a.test_b`, or in a process that a test started
    `tests/test_a.py::test_b[case] (call)`, perhaps with more after a bar.
    """
    name = re.match(r"([\w/]+)\.py::(?:\w+::)*(\w+)", context)
    return f"{name[1].replace('/', '.')}.{name[2]}" if name else context


def _quiet(tree: Path) -> dict[str, str]:
    one = {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **one, "PYTHONPATH": str(tree)}


def seen_by(mutant: Mutant, covered: Covered, under: list[str]) -> str:
    """The test that fails in a copy of the tree with the mutant in it; "" where none does."""
    tests = covered.of(mutant)
    if not tests:
        return ""
    limit = START + PATIENCE * sum(covered.seconds[test] for test in tests)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            put = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            put(ROOT / name, tree / name)
        (tree / mutant.file).write_text(mutant.text)
        command = [*under, "sh", "-c", f'ulimit -t {limit:.0f}; exec "$@"', "sh", sys.executable]
        command += ["-m", "pytest", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "-rfE"]
        command += [_node_id(test) for test in tests]
        with open(tree / "said.txt", "w+") as said:
            process = subprocess.Popen(
                command, cwd=tree, env=_quiet(tree), stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(WAITING * limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return "no end"
        text = (tree / "said.txt").read_text(errors="replace")
    # 1: a test failed; 2 or 4: what it imports did; 3: pytest itself fell over what a test left;
    # below 0: the process was killed. 5 is no test at all, and says nothing.
    if code == 5:
        raise RuntimeError(f"pytest found no test: {' '.join(command)}")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    ended = "out of time" if code in OUT_OF_TIME else f"pytest ended with {code}"
    return (failed[1] if failed else ended) if code else ""


class Record:
    """The outcomes so far, each written as soon as it is known."""

    def __init__(self) -> None:
        self.path = kept("mutants")
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        self.outcomes = {line["mutant"]: line["seen by"] for line in map(json.loads, lines)}

    def of(self, mutant: Mutant, covered: Covered, under: list[str]) -> str:
        """What saw a mutant, now or before."""
        name = hashlib.sha256(f"{mutant.file} {mutant.text}".encode()).hexdigest()[:16]
        if name not in self.outcomes:
            found = seen_by(mutant, covered, under)
            line = {"mutant": name, "seen by": found} | mutant._asdict()
            del line["text"]
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            self.outcomes[name] = found
        return str(self.outcomes[name])


def _node_id(test: str) -> str:
    """`tests.test_a.test_b` as pytest names it."""
    module, _, name = test.rpartition(".")
    return f"{module.replace('.', '/')}.py::{name}"


def main() -> None:
    """Draw mutants, run them, and print those that are not seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a part of the files' names")
    parser.add_argument("--under", default="", help='run pytest under a command: "nice -n 10"')
    given = parser.parse_args()
    files = sorted(path for path in ROOT.glob(f"{PACKAGE}/**/*.py") if given.only in str(path))
    every = [mutant for path in files for mutant in candidates(path)]
    order = np.random.default_rng(given.seed).permutation(len(every)).tolist()
    chosen = list(islice(filter(is_change, (every[place] for place in order)), given.mutants))
    under = shlex.split(given.under)
    covered, record = coverage_map(under, given.jobs), Record()
    print(f"{len(chosen)} of {len(every)} mutants of {len(files)} files; kept in {record.path}")
    unchanged = chosen[0]._replace(text=(ROOT / chosen[0].file).read_text())
    if by := seen_by(unchanged, covered, under):
        raise SystemExit(f"the tests fail without a mutant too ({by}): nothing can be said")
    seen = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        results = pool.map(lambda mutant: record.of(mutant, covered, under), chosen)
        for n, (mutant, found) in enumerate(zip(chosen, results, strict=True), 1):
            seen += bool(found)
            print(f"{seen} of {n} are seen so far", file=sys.stderr, flush=True)
            if not found:
                none = "" if covered.of(mutant) else " (no test runs it)"
                change = f"  - {mutant.before}\n  + {mutant.after}"
                print(f"{mutant.file}:{mutant.line}{none}: {mutant.kind}\n{change}", flush=True)
    print(f"{seen} of {len(chosen)} are seen ({seen / len(chosen):.1%})")


if __name__ == "__main__":
    main()
