"""From the user's files to batches: what a path holds, text, tables of symbols, parts, windows."""

from unrolled.data.corpus import KINDS, Corpus, read_corpus
from unrolled.data.diagnostics import TASKS, Diagnostic
from unrolled.data.fingerprints import fingerprint, keep_standard_input
from unrolled.data.pieces import SubwordVocabulary, WordVocabulary, vocabulary_from_json
from unrolled.data.symbols import EOS, ByteVocabulary, CharacterVocabulary, TokenIds, Vocabulary
from unrolled.data.table_file import TableOptions
from unrolled.data.tables import is_table
from unrolled.data.text import DOCUMENTS, Documents, read_documents
from unrolled.data.windows import RowBatches, StreamBatches, TextBatch, make_batches, split_rows

__all__ = [
    "DOCUMENTS",
    "EOS",
    "KINDS",
    "TASKS",
    "ByteVocabulary",
    "CharacterVocabulary",
    "Corpus",
    "Diagnostic",
    "Documents",
    "RowBatches",
    "StreamBatches",
    "SubwordVocabulary",
    "TableOptions",
    "TextBatch",
    "TokenIds",
    "Vocabulary",
    "WordVocabulary",
    "fingerprint",
    "is_table",
    "keep_standard_input",
    "make_batches",
    "read_corpus",
    "read_documents",
    "split_rows",
    "vocabulary_from_json",
]
