"""A comparison as one page of HTML: the answer, the tables, the pictures, and how it was made.

The page is one file that needs nothing else: no network, no scripts, no fonts. It can be read on a
telephone and on paper, in light and in dark, and by a screen reader. Pictures are drawn where
matplotlib is installed; without it there are curves of letters in their place.

Here is what the page says, as sections of parts; what it looks like is in `templates`, which Jinja2
fills in (the extra `report`), escaping every text.
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
"""A kind of part, as in templates/parts.html, and what is shown in it."""

Table: TypeAlias = tuple[str, list[tuple[str, ...]]]
"""A caption, and rows of which the first is the head."""


def render(template: str, **content: Any) -> str:
    """A template with its content. Raises MissingExtraError without Jinja2."""
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
    """Write the page to `path`, at once or not at all.

    `command` is what the comparison was made with, to be repeated. With `data`, as it was given to
    `compare`, the best configuration is trained once more, and the page shows its weights and
    errors. Raises OSError where the file can't be written, MissingExtraError without Jinja2.
    """
    content = page(comparison, command, data)
    with replacing(path) as file:
        file.write(content.encode())


def page(comparison: Comparison, command: str = "", data: Data = None) -> str:
    """The page as text: see `write_page`."""
    sections = [
        ("Answer", _answer(comparison)),
        ("Pairs", _pairs(comparison)),
        ("How they learned", _curves(comparison)),
        ("What was found in the networks", [("list", _findings(comparison))]),
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
    """The answer and the tables, as a notebook shows them. Raises MissingExtraError without
    Jinja2."""
    parts: list[Part] = [("answer", words.headline(comparison)), *_ranking(comparison)]
    if comparison.verdicts:
        parts.append(("table", (text.PAIRS_TITLE, text.pair_rows(comparison))))
    return render("fragment", parts=parts)


def _folded(title: str, parts: list[Part], unfolded: bool = False) -> Part:
    """What is shown when its title is clicked on; `unfolded` at once."""
    return "folded", {"title": title, "parts": parts, "unfolded": unfolded}


def _answer(comparison: Comparison) -> list[Part]:
    """The headline, the picture, the ranking, and what the claims are about."""
    return [
        ("answer", words.headline(comparison)),
        *_picture(
            lambda: plots.runs(comparison),
            f"Test {comparison.measure.several} of all runs, a row a configuration. "
            f"{_ranked(comparison)}.",
            "Each configuration's runs, sorted, the best mean first. Runs that are far below the "
            "others stand at the left edge.",
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
        f"{each.first} minus {each.second} {each.difference:.4f}{words.each_range(each)}, "
        f"{each.kind}"
        for each in shown
    )
    few = len(comparison.verdicts) <= plots.MOST_PAIRS
    left = "" if few else " Of all pairs, those with the best or the reference alone."
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
        "The same by time. Runs that share a machine slow each other down.",
    )
    return pictures or [
        ("letters", {"title": "Learning curves", "text": drawn}),
        ("paragraph", "For pictures in place of letters, install matplotlib (the extra plot)."),
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


def _findings(comparison: Comparison) -> list[str]:
    return [line.strip() for line in text.health(comparison).splitlines()[1:]]


def _failures(comparison: Comparison) -> list[Part]:
    if not comparison.failures:
        return []
    rows: list[tuple[str, ...]] = [("configuration", "seed", "error")]
    rows += [(run["name"], str(run["seed"]), run["error"]) for run in comparison.failures]
    note = f"In every table and test they count as {text.failed_worth(comparison)}."
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
            f"Mean {comparison.measure.name} by learning rate on data kept aside; in brackets, of "
            "one seed alone"
        )
        rates: Table = (caption, words.rates_rows(comparison))
        parts.append(_folded("How the rates were chosen", [("table", rates)]))
    return parts


def versions() -> dict[str, str]:
    """Of everything that the numbers may depend on; "not installed" for what is optional."""
    found: dict[str, str] = {}
    for name in ("minitorch_np", "NumPy", "matplotlib"):
        try:
            found[name] = importlib.import_module(name.lower()).__version__
        except ImportError:
            found[name] = "not installed"
    return found | {"Python": platform.python_version()}


def _picture(draw: Callable[[], Figure], alternative: str, caption: str) -> list[Part]:
    """A figure with its text alternative; nothing where it can't be drawn."""
    try:
        source = svg(draw)
    except (MissingExtraError, ConfigurationError):
        return []
    return [("picture", {"source": source, "alternative": alternative, "caption": caption})]


def svg(draw: Callable[[], Figure]) -> str:
    """The figure that `draw` makes as SVG in base64, the same each time. Raises MissingExtraError.

    It goes into an image and not into the page itself: there, the names that matplotlib gives to
    parts of a picture would meet those of the next.
    """
    new_figure(1, 1)  # to fail here if it has to
    import matplotlib
    from matplotlib import style

    # The reader's own style may be white on black, and this goes on a white card.
    salt: Any = {"svg.hashsalt": "minitorch_np"}
    with style.context("default"), matplotlib.rc_context(salt):
        buffer = io.BytesIO()
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")
