"""Where in an image or video a run looks when it predicts labels or numbers, for `predict --show-attention`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unrolled.data.dataset.batches import pad_items
from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, Output
from unrolled.data.modalities.base import Featurizer, Item
from unrolled.data.modalities.video import FrameFeaturizer, VideoInput
from unrolled.errors import OptionError
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.class_activation import CAM, ROLLOUT, class_activation_maps
from unrolled.model.encoders import ClipEncoder, ImageEncoder
from unrolled.model.image_features import ImageFeatures
from unrolled.model.predictor import Member, NetMember
from unrolled.model.row_net import PredictionNet
from unrolled.tasks.image_features import frozen_of
from unrolled.tasks.results import AttentionMap
from unrolled.threads import single_thread

POOLING = "pooling"


class MapMaker(ABC):
    """Makes maps of where a model looks. A subclass is final."""

    @abstractmethod
    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        """The map of an item for a number of an output: the logit of a label, or a mean."""

    def maps(
        self, item: Item, predictions: Mapping[str, Tensor], outputs: Mapping[str, Output]
    ) -> dict[str, AttentionMap]:
        """The map of each output for an item. predictions: those of the item, (1, O) per output. For labels the map
        is of the most probable one, for numbers of what raises the first."""
        found = {}
        with single_thread():  # a single image
            for name, prediction in predictions.items():
                output = outputs[name]
                labels = output.names if isinstance(output, LabelOutput | MultilabelOutput) else ()
                best = int(prediction[0].argmax()) if labels else 0
                found[name] = self.map(item, name, best, labels[best] if labels else "")
        return found


class ActivationMaps(MapMaker):
    """Maps of a net that reads whole images."""

    def __init__(self, net: PredictionNet, encoder: ImageEncoder, featurizer: Featurizer) -> None:
        self.net, self.encoder, self.featurizer = net, encoder, featurizer

    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        images, _ = pad_items(self.featurizer, [item])  # (1, C, H, W)
        weights = self.net.activation_maps(images, output, number)[0]  # (h, w)
        method = self.encoder.net.map_method
        own = "" if method == ROLLOUT else label  # a rollout is the same for all labels
        return AttentionMap(method, own, weights.tolist(), self.encoder.frame(images.shape[2], images.shape[3]))


class ClipMaps(MapMaker):
    """Maps of a net for video, of the frames of the clip that counts most."""

    def __init__(self, net: PredictionNet, encoder: ClipEncoder, featurizer: Featurizer) -> None:
        self.net, self.encoder, self.featurizer = net, encoder, featurizer

    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        clips, _ = pad_items(self.featurizer, [item])  # (1, K, C, T, H, W)
        maps = self.net.activation_maps(clips, output, number)[0]  # (K, t, h, w)
        best = int(maps.sum((1, 2, 3)).argmax())
        frames = np.asarray(item)[best]  # (T, H, W, C)
        places = torch.arange(len(frames)) * maps.shape[1] // len(frames)  # of each frame in the shorter map
        weights = maps[best][places]
        return AttentionMap(self.encoder.net.map_method, label, (weights / weights.sum()).tolist(), frames=frames)


class FrameMaps(MapMaker):
    """The weights that an attention pool gives to the frames of a video, the same for all outputs."""

    def __init__(self, net: PredictionNet, featurizer: Featurizer) -> None:
        self.net, self.featurizer = net, featurizer

    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        inputs, _ = pad_items(self.featurizer, [item])
        shares = self.net.pool_weights(inputs)[0].double()  # (T,)
        weights = (shares / shares.sum())[:, None, None]
        return AttentionMap(POOLING, "", weights.tolist(), frames=np.asarray(item))


class PoolMaps(MapMaker):
    """The weights that an attention pool gives to rows or patches, the same for all outputs."""

    def __init__(self, net: PredictionNet, featurizer: Featurizer) -> None:
        self.net, self.featurizer = net, featurizer

    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        grid = self.featurizer.step_grid(item)
        if grid is None:
            raise TypeError("the steps of this input have no place in an image")
        inputs, _ = pad_items(self.featurizer, [item])
        shares = self.net.pool_weights(inputs)[0].double()  # (T,)
        weights = (shares / shares.sum()).reshape(grid.rows, grid.columns)
        return AttentionMap(POOLING, "", weights.tolist(), grid.frame)


class FeatureMaps(MapMaker):
    """Class activation maps of a linear model on the features of a pretrained net. Its weights are for features minus
    their mean over the training images: a place counts by how much more it has than the average image."""

    def __init__(self, linear: LinearModel, frozen: ImageFeatures) -> None:
        self.linear, self.frozen = linear, frozen

    def map(self, item: Item, output: str, number: int, label: str) -> AttentionMap:
        found = self.linear.weights_of_vector(output, number)
        if found is None or isinstance(item, str):
            raise TypeError("the linear model does not read a pretrained net's vectors")
        mean, std, slopes = found
        grid = (self.frozen.grids([item]) - mean[:, None, None]) / std[:, None, None]  # (1, D, h, w)
        maps = class_activation_maps(grid, lambda places: places.mean((2, 3)), lambda vectors: vectors @ slopes)
        return AttentionMap(CAM, label, maps[0].tolist())


def map_maker(members: Sequence[Member], selected: Sequence[str], featurizer: Featurizer, every: bool) -> MapMaker:
    """What makes maps for the selected members of an ensemble: its net, or else its linear model on the features of a
    pretrained one. Raises OptionError where neither is selected, or the net looks at no place in particular.

    every: whether a prediction for each step was requested.
    """
    if every:
        raise OptionError("--show-attention shows what a whole image was predicted from. Leave out --every.")
    for member in members:
        if isinstance(member, NetMember):
            return _of_net(member.model, featurizer)
    if isinstance(featurizer.input, VideoInput):
        raise OptionError(
            "--show-attention shows which frames a net looks at, but the selected model is "
            f"{'+'.join(selected)}, which reads\nmeans of all frames. To keep a net in any case, name it: "
            "--model lstm, or --encoder r2plus1d-18 --model r2plus1d-18"
        )
    frozen = frozen_of(featurizer)
    for member in members:
        if isinstance(member, LinearModel) and frozen is not None:
            return FeatureMaps(member, frozen)
    raise OptionError(
        f"--show-attention shows where a net looks, but the selected model is {'+'.join(selected)}, which has "
        "weights of pixels.\nTo keep a net in any case, name it: --model lstm, or --encoder lenet5 --model lenet5"
    )


def _of_net(net: PredictionNet, featurizer: Featurizer) -> MapMaker:
    if isinstance(net.memory, ImageEncoder):
        return ActivationMaps(net, net.memory, featurizer)
    if isinstance(net.memory, ClipEncoder):
        return ClipMaps(net, net.memory, featurizer)
    if net.pool_attends:
        return FrameMaps(net, featurizer) if isinstance(featurizer, FrameFeaturizer) else PoolMaps(net, featurizer)
    raise OptionError(
        "--show-attention: this net predicts from the last step or from the mean of all steps, and weighs none.\n"
        "Train one with --pool attention, or with --encoder lenet5"
    )
