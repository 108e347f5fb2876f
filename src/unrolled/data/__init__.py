"""From the user's files to batches: what a path holds, text, vocabularies, splits, windows."""

from unrolled.data.files.fingerprints import fingerprint, keep_standard_input
from unrolled.data.tables.base import TableOptions
from unrolled.data.tables.open import is_table
from unrolled.data.text.batches import RowBatches, StreamBatches, TextBatch, make_batches, split_rows
from unrolled.data.text.corpus import Corpus, read_corpus
from unrolled.data.text.diagnostics import DIAGNOSTICS, Diagnostic
from unrolled.data.text.documents import DOCUMENTS, Documents, read_documents
from unrolled.data.vocabulary.base import EOS, ByteVocabulary, CharacterVocabulary, TokenIds, Vocabulary
from unrolled.data.vocabulary.subwords import SubwordVocabulary, WordVocabulary
from unrolled.data.vocabulary.table import TOKENIZERS, vocabulary_from_json

__all__ = [
    "DIAGNOSTICS",
    "DOCUMENTS",
    "EOS",
    "TOKENIZERS",
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
