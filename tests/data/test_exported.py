"""Tables as other programs write them: no column is misinterpreted, and what is ambiguous is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.base import TableOptions
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError


def table(path: Path, header: str, row: Callable[[int], str], count: int = 60) -> Path:
    path.write_text(
        (header + "\n" if header else "") + "".join(row(n) + "\n" for n in range(count)), encoding="utf-8"
    )
    return path


INPUTS: dict[str, tuple[str, Callable[[int], str], tuple[str, ...]]] = {
    "R's numbers of rows": ('"","x","z","target"', lambda n: f'"{n + 1}",{n / 7},{n % 5},{n / 3}', ("x", "z")),
    "x alone": ("x,y", lambda n: f"{n / 7},{n / 3}", ("x",)),
    "x beside words": ("x,who,target", lambda n: f"{n / 7},w{n % 3},{n / 3}", ("x",)),
    "ids": ("id,size,rooms,target", lambda n: f"{n},{n / 7},{n % 5},{n / 3}", ("size", "rooms")),
    "ids of others": ("userId,size,rooms,target", lambda n: f"{n % 9},{n / 7},{n % 5},{n / 3}", ("size", "rooms")),
    "pandas' numbers of rows, again": (
        "Unnamed: 0.1,Unnamed: 0,a,b,y",
        lambda n: f"{n},{n},{n / 7},{n % 5},{n / 3}",
        ("a", "b"),
    ),
    "pandas' numbers of rows": (",Unnamed: 0,a,b,y", lambda n: f"{n},{n},{n / 7},{n % 5},{n / 3}", ("a", "b")),
    "an index that is none": ("index,b,y", lambda n: f"{n * n % 7},{n % 5},{n / 3}", ("index", "b")),
}


@pytest.mark.parametrize("case", INPUTS)
def test_numbers_are_one_input_and_ids_are_none(case: str, tmp_path: Path) -> None:
    header, row, inputs = INPUTS[case]
    assert choose_columns(open_table(table(tmp_path / "t.csv", header, row))).inputs == inputs


def test_unused_columns_are_reported_and_an_option_wins(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "id,size,rooms,target", lambda n: f"{n},{n / 7},{n % 5},{n / 3}")
    said = "; not read: id; to read others: --input"
    assert said in read_examples(path, DatasetOptions()).description
    given = read_examples(path, DatasetOptions(input="id,size"))
    assert given.columns.inputs == ("id", "size")
    assert said not in given.description


def test_an_id_next_to_numbers_is_no_output(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "id,area,rooms,price", lambda n: f"{n},{n / 7},{n % 5},{n / 3}")
    columns = choose_columns(open_table(path))
    assert (columns.inputs, columns.outputs) == (("area", "rooms"), ("price",))


def test_columns_of_numbers_next_to_words_are_named_together(tmp_path: Path) -> None:
    path = table(tmp_path / "iris.csv", "length,petal width,species", lambda n: f"{n / 7},{n % 5},s{n % 3}")
    with pytest.raises(DataError, match="which is the input is not clear") as told:
        choose_columns(open_table(path))
    assert str(told.value).endswith("To use the numbers together: --input 'length,petal width' --output species")
    columns = choose_columns(open_table(path), input_names="length,petal width")
    assert columns.outputs == ("species",)


ADVISED: dict[str, tuple[str, Callable[[int], str], str]] = {
    "the last is answered": ("area,street,rooms,SalePrice", lambda n: f"{n / 7},w{n % 3},{n % 5},{n / 3}",
                             "--input area,rooms --output SalePrice"),
    "one that is called so": ("target,street,rooms,size", lambda n: f"{n / 7},w{n % 3},{n % 5},{n / 3}",
                              "--input rooms,size --output target"),
    "ids are not read": ("id,area,rooms,street,price", lambda n: f"{n},{n / 7},{n % 5},w{n % 3},{n / 3}",
                         "--input area,rooms --output price"),
}  # fmt: skip


@pytest.mark.parametrize("case", ADVISED)
def test_advice_about_numbers_works_when_typed(case: str, tmp_path: Path) -> None:
    header, row, advised = ADVISED[case]
    path = table(tmp_path / "t.csv", header, row)
    with pytest.raises(DataError, match="Name it: --input COLUMN --output COLUMN") as told:
        choose_columns(open_table(path))
    assert str(told.value).endswith(f"To use the numbers together: {advised}")
    _, inputs, _, outputs = advised.split()
    columns = choose_columns(open_table(path), inputs, outputs)
    assert (columns.inputs, columns.outputs) == (tuple(inputs.split(",")), (outputs,))


def test_advice_with_a_named_output_lists_only_numbers(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "area,street,rooms,price", lambda n: f"{n / 7},w{n % 3},{n % 5},{n / 3}")
    with pytest.raises(DataError, match=r"Name it: --input COLUMN\..*\n.*together: --input area,rooms$"):
        choose_columns(open_table(path), None, "price")


BARE: dict[str, tuple[str, str, Callable[[int], str], str]] = {
    "AG news": ("t.csv", "", lambda n: f'"{n % 4 + 1}","title w{n}","a longer body of {n}"', "--input 3 --output 1"),
    "Tatoeba": ("t.tsv", "", lambda n: f"{n}\t{('eng', 'deu')[n % 2]}\tsome words {n}", "--input 3 --output 2"),
    "Sentiment140": ("t.csv", "", lambda n: f'"0","{n + 1467810369}","Mon {n}","NO_QUERY","u{n}","so many words {n}"',
                     "--input 6 --output 1"),
    "an index without a name": ("t.csv", ",0,yes,a text", lambda n: f"{n},{n % 2},yes,a text {n}",
                                "--input 4 --output 2"),
    "dates and a constant": (
        "t.csv", "", lambda n: f"{('neg', 'pos')[n % 2]},Mon Apr 06 22:19:45 PDT 2009,NO,so many words {n}",
        "--input 4 --output 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BARE)
def test_a_first_row_that_may_be_data_is_reported_with_options_that_work(case: str, tmp_path: Path) -> None:
    name, header, row, advised = BARE[case]
    path = table(tmp_path / name, header, row)
    with pytest.raises(DataError, match=r"is not clear \(the first row is taken as names .* --no-header if") as told:
        choose_columns(open_table(path))
    assert str(told.value).endswith(f"If the first row is data, for example: --no-header {advised}")
    assert str(told.value).count("\n") < 3
    _, read, _, target = advised.split()
    columns = choose_columns(open_table(path, TableOptions(header=False)), read, target)
    assert (columns.inputs, columns.outputs) == ((read,), (target,))


def test_a_header_of_names_is_not_said_to_be_data(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "a,b,c", lambda n: f"{n},w{n % 3},some words {n}")
    with pytest.raises(DataError, match=r"is not clear\.\n") as told:
        choose_columns(open_table(path))
    assert "--no-header" not in str(told.value)


def test_ids_alone_are_not_read_as_amounts(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "userId,movieId,rating", lambda n: f"{n % 9},{n % 7},{n % 5 / 2}")
    with pytest.raises(DataError, match="which is the input is not clear"):
        read_examples(path, DatasetOptions(output="rating"))


def test_a_label_in_front_of_its_text_is_refused_with_options(tmp_path: Path) -> None:
    path = table(tmp_path / "sms.tsv", "", lambda n: f"{('ham', 'spam')[n % 2]}\tsee you at {n}")
    with pytest.raises(
        DataError, match=r"'ham' holds few different cells, such as 'spam', and .* --no-header if it is data"
    ) as told:
        read_examples(path, DatasetOptions())
    assert ": --no-header --input 2 --output 1\n" in str(told.value)
    bare = DatasetOptions(table_options=TableOptions(header=False), input="2", output="1")
    assert read_examples(path, bare).targets["1"].output.kind == "classification"
    assert str(told.value).count("\n") < 3
    path = table(tmp_path / "named.csv", "v1,v2", lambda n: f"{('ham', 'spam')[n % 2]},see you at {n}")
    with pytest.raises(DataError, match=r"To classify the texts: --input v2 --output v1\n"):
        read_examples(path, DatasetOptions())
    assert read_examples(path, DatasetOptions(input="v2", output="v1")).targets["v1"].output.kind == "classification"
    for header in ("label,text", "spam,text"):
        path = table(tmp_path / "known.csv", header, lambda n: f"{('ham', 'spam')[n % 2]},see you at {n}")
        assert choose_columns(open_table(path)).inputs == ("text",)


@pytest.mark.parametrize("delimiter", ["::", "~", "\x1f"])
def test_a_delimiter_that_separates_no_cells_is_named(delimiter: str, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "", lambda n: delimiter.join((str(n), "a text", "5")))
    with pytest.raises(DataError, match=r"each row has the same number of.*\n.*sed 's/.*/\\t/g' .* > NEW\.tsv"):
        open_table(path)
    path = table(tmp_path / "t.csv", "text", lambda n: f"a text {delimiter * (n % 2)}")
    assert open_table(path).columns == ("text",)
