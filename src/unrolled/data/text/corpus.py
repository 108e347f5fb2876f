"""A corpus: text as tokens, split into training, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.files.look import detect_encoding
from unrolled.data.splits import SPLITS, parse_share
from unrolled.data.text.documents import DOCUMENTS, Documents
from unrolled.data.text.normal_forms import NormalForms
from unrolled.data.text.splits import (
    SHORTEST,
    TEST,
    TRAINING,
    VALIDATION,
    Layout,
    plan_one_split,
    plan_splits,
    sections,
)
from unrolled.data.text.table_column import ROW, TextColumn, read_texts, texts_of_split
from unrolled.data.text.targets import SplitSegments
from unrolled.data.vocabulary.base import EOS, TokenIds, Vocabulary, code_points
from unrolled.data.vocabulary.store import TokenStore, release_pages
from unrolled.data.vocabulary.table import characters_or_bytes, check_tokenizer, make_vocabulary
from unrolled.errors import DataError, OptionError

UNITS = DOCUMENTS | {ROW: "rows"}
CHUNK = 1 << 20  # tokens processed at once


@dataclass(frozen=True)
class Corpus:
    """Text as tokens. `tokens` is `B d1.. B d2..`, where B is the BOS/EOS token (0); see `read_corpus`."""

    path: Path
    documents: str  # unit of a document: file, line, blank, row
    vocabulary: Vocabulary
    tokens: TokenIds  # (N,)
    document_count: int
    splits: dict[str, NDArray[np.int64]]  # split -> (S, 2) start and stop of each segment in tokens
    ends: dict[str, NDArray[np.bool_]]  # split -> (S,) whether the EOS after the segment is a target of it
    fingerprints: dict[str, str]  # path -> sha256, as `fingerprint` gives it
    files: tuple[Path, ...]
    skipped: tuple[Path, ...]  # files of a folder without text
    unknown_characters: dict[str, int]  # characters of validation and test that the vocabulary lacks -> count
    text_characters: int
    notes: tuple[str, ...] = ()  # notes on the text for the user

    @property
    def fingerprint(self) -> str:
        """The sha256 of the main text, without validation and test files."""
        return self.fingerprints[str(self.path)]

    @property
    def document_starts(self) -> NDArray[np.int64]:
        """Positions of the BOS/EOS tokens, (D,)."""
        starts = np.concatenate([segments[:, 0] for segments in self.splits.values()])
        return np.sort(starts[self.tokens[starts] == EOS])

    @property
    def description(self) -> str:
        """A summary of the text in one line."""
        size = self.vocabulary.size - 1
        tokens = {
            "char": f"{size:,} different",
            "byte": "read as bytes",
            "word": f"as {size:,} words and characters",
            "bpe": f"as {size:,} subwords",
        }[self.vocabulary.kind]
        count = self.document_count
        units = "read as one stream" if count == 1 else f"{count:,} {UNITS[self.documents]}, each a document"
        skipped = f"; {len(self.skipped):,} files without text left out" if self.skipped else ""
        notes = "".join(f"; {note}" for note in self.notes)
        return f"{self.text_characters:,} characters of text, {tokens}; {units}{skipped}{notes}"

    def segments(self, split: str) -> SplitSegments:
        """The segments of a split."""
        return SplitSegments(self.tokens, self.splits[split], self.ends[split])

    def targets(self, split: str) -> int:
        """Number of target tokens of a split."""
        return int(self.segments(split).count_targets().sum())

    def characters(self, split: str) -> int:
        """Number of characters of a split's targets."""
        if (self.vocabulary.characters == 1).all():
            return self.targets(split)
        written = sum(float(self.vocabulary.characters[chunk].sum()) for chunk in self._chunks(split, CHUNK))
        # an EOS token at a segment's beginning was counted as a character, but is no target
        boundaries = int((self.tokens[self.splits[split][:, 0]] == EOS).sum())
        return round(written) - boundaries + int(self.ends[split].sum())

    def training_chunks(self, most: int, overlap: int) -> Iterator[TokenIds]:
        """Yield about `most` tokens of the training split, or all, in chunks spread over it.

        Neighbouring chunks share `overlap` tokens. They may be views of a file, and are not kept in memory.
        """
        segments = self.splits["training"]
        every = max(1, -(-int((segments[:, 1] - segments[:, 0]).sum()) // max(1, most)))
        for number, chunk in enumerate(self._chunks("training", CHUNK, overlap)):
            if number % every == 0:
                yield chunk
                release_pages(self.tokens)

    def _chunks(self, split: str, size: int, overlap: int = 0) -> Iterator[TokenIds]:
        segments = self.splits[split]
        joined = segments[1:, 0] == segments[:-1, 1]  # it begins where the one before stops
        starts = segments[np.append(True, ~joined)[: len(segments)], 0]
        stops = segments[np.append(~joined, True)[: len(segments)], 1]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            for place in range(start, stop, size):
                yield self.tokens[place : min(place + size + overlap, stop)]

    def validation_lines(self) -> Iterator[str]:
        """Yield the lines of the validation split that are complete and not empty."""
        for start, stop in self.splits["validation"].tolist():
            chunks = (self.tokens[place : min(place + CHUNK, stop)] for place in range(start, stop, CHUNK))
            whole = start == 0 or self.tokens[start] == EOS
            rest = ""
            for text in self.vocabulary.decode_stream(chunks):
                *lines, rest = (rest + text).split("\n")
                if lines and not whole:  # the first began before the segment
                    lines, whole = lines[1:], True
                yield from filter(None, lines)
            if rest and whole and (stop == len(self.tokens) or self.tokens[stop] == EOS):
                yield rest


def read_corpus(
    path: str | Path,
    documents: str = "file",
    tokenizer: str = "auto",
    seed: int = 0,
    valid: str | float | None = None,
    test: str | float | None = None,
    vocabulary: Vocabulary | None = None,
    column: TextColumn | None = None,
) -> Corpus:
    """Read the text at `path`, split it and encode it as tokens.

    `documents`: "file", "line", "blank" or "row", see `read_texts`. `tokenizer`: "char", "byte", "word", "bpe", or
    "auto": characters if the training split has at most 512 different ones, else bytes. `valid` and `test`: a share,
    a path, or "none"; by default the splits in which data in memory came, or else the last 10% are the test split,
    and 5% of the rest, in blocks, validation; each of a few files gives its share. `vocabulary`: a vocabulary to use
    as it is; by default one is made from the training split. `column`: of a table, whose cells are the documents if
    these are "row".

    The text is read three times, in chunks (surveyed, counted, encoded). Memory grows by 8 to 40 bytes per document,
    and not with the text. Raises DataError, OptionError; TrainingError if the disk has no room for the tokens.
    """
    check_kind(tokenizer, vocabulary)
    any_bytes = "byte" in (tokenizer, vocabulary.kind if vocabulary else "")
    valid_share, test_share = parse_share("valid", valid, 0.05), parse_share("test", test, 0.1)
    sources = [read_texts(path, documents, any_bytes, column)]
    layouts = []
    fingerprints = {}
    held_out: list[tuple[str, str, frozenset[str]]] = []  # validation and test files: their digests
    shares = [0.0, 0.0]
    for place, (split, requested, given) in enumerate(((VALIDATION, valid, valid_share), (TEST, test, test_share))):
        own = texts_of_split(sources[0], SPLITS[split]) if requested is None else None
        if own is None and isinstance(given, float | int):
            shares[place] = given
            continue
        sources.append(own or read_texts(str(given), documents, any_bytes, column))
        found = survey(sources[-1])
        fingerprints[str(sources[-1].path)] = found.fingerprint
        layouts.append(plan_one_split(found.starts, found.total, split))
        held_out.append((SPLITS[split], str(sources[-1].path), found.digests))
    found = survey(sources[0])
    shared = [
        f"the {split} text {given} is also in the training text, so its score is too good"
        for split, given, digests in held_out
        if digests & found.digests
    ]
    total, fingerprints[str(Path(path))] = found.total, found.fingerprint
    if any(shares) and total < SHORTEST:
        raise DataError(
            f"{path} holds {total:,} characters: too short to split off validation and test, which takes "
            f"{SHORTEST}.\nGive more text, or separate files: --valid FILE --test FILE."
        )
    layouts.insert(0, plan_splits(found.starts, total, shares[0], shares[1], seed, found.files))
    if vocabulary is None:
        vocabulary = learn_vocabulary(tokenizer, sources[0], layouts[0])
    whole, edges, unseen = encode_all(sources, layouts, vocabulary)
    corpus = _assemble(sources, layouts, vocabulary, whole, edges, unseen, fingerprints)
    return replace(corpus, notes=tuple(filter(None, (sources[0].note, found.mixed, *shared))))


def check_kind(tokenizer: str, vocabulary: Vocabulary | None) -> None:
    """Raise OptionError for an unknown kind of vocabulary, or another than the given one's."""
    check_tokenizer(tokenizer)
    if vocabulary and tokenizer not in ("auto", vocabulary.kind):
        raise OptionError(
            f"--tokenizer {tokenizer} was given, but the run's vocabulary is of kind {vocabulary.kind}. "
            "Leave --tokenizer out."
        )


class Survey(NamedTuple):
    """Statistics from one pass over a text."""

    starts: NDArray[np.int64]  # characters before each document
    files: NDArray[np.int64]  # characters before each file that is not empty
    total: int  # characters
    fingerprint: str
    digests: frozenset[str]  # of each file
    mixed: str  # a note if characters are encoded in two normal forms, else empty


def survey(documents: Documents) -> Survey:
    """Read the whole text once."""
    digests: dict[Path, str] = {}
    starts, files, total = [], list[int](), 0
    forms = NormalForms()
    for file in documents.files:
        before = total
        for chunk in replace(documents, files=(file,)).chunks(digests):
            starts.append(chunk.starts + total)
            total += len(chunk.text)
            forms.see(chunk.text)
        files += [before] if total > before else []
    if not total:
        raise DataError(f"{documents.path} holds no text. Give a file that has text in it.")
    if documents.path.is_dir():
        others = [path for path in documents.skipped if detect_encoding(path) == "other text"]
        mark = join_digests(documents.path, digests | {path: digest_of(path) for path in others})
    else:
        mark = digests[documents.files[0].path]
    return Survey(np.concatenate(starts), np.array(files), total, mark, frozenset(digests.values()), forms.note)


def learn_vocabulary(tokenizer: str, documents: Documents, layout: Layout) -> Vocabulary:
    """The vocabulary of the training split."""
    counts: Counter[str] = Counter()
    for section in sections(documents, layout):
        if section.split == TRAINING:
            found = np.bincount(code_points(section.text))
            counts.update({chr(point): int(found[point]) for point in np.flatnonzero(found).tolist()})
    if len(counts) < 2:
        one = repr(next(iter(counts), ""))
        raise DataError(f"{documents.path} holds only one character, {one}: there is nothing to predict.")
    tokenizer = characters_or_bytes(counts) if tokenizer == "auto" else tokenizer
    return make_vocabulary(tokenizer, counts, training_texts(documents, layout))


def training_texts(documents: Documents, layout: Layout) -> Iterator[str]:
    """Yield the segments of the training split, so that no word crosses a document's end."""
    for section in sections(documents, layout):
        if section.split == TRAINING:
            edges = [0, *section.cuts.tolist(), len(section.text)]
            yield from (section.text[start:stop] for start, stop in pairwise(edges) if stop > start)


def encode_all(
    sources: list[Documents], layouts: list[Layout], vocabulary: Vocabulary
) -> tuple[TokenIds, NDArray[np.int64], Counter[str]]:
    """Encode all texts; return the tokens, each layout's edges among them, and characters that the vocabulary lacks.

    One more edge marks the end.
    """
    store = TokenStore(vocabulary.dtype)
    edges = np.empty(sum(len(layout.edges) for layout in layouts) + 1, np.int64)
    count = 0
    unseen: Counter[str] = Counter()
    for documents, layout in zip(sources, layouts, strict=True):
        for section in sections(documents, layout):
            tokens, cuts = vocabulary.encode_with_cuts(section.text, section.cuts)
            if section.split != TRAINING:
                unseen += vocabulary.unseen_counts(section.text)
            edges[count : count + len(cuts)] = store.count + cuts + _count_before(section.boundaries)
            count += len(cuts)
            store.add(np.insert(tokens, cuts[section.boundaries], EOS) if len(cuts) else tokens)
    edges[count] = store.count
    return store.as_array(), edges, unseen


def _count_before(boundaries: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of BOS/EOS tokens that are inserted before each cut: one per document that begins earlier."""
    return np.asarray(np.cumsum(boundaries) - boundaries, np.int64)


def _assemble(
    sources: list[Documents],
    layouts: list[Layout],
    vocabulary: Vocabulary,
    tokens: TokenIds,
    edges: NDArray[np.int64],
    unseen: Counter[str],
    fingerprints: dict[str, str],
) -> Corpus:
    labels = np.concatenate([layout.splits for layout in layouts])
    boundaries = np.concatenate([layout.document_starts for layout in layouts])
    characters = sum(layout.total for layout in layouts)
    last = np.cumsum([len(layout.edges) for layout in layouts]) - 1
    layouts.clear()  # frees memory, which matters with millions of documents
    ends = np.append(boundaries[1:], False)  # a document ends and another follows
    ends[last] = False  # but none follows in this text
    chosen = {name: labels == split for split, name in enumerate(SPLITS)}
    splits = {name: np.empty((int(rows.sum()), 2), np.int64) for name, rows in chosen.items()}
    for name, rows in chosen.items():
        splits[name][:, 0] = edges[:-1][rows]
        splits[name][:, 1] = edges[1:][rows]
    return Corpus(
        path=sources[0].path,
        documents=sources[0].documents,
        vocabulary=vocabulary,
        tokens=tokens,
        document_count=int(boundaries.sum()),
        splits=splits,
        ends={name: ends[rows] for name, rows in chosen.items()},
        fingerprints=fingerprints,
        files=tuple(file.path for source in sources for file in source.files),
        skipped=sources[0].skipped,
        unknown_characters=dict(unseen),
        text_characters=characters,
    )
