"""`report(comparison)`: what a person looks at, wherever that is.

`print` it for text, leave it in the last line of a notebook's cell for tables, `write` it as a
page, or `plot` it.
"""

from __future__ import annotations

from minitorch_np.arrays import StrPath
from minitorch_np.errors import MissingExtraError
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.task import Data
from minitorch_np.figures import Figure
from minitorch_np.signature import explained
from minitorch_np.text import wrapped


class Report:
    """A comparison to look at."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __str__(self) -> str:
        """All of it as text."""
        from minitorch_np.reports.text import comparison_text

        return wrapped(comparison_text(self.comparison))

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        from minitorch_np.reports.page import fragment

        try:
            return fragment(self.comparison)
        except MissingExtraError:
            return None  # the notebook shows the text

    def plot(self) -> Figure:
        """The runs, the differences and the curves in one matplotlib Figure. Raises
        MissingExtraError without matplotlib."""
        from minitorch_np.reports.plots import overview

        return overview(self.comparison)

    def write(self, path: StrPath, command: str = "", data: Data = None) -> None:
        """One page of HTML, whole or not at all.

        `command` is what the comparison was made with, to be repeated. With `data`, as it was given
        to `compare`, the best configuration is trained once more, from the first seed from which
        it did not fail, and the page shows its weights and errors. Raises OSError where the file
        can't be written, MissingExtraError without Jinja2.
        """
        from minitorch_np.reports.page import write_page

        write_page(self.comparison, path, command, data)


@explained
def report(comparison: Comparison) -> Report:
    """A comparison as text, as HTML in a notebook, as a page and as a picture."""
    return Report(comparison)
