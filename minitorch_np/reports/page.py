"""A comparison as one page of HTML: the answer, the tables, the pictures, and how it was made.

The page is one file that needs nothing else: no network, no scripts, no fonts. It can be read on a
telephone and on paper, in light and in dark, and by a screen reader. Pictures are drawn where
matplotlib is installed; without it there are curves of letters in their place.
"""

from __future__ import annotations

import base64
import datetime
import importlib
import io
import platform
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.figures import new_figure
from minitorch_np.io.atomic import replacing
from minitorch_np.reports import plots, text, words
from minitorch_np.reports.style import PAGE, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minitorch_np.experiments.task import Data


def write_page(comparison: Comparison, path: StrPath, command: str = "", data: Data = None) -> None:
    """Write the page to `path`, at once or not at all.

    `command` is what the comparison was made with, to be repeated. With `data`, as it was given to
    `compare`, the best configuration is trained once more, and the page shows its weights and
    errors. Raises OSError where the file can't be written.
    """
    content = page(comparison, command, data)
    with replacing(path) as file:
        file.write(content.encode())


def page(comparison: Comparison, command: str = "", data: Data = None) -> str:
    """The page as text: see `write_page`."""
    sections = [
        _section("Answer", _answer(comparison)),
        _section("Pairs", _pairs(comparison)),
        _section("How they learned", _curves(comparison)),
        _section("What was found in the networks", _health(comparison)),
        _section("Activation functions", _functions(comparison)),
        _section("The best network", _best(comparison, data)),
        _section("Runs that failed", _failures(comparison)),
        _section("How this was made", _origin(comparison, command)),
    ]
    return PAGE.format(
        title=escape(f"{', '.join(comparison.names)}: a comparison"),
        style=STYLE,
        question=escape(words.question(comparison)),
        body="\n".join(section for section in sections if section),
    )


def fragment(comparison: Comparison) -> str:
    """The answer and the tables, as a notebook shows them."""
    pairs = _table(text.PAIRS_TITLE, text.pair_rows(comparison)) if comparison.verdicts else ""
    return f"<div>{_headline(comparison)}\n{_ranking(comparison)}\n{pairs}</div>"


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _folded(title: str, body: str, unfolded: bool = False) -> str:
    """What is shown when its title is clicked on; `unfolded` at once."""
    state = " open" if unfolded else ""
    return f"<details{state}>\n<summary>{escape(title)}</summary>\n{body}\n</details>"


def _headline(comparison: Comparison) -> str:
    return f'<p class="answer">{escape(words.headline(comparison))}</p>'


def _answer(comparison: Comparison) -> str:
    """The headline, the picture, the ranking, and what the claims are about."""
    parts = [
        _headline(comparison),
        _picture(
            lambda: plots.runs(comparison),
            f"Test accuracies of all runs, a row a configuration. {_ranked(comparison)}.",
            "Each configuration's runs, sorted, the best mean first. Runs that are far below the "
            "others stand at the left edge.",
        ),
        _ranking(comparison),
        *(f"<p>{escape(line)}</p>" for line in words.footer(comparison)),
    ]
    return "\n".join(part for part in parts if part)


def _ranked(comparison: Comparison) -> str:
    return "; ".join(
        f"{each.name}: median {each.median:.4f}, {each.collapsed} of {each.runs} collapsed"
        for each in (comparison.summaries[name] for name in comparison.ranking)
    )


def _ranking(comparison: Comparison) -> str:
    table = _table(text.configurations_title(comparison), text.configuration_rows(comparison))
    return f"{table}\n<p>{text.GROUPS_NOTE}</p>" if any(comparison.groups.values()) else table


def _pairs(comparison: Comparison) -> str:
    """The picture of the pairs, their sentences, and their table."""
    if not comparison.verdicts:
        return ""
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
    table = _table(text.PAIRS_TITLE, text.pair_rows(comparison))
    parts = [
        _picture(
            lambda: plots.differences(comparison),
            f"Differences of test accuracies, seed by seed: {described}.",
            f"Right of 0, the first of the two was better.{left}",
        ),
        _folded("Each pair in words", _list(said), few),
        _folded("Each pair in numbers", f"{table}\n<p>{escape(text.PAIRS_NOTE)}</p>", few),
    ]
    return "\n".join(part for part in parts if part)


def _table(caption: str, rows: list[tuple[str, ...]]) -> str:
    """A table whose first row and first column are heads. It scrolls where it is too wide."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows[1:]
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">\n'
        f"<table>\n<caption>{escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _curves(comparison: Comparison) -> str:
    drawn = text.curves(comparison)
    if not drawn:
        return ""
    said = "; ".join(
        f"{name} from {curve[0]:.3f} to {curve[-1]:.3f}"
        for name, curve in comparison.curves.items()
    )
    learned = _picture(
        lambda: plots.learning_curves(comparison),
        f"Learning curves, median test accuracy from the first epoch to the last: {said}.",
        "Median test accuracy after each epoch, from where the curves differ.",
    )
    spent = _picture(
        lambda: plots.times(comparison),
        f"The same curves by seconds of training: {_seconds(comparison)}.",
        "The same by time. Runs that share a machine slow each other down.",
    )
    return (
        f"{learned}\n{spent}"
        if learned
        else (
            f'<div class="scroll" role="region" tabindex="0" aria-label="Learning curves">'
            f"<pre>{escape(drawn)}</pre></div>\n"
            "<p>For pictures in place of letters, install matplotlib (the extra plot).</p>"
        )
    )


def _seconds(comparison: Comparison) -> str:
    found = (comparison.summaries[name] for name in comparison.curves)
    return "; ".join(f"{each.name} took {each.seconds:.2f} seconds" for each in found)


def _functions(comparison: Comparison) -> str:
    found = list(plots.activations(comparison))
    if not found:
        return ""
    picture = _picture(
        lambda: plots.plot_activations(comparison),
        f"Graphs of {words.joined(found)} and of their derivatives, from -4 to 4.",
        "What the compared networks bend their numbers with.",
    )
    return _folded("Their graphs", picture, len(found) <= 6) if picture else ""


def _health(comparison: Comparison) -> str:
    return _list(text.health(comparison).splitlines()[1:])


def _best(comparison: Comparison, data: Data) -> str:
    """The pictures of the best configuration's network, trained again."""
    if data is None or not comparison.whole(comparison.ranking[0]):
        return ""
    from minitorch_np.reports.best import best_network

    best = best_network(comparison, data)
    parts = [f"<p>{escape(best.words)}</p>"]
    parts += [_picture(draw, alternative, caption) for draw, alternative, caption in best.pictures]
    return "\n".join(part for part in parts if part)


def _failures(comparison: Comparison) -> str:
    if not comparison.failures:
        return ""
    rows: list[tuple[str, ...]] = [("configuration", "seed", "error")]
    rows += [(run["name"], str(run["seed"]), run["error"]) for run in comparison.failures]
    note = f"In every table and test they count as chance, {1 / comparison.classes:.4g}."
    return f"{_table('Runs that failed', rows)}\n<p>{note}</p>"


def _origin(comparison: Comparison, command: str) -> str:
    now = datetime.datetime.now().astimezone()
    facts = [
        ("Seeds", escape(f"{len(comparison.seeds)}: {', '.join(map(str, comparison.seeds))}")),
        ("Versions", escape(", ".join(f"{name} {number}" for name, number in versions().items()))),
        (
            "Date",
            f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M %Z}</time>',
        ),
    ]
    if command:
        facts.insert(0, ("Command", f"<code>{escape(command)}</code>"))
    parts = ["<dl>", *(f"<dt>{name}</dt>\n<dd>{value}</dd>" for name, value in facts), "</dl>"]
    rows: list[tuple[str, ...]] = [
        ("configuration", "layers", "optimizer", "rate", "epochs", "batch size")
    ]
    for each in comparison.configurations:
        layers = ", ".join(map(str, each.layers))
        numbers = (f"{each.rate:g}", str(each.epochs), str(each.batch_size))
        rows.append((each.name, layers, each.optimizer, *numbers))
    parts.append(_folded("What was trained", _table("What was trained, and how", rows)))
    if comparison.tuning:
        caption = (
            "Mean accuracy by learning rate on data kept aside; in brackets, of one seed alone"
        )
        rates = _table(caption, words.rates_rows(comparison))
        parts.append(_folded("How the rates were chosen", rates))
    return "\n".join(parts)


def versions() -> dict[str, str]:
    """Of everything that the numbers may depend on; "not installed" for what is optional."""
    found: dict[str, str] = {}
    for name in ("minitorch_np", "NumPy", "matplotlib"):
        try:
            found[name] = importlib.import_module(name.lower()).__version__
        except ImportError:
            found[name] = "not installed"
    return found | {"Python": platform.python_version()}


def _list(lines: Any) -> str:
    items = "\n".join(f"<li>{escape(line.strip())}</li>" for line in lines)
    return f"<ul>\n{items}\n</ul>"


def _picture(draw: Callable[[], Figure], alternative: str, caption: str) -> str:
    """A figure with its text alternative; nothing where it can't be drawn."""
    try:
        source = svg(draw)
    except (MissingExtraError, ConfigurationError):
        return ""
    return (
        f'<figure>\n<img src="data:image/svg+xml;base64,{source}" alt="{escape(alternative)}">\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


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
