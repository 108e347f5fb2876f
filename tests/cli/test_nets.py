"""`unroll nets`: the list of nets, and one net layer by layer."""

from __future__ import annotations

import json

import pytest
from commands import Unroll

from unrolled.model.nets import NETS, VIDEO_NETS, counts_of


def test_it_lists_every_net_with_what_it_costs(unroll: Unroll) -> None:
    result = unroll("nets")
    title, *rows = [line.split() for line in result.out.splitlines()]
    assert result.code == 0 and title[:3] == ["net", "year", "input"]
    assert [row[0] for row in rows] == list(NETS)
    assert rows[0] == ["lenet5", "1998", "1×32×32", "5", "61,706", "416,520", "58,408"]
    assert len({len(line) for line in result.out.splitlines()}) == 1, "columns are aligned"


def test_the_list_in_json_is_an_object_per_net(unroll: Unroll) -> None:
    rows = [json.loads(line) for line in unroll("nets", "--json").out.splitlines()]
    assert [row["net"] for row in rows] == list(NETS)
    resnet = next(row for row in rows if row["net"] == "resnet50")
    assert (resnet["parameters"], resnet["multiply_adds"]) == (25_557_032, 4_089_184_256)
    assert (resnet["input"], resnet["classes"], resnet["layers"]) == ([3, 224, 224], 1000, 54)
    assert resnet["year"] == 2015 and "1512.03385" in resnet["paper"]
    assert resnet["activation_bytes"] == counts_of("resnet50")[1].activation_bytes


def test_nets_for_video_are_listed_with_what_long_clips_cost(unroll: Unroll) -> None:
    rows = [line.split() for line in unroll("nets", "--video").out.splitlines()]
    assert rows[0][-2:] == ["32", "frames"] and [row[0] for row in rows[1:]] == list(VIDEO_NETS)
    (listed,) = (row for row in rows if row[0] == "r2plus1d-34")
    assert listed[2:] == ["3×16×112×112", "70", "63,697,175", "76,177,959,936", "1,198,641,648", "152,355,715,072"]
    refused = unroll("nets", "r3d-18", "--video")
    assert refused.code == 2 and "with a net, r3d-18, leave it out" in refused.err


@pytest.mark.slow
def test_the_list_of_nets_for_video_in_json(unroll: Unroll) -> None:
    facts = [json.loads(line) for line in unroll("nets", "--video", "--json").out.splitlines()]
    assert facts[0]["input"] == [3, 16, 112, 112] and facts[-1]["multiply_adds_of_32_frames"] == 251_997_435_904


def test_one_net_is_shown_layer_by_layer(unroll: Unroll) -> None:
    lines = [" ".join(line.split()) for line in unroll("nets", "resnet18:").out.splitlines()]
    assert lines[0] == "resnet18: He et al., Deep residual learning for image recognition, arXiv 1512.03385, 2015"
    assert "input 3×224×224, 1000 classes; images of 32 × 32 pixels or more" in lines
    assert "stages: conv1 64×112×112, maxpool 64×56×56, layer1 64×56×56, layer2 128×28×28" in lines[2]
    assert "conv1 Conv2d 7×7/2 64×112×112 9,408 118,013,952" in lines
    assert "layer2.0.downsample.0 Conv2d 1×1/2 128×28×28 8,192 6,422,528" in lines
    assert "total 11,689,512 1,814,073,344" in lines
    assert lines[-1] == "21 convolutions and linear layers; outputs of all layers: 29,910,944 bytes in float32"


def test_one_net_with_options_in_json(unroll: Unroll) -> None:
    result = unroll("nets", "lenet5:width=0.5,classes=26,channels=3", "--json")
    facts = json.loads(result.out)
    assert (facts["net"], facts["classes"]) == ("lenet5:width=0.5,classes=26,channels=3", 26)
    assert facts["input"] == [3, 32, 32] and facts["stages"]["pool2"] == [8, 5, 5]
    assert facts["calls"][0] == {"name": "conv1", "kind": "Conv2d 5×5", "shape": [3, 28, 28],
                                 "parameters": 3 * 76, "multiply_adds": 28 * 28 * 3 * 75}  # fmt: skip
    assert sum(call["parameters"] for call in facts["calls"]) == facts["parameters"]


def test_an_unknown_net_or_option_is_refused_with_the_nearest_name(unroll: Unroll) -> None:
    for given, message in (
        ("resnet5O", "unroll: Unknown net 'resnet5O'. Did you mean 'resnet50'? Known: lenet5, lenet5-1998, "),
        ("vgg16:clases=3", "unroll: The net vgg16 has no option 'clases'. Did you mean 'classes'?"),
        ("vgg16:classes=many", "unroll: vgg16:classes is a whole number; got 'many'."),
        ("RESNET50", "unroll: Unknown net 'RESNET50'. Did you mean 'resnet50'?"),
        ("vgg16:width=0", "unroll: VGG: width is a number from 0.01 to 100; got 0.0."),
        ("vgg16:width=1e9", "unroll: VGG: width is a number from 0.01 to 100; got 1000000000.0."),
        ("vit-tiny:image_size=99999999", "unroll: vit-tiny:image_size=99999999: its layers are larger than any"),
    ):
        result = unroll("nets", given)
        assert (result.code, result.out) == (2, "") and result.err.startswith(message), result.err
        assert len(result.err.splitlines()) <= 2
