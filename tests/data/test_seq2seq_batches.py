"""Batches of rows with their target texts."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.data.dataset import targets as answers
from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.item_store import Texts
from unrolled.data.dataset.outputs import LONGEST_TEXT, TextOutput
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.seq2seq_batches import PairBatches, make_pairs, order_by_lengths
from unrolled.data.dataset.targets import TextTargets, encode_texts
from unrolled.data.modalities.category import CategoryFeaturizer
from unrolled.data.vocabulary import store
from unrolled.data.vocabulary.base import ByteVocabulary, CharacterVocabulary, TokenIds, Vocabulary
from unrolled.data.vocabulary.subwords import WordVocabulary
from unrolled.errors import OptionError


def read(folder: Path, rows: list[tuple[str, str]]) -> Examples:
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "output"), *rows])
    return read_examples(folder / "t.csv", DatasetOptions(task="seq2seq", input_type="text", tokenizer="char"))


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Inputs and texts of independent lengths."""
    generator = random.Random(0)
    return read(
        tmp_path, [("a" * generator.randint(0, 40) + "b", "c" * generator.randint(1, 40)) for _ in range(700)]
    )


def test_a_batch_is_the_rows_and_their_texts(examples: Examples) -> None:
    written = examples.text_targets
    assert written is not None
    rows = np.array([5, 9, 2])
    batch = make_pairs(examples, rows, 4)
    assert batch.lengths.tolist() == [1 + len(str(examples.items[row])) for row in rows] + [0]
    assert batch.target_lengths.tolist() == [1 + len(written.texts[row]) for row in rows] + [0]
    assert batch.steps == max(batch.target_lengths)
    assert batch.target_count == int(batch.target_lengths.sum())
    assert bool(batch.fresh.all())
    for row, targets, length in zip(rows, batch.targets, batch.target_lengths.tolist(), strict=False):
        assert written.output.vocabulary.decode(targets[: length - 1].tolist()) == written.texts[row]
        assert not bool(targets[length - 1 :].any()), "a border ends it, and padding is zero"


def test_an_input_with_several_texts_is_in_a_batch_once(tmp_path: Path) -> None:
    examples = read(tmp_path, [("aa", "x"), ("b", "y"), ("aa", "zz"), *[("c" * n, "y") for n in range(5, 40)]])
    batch = make_pairs(examples, np.array([2, 1, 0]), 5)
    assert batch.of_text is not None
    assert batch.of_text.tolist() == [0, 1, 0, 2, 2]
    assert batch.lengths.tolist() == [3, 2, 3, 0, 0]
    alone = make_pairs(examples, np.array([2, 1]), 3)
    assert torch.equal(batch.inputs, alone.inputs), "the third input is empty, for the padding rows"
    assert batch.target_lengths.tolist() == [3, 2, 2, 0, 0]


def test_every_row_is_once_in_an_epoch_and_batches_depend_on_the_seed(examples: Examples) -> None:
    batches = PairBatches(examples, "training", 32, seed=3)
    seen = torch.cat([batches.batch(k).target_lengths for k in range(batches.batches_per_epoch)])
    written = examples.text_targets
    assert written is not None
    expected = sorted(1 + len(written.texts[row]) for row in examples.splits["training"].tolist())
    assert sorted(seen[seen > 0].tolist()) == expected
    again = PairBatches(examples, "training", 32, seed=3)
    for k in (20, 3, 17):
        assert torch.equal(again.batch(k).targets, batches.batch(k).targets)
    other = PairBatches(examples, "training", 32, seed=4)
    assert not torch.equal(other.batch(0).target_lengths, batches.batch(0).target_lengths)


def test_each_text_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: Counter[str] = Counter()
    plain = CharacterVocabulary.encode

    def encode(table: CharacterVocabulary, text: str) -> TokenIds:
        encoded[text] += 1
        return plain(table, text)

    monkeypatch.setattr(CharacterVocabulary, "encode", encode)
    examples = read(tmp_path, [("a" * (1 + number % 30), f"c{number}") for number in range(300)])
    batches = PairBatches(examples, "training", 16, seed=0)
    for k in range(2 * batches.batches_per_epoch):
        batches.batch(k)
    assert {encoded[f"c{number}"] for number in range(300)} == {1}


@pytest.mark.parametrize("held", [1 << 26, 16])
@pytest.mark.parametrize(
    "table", [CharacterVocabulary("abcé", "c"), ByteVocabulary(), WordVocabulary("abc ", "a", ["abc", " bca"])]
)
def test_texts_are_stored_as_consecutive_tokens(
    table: Vocabulary, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with each text encoded by itself; held: the bytes above which tokens are kept in a file."""
    monkeypatch.setattr(store, "HELD", held)
    monkeypatch.setattr(answers, "CHUNK", 3)
    spelled = ["abc bca", "", "a" * 1200, "é", "b" * 999, "c" * 1000, "cab"]
    texts = Texts()
    for text in spelled:
        texts.add(text)
    ids, starts = encode_texts(table, texts)
    assert ids.dtype == table.dtype
    written = TextTargets(TextOutput(table, LONGEST_TEXT), texts, ids, starts)
    expected = [[*table.encode(text)[:LONGEST_TEXT].tolist(), 0][:LONGEST_TEXT] for text in spelled]
    assert [written.tokens(row).tolist() for row in range(7)] == expected
    rows = np.array([6, 1, 4])
    assert written.of(rows).tolist() == expected[6] + expected[1] + expected[4]
    assert written.target_lengths(rows, 4).tolist() == [*(len(expected[row]) for row in (6, 1, 4)), 0]
    laid = written.batch_targets(rows, 4, 1, 0)
    assert laid.dtype == np.int64 and laid.shape == (4, len(expected[4]))
    assert [row.tolist() for row in laid] == [
        text + [0] * (len(expected[4]) - len(text)) for text in (expected[6], expected[1], expected[4], [])
    ]
    assert written.batch_targets(rows[:0], 2, 1, 0).shape == (2, 0)


def test_rows_are_of_like_length_in_both(examples: Examples) -> None:
    assert PairBatches(examples, "training", 8, seed=0).padding_share() < 0.1
    generator = np.random.default_rng(0)
    inputs, texts = generator.integers(1, 100, 512), generator.integers(1, 100, 512)
    order = order_by_lengths(inputs, texts)
    assert sorted(order.tolist()) == list(range(512))
    spread = [np.ptp(lengths[order].reshape(-1, 8), axis=1).mean() for lengths in (inputs, texts)]
    assert max(spread) < 25, "where rows stand by chance it is about 77"


def test_a_batch_is_not_cut_into_segments(examples: Examples) -> None:
    batch = make_pairs(examples, np.array([0, 1]))
    assert batch.cut(0, batch.steps) is batch
    with pytest.raises(OptionError, match=r"a target text is one segment\. Leave out --bptt"):
        batch.cut(0, 1)


def test_long_texts_are_learnt_to_a_thousand_tokens(tmp_path: Path) -> None:
    examples = read(tmp_path, [("a" * 1500, "b" * 999), ("c", "d" * 1000), *[("e", f"f{n}") for n in range(20)]])
    written = examples.text_targets
    assert written is not None
    assert written.tokens(0).tolist()[-2:] != [0, 0]
    assert written.tokens(0)[-1] == 0
    assert len(written.tokens(1)) == LONGEST_TEXT
    assert written.tokens(1)[-1] != 0, "it is not ended where it was cut"
    assert written.output.longest <= LONGEST_TEXT


def test_a_category_is_one_step_and_unknown_ones_are_read_as_the_most_similar() -> None:
    tokens = CategoryFeaturizer.learn(["Italian", "Greek", "Greek", "Arabic"])
    assert tokens.names == ["Greek", "Arabic", "Italian"]
    assert [tokens.encode(name).tolist() for name in tokens.names] == [[[1]], [[2]], [[3]]]
    assert tokens.nearest_label("italian") == "Italian"
    assert tokens.nearest_label("??") == "Greek", "the most frequent"


def test_few_different_inputs_are_categories_unless_an_option_says_otherwise(tmp_path: Path) -> None:
    rows = [("xyz"[number % 3], f"text {number}") for number in range(60)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "output"), *rows])
    assert read_examples(tmp_path / "t.csv", DatasetOptions()).featurizer.kind == "category"
    assert read_examples(tmp_path / "t.csv", DatasetOptions(input_type="text")).featurizer.kind == "char"
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "output"), *((f"{number}", f"text {number}") for number in range(60))])
    assert read_examples(tmp_path / "t.csv", DatasetOptions(input_type="category")).featurizer.kind == "category"
