"""From the user's files to batches: what a path holds, text, tables of symbols, parts, windows."""

from unrolled.data.corpus import KINDS, Corpus, read_corpus
from unrolled.data.diagnostics import TASKS, Diagnostic
from unrolled.data.fingerprints import fingerprint, keep_standard_input
from unrolled.data.pieces import PieceTable, WordTable, table_from_json
from unrolled.data.symbols import BORDER, ByteTable, CharacterTable, Symbols, Table
from unrolled.data.table_file import TableOptions
from unrolled.data.tables import is_table
from unrolled.data.text import DOCUMENTS, Documents, read_documents
from unrolled.data.windows import Batch, RowBatches, StreamBatches, make_batches, part_rows

__all__ = [
    "BORDER",
    "DOCUMENTS",
    "KINDS",
    "TASKS",
    "Batch",
    "ByteTable",
    "CharacterTable",
    "Corpus",
    "Diagnostic",
    "Documents",
    "PieceTable",
    "RowBatches",
    "StreamBatches",
    "Symbols",
    "Table",
    "TableOptions",
    "WordTable",
    "fingerprint",
    "is_table",
    "keep_standard_input",
    "make_batches",
    "part_rows",
    "read_corpus",
    "read_documents",
    "table_from_json",
]
