"""Tables from a data frame (extra `pandas`): columns of numbers and strings as inputs of a network.

A column of numbers is kept. A column of strings or categories is one-hot encoded: it becomes a
column of zeros and ones for each of its values, so that no order is implied. A table of new rows is
made `like` the one that a model was trained on, with the same columns in the same order.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array, DType, StrPath, as_float_dtype
from minitorch_np.errors import DataError, optional
from minitorch_np.io.arrays import in_words
from minitorch_np.io.bounded import open_file, read_bytes, require_room
from minitorch_np.signature import explained
from minitorch_np.text import excerpt
from minitorch_np.validation import instance, require
from minitorch_np.validation import path as checked_path

VALUES = 1000
"""The most values in a column of strings; one with more probably identifies the rows."""


COLUMNS = 20_000
"""How many columns a CSV may have: of many more, pandas takes minutes."""


class Table(NamedTuple):
    """The rows of a data frame as arrays.

    - `features` is (n, columns), `feature_names` are their names: "age", or "colour=red" for a
      value of a column of strings;
    - `targets` are class numbers (n,) if the target column holds strings or integers, numbers (n,)
      for floats, (n, k) for several columns, or None;
    - `class_names` are the names of the classes, in the order of their numbers;
    - `columns` has the values of each column of strings, None for one of numbers; `target` is the
      name of the target column.
    """

    features: Array
    targets: AnyArray | None
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...] | None]
    target: str | tuple[str, ...] | None


@explained
def load_dataframe(
    source: Any,
    target: str | Sequence[str] | None = None,
    like: Table | None = None,
    dtype: DType = np.float32,
) -> Table:
    """The table in a pandas DataFrame, or in a .csv or .parquet file.

    Parameters:
        source: a DataFrame, or the path of a file; .parquet needs the extra `parquet`.
        target: the column to predict, or several columns of numbers; the others are features.
        like: a table with the columns, values and classes to use; new rows may lack the target.
        dtype: of features and of floating-point targets.

    Raises DataError, naming column and row, for a missing value, an infinite number, a value that
    `like` does not have, and a column of anything but numbers, strings and categories; for features
    of more than 64 MiB that are also more than eight times the frame or the file, since each value
    of a column of strings becomes a column (`io.expansion_limit` allows more); MissingExtraError
    without pandas.
    """
    dtype = as_float_dtype(dtype)
    pandas = optional("pandas", "pandas", "load_dataframe")
    path = isinstance(source, (str, os.PathLike))
    kinds_of_source = "a DataFrame or the path of a file"
    right = path or isinstance(source, pandas.DataFrame)
    require(right, "load_dataframe", kinds_of_source, type(source).__name__)
    frame = _read(pandas, source) if path else source
    names = [str(name) for name in frame.columns]
    shown = excerpt(names, 300)
    if len(set(names)) < len(names) or not len(frame):
        raise DataError(
            f"load_dataframe: expected rows, and columns of different names, got {len(frame)} rows "
            f"and the columns {shown}"
        )
    frame = frame.set_axis(names, axis=1)
    if like is not None:
        instance("load_dataframe", "like", like, Table)
        target = like.target
    given = [] if target is None else [target] if isinstance(target, str) else target
    named = isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given)
    require(named, "load_dataframe", f"target to be one or more of the names {shown}", target)
    wanted = list(given)
    expected = set(like.columns) if like is not None else set(wanted)
    if lacking := sorted(expected - set(names)):
        raise DataError(f"load_dataframe: expected the columns {lacking}, got {shown}")
    chosen = [name for name in names if name not in wanted]
    if not chosen:
        raise DataError(f"load_dataframe: expected a column besides the target, got {shown}")
    kinds = dict.fromkeys(chosen, ()) if like is None else like.columns
    stored = os.path.getsize(source) if path else int(frame.memory_usage(index=False).sum())
    features, feature_names, columns = _features(pandas, frame, kinds, dtype, stored)
    targets, classes = None, () if like is None else like.class_names
    if wanted and set(wanted) <= set(names):
        targets, classes = _targets(pandas, frame, target, wanted, like)
        targets = targets.astype(dtype) if targets.dtype.kind == "f" else targets
    kept = target if isinstance(target, str) or target is None else tuple(target)
    return Table(features, targets, feature_names, classes, columns, kept)


def _features(
    pandas: Any,
    frame: Any,
    kinds: Mapping[str, tuple[str, ...] | None],
    dtype: DType,
    stored: int,
) -> tuple[Array, tuple[str, ...], dict[str, tuple[str, ...] | None]]:
    """The columns side by side, their names, and the values of each column, out of `stored`
    bytes.
    """
    parts, names = list[AnyArray](), list[str]()
    columns: dict[str, tuple[str, ...] | None] = {}
    for name, given in kinds.items():
        array, values = _column(pandas, frame[name], name, given)
        columns[name] = values
        parts.append(array)
        names += [name] if values is None else [f"{name}={value}" for value in values]
    wanted = len(frame) * len(names) * np.dtype(dtype).itemsize
    require_room(f"load_dataframe: {len(names):,} columns of features", wanted, stored)
    features, place, rows = np.zeros((len(frame), len(names)), dtype), 0, np.arange(len(frame))
    for array, values in zip(parts, columns.values(), strict=True):
        if values is None:
            features[:, place] = array
        else:
            features[rows, place + array] = 1
        place += 1 if values is None else len(values)
    return features, tuple(names), columns


def _targets(
    pandas: Any, frame: Any, target: Any, names: list[str], like: Table | None
) -> tuple[AnyArray, tuple[str, ...]]:
    """The targets, and the names of their classes if they are strings."""
    if isinstance(target, str):
        given = () if like is None else like.class_names or None
        array, classes = _column(pandas, frame[target], target, given)
        if classes is not None:
            return array.astype(np.int64), classes
        whole = pandas.api.types.is_integer_dtype(frame[target]) or array.dtype == bool
        return array.astype(np.int64) if whole else array, ()
    columns = [_column(pandas, frame[name], name, None)[0] for name in names]
    return np.stack(columns, axis=1, dtype=np.float64), ()


def _column(
    pandas: Any, series: Any, name: str, given: tuple[str, ...] | None
) -> tuple[AnyArray, tuple[str, ...] | None]:
    """A column's numbers and None, or the indices of its values and the values.

    `given` are the allowed values, None for numbers, () for any.
    """
    place, types = f"load_dataframe: column {excerpt(repr(name))}", pandas.api.types
    missing = np.flatnonzero(series.isna())
    if len(missing):
        raise DataError(
            f"{place}: expected a value in each row, got {len(missing)} missing ones, the first in "
            f"row {missing[0]}: fill them (frame.fillna) or drop the rows (frame.dropna)"
        )
    if given is None or (not given and types.is_numeric_dtype(series)):
        if not types.is_numeric_dtype(series) or types.is_complex_dtype(series):
            raise DataError(f"{place}: expected numbers, got {series.dtype}")
        numbers = series.to_numpy(bool if types.is_bool_dtype(series) else np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.argmin(np.isfinite(numbers)))
            raise DataError(f"{place}: expected finite numbers, got {numbers[row]} in row {row}")
        return numbers, None
    return _texts(series, place, given)


def _texts(series: Any, place: str, given: tuple[str, ...]) -> tuple[AnyArray, tuple[str, ...]]:
    """The indices of a column's values, and the values, sorted or in the order of categories."""
    ordered = getattr(series.dtype, "categories", None)
    items = series.tolist()
    strange = [item for item in items if not isinstance(item, str)] if ordered is None else []
    if strange and not given:
        raise DataError(
            f"{place}: expected numbers, strings or categories, got {series.dtype} with "
            f"{type(strange[0]).__name__}: {excerpt(strange[0], 40)}: convert the column, or leave "
            "it out"
        )
    texts = list(map(str, items))
    values = given or tuple(sorted(set(texts)) if ordered is None else map(str, ordered))
    if len(values) > VALUES:
        raise DataError(
            f"{place}: expected at most {VALUES} different strings, got {len(values)}: leave out a "
            "column that only identifies the rows"
        )
    numbers = {value: n for n, value in enumerate(values)}
    for row, text in enumerate(texts):
        if text not in numbers:
            raise DataError(
                f"{place}: expected one of {excerpt(list(values[:10]), 300)}, as in the table "
                f"`like`, got {excerpt(repr(text))} in row {row}"
            )
    return np.array([numbers[text] for text in texts]), values


def _read(pandas: Any, path: StrPath) -> Any:
    """The data frame in a file. Raises DataError for other files, FileNotFoundError."""
    place = checked_path("load_dataframe", "source", path)
    parquet = place.endswith((".parquet", ".pq"))
    if not (parquet or place.endswith((".csv", ".csv.gz"))):
        raise DataError(f"{place}: expected a file named .csv, .csv.gz or .parquet")
    if parquet:
        optional("pyarrow", "parquet", "load_dataframe")
    try:
        if parquet:
            with open_file(place) as file:
                return _parquet(place, file)
        content = read_bytes(place)
        columns = max(line.count(b",") for line in content.split(b"\n")) + 1
        if columns > COLUMNS:
            raise DataError(f"{place}: expected at most {COLUMNS:,} columns, got {columns:,}")
        return pandas.read_csv(io.BytesIO(content))
    except (DataError, FileNotFoundError, IsADirectoryError):
        raise
    except Exception as error:  # pandas and pyarrow raise many kinds of errors
        raise DataError(
            f"{place}: expected a table, got a file that is damaged or something else "
            f"({in_words(error)})"
        ) from None


def _parquet(place: str, file: Any) -> Any:
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(file)
    head = table.metadata
    groups = (head.row_group(n).total_byte_size for n in range(head.num_row_groups))
    wanted = max(sum(groups), 8 * head.num_rows * head.num_columns)
    require_room(place, wanted, os.fstat(file.fileno()).st_size)
    return table.read().to_pandas()
