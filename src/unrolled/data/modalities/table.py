"""The table of modalities: a new one is one file, and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from unrolled.data.cells.cell import Cell
from unrolled.data.modalities.audio import AudioInput
from unrolled.data.modalities.base import Featurizer, Modality
from unrolled.data.modalities.category import CategoryInput
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.text import TextInput
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.modalities.video import VideoInput
from unrolled.errors import RunError
from unrolled.schema import check_type

MODALITIES: dict[str, type[Modality]] = {
    one.name: one for one in (VectorInput, AudioInput, ImageInput, VideoInput, CategoryInput, TextInput)
}
"""By their names in `--input-type`. The first that matches a column's cells is its modality."""

FILE_MODALITIES = {name: one for name, one in MODALITIES.items() if one.endings}
"""Those whose cells are paths of files."""


def modality_of(cells: Sequence[Cell], as_text: bool = False) -> str:
    """The name of the modality that a column's first cells suggest. as_text: lists hold numbers as text."""
    return next(name for name, one in MODALITIES.items() if one.matches(cells, as_text))


def modality_from_json(value: Any) -> Modality:
    """The modality that `to_json` wrote. Raises RunError, KeyError or TypeError if it is damaged."""
    facts, kind = {name: one for name, one in value.items() if name != "kind"}, MODALITIES[value["kind"]]
    return kind(**check_type(facts, kind, "The run's vocabulary.json, 'input',"))


def featurizer_from_json(value: Mapping[str, Any]) -> Featurizer:
    """The featurizer that `to_json` wrote. Raises RunError if it is damaged."""
    if not isinstance(value, Mapping):
        raise RunError("The run's vocabulary.json is damaged: it lacks the featurizer. Train again.")
    if "input" not in value and "mean" not in value:  # nothing was measured, as of texts and categories
        kind = MODALITIES.get(str(value.get("kind")), TextInput)  # a text's featurizer has the name of its tokens
        return (TextInput if fields(kind) else kind)().load_featurizer(value)  # type: ignore[arg-type]
    try:
        modality = modality_from_json(value["input"])
    except (KeyError, TypeError, AttributeError):
        raise RunError("The run's vocabulary.json is damaged: it lacks the scaling of the numbers.") from None
    return modality.load_featurizer(value)
