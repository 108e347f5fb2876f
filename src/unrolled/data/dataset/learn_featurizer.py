"""Learns how the inputs of a training split become steps, unless an earlier run settles it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.item_store import SplitItems, Texts
from unrolled.data.dataset.outputs import Output, TextOutput
from unrolled.data.dataset.reuse import has_required_steps
from unrolled.data.dataset.targets import TextTargets, encode_texts
from unrolled.data.dataset.vocabulary_choice import choose_vocabulary
from unrolled.data.modalities.base import Featurizer, Ids, Modality
from unrolled.data.modalities.text import TextInput, grow_text_featurizer
from unrolled.errors import OptionError


class LearntFeaturizer(NamedTuple):
    """A featurizer, and what is noted about it."""

    featurizer: Featurizer
    note: str = ""  # on the choice of vocabulary
    new_characters: str = ""  # that the run to start from lacks


def learn_featurizer(
    options: DatasetOptions, modality: Modality, training: Sequence[Any], tagged: bool, settled: Featurizer | None
) -> LearntFeaturizer:
    """The featurizer for row-level targets, or for tags. training: the items of the training split. settled: that of
    the run to start from, used where it fits. Raises OptionError."""
    if settled is not None and has_required_steps(settled, tagged):
        return LearntFeaturizer(settled)
    if options.vocabulary is None:
        return LearntFeaturizer(modality.learn_featurizer(training, options.step_options(tagged)))
    if not isinstance(modality, TextInput) or tagged:
        found = "tags, one per step" if tagged else f"an input of kind {modality.name}"
        raise OptionError(
            f"--init-from a language model predicts from whole texts, but the data has {found}. Leave it out."
        )
    featurizer, lacking = grow_text_featurizer(options.vocabulary, training)
    return LearntFeaturizer(featurizer, new_characters=lacking)


def learn_seq2seq(
    options: DatasetOptions, modality: Modality, training: Sequence[Any], texts: Texts, rows: Ids,
    settled: Featurizer | None, before: Output | None,
) -> tuple[LearntFeaturizer, TextTargets]:  # fmt: skip
    """The featurizer and the target texts of a seq2seq task. Source and target texts may share a vocabulary.

    training: the items of the training split. texts: the targets of all rows. rows: the training split. settled,
    before: featurizer and output of the run to start from, used where they fit. Raises OptionError.
    """
    if settled is not None and isinstance(before, TextOutput):
        return LearntFeaturizer(settled), TextTargets(before, texts, *encode_texts(before.vocabulary, texts))
    sources = training if settled is None and isinstance(modality, TextInput) else None
    own: Any = SplitItems(texts, rows)
    chosen = choose_vocabulary(options.tokenizer, sources, own)
    ids, starts = encode_texts(chosen.vocabulary, texts)
    output = TextOutput(chosen.vocabulary, int((starts[rows + 1] - starts[rows]).max()))
    featurizer = (
        settled
        or chosen.tokens
        or modality.learn_featurizer(training, options.step_options()._replace(tokenizer="auto", attended=True))
    )
    return LearntFeaturizer(featurizer, chosen.note), TextTargets(output, texts, ids, starts)
