"""A comparison as an HTML page: the answer, tables, pictures, and how it was made.

The page is one self-contained file without scripts or external fonts. It works on a phone and on
paper, in light and dark mode, and with a screen reader. Pictures need matplotlib; without it, the
page shows curves made of characters.

This module defines the content, as sections of parts; the layout is in `templates`, which Jinja2
fills in (extra `report`), escaping every text.
"""

from __future__ import annotations

import base64
import datetime
import importlib
import io
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, MissingExtraError, optional
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.task import Data
from minitorch_np.figures import Figure, new_figure
from minitorch_np.io.atomic import replacing
from minitorch_np.reports import plots, text, words

Part: TypeAlias = tuple[str, Any]
"""A kind of part, as in templates/parts.html, and its content."""

Table: TypeAlias = tuple[str, list[tuple[str, ...]]]
"""A caption, and rows; the first row is the header."""


def render(template: str, **content: Any) -> str:
    """The HTML of a template with this content. Raises MissingExtraError without Jinja2."""
    html: str = templates().get_template(f"{template}.html").render(**content)
    return html


def templates() -> Any:
    """The Jinja2 Environment with the page's templates. Raises MissingExtraError without Jinja2."""
    jinja2 = optional("jinja2", "report", "writing a page of HTML")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def write_page(comparison: Comparison, path: StrPath, command: str = "", data: Data = None) -> None:
    """Write the page to `path`, atomically.

    `command` is the command that repeats the comparison. With `data`, as it was passed to
    `compare`, the best configuration is trained once more, and the page shows its weights and
    errors. Raises OSError if the file can't be written, MissingExtraError without Jinja2.
    """
    content = page(comparison, command, data)
    with replacing(path) as file:
        file.write(content.encode())


def page(comparison: Comparison, command: str = "", data: Data = None) -> str:
    """The page as text: see `write_page`."""
    findings = [line.strip() for line in text.health(comparison).splitlines()[1:]]
    sections = [
        ("Answer", _answer(comparison)),
        ("Pairs", _pairs(comparison)),
        ("How they learned", _curves(comparison)),
        ("What was found in the networks", [("list", findings)]),
        ("Activation functions", _functions(comparison)),
        ("The best network", _best(comparison, data)),
        ("Runs that failed", _failures(comparison)),
        ("How this was made", _origin(comparison, command)),
    ]
    return render(
        "page",
        title=f"{', '.join(comparison.names)}: a comparison",
        question=words.question(comparison),
        sections=sections,
    )


def fragment(comparison: Comparison) -> str:
    """The answer and the tables as HTML for a notebook. Raises MissingExtraError without Jinja2."""
    parts: list[Part] = [("answer", words.headline(comparison)), *_ranking(comparison)]
    if comparison.verdicts:
        parts.append(("table", (text.PAIRS_TITLE, text.pair_rows(comparison))))
    return render("fragment", parts=parts)


def _folded(title: str, parts: list[Part], unfolded: bool = False) -> Part:
    """Parts that are shown when the title is clicked, or at once if `unfolded`."""
    return "folded", {"title": title, "parts": parts, "unfolded": unfolded}


def _answer(comparison: Comparison) -> list[Part]:
    """The headline, the picture, the ranking, and the scope of the claims."""
    return [
        ("answer", words.headline(comparison)),
        *_picture(
            lambda: plots.runs(comparison),
            f"Test {comparison.measure.several} of all runs, a row per configuration. "
            f"{_ranked(comparison)}.",
            "The runs of each configuration, sorted, the best mean first. Runs far below the "
            "others are drawn at the left edge.",
        ),
        *_ranking(comparison),
        *(("paragraph", line) for line in words.footer(comparison)),
    ]


def _ranked(comparison: Comparison) -> str:
    return "; ".join(
        f"{each.name}: median {each.median:.4f}, {each.collapsed} of {each.runs} collapsed"
        for each in (comparison.summaries[name] for name in comparison.ranking)
    )


def _ranking(comparison: Comparison) -> list[Part]:
    rows = text.configuration_rows(comparison)
    note: list[Part] = [("paragraph", text.GROUPS_NOTE)]
    table = text.configurations_title(comparison), rows
    return [("table", table), *(note if any(comparison.groups.values()) else [])]


def _pairs(comparison: Comparison) -> list[Part]:
    """The picture of the pairs, their sentences, and their table."""
    if not comparison.verdicts:
        return []
    shown = plots.shown_pairs(comparison)
    said = [words.verdict(comparison, each) for each in comparison.verdicts]
    if any(each.kind == "too few seeds" for each in comparison.verdicts):
        said = said[:1]
    described = "; ".join(
        f"{each.first} minus {each.second} {words.difference(each)}, {each.kind}" for each in shown
    )
    few = len(comparison.verdicts) <= plots.MOST_PAIRS
    left = "" if few else " Only pairs with the best or the reference are shown."
    table = text.PAIRS_TITLE, text.pair_rows(comparison)
    return [
        *_picture(
            lambda: plots.differences(comparison),
            f"Differences of test {comparison.measure.several}, seed by seed: {described}.",
            f"Right of 0, the first of the two was better.{left}",
        ),
        _folded("Each pair in words", [("list", said)], few),
        _folded("Each pair in numbers", [("table", table), ("paragraph", text.PAIRS_NOTE)], few),
    ]


def _curves(comparison: Comparison) -> list[Part]:
    drawn = text.curves(comparison)
    if not drawn:
        return []
    said = "; ".join(
        f"{name} from {curve[0]:.3f} to {curve[-1]:.3f}"
        for name, curve in comparison.curves.items()
    )
    pictures = _picture(
        lambda: plots.learning_curves(comparison),
        f"Learning curves, median test {comparison.measure.name} from the first epoch to the last: "
        f"{said}.",
        f"Median test {comparison.measure.name} after each epoch, from where the curves differ.",
    ) + _picture(
        lambda: plots.times(comparison),
        f"The same curves by seconds of training: {_seconds(comparison)}.",
        "The same by time. Runs in parallel on one machine slow each other down.",
    )
    return pictures or [
        ("letters", {"title": "Learning curves", "text": drawn}),
        ("paragraph", "To get pictures instead, install matplotlib (the extra plot)."),
    ]


def _seconds(comparison: Comparison) -> str:
    found = (comparison.summaries[name] for name in comparison.curves)
    return "; ".join(f"{each.name} took {each.seconds:.2f} seconds" for each in found)


def _functions(comparison: Comparison) -> list[Part]:
    found = list(plots.activations(comparison))
    picture = _picture(
        lambda: plots.plot_activations(comparison),
        f"Graphs of {words.joined(found or ['none'])} and of their derivatives, from -4 to 4.",
        "The activation functions of the networks that were compared.",
    )
    return [_folded("Their graphs", picture, len(found) <= 6)] if picture else []


def _best(comparison: Comparison, data: Data) -> list[Part]:
    """The pictures of the best configuration's network, trained again."""
    if data is None or not comparison.whole(comparison.ranking[0]):
        return []
    from minitorch_np.reports.best import best_network

    best = best_network(comparison, data)
    return [("paragraph", best.words), *(p for each in best.pictures for p in _picture(*each))]


def _failures(comparison: Comparison) -> list[Part]:
    if not comparison.failures:
        return []
    rows: list[tuple[str, ...]] = [("configuration", "seed", "error")]
    rows += [(run["name"], str(run["seed"]), run["error"]) for run in comparison.failures]
    note = f"In all tables and tests they count as {text.failed_worth(comparison)}."
    return [("table", ("Runs that failed", rows)), ("paragraph", note)]


def _origin(comparison: Comparison, command: str) -> list[Part]:
    facts = {
        "command": command,
        "seeds": f"{len(comparison.seeds)}: {', '.join(map(str, comparison.seeds))}",
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "date": datetime.datetime.now().astimezone(),
    }
    rows: list[tuple[str, ...]] = [
        ("configuration", "layers", "optimizer", "rate", "epochs", "batch size")
    ]
    for each in comparison.configurations:
        layers = ", ".join(map(str, each.layers))
        numbers = (f"{each.rate:g}", str(each.epochs), str(each.batch_size))
        rows.append((each.name, layers, each.optimizer, *numbers))
    trained: Table = ("What was trained, and how", rows)
    parts: list[Part] = [("facts", facts), _folded("What was trained", [("table", trained)])]
    if comparison.tuning:
        caption = (
            f"Mean {comparison.measure.name} by learning rate on held-out data; in brackets, from "
            "a single seed"
        )
        rates: Table = (caption, words.rates_rows(comparison))
        parts.append(_folded("How the rates were chosen", [("table", rates)]))
    return parts


def versions() -> dict[str, str]:
    """The versions of everything that may affect the numbers; "not installed" if missing."""
    found: dict[str, str] = {}
    for name in ("minitorch_np", "NumPy", "matplotlib"):
        try:
            found[name] = importlib.import_module(name.lower()).__version__
        except ImportError:
            found[name] = "not installed"
    return found | {"Python": platform.python_version()}


def _picture(draw: Callable[[], Figure], alternative: str, caption: str) -> list[Part]:
    """A figure with its text alternative; no part if it can't be drawn."""
    try:
        source = svg(draw)
    except (MissingExtraError, ConfigurationError):
        return []
    return [("picture", {"source": source, "alternative": alternative, "caption": caption})]


def svg(draw: Callable[[], Figure]) -> str:
    """The figure made by `draw` as a reproducible SVG, in base64. Raises MissingExtraError.

    It is embedded as an image, since the ids that matplotlib generates would collide if several
    pictures were part of the page itself.
    """
    new_figure(1, 1)  # raises without matplotlib
    import matplotlib
    from matplotlib import style

    # The user's own style may be white on black, but the page has a white background here.
    salt: Any = {"svg.hashsalt": "minitorch_np"}
    with style.context("default"), matplotlib.rc_context(salt):
        buffer = io.BytesIO()
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")
