"""Check gradients of components, of a file's functions and layers, of a saved model, or of layers.

Prints a row for each component, and the full report for each that is not right.
"""

import argparse
import shlex
import sys

from minitorch_np.cli.arguments import (
    MODULE,
    add_import,
    import_file,
    open_model,
    print_json,
    seed,
)
from minitorch_np.core.layer import Layer, layer_from_name
from minitorch_np.errors import ConfigurationError
from minitorch_np.gradcheck.check import gradcheck
from minitorch_np.gradcheck.dispatch import check_named
from minitorch_np.gradcheck.registry import AllChecks, check_class, components, gradcheck_all
from minitorch_np.gradcheck.report import FAIL, PASS, GradientCheck
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss
from minitorch_np.names import hint

FEATURES = 7
"""The number of input features of `--layers`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np gradcheck`."""
    add = parser.add_argument
    add("names", metavar="NAME", nargs="*", help="components, as ELU, or FILE.py:NAME (all)")
    add("--all", action="store_true", help="all components (the default)")
    add("--case", type=int, metavar="N", help="only case N of the named component")
    add("--model", metavar="FILE", help="a saved model, layer by layer and as a whole")
    add("--layers", metavar="TEXT", help='layers as text, such as "dense:5 elu:1.7 dense:3"')
    add_import(parser)
    add("--exhaustive", action="store_true", help="check every entry, in models too")
    add("--seed", type=seed, default=0, metavar="N", help="seed of the inputs (0)")


def run(arguments: argparse.Namespace) -> int:
    """Check, report; returns 0 if all is right, 1 if not, 2 if inconclusive."""
    checks = _checks(arguments)
    for of_one in checks.results.values():
        for result in of_one:
            known = any(part in result.reproduce for part in ("--import", ".py:"))
            if arguments.imported and not known:
                result.reproduce += f" --import {shlex.quote(arguments.imported)}"
    if arguments.json:
        results = {name: [r.to_dict() for r in rs] for name, rs in checks.results.items()}
        print_json({"status": checks.status, "components": results})
    else:
        print(checks)
        for results_of_one in checks.results.values():
            for result in results_of_one:
                if not result:
                    print(f"\n{result}")
    return {PASS: 0, FAIL: 1}.get(checks.status, 2)


def _checks(arguments: argparse.Namespace) -> AllChecks:
    mode = "exhaustive" if arguments.exhaustive else "auto"
    chosen = [bool(arguments.names), arguments.model is not None, arguments.layers is not None]
    if sum(chosen) > 1:
        raise ConfigurationError("gradcheck: expected names, --model or --layers, got several")
    named = [name for name in arguments.names if ".py:" in name]
    if arguments.case is not None and (len(arguments.names) != 1 or named):
        raise ConfigurationError("--case: expected the name of one component with it")
    if arguments.model is not None or arguments.layers is not None:
        return AllChecks({"model": [_check_model(arguments, mode)]})
    if not arguments.names:
        checks = AllChecks()
        if arguments.all or not arguments.imported:
            checks = gradcheck_all(mode=mode, seed=arguments.seed)
        if arguments.imported:
            found = gradcheck_all(MODULE, mode=mode, seed=arguments.seed)
            if not found.results:
                raise ConfigurationError(
                    f"--import {arguments.imported}: expected layers or losses in it, found none; "
                    f"a function is checked as {arguments.imported}:NAME"
                )
            for name, results in found.results.items():
                _add(checks, name, f"{name} of {arguments.imported}", results)
        return checks
    checks = AllChecks()
    own = vars(sys.modules[MODULE]) if arguments.imported else {}
    named += [n for n in arguments.names if callable(own.get(n)) and not _is_class(own[n])]
    for name in named:
        path, _, inside = name.rpartition(":")
        content = vars(import_file(path or arguments.imported))
        file = f"{path or arguments.imported}:{inside}"
        results = check_named(inside, content, arguments.seed)
        _add(checks, inside, file, results)
        for result in results:
            result.reproduce = f"minitorch-np gradcheck {shlex.quote(file)} --seed {arguments.seed}"
    known = {cls.__name__.lower(): cls for cls in [*components(), *components(MODULE)]}
    for name in (name for name in arguments.names if name not in named):
        cls = known.get(name.replace("_", "").lower())
        if cls is None:
            raise ConfigurationError(unknown(name, [found.__name__ for found in known.values()]))
        results = check_class(cls, mode=mode, seed=arguments.seed)
        if arguments.case is not None:
            if not 0 <= arguments.case < len(results):
                raise ConfigurationError(
                    f"--case: expected a number below {len(results)}, got {arguments.case}"
                )
            results = [results[arguments.case]]
        _add(checks, cls.__name__, f"{cls.__name__} of {cls.__module__}", results)
    return checks


def unknown(name: str, known: list[str]) -> str:
    """The message for a component that there is not."""
    meant = hint(name, known) or f": write one of {', '.join(sorted(known))}"
    return f"gradcheck: expected the name of a component, got {name!r}{meant}"


def _add(checks: AllChecks, name: str, full: str, results: list[GradientCheck]) -> None:
    """Add results under their name, or under the full one if the name is already used."""
    checks.results[full if name in checks.results else name] = results


def _is_class(obj: object) -> bool:
    return isinstance(obj, type) and issubclass(obj, (Layer, Loss))


def _check_model(arguments: argparse.Namespace, mode: str) -> GradientCheck:
    if arguments.model:
        model = open_model(arguments.model)
        result = gradcheck(model, mode=mode, seed=arguments.seed)
        result.reproduce = (
            f"minitorch-np gradcheck --model {shlex.quote(arguments.model)}{_rest(arguments)}"
        )
        return result
    texts = [_call(text) for text in arguments.layers.split()]
    model = Sequential(
        *[layer_from_name(text) for text in texts], input_shape=FEATURES, seed=arguments.seed
    )
    result = gradcheck(model, mode=mode, seed=arguments.seed)
    layers = f"--layers {shlex.quote(arguments.layers)}"
    result.reproduce = f"minitorch-np gradcheck {layers}{_rest(arguments)}"
    return result


def _rest(arguments: argparse.Namespace) -> str:
    """The remaining options of a command that reproduces a result."""
    imported = f" --import {shlex.quote(arguments.imported)}" if arguments.imported else ""
    exhaustive = " --exhaustive" if arguments.exhaustive else ""
    return f"{imported}{exhaustive} --seed {arguments.seed}"


def _call(text: str) -> str:
    """dense:5 as dense(5); text with parentheses is not changed."""
    name, colon, rest = text.partition(":")
    return f"{name}({rest})" if colon else text
