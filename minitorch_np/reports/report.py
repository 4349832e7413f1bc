"""`report(comparison)`: a comparison as text, tables, a page or a picture.

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
    """Presents a comparison; made by `report`."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __str__(self) -> str:
        """The whole report as text."""
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
        """The runs, the differences and the curves in one matplotlib Figure.

        Raises MissingExtraError without matplotlib.
        """
        from minitorch_np.reports.plots import overview

        return overview(self.comparison)

    def write(self, path: StrPath, command: str = "", data: Data = None) -> None:
        """Write the report as an HTML page to `path`, atomically.

        `command` is the command that repeats the comparison. With `data`, as it was passed to
        `compare`, the best configuration is trained once more, from the first seed that did not
        fail, and the page shows its weights and errors. Raises OSError if the file can't be
        written, MissingExtraError without Jinja2.
        """
        from minitorch_np.reports.page import write_page

        write_page(self.comparison, path, command, data)


@explained
def report(comparison: Comparison) -> Report:
    """The report of a comparison, as text, HTML in a notebook, a page or a picture."""
    return Report(comparison)
