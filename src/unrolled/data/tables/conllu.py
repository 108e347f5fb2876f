"""CoNLL-U (universaldependencies.org): sentences between blank lines, one word per line, ten columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.tables.base import Row, TableFile, encoding_of, read_lines
from unrolled.errors import DataError

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
ANNOTATED = ("upos", "xpos", "head", "deprel")  # columns in which every annotated word has an entry


class ConlluTable(TableFile):
    """One sentence per row, numbered by its first line; each column is a list with one entry per word.

    Multiword tokens (3-4), empty nodes (8.1) and comments are skipped.
    """

    format, has_mixed_columns = "conllu", False

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, CONLLU)
        self.encoding = encoding

    @classmethod
    def open(cls, path: Path) -> Self:
        return cls(path, encoding_of(path, cls.format))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        places = [CONLLU.index(name) for name in columns]
        for number, lines in self.sentences():
            words = [fields for line in lines if (fields := parse_word(line)) is not None]
            if words:
                yield Row(number, tuple([fields[place] for fields in words] for place in places))

    def missing_mark(self, column: str) -> str | None:
        """An underscore means "not annotated"; in columns that may be empty, such as features, it means "none"."""
        return "_" if column in ANNOTATED else None

    def sentences(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number of the first line, lines) of each sentence, with its comments. Raises DataError for a line
        without ten columns."""
        lines: list[str] = []
        first = 1
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            line = line.rstrip("\n")
            if not line.strip():
                if lines:
                    yield first, lines
                lines = []
                continue
            fields = line.split("\t")
            if not line.startswith("#") and (len(fields) != len(CONLLU) or not fields[0][:1].isdigit()):
                raise DataError(
                    f"{self.path}, line {number:,}: expected a word's ten columns, separated by tabs, the "
                    f"first a number; got {len(fields)}.\nSee the format at universaldependencies.org."
                )
            first = first if lines else number
            lines.append(line)
        if lines:
            yield first, lines


def parse_word(line: str) -> list[str] | None:
    """Return the columns of a word's line; None for a comment, a multiword token or an empty node."""
    fields = line.split("\t")
    return fields if fields[0].isdigit() else None
