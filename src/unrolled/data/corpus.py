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

from unrolled.data.cuts import (
    PARTS,
    SHORTEST,
    TEST,
    TRAINING,
    VALIDATION,
    Layout,
    lay_out,
    lay_out_whole,
    sections,
    share_of,
)
from unrolled.data.fingerprints import digest_of, join_digests
from unrolled.data.normal_forms import NormalForms
from unrolled.data.pieces import PieceTable, WordTable
from unrolled.data.store import SymbolStore, let_go
from unrolled.data.symbols import BORDER, ByteTable, CharacterTable, Symbols, Table, code_points
from unrolled.data.table_file import USUAL, TableOptions
from unrolled.data.targets import count_targets
from unrolled.data.text import DOCUMENTS, Documents, judge
from unrolled.data.text_columns import ROW, read_texts
from unrolled.errors import DataError, OptionError, nearest

UNITS = DOCUMENTS | {ROW: "rows"}
KINDS = ("auto", "char", "byte", "word", "bpe")
MOST_CHARACTERS = 512  # different characters, up to which they are the tokens
CHUNK = 1 << 20  # tokens processed at once


@dataclass(frozen=True)
class Corpus:
    """Text as tokens. `symbols` is `B d1.. B d2..`, where B is the BOS/EOS token (0); see `read_corpus`."""

    path: Path
    documents: str  # unit of a document: file, line, blank, row
    table: Table
    symbols: Symbols  # (N,)
    document_count: int
    parts: dict[str, NDArray[np.int64]]  # split -> (S, 2) start and stop of each segment in symbols
    ends: dict[str, NDArray[np.bool_]]  # split -> (S,) whether the EOS after the segment is a target of it
    fingerprints: dict[str, str]  # path -> sha256, as `fingerprint` gives it
    files: tuple[Path, ...]
    skipped: tuple[Path, ...]  # files of a folder without text
    unseen: dict[str, int]  # characters of validation and test that the vocabulary lacks -> count
    text_characters: int
    notes: tuple[str, ...] = ()  # notes on the text for the user

    @property
    def fingerprint(self) -> str:
        """The sha256 of the main text, without validation and test files."""
        return self.fingerprints[str(self.path)]

    @property
    def document_starts(self) -> NDArray[np.int64]:
        """Positions of the BOS/EOS tokens, (D,)."""
        starts = np.concatenate([stretches[:, 0] for stretches in self.parts.values()])
        return np.sort(starts[self.symbols[starts] == BORDER])

    @property
    def description(self) -> str:
        """A summary of the text in one line."""
        size = self.table.size - 1
        tokens = {
            "char": f"{size:,} different",
            "byte": "read as bytes",
            "word": f"as {size:,} words and characters",
            "bpe": f"as {size:,} subwords",
        }[self.table.kind]
        count = self.document_count
        units = "read as one stream" if count == 1 else f"{count:,} {UNITS[self.documents]}, each a document"
        skipped = f"; {len(self.skipped):,} files without text left out" if self.skipped else ""
        notes = "".join(f"; {note}" for note in self.notes)
        return f"{self.text_characters:,} characters of text, {tokens}; {units}{skipped}{notes}"

    def targets(self, part: str) -> int:
        """Number of target tokens of a split."""
        return int(count_targets(self.symbols, self.parts[part], self.ends[part]).sum())

    def characters(self, part: str) -> int:
        """Number of characters of a split's targets."""
        if (self.table.characters == 1).all():
            return self.targets(part)
        written = sum(float(self.table.characters[chunk].sum()) for chunk in self._chunks(part, CHUNK))
        borders = int(
            (self.symbols[self.parts[part][:, 0]] == BORDER).sum()
        )  # each counted as a character, but not a target
        return round(written) - borders + int(self.ends[part].sum())

    def training_pieces(self, most: int, overlap: int) -> Iterator[Symbols]:
        """Yield about `most` tokens of the training split, or all, in chunks spread over it.

        Neighbouring chunks share `overlap` tokens. They may be views of a file, and are not kept in memory.
        """
        stretches = self.parts["training"]
        every = max(1, -(-int((stretches[:, 1] - stretches[:, 0]).sum()) // max(1, most)))
        for number, chunk in enumerate(self._chunks("training", CHUNK, overlap)):
            if number % every == 0:
                yield chunk
                let_go(self.symbols)

    def _chunks(self, part: str, size: int, overlap: int = 0) -> Iterator[Symbols]:
        stretches = self.parts[part]
        joined = stretches[1:, 0] == stretches[:-1, 1]  # it begins where the one before stops
        starts = stretches[np.append(True, ~joined)[: len(stretches)], 0]
        stops = stretches[np.append(~joined, True)[: len(stretches)], 1]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            for place in range(start, stop, size):
                yield self.symbols[place : min(place + size + overlap, stop)]

    def validation_lines(self) -> Iterator[str]:
        """Yield the lines of the validation split that are complete and not empty."""
        for start, stop in self.parts["validation"].tolist():
            chunks = (self.symbols[place : min(place + CHUNK, stop)] for place in range(start, stop, CHUNK))
            whole = start == 0 or self.symbols[start] == BORDER
            rest = ""
            for text in self.table.decode_stream(chunks):
                *lines, rest = (rest + text).split("\n")
                if lines and not whole:  # the first began before the segment
                    lines, whole = lines[1:], True
                yield from filter(None, lines)
            if rest and whole and (stop == len(self.symbols) or self.symbols[stop] == BORDER):
                yield rest


def read_corpus(
    path: str | Path,
    documents: str = "file",
    symbols: str = "auto",
    seed: int = 0,
    valid: str | float | None = None,
    test: str | float | None = None,
    table: Table | None = None,
    column: str | None = None,
    options: TableOptions = USUAL,
) -> Corpus:
    """Read the text at `path`, split it and encode it as tokens.

    `documents`: "file", "line", "blank" or "row", see `read_texts`. `symbols`: "char", "byte", "word", "bpe", or
    "auto": characters if the training split has at most 512 different ones, else bytes. `valid` and `test`: a share,
    a path, or "none"; by default the last 10% are the test split, and 5% of the rest, in blocks, validation; each of
    a few files gives its share.
    `table`: a vocabulary to use as it is; by default one is made from the training split. `column`: of a table, whose
    cells are the documents if these are "row"; `options`: how that table is read.

    The text is read three times, in chunks (surveyed, counted, encoded). Memory grows by 8 to 40 bytes per document,
    and not with the text. Raises DataError, OptionError; TrainingError if the disk has no room for the tokens.
    """
    check_kind(symbols, table)
    any_bytes = "byte" in (symbols, table.kind if table else "")
    valid_share, test_share = share_of("valid", valid, 0.05), share_of("test", test, 0.1)
    sources = [read_texts(path, documents, any_bytes, column, options)]
    layouts = []
    fingerprints = {}
    for part, given in ((VALIDATION, valid_share), (TEST, test_share)):
        if isinstance(given, str):
            sources.append(read_texts(given, documents, any_bytes, column, options))
            found = survey(sources[-1])
            fingerprints[str(Path(given))] = found.fingerprint
            layouts.append(lay_out_whole(found.starts, found.total, part))
    found = survey(sources[0])
    total, fingerprints[str(Path(path))] = found.total, found.fingerprint
    shares = [given if isinstance(given, float | int) else 0.0 for given in (valid_share, test_share)]
    if any(shares) and total < SHORTEST:
        raise DataError(
            f"{path} holds {total:,} characters: too short to split off validation and test, which takes "
            f"{SHORTEST}.\nGive more text, or separate files: --valid FILE --test FILE."
        )
    layouts.insert(0, lay_out(found.starts, total, shares[0], shares[1], seed, found.files))
    if table is None:
        table = make_table(symbols, sources[0], layouts[0])
    whole, edges, unseen = encode_all(sources, layouts, table)
    corpus = _assemble(sources, layouts, table, whole, edges, unseen, fingerprints)
    return replace(corpus, notes=tuple(filter(None, (sources[0].note, found.mixed))))


def check_kind(symbols: str, table: Table | None) -> None:
    """Raise OptionError for an unknown kind of vocabulary, or another than the given one's."""
    if symbols not in KINDS:
        raise OptionError(f"--tokenizer takes {', '.join(KINDS)}; '{symbols}' was given.{nearest(symbols, KINDS)}")
    if table and symbols not in ("auto", table.kind):
        raise OptionError(
            f"--tokenizer {symbols} was given, but the run's vocabulary is of kind {table.kind}. Leave --tokenizer out."
        )


class Survey(NamedTuple):
    """Statistics from one pass over a text."""

    starts: NDArray[np.int64]  # characters before each document
    files: NDArray[np.int64]  # characters before each file that is not empty
    total: int  # characters
    fingerprint: str
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
        others = [path for path in documents.skipped if judge(path) == "other text"]
        mark = join_digests(documents.path, digests | {path: digest_of(path) for path in others})
    else:
        mark = digests[documents.files[0].path]
    return Survey(np.concatenate(starts), np.array(files), total, mark, forms.note)


def make_table(kind: str, documents: Documents, layout: Layout) -> Table:
    """Make the vocabulary from the training split."""
    counts: Counter[str] = Counter()
    for section in sections(documents, layout):
        if section.part == TRAINING:
            found = np.bincount(code_points(section.text))
            counts.update({chr(point): int(found[point]) for point in np.flatnonzero(found).tolist()})
    if len(counts) < 2:
        one = repr(next(iter(counts), ""))
        raise DataError(f"{documents.path} holds only one character, {one}: there is nothing to predict.")
    if kind == "auto":
        kind = "char" if len(counts) <= MOST_CHARACTERS else "byte"
    if kind == "char":
        return CharacterTable.from_counts(counts)
    if kind == "byte":
        return ByteTable()
    texts = training_texts(documents, layout)
    return WordTable.learn(counts, texts) if kind == "word" else PieceTable.learn(texts, counts.total())


def training_texts(documents: Documents, layout: Layout) -> Iterator[str]:
    """Yield the segments of the training split, so that no word crosses a document's end."""
    for section in sections(documents, layout):
        if section.part == TRAINING:
            edges = [0, *section.cuts.tolist(), len(section.text)]
            yield from (section.text[start:stop] for start, stop in pairwise(edges) if stop > start)


def encode_all(
    sources: list[Documents], layouts: list[Layout], table: Table
) -> tuple[Symbols, NDArray[np.int64], Counter[str]]:
    """Encode all texts; return the tokens, each layout's edges among them, and characters that the vocabulary lacks.

    One more edge marks the end.
    """
    store = SymbolStore(table.dtype)
    edges = np.empty(sum(len(layout.edges) for layout in layouts) + 1, np.int64)
    count = 0
    unseen: Counter[str] = Counter()
    for documents, layout in zip(sources, layouts, strict=True):
        for section in sections(documents, layout):
            symbols, cuts = table.encode_cut(section.text, section.cuts)
            if section.part != TRAINING:
                unseen += table.unseen_counts(section.text)
            inserted: NDArray[np.int64] = (
                np.cumsum(section.borders) - section.borders
            )  # BOS/EOS tokens before each cut
            edges[count : count + len(cuts)] = store.count + cuts + inserted
            count += len(cuts)
            store.add(np.insert(symbols, cuts[section.borders], BORDER) if len(cuts) else symbols)
    edges[count] = store.count
    return store.whole(), edges, unseen


def _assemble(
    sources: list[Documents],
    layouts: list[Layout],
    table: Table,
    symbols: Symbols,
    edges: NDArray[np.int64],
    unseen: Counter[str],
    fingerprints: dict[str, str],
) -> Corpus:
    labels = np.concatenate([layout.parts for layout in layouts])
    borders = np.concatenate([layout.borders for layout in layouts])
    characters = sum(layout.total for layout in layouts)
    last = np.cumsum([len(layout.edges) for layout in layouts]) - 1
    layouts.clear()  # frees memory, which matters with millions of documents
    ends = np.append(borders[1:], False)  # a document ends and another follows
    ends[last] = False  # but none follows in this text
    chosen = {name: labels == part for part, name in enumerate(PARTS)}
    parts = {name: np.empty((int(rows.sum()), 2), np.int64) for name, rows in chosen.items()}
    for name, rows in chosen.items():
        parts[name][:, 0] = edges[:-1][rows]
        parts[name][:, 1] = edges[1:][rows]
    return Corpus(
        path=sources[0].path,
        documents=sources[0].documents,
        table=table,
        symbols=symbols,
        document_count=int(borders.sum()),
        parts=parts,
        ends={name: ends[rows] for name, rows in chosen.items()},
        fingerprints=fingerprints,
        files=tuple(file.path for source in sources for file in source.files),
        skipped=sources[0].skipped,
        unseen=dict(unseen),
        text_characters=characters,
    )
