"""What keeps it readable: imports run one way, the core needs NumPy alone, files are short."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import minitorch_np as mt

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minitorch_np"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room imports from rooms before it and from itself.
ROOMS = (
    *("errors", "text", "validation", "signature", "names", "arrays", "machine"),
    *("figures", "io", "sources"),
    *("numerics", "initializers", "schedules"),
    *("core", "layers", "losses", "optimizers", "data", "networks", "training", "gradcheck"),
    *("exchange", "sklearn"),
    *("experiments", "reports", "learn", "cli", "__init__", "__main__"),
)
NO_DRAWS = ("default_rng", "Generator", "get_state", "set_state", "fork_rng")
"""What may be used of np.random: nothing that draws from the global generator."""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = set(map(module_of, SOURCES))


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in SOURCES}


@pytest.fixture(scope="module")
def imports(trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """The modules of the package that each imports anywhere, for type checking too."""
    return {module_of(path): imports_in(tree) for path, tree in trees.items()}


def statements(block: ast.AST) -> Iterator[ast.AST]:
    """All statements inside, without the expressions, which are many more."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(block, name, []):
            yield inner
            yield from statements(inner)


def imports_in(tree: ast.Module) -> set[str]:
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return found & MODULES


def test_imports_run_one_way(imports: dict[str, set[str]]) -> None:
    for path in SOURCES:
        rank, module = ROOMS.index(room_of(path)), module_of(path)
        for other in imports[module]:
            assert ROOMS.index(other.split(".")[1]) <= rank, f"{module} imports {other}"


def test_no_import_runs_in_a_circle(imports: dict[str, set[str]]) -> None:
    graph = dict(imports)
    while leaves := {module for module, needs in graph.items() if not needs & graph.keys()}:
        graph = {module: needs for module, needs in graph.items() if module not in leaves}
    in_circles = {
        module: sorted(needs & graph.keys())
        for module, needs in graph.items()
        if any(module in others for others in graph.values())
    }
    assert not in_circles


def test_importing_needs_numpy_and_the_standard_library_only() -> None:
    script = (
        "import sys, numpy; before = set(sys.modules); import minitorch_np; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new = set(run.stdout.split()) - set(sys.stdlib_module_names) - {"numpy"}
    assert new == {"minitorch_np"}


def test_importing_loads_nothing_slow() -> None:
    """NumPy loads its generators when they are used, and that is a fifth of `import numpy`."""
    script = "import sys, minitorch_np; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    slow = {"numpy.random", "argparse", "gzip", "zipfile", "asyncio", "PIL", "tqdm"}
    assert not loaded & slow


def test_modules_are_short_and_open_in_plain_english(trees: dict[Path, ast.Module]) -> None:
    for path, tree in trees.items():
        assert path.read_text().count("\n") <= 400, path
        assert ast.get_docstring(tree), path
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                documentation = (ast.get_docstring(node) or "").count("\n")
                assert length - documentation <= 50, f"{path}: {node.name}"


def test_nothing_is_pickled_and_no_random_state_is_global(trees: dict[Path, ast.Module]) -> None:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names]
                assert "pickle" not in names, path
                assert "random" not in names, path
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)):
                continue
            if node.value.attr == "random":
                assert node.attr in NO_DRAWS, f"{path}: {node.attr}"


def test_public_names_are_there_and_documented() -> None:
    for name in mt.__all__:
        assert getattr(mt, name).__doc__, name


def test_only_what_is_on_the_card_stands_at_the_top() -> None:
    card = {"minitorch_np", "examples", "tests", "benchmarks"}
    card |= {"pyproject.toml", "README.md", "LICENSE"}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= card


def test_the_core_is_read_in_an_evening() -> None:
    def lines(path: str, name: str = "") -> int:
        text = (PACKAGE / path).read_text()
        classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        found = [node for node in classes if node.name == name]
        return (found[0].end_lineno or 0) - found[0].lineno + 1 if found else text.count("\n")

    assert lines("core/layer.py") <= 235
    assert lines("core/sequential.py", "Sequential") <= 150
    assert lines("optimizers/base.py") <= 160
    assert lines("training/step.py") <= 60
