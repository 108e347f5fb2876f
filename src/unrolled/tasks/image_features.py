"""Features of images and of frames for a training or a run: the pretrained net that they come from, their cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import Arrays
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.data.modalities.image_grid import GridFeaturizer
from unrolled.data.modalities.video import FrameFeaturizer
from unrolled.model.image_features import FeatureSource, ImageFeatures, MemoryStore, side_for
from unrolled.model.nets.table import make_net
from unrolled.model.weights import named_tensors
from unrolled.options import TableSettings
from unrolled.tasks.feature_cache import NO_CACHE, FeatureCache, cache_path
from unrolled.tasks.pretrained import Pretrained, is_pretrained, read_pretrained, scaling_of
from unrolled.training.checkpoint import save_tensors
from unrolled.training.measure import has_fast_bfloat16

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder

FROZEN = (PixelFeaturizer, GridFeaturizer, FrameFeaturizer)  # featurizers that may have a pretrained net
FEATURES = "features"  # name of the file of the net in a run folder


def frozen_maker(settings: TableSettings) -> Callable[[int], ImageFeatures] | None:
    """What makes the pretrained net of --init-from for images of some size; None where it names no such net, or a
    file that lacks some of its tensors."""
    if settings.encoder is None or not is_pretrained(settings.init_from):
        return None
    pretrained, net = read_pretrained(settings.init_from or ""), settings.encoder
    if lacking(pretrained, net):
        return None
    mean, std = scaling_of(settings.init_from) or ((0.5,) * 3, (0.5,) * 3)
    precision = "bfloat16" if has_fast_bfloat16() else "float32"
    with torch.device("meta"):
        made_for = make_net(net).image_size

    def make(size: int) -> ImageFeatures:
        side = side_for(size, made_for)
        source = FeatureSource(net, pretrained.source, side, mean, std, precision)  # type: ignore[arg-type]
        return with_cache(ImageFeatures(source, pretrained.tensors), settings.cache)

    return make


def lacking(pretrained: Pretrained, net: str) -> list[str]:
    """The tensors of a net that pretrained weights lack, or have in another shape, besides its last layer."""
    with torch.device("meta"):
        made = make_net(net)
    return [
        name
        for name, tensor in named_tensors(made).items()
        if not name.startswith(f"{made.last_layer}.") and not name.endswith("num_batches_tracked")
        and (name not in pretrained.tensors or pretrained.tensors[name].shape != tensor.shape)
    ]  # fmt: skip


def with_cache(features: ImageFeatures, folder: str | None) -> ImageFeatures:
    """The same features, stored as `--cache` says."""
    source = features.source
    features.store = (
        MemoryStore()
        if folder == NO_CACHE
        else FeatureCache(cache_path(folder, source.net, source.size, features.digest))
    )
    return features


def frozen_of(featurizer: Featurizer) -> ImageFeatures | None:
    """The pretrained net whose features a featurizer gives, if there is one."""
    frozen = featurizer.frozen if isinstance(featurizer, FROZEN) else None
    return frozen if isinstance(frozen, ImageFeatures) else None


def features_note(examples: Examples) -> str:
    """What is printed before the features of the images are computed, and where they are stored; "" without them."""
    frozen = frozen_of(examples.featurizer)
    if frozen is None:
        return ""
    where = f" ({frozen.store.note})" if isinstance(frozen.store, FeatureCache) else ""
    count = examples.items.unique_count if isinstance(examples.items, Arrays) else len(examples.numbers)
    what = examples.featurizer.input.noun
    return f"; first computes features of those of {count:,} {what} that it does not have{where}"


def cache_faults(examples: Examples) -> list[str]:
    """What was wrong with the file of the features: that it was damaged, and why they were not all stored."""
    frozen = frozen_of(examples.featurizer)
    if frozen is None or not isinstance(frozen.store, FeatureCache):
        return []
    store, lines = frozen.store, []
    if store.aside is not None:
        lines.append(f"The file of features was damaged and is now {store.aside}; a new one is {store.path}.")
    if store.fault:
        lines.append(f"{store.note[0].upper()}{store.note[1:]}.")
    return lines


def save_features(run: RunFolder, featurizer: Featurizer) -> None:
    """Save the pretrained net of a featurizer, if there is one, in the run."""
    if (frozen := frozen_of(featurizer)) is not None:
        save_tensors(run.baseline_file(FEATURES), frozen.tensors(), frozen.facts())


def attach_features(featurizer: Featurizer, run: RunFolder) -> None:
    """Give a featurizer the pretrained net that `save_features` saved, if it needs one. Raises RunError if it is
    missing or damaged."""
    if isinstance(featurizer, FROZEN) and featurizer.facts:
        tensors, facts = run.read_baseline(FEATURES)
        features = ImageFeatures.from_tensors(tensors, facts)
        featurizer.attach(with_cache(features, getattr(run.settings, "cache", None)))
