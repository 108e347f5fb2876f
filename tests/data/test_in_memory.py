"""Data in memory as tables: every form gives the cells that the same data in a file has."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled.data.tables.in_memory import KEPT_TABLE
from unrolled.data.tables.open import open_table
from unrolled.data.tables.python_data import table_of
from unrolled.errors import DataError, OptionError

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

ROWS: list[dict[str, Any]] = [
    {"text": "a lamp", "number": 1.5, "count": 3, "label": "yes"},
    {"text": "", "number": -2.0, "count": 4, "label": "no"},
    {"text": "rain", "number": 0.25, "count": 5, "label": None},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
FORMS: dict[str, Callable[[], Any]] = {
    "list of dicts": lambda: ROWS,
    "dict of lists": lambda: COLUMNS,
    "dict of arrays": lambda: COLUMNS | {"number": np.array(COLUMNS["number"]), "count": np.array(COLUMNS["count"])},
    "dict of tensors": lambda: COLUMNS | {"number": torch.tensor(COLUMNS["number"], dtype=torch.float64)},
    "pandas": lambda: pandas.DataFrame(ROWS),
    "pandas, categorical": lambda: pandas.DataFrame(ROWS).astype({"label": "category"}),
    "pandas, nullable": lambda: pandas.DataFrame(ROWS).convert_dtypes(),
    "pandas, filtered": lambda: pandas.DataFrame([{}, *ROWS])[1:].astype({"count": int}),
    "polars": lambda: polars.DataFrame(ROWS),
}


def cells(table: Any, columns: tuple[str, ...] | None = None) -> list[tuple[int, tuple[Any, ...]]]:
    return [(row.number, row.cells) for row in table.rows(columns or table.columns)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_cells_of_the_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    table, file = table_of(FORMS[form]()), open_table(path)
    assert table.columns == file.columns == ("text", "number", "count", "label")
    assert cells(table) == cells(file)
    assert [type(cell) for _, row in cells(table) for cell in row] == [
        type(cell) for _, row in cells(file) for cell in row
    ]
    assert list(table.rows_at(["count"], [0, 2])) == list(file.rows_at(["count"], [0, 2]))
    assert table.count_rows("text") == 3 and table.place(2) == "the data, row 2"


def test_arrays_and_tensors_are_as_in_an_npz_and_not_copied(tmp_path: Path) -> None:
    x, y = np.arange(24, dtype=np.uint8).reshape(3, 4, 2), np.array([0, 1, 0])
    np.savez(tmp_path / "a.npz", x=x, y=y)
    for data in ((x, y), {"x": x, "y": y}, {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}):
        for (_, found), (_, read) in zip(cells(table_of(data)), cells(open_table(tmp_path / "a.npz")), strict=True):
            assert np.array_equal(found[0], read[0]) and found[0].dtype == read[0].dtype and found[1] == read[1]
    (row, *_) = table_of((x, y)).rows(["x"])
    assert np.shares_memory(row.cells[0], x)


def test_dates_missing_values_lists_and_images_as_in_a_file() -> None:
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    values = {
        "date": [datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1, 7, 30)],
        "moment": [np.datetime64("2026-03-01"), np.datetime64("NaT")],
        "stamp": [pandas.Timestamp("2026-03-01 07:30"), pandas.NaT],
        "missing": [float("nan"), pandas.NA],
        "price": [Decimal("1.25"), np.float32(2)],
        "list": [["a", "b"], ("c",)],
        "numbers": [np.array([1, 2]), [1.5, 2]],
        "image": [image_module.fromarray(pixels), None],
    }
    first, second = (dict(zip(values, row, strict=True)) for _, row in cells(table_of(values)))
    assert (first["date"], second["date"]) == ("2026-03-01", "2026-03-01 07:30:00")
    assert (first["moment"], second["moment"]) == ("2026-03-01", None)
    assert (first["stamp"], second["stamp"]) == ("2026-03-01 07:30:00", None)
    assert (first["missing"], second["missing"]) == (None, None)
    assert (first["price"], second["price"]) == (1.25, 2.0)
    assert (first["list"], second["list"]) == (["a", "b"], ["c"])
    assert first["numbers"].tolist() == [1, 2] and second["numbers"] == [1.5, 2]
    assert first["image"].tobytes().startswith(b"\x89PNG") and second["image"] is None


def test_numbered_labels_of_a_dataset_have_their_names() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({
        "label": datasets.ClassLabel(names=["bad", "good"]),
        "tags": datasets.Sequence(datasets.ClassLabel(names=["O", "NAME"])),
    })  # fmt: skip
    data = datasets.Dataset.from_dict({"label": [1, 0, -1], "tags": [[0, 1], [], [1]]}, features=features)
    found = [(1, ("good", ["O", "NAME"])), (2, ("bad", [])), (3, (None, ["NAME"]))]
    assert cells(table_of(data)) == cells(table_of(data.with_format("torch"))) == found
    both = table_of(datasets.DatasetDict({"train": data, "test": data}))
    assert set(both.splits) == {"test"} and cells(both.splits["test"]) == found


def test_names_that_are_numbers_and_narrow_tensors_are_read() -> None:
    assert cells(table_of([{0: "a", 1: 2}])) == [(1, ("a", 2))]
    (row,) = table_of({"x": torch.ones(1, 3, dtype=torch.bfloat16)}).rows(["x"])
    assert row.cells[0].dtype == np.float32  # type: ignore[union-attr]


def test_texts_are_documents_and_splits_are_splits() -> None:
    table = table_of(["one", "two"])
    assert table.columns == ("text",) and cells(table) == [(1, ("one",)), (2, ("two",))]
    parts = table_of({"train": COLUMNS, "validation": ROWS, "test": pandas.DataFrame(ROWS)})
    assert set(parts.splits) == {"validation", "test"} and parts.note.startswith("the data comes in splits")
    assert parts.splits["test"].place(3) == "the data (test), row 3"


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    values = COLUMNS | {"x": np.ones((3, 2), np.float32), "list": [np.zeros(2), [1], ["a"]]}
    table = table_of({"train": values, "test": values})
    assert table.save(tmp_path / KEPT_TABLE, 10_000)
    again = open_table(tmp_path / KEPT_TABLE)
    assert again.columns == table.columns and again.fingerprint() == table.fingerprint()
    assert again.splits["test"].fingerprint() == table.fingerprint() and again.splits["test"].place(1) == (
        "the data (test), row 1"
    )
    assert not table.save(tmp_path / "other", 60) and not (tmp_path / "other").exists()
    (tmp_path / KEPT_TABLE).write_bytes(b"no such thing")
    with pytest.raises(DataError, match="is no data that a run kept, or is damaged"):
        open_table(tmp_path / KEPT_TABLE)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda: pandas.DataFrame([[1, 2]], columns=["a", "a"]), DataError, "Two columns of the data are called 'a'"),
        (lambda: pandas.DataFrame(ROWS).set_index("label"), DataError, "index has the name 'label'.*reset_index"),
        (lambda: pandas.DataFrame(ROWS, index=list("abc")), DataError, "index has values of type"),
        (lambda: {"a": [1, 2], "b": [1]}, DataError, "The column 'a' has 2 rows, and 'b' has 1"),
        (lambda: {"a": np.array(3)}, OptionError, "The column 'a' is of type ndarray; a list, an array"),
        (lambda: {"a": "text"}, OptionError, "The column 'a' is of type str; a list, an array or a tensor"),
        (lambda: {"a": (n for n in [1])}, OptionError, "The column 'a' is a generator, which can be read only once"),
        (lambda: (n for n in [1]), OptionError, r"The data is a generator, .* only once.*list\("),
        (lambda: {}, DataError, "The data has no columns"),
        (lambda: [], DataError, "The data is an empty list"),
        (lambda: [{"a": 1}, "b"], OptionError, "begins with dicts, and entry 2 is of type str"),
        (lambda: np.zeros((3, 2)), OptionError, r"The data is one ndarray, without names .* a pair, \(x, y\)"),
        (lambda: 7, OptionError, "The data is of type int. Give a path, or a DataFrame of pandas"),
    ],
)
def test_what_is_no_table_is_refused(data: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        table_of(data())


def test_a_cell_that_is_none_is_refused_with_its_row() -> None:
    for wrong, kind in ((object(), "an object"), ({"a": 1}, "a dict"), ({1, 2}, "a set")):
        with pytest.raises(DataError, match=rf"the data, row 2: 'a' holds {kind}, which is no cell of a table"):
            cells(table_of({"a": ["x", wrong]}))
    with pytest.raises(DataError, match=r"the data, row 1: .*not finite"):
        cells(table_of({"a": np.array([[np.inf, 1]])}))
