"""The page of thumbnails: its text is escaped, its pictures are in it, it loads nothing and has no script."""

from __future__ import annotations

import base64
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.media.thumbnails import fit_image, read_thumbnail
from unrolled.pages.gallery import GallerySection, Thumbnail, write_gallery

image_module = pytest.importorskip("PIL.Image")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Collects the tags of a page, with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)


def picture_of(thumbnail: Thumbnail) -> np.ndarray:
    """The picture in a data URI."""
    return np.asarray(image_module.open(io.BytesIO(base64.b64decode(thumbnail.source.partition(",")[2]))))


def test_text_of_any_kind_is_shown_and_not_interpreted() -> None:
    name = os.fsdecode(b"a\xff.png")
    thumbnails = [Thumbnail.of(noise(8, 8), (HOSTILE, "0.97"), HOSTILE), Thumbnail.of(noise(8, 8), (name,), name)]
    page = write_gallery(
        HOSTILE, [HOSTILE], [GallerySection(HOSTILE, thumbnails, HOSTILE), GallerySection("second", [])]
    )
    assert page.encode().decode() == page
    found = parsed(page)
    assert "script" not in {tag for tag, _ in found.tags}
    assert sum(tag == "img" for tag, _ in found.tags) == 2
    assert not [key for _, attributes in found.tags for key in attributes if key.startswith("on")]
    assert found.text.count(HOSTILE) == 7  # title, heading, line, link, heading and note of the section, caption
    assert [attributes["alt"] for tag, attributes in found.tags if tag == "img"] == [HOSTILE, "a\\udcff.png"]


def test_a_page_loads_nothing_and_a_browser_is_told_so() -> None:
    page = write_gallery("t", [], [GallerySection("", [Thumbnail.of(noise(300, 200), ("a",))])])
    sources = [value for _, attributes in parsed(page).tags for key, value in attributes.items() if key == "src"]
    assert sources and all(str(source).startswith("data:image/jpeg;base64,") for source in sources)
    assert re.search(r"""http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:""", page)
    assert "http:" not in page and "https:" not in page


def test_a_small_picture_is_stored_without_loss_and_enlarged() -> None:
    digit = noise(28, 28, 1)
    shown = Thumbnail.of(digit, ("7",))
    assert (picture_of(shown) == digit[..., 0]).all()
    assert (shown.width, shown.height, shown.exact) == (140, 140, True)


def test_a_large_picture_is_reduced_in_its_own_ratio() -> None:
    shown = Thumbnail.of(noise(400, 1000), ("x",))
    assert picture_of(shown).shape == (64, 160, 3)
    assert (shown.width, shown.height, shown.exact) == (160, 64, False)
    assert len(shown.source) < 30_000
    assert fit_image(noise(3, 5000), 100).shape == (1, 100, 3)


def test_a_picture_that_cannot_be_read_leaves_its_place() -> None:
    page = write_gallery("t", [], [GallerySection("", [Thumbnail.of(None, ("gone",), "a.png")])])
    assert "cannot be read" in page and "<img" not in page and "gone" in page


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    picture = image_module.fromarray(np.repeat(np.linspace(0, 255, 90), 60).reshape(90, 60).astype(np.uint8))
    exif = image_module.Exif()
    exif[0x0112] = 6  # taken with the camera turned: the top is at the right
    picture.convert("RGB").save(tmp_path / "a.jpg", exif=exif)
    upright = read_thumbnail(tmp_path / "a.jpg", 30)
    assert upright.shape == (20, 30, 3)
    assert upright[:, 0].mean() > 200 and upright[:, -1].mean() < 50  # what was below is on the left
