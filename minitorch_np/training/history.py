"""The numbers of a training run, one per epoch."""

from collections.abc import Iterator, Mapping


class History(Mapping[str, list[float]]):
    """`history["loss"]` is a list with one number for each epoch; so are "val_loss" and the others.

    "loss" and the metrics are means over the epoch's batches, each measured before its own update,
    as in Keras; names that begin with "val_" are measured after the epoch.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}

    def append(self, numbers: Mapping[str, float]) -> None:
        """Add an epoch."""
        for name, number in numbers.items():
            self._columns.setdefault(name, []).append(number)

    def restore(self, columns: Mapping[str, list[float]]) -> None:
        """Set the columns, as they were when a run was stopped."""
        self._columns = {name: list(column) for name, column in columns.items()}

    @property
    def history(self) -> dict[str, list[float]]:
        """The same as a dictionary, under the name that Keras gives it."""
        return dict(self._columns)

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return max(map(len, self._columns.values()), default=0)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(
                f"{name!r}: expected one of {', '.join(self._columns)}; see metrics=[...]"
            )
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        last = {name: round(column[-1], 4) for name, column in self._columns.items()}
        return f"History({self.epochs} epochs, last: {last})"
