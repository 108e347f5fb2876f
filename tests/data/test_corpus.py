"""A corpus: its splits, its vocabulary, and what is refused."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import EOS, CharacterVocabulary, Corpus, fingerprint, read_corpus
from unrolled.data.text.splits import TRAINING, Layout, plan_splits
from unrolled.data.vocabulary.store import TokenStore, release_pages
from unrolled.errors import DataError, OptionError, TrainingError

SPLITS = ("training", "validation", "test")


def prose(characters: int = 20_000, seed: int = 0, letters: str = "abcdefgh     \n") -> str:
    """A text that is long enough to be split."""
    return "".join(random.Random(seed).choices(letters, k=characters))


def write(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def covered(corpus: Corpus) -> np.ndarray:
    """The number of segments of a corpus that contain each token."""
    times = np.zeros(len(corpus.tokens), np.int64)
    for split in SPLITS:
        for start, stop in corpus.splits[split].tolist():
            times[start:stop] += 1
    return times


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=400),
    valid=st.sampled_from([0.0, 0.05, 0.1, 0.5]),
    test=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 5),
)
def test_splits_are_disjoint_and_cover_the_text(lengths: list[int], valid: float, test: float, seed: int) -> None:
    total = sum(lengths)
    starts = np.cumsum([0, *lengths[:-1]])
    layout = plan_splits(starts, total, valid, test, seed)
    assert layout.edges[layout.document_starts].tolist() == starts.tolist()
    assert (np.diff(layout.edges, append=total) > 0).all()
    assert layout.edges[0] == 0
    if total >= 200:
        sizes = np.bincount(layout.splits, np.diff(layout.edges, append=total), minlength=3) / total
        wanted = np.array([(1 - valid) * (1 - test), valid * (1 - test), test])
        assert np.abs(sizes - wanted).max() < 0.12
        assert (sizes[wanted == 0] == 0).all()


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 3000), min_size=2, max_size=199),
    valid=st.sampled_from([0.0, 0.05, 0.5]),
    test=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 5),
)
def test_each_of_few_files_gives_its_share(lengths: list[int], valid: float, test: float, seed: int) -> None:
    starts, total = np.cumsum([0, *lengths[:-1]]), sum(lengths)
    layout = plan_splits(starts, total, valid, test, seed, starts)
    assert layout.edges[layout.document_starts].tolist() == starts.tolist()
    sizes = np.diff(layout.edges, append=total)
    assert (sizes > 0).all()
    own = np.searchsorted(starts, layout.edges, side="right") - 1
    wanted = np.array([(1 - valid) * (1 - test), valid * (1 - test), test])
    for file, length in enumerate(lengths):
        found = np.bincount(layout.splits[own == file], sizes[own == file], minlength=3)
        if length < 10:
            assert found[1:].sum() == 0
        else:
            assert np.abs(found - wanted * length).max() <= 4
    again = plan_splits(starts, total, valid, test, seed, starts)
    assert layout.edges.tolist() == again.edges.tolist() and layout.splits.tolist() == again.splits.tolist()


@pytest.mark.parametrize("documents", ["file", "line", "blank"])
def test_a_folder_of_few_files_is_not_split_by_name_order(tmp_path: Path, documents: str) -> None:
    for name, letters in zip("abc", ("abc  ", "def  ", "ghi  "), strict=True):
        write(tmp_path / f"{name}.txt", "\n\n".join(prose(900, seed, letters) for seed in range(3)))
    corpus = read_corpus(tmp_path, documents)
    assert not corpus.unknown_characters
    for split in SPLITS:
        texts = [corpus.vocabulary.decode(corpus.tokens[start:stop]) for start, stop in corpus.splits[split].tolist()]
        assert set("adg") <= set("".join(texts)), split
        assert all(len(set(text) & set("adg")) <= 1 for text in texts), "a block crosses the end of a file"
    assert (covered(corpus) == 1).all()
    assert read_corpus(tmp_path, documents).splits["test"].tolist() == corpus.splits["test"].tolist()


def test_many_documents_are_left_whole() -> None:
    layout = plan_splits(np.arange(0, 3000, 10), 3000, 0.05, 0.1, 0)
    assert layout.document_starts.all()
    assert np.bincount(layout.splits).tolist() == [255, 15, 30]
    assert (layout.splits[-30:] == 2).all()


def test_validation_has_a_block_in_each_fifth() -> None:
    layout = plan_splits(np.array([0]), 100_000, 0.05, 0.1, 3)
    begins = layout.edges[layout.splits == 1]
    assert (begins // 18_000).tolist() == [0, 1, 2, 3, 4]
    assert np.diff(layout.edges, append=100_000)[layout.splits == 1].tolist() == [900] * 5
    others = [plan_splits(np.array([0]), 100_000, 0.05, 0.1, seed).edges.tolist() for seed in (3, 4)]
    assert layout.edges.tolist() == others[0] != others[1]


@pytest.mark.parametrize("documents", ["file", "line", "blank"])
@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe"])
def test_the_tokens_are_the_text(tmp_path: Path, documents: str, tokens: str) -> None:
    if tokens == "bpe":
        pytest.importorskip("tokenizers")
    text = prose(letters="abcde   \né—") * 2
    corpus = read_corpus(write(tmp_path / "a.txt", text), documents, tokens)
    assert (covered(corpus) == 1).all()
    starts = corpus.document_starts
    assert (corpus.tokens[starts] == EOS).all()
    assert (corpus.tokens == EOS).sum() == len(starts) == corpus.document_count
    read = [corpus.vocabulary.decode(split) for split in np.split(corpus.tokens, starts)[1:]]
    wanted = {"file": [text], "line": [line for line in text.split("\n") if line]}
    assert read == wanted.get(documents, read)
    assert all(read)
    for split in SPLITS:
        for start, stop in corpus.splits[split].tolist():
            assert not (corpus.tokens[start + 1 : stop] == EOS).any()
    spelled = sum(corpus.characters(split) for split in SPLITS)
    assert spelled == corpus.text_characters + corpus.document_count - 1
    if tokens == "char":
        assert [corpus.targets(split) for split in SPLITS] == [corpus.characters(split) for split in SPLITS]


def test_ends_are_targets_where_another_document_follows(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "a.txt", prose(4000)), "line")
    for split in SPLITS:
        for (_, stop), end in zip(corpus.splits[split].tolist(), corpus.ends[split].tolist(), strict=True):
            follows = stop < len(corpus.tokens) and corpus.tokens[stop] == EOS
            assert end == follows


def test_the_same_bytes_give_the_same_corpus_however_they_are_chunked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.txt", prose(letters="abcdé \n"))
    for documents in ("file", "line", "blank"):
        whole = read_corpus(path, documents)
        with monkeypatch.context() as patch:
            patch.setattr("unrolled.data.files.look.BYTES_AT_ONCE", 777)
            patch.setattr("unrolled.data.vocabulary.store.HELD", 5000)
            cut = read_corpus(path, documents)
        assert np.array_equal(whole.tokens, cut.tokens)
        assert not cut.tokens.flags.writeable
        assert not whole.tokens.flags.writeable
        for split in SPLITS:
            assert np.array_equal(whole.splits[split], cut.splits[split])
            assert np.array_equal(whole.ends[split], cut.ends[split])
        assert whole.vocabulary.to_json() == cut.vocabulary.to_json()


def test_the_vocabulary_comes_from_the_training_split(tmp_path: Path) -> None:
    text = prose(10_000)
    corpus = read_corpus(write(tmp_path / "a.txt", text[:9000] + text[9000:].replace("a", "ä")))
    assert isinstance(corpus.vocabulary, CharacterVocabulary)
    assert "ä" not in corpus.vocabulary.letters
    assert corpus.unknown_characters == {"ä": text[9000:].count("a")}
    start, stop = corpus.splits["test"][0].tolist()
    assert corpus.vocabulary.decode(corpus.tokens[start:stop]) == text[9000:]


def test_a_given_vocabulary_is_used(tmp_path: Path) -> None:
    table = CharacterVocabulary("abc x", "x")
    corpus = read_corpus(write(tmp_path / "a.txt", "ABBA\n"), vocabulary=table, valid=0, test=0)
    assert corpus.vocabulary is table
    assert corpus.vocabulary.decode(corpus.tokens) == "abba "
    assert len(corpus.splits["test"]) == len(corpus.splits["validation"]) == 0
    with pytest.raises(OptionError, match=r"the run's vocabulary is of kind char. Leave --tokenizer out"):
        read_corpus(tmp_path / "a.txt", tokenizer="byte", vocabulary=table)


def test_validation_and_test_may_be_files_of_their_own(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, prose(300, seed)) for seed, name in enumerate(("a", "b", "c"))]
    corpus = read_corpus(paths[0], valid=str(paths[1]), test=str(paths[2]))
    for split, path in zip(SPLITS, paths, strict=True):
        assert len(corpus.splits[split]) == 1
        start, stop = corpus.splits[split][0].tolist()
        assert corpus.vocabulary.decode(corpus.tokens[start:stop]) == path.read_text()
        assert not corpus.ends[split].any()
        assert corpus.fingerprints[str(path)] == fingerprint(path)
    half = read_corpus(paths[0], valid="none", test="0.5")
    assert (len(half.splits["validation"]), half.targets("test")) == (0, 150)


def test_a_held_out_text_that_is_also_trained_on_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    for name in "ab":
        write(folder / f"{name}.txt", prose(seed=ord(name)))
    copy, other = write(tmp_path / "copy.txt", prose(seed=ord("a"))), write(tmp_path / "other.txt", prose(seed=7))
    said = read_corpus(folder, valid=str(copy), test=str(folder / "b.txt")).description
    assert f"; the validation text {copy} is also in the training text, so its score is too good" in said
    assert f"; the test text {folder / 'b.txt'} is also in the training text" in said
    assert "also in" not in read_corpus(folder, valid=str(other), test=str(other)).description


def test_tables_that_are_read_as_text_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", prose())
    assert "table" not in read_corpus(tmp_path).description
    write(tmp_path / "rows.jsonl", '{"text": "a"}\n' * 9)
    assert (
        "; a table is read as plain text, character by character (rows.jsonl); " in read_corpus(tmp_path).description
    )
    write(tmp_path / "more.csv", "a,b\n1,2\n")
    assert "; 2 tables are read as plain text, " in read_corpus(tmp_path).description


def test_a_fingerprint_made_while_reading_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    one = write(tmp_path / "texts" / "a.txt", prose())
    assert read_corpus(one).fingerprint == fingerprint(one) == hashlib.sha256(one.read_bytes()).hexdigest()
    (tmp_path / "texts" / "b.txt").write_bytes(b"na\xefve")
    (tmp_path / "texts" / "c.bin").write_bytes(b"\0")
    corpus = read_corpus(tmp_path / "texts")
    assert corpus.fingerprint == fingerprint(tmp_path / "texts")
    assert corpus.fingerprint == read_corpus(tmp_path / "texts", tokenizer="byte").fingerprint
    assert "2 files without text left out" in corpus.description


def test_the_description_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "abc\n" * 1000)
    assert read_corpus(path).description == "4,000 characters of text, 4 different; read as one stream"
    assert read_corpus(path, "line", "byte").description == (
        "3,000 characters of text, read as bytes; 1,000 lines, each a document"
    )


def test_many_characters_are_read_as_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", prose(letters="".join(map(chr, range(0x4E00, 0x5200)))))
    assert read_corpus(path).vocabulary.kind == "byte"
    assert read_corpus(path, tokenizer="char").tokens.dtype == np.uint16


def test_training_segments_are_the_training_text_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = read_corpus(write(tmp_path / "a.txt", prose()), "line")
    text = np.concatenate([corpus.tokens[start:stop] for start, stop in corpus.splits["training"].tolist()])
    whole = list(corpus.training_chunks(len(text), overlap=0))
    assert len(whole) <= 6
    assert np.array_equal(np.concatenate(whole), text)
    monkeypatch.setattr("unrolled.data.text.corpus.CHUNK", 100)
    cut = list(corpus.training_chunks(len(text), overlap=0))
    assert all(len(piece) <= 100 for piece in cut)
    assert np.array_equal(np.concatenate(cut), text)
    lapped = list(corpus.training_chunks(len(text), overlap=7))
    assert len(lapped) == len(cut)
    assert np.array_equal(lapped[0], np.r_[cut[0], cut[1][:7]])
    some = list(corpus.training_chunks(len(text) // 4, overlap=0))
    assert np.array_equal(np.concatenate(some), np.concatenate(cut[:: -(-len(text) // (len(text) // 4))]))


def test_mapped_tokens_are_released_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.vocabulary.store.HELD", 1000)
    store = TokenStore(np.dtype(np.uint16))
    for start in range(0, 200_000, 1000):
        store.add(np.arange(start, start + 1000).astype(np.uint16))
    tokens = store.as_array()
    total, mapped = tokens.sum(), mapped_bytes()
    assert mapped
    release_pages(tokens)
    assert mapped_bytes() <= mapped - tokens.nbytes
    assert tokens.sum() == total
    release_pages(np.arange(5))  # the resident memory does not grow


def mapped_bytes() -> int:
    """Resident bytes of this process that are pages of files."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("documents", ["file", "line"])
def test_validation_lines_are_whole_lines_of_the_validation_split(tmp_path: Path, documents: str) -> None:
    text = "\n".join(f"{number} {'x' * (number % 7)}" for number in range(4000))
    corpus = read_corpus(write(tmp_path / "a.txt", text), documents)
    lines = list(corpus.validation_lines())
    assert set(lines) <= set(text.split("\n"))
    assert abs(len(lines) - 4000 * 0.045) < 15


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("abc " * 20, {}, r"holds 80 characters: too short to split off validation and test, which takes 200"),
        ("a" * 5000, {}, "holds only one character, 'a': there is nothing to predict"),
        ("\n\n\n", {"documents": "line"}, "holds no text. Give a file"),
        ("ab" * 500, {"valid": "missing.txt"}, "missing.txt: no such file"),
    ],
)
def test_unusable_text_is_refused(tmp_path: Path, text: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_corpus(write(tmp_path / "a.txt", text), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tokenizer": "chars"}, r"auto, char, byte, word, bpe; 'chars' was given. Did you mean 'char'\?"),
        ({"documents": "paragraph"}, "file, line or blank; 'paragraph' was given"),
        ({"valid": "0.7"}, "--valid takes a share of the text from 0 to 0.5, a file, or none; got 0.7"),
        ({"test": "nan"}, "--test takes a share .*; got nan"),
    ],
)
def test_invalid_options_are_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        read_corpus(write(tmp_path / "a.txt", prose()), **options)  # type: ignore[arg-type]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", prose())

    def truncate(*given: Any) -> Layout:
        write(path, prose(1000))
        return plan_splits(*given)

    monkeypatch.setattr("unrolled.data.text.corpus.plan_splits", truncate)
    with pytest.raises(DataError, match=r"a.txt changed while it was read. Start again"):
        read_corpus(path)


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unrolled.data.vocabulary.store.HELD", 100)
    monkeypatch.setattr("unrolled.fileio.tempfile.TemporaryFile", full)
    with pytest.raises(TrainingError, match=r"No room for the tokens of the text in .*TMPDIR"):
        read_corpus(write(tmp_path / "a.txt", prose()))


def test_shakespeare_is_cut_where_the_figures_say(shakespeare: Path) -> None:
    corpus = read_corpus(shakespeare)
    assert corpus.description == "1,115,394 characters of text, 65 different; read as one stream"
    assert corpus.characters("training") + corpus.characters("validation") == 1_003_854
    assert corpus.characters("test") == 111_540
    assert corpus.tokens.dtype == np.uint8
    assert TRAINING == 0
