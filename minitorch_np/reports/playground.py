"""A playground as an HTML page: build a small network, train it in the browser, and watch how it
divides the plane.

The page is one self-contained file. It trains on points with two features, from generated data sets
or your own data. It shares the script of the model's page (`templates/network.js`), so it computes
the same numbers as this package, which can load the trained network.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_np import layers as nn
from minitorch_np.arrays import AnyArray, Array, StrPath, as_batch, require_finite
from minitorch_np.core.model_file import FORMAT, encode_layer
from minitorch_np.errors import DataError, ShapeError
from minitorch_np.io.atomic import replacing
from minitorch_np.io.bounded import read_bytes
from minitorch_np.reports.model_page import ELEMENTWISE
from minitorch_np.reports.page import render
from minitorch_np.signature import explained
from minitorch_np.text import excerpt
from minitorch_np.validation import path as checked_path
from minitorch_np.validation import require

MOST_POINTS, MOST_CLASSES = 5000, 6
"""Limits of a data set: more points would be slow in a browser, more colours hard to distinguish.
"""


class Points(NamedTuple):
    """Points in the plane (m, 2), their classes (m,), and the names of features and classes."""

    x: Array
    labels: AnyArray
    features: tuple[str, ...]
    names: tuple[str, ...]


@explained
def playground(path: StrPath, data: StrPath | tuple[object, object] | None = None) -> None:
    """Write a page on which to build and train small networks with two features.

    Parameters:
        path: the file to write, atomically.
        data: your own points, in addition to the generated data sets: (x, y) with x (m, 2) and y
            (m,) the class numbers or names, or the path of a CSV file with two columns of numbers
            and one of classes, with or without a header. They are scaled to mean 0 and standard
            deviation 1.

    Raises DataError for invalid data, ShapeError for another number of features,
    MissingExtraError without Jinja2; OSError if a file can't be read or written.
    """
    if data is None:
        points, title = None, ""
    elif isinstance(data, (tuple, list)):
        require(len(data) == 2, "playground", "data to be (x, y) or a path", data)
        points, title = as_points(*data), "your points"
    else:
        title = checked_path("playground", "data", data)
        points = load_points(title)
    content = render("playground", network=as_json(points, title))
    with replacing(path) as file:
        file.write(content.encode())


def load_points(path: StrPath) -> Points:
    """The points in a CSV file: two columns of numbers, then the class.

    Raises DataError, naming the line, for anything else; OSError if it can't be read.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected a CSV file, as text in UTF-8") from None
    rows, features = list[list[float]](), ("x1", "x2")
    classes = list[str]()
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        numbered = [(lines.line_num, line) for line in lines]
    except csv.Error as error:
        raise DataError(
            f"{path}:{lines.line_num}: expected two numbers and then the class, got {error}"
        ) from None
    for number, line in numbered:
        if not any(map(str.strip, line)):
            continue
        place = f"{path}:{number}"
        if len(line) != 3:
            raise DataError(
                f"{place}: expected two features and the class in each line, got {len(line)} "
                "columns: write a file with two features"
            )
        try:
            rows.append([float(line[0]), float(line[1])])
        except ValueError:
            if not rows and not classes and number == 1:
                features = line[0].strip(), line[1].strip()
                continue
            raise DataError(
                f"{place}: expected two numbers and then the class, got {excerpt(','.join(line))!r}"
            ) from None
        classes.append(line[2].strip())
    return as_points(np.array(rows).reshape(-1, 2), classes, features, str(path))


def as_points(
    x: object,
    y: Any,
    features: Sequence[str] = ("x1", "x2"),
    place: str = "playground",
) -> Points:
    """Points and their classes, checked. Raises DataError or ShapeError for invalid data."""
    array = as_batch(x, np.float64, f"{place}: the points")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ShapeError(f"{place}: expected two features per point, (m, 2), got {array.shape}")
    require_finite(array, place)
    given = np.asarray(y)
    if given.shape != array.shape[:1]:
        raise ShapeError(
            f"{place}: expected a class for each of {len(array)} points, got shape {given.shape}"
        )
    values, labels = np.unique(given, return_inverse=True)
    if len(array) > MOST_POINTS or not 2 <= len(values) <= MOST_CLASSES or len(array) < 8:
        raise DataError(
            f"{place}: expected 8 to {MOST_POINTS} points of 2 to {MOST_CLASSES} classes, got "
            f"{len(array)} of {len(values)}"
            + (": use a part of the data" if len(array) > MOST_POINTS else "")
        )
    for name, column in zip(features, array.T, strict=True):
        if np.ptp(column) == 0:
            raise DataError(f"{place}: expected different values of {name!r}, got a single one")
    return Points(array, labels, tuple(features), tuple(map(str, values)))


def as_json(points: Points | None, title: str) -> dict[str, Any]:
    """All data for the page's script."""
    activations = (nn.Identity, *ELEMENTWISE)
    return {
        "layers": [],
        "arrays": {},
        "outputs": "scores",
        "teachable": True,
        "points": None if points is None else _scaled(points, title),
        # The entries of a model file for each layer, with which the page writes one.
        "activations": [encode_layer(kind()) for kind in activations],
        "dense": encode_layer(nn.Dense(1)),
        "sequential": encode_layer(nn.Sequential(nn.Identity())),
        "file": {
            "format": FORMAT,
            "input_shape": [2],
            "dtype": "float32",
            "exclusive_classes": True,
        },
    }


def _scaled(points: Points, title: str) -> dict[str, Any]:
    centre, scale = points.x.mean(axis=0), points.x.std(axis=0)
    return {
        "title": title,
        "x": ((points.x - centre) / scale).ravel().tolist(),
        "y": points.labels.tolist(),
        "features": points.features,
        "names": points.names,
        "centre": centre.tolist(),
        "scale": scale.tolist(),
    }
