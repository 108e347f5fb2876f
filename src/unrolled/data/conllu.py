"""CoNLL-U (universaldependencies.org): sentences between blank lines, a word a line, ten columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.table_file import Row, TableFile, encoding_of, read_lines
from unrolled.errors import DataError

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
ANNOTATED = ("upos", "xpos", "head", "deprel")  # columns in which every word has an entry, once it is annotated


class ConlluTable(TableFile):
    """A sentence a row, numbered by its first line; each column is a list, an entry a word.

    Words of several tokens (3-4) and empty nodes (8.1) are passed over, as comments are.
    """

    form, mixed = "conllu", False

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, CONLLU)
        self.encoding = encoding

    @classmethod
    def open(cls, path: Path) -> Self:
        return cls(path, encoding_of(path, cls.form))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        places = [CONLLU.index(name) for name in columns]
        for number, lines in self.sentences():
            words = [fields for line in lines if (fields := word_of(line)) is not None]
            if words:
                yield Row(number, tuple([fields[place] for fields in words] for place in places))

    def blank(self, column: str) -> str | None:
        """An underscore: not annotated. Of features and what else may be empty it says that there are none."""
        return "_" if column in ANNOTATED else None

    def sentences(self) -> Iterator[tuple[int, list[str]]]:
        """(number of the first line, lines) of each sentence, comments among them. Raises DataError for a line that
        has not ten columns."""
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
                    f"{self.path}, line {number:,}: a word's ten columns with tabs between were expected, the first "
                    f"its number; {len(fields)} came.\nSee the format at universaldependencies.org."
                )
            first = first if lines else number
            lines.append(line)
        if lines:
            yield first, lines


def word_of(line: str) -> list[str] | None:
    """The columns of a word's line; None for a comment, a word of several tokens and an empty node."""
    fields = line.split("\t")
    return fields if fields[0].isdigit() else None
