"""Write the tables and the figure of .github/MEASUREMENTS.md from the JSON of `python -m
benchmarks`.

    python -m benchmarks.report [results.json]

The figures are medians over all rounds. A ratio is the ratio of two medians; the two numbers beside
it are the quartiles of the ratios of single rounds.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.race import ROOT
from benchmarks.work import GROWING, GROWTH, IMPORTS, LIBRARIES, LIMITS, MLP, NOTES, TASKS

PAGE, PICTURE = ROOT / ".github" / "MEASUREMENTS.md", ROOT / ".github" / "growth.svg"
MARKS = "<!-- benchmarks -->", "<!-- end of benchmarks -->"
OURS = {"framework": "", "micro_batches": ", micro-batches of 1,024"}
"""The contestants that are this framework, with a note for the tables."""

Measured = dict[str, Any]
"""One task of the results: its name, threads, and rounds by contestant."""


def figures(measured: Measured, name: str) -> list[float]:
    """A contestant's measurements in microseconds or MiB; empty if it was not measured."""
    rounds = measured["rounds"].get(name, [])
    if any("MiB" in each for each in rounds):
        return [each["MiB"] for each in rounds if each["MiB"] is not None]
    return [each["seconds"] * 1e6 for each in rounds]


def median(measured: Measured, name: str) -> float:
    """The median of that; NaN if there is none."""
    found = figures(measured, name)
    return statistics.median(found) if found else float("nan")


def ratio(measured: Measured, over: str, name: str = "framework") -> float:
    """The median of one contestant over that of another."""
    return median(measured, name) / median(measured, over)


def spread(measured: Measured, over: str, name: str = "framework") -> tuple[float, float]:
    """The quartiles of the ratios round by round."""
    pairs = zip(figures(measured, name), figures(measured, over), strict=True)
    low, _, high = quartiles([ours / theirs for ours, theirs in pairs])
    return low, high


def quartiles(numbers: list[float]) -> list[float]:
    """The three quartiles; of one number, that number three times."""
    return statistics.quantiles(numbers, n=4) if len(numbers) > 1 else numbers * 3


def key_of(measured: Measured) -> tuple[str, int, str | None]:
    """The key of a measurement: task, threads and the requested kernels, if any."""
    return measured["name"], measured["threads"], measured.get("kernels")


def find(
    results: dict[str, Any], name: str, threads: int = 1, kernels: str | None = None
) -> Measured:
    """A task of the results; one without rounds if it was not measured."""
    for measured in results["tasks"]:
        if key_of(measured) == (name, threads, kernels):
            found: Measured = measured
            return found
    return {"name": name, "threads": threads, "kernels": kernels, "rounds": {}}


def kernels_used(measured: Measured, name: str) -> str:
    """The OpenBLAS kernels used by a contestant that needs NumPy, in brackets."""
    rounds, ours = measured["rounds"].get(name), CONTESTANTS.get(name, "")[1:] == ("numpy",)
    used = rounds[0].get("kernels") if rounds and ours else None
    return f" ({used} kernels)" if used else ""


def unit(measured: Measured) -> str:
    """The unit of its figures."""
    return "MiB" if measured.get("task", {}).get("measure") == "memory" else "us"


def print_task(measured: Measured) -> None:
    """A task as lines of text: medians, quartiles, and this framework over each of the others."""
    print(f"\n{measured['name']}, threads: {measured['threads']}")
    ours = "minitorch_np" if measured["name"] == IMPORTS else "framework"
    losses = []
    for name, rounds in measured["rounds"].items():
        found = figures(measured, name)
        if not found:
            print(f"  {label(name):30} not measured on this system")
            continue
        low, middle, high = quartiles(found)
        over = f"  {ours} / it {ratio(measured, name, ours):.3f}"
        who = label(name) + kernels_used(measured, name)
        spread = f"{unit(measured)} ({low:,.1f} to {high:,.1f})"
        print(f"  {who:48} {middle:12,.1f} {spread}{over}")
        losses += [rounds[0]["loss"]] if rounds[0].get("loss") else []
    if losses and max(losses) > 1.5 * min(losses):
        print(f"  the losses differ ({min(losses):.3f} to {max(losses):.3f}): is it the same work?")


def label(name: str) -> str:
    """The name of a contestant, or of a library, in tables."""
    return CONTESTANTS.get(name, (name,))[0]


def main_table(results: dict[str, Any]) -> list[str]:
    """This framework's figures, and their ratios to those of the others."""
    others = [name for name in CONTESTANTS if name not in OURS]
    lines = [
        "| work | minitorch_np | " + " | ".join(f"over {label(name)}" for name in others) + " |",
        "|---|---|" + "---|" * len(others),
    ]
    asked = sorted({each["kernels"] for each in results["tasks"] if each.get("kernels")})
    for task, kernels in itertools.product(TASKS, [None, *asked]):
        measured = find(results, task.name, kernels=kernels)
        for name in filter(measured["rounds"].get, OURS):
            cells = [f"{median(measured, name):,.0f} {unit(measured)}"]
            for over in others:
                there = figures(measured, over)
                cells.append(f"{ratio(measured, over, name):.2f}" if there else "")
            used = kernels_used(measured, name) if asked else ""
            lines.append(f"| {task.name}{OURS[name]}{used} | " + " | ".join(cells) + " |")
    return lines


def limits_table(results: dict[str, Any]) -> list[str]:
    """The ratios that have limits, as a table."""
    lines = ["| work | over | ratio | half of the rounds | limit |", "|---|---|---|---|---|"]
    for task, over, limit in LIMITS:
        measured = find(results, task)
        for name in filter(measured["rounds"].get, OURS if figures(measured, over) else ()):
            low, high = spread(measured, over, name)
            lines.append(
                f"| {task}{OURS[name]} | {label(over)} | {ratio(measured, over, name):.2f} "
                f"| {low:.2f} to {high:.2f} | {limit:.2f} |"
            )
    return lines


def growth_table(results: dict[str, Any]) -> list[str]:
    """Microseconds a step, as the network and the batch grow."""
    lines = ["| | " + " | ".join(map(label, GROWING)) + " |", "|---" * (len(GROWING) + 1) + "|"]
    for tasks in GROWTH.values():
        for task in tasks:
            measured = find(results, task.name)
            cells = [
                f"{median(measured, name):,.0f}" if figures(measured, name) else ""
                for name in GROWING
            ]
            lines.append(f"| {task.name} | " + " | ".join(cells) + " |")
    return lines


def section(results: dict[str, Any]) -> str:
    """The text between the two marks on the page."""
    machine, imported = results["machine"], find(results, IMPORTS)
    there = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    with_two = [find(results, task.name, threads=2) for task in (NOTES, MLP)]
    two = [f"{m['name']}: {ratio(m, 'by_hand'):.2f}" for m in with_two if figures(m, "by_hand")]
    lines = [
        f"{machine['cores']} cores of {machine['processor']}; {there}; {results['date']}. One BLAS "
        f"thread on one core, {results['samples']:,} digits in memory, float32, "
        f"{len(figures(find(results, NOTES.name), 'framework'))} rounds in which all take turns. "
        "Times are microseconds of a step, or of a call of `predict`.",
        "",
        *main_table(results),
        "",
        *limits_table(results),
        "",
    ]
    if two:
        lines += [f"With two threads, over NumPy by hand: {'; '.join(two)}."]
    if figures(imported, "minitorch_np"):
        slower = [
            f"{name} {ratio(imported, 'numpy', name):.0f}"
            for name in LIBRARIES[2:]
            if figures(imported, name)
        ]
        lines += [
            "To import minitorch_np takes "
            f"{ratio(imported, 'numpy', 'minitorch_np'):.2f} of the time of NumPy alone"
            + (f" ({', '.join(slower)})." if slower else ".")
        ]
    return "\n".join(
        [
            *lines,
            "",
            "Microseconds of a step as the work grows (hidden units; hidden layers of 128 units;",
            "samples in a batch of 784-10-10):",
            "",
            *growth_table(results),
        ]
    )


def rewritten(text: str, results: dict[str, Any]) -> str:
    """The page with its section replaced."""
    begin, end = MARKS
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{section(results)}\n\n{end}{after}"


def picture(results: dict[str, Any], path: Path) -> None:
    """Three panels: microseconds a step over width, depth and batch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, (kind, tasks) in zip(figure.subplots(1, 3, sharey=True), GROWTH.items(), strict=True):
        for name in GROWING:
            sizes, times = [], []
            for task in tasks:
                if figures(measured := find(results, task.name), name):
                    sizes.append(int(task.name.split()[1]))
                    times.append(median(measured, name))
            axes.loglog(sizes, times, marker="o", markersize=3, label=label(name))
        axes.set_xlabel({"width": "hidden units", "depth": "hidden layers"}.get(kind, "batch"))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("microseconds a step")
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Rewrite the page's section, and the figure if matplotlib is installed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "benchmarks" / "results.json"
    results = json.loads(path.read_text())
    PAGE.write_text(rewritten(PAGE.read_text(), results))
    try:
        picture(results, PICTURE)
    except ImportError:
        print("matplotlib is not installed: no picture (extra plot)")


if __name__ == "__main__":
    main()
