"""How columns are interpreted: labels by name and content, numbers and cells that are nearly numbers, dates,
groups that leak."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import output_kind, read_rows

from unrolled.data.cells.column_kinds import Column
from unrolled.data.cells.dates import read_date
from unrolled.data.cells.label_names import case_note, equal_numbers_note, find_labels, tidy_label
from unrolled.data.cells.written_numbers import cure, is_missing, is_nearly_number, is_number, write_number
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema
from unrolled.data.dataset.outputs import LabelOutput, ValueOutput
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.targets import LabelTargets, ValueTargets
from unrolled.data.tables.row_order import NameParts
from unrolled.errors import DataError, OptionError
from unrolled.tasks.requests import InferenceInput, InputReader, MissingItem


def csv(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


# labels by name and by content

NAMED: dict[str, tuple[str, Callable[[int], object], int, str]] = {
    "label of 21 numbers": ("label", lambda n: n % 21, 210, "classification"),
    "label of 100 numbers, three rows each": ("label", lambda n: n % 100, 300, "classification"),
    "class with gaps": ("class", lambda n: 7 * (n % 40), 200, "classification"),
    "category from 100": ("category", lambda n: 100 + n % 30, 200, "classification"),
    "label with points": ("label", lambda n: f"{n % 2}.0", 60, "classification"),
    "a name that ends so": ("fine_label", lambda n: 3 * (n % 30), 200, "classification"),
    "a count of labels": ("label_count", lambda n: 3 * (n % 30), 200, "regression"),
    "label with decimals": ("label", lambda n: n / 4, 60, "regression"),
    "label, another in each row": ("label", lambda n: n, 60, "regression"),
    "label of words, three rows each": ("label", lambda n: f"kind{n % 20}", 60, "classification"),
    "label of texts": ("label", lambda n: f"text number {n} here", 60, "seq2seq"),
    "y of numbers from 0": ("y", lambda n: n % 10, 100, "classification"),
    "y of numbers from 1": ("y", lambda n: 1 + n % 10, 100, "classification"),
    "y with a gap": ("y", lambda n: 2 * (n % 10), 100, "regression"),
    "target of few rows each": ("target", lambda n: n % 30, 120, "regression"),
    "target of zeros and ones": ("target", lambda n: n % 2, 60, "classification"),
    "target of minus one and one": ("target", lambda n: 2 * (n % 2) - 1, 60, "regression"),
    "years": ("y", lambda n: 1990 + n % 20, 200, "regression"),
}


@pytest.mark.parametrize("case", NAMED)
def test_names_or_numbers_decide_whether_a_column_is_labels(case: str, tmp_path: Path) -> None:
    name, value, count, kind = NAMED[case]
    rows = [f"some words {n}x,{value(n)}" for n in range(count)]
    assert output_kind(read_rows(csv(tmp_path / "t.csv", f"text,{name}", rows), tokenizer="char")) == kind


def test_the_decision_is_reported_with_the_option_that_overrules_it(tmp_path: Path) -> None:
    rows = [f"some words {n}x,{n % 30}" for n in range(300)]
    named = csv(tmp_path / "a.csv", "text,label", [f"some words {n}x,{3 * (n % 30)}" for n in range(300)])
    filled, gaps = csv(tmp_path / "b.csv", "text,y", rows), csv(tmp_path / "c.csv", "text,y", [f"{r}0" for r in rows])
    said = "whole numbers are taken as labels because of the column's name; for amounts: --task regression"
    assert said in read_rows(named).description
    assert "y: whole numbers are taken as labels; for amounts: --task regression" in read_rows(filled).description
    assert "y: whole numbers are taken as amounts; for labels: --task classification" in read_rows(gaps).description
    assert output_kind(read_rows(named, task="regression")) == "regression"
    assert output_kind(read_rows(gaps, task="classification")) == "classification"
    assert "taken as" not in read_rows(gaps, task="classification").description


def test_zeros_and_ones_with_a_point_are_the_labels_0_and_1(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", "text,label", [f"words {n}x,{n % 2}.0" for n in range(60)])
    assert read_rows(path).targets["label"].output == LabelOutput(("0", "1"))
    known = LabelOutput(("0.0", "1.0"))  # of a run that was made by an older version
    examples = read_rows(path)
    again = DatasetSchema(examples.columns, examples.featurizer, {"label": known})
    other = csv(tmp_path / "o.csv", "text,label", ["a,0", "b,1", "c,1.0", "d,0.00"])
    found = read_examples(other, DatasetOptions(valid="none", test="none"), again).targets["label"]
    assert found.of(np.arange(4)).tolist() == [0, 1, 1, 0]


def test_labels_of_one_column_or_one_hot_are_read_as_such(tmp_path: Path) -> None:
    y = np.arange(100) % 10
    x = np.random.default_rng(0).normal(size=(100, 4))
    for name, right in {
        "flat": y,
        "column": y[:, None],
        "hot": np.eye(10)[y],
        "bits": np.eye(10, dtype=bool)[y],
    }.items():
        np.savez(tmp_path / f"{name}.npz", x=x, y=right)
        found = read_rows(tmp_path / f"{name}.npz")
        assert found.targets["y"].output == LabelOutput(tuple("0123456789")), name
        assert found.targets["y"].of(np.arange(100)).tolist() == y.tolist(), name
    assert output_kind(read_rows(tmp_path / "hot.npz", task="regression")) == "regression"
    assert "rows with a single 1 are taken as labels by number; for numbers: --task regression" in found.description
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y[:, None])
    assert output_kind(read_rows(tmp_path / "x.npy")) == "classification"


def test_more_kinds_than_labels_may_have_are_reported(tmp_path: Path) -> None:
    def told(name: str, kinds: int) -> bool:
        path = csv(tmp_path / "t.csv", f"text,{name}", [f"words {n}x,kind{n % kinds}" for n in range(2400)])
        return "more than 1,000 different cells are taken as texts" in read_rows(path, tokenizer="char").description

    assert told("label", 1100)
    assert not told("label", 900)
    assert told("label", 2400)
    assert not told("answer", 1100)


CALLED: dict[str, tuple[str, Callable[[int], str], int, str, str]] = {
    "as many words as the text": ("category", lambda n: f"kind number {n % 60}", 100, "classification",
                                  "are taken as labels; for tags: --task tagging"),
    "the same under another name": ("remark", lambda n: f"kind number {n % 60}", 100, "tagging",
                                    "are taken as tags; for labels: --task classification"),
    "few rows a kind": ("label", lambda n: f"kind{n % 60}", 100, "classification",
                        "60 different cells in 100 rows are taken as labels because of the column's name; for"),
    "a thousand kinds": ("label", lambda n: f"k{n % 1000}", 1500, "classification",
                         "1,000 different cells in 1,500 rows"),
    "numbers of 1,500 kinds": ("label", lambda n: str(n % 1500), 3000, "regression",
                               "more than 1,000 different cells are taken as amounts, not labels; for labels"),
    "3,000 kinds": ("label", lambda n: f"k{n}", 3000, "seq2seq",
                    "more than 1,000 different cells are taken as texts"),
    "a text in each row": ("label", lambda n: f"a caption of its own {n}x", 100, "seq2seq",
                           "are rarely repeated are taken as texts; for labels: --task classification"),
    "enough rows a kind": ("label", lambda n: f"kind{n % 50}", 100, "classification", ""),
    "decimals": ("label", lambda n: f"{n}.5", 1200, "regression", ""),
    "prices": ("price", lambda n: str(n), 1200, "regression", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLED)
def test_the_kind_of_a_column_called_label_is_reported(case: str, tmp_path: Path) -> None:
    name, cell, count, kind, said = CALLED[case]
    path = csv(tmp_path / "t.csv", f"text,{name}", [f"some words {n}x,{cell(n)}" for n in range(count)])
    found = read_rows(path, tokenizer="char", output=name) if kind == "seq2seq" else read_rows(path, output=name)
    assert output_kind(found) == kind
    assert said in found.description
    assert ("taken as" in found.description) == bool(said)


def test_tags_of_sentences_are_tags_whatever_their_column_is_called(tmp_path: Path) -> None:
    rows = [f"{' '.join(['a b', 'c d e'][n % 2].split())} {n}x,{['X Y X', 'X X Y Y'][n % 2]}" for n in range(60)]
    assert output_kind(read_rows(csv(tmp_path / "t.csv", "text,label", rows))) == "tagging"


# names of labels

TIDY = {" pos": "pos", "pos\u00a0": "pos", "\u200bpos\ufeff": "pos", "e\u0301te\u0301": "été", "1.0": "1", "01": "01",
        "very  good": "very  good", "1.5": "1.5", "👩\u200d🔬": "👩\u200d🔬"}  # fmt: skip


@pytest.mark.parametrize("written", TIDY)
def test_labels_are_normalised(written: str) -> None:
    assert tidy_label(written) == TIDY[written]


@pytest.mark.parametrize("mark", [*map(chr, (0xAD, 0x34F, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F))),
                                  *map(chr, (0x2060, *range(0x2066, 0x206A), 0xFEFF))])  # fmt: skip
def test_zero_width_characters_are_removed_from_labels(mark: str) -> None:
    assert tidy_label(f"{mark}pos {mark}") == tidy_label(f"pos{mark}{mark}") == "pos"
    assert tidy_label(f"p{mark}s") == f"p{mark}s"
    assert tidy_label(mark) == ""


def test_a_run_recognises_its_labels_in_every_spelling() -> None:
    assert find_labels(["pos", " pos", "neg", "Pos"], ["neg", "pos"], -1) == [1, 1, 0, -1]
    old = ["neg", "neg ", "pos "]  # stored by a run of an older version
    assert find_labels(["neg", "neg ", "pos", "pos "], old, -1) == [0, 1, 2, 2]


def test_blanks_around_labels_make_no_labels(tmp_path: Path) -> None:
    ends = ("", " ", "\u00a0", "\u200b")
    rows = [f"words {n}x,{'ab'[n % 2]}{ends[n // 2 % 4]}" for n in range(80)]
    found = read_rows(csv(tmp_path / "t.csv", "text,label", rows)).targets["label"]
    assert isinstance(found, LabelTargets)
    assert found.output == LabelOutput(("a", "b"))
    assert found.facts() == {"a": 40, "b": 40}
    sets = csv(tmp_path / "s.csv", "text,label", [f"words {n}x,a\u200b | {'bc'[n % 2]}\u00a0" for n in range(80)])
    assert read_rows(sets, task="multilabel").targets["label"].output.to_json()["names"] == ["a", "b", "c"]
    blank = csv(tmp_path / "b.csv", "text,label", [*rows, "words, "])
    with pytest.raises(DataError, match=r"b\.csv, row 82: 'label' is empty.*\n.*--skip-empty"):
        read_rows(blank)
    left = read_rows(blank, skip_empty=True)
    assert (len(left.numbers), left.skipped) == (80, 1)
    assert left.targets["label"].output == LabelOutput(("a", "b"))


def test_labels_that_differ_by_capitals_alone_are_named_with_counts(tmp_path: Path) -> None:
    rows = [f"words {n}x,{('Pos', 'pos', 'neg')[n % 3]}" for n in range(90)]
    said = read_rows(csv(tmp_path / "t.csv", "text,label", rows)).description
    assert "'Pos' (30) and 'pos' (30) differ only by case, and are separate labels" in said
    assert "neg" not in case_note({"neg": 3, "pos": 4})


def test_labels_that_are_one_number_are_named_with_counts(tmp_path: Path) -> None:
    rows = [f"words {n}x,{('0', '0.0', '1', '01')[n % 4]}" for n in range(80)]
    said = read_rows(csv(tmp_path / "t.csv", "text,label", rows)).description
    assert "'1' (20) and '01' (20) are the same number, written differently, and are separate labels" in said
    assert "'0' (" not in said  # 0.0 is the label 0
    assert equal_numbers_note({"1": 3, "10": 4, "1a": 5, "2": 6}) == ""
    assert equal_numbers_note({"100000000000000001": 3, "100000000000000002": 4}) == ""
    assert "'100000000000000001' (3) and" in equal_numbers_note({"100000000000000001": 3, "0100000000000000001": 4})


def test_an_underscore_of_conllu_is_no_tag(tmp_path: Path) -> None:
    def sentence(tags: str, number: int) -> str:
        return (
            "".join(f"{n + 1}\tword{n + number}\t_\t{tag}\t_\t_\t_\t_\t_\t_\n" for n, tag in enumerate(tags.split()))
            + "\n"
        )

    path = tmp_path / "t.conllu"
    path.write_text("".join(sentence("D N _" if n % 2 else "D V N", n) for n in range(40)))
    found = read_rows(path, test="none")
    tags = found.targets["upos"]
    assert isinstance(tags, LabelTargets)
    assert tags.names == ("D", "N", "V")
    assert tags.has_target(np.array([0, 1])).tolist() == [True, True, True, True, True, False]
    assert tags.of(np.array([1])).tolist() == [0, 1, -1]
    assert "lacks" not in found.description


# numbers, and cells that are nearly numbers

WRITTEN: dict[Any, str] = {
    "3": "number", " -2.5e3 ": "number", "3.": "number", 7: "number", 0.5: "number", "nan": "undefined",
    "NaN": "undefined", float("nan"): "undefined", "N/A": "undefined", "-": "undefined", "3,14": "nearly",
    "9" * 60_000: "nearly", "1," * 30_000: "none", "1,234": "nearly",
    "1,234.5": "nearly", "12%": "nearly", "$5.00": "nearly", "5 €": "nearly", "1e400": "nearly", "inf": "nearly",
    float("inf"): "nearly", "word": "none", "3 films": "none", "": "none", "a,b": "none", True: "none",
    "12-3": "none",
}  # fmt: skip


@pytest.mark.parametrize("cell", WRITTEN, ids=lambda cell: repr(cell)[:20])
def test_a_cell_is_a_number_or_nearly_one(cell: Any) -> None:
    seen = {"number": is_number(cell), "undefined": is_missing(cell), "nearly": is_nearly_number(cell)}
    assert [name for name, there in seen.items() if there] == [WRITTEN[cell]] * (WRITTEN[cell] != "none")


NEARLY = {
    "nan": ("nan", r"row 7: 'y' is 'nan', where 59 of 60 cells are numbers\.\nLeave such rows out with --skip-empty"),
    "a comma among points": ("3,14", r"row 7: 'y' is '3,14', where 59 of 60.*\nWrite it as 3\.14, without"),
    "thousands": ("1,234", r"row 7: 'y' is '1,234'.*\n.*--decimal \."),
    "per cent": ("12%", r"row 7: 'y' is '12%'.*\nWrite the number alone"),
    "dollars": ("$5.00", r"row 7: 'y' is '\$5\.00'.*\nWrite the number alone"),
    "beyond": ("1e400", r"row 7: 'y' is '1e400'.*\nA number has about 308 digits before its point at most"),
    "many digits": (
        "7" * 60_000,
        r"row 7: 'y' is '7{40} …', where .*\nA number has about 308 digits before its point",
    ),
    "a word": (
        "unknown",
        r"row 7: 'y' is 'unknown'.*\n.*\nIf the column holds names or texts: --task classification, or ",
    ),
}


@pytest.mark.parametrize("case", NEARLY)
def test_a_cell_that_is_nearly_a_number_is_refused_with_its_row(case: str, tmp_path: Path) -> None:
    cell, words = NEARLY[case]
    rows = [f'some words {n}x,"{n / 4 if n != 5 else cell}"' for n in range(60)]
    path = csv(tmp_path / "t.csv", "text,y", rows)
    with pytest.raises(DataError, match=words) as raised:
        read_rows(path)
    assert str(raised.value).count("\n") < 3
    assert output_kind(read_rows(path, task="seq2seq")) == "seq2seq"
    if case != "nan":
        with pytest.raises(DataError, match=r"row 7"):
            read_rows(path, skip_empty=True)


def test_nan_is_skipped_on_request_in_outputs_and_inputs(tmp_path: Path) -> None:
    rows = [f"{n},{'NaN' if n == 3 else n / 4}" for n in range(60)]
    found = read_rows(csv(tmp_path / "y.csv", "x,y", rows), skip_empty=True)
    assert (len(found.numbers), found.skipped) == (59, 1)
    values = found.targets["y"]
    assert isinstance(values, ValueTargets)
    assert values.numbers[:, 0].tolist() == [n / 4 for n in range(60) if n != 3]
    assert [float(np.asarray(found.items[n])[0, 0]) for n in range(59)] == [n for n in range(60) if n != 3]
    given = csv(tmp_path / "x.csv", "x,y", [f"{'n/a' if n % 9 == 0 else n},{n / 4}" for n in range(60)])
    with pytest.raises(DataError, match=r"x\.csv, row 2: 'n/a' where numbers were expected\.\n.*--skip-empty"):
        read_rows(given)
    assert read_rows(given, skip_empty=True).skipped == 7
    np.savez(tmp_path / "n.npz", x=np.arange(60.0), y=np.where(np.arange(60) == 4, np.nan, np.arange(60) / 4))
    with pytest.raises(DataError, match=r"n\.npz, row 5: 'y' is 'nan', where 59 of 60 cells are numbers"):
        read_rows(tmp_path / "n.npz")
    assert read_rows(tmp_path / "n.npz", skip_empty=True).skipped == 1


def test_nan_in_predict_is_an_empty_input(tmp_path: Path) -> None:
    found = read_rows(csv(tmp_path / "t.csv", "x,y", [f"{n},{n / 4}" for n in range(60)]))
    giving = InputReader(DatasetSchema(found.columns, found.featurizer, {"y": found.targets["y"].output}))
    rows = csv(tmp_path / "q.csv", "x", ["nan", "3"])
    taken = giving.take_all(giving.read_input(str(rows)) or ())
    assert taken[0] == MissingItem()
    assert np.asarray(taken[1]).tolist() == [[3.0]]
    with pytest.raises(DataError, match=r"'3,5' where numbers were expected\.\n.*--decimal ,"):
        giving.take_all([InferenceInput("q.csv, row 4", ("3,5",))])


def test_batches_of_predict_are_bounded_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_rows(csv(tmp_path / "t.csv", "x,y", [f"{n},{n / 4}" for n in range(60)]))
    giving = InputReader(DatasetSchema(found.columns, found.featurizer, {"y": found.targets["y"].output}))
    options = ["1", "", "3", "4", "5"]
    size = np.asarray(giving.take("1")).nbytes
    monkeypatch.setattr("unrolled.tasks.requests.HELD", 2 * size)
    groups = list(giving.take_in_turn(options))
    assert [list(given) for given, _ in groups] == [["1", "", "3"], ["4", "5"]]
    taken = [item for _, items in groups for item in items]
    assert taken[1] == MissingItem()
    assert [np.asarray(item).tolist() for item in taken if not isinstance(item, MissingItem)] == [
        [[float(n)]] for n in (1, 3, 4, 5)
    ]
    assert list(giving.take_in_turn([])) == []


def test_names_with_a_few_numbers_among_them_stay_names(tmp_path: Path) -> None:
    rows = [f"words {n}x,{('1', 'NA', 'DE', 'FR')[n % 4]}" for n in range(80)]
    found = read_rows(csv(tmp_path / "t.csv", "text,country", rows))
    assert found.targets["country"].output == LabelOutput(("1", "DE", "FR", "NA"))


def test_oddities_of_json_are_named_with_their_row(tmp_path: Path) -> None:
    cases: dict[str, tuple[Any, str]] = {
        "a number of 400 digits": (
            10**400,
            r"row 4: 'y' is '1000+ …', where 59 of 60 cells are numbers\.\nA number has about 308 digits",
        ),
        "a list within a list": ([[1, 2]], r"row 4: 'y'"),
        "a word": ("many", r"row 4: 'y' is 'many', where 59 of 60"),
        "NaN": (float("nan"), r"row 4: 'y' is 'nan', where 59 of 60"),
    }
    for cell, words in cases.values():
        rows = [{"x": n, "y": cell if n == 3 else n / 4} for n in range(60)]
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(DataError, match=words):
            read_rows(tmp_path / "t.jsonl")
    lists = [{"x": n, "y": [1, None] if n == 3 else [n / 4, n]} for n in range(60)]
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    with pytest.raises(
        DataError, match=r"l\.jsonl, row 4: 'y' is '\[1, None\]', where lists of numbers were expected"
    ):
        read_rows(tmp_path / "l.jsonl")


def test_a_comma_is_refused_with_the_option_that_decides() -> None:
    assert "--decimal ," in cure("3,14") and "--decimal ." not in cure("3,14")
    assert "--decimal ," not in cure("1,234,567") and "--decimal ." in cure("1,234,567")
    assert "--decimal ," in cure("1,234") and "--decimal ." in cure("1,234")
    assert "--skip-empty" in cure("NaN")
    assert cure("$5") == "Write the number alone."


CURES = {
    "\u22125.2": "Its minus sign is the character U+2212: write - instead.",
    "\u20135": "Its minus sign is the character U+2013: write - instead.",
    "1 234": "Write the number without spaces: 1234.",
    "-12\u00a0345,5": "Write the number without spaces: -12345,5.",
    "unknown": "leave the cell empty and skip such rows with --skip-empty.",
    "5 kg": "Write the number alone.",
}


@pytest.mark.parametrize("cell", CURES)
def test_a_cell_that_is_no_number_has_advice(cell: str) -> None:
    assert cure(cell).endswith(CURES[cell])


# numbers keep their magnitude

FAR: dict[str, tuple[Callable[[int], float], float]] = {
    "seconds since 1970": (lambda n: 1_700_000_000 + 60 * n, 60),
    "milliseconds": (lambda n: 1_700_000_000_000 + n, 1),
    "latitudes": (lambda n: 52.52 + 1e-6 * n, 1e-6),
    "small": (lambda n: 1e-12 * n, 1e-12),
}


@pytest.mark.parametrize("case", FAR)
def test_numbers_far_from_zero_keep_their_digits(case: str, tmp_path: Path) -> None:
    value, step = FAR[case]
    found = read_rows(
        csv(tmp_path / "t.csv", "x,y", [f"{value(n)!r},{value(n)!r}" for n in range(100)]), task="regression"
    )
    scaled = np.array([found.featurizer.encode(found.items[row])[0, 0] for row in range(100)])
    std = 100 / np.sqrt(12)
    assert np.diff(scaled) == pytest.approx(np.full(99, 1 / std), rel=0.1)
    values = found.targets["y"]
    assert isinstance(values, ValueTargets)
    assert np.diff(values.of(np.arange(100))[:, 0]) == pytest.approx(np.full(99, 1 / std), rel=0.1)
    assert isinstance(values.output, ValueOutput)
    shown = [values.output.write([value(n)]) for n in range(100)]
    assert len(set(shown)) == 100, "each is told from the next"
    assert [float(one) for one in shown] == pytest.approx([value(n) for n in range(100)], abs=0.1 * step)
    assert values.as_written(7) == repr(value(7)).removesuffix(".0")


def test_a_constant_column_is_detected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'y' is 0\.1 everywhere in the training split\. There is nothing to pre"):
        read_rows(csv(tmp_path / "t.csv", "x,y", [f"{n},0.1" for n in range(100)]))
    found = read_rows(csv(tmp_path / "u.csv", "a,b,y", [f"{n},0.1,{n / 4}" for n in range(100)]))
    assert "the same in every row, so of no use: b;" in f"{found.description};"
    scaled = np.array([found.featurizer.encode(found.items[row])[0] for row in range(100)])
    assert scaled[:, 1].tolist() == pytest.approx([0] * 100, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "scale", "written"),
    [(1.7e9 + 123, 1000.0, "1700000123"), (2.0, 0.0, "2"), (0.1, 0.0, "0.1"), (1234.56789, 1.0, "1234.5679"),
     (0.5, 100.0, "0.5"), (-3.25e-9, 1e-9, "-3.25e-09"), (float("nan"), 1.0, "nan"), (0.0, 1.0, "0")],
)  # fmt: skip
def test_a_number_is_printed_with_the_digits_that_identify_it(value: float, scale: float, written: str) -> None:
    assert write_number(value, scale) == written


# dates

DATES = {
    "2024-01-05": (2024, 1, 5), "2024-01-05T10:00:00Z": (2024, 1, 5, 10), "05.01.2024": (2024, 1, 5),
    "1/5/2024": (2024, 1, 5), "31/12/2023": (2023, 12, 31), "2024/01/05 10:30": (2024, 1, 5, 10, 30),
    "10:30": (1970, 1, 1, 10, 30), "Jan 5, 2024": (2024, 1, 5), "5 January 2024": (2024, 1, 5),
    "2024-01": (2024, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("cell", DATES)
def test_dates_are_detected(cell: str) -> None:
    assert read_date(cell) == datetime(*DATES[cell], tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("cell", ["1.5", "1/2", "12-13", "3.14.15", "March came in 2024 x", "2024", "word", 5, None])
def test_other_cells_are_no_dates(cell: Any) -> None:
    assert read_date(cell) is None


def days(count: int, then: Callable[[int], str]) -> list[str]:
    return [f"{np.datetime64('2020-01-01') + n},{then(n)}" for n in range(count)]


def test_characters_of_a_date_are_not_read(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", "date,sales", days(100, lambda n: str(n * 1.5)))
    with pytest.raises(DataError, match=r"'date' holds dates.*Forecasts.*\n.*not supported yet") as raised:
        read_rows(path)
    assert "--input-type text" in str(raised.value)
    assert str(raised.value).count("\n") < 3
    assert output_kind(read_rows(path, input_type="text")) == "regression"
    many = csv(tmp_path / "m.csv", "date,day,sales", days(100, lambda n: f"{n % 7},{n * 1.5}"))
    found = read_rows(many)
    assert found.columns.inputs == ("day",)
    assert found.columns.outputs == ("sales",)
    named = csv(
        tmp_path / "n.csv", "text,when", [f"words {n}x,{d.split(',')[0]}" for n, d in enumerate(days(60, str))]
    )
    with pytest.raises(DataError, match=r"n\.csv: 'when' holds dates, and predicting dates is not supported"):
        read_rows(named)


def test_rows_in_order_of_time_are_split_by_time(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", "date,day,sales", days(100, lambda n: f"{n % 7},{n * 1.5}"))
    found = read_rows(path)
    assert found.columns.time == "date"
    assert [found.splits[part].tolist() for part in ("validation", "test")] == [[*range(80, 90)], [*range(90, 100)]]
    assert found.split_method == "the last rows by 'date'"
    assert "the last rows by 'date'; to draw them at random: --shuffle" in found.description
    drawn = read_rows(path, shuffle=True)
    assert drawn.splits["test"].tolist() != found.splits["test"].tolist()
    assert (drawn.columns.time, drawn.split_method) == (None, "drawn at random")
    kept = DatasetSchema(drawn.columns, drawn.featurizer, {name: one.output for name, one in drawn.targets.items()})
    again = read_examples(path, DatasetOptions(shuffle=True), kept)
    assert again.splits["test"].tolist() == drawn.splits["test"].tolist(), "a run goes on with its own parts"
    header, *lines = path.read_text().split()
    csv(path, header, lines[::-1])
    assert read_rows(path).splits["test"].tolist() == [*range(10)], "the latest stand first"
    known = DatasetSchema(found.columns, found.featurizer, {name: one.output for name, one in found.targets.items()})
    assert read_examples(path, DatasetOptions(), known).splits["test"].tolist() == [*range(10)]


def test_rows_out_of_order_and_groups_are_split_at_random(tmp_path: Path) -> None:
    rows = days(100, lambda n: f"{n % 7},{n * 1.5},{n // 5}")
    path = csv(tmp_path / "t.csv", "date,day,sales,who", rows)
    grouped = read_rows(path, group="who", input="day", output="sales")
    assert grouped.split_method == "drawn at random in whole groups of 'who'"
    folded = read_rows(path, fold=(2, 5), input="day", output="sales")
    assert folded.split_method == "fold 2 of 5, drawn at random"
    with pytest.raises(OptionError, match=r"--shuffle is for rows in the order.*\nLeave it out"):
        read_rows(path, group="who", input="day", output="sales", shuffle=True)
    few = days(100, lambda n: f"{n % 7},{n * 1.5}")
    mixed = csv(tmp_path / "m.csv", "date,day,sales", [*few[50:], *few[:50]])
    assert read_rows(mixed).split_method == "drawn at random"
    with pytest.raises(OptionError, match=r"--shuffle"):
        read_rows(mixed, shuffle=True)


# groups that leak


def test_speakers_in_file_names_are_reported(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for digit in range(3):
        (tmp_path / "d" / str(digit)).mkdir(parents=True)
        for who in ("jackson", "theo", "lucas", "nicolas"):
            for take in range(4):
                picture = pillow.fromarray(np.full((4, 4), 10 * digit + take, np.uint8))
                picture.save(tmp_path / "d" / str(digit) / f"{digit}_{who}_{take}.png")
    said = read_rows(tmp_path / "d").description
    assert "rows share 'part2' (4 different, such as jackson)" in said
    assert "--group part2" in said
    assert "part1" not in said
    assert "part3" not in said
    assert "rows share" not in read_rows(tmp_path / "d", group="part2").description


LEAKING: dict[str, tuple[Callable[[int], str], bool]] = {
    "patient": (lambda n: f"p{n // 10}", True),
    "speaker_id": (lambda n: str(n // 4), True),
    "source": (lambda n: "ab"[n % 2], True),
    "domain": (lambda n: f"site{n % 9}.org", True),
    "web_site": (lambda n: f"site{n % 9}", True),
    "PatientID": (lambda n: str(n // 4), True),
    "Speaker Name": (lambda n: "ab"[n % 2], True),
    "patientId": (lambda n: str(n // 4), True),
    "anonPatientId": (lambda n: str(n // 4), True),
    "household_id": (lambda n: str(n // 4), True),
    "doc_id": (lambda n: str(n // 4), True),
    "document-no": (lambda n: str(n // 4), True),
    "product_id": (lambda n: str(n // 4), True),
    "hospital": (lambda n: "abc"[n % 3], True),
    "user": (lambda n: str(n), False),
    "colour": (lambda n: "ab"[n % 2], False),
}


@pytest.mark.parametrize("name", LEAKING)
def test_a_column_of_sources_is_reported(name: str, tmp_path: Path) -> None:
    who, told = LEAKING[name]
    rows = [f"some words {n}x,{'ab'[n % 2]},{who(n)}" for n in range(100)]
    found = read_rows(csv(tmp_path / "t.csv", f"text,label,{name}", rows))
    assert (f"to keep each in one split: --group {shlex.quote(name)}" in found.description) == told


@pytest.mark.parametrize(
    ("address", "told"),
    [("https://www.site{0}.org/a/{1}", True), ("http://me@host{0}:80?{1}", True), ("https://site{1}.org", False),
     ("https://one.org/{1}", False), ("site {0}", False)],
)  # fmt: skip
def test_hosts_that_recur_are_reported(address: str, told: bool, tmp_path: Path) -> None:
    rows = [f"some words {n}x,{'ab'[n % 2]},{address.format(n % 7, n)}" for n in range(100)]
    said = read_rows(csv(tmp_path / "t.csv", "text,label,link", rows)).description
    assert ("rows share the host in 'link' (7 different, such as " in said) == told
    assert ("write it into a separate column and name that: --group COLUMN" in said) == told


FOLDERS: dict[str, tuple[str, str]] = {
    "codes of Speech Commands": ("{label}/{code}_nohash_{n}.png", "part1"),
    "numbers of takes": ("{label}/take{who}_{n}.png", ""),
    "a code in each name": ("{label}/{label}ab{n}c_x.png", ""),
    "speakers": ("{label}/spk{who}/{n}.png", "folder1"),
    "speakers by number": ("{label}/12{who}/{n}.png", "folder1"),
    "speakers by name": ("{label}/{name}/{n}.png", "folder1"),
    "kinds below a label": ("{label}/kind_of_{label}{who}/{n}.png", ""),
    "one folder": ("{label}/pictures/{n}.png", ""),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_sources_in_names_and_folders_are_reported(case: str, tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    form, column = FOLDERS[case]
    for n in range(64):
        who = n % 16 // 2
        facts = {
            "label": ("yes", "no")[n % 2],
            "who": who,
            "code": f"{who}f0ab{who}1",
            "name": "abcdefgh"[who] * 5,
            "n": n,
        }
        path = tmp_path / form.format(**facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(np.full((4, 4), 3 * n, np.uint8)).save(path)
    said = read_rows(tmp_path).description
    assert ("rows share" in said) == bool(column)
    assert f"--group {column}" in said or not column
    if column:
        assert "rows share" not in read_rows(tmp_path, group=column).description


TEXT_NAMES: dict[str, tuple[str, str]] = {
    "speakers": ("{label}/{name}_{label}_{n}.txt", "part1"),
    "speakers by number": ("{label}/spk{who}-{n}.txt", "part1"),
    "reviews with their ratings": ("{label}/{n}_{who}.txt", ""),
    "files that are counted within each label": ("{label}/cv{half:03}_{n}.txt", ""),
    "the label": ("{label}/{label}_{n}.txt", ""),
    "other parts in one": ("{label}/{odd}{name}_{n}.txt", ""),
}


@pytest.mark.parametrize("case", TEXT_NAMES)
def test_sources_in_names_of_texts_are_reported_and_kept_together(case: str, tmp_path: Path) -> None:
    form, column = TEXT_NAMES[case]
    for n in range(64):
        name = ("anna", "ben", "carl", "dora", "emil", "fred", "gina", "hal")[n % 16 // 2]
        facts = {"label": ("yes", "no")[n % 2], "who": n % 16 // 2, "name": name, "half": n // 2, "n": n}
        path = tmp_path / form.format(odd="x_" if n == 5 else "", **facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a text of number {n}")
    said = read_rows(tmp_path).description
    assert ("rows share" in said) == bool(column)
    if column:
        assert f"(8 different, such as {'anna' if case == 'speakers' else 'spk0'}), which are in both" in said
        found = read_rows(tmp_path, group=column)
        assert "rows share" not in found.description and found.split_method.endswith("in whole groups of 'part1'")


SECTIONS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "sections": ("label", ("1.1", "1.10", "1.2"), "classification"),
    "sections, otherwise called": ("size", ("1.1", "1.10", "1.2"), "regression"),
    "amounts": ("label", ("1.1", "1.3", "1.2"), "regression"),
    "whole numbers": ("label", ("1", "1.0", "2"), "classification"),
    "a word": ("label", ("1.1", "1.10", "x"), "classification"),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_labels_that_are_equal_as_numbers_stay_labels(case: str, tmp_path: Path) -> None:
    name, cells, kind = SECTIONS[case]
    found = read_rows(
        csv(tmp_path / "t.csv", f"text,{name}", [f"words {n}x,{cells[n % 3]}" for n in range(90)]), output=name
    )
    assert found.targets[name].output.kind == kind
    if case == "sections":
        assert list(found.targets[name].facts()) == ["1.1", "1.10", "1.2"]
        assert (
            "some equal but written differently, are taken as labels because of the column's name; for amounts:"
            in found.description
        )
    if case == "amounts":
        assert "numbers with decimals are taken as amounts; for labels: --task classification" in found.description


def test_authors_in_folders_below_labels_of_texts_are_reported(tmp_path: Path) -> None:
    for n in range(64):
        path = tmp_path / ("yes", "no")[n % 2] / f"writer{n % 16 // 2}" / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"some words {n}x")
    assert "--group folder1" in read_rows(tmp_path, task="classification").description


def test_speakers_in_a_column_of_file_names_are_reported(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    rows, generator = [], np.random.default_rng(0)
    for digit in range(3):
        for who in ("jackson", "theo", "lucas", "nicolas"):
            for take in range(4):
                name = f"{digit}_{who}_{take}.png"
                pillow.fromarray(generator.integers(0, 256, (4, 4), np.uint8)).save(tmp_path / name)
                rows.append(f"{name},{digit},{who}")
    path = csv(tmp_path / "t.csv", "file,label,who", rows)
    said = read_rows(path).description
    assert "file names in 'file' share part 2 (4 different, such as jackson)" in said
    assert "write it into a separate column and name that: --group COLUMN" in said
    grouped = read_rows(path, group="who")
    assert "share" not in grouped.description
    assert grouped.split_method == "drawn at random in whole groups of 'who'"


NAME_PARTS: dict[str, tuple[Callable[[int], str], bool]] = {
    "patients": (lambda n: f"scans/patient{n // 8}-{n}.png", True),
    "a speaker in front": (lambda n: f"a\\{('theo', 'jackson')[n % 3 % 2]}_{n}.wav", True),
    "the answer": (lambda n: f"{'ab'[n % 2]}_{n}.png", False),
    "numbers": (lambda n: f"IMG_{n % 7}.png", False),
    "other parts in each": (lambda n: "_".join(["x"] * (1 + n % 2)) + f"{n}.png", False),
    "one part": (lambda n: f"{n}.png", False),
}


@pytest.mark.parametrize("case", NAME_PARTS)
def test_fields_of_file_names_that_recur_are_reported(case: str) -> None:
    name, told = NAME_PARTS[case]
    parts = NameParts("file")
    for n in range(80):
        parts.see(name(n), "ab"[n % 2])
    assert bool(parts.note) == told


# numbers that are dates because of their column's name


def stamped(name: str, form: Callable[[int], str], folder: Path) -> Path:
    """A table of such dates, a number and a target, in the order of time."""
    return csv(folder / "t.csv", f"{name},a,target", [f"{form(n)},{n % 7},{n * 1.5}" for n in range(100)])


def compact(n: int) -> str:
    return str(np.datetime64("2022-01-01") + n).replace("-", "")


NUMBERED: dict[str, tuple[str, Callable[[int], str], bool]] = {
    "compact": ("date", compact, True),
    "compact in a longer name": ("order_date", compact, True),
    "seconds": ("timestamp", lambda n: str(1_640_000_000 + 60 * n), True),
    "seconds with decimals": ("time", lambda n: f"{1_640_000_000 + n}.5", True),
    "milliseconds": ("eventTime", lambda n: str(1_640_000_000_000 + n), True),
    "another name": ("amount", compact, False),
    "a day of the week": ("day", lambda n: str(n % 7), False),
    "seconds since a start": ("time", lambda n: str(1000 * n), False),
    "no day of the calendar": ("date", lambda n: str(20_229_900 + n), False),
}


@pytest.mark.parametrize("case", NUMBERED)
def test_numbers_are_dates_where_the_column_is_called_so(case: str, tmp_path: Path) -> None:
    name, form, dated = NUMBERED[case]
    path = stamped(name, form, tmp_path)
    found = read_rows(path)
    assert found.columns.inputs == (("a",) if dated else (name, "a"))
    assert found.columns.time == (name if dated else None)
    assert (found.splits["test"].tolist() == [*range(90, 100)]) == dated
    assert (f"the last rows by '{name}'; to draw them at random: --shuffle" in found.description) == dated
    assert read_rows(path, input=f"{name},a", output="target").columns.inputs == (name, "a"), "an option wins"


def test_nothing_but_numbers_that_are_dates_is_not_read(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", "date,v", [f"{compact(n)},{n * 1.5}" for n in range(60)])
    with pytest.raises(DataError, match=r"'date' holds dates, of which only their numbers") as raised:
        read_rows(path)
    assert str(raised.value).endswith("--input-type vectors")
    assert str(raised.value).count("\n") < 3
    assert output_kind(read_rows(path, input_type="vectors")) == "regression"


SORTED = {
    "numbers": (
        [f"{n}.5" for n in range(300)],
        r"is mostly numbers, such as .*\n.*row 2: 'word 0 of it'.*\n.*--input-type text",
    ),
    "dates": ([f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(300)], "holds dates"),
    "files": ([f"films/{n}.ply" for n in range(300)], "points and shapes"),
}


@pytest.mark.parametrize("case", SORTED)
def test_a_column_is_judged_by_all_of_its_rows(case: str, tmp_path: Path) -> None:
    cells, said = SORTED[case]
    rows = [f"word {n} of it" for n in range(60)] + cells
    path = tmp_path / "sorted.csv"
    path.write_text("what,label\n" + "".join(f"{cell},{'ab'[n % 2]}\n" for n, cell in enumerate(rows)))
    with pytest.raises(DataError, match=said):
        read_examples(path, DatasetOptions())
    assert read_examples(path, DatasetOptions(input_type="text")).count("training")
    few = [f"word {n} of it" for n in range(500)] + cells[:200]
    path.write_text("what,label\n" + "".join(f"{cell},{'ab'[n % 2]}\n" for n, cell in enumerate(few)))
    assert read_examples(path, DatasetOptions()).count("training"), "most of it is text"


def test_dates_as_outputs_are_detected_after_words(tmp_path: Path) -> None:
    def kind(words: int, dates: int) -> str:
        column = Column("when")
        for number in range(words):
            column.add(None, f"not known, {number}")
        for number in range(dates):
            column.add(None, f"{number % 28 + 1}.{number % 12 + 1}.{2000 + number}")
        return column.kind

    assert [kind(60, 300), kind(0, 50), kind(300, 60), kind(60, 0)] == ["date", "date", "seq2seq", "seq2seq"]
