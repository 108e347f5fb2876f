"""Refuse options of a training on labels and numbers that do not apply to its input or to its outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, Output
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.data.modalities.video_clips import ClipFeaturizer
from unrolled.errors import OptionError
from unrolled.model.nets.table import is_video_net
from unrolled.options import EARLY, PredictionSettings
from unrolled.registry import LINEAR
from unrolled.settings import option_name
from unrolled.tasks.dataset import advice_for_images
from unrolled.tasks.image_features import frozen_of
from unrolled.tasks.pretrained import encoder_as_given

OF_STEPS = ("model", "hidden_size", "layers", "dropout", "bptt", "stem", "pool", "direction")
"""Options of models that read steps, so not of a net for whole images."""
OF_LABEL_SETS = ("loss", "fold_tags", "min_count")
"""Options of outputs of any number of labels."""


def check_label_options(settings: PredictionSettings, outputs: Sequence[Output]) -> None:
    """Raise OptionError for options about labels that do not apply to these outputs."""
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    if not any(isinstance(output, MultilabelOutput) for output in outputs):
        for name in OF_LABEL_SETS:
            if (value := getattr(settings, name)) != defaults[name]:
                raise OptionError(
                    f"{option_name(name)} {value} is for any number of labels per row, and here there is none such. "
                    "Leave it out, or add --task multilabel."
                )
    if settings.sampling == defaults["sampling"]:
        return
    if any(output.each or not isinstance(output, LabelOutput | MultilabelOutput) for output in outputs):
        raise OptionError(
            f"--sampling {settings.sampling} draws rows by their labels; the outputs here are not labels of rows. "
            "Leave it out."
        )
    if settings.class_weights:
        raise OptionError(
            f"--sampling {settings.sampling} and --class-weights balanced both raise rare labels. Leave one of them "
            "out."
        )


def check_encoder(settings: PredictionSettings, featurizer: Featurizer) -> None:
    """Raise OptionError where `--encoder` does not apply to the input, or other options do not apply to it."""
    if settings.encoder is None and settings.freeze == EARLY:
        raise OptionError(
            f"--freeze {EARLY} keeps the first half of a net for images, and there is none here. Leave it out, or "
            "name a component: --freeze encoder"
        )
    if settings.encoder is None:
        return
    of_video = is_video_net(settings.encoder)
    if not isinstance(featurizer, ClipFeaturizer if of_video else PixelFeaturizer):
        raise OptionError(
            f"{encoder_as_given(settings)} reads {'videos' if of_video else 'images'}, and the input here is "
            f"{featurizer.step_description}.\n{advice_for_images(featurizer, of_video)}"
        )
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    for name in OF_STEPS:
        if name == "model" and settings.model == LINEAR and frozen_of(featurizer) is not None:
            continue  # the linear model on the features of the pretrained net
        if name == "model" and settings.model == settings.encoder:
            continue  # the net alone
        if getattr(settings, name) != defaults[name]:
            raise OptionError(
                f"{encoder_as_given(settings)} reads whole {'clips' if of_video else 'images'}; "
                f"{option_name(name)} is for models that read steps.\nLeave one of them out."
            )
