"""Whole numbers that lose digits as 64-bit floats are reported with their rows, in every table format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import read_rows

from unrolled.data.cells.written_numbers import is_rounded
from unrolled.errors import DataError

LOST = 9007199254740993
ROWS = 20


@pytest.mark.parametrize("cell", [LOST, -LOST, 2**63 + 1, 2**64 - 1, str(LOST), f" +{LOST}.0 ", f"-{2**63 + 1}"])
def test_numbers_that_a_float_rounds_are_detected(cell: int | str) -> None:
    assert is_rounded(cell)


@pytest.mark.parametrize("cell", [
    2**53, 2**53 + 2, 2**63, 10**22, 1_700_000_000 * 10**9, str(2**63), "9007199254740993.5", "9.007199254740993e15",
    "0.12345678901234567890", 10**400, "9" * 1000, True, 1e300, "1234567890123456", "word", f"{LOST} b", None,
])  # fmt: skip
def test_numbers_that_a_float_holds_are_accepted(cell: object) -> None:
    assert not is_rounded(cell)


def write(path: Path, numbers: list[int], others: list[str | int]) -> Path:
    """A table with the columns `number` and `other`."""
    rows = list(zip(numbers, others, strict=True))
    if path.suffix == ".csv":
        path.write_text("number,other\n" + "".join(f"{number},{other}\n" for number, other in rows))
    elif path.suffix in (".json", ".jsonl"):
        lines = [json.dumps({"number": number, "other": other}) for number, other in rows]
        path.write_text("\n".join(lines) if path.suffix == ".jsonl" else f"[{','.join(lines)}]")
    elif path.suffix == ".parquet":
        pytest.importorskip("polars").DataFrame({"number": numbers, "other": others}).write_parquet(path)
    else:
        np.savez(path, number=np.array(numbers), other=np.array(others))
    return path


FORMS = pytest.mark.parametrize("form", [".csv", ".json", ".jsonl", ".parquet", ".npz"])


@FORMS
@pytest.mark.parametrize("first", [2**53 + 1, 2**63 + 1])
def test_targets_past_2_53_are_refused_with_the_row(form: str, first: int, tmp_path: Path) -> None:
    numbers = [first + 2 * n for n in range(ROWS)]
    path = write(tmp_path / f"t{form}", numbers, [f"text of {n}" for n in range(ROWS)])
    row = 2 if form == ".csv" else 1
    lost = rf"row {row}: 'number' is {first}, which would become {int(float(first))}: .*\n.*--task classification"
    with pytest.raises(DataError, match=lost):
        read_rows(path, input="other", output="number", task="regression")
    assert read_rows(path, input="other", output="number", task="seq2seq").targets["number"].as_written(0) == str(
        first
    )


@FORMS
def test_inputs_past_2_53_are_refused_with_the_row(form: str, tmp_path: Path) -> None:
    numbers = [n if n != 9 else LOST for n in range(ROWS)]
    path = write(tmp_path / f"t{form}", numbers, [n % 2 for n in range(ROWS)])
    row = 11 if form == ".csv" else 10
    with pytest.raises(DataError, match=rf"row {row}: {LOST}, which would become {LOST - 1}.*\n.*category"):
        read_rows(path, input="number", output="other", task="classification")
    exact = write(tmp_path / f"e{form}", [n if n != 9 else LOST + 1 for n in range(ROWS)], list(range(ROWS)))
    assert np.array_equal(read_rows(exact, input="number", output="other").items[9], [[LOST + 1]])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_arrays_past_2_53_are_refused_with_the_row(dtype: type, tmp_path: Path) -> None:
    rows: np.ndarray[Any, Any] = np.arange(ROWS * 3, dtype=dtype).reshape(ROWS, 3)
    rows[4, 1] = LOST
    np.savez(tmp_path / "t.npz", x=rows, y=np.arange(ROWS) % 2)
    with pytest.raises(DataError, match=rf"row 5: 'x' holds {LOST}, which would become {LOST - 1}"):
        read_rows(tmp_path / "t.npz")
    rows[4, 1] = LOST + 1
    np.savez(tmp_path / "t.npz", x=rows, y=np.arange(ROWS) % 2)
    assert float(np.ravel(read_rows(tmp_path / "t.npz").items[4])[1]) == LOST + 1


def test_lists_and_several_columns_are_checked(tmp_path: Path) -> None:
    rows = [{"x": [n, LOST if n == 3 else 1], "y": n % 2} for n in range(ROWS)]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=rf"row 4: {LOST}, which"):
        read_rows(tmp_path / "l.jsonl", task="classification")
    lines = [f"{n},{LOST if n == 3 else 1},{n % 2}\n" for n in range(ROWS)]
    (tmp_path / "c.csv").write_text("a,b,label\n" + "".join(lines))
    with pytest.raises(DataError, match=rf"row 5, column 'b': {LOST}, which"):
        read_rows(tmp_path / "c.csv")
