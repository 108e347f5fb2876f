"""Examples: columns and kinds of outputs are detected, rows are split; tokens and batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import write_csv

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import Column
from unrolled.data.dataset.batches import ExampleBatches, groups_by_length, make_batch, pad_items
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.item_store import SplitItems, Texts
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.targets import NO_TARGET, UNSEEN, LabelTargets
from unrolled.data.modalities.table import featurizer_from_json
from unrolled.data.modalities.text import (
    BOS,
    BUCKETS,
    FIRST,
    UNKNOWN,
    TextFeaturizer,
    WordFeaturizer,
    character_ngrams,
    learn_text_featurizer,
)
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.columns import Columns, choose_columns
from unrolled.data.tables.parquet import ParquetTable
from unrolled.errors import DataError, OptionError, RunError


def some_rows(count: int = 100) -> list[tuple[str, ...]]:
    return [
        (f"row {number} of {'many words ' * (number % 5)}", "odd" if number % 2 else "even")
        for number in range(count)
    ]


def labels_of(examples: Examples, name: str = "label") -> LabelTargets:
    labels = examples.targets[name]
    assert isinstance(labels, LabelTargets)
    return labels


def table(*columns: str) -> TableFile:
    return NamedColumns(Path("t.csv"), columns)


class NamedColumns(ParquetTable):
    """A table whose content is not inspected: its columns are given, and its cells are words."""

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        yield Row(1, ("a word",) * len(columns))


CHOICES: list[tuple[tuple[str, ...], dict[str, Any], Columns]] = [
    (("text", "label"), {}, Columns(("text",), ("label",))),
    (("label", "text"), {}, Columns(("text",), ("label",))),
    (("id", "Review", "stars", "Sentiment"), {}, Columns(("Review",), ("Sentiment",))),
    (("de", "en"), {}, Columns(("de",), ("en",))),
    (("name", "language"), {}, Columns(("name",), ("language",))),
    (("a", "b", "c"), {"input_names": "c", "output_names": "a"}, Columns(("c",), ("a",))),
    (("a", "b"), {"input_names": "b"}, Columns(("b",), ("a",))),
    (("text", "verb", "noun"), {"output_names": "verb, noun"}, Columns(("text",), ("verb", "noun"))),
    (("text", "label", "speaker"), {"group": "speaker"}, Columns(("text",), ("label",), "speaker")),
]


@pytest.mark.parametrize(("names", "options", "chosen"), CHOICES)
def test_columns_are_chosen_by_name_then_by_position(
    names: tuple[str, ...], options: dict[str, Any], chosen: Columns
) -> None:
    assert choose_columns(table(*names), **options) == chosen


REFUSED: list[tuple[tuple[str, ...], dict[str, Any], type[Exception], str]] = [
    (("a", "b", "c"), {}, DataError, r"has the columns a, b, c; which is the input is not clear\.\nName it: --input"),
    (("text", "b", "c"), {}, DataError, r"which is the output is not clear\.\nName it: --output COLUMN"),
    (("text",), {}, DataError, r"which is the output is not clear"),
    (
        ("text", "label"),
        {"input_names": "texts"},
        OptionError,
        r"--input: t\.csv has no column 'texts'\. Did",
    ),
    (
        ("text", "label"),
        {"output_names": "lable"},
        OptionError,
        r"--output: .*'lable'\. Did you mean 'label'",
    ),
    (("text", "label"), {"group": "who"}, OptionError, r"--group: t\.csv has no column 'who'.* It has: text, label"),
    (("text", "label"), {"input_names": "text", "output_names": "text"}, OptionError, r"must name different columns"),
    (("text", "label"), {"output_names": "label,label"}, OptionError, r"each of them once"),
]


@pytest.mark.parametrize(("names", "options", "error", "words"), REFUSED)
def test_ambiguous_columns_are_refused(
    names: tuple[str, ...], options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        choose_columns(table(*names), **options)


KINDS: dict[str, tuple[list[tuple[Cell, Cell]], str]] = {
    "two words": ([("some text here", "yes"), ("more of it now", "no")] * 10, "classification"),
    "few whole numbers": ([("some text here", str(n % 5)) for n in range(50)], "classification"),
    "truth": ([("some text here", n % 2 == 0) for n in range(50)], "classification"),
    "a word about a word": ([("Rossi", "Italian"), ("Smith", "English")] * 10, "classification"),
    "many whole numbers": ([("some text here", str(20 + n % 30)) for n in range(300)], "regression"),
    "decimals": ([("some text here", str(n / 4)) for n in range(50)], "regression"),
    "decimals as numbers": ([("some text here", n / 4) for n in range(50)], "regression"),
    "a tag a word": ([("the cat sat", "DET NOUN VERB"), ("a dog", "DET NOUN")] * 10, "tagging"),
    "lists of tags": ([(["the", "cat"], ["DET", "NOUN"])] * 10, "tagging"),
    "sentences": ([("ein Hund", f"one dog number {n} runs") for n in range(50)], "seq2seq"),
    "as many words, of too many kinds": ([("a b c", f"x{n} y{n} z{n}") for n in range(100)], "seq2seq"),
}


@pytest.mark.parametrize("case", KINDS)
def test_the_kind_of_output_is_detected(case: str) -> None:
    cells, kind = KINDS[case]
    column = Column()
    for text, answer in cells:
        column.add(len(text) if isinstance(text, list) else len(str(text).split()), answer)
    assert column.kind == kind


def parts_of(examples: Examples) -> dict[str, set[int]]:
    return {name: set(rows.tolist()) for name, rows in examples.splits.items()}


def test_a_tenth_is_test_and_a_tenth_validation_by_seed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", some_rows())
    first, again, other = (read_examples(path, DatasetOptions(seed=seed)) for seed in (0, 0, 1))
    splits = parts_of(first)
    assert [first.count(name) for name in ("training", "validation", "test")] == [80, 10, 10]
    assert set.union(*splits.values()) == set(range(100))
    assert parts_of(again) == splits
    assert parts_of(other) != splits
    assert first.description == (
        "100 rows of csv: text (words with character n-grams) -> label, one of 2 labels (even, odd); "
        "to change this: --input --output --task --input-type"
    )


def test_splits_may_be_shares_files_or_none(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", some_rows())
    own = write_csv(tmp_path / "v.csv", some_rows(112)[-13:])
    examples = read_examples(path, DatasetOptions(valid=str(own), test="none"))
    assert [examples.count(name) for name in ("training", "validation", "test")] == [100, 13, 0]
    assert set(examples.fingerprints) == {str(path), str(own)}
    assert examples.place(int(examples.splits["validation"][0])) == f"{own}, row 2"
    assert examples.repeated == 1
    assert "1 row of validation and test is in the training split too" in examples.description
    assert read_examples(path, DatasetOptions(valid=0.2, test=0.3)).count("test") == 30


def test_whole_groups_stay_in_one_split(tmp_path: Path) -> None:
    rows = [(*row, f"speaker {number // 7}") for number, row in enumerate(some_rows())]
    path = write_csv(tmp_path / "t.csv", rows, ("text", "label", "who"))
    for seed in range(5):
        examples = read_examples(path, DatasetOptions(group="who", output="label", seed=seed))
        groups = {name: {row // 7 for row in split} for name, split in parts_of(examples).items()}
        assert all(groups.values())
        assert sum(map(len, groups.values())) == 15
        assert 7 <= examples.count("test") <= 14


def test_a_label_that_training_lacks_is_counted_and_reported(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", some_rows())
    own = write_csv(tmp_path / "v.csv", [("a text", "third"), ("a text", "odd")])
    examples = read_examples(path, DatasetOptions(test=str(own)))
    labels = labels_of(examples)
    assert labels.names == ("even", "odd")
    assert labels.ids[examples.splits["test"]].tolist() == [UNSEEN, 1]
    assert labels.as_written(int(examples.splits["test"][0])) == "third"
    assert "1 rows have a 'label' that the training split lacks (third): always wrong" in examples.description


def test_several_outputs_and_numbers_in_order(tmp_path: Path) -> None:
    rows = [(f"text {number}", str(number % 12), "ab"[number % 2]) for number in range(120)]
    path = write_csv(tmp_path / "t.csv", rows, ("text", "month", "half"))
    examples = read_examples(path, DatasetOptions(output="month,half"))
    assert labels_of(examples, "month").names == tuple(map(str, range(12)))
    assert labels_of(examples, "half").names == ("a", "b")


BAD: dict[str, tuple[list[tuple[str, ...]], DatasetOptions, str]] = {
    "a header alone": ([], DatasetOptions(), r"holds a header, but no rows"),
    "one label": (
        [("text", "a")] * 30,
        DatasetOptions(),
        r"'label' is 'a' everywhere in the training split\.\nGive rows",
    ),
    "too few rows": (some_rows(9), DatasetOptions(), r"holds 9 rows: too few for validation.*need 10"),
    "no answer": (
        [*some_rows(), ("text", "")],
        DatasetOptions(),
        r"t\.csv, row 102: 'label' is empty.*\n.*--skip-empty",
    ),
    "no text": ([("", "a"), *some_rows()], DatasetOptions(), r"t\.csv, row 2: 'text' is empty"),
    "one value": ([("some text", "0.5")] * 90, DatasetOptions(), r"'label' is 0\.5 everywhere.*nothing to predict"),
    "no values": (
        some_rows(),
        DatasetOptions(task="regression"),
        r"row 2: 'label' is 'even'; a value is a number.*\n.*--task classification",
    ),
    "two groups": (
        some_rows(),
        DatasetOptions(output="label", group="label"),
        r"2 groups of rows .*, and 3 splits need at least one each",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_examples_are_refused(case: str, tmp_path: Path) -> None:
    rows, options, words = BAD[case]
    with pytest.raises(DataError, match=words):
        read_examples(write_csv(tmp_path / "t.csv", rows), options)


def test_rows_with_an_empty_cell_are_left_out_on_request(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [*some_rows(), ("text", ""), ("", "odd")])
    examples = read_examples(path, DatasetOptions(skip_empty=True))
    assert len(examples.numbers) == 100
    assert "2 rows with an empty cell left out" in examples.description


def test_a_run_reads_other_tables_like_its_own(tmp_path: Path) -> None:
    first = read_examples(write_csv(tmp_path / "t.csv", some_rows()), DatasetOptions())
    known = DatasetSchema(
        first.columns, first.featurizer, {name: labels.output for name, labels in first.targets.items()}
    )
    other = write_csv(tmp_path / "o.csv", [("Zwölf", "odd"), ("new", "what")])
    examples = read_examples(other, DatasetOptions(valid="none", test="none"), known)
    assert examples.featurizer is first.featurizer
    assert labels_of(examples).ids.tolist() == [1, UNSEEN]
    with pytest.raises(DataError, match=r"w\.csv has no column 'text'; it has: words, label"):
        read_examples(write_csv(tmp_path / "w.csv", [("a", "b")], ("words", "label")), DatasetOptions(), known)


def test_texts_beyond_memory_are_stored_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.dataset.item_store.TOGETHER", 10)
    monkeypatch.setattr("unrolled.data.vocabulary.store.HELD", 64)
    texts, given = Texts(), ["", "one", "zwei ☃", "x" * 100, "", "end"]
    for text in given:
        texts.add(text)
    assert [texts[number] for number in range(len(texts))] == given
    assert texts.lengths.tolist() == [len(text.encode()) for text in given]
    assert list(SplitItems(texts, np.array([5, 1]))) == ["end", "one"]


def test_tokens_are_chosen_by_the_texts_and_come_back_from_json() -> None:
    sentences, names = ["the cat sat here", "the dog sat there"], ["Rossi", "Müller", "O Brien"]
    kinds = {kind: learn_text_featurizer(kind, sentences).kind for kind in ("char", "byte", "word")}
    assert kinds == {"char": "char", "byte": "byte", "word": "words"}
    assert learn_text_featurizer("auto", sentences).kind == "words"
    assert learn_text_featurizer("auto", names).kind == "char"
    assert learn_text_featurizer("auto", [chr(0x4E00 + number) for number in range(600)]).kind == "byte"
    for tokens in (learn_text_featurizer("word", sentences), learn_text_featurizer("char", names)):
        again = featurizer_from_json(tokens.to_json())
        assert isinstance(again, TextFeaturizer) and again.size == tokens.size
        assert (again.encode("the Müller") == tokens.encode("the Müller")).all()
    with pytest.raises(
        OptionError, match=r"--tokenizer takes auto, char, byte, word, bpe; 'wrod' was given. Did you"
    ):
        learn_text_featurizer("wrod", names)
    with pytest.raises(RunError, match="vocabulary is damaged: its words"):
        featurizer_from_json({"kind": "words", "words": [1]})


def test_words_have_characters_inside() -> None:
    tokens = WordFeaturizer.learn(["the cat the dog", "The end"])
    assert tokens.words == ["the"]
    eos, the, cat, upper = tokens.encode("the cat The").tolist()
    assert eos[0] == BOS
    assert not any(eos[1:])
    assert the[0] == upper[0] == FIRST
    assert the[1:] != upper[1:], "pieces are of the word as it is written"
    assert cat[0] == UNKNOWN
    assert all(FIRST < piece < tokens.size for piece in filter(None, cat[1:]))
    assert tokens.size == FIRST + 1 + BUCKETS
    assert character_ngrams("cat") == ["<ca", "cat", "at>", "<cat", "cat>"]
    assert len(character_ngrams("Donaudampfschifffahrtsgesellschaft")) == 22
    assert {"<Don", "aft>"} <= set(character_ngrams("Donaudampfschifffahrtsgesellschaft"))


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    return read_examples(write_csv(tmp_path / "t.csv", some_rows(1000)), DatasetOptions())


def test_an_epoch_reads_every_row_once_and_pads_little(examples: Examples) -> None:
    batches = ExampleBatches(examples, "training", 32, seed=0)
    assert batches.batches_per_epoch == 25
    for epoch in range(2):
        read = [batches.batch(epoch * 25 + k) for k in range(25)]
        assert sum(batch.target_count for batch in read) == 800
        assert sum(int((batch.targets["label"] == 1).sum()) for batch in read) == int(
            (labels_of(examples).ids[examples.splits["training"]] == 1).sum()
        )
    assert batches.padding_share() < 0.1
    assert not torch.equal(batches.batch(0).inputs, batches.batch(25).inputs)


def test_rows_are_batched_by_their_steps_not_their_bytes(tmp_path: Path) -> None:
    rows = [
        (" ".join("ab" for _ in range(20)) if n % 2 else "a" * 57 + " b", "yes" if n % 3 else "no")
        for n in range(400)
    ]
    batches = ExampleBatches(
        read_examples(write_csv(tmp_path / "t.csv", rows), DatasetOptions()), "training", 8, seed=0
    )
    assert batches.padding_share() < 0.05, "by bytes all are alike, and it is 0.4"


def test_a_batch_is_a_pure_function_of_seed_and_number(examples: Examples) -> None:
    one, other = (ExampleBatches(examples, "training", 32, seed=3) for _ in range(2))
    for k in (40, 0, 7):
        first, second = one.batch(k), other.batch(k)
        assert torch.equal(first.inputs, second.inputs)
        assert torch.equal(first.targets["label"], second.targets["label"])
    assert len(ExampleBatches(examples, "test", 32, 0).batch(3).lengths) == 32
    assert ExampleBatches(examples, "test", 32, 0).batch(3).target_count in (4, 32)


def test_rows_read_twice_are_in_the_batch_twice(examples: Examples) -> None:
    once, twice = (ExampleBatches(examples, "training", 32, seed=3, twice=twice) for twice in (False, True))
    for k in (0, 7, 24):
        one, two = once.batch(k), twice.batch(k)
        assert two.twice
        assert not one.twice
        assert two.target_count == 2 * one.target_count
        for half in (slice(0, 32), slice(32, 64)):
            assert torch.equal(two.inputs[half], one.inputs)
            assert torch.equal(two.lengths[half], one.lengths)
            assert torch.equal(two.targets["label"][half], one.targets["label"])
        assert two.cut(0, 3).twice, "a piece of them too"


def test_a_target_is_due_where_its_row_ends(examples: Examples) -> None:
    batch = make_batch(examples, np.arange(5), 6)
    assert batch.target_count == 5
    due = [0] * 6
    for start in range(0, batch.steps, 3):
        piece = batch.cut(start, min(start + 3, batch.steps))
        for row in range(6):
            has_target = int(piece.targets["label"][row]) != NO_TARGET
            due[row] += has_target
            if has_target:
                assert start < int(batch.lengths[row]) <= start + 3
                assert int(piece.lengths[row]) == int(batch.lengths[row]) - start
    assert due == [1, 1, 1, 1, 1, 0]


def test_long_rows_are_read_to_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.dataset.batches.LONGEST", 10)
    inputs, lengths = pad_items(learn_text_featurizer("char", ["ab"]), ["ab" * 20, "a"], 3)
    assert inputs.shape[:2] == (3, 10)
    assert lengths.tolist() == [10, 2, 0]


def test_rows_are_grouped_by_length(examples: Examples) -> None:
    groups = list(groups_by_length(examples, "training", 64))
    assert sorted(np.concatenate(groups).tolist()) == examples.splits["training"].tolist()
    lengths = examples.items.lengths
    assert all(lengths[a].max() <= lengths[b].min() for a, b in pairwise(groups))
    some = np.concatenate(list(groups_by_length(examples, "training", 64, limit=100)))
    assert len(set(some.tolist())) == 100
    assert abs(float(lengths[some].mean()) - float(lengths[examples.splits["training"]].mean())) < 2, (
        "short and long ones"
    )


def write_tagged(path: Path, sentences: list[tuple[list[str], list[str]]]) -> Path:
    path.write_text("".join(json.dumps({"words": words, "tags": tags}) + "\n" for words, tags in sentences))
    return path


SENTENCES = [(["the", "cat"], ["D", "N"]), (["New York"], ["N"]), (["a", "dog", "runs"], ["D", "N", "V"])] * 10


def test_tags_are_targets_of_words(tmp_path: Path) -> None:
    examples = read_examples(write_tagged(tmp_path / "t.jsonl", SENTENCES), DatasetOptions())
    labels = labels_of(examples, "tags")
    assert labels.each
    assert labels.names == ("D", "N", "V")
    assert "tags, one of 3 tags, one per step (D, N, V)" in examples.description
    rows = np.array([2, 0, 1])
    assert [labels.names[tag] for tag in labels.of(rows)] == ["D", "N", "V", "D", "N", "N"]
    assert examples.featurizer.kind == "given"
    assert len(examples.featurizer.encode(examples.items[1])) == 2, "New York is one word, as it was given"
    again = featurizer_from_json(examples.featurizer.to_json())
    assert (again.encode("New York\nruns") == examples.featurizer.encode("New York\nruns")).all()
    batch = make_batch(examples, rows, 4)
    assert batch.targets["tags"].tolist() == [
        [NO_TARGET, 0, 1, 2],
        [NO_TARGET, 0, 1, NO_TARGET],
        [NO_TARGET, 1, NO_TARGET, NO_TARGET],
        [NO_TARGET] * 4,
    ]
    assert batch.target_count == 6
    assert batch.cut(2, 4).targets["tags"].tolist()[0] == [1, 2]


def test_tags_in_strings_are_separated_by_spaces(tmp_path: Path) -> None:
    rows = [("the cat sat", "D N V"), ("a dog", "D N")] * 300
    examples = read_examples(write_csv(tmp_path / "t.csv", rows, ("text", "tags")), DatasetOptions())
    assert labels_of(examples, "tags").names == ("D", "N", "V")
    bad = write_csv(tmp_path / "b.csv", [*rows, ("one two three", "D N")], ("text", "tags"))
    with pytest.raises(
        DataError, match=r"b\.csv, row 602: 3 words and 2 tags in 'tags'; each word or step needs one"
    ):
        read_examples(bad, DatasetOptions())
    with pytest.raises(OptionError, match="Tags belong to words: --tokenizer char cannot be used here"):
        read_examples(tmp_path / "t.csv", DatasetOptions(tokenizer="char"))
    whole = read_examples(tmp_path / "t.csv", DatasetOptions(task="classification"))
    assert labels_of(whole, "tags").names == ("D N", "D N V")


def test_words_with_a_tag_that_training_lacks_are_reported(tmp_path: Path) -> None:
    path = write_tagged(tmp_path / "t.jsonl", SENTENCES)
    own = write_tagged(tmp_path / "v.jsonl", [(["the", "cat"], ["D", "X"])])
    examples = read_examples(path, DatasetOptions(valid=str(own)))
    assert examples.targets["tags"].of(examples.splits["validation"]).tolist() == [0, UNSEEN]
    assert "1 steps have a 'tags' that the training split lacks (X)" in examples.description


def test_tags_that_are_all_blank_are_reported(tmp_path: Path) -> None:
    word = "{}\tword\t_\t_\t_\t_\t_\t_\t_\t_\n"
    (tmp_path / "t.conllu").write_text("\n".join(word.format(1) + word.format(2) for _ in range(40)))
    with pytest.raises(
        DataError, match=r"'upos' is _ at every word of the training split: none is tagged\.\n.*--output"
    ):
        read_examples(tmp_path / "t.conllu", DatasetOptions())
