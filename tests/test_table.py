"""Data frames as arrays: which columns become which, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.data import load_dataframe
from minitorch_np.io import expansion_limit

pd = pytest.importorskip("pandas")


def people() -> Any:
    return pd.DataFrame(
        {
            "age": [30, 41, 25, 60],
            "height": [1.7, 1.8, 1.65, 1.9],
            "colour": ["red", "blue", "red", "green"],
            "size": pd.Categorical(["S", "L", "S", "M"], categories=["S", "M", "L", "XL"]),
            "member": [True, False, True, True],
            "income": [1.5, 2.5, 0.5, 4.0],
            "kind": ["b", "a", "a", "b"],
        }
    )


NAMES = (
    *("age", "height", "colour=blue", "colour=green", "colour=red"),
    *("size=S", "size=M", "size=L", "size=XL", "member", "income"),
)


def test_numbers_stay_and_texts_become_ones() -> None:
    table = load_dataframe(people(), "kind")
    assert table.feature_names == NAMES
    assert table.features.dtype == np.float32
    wanted = [41, 1.8, 1, 0, 0, 0, 0, 1, 0, 0, 2.5]
    np.testing.assert_array_equal(table.features[1], np.array(wanted, np.float32))
    np.testing.assert_array_equal(table.targets, [1, 0, 0, 1])
    assert table.class_names == ("a", "b")
    double = load_dataframe(people(), "kind", dtype=np.float64)
    np.testing.assert_array_equal(double.features[1], wanted)


def test_targets_of_all_kinds() -> None:
    frame = people()
    for target, dtype, shape in (
        ("age", np.int64, (4,)),
        ("member", np.int64, (4,)),
        ("size", np.int64, (4,)),
        ("income", np.float32, (4,)),
        (["income", "height"], np.float32, (4, 2)),
    ):
        table = load_dataframe(frame, target)
        assert table.targets is not None
        assert table.targets.dtype == dtype
        assert table.targets.shape == shape
        taken = {target} if isinstance(target, str) else set(target)
        assert taken.isdisjoint(table.columns)
    assert load_dataframe(frame, "size").class_names == ("S", "M", "L", "XL")
    assert load_dataframe(frame).targets is None


def test_new_rows_are_like_those_of_the_training() -> None:
    train = load_dataframe(people(), "kind")
    new = people().iloc[[3, 0], ::-1].drop(columns="kind").assign(more=0)
    table = load_dataframe(new, like=train)
    np.testing.assert_array_equal(table.features, train.features[[3, 0]])
    assert (table.feature_names, table.class_names) == (train.feature_names, ("a", "b"))
    assert table.targets is None
    test = load_dataframe(people().iloc[[0]], like=train)
    np.testing.assert_array_equal(test.targets, [1])
    with pytest.raises(
        mt.DataError, match=r"column 'colour': expected one of .*got 'pink' in row 1"
    ):
        load_dataframe(people().replace({"colour": {"blue": "pink"}}), like=train)
    with pytest.raises(mt.DataError, match=r"column 'kind': expected one of .*got 'c' in row 0"):
        load_dataframe(people().replace({"kind": {"b": "c"}}), like=train)
    with pytest.raises(mt.DataError, match=r"expected the columns \['age'\]"):
        load_dataframe(people().drop(columns="age"), like=train)
    with pytest.raises(mt.DataError, match="column 'age': expected numbers, got"):
        load_dataframe(people().assign(age="old"), like=train)


def test_a_model_learns_from_it() -> None:
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "blue"], 200)
    frame = pd.DataFrame({"x": rng.normal(size=200), "colour": colour, "y": colour == "red"})
    table = load_dataframe(frame, "y")
    assert table.targets is not None
    model = mt.mlp((3, 8, 2), seed=0)
    mt.Trainer(model, "softmax_cross_entropy", "adam(0.03)", seed=0).fit(
        table.features, table.targets, epochs=30
    )
    assert (model.predict_classes(table.features) == table.targets).all()


def test_files(tmp_path: Path) -> None:
    expected = load_dataframe(people().astype({"size": str}), "kind")
    for name in ("t.csv", "t.csv.gz"):
        people().to_csv(tmp_path / name, index=False)
        found = load_dataframe(tmp_path / name, "kind")
        assert found.feature_names == expected.feature_names
        np.testing.assert_array_equal(found.features, expected.features)
    for name in ("t.txt", "nothing.csv", "http://example.invalid/t.csv"):
        with pytest.raises((mt.DataError, FileNotFoundError)):
            load_dataframe(tmp_path / name if "http" not in name else name)
    (tmp_path / "bad.csv").write_bytes(b"a,b\n1,2\n1,2,3\n")
    with pytest.raises(mt.DataError, match=r"bad.csv: expected a table.*ParserError"):
        load_dataframe(tmp_path / "bad.csv")


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    people().to_parquet(path)
    found, expected = load_dataframe(path, "kind"), load_dataframe(people(), "kind")
    assert found.feature_names == expected.feature_names
    np.testing.assert_array_equal(found.features, expected.features)
    content = path.read_bytes()
    for damaged in (b"", content[:-100], b"PAR1" + bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(mt.DataError, match=r"t.parquet: expected a table"):
            load_dataframe(path)
    pd.DataFrame({"zeros": np.zeros(20_000_000)}).to_parquet(path)  # 160 MB in a small file
    assert path.stat().st_size < 2**20
    with pytest.raises(mt.DataError, match="expected at most"):
        load_dataframe(path)


def column(values: Any) -> Any:
    return pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": values})


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (
            column([1, None, 3]),
            {},
            "column 'b': expected a value in each row, got 1 missing.*row 1",
        ),
        (column(["x", None, "y"]), {}, "expected a value in each row"),
        (column([1.0, 2.0, np.inf]), {}, "finite numbers, got inf in row 2"),
        (column(pd.date_range("2024", periods=3)), {}, "column 'b': expected numbers, strings"),
        (column([1j, 2j, 3j]), {}, "column 'b': expected numbers, got complex"),
        (column(["x", 2, 3]), {}, "numbers, strings or categories, got object with int"),
        (column([[1], [2], [3]]), {}, "got object with list"),
        (column(list("xyz")), {"target": "c"}, r"expected the columns \['c'\]"),
        (column(list("xyz")), {"target": ["a", "b"]}, "column besides the target"),
        (column(list("xyz")).iloc[:0], {}, "expected rows"),
        (column(list("xyz")).set_axis(["a", "a"], axis=1), {}, "different names"),
        (pd.DataFrame({"id": [f"row {n}" for n in range(1001)]}), {}, "at most 1000 different"),
        (column(list("xyz")), {"like": 5}, "like"),
        (5, {}, "a DataFrame or the path"),
    ],
)
def test_what_is_refused(frame: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        load_dataframe(frame, **arguments)


def test_nullable_types_and_several_targets() -> None:
    frame = pd.DataFrame({"a": pd.array([1, 2], "Int64"), "b": pd.array([True, False], "boolean")})
    np.testing.assert_array_equal(load_dataframe(frame).features, [[1, 1], [2, 0]])
    with pytest.raises(mt.DataError, match="column 'kind': expected numbers"):
        load_dataframe(people(), ["kind", "age"])


def test_ones_for_each_value_have_a_limit(tmp_path: Path) -> None:
    """20,000 rows of 1,000 values each are 120 kB in a file, and 80 MB as ones and zeros."""
    values = [f"{n % 1000:03}" for n in range(20_000)]
    pd.DataFrame({"a": [f"v{value}" for value in values]}).to_csv(tmp_path / "a.csv", index=False)
    frame = pd.read_csv(tmp_path / "a.csv")
    for source in (frame, tmp_path / "a.csv"):
        with pytest.raises(mt.DataError, match="1,000 columns of features: .*got 80,000,000"):
            load_dataframe(source)
    with expansion_limit(2**30):
        features = load_dataframe(frame[:500]).features
    np.testing.assert_array_equal(features, np.eye(500))


def test_a_file_of_too_many_columns_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("," * 100_000 + "\n1\n")
    with pytest.raises(mt.DataError, match="at most 20,000 columns, got 100,001"):
        mt.data.load_dataframe(tmp_path / "a.csv")
