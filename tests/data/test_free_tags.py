"""Free tags: spelling variants are folded, rare ones left out and counted; rows without any of the others too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import write_rows

from unrolled.data.cells.column_kinds import list_as_text
from unrolled.data.cells.free_tags import fold_tag, fold_tags, holds_hashtag
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.outputs import (
    DEFAULT_LABEL_SETS,
    LabelSetOptions,
    MultilabelOutput,
    Output,
    output_from_json,
)
from unrolled.data.dataset.parse_targets import CellColumn, read_targets
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.targets import LabelSetTargets
from unrolled.errors import DataError, OptionError, RunError

ONE_TAG = [
    "#Sunset_Beach",
    "#sunsetbeach",
    "sunset-beach",
    "Sunset Beach",
    "＃ｓｕｎｓｅｔｂｅａｃｈ",
    "#sun\u200bset\u2010beach",
]


def test_spelling_variants_are_one_tag() -> None:
    assert {fold_tag(one) for one in ONE_TAG} == {"sunsetbeach"}
    assert fold_tag("#Straße") == fold_tag("strasse") == "strasse"
    assert fold_tag("caf\u00e9") == fold_tag("CAFE\u0301") == "caf\u00e9"
    assert fold_tag("❤️") == fold_tag("❤") != ""
    assert fold_tag("#_- ") == ""


def test_what_is_not_a_variant_stays_another_tag() -> None:
    assert len({fold_tag(one) for one in ("new", "news", "beach", "beaches", "café", "cafe", "c++", "c")}) == 8


def test_hashtags_are_cut_apart() -> None:
    assert fold_tags(["#Sun#sea", "#sky,", "day"]) == ["day", "sea", "sky", "sun"]
    assert fold_tags(["a #Sun, sea"]) == ["a", "sea", "sun"]
    assert fold_tags(["new york", "New-York"]) == ["newyork"]
    assert [holds_hashtag(one) for one in ("#a", "b #a", "a#b", "C#", "#", "b,#a")] == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]


def sets_of(
    cells: Sequence[Any], sets: LabelSetOptions = DEFAULT_LABEL_SETS, known: Output | None = None,
    training: Sequence[int] | None = None,
) -> LabelSetTargets:  # fmt: skip
    written = [list_as_text(cell) for cell in cells]
    kinds = tuple(dict.fromkeys(written))
    column = CellColumn("t.csv", "y", kinds, np.array([kinds.index(cell) for cell in written], np.int64))
    rows = np.arange(len(cells)) if training is None else np.array(training)
    found = read_targets(column, "multilabel", rows, lambda row: 1, lambda row: f"t.csv, row {row + 2}", known, sets)
    assert isinstance(found, LabelSetTargets)
    return found


TAGGED = ["#Sun #sea"] * 4 + ["#sun #Odd"] * 2 + ["#odd #strange"] * 2 + ["#sea"]


def test_rare_tags_are_left_out_and_counted() -> None:
    found = sets_of(TAGGED)
    assert found.output == MultilabelOutput(("sea", "sun"), free=True)
    assert found.of(np.array([0, 4, 6, 8])).tolist() == [[1, 1], [0, 1], [0, 0], [1, 0]]
    assert found.has_targets(np.arange(9)).tolist() == [True] * 6 + [False] * 2 + [True]
    assert found.facts() == {"sea": 5, "sun": 6}
    assert found.as_written(4) == "sun"
    assert found.count_unseen(np.arange(9)) == (0, []), "a tag that is not learnt says nothing"
    assert found.describe("y") == (
        "y, any of 2 tags (sea, sun); 2 other tags in fewer than 5 training rows left out (6 uses)"
    )
    rarer = sets_of(TAGGED, LabelSetOptions(min_count=2))
    assert rarer.output.names == ("odd", "sea", "strange", "sun")
    assert rarer.describe("y") == "y, any of 4 tags (odd, sea, strange, sun)"
    assert sets_of(TAGGED, LabelSetOptions(min_count=2), training=range(7)).output.names == ("odd", "sea", "sun")


def test_tags_are_free_where_most_cells_hold_a_hashtag_or_the_option_says_so() -> None:
    words = ["Sun|sea", "sun|sea-side", "seaside"] * 5
    assert sets_of(words).output == MultilabelOutput(("Sun", "sea", "sea-side", "seaside", "sun"))
    assert sets_of(words, LabelSetOptions(fold="yes")).output == MultilabelOutput(
        ("sea", "seaside", "sun"), free=True
    )
    assert not sets_of(TAGGED, LabelSetOptions(fold="no")).output.free
    assert not sets_of([*TAGGED, *["sun"] * 9]).output.free
    assert sets_of([["#Sun", "New York"], ["#sun", "new-york"]] * 5).output.names == ("newyork", "sun")
    with pytest.raises(
        OptionError, match=r"labels of 'y' are read as they are.\nLeave it out, or add --fold-tags yes"
    ):
        sets_of(words, LabelSetOptions(min_count=2))


def test_all_tags_rare_is_an_error_with_the_row_of_the_most_frequent() -> None:
    with pytest.raises(
        DataError, match=r"t\.csv, row 3: 'b', the most frequent tag of 'y', is in 2 training rows; "
    ) as raised:
        sets_of(["#a", "#b", "#b #c", "#d"])
    assert "none of 4 is left. Give more rows, or learn rarer tags: --min-count 2" in str(raised.value)
    with pytest.raises(DataError, match="holds no label in the training split"):
        sets_of(["#", "#_", "#a"], LabelSetOptions(fold="yes", min_count=1), training=[0, 1])


def test_a_run_reads_other_tags_in_its_own_way() -> None:
    known = MultilabelOutput(("sea", "sun"), "softmax", free=True)
    found = sets_of(["SUN|moon", "s-e-a|stars", "moon"], known=known)
    assert found.output == known
    assert found.of(np.arange(3)).tolist() == [[0, 1], [1, 0], [0, 0]]
    assert "2 other tags, which the run does not know, left out (3 uses)" in found.describe("y")
    assert output_from_json("y", known.to_json()) == known
    assert output_from_json("y", {"kind": "multilabel", "names": ["a"]}) == MultilabelOutput(("a",))
    with pytest.raises(RunError, match="description of 'y' is invalid"):
        output_from_json("y", known.to_json() | {"loss": "hinge"})


def test_softmax_needs_two_labels_and_leaves_out_rows_without_one() -> None:
    found = sets_of(["a|b", "", "b"], LabelSetOptions("softmax"))
    assert found.output == MultilabelOutput(("a", "b"), "softmax")
    assert found.has_targets(np.arange(3)).tolist() == [True, False, True]
    assert sets_of(["a|b", "", "b"]).has_targets(np.arange(3)).all(), "no label is a target under the sigmoid"
    with pytest.raises(DataError, match="has a single label in the training split, 'a'; --loss softmax compares"):
        sets_of(["a", "", "a"], LabelSetOptions("softmax"))


def read(folder: Path, known: DatasetSchema | None = None) -> Examples:
    """60 rows, of which every tenth has a tag of its own alone."""

    def row(n: int) -> str:
        return f"word {n},{('#odd' if n % 4 == 0 else '#sun') + ' #day' if n % 10 else f'#alone{n}'}"

    path = write_rows(folder / "t.csv", "text,tags", row, 60)
    return read_examples(path, DatasetOptions(task="multilabel", valid="0.2", test="0.2"), known)


def test_rows_without_any_learnt_tag_are_in_no_split(tmp_path: Path) -> None:
    examples = read(tmp_path)
    rows = np.concatenate(list(examples.splits.values()))
    assert (len(rows), examples.untagged) == (54, 6)
    assert not np.isin(np.arange(0, 60, 10), rows).any()
    assert "6 rows without any of these labels left out" in examples.description
    known = DatasetSchema(examples.columns, examples.featurizer, {"tags": MultilabelOutput(("moon",), free=True)})
    with pytest.raises(
        DataError, match=r"no row has one of the labels that are learnt \(moon\)\. Give rows with some"
    ):
        read(tmp_path, known)
