"""A page of thumbnails: pictures in sections, each with some lines of text below it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import NamedTuple, Self

from unrolled.data.media.images import ImageArray
from unrolled.data.media.thumbnails import fit_image, to_pillow
from unrolled.pages.html import html_document

SIDE = 160  # pixels on the longer side of a thumbnail, at most; a JPEG of this size has about 6 KB
EXACT = 64  # pixels on the longer side up to which a picture is stored without loss and shown enlarged
QUALITY = 85  # of JPEG
MOST_SHOWN = 400  # thumbnails on a page, about 3 MB; callers say how many are left out
STYLE = """
body { max-width: 76em }
section { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start; margin-bottom: 2em }
figure { margin: 0 } figcaption { font-size: .8em; line-height: 1.3; overflow-wrap: anywhere; margin-top: .3em }
figcaption div:nth-child(n+2) { color: #666 }
img.exact { image-rendering: pixelated }
.absent { background: #eee; display: flex; align-items: center; justify-content: center; color: #666 }
nav { columns: 18em; font-size: .9em; margin-bottom: 2em } nav a { display: block }
"""


class Thumbnail(NamedTuple):
    """A picture of a gallery, already small and encoded."""

    lines: tuple[str, ...]  # below the picture; the first one is emphasised
    name: str  # the file or the place of the picture, for who cannot see it
    source: str  # a data URI; empty where the picture could not be read
    width: int  # pixels on the page
    height: int
    exact: bool  # a small picture, enlarged so that each pixel is a square

    @classmethod
    def of(cls, image: ImageArray | None, lines: Sequence[str], name: str = "", side: int = SIDE) -> Self:
        """The thumbnail of an image (H, W, 1 or 3) of bytes; None: it could not be read. side: pixels on its longer
        side, at most. Raises MissingExtra without Pillow."""
        if image is None:
            return cls(tuple(lines), name, "", side, side, False)
        small = fit_image(image, side)
        height, width = small.shape[:2]
        exact = max(height, width) <= EXACT
        scale = max(1, side // max(height, width)) if exact else 1
        return cls(tuple(lines), name, _data_uri(small, exact), width * scale, height * scale, exact)


class GallerySection(NamedTuple):
    """Thumbnails under a heading."""

    heading: str
    thumbnails: Sequence[Thumbnail]
    note: str = ""  # a line above them


def write_gallery(title: str, lines: Sequence[str], sections: Sequence[GallerySection]) -> str:
    """The page as HTML. It holds its pictures and loads nothing, and has no script. All arguments are plain text.

    lines: what the page shows, a paragraph each. With several sections, links to them come first.
    """
    said = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
    links = "".join(
        f'<a href="#part{number}">{escape(one.heading)}</a>\n' for number, one in enumerate(sections) if one.heading
    )
    nav = f"<nav>\n{links}</nav>\n" if len(sections) > 1 and links else ""
    shown = "".join(_section(number, one) for number, one in enumerate(sections))
    return html_document(title, said + nav + shown, STYLE)


def _section(number: int, section: GallerySection) -> str:
    heading = f'<h2 id="part{number}">{escape(section.heading)}</h2>\n' if section.heading else ""
    note = f"<p>{escape(section.note)}</p>\n" if section.note else ""
    figures = "".join(_figure(one) for one in section.thumbnails)
    return f"{heading}{note}<section>\n{figures}</section>\n"


def _figure(one: Thumbnail) -> str:
    size = f"{one.width}px"
    if one.source:
        kind = ' class="exact"' if one.exact else ""
        name = escape(one.name)
        image = (
            f'<img{kind} src="{one.source}" width="{one.width}" height="{one.height}" alt="{name}" title="{name}">'
        )
    else:
        image = f'<div class="absent" style="width:{size};height:{one.height}px">cannot be read</div>'
    lines = [escape(line) for line in one.lines]
    said = "".join(f"<div>{line}</div>" for line in [f"<b>{line}</b>" for line in lines[:1]] + lines[1:])
    return f'<figure style="width:max({size}, 9em)">{image}<figcaption>{said}</figcaption></figure>\n'


def _data_uri(image: ImageArray, exact: bool) -> str:
    file, form = BytesIO(), "png" if exact else "jpeg"
    to_pillow(image).save(file, form, **({} if exact else {"quality": QUALITY}))
    return f"data:image/{form};base64,{base64.b64encode(file.getvalue()).decode()}"
