"""What every net keeps: shapes, independent rows, refusals, names of its weights, and that it can learn."""

from __future__ import annotations

import math
import re

import pytest
import torch
from net_cases import FAMILIES, FRAMES, pictures, shape_of, small, without_dropout
from torch import nn
from torch.nn import functional as F

from unrolled.errors import OptionError, TensorError, TrainingError
from unrolled.model.nets import ALL_NETS, counts_of, make_net, make_video_net

LENET = r"conv[12]|fc[123]"
NAMES = {
    "lenet5": LENET,
    "lenet5-1998": r"c1|c3|c5|f6|s[24]|output",
    "cifar10-quick": r"conv[123]|ip[12]",
    "cifar10-full": r"conv[123]|ip1",
    "alexnet": r"features\.(0|3|6|8|10)|classifier\.[146]",
    "alexnet-2012": r"features\.(0|3|6|8|10)|classifier\.[146]",
    "vgg11": r"features\.\d+|classifier\.[036]",
    "resnet18": r"conv1|bn1|layer[1-4]\.\d+\.(conv[12]|bn[12]|downsample\.[01])|fc",
    "resnet50": r"conv1|bn1|layer[1-4]\.\d+\.(conv[123]|bn[123]|downsample\.[01])|fc",
    "cifar-resnet20": r"conv1|bn1|layer[123]\.\d+\.(conv[12]|bn[12])|fc",
    "efficientnet-lite0": r"_conv_stem|_bn0|_blocks\.\d+\.(_(expand|depthwise|project)_conv|_bn[012])|_conv_head|_bn1"
    r"|_fc",
    **dict.fromkeys(("r2d-18", "mc3-18", "r3d-18"), r"stem\.[01]|layer[1-4]\.\d+\.(conv[12]|downsample)\.[01]|fc"),
    "r2plus1d-18": r"stem\.[0134]|layer[1-4]\.\d+\.(conv[12]\.(0\.[013]|1)|downsample\.[01])|fc",
    "r2plus1d-50": r"stem\.[0134]|layer[1-4]\.\d+\.(conv2\.(0\.[013]|1)|(conv[13]|downsample)\.[01])|fc",
    "vit-tiny": r"patch_embed\.proj|blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.fc[12])|norm|head",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_grid_vector_and_scores_have_their_shapes(name: str) -> None:
    net = small(name, classes=7).eval()
    for images in (pictures(net, 2), torch.randn(2, *shape_of(net, net.smallest + 16, net.smallest + 33))):
        grid, vector, scores = net.grid(images), net.vector(images), net(images)
        assert grid.dim() == images.dim() and grid.shape[:2] == (2, net.size)
        assert vector.shape == (2, net.vector_size) and scores.shape == (2, 7)
        assert torch.equal(scores, net.get_submodule(net.last_layer)(vector))


@pytest.mark.parametrize("name", ALL_NETS)
def test_the_grid_of_the_papers_input_is_the_last_stage_with_places(name: str) -> None:
    net, _ = counts_of(name)
    image = torch.empty(1, *net.input_shape, device="meta")
    with_places = [shape for shape in ALL_NETS[name].shapes if len(shape) >= 3 and shape[-1] > 1]
    last = (192, 14, 14) if name == "vit-tiny" else with_places[-1]
    assert net.eval().grid(image).shape[1:] == last
    assert net.vector(image).shape[1:] == (net.vector_size,)


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_are_independent_in_evaluation(name: str) -> None:
    net = small(name).double()
    images = pictures(net, 4, net.smallest + 9).double()
    net.train()(images)  # the statistics of batch norm are no longer those of the start
    net.eval()
    for look in (net.grid, net.vector, net):
        whole = look(images)
        torch.testing.assert_close(look(images[1:3]), whole[1:3])
        torch.testing.assert_close(look(images[2:3]), whole[2:3])
        torch.testing.assert_close(look(images.flip(0)), whole.flip(0))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tiny_batch_can_be_overfitted(name: str) -> None:
    """Eight random pictures of the smallest size, at an eighth of the width."""
    net = without_dropout(small(name))
    images, labels = pictures(net, 8), torch.arange(8)
    optimiser = torch.optim.Adam(net.parameters(), 0.01 if name.startswith(("lenet", "cifar10")) else 0.003)
    losses = []
    for _ in range(400):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        if losses[-1] < 0.05:
            break
    assert losses[-1] < 0.05, f"{losses[0]:.3f} -> {losses[-1]:.3f} after {len(losses)} updates"


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"lenet5-1998"}))
def test_the_first_loss_is_about_ln_classes(name: str) -> None:
    net = without_dropout(small(name))
    loss = F.cross_entropy(net(pictures(net, 8)), torch.arange(8))
    assert loss.item() == pytest.approx(math.log(10), abs=0.35)


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_have_their_customary_names(name: str) -> None:
    kinds = "weight|bias|factor|codes|running_mean|running_var|num_batches_tracked"
    own = r"|(cls_token|pos_embed)" if name == "vit-tiny" else ""
    pattern = re.compile(rf"({NAMES[name]})\.({kinds}){own}")
    wrong = [key for key in small(name).state_dict() if not pattern.fullmatch(key)]
    assert wrong == []


def test_images_of_another_kind_are_refused() -> None:
    net = small("vgg11")
    with pytest.raises(TensorError, match=r"VGG reads images of shape \(rows, 3, height, width\) in floating point; "
                       r"got \(2, 1, 32, 32\) in float32\."):  # fmt: skip
        net(torch.zeros(2, 1, 32, 32))
    with pytest.raises(TensorError, match=r"got \(2, 3, 32, 32\) in uint8"):
        net.grid(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(TensorError, match=r"at least 32 × 32 pixels; got 31 × 40\. Enlarge or pad them"):
        net.vector(torch.zeros(2, 3, 31, 40))
    with pytest.raises(TensorError, match=r"got \(3, 32, 32\)"):
        net.vector(torch.zeros(3, 32, 32))


def test_clips_of_another_kind_are_refused() -> None:
    net, joining = small("r2plus1d-18").eval(), small("r2d-18").eval()
    with pytest.raises(TensorError, match=r"VideoResNet reads clips of shape \(rows, 3, frames, height, width\) in "
                       r"floating point; got \(2, 3, 32, 32\) in float32\."):  # fmt: skip
        net(torch.zeros(2, 3, 32, 32))
    with pytest.raises(TensorError, match=r"reads clips of at least 32 × 32 pixels; got 32 × 31"):
        net.grid(torch.zeros(2, 3, FRAMES, 32, 31))
    with pytest.raises(TensorError, match=r"reads clips of at least 4 frames; got 3\."):
        joining.vector(torch.zeros(2, 3, 3, 32, 32))
    for frames in (1, 3, 9):
        assert net(torch.zeros(2, 3, frames, 32, 32)).shape == (2, 10)
    assert joining(torch.zeros(2, 3, 9, 32, 32)).shape == (2, 10)
    with pytest.raises(OptionError, match=r"middle is 'convolution' or 'block'; got 'blocks'\."):
        make_video_net("r2plus1d-18:middle=blocks")
    with pytest.raises(OptionError, match=r"Unknown net 'resnet18'"):
        make_video_net("resnet18")
    with pytest.raises(OptionError, match=r"Unknown net 'r3d-18'"):
        make_net("r3d-18")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested")
def test_images_of_another_type_or_layout_are_refused() -> None:
    net = small("lenet5")
    images = torch.zeros(2, net.channels, 32, 32)
    nested = torch.nested.nested_tensor([images[0], images[1]])
    for wrong, words in (
        (images.half(), r"weights in torch\.float32 on cpu; got images in torch\.float16 on cpu"),
        (images.double(), r"got images in torch\.float64"),
        (images.to("meta"), r"got images in torch\.float32 on meta"),
        (images.to_sparse(), r"got torch\.sparse_coo"),
        (nested, r"got a nested tensor"),
        (images.tolist(), r"got a list"),
    ):
        for method in (net, net.grid, net.vector):
            with pytest.raises(TensorError, match=words):
                method(wrong)  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        assert net(images.bfloat16()).shape == (2, 10)


def test_a_net_without_memory_for_its_weights_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"There is not enough memory: .*\nChoose a smaller model"):
        make_net("vit-tiny:image_size=9999999")


def test_wrong_options_are_refused() -> None:
    with pytest.raises(OptionError, match=r"A net is named by a text, such as 'resnet50'; got None"):
        make_net(None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"'lenet5:width=1,width=2' has the option 'width' twice"):
        make_net("lenet5:width=1,width=2")
    with pytest.raises(OptionError, match=r"Unknown net 'resnet51'\. Did you mean 'resnet50'\?"):
        make_net("resnet51")
    with pytest.raises(OptionError, match=r"has no option 'widht'\. Did you mean 'width'\?"):
        make_net("resnet18:widht=2")
    with pytest.raises(OptionError, match=r"classes is a whole number of at least 1; got 0"):
        make_net("lenet5:classes=0")
    with pytest.raises(OptionError, match=r"width is a number from 0\.01 to 100; got 0"):
        make_net("lenet5:width=0")
    with pytest.raises(OptionError, match=r"an image holds a patch; got size 192, heads 3, image_size 8, patch 16"):
        make_net("vit-tiny:image_size=8")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_end_of_a_net_makes_the_compact_features_from_the_early_ones(name: str) -> None:
    net = small(name).eval()
    images = pictures(net, 2)
    with torch.no_grad():
        early = net.early(images)
        torch.testing.assert_close(net.end(early), net.compact(images))
    assert (early.shape != net.compact(images).shape) == bool(net.end_layers)
    used: list[str] = []
    for path, layer in net.named_modules():
        layer.register_forward_hook(lambda *_, path=path: used.append(path))
    net.end(early)
    parameters = {n.rpartition(".")[0] for n, _ in net.named_parameters()}
    inside = {path for path in parameters if path.startswith(tuple(f"{n}." for n in net.end_layers))}
    inside |= parameters & set(net.end_layers)
    assert parameters & set(used) == (inside if net.end_layers else set()), "end_layers are those that `end` runs"
