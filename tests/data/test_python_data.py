"""Masks, objects, odd values and splits in memory: each means what it says, or is refused with its row."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled.data.tables.in_memory import KEPT_TABLE, MemoryTable
from unrolled.data.tables.open import open_table
from unrolled.data.tables.python_data import as_data, data_and_splits, table_of
from unrolled.errors import DataError, OptionError

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")


def cells(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(one.tolist() if isinstance(one, np.ndarray) else one for one in row.cells)
            for row in table.rows(table.columns)]  # fmt: skip


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.ma.masked_array([1, 2, 3], [False, True, False]), [1, None, 3]),
        (np.ma.masked_array([1, 2, 3], [False, False, False]), [1, 2, 3]),
        (np.ma.masked_array([[1.0, 2], [3, 4]], [[False, False], [True, True]]), [[1.0, 2.0], None]),
        (np.array(["a", None, "b"], object), ["a", None, "b"]),
        (np.array([1, 2.5, True], object), [1, 2.5, True]),
        (np.array([[1, 2], [3, 4]], object), [[1, 2], [3, 4]]),
        (objects([np.zeros(1), np.ones(2)]), [[0.0], [1.0, 1.0]]),
        (np.array([0.5, 2], np.longdouble), [0.5, 2.0]),
        ([np.longdouble(0.5)], [0.5]),
        (np.array(["2026-03-01", "NaT"], "datetime64[D]"), ["2026-03-01", None]),
        ([Path("a.png")], ["a.png"]),
    ],
)
def test_what_is_read_from_arrays_and_lists(values: Any, found: list[Any]) -> None:
    table = table_of({"x": values})
    assert cells(table) == [(one,) for one in found]
    assert [type(one) for (one,) in cells(table)] == [type(one) for one in found]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1 + 2j, "a complex number"),
        (np.complex64(1j), "a complex number"),
        (np.clongdouble(1j), "a complex number"),
        (datetime.time(1), "a time"),
        (datetime.timedelta(1), "a timedelta"),
        (np.timedelta64(5, "ns"), "a timedelta"),
        (pandas.Timedelta("1h"), "a Timedelta"),
        (pandas.Period("2020"), "a Period"),
        (uuid.uuid4(), "a UUID"),
        (b"ab", "bytes of no image"),
        (torch.eye(2).to_sparse(), "a sparse tensor: make it dense first, x.to_dense()"),
        (torch.zeros(2, device="meta"), "a tensor on the device meta, which has no values"),
    ],
)
def test_odd_values_are_refused_where_they_are_used(value: Any, kind: str) -> None:
    table = as_data({"a": [1, 2], "b": [None, value]})
    assert isinstance(table, MemoryTable) and table.nested == {"b"}
    assert [row.cells for row in table.rows(["a"])] == [(1,), (2,)]
    with pytest.raises(DataError) as refused:
        list(table.rows(["b"]))
    assert str(refused.value).startswith(f"the data, row 2: 'b' holds {kind}, which is no cell of a table")


def test_a_table_with_odd_values_is_kept_without_them(tmp_path: Path) -> None:
    table = table_of(polars.DataFrame({"a": [1, 2], "b": [{"c": 1}, {"c": 2}]}))
    assert table.save(tmp_path / KEPT_TABLE, 10_000)
    assert cells(open_table(tmp_path / KEPT_TABLE)) == [(1, None), (2, None)]
    assert table.fingerprint()


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, None, 2], "int"), ([1, 0.5], "float"), (np.array([True, False]), "bool"), (np.array([0.5]), "float"),
     ([[1, 2], [3]], "int"), ([True, 1], None), (["1"], None), ([[1, 0.5]], None), ([None], None),
     (np.zeros((2, 2)), None), (pandas.Series([1, None], dtype="Int64"), "int")],
)  # fmt: skip
def test_the_type_of_a_column_is_that_of_its_numbers(values: Any, kind: str | None) -> None:
    assert table_of({"x": values}).type_of("x") == kind


def test_splits_are_named_train_and_hold_data_of_any_form() -> None:
    texts = table_of({"train": ["one", "two"], "test": ["three"]})
    assert texts.columns == ("text",) and cells(texts.splits["test"]) == [("three",)]
    pairs = table_of({"train": (np.zeros((3, 2)), [0, 1, 0]), "val": (np.ones((1, 2)), [1])})
    assert pairs.columns == ("x", "y") and pairs.splits["validation"].place(1) == "the data (val), row 1"
    assert table_of({"test": ["a"], "valid": ["b"]}).columns == ("test", "valid")
    assert table_of({"train": ["a"], "other": ["b"]}).columns == ("train", "other")


def test_an_evaluation_takes_splits_without_a_training_split() -> None:
    frame = pandas.DataFrame({"text": ["a"]})
    for data, place in (
        ({"test": frame}, "the data (test), row 1"),
        ({"validation": frame}, "the data (validation), row 1"),
        ({"validation": frame, "test": [{"text": "a"}]}, "the data (test), row 1"),
    ):
        table = as_data(data)
        assert isinstance(table, MemoryTable) and table.place(1) == place and cells(table) == [("a",)]
        with pytest.raises(OptionError, match=r"The data has no split called train, only .*Add it, or give one"):
            data_and_splits(data, {})


def test_a_split_has_no_splits_of_its_own() -> None:
    data = {"train": ["a"], "test": ["b"]}
    with pytest.raises(OptionError, match=r"valid has splits of its own: train, test\. Give one of them"):
        data_and_splits(["a"], {"valid": data})
    with pytest.raises(OptionError, match="test has splits of its own"):
        table_of({"train": ["a"], "test": data})


def test_targets_may_be_a_frame() -> None:
    inputs, targets = pandas.DataFrame([[1, 2], [3, 4]]), pandas.DataFrame({"p": [5, 6], "q": [7, 8]})
    both = table_of((inputs, targets))
    assert both.columns == ("0", "1", "p", "q") and both.targets == ("p", "q")
    assert table_of((inputs.to_numpy(), targets[["p"]])).targets == ("p",)
    assert table_of((inputs, pandas.Series([5, 6], name=7))).targets == ("7",)
    assert table_of((inputs, [5, 6])).targets == ("y",)


def test_names_of_columns_may_be_numbers_and_lists() -> None:
    data = {0: ["a"], 1: ["b"], 2: ["c"]}
    _, left = data_and_splits(data, {"input": 0, "output": np.int64(1), "group": None, "sequence": "2"})
    assert left == {"input": "0", "output": "1", "group": None, "sequence": "2"}
    assert data_and_splits(data, {"input": [0, "1"]})[1] == {"input": "0,1"}
    with pytest.raises(OptionError, match="The column 'a,b' has a comma in its name, which separates names"):
        data_and_splits(data, {"input": ["a,b", "c"]})


@pytest.mark.parametrize("form", [list, np.array, pandas.Series, polars.Series, objects])
def test_texts_are_documents_in_any_form(form: Callable[[list[str]], Any]) -> None:
    table = table_of(form(["one", "two"]))
    assert table.columns == ("text",) and cells(table) == [("one",), ("two",)]


def test_a_format_of_some_columns_of_a_dataset_leaves_the_others() -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "x": [1, 2], "z": ["c", "d"]})
    assert cells(table_of(data.with_format("numpy", columns=["text", "x"]))) == [("a", 1, "c"), ("b", 2, "d")]
    with pytest.raises(OptionError, match=r"'train' holds a Dataset, where .*splits,\ncall them train, validation"):
        table_of(datasets.DatasetDict(train=data, unsupervised=data))


LEVELS = pandas.MultiIndex.from_tuples([("a", "text"), ("b", "label")])
FRAME = pandas.DataFrame({"text": ["a"]})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            lambda: pandas.DataFrame([["a", "b"]], columns=LEVELS),
            r"names of several levels, .*Join them:\nframe\.col",
        ),
        (lambda: {"a": [1], None: [2]}, "Column 2 of the data has no name"),
        (lambda: [{"a": 1, "": 2}], "Column 2 of the data has no name"),
        (lambda: {"a\ud800": [1]}, r"The name of the column 'a\?' holds half a character"),
        (lambda: {"train": FRAME, "extra": FRAME}, "'train' holds a DataFrame, where .*it has: train, extra"),
        (lambda: ["a", 1, None], "it begins with texts, and entry 2 is of type int"),
        (lambda: [1, "a"], "it begins with other values, and entry 1 is of type int"),
        (lambda: ["", ""], "All 2 texts of the list are empty"),
        (lambda: [{}] * 5, "The rows of the list are empty dicts"),
        (lambda: polars.DataFrame({"a": [1]}).lazy(), r"The data is a LazyFrame.*frame\.collect\(\)"),
        (lambda: pandas.Series([1, 2]), "The data is one Series, without names of columns"),
        (lambda: {"x": torch.eye(2).to_sparse()}, r"The column 'x' is a sparse tensor: make it dense first, x\.to_d"),
        (lambda: {"x": torch.zeros(2, device="meta")}, "The column 'x' is a tensor on the device meta"),
    ],
)
def test_what_cannot_be_read_is_refused(data: Callable[[], Any], message: str) -> None:
    with pytest.raises((DataError, OptionError), match=f"(?s){message}"):
        table_of(data())


def test_a_sparse_matrix_is_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(OptionError, match=r"The column 'x' is a sparse csr_matrix. Make it dense first: x\.toarray"):
        table_of((sparse.csr_matrix(np.eye(2)), [0, 1]))


NARROW: dict[str, Callable[[], Any]] = {
    "array": lambda: np.array([0.1, 0.3], np.float32),
    "half": lambda: np.array([0.1, 0.3], np.float16),
    "list of scalars": lambda: [np.float32(0.1), np.float16(0.3)],
    "pandas": lambda: pandas.Series([0.1, 0.3], dtype="float32"),
    "pandas, nullable": lambda: pandas.Series([0.1, 0.3], dtype="Float32"),
    "polars": lambda: polars.Series([0.1, 0.3], dtype=polars.Float32),
    "torch": lambda: torch.tensor([0.1, 0.3]),
    "torch, half": lambda: torch.tensor([0.1, 0.3]).half(),
    "torch, bfloat16": lambda: torch.tensor([0.1, 0.3]).bfloat16(),
    "torch, scalars": lambda: [torch.tensor(0.1), torch.tensor(0.3).bfloat16()],
}


@pytest.mark.parametrize("form", NARROW)
def test_floats_of_fewer_bits_are_the_shortest_decimals_as_in_a_csv(form: str) -> None:
    assert cells(table_of({"x": NARROW[form]()})) == [(0.1,), (0.3,)]


@pytest.mark.parametrize(
    "values",
    [
        lambda: pandas.Series([0.1, None, 0.3], dtype="float32"),
        lambda: pandas.Series([0.1, None, 0.3], dtype="Float32"),
        lambda: polars.Series([0.1, None, 0.3], dtype=polars.Float32),
    ],
)
def test_floats_of_fewer_bits_beside_missing_ones(values: Callable[[], Any]) -> None:
    assert cells(table_of({"x": values()})) == [(0.1,), (None,), (0.3,)]


def test_floats_of_fewer_bits_of_a_data_set() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"x": datasets.Value("float32")})
    given = datasets.Dataset.from_dict({"x": [0.1, None, 0.3]}, features=features)
    assert cells(table_of(given)) == [(0.1,), (None,), (0.3,)]


def test_a_masked_number_in_a_row_of_numbers_is_not_finite_and_no_empty_cell() -> None:
    given = np.ma.masked_array([[1, 2], [3, 4]], [[False, False], [True, False]])
    ((_,), (cell,)) = cells(table_of({"x": given}))
    assert np.isnan(cell[0])
    assert cell[1] == 4


def test_integers_of_128_bits_are_read_one_by_one() -> None:
    assert cells(table_of({"x": polars.Series([1, 2**70], dtype=polars.Int128)})) == [(1,), (2**70,)]


def test_missing_texts_of_a_list_are_empty_cells() -> None:
    assert cells(table_of([None, "a", float("nan"), ""])) == [(None,), ("a",), (None,), (None,)]


@pytest.mark.parametrize("values", [["a", "a\0b"], np.array(["a", "a\0b"])])
def test_a_zero_byte_in_a_text_is_refused_with_its_row(values: Any) -> None:
    with pytest.raises(DataError, match="the data, row 2: 'x' contains a zero byte"):
        cells(table_of({"x": values}))


def test_a_data_set_with_a_transform_is_refused() -> None:
    datasets = pytest.importorskip("datasets")
    given = datasets.Dataset.from_dict({"x": ["a"], "y": ["b"]}).with_transform(lambda rows: {"x": rows["x"]})
    with pytest.raises(DataError, match="has a transform, which is computed at each read"):
        table_of(given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ("a b c", "d e f"), "is a tuple of texts. Give a list of texts"),
        (lambda: pytest.importorskip("pyarrow").table({"x": [1]}), r"a Table of pyarrow.*data\.to_pandas\(\)"),
        (lambda: pandas.DataFrame({"a": [1]}).groupby("a"), "a DataFrameGroupBy, the groups of a frame"),
        (
            lambda: pytest.importorskip("datasets").Dataset.from_dict({"x": [1]}).to_iterable_dataset(),
            "an IterableDataset, which is read as a stream",
        ),
    ],
)
def test_data_of_another_form_is_refused_with_the_way_out(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        table_of(make())
