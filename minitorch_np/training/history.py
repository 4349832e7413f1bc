"""The numbers of a training run, one per epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from minitorch_np.errors import ConfigurationError, optional
from minitorch_np.figures import COLOURS, WIDTH, Figure, new_figure
from minitorch_np.text import as_html
from minitorch_np.validation import choice, instance, shown

LOWER, HIGHER = ("loss", "error", "mae", "rmse"), ("acc", "precision", "recall", "f1", "auc", "r2")
"""Parts of the names of numbers that are better when they are smaller, and when they are larger."""


SHOWN = 10
"""The number of epochs that a notebook shows from each end of a long run."""


def smaller_is_better(name: str) -> bool | None:
    """Whether smaller is better for the number of that name; None if the name does not say."""
    plain = name.removeprefix("val_")
    if any(part in plain for part in HIGHER):
        return False
    return True if plain == "perplexity" or any(part in plain for part in LOWER) else None


class Best(NamedTuple):
    """The epoch, counted from 1, at which a number was best, and all numbers of that epoch."""

    epoch: int
    numbers: dict[str, float]


class History(Mapping[str, list[float]]):
    """`history["loss"]` is a list with one number for each epoch; so are "val_loss" and the others.

    "loss" and the metrics are means over the epoch's batches, each measured before its own update,
    as in Keras; names that begin with "val_" are measured after the epoch.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}

    def append(self, numbers: Mapping[str, float]) -> None:
        """Add an epoch. NumPy's numbers are kept as Python's.

        Raises ConfigurationError for what is no number, as a metric of one's own may give.
        """
        for name, given in instance("append", "numbers", numbers, Mapping).items():
            try:
                number = float(given)
            except (TypeError, ValueError):
                raise ConfigurationError(f"{name}: expected a number, got {shown(given)}") from None
            self._columns.setdefault(name, []).append(number)

    def restore(self, columns: Mapping[str, list[float]]) -> None:
        """Set the columns to those of a run that was stopped."""
        self._columns = {name: list(column) for name, column in columns.items()}

    @property
    def history(self) -> dict[str, list[float]]:
        """The same as `to_dict()`, under Keras' name."""
        return self.to_dict()

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return max(map(len, self._columns.values()), default=0)

    def best(self, name: str | None = None, mode: str = "auto") -> Best:
        """The epoch with the best number of that name.

        None means "val_loss" if there is one, else "loss". `mode` is "min" if smaller is better,
        "max" if larger is; "auto" decides by the name. The first of equal numbers is the best; NaN
        never is. Raises ConfigurationError if the name does not decide it, or if no epoch has such
        a number.
        """
        if name is None:
            name = "val_loss" if "val_loss" in self else "loss"
        choice("best", "mode", mode, ("auto", "min", "max"))
        column = self[name]
        smaller = smaller_is_better(name) if mode == "auto" else mode == "min"
        if smaller is None:
            raise ConfigurationError(
                f"best: expected mode 'min' or 'max' with {name!r}, since its name does not say "
                f"which is better, got {shown(mode)}"
            )
        known = [place for place, number in enumerate(column) if not math.isnan(number)]
        if not known:
            raise ConfigurationError(f"best: expected an epoch with a value of {name!r}, got none")
        place = (min if smaller else max)(known, key=column.__getitem__)
        numbers = {key: each[place] for key, each in self.items() if place < len(each)}
        return Best(place + 1, numbers)

    def to_dict(self) -> dict[str, list[float]]:
        """A dictionary of lists, ready for JSON."""
        return {name: list(column) for name, column in self._columns.items()}

    def to_frame(self) -> Any:
        """A pandas DataFrame: a row for each epoch, counted from 1, and a column for each number.

        Raises MissingExtraError without pandas.
        """
        pandas = optional("pandas", "pandas", "a DataFrame of the history")
        columns = {
            name: pandas.Series(column, range(1, len(column) + 1))
            for name, column in self._columns.items()
        }
        return pandas.DataFrame(columns).rename_axis("epoch")

    def plot(self) -> Figure:
        """A matplotlib Figure: one panel for each number, over the epochs.

        Training and validation are drawn together, and the best epoch of the validation is marked.
        Raises MissingExtraError without matplotlib, ConfigurationError for an empty history.
        """
        if not self.epochs:
            raise ConfigurationError("plot: expected a history of at least one epoch, got none")
        names = list(dict.fromkeys(name.removeprefix("val_") for name in self))
        figure = new_figure(WIDTH, 0.4 + 2.2 * len(names))
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False).flat
        for axes, name in zip(panels, names, strict=True):
            pairs = ((name, "training", "-"), (f"val_{name}", "validation", "--"))
            for colour, (key, label, style) in zip(COLOURS, pairs, strict=False):
                if key in self:
                    epochs, one = range(1, len(self[key]) + 1), len(self[key]) == 1
                    axes.plot(epochs, self[key], "o" if one else style, color=colour, label=label)
            if f"val_{name}" in self and smaller_is_better(name) is not None:
                epoch, numbers = self.best(f"val_{name}")
                axes.plot([epoch], [numbers[f"val_{name}"]], "o", color=COLOURS[1])
            axes.set_ylabel(name.replace("_", " "))
            axes.grid(alpha=0.3)
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        if len(self) > len(names):
            handles = figure.axes[0].get_legend_handles_labels()
            figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
        return figure

    def _repr_html_(self) -> str:
        """The epochs as a table; only the first and the last of a long run."""
        counted = range(1, self.epochs + 1)
        shown = [*counted[:SHOWN], *counted[SHOWN:][-SHOWN:]]
        rows = [["epoch", *self]]
        for epoch in shown:
            if rows[-1][0] not in ("epoch", str(epoch - 1)):
                rows.append(["...", *("" for _ in self)])
            columns = self._columns.values()
            numbers = (f"{c[epoch - 1]:.4g}" if epoch <= len(c) else "" for c in columns)
            rows.append([str(epoch), *numbers])
        return as_html(f"{self.epochs} epochs", rows)

    def __getitem__(self, name: str) -> list[float]:
        if not isinstance(name, str) or name not in self._columns:
            raise KeyError(
                f"{name!r}: expected one of {', '.join(self._columns)}; see metrics=[...]"
            )
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        last = "".join(f", {name}={column[-1]:.4g}" for name, column in self._columns.items())
        return f"History(epochs={self.epochs}{last})"
