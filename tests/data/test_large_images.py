"""Images of 12,000 x 12,000 pixels are read at a reduced size, in under 1 GB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest

from unrolled.data.media.images import measure_images, read_image

pytest.importorskip("PIL")
from PIL import Image

SIDE = 12_000
COLOURS = np.array([[[200, 20, 40], [30, 180, 90]], [[60, 70, 210], [250, 240, 10]]])  # of the four quarters
READ = r"""
import json, re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unrolled.data.media.images import measure_images, read_image
path = Path(sys.argv[1])

def megabytes(what):
    return int(re.search(rf"Vm{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3

imported = megabytes("RSS")  # of torch's builds with CUDA twice as much as of those without
depth, ground = measure_images([path])
before = megabytes("RSS")
for _ in range(2):  # each in a thread of its own, which keeps no memory for later
    with ThreadPoolExecutor(1) as pool:
        image = pool.submit(read_image, path, 32, 32, False, depth, ground).result()
quarters = [image[row, column].tolist() for row, column in ((8, 8), (8, 24), (24, 8), (24, 24))]
print(json.dumps([quarters, megabytes("HWM") - imported, megabytes("RSS") - before]))
"""
MODES = {"RGB": (8, 2), "RGBA": (8, 6), "L": (8, 0), "I;16": (16, 0)}  # bits, kind of colour in a png
LIGHTNESS = [76, 125, 83, 217]  # of the four colours


def write_png(path: Path, mode: str) -> None:
    """Four quarters, row by row. The left half of an RGBA image is transparent."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))

    bits, kind = MODES[mode]
    packer, content = zlib.compressobj(1), b""
    for down in range(2):
        if mode == "RGB":
            colours = [bytes(colour) for colour in COLOURS[down].tolist()]
        elif mode == "RGBA":
            colours = [bytes([*colour, 255 * side]) for side, colour in enumerate(COLOURS[down].tolist())]
        else:
            values = LIGHTNESS[2 * down : 2 * down + 2]
            colours = [bytes([one]) if bits == 8 else pack(">H", 1000 + one) for one in values]
        row = b"\0" + colours[0] * (SIDE // 2) + colours[1] * (SIDE // 2)
        for _ in range(SIDE // 2 // 100):
            content += packer.compress(row * 100)
    header = pack(">IIBBBBB", SIDE, SIDE, bits, kind, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", content + packer.flush()) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def write_jpeg(path: Path, mode: str) -> None:
    small = Image.fromarray(COLOURS.astype(np.uint8)).convert("RGB" if mode == "CMYK" else mode)
    small.resize((SIDE, SIDE), Image.Resampling.NEAREST).convert(mode).save(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        *(pytest.param("a.png", mode, marks=pytest.mark.slow) for mode in ("RGBA", "L", "I;16")),
        *(pytest.param("a.jpg", mode, marks=pytest.mark.slow) for mode in ("RGB", "L", "CMYK")),
    ],
)
def test_an_image_of_12_000_pixels_a_side_is_read_in_less_than_a_gigabyte(
    name: str, mode: str, tmp_path: Path
) -> None:
    (write_png if name == "a.png" else write_jpeg)(tmp_path / name, mode)
    found = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    assert not found.stderr  # no warning about a decompression bomb
    quarters, most, kept = json.loads(found.stdout)
    if mode == "L":
        expected = [[one] * 3 for one in LIGHTNESS]
    elif mode == "I;16":  # the range of values becomes 0 to 255
        expected = [[round(255 * (one - 76) / (217 - 76))] * 3 for one in LIGHTNESS]
    else:
        expected = COLOURS.reshape(4, 3).tolist()
        if mode == "RGBA":
            expected = [[255] * 3 if place % 2 == 0 else colour for place, colour in enumerate(expected)]
    np.testing.assert_allclose(quarters, expected, atol=2)
    assert most < 750  # MB, beside the libraries
    assert kept < 100


def test_bit_depth_and_background_are_measured_on_large_images_too(tmp_path: Path) -> None:
    """As in X-rays with 12 bits: they were nearly black, because the measurement left out large images."""
    ramp = np.tile(np.arange(100, 2600, dtype=np.uint16), (2000, 1))  # 5 million pixels
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    depth, ground = measure_images([tmp_path / "deep.png"])
    assert (depth, ground) == ((100, 2599), 255)
    read = read_image(tmp_path / "deep.png", 20, 25, True, depth)[..., 0].astype(int)
    assert read[0, 0] == pytest.approx(255 / 50, abs=2)
    assert read[0, 24] == pytest.approx(255 * 49 / 50, abs=2)
    white = np.full((2000, 2500, 2), 255, np.uint8)
    white[:, :1000, 1] = 0  # a white drawing
    Image.fromarray(white).save(tmp_path / "drawn.png")
    assert measure_images([tmp_path / "drawn.png"])[1] == 0


def test_of_very_many_large_images_some_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.media.images.LARGE", 99)
    monkeypatch.setattr("unrolled.data.media.images.MEASURED", 200)
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):  # 100 pixels each, 800 in all
        Image.fromarray(np.arange(number, 100 + number, dtype=np.uint16).reshape(10, 10)).save(path)
    assert measure_images(paths)[0] == (0, 103)  # of the first and the fifth
