"""Features of images by a frozen, pretrained net, computed once for each image.

B images, S places of the net's grid, K numbers of a place as they are stored, D of a place in the net's own grid. Of
the features before the net's last layers there are W for each place.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unrolled.arguments import Count, checked
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError, RunError
from unrolled.model.nets.base import Net
from unrolled.model.nets.table import make_net
from unrolled.model.weights import copy_tensors, named_tensors
from unrolled.schema import Within, find_fault

Pixels = NDArray[np.uint8]  # (H, W, 3)
Grid = NDArray[np.float16]  # (S, K)
Share = Annotated[float, Within(0.0, 1.0)]
Channels = tuple[Share, Share, Share]

WHOLE, EARLY, VECTOR = "", "early", "vector"  # what is stored of an image: its grid, the early features, or a vector
FORM = b"1"  # of the stored features; another where their computation changes
AT_ONCE = 32  # images in a batch
LEAST_SIDE = 128  # pixels; smaller images are enlarged, because the nets were made for 224
MULTIPLE = 32  # the side is a multiple of this, as the nets halve it five times
LARGEST = float(np.finfo(np.float16).max)


class FeatureStore(Protocol):
    """Keeps features by key. What it does not have is computed again."""

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that it has."""

    def write(self, values: Mapping[bytes, bytes]) -> None:
        """Keep these values, if it can."""


@checked
@dataclass(frozen=True)
class FeatureSource:
    """What features depend on besides weights and pixels."""

    net: str  # as for `make_net`
    weights: str  # where they come from, with their licence
    size: Count  # pixels on a side of the images as the net gets them
    mean: Channels  # of red, green and blue between 0 and 1
    std: Channels
    precision: str  # float32 or bfloat16

    @classmethod
    def from_json(cls, value: Any) -> FeatureSource:
        """Load what `dataclasses.asdict` and JSON made. Raises RunError if it is damaged."""
        lists = {key: tuple(one) if isinstance(one, list) else one for key, one in dict(value).items()}
        if find_fault(lists, dict[str, Any]) is not None or set(lists) != {f.name for f in dataclasses.fields(cls)}:
            raise RunError("The source of the run's image features is damaged. Train again.")
        return cls(**lists)  # type: ignore[arg-type]  # checked by the class


def side_for(size: int, made_for: int) -> int:
    """The side of the images that a net gets, for images of this size on their longer side. made_for: the size for
    which the net was made."""
    return max(min(LEAST_SIDE, made_for), round(size / MULTIPLE) * MULTIPLE)


class ImageFeatures:
    """A frozen net that turns images into grids of features. Called on images, it returns the grid of each.

    Grids are float16, in the narrowest form that the net has (`Net.compact`). Batch norms are folded into the
    convolutions before them. `store` keeps the grids: each image is computed once, however often it is asked for.
    """

    def __init__(
        self, source: FeatureSource, tensors: Mapping[str, Tensor], store: FeatureStore | None = None
    ) -> None:
        """tensors: of the net, by their names in it; those of its last layer may be missing."""
        self.source, self.store = source, MemoryStore() if store is None else store
        self._net = make_net(source.net).requires_grad_(False).eval()
        drop_last_layer(self._net)
        own = [name for name in named_tensors(self._net) if not name.endswith("num_batches_tracked")]
        self._tensors = {name: tensors[name].detach().clone() for name in own}
        copy_tensors(self._net, self._tensors)
        computed = dataclasses.replace(source, weights="")  # the same weights may be in several files
        digest = hashlib.sha256(FORM + repr(dataclasses.astuple(computed)).encode())
        for name, tensor in sorted(self._tensors.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        self.digest = digest.hexdigest()  # of everything that features depend on, besides pixels
        fold_batch_norms(self._net, source.size)
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean, self._std = (torch.tensor(one).view(1, 3, 1, 1) for one in (source.mean, source.std))
        with torch.inference_mode():
            blank = torch.zeros(1, 3, source.size, source.size)
            compact = self._net.compact(blank)
            self.size = int(self._net.expand(compact).shape[1])  # D
            early = self._net.early(blank)
        self.width, self.height, self.across = (int(size) for size in compact.shape[1:])  # K, h, w
        self.early_width, rest = divmod(early.numel(), self.places)  # W
        self.has_end = bool(self._net.end_layers) and not rest  # whether `early` features can be had

    @property
    def places(self) -> int:
        """S."""
        return self.height * self.across

    def __call__(self, images: Sequence[Pixels], deadline: Deadline = UNLIMITED) -> list[Grid]:
        """The grid (S, K) of each image; with a deadline, of as many of the first as there is time for."""
        found: list[Grid] = []
        for start in range(0, len(images), AT_ONCE):
            if found and deadline.passed():
                break
            deadline.check()
            found += self._batch(images[start : start + AT_ONCE])
        return found

    def early(self, images: Sequence[Pixels]) -> list[Grid]:
        """The features before the net's last layers (S, W) of each image, pixel by pixel, for `NetEnd`."""
        found: list[Grid] = []
        for start in range(0, len(images), AT_ONCE):
            found += self._batch(images[start : start + AT_ONCE], EARLY)
        return found

    def vectors(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """The vector (B, D) of each image: the mean over the places of the net's own grid."""
        found = [np.zeros((0, self.size), np.float32)]
        for start in range(0, len(images), AT_ONCE):
            found.append(self.grids(images[start : start + AT_ONCE]).mean((2, 3)).numpy())
        return np.concatenate(found)

    def frame_vectors(self, frames: Sequence[Pixels]) -> NDArray[np.float32]:
        """The vector (T, D) of each frame. Vectors are stored, as a video has too many frames for their grids."""
        found = [np.zeros((0, self.size), np.float32)]
        for start in range(0, len(frames), AT_ONCE):
            found += [grid.astype(np.float32) for grid in self._batch(frames[start : start + AT_ONCE], VECTOR)]
        return np.concatenate(found)

    def grids(self, images: Sequence[Pixels]) -> Tensor:
        """The net's own grid of each image of a batch (B, D, h, w)."""
        grids = torch.from_numpy(np.stack(self._batch(images))).float()  # (B, S, K)
        compact = grids.mT.reshape(len(grids), self.width, self.height, self.across)
        with torch.no_grad():
            return self._net.expand(compact)

    def key(self, image: Pixels, what: str = WHOLE) -> bytes:
        """The key of an image in the store: the digest of its pixels and of all else that its features depend on."""
        pixels = np.ascontiguousarray(image)
        return hashlib.sha256(f"{self.digest}{what}{pixels.shape}".encode() + pixels.data).digest()

    def _batch(self, images: Sequence[Pixels], what: str = WHOLE) -> list[Grid]:
        shapes = {WHOLE: (self.places, self.width), EARLY: (self.places, self.early_width), VECTOR: (1, self.size)}
        shape = shapes[what]
        size = math.prod(shape) * np.dtype(np.float16).itemsize
        keys = [self.key(image, what) for image in images]
        known = {key: value for key, value in self.store.read(keys).items() if len(value) == size}
        new = dict.fromkeys(key for key in keys if key not in known)
        if new:
            missing = dict(zip(keys, images, strict=True))
            computed = self._compute([missing[key] for key in new], what)
            made = {key: grid.tobytes() for key, grid in zip(new, computed, strict=True)}
            self.store.write(made)
            known |= made
        return [np.frombuffer(known[key], np.float16).reshape(shape) for key in keys]

    @torch.inference_mode()
    def _compute(self, images: Sequence[Pixels], what: str) -> NDArray[np.float16]:
        """(B, S, K), or (B, S, W) of early features, or (B, 1, D) of vectors. Raises RunError if they are not
        finite."""
        size = self.source.size
        resized = torch.cat([resize(image, size) for image in images])
        scaled = ((resized / 255 - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.source.precision == "bfloat16"):
            features = (self._net.early(scaled) if what == EARLY else self._net.compact(scaled)).float()
        if what == VECTOR:
            features = self._net.expand(features).mean((2, 3), keepdim=True)
        if not features.isfinite().all():
            raise RunError(
                f"The features of images by {self.source.weights} are not finite (nan or inf): its weights are too "
                "large, or damaged.\nGive other weights: --init-from FILE"
            )
        pixels = features.clamp(-LARGEST, LARGEST).flatten(2).mT  # (B, pixels, features of each)
        return pixels.to(torch.float16).reshape(len(images), 1 if what == VECTOR else self.places, -1).numpy()

    def end_tensors(self) -> dict[str, Tensor]:
        """The tensors of the net's last layers, with batch norms folded into them, for `NetEnd`."""
        names = tuple(f"{name}." for name in self._net.end_layers)
        return {name: one for name, one in named_tensors(self._net).items() if name.startswith(names)}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, for a file."""
        return dict(self._tensors)

    def facts(self) -> dict[str, Any]:
        """All that `from_tensors` needs besides the tensors, as JSON."""
        facts = dataclasses.asdict(self.source)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], facts: Any, store: FeatureStore | None = None
    ) -> ImageFeatures:
        """Load it from `tensors` and `facts`. Raises RunError if they do not fit."""
        try:
            return cls(FeatureSource.from_json(facts), tensors, store)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OptionError):
            raise RunError(
                "The image features of this run are damaged: its tensors do not fit. Train again."
            ) from None


class MemoryStore:
    """Keeps features in memory, up to a number of bytes."""

    def __init__(self, most: int = 1 << 29) -> None:
        self.most, self.used = most, 0
        self._values: dict[bytes, bytes] = {}

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        return {key: self._values[key] for key in keys if key in self._values}

    def write(self, values: Mapping[bytes, bytes]) -> None:
        for key, value in values.items():
            if key not in self._values and self.used + len(value) <= self.most:
                self._values[key] = value
                self.used += len(value)


def resize(image: Pixels, size: int) -> Tensor:
    """An image (H, W, 3) as (1, 3, size, size) float32, from 0 to 255; bilinear."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    if pixels.shape[2:] == (size, size):
        return pixels
    return F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False, antialias=True)


def drop_last_layer(net: Net) -> None:
    """Replace the last layer by an identity: its classes are not those of the user."""
    parent, _, name = net.last_layer.rpartition(".")
    setattr(net.get_submodule(parent), name, nn.Identity())


@torch.no_grad()
def fold_batch_norms(net: Net, size: int) -> int:
    """Fold each batch norm that follows a convolution into it, in evaluation (Jacob et al. 2018, arXiv 1712.05877,
    section 3.2); returns their number. size: of images on which the order of layers is found."""
    made: dict[int, nn.Conv2d] = {}  # id of an output -> its convolution
    outputs: list[Tensor] = []  # kept alive, so that ids stay unique
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def after_convolution(layer: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            made[id(output)] = layer
            outputs.append(output)

    def before_norm(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(layer, nn.BatchNorm2d) and id(given[0]) in made:
            pairs.append((made[id(given[0])], layer))

    hooks = [
        layer.register_forward_hook(after_convolution) for layer in net.modules() if isinstance(layer, nn.Conv2d)
    ]
    hooks += [
        layer.register_forward_pre_hook(before_norm) for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)
    ]
    try:
        net.grid(next(net.parameters()).new_zeros(1, net.channels, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    names = {layer: name for name, layer in net.named_modules()}
    for convolution, norm in pairs:
        if norm.running_mean is None or norm.running_var is None:
            continue
        weight, bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        convolution.weight, convolution.bias = weight, bias
        parent, _, name = names[norm].rpartition(".")
        setattr(net.get_submodule(parent), name, nn.Identity())
    return len(pairs)
