"""Images: any file becomes bytes of one size, upright and on white; broken files are named."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
import pytest

from unrolled.data.media.images import IMAGE_ENDINGS, MOST_PIXELS, inspect_image, measure_images, read_image
from unrolled.data.media.pixels import image_rows, patches_of, shift_image, vary_images
from unrolled.data.modalities.base import StepOptions, WholeImages
from unrolled.data.modalities.image import ImageInput
from unrolled.errors import MediaError, MissingExtra

pytest.importorskip("PIL")
from PIL import Image

HALVES = np.zeros((20, 40, 3), np.uint8)  # red on the left, blue on the right
HALVES[:, :20, 0] = 255
HALVES[:, 20:, 2] = 255


@pytest.mark.parametrize("suffix", IMAGE_ENDINGS)
def test_every_image_format_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    picture = Image.fromarray(HALVES)
    grey = suffix == ".pgm"
    (picture.convert("L") if grey else picture).save(path, lossless=True)  # which only webp reads
    assert inspect_image(path) == (40, 20, grey)
    read = read_image(path, 20, 40, False)
    assert read.shape == (20, 40, 3)
    assert read.dtype == np.uint8
    expected = np.array(picture.convert("L").convert("RGB")) if grey else HALVES
    far = np.s_[:, [*range(16), *range(24, 40)]]  # away from the edge between the halves, which jpeg blurs
    np.testing.assert_allclose(read[far].astype(int), expected[far], atol=8)
    assert read_image(path, 20, 40, True).shape == (20, 40, 1)


def test_an_image_is_resized_as_a_whole_and_smoothed(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    small = read_image(tmp_path / "a.png", 8, 16, True)
    assert small.shape == (8, 16, 1)
    np.testing.assert_allclose(small.astype(int), 128, atol=12)  # without smoothing, each would be 0 or 255
    Image.fromarray(HALVES).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png", 1, 2, False).tolist() == [
        [
            [pytest.approx(255, abs=40), 0, pytest.approx(0, abs=40)],
            [pytest.approx(0, abs=40), 0, pytest.approx(255, abs=40)],
        ]
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_by_its_exif(orientation: int, tmp_path: Path) -> None:
    corners = HALVES.copy()
    corners[10:, :, 1] = 255  # four quarters of four colours
    turned = corners.swapaxes(0, 1)
    upright = [whole for picture in (corners, turned) for whole in
               (picture, picture[:, ::-1], picture[::-1, ::-1], picture[::-1])]  # fmt: skip
    facts = Image.Exif()
    facts[0x0112] = orientation
    Image.fromarray(corners).save(tmp_path / "a.png", exif=facts)
    shown = upright[orientation - 1]
    assert inspect_image(tmp_path / "a.png") == (shown.shape[1], shown.shape[0], False)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", shown.shape[0], shown.shape[1], False), shown)


@pytest.mark.parametrize("grey", [True, False])
def test_a_large_jpeg_decoded_at_a_fraction_is_the_same_image(grey: bool, tmp_path: Path) -> None:
    across, down = np.meshgrid(np.linspace(0, 255, 600), np.linspace(255, 0, 400))
    smooth = np.stack([across, down, np.full_like(across, 9)], axis=2)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / name)
    one, other = (read_image(tmp_path / name, 8, 16, grey).astype(int) for name in ("a.png", "a.jpg"))
    np.testing.assert_allclose(one, other, atol=4)


def test_transparent_pixels_are_laid_on_white(tmp_path: Path) -> None:
    seen = np.zeros((4, 4, 4), np.uint8)
    seen[:, 2:, 3] = 255  # black; the left half is transparent
    Image.fromarray(seen).save(tmp_path / "rgba.png")
    Image.fromarray(seen[..., 2:]).save(tmp_path / "la.png")
    palette = Image.fromarray(np.array([[0, 0, 1, 1]] * 4, np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 0, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "p.gif", transparency=0)
    for name, grey in (("rgba.png", False), ("la.png", True), ("p.png", False), ("p.gif", False)):
        assert inspect_image(tmp_path / name)[2] == grey, name
        read = read_image(tmp_path / name, 4, 4, True)[..., 0]
        assert (read[:, :2] == 255).all(), name
        assert (read[:, 2:] == 0).all(), name


def test_16_bits_one_bit_and_palettes_become_bytes(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp * 257).save(tmp_path / name)
        assert inspect_image(tmp_path / name) == (16, 16, True)
        np.testing.assert_array_equal(read_image(tmp_path / name, 16, 16, True)[..., 0], ramp)
    (tmp_path / "a.pgm").write_bytes(b"P5 16 16 65535\n" + (ramp * 257).astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm", 16, 16, True)[..., 0], ramp)
    Image.fromarray((ramp > 99).astype(np.uint8) * 255).convert("1").save(tmp_path / "b.png")
    assert inspect_image(tmp_path / "b.png")[2]
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", 16, 16, True)[..., 0], (ramp > 99) * 255)
    Image.fromarray(HALVES).quantize(2).save(tmp_path / "c.png")
    assert not inspect_image(tmp_path / "c.png")[2]
    np.testing.assert_array_equal(read_image(tmp_path / "c.png", 20, 40, False), HALVES)
    greys = Image.fromarray(ramp.astype(np.uint8)).convert("P")
    greys.save(tmp_path / "d.png")
    assert inspect_image(tmp_path / "d.png")[2]


def test_16_bits_are_scaled_by_their_range(tmp_path: Path) -> None:
    ramp = np.arange(1000, 1256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp + 255).save(tmp_path / "b.tif")
    depth, ground = measure_images([tmp_path / "a.png", tmp_path / "b.tif", tmp_path / "none.png"])
    assert (depth, ground) == ((1000, 1510), 255)
    read = read_image(tmp_path / "a.png", 16, 16, True, depth)[..., 0]
    np.testing.assert_array_equal(read, np.rint((ramp - 1000) / 2))
    assert read_image(tmp_path / "b.tif", 16, 16, True, depth).max() == 255
    assert (
        read_image(tmp_path / "a.png", 16, 16, True, (1100, 1200)).min() == 0
    )  # below the smallest value of the image
    Image.fromarray(HALVES).save(tmp_path / "c.png")
    assert measure_images([tmp_path / "c.png"]) == ((0, 65535), 255)


@pytest.mark.parametrize(
    ("drawings", "ground"), [((0,), 255), ((255,), 0), ((250, 240), 0), ((0, 255), 128), ((200,), 255), ((), 255)]
)
def test_the_background_shows_the_drawing(drawings: tuple[int, ...], ground: int, tmp_path: Path) -> None:
    paths = []
    for number, grey in enumerate(drawings):
        seen = np.full((6, 6, 4), grey, np.uint8)
        seen[..., 3] = 0
        seen[1:3, 1:5, 3] = 255
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(seen).save(paths[-1])
    assert measure_images(paths)[1] == ground
    for path, grey in zip(paths, drawings, strict=True):
        read = read_image(path, 6, 6, True, ground=ground)[..., 0].astype(int)
        assert (read[1, 1], read[5, 5]) == (grey, ground)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "I;16"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_an_image_resized_tile_by_tile_is_the_same(
    mode: str, orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    across, down = np.meshgrid(np.linspace(0, 255, 300), np.linspace(255, 0, 200))
    smooth = np.stack([across, down, np.full_like(across, 9), 255 - across / 2], axis=2).astype(np.uint8)
    picture = Image.fromarray(smooth)
    if mode == "I;16":
        picture = Image.fromarray(across.astype(np.uint16) * 257)
    elif mode == "P":
        picture = picture.convert("RGB").quantize(32)
    else:
        picture = picture.convert(mode)
    facts = Image.Exif()
    facts[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=facts)
    whole = read_image(tmp_path / "a.png", 8, 16, False).astype(int)
    monkeypatch.setattr("unrolled.data.media.images.LARGE", 1000)
    monkeypatch.setattr("unrolled.data.media.images.TILE", 40)
    tiled = read_image(tmp_path / "a.png", 8, 16, False).astype(int)
    np.testing.assert_allclose(tiled, whole, atol=14 if mode in ("P", "1") else 6)


def chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))


def bomb(side: int) -> Callable[[Path], object]:
    """A small png whose header declares side x side pixels."""
    facts = chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + facts + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(content)


def truncated(name: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(picture).save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])

    return write


def corrupt(path: Path) -> None:
    Image.fromarray(HALVES).save(path)
    content = bytearray(path.read_bytes())
    place = content.find(b"IDAT")
    content[place + 6 : place + 20] = b"\xff" * 14
    path.write_bytes(content)


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a truncated jpg": (
        "a.jpg",
        truncated("a.jpg"),
        r"a\.jpg is damaged or truncated: .*truncated.*\.\nCopy it again",
    ),
    "a truncated png": ("a.png", truncated("a.png"), r"a\.png is damaged or truncated: "),
    "a truncated webp": ("a.webp", truncated("a.webp"), r"a\.webp is (damaged or truncated|cannot be read)"),
    "a corrupt png": ("a.png", corrupt, r"a\.png is damaged or truncated: "),
    "a bomb": (
        "a.png",
        bomb(13_000),
        r"a\.png has 13,000 x 13,000 pixels by its header; at most 150,000,000 are read",
    ),
    "a larger bomb": (
        "a.png",
        bomb(100_000),
        r"a\.png has far too many pixels by its header; at most 150,000,000 are read",
    ),
    "a WebP, which takes more memory": (
        "a.webp",
        lambda path: Image.new("L", (8_000, 6_000)).save(path, lossless=True, method=0),
        r"a\.webp has 8,000 x 6,000 pixels by its header; at most 40,000,000 of a WebP are read, to limit memory",
    ),
    "no picture": (
        "a.jpg",
        lambda path: path.write_text("picture"),
        r"a\.jpg cannot be read as an image\.\nImage",
    ),
    "a form that is run": (
        "a.png",
        lambda path: path.write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
        ),
        r"a\.png cannot be read as an image",
    ),
    "an empty file": ("a.png", lambda path: path.touch(), r"a\.png is empty: an image was expected"),
    "no file": ("a.png", lambda path: None, r"a\.png: no such file"),
    "a folder": ("a.png", lambda path: path.mkdir(), r"a\.png is not a file; an image was expected"),
    "numbers with decimals": (
        "a.tif",
        lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path),
        r"a\.tif has 32-bit values, whose white level is unknown",
    ),
    "32 bits": (
        "a.tif",
        lambda path: Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(path),
        r"a\.tif has 32-bit values",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("error")
def test_a_wrong_image_is_refused(case: str, tmp_path: Path) -> None:
    name, write, words = BAD[case]
    write(tmp_path / name)
    with pytest.raises(MediaError, match=words) as raised:
        read_image(tmp_path / name, 8, 8, False)
    assert str(raised.value).count("\n") < 3
    assert str(tmp_path / name) in str(raised.value)


def test_a_decompression_bomb_is_found_by_probing_too(tmp_path: Path) -> None:
    assert 12_000 * 12_000 <= MOST_PIXELS < 13_000 * 13_000
    bomb(13_000)(tmp_path / "a.png")
    with pytest.raises(MediaError, match="13,000 x 13,000"):
        inspect_image(tmp_path / "a.png")
    bomb(12_000)(tmp_path / "a.png")
    assert inspect_image(tmp_path / "a.png") == (12_000, 12_000, False)


def test_the_extra_for_images_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(MissingExtra, match=r"pip install '\.\[vision\]' in unrolled's checkout"):
        inspect_image(tmp_path / "a.png")


def test_an_image_is_read_row_by_row() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    rows = image_rows(picture)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows[1], picture[1].reshape(-1) / 255, rtol=1e-6)
    np.testing.assert_array_equal(image_rows(picture[..., 0]), image_rows(picture[..., :1]))
    assert image_rows(np.full((1, 1, 1), 255, np.uint8)).tolist() == [[1.0]]


def test_an_image_is_read_in_patches_like_a_page() -> None:
    picture = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    patches = patches_of(picture, 2)
    assert patches.shape == (3 * 2, 2 * 2 * 3)
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches[1] * 255, picture[:2, 2:].reshape(-1), rtol=1e-6)
    np.testing.assert_allclose(patches[2] * 255, picture[2:4, :2].reshape(-1), rtol=1e-6)
    np.testing.assert_allclose(patches[4, :6] * 255, picture[4, :2].reshape(-1), rtol=1e-6)
    assert not patches[4, 6:].any()  # below the lower edge
    assert patches_of(np.ones((28, 28), np.uint8), 7).shape == (16, 49)


def test_a_shifted_image_keeps_its_content_and_its_source_is_unchanged() -> None:
    picture = np.full((28, 40, 1), 9, np.uint8)
    picture[14, 20] = 200
    kept = picture.copy()
    places = set()
    for seed in range(300):
        shifted = shift_image(picture, np.random.default_rng(seed))
        np.testing.assert_array_equal(shifted, shift_image(picture, np.random.default_rng(seed)))
        assert shifted.shape == picture.shape
        assert (shifted == 200).sum() == 1
        assert (shifted == 9).sum() == 28 * 40 - 1
        down, across, _ = np.argwhere(shifted == 200)[0].tolist()
        places.add((down - 14, across - 20))
    assert places == {(down, across) for down in range(-2, 3) for across in range(-3, 4)}
    np.testing.assert_array_equal(picture, kept)


def test_a_batch_of_images_is_varied_by_shifts_and_mirroring() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 8, 16, 3)).astype(np.uint8)
    varied = vary_images(images, np.random.default_rng(1), 0.25, mirror=True)
    moves, mirrored = [], 0
    for image, found in zip(images, varied, strict=True):
        edged = np.pad(image, ((2, 2), (4, 4), (0, 0)), "edge")
        for down, across, turned in np.ndindex(5, 9, 2):
            window = edged[down : down + 8, across : across + 16]
            if np.array_equal(found, window[:, ::-1] if turned else window):
                moves.append((down - 2, across - 4))
                mirrored += turned
    assert len(moves) == 40, "each is one shift of its image"
    assert {down for down, _ in moves} == set(range(-2, 3)), "by up to a quarter of each side"
    assert {across for _, across in moves} == set(range(-4, 5))
    assert 10 < mirrored < 30
    again = vary_images(images, np.random.default_rng(1), 0.25, mirror=False)
    assert np.array_equal(again[..., 0], vary_images(images[..., :1], np.random.default_rng(1), 0.25, False)[..., 0])


@pytest.mark.parametrize("grey", [True, False])
def test_a_batch_of_whole_images_is_encoded_like_each_alone(grey: bool) -> None:
    random = np.random.default_rng(0)
    images = list(random.integers(0, 256, (5, 6, 4, 1 if grey else 3)).astype(np.uint8))
    features = ImageInput(6, 4, grey).learn_featurizer(images, StepOptions(whole_images=WholeImages(32)))
    whole = features.encode_all(images)
    assert whole[0].shape == (1 if grey else 3, 6, 4) and whole[0].dtype == np.float32
    assert all(np.array_equal(one, features.encode(image)) for one, image in zip(whole, images, strict=True))
    scaled = (np.stack(images) / 255 - features.mean) / features.std
    assert np.allclose(np.moveaxis(np.stack(whole), 1, 3), scaled, atol=1e-5)
    assert features.encode_all([]) == []
