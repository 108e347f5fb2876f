"""Makes a page of pictures with the captions that a run gives them, and where it looked for each word.

python docs/make_captions_page.py runs/captions --strip docs/caption.png
python docs/make_captions_page.py runs/captions --data flickr8k/dev.csv --count 40 --out captions.html

By default eight photographs that come inside the package scikit-image, which anybody may show; the page names their
photographers and licences. With --data images of a table or file of captions, each with its own captions beside, or
images of a folder. --strip also draws one photograph as a small picture, with its caption and a map for each word.
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

import unrolled
from unrolled.data.media.images import ImageArray
from unrolled.data.media.thumbnails import fit_image, to_pillow
from unrolled.data.modalities.files import resolve_paths
from unrolled.data.tables.caption_files import find_caption_file
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import UnrolledError
from unrolled.pages.gallery import GallerySection, Thumbnail, write_gallery
from unrolled.pages.overlay import overlay
from unrolled.run import InferenceInput, Seq2SeqRun

SAMPLES = {
    "chelsea.png": "by Stefan van der Walt, CC0",
    "coffee.png": "by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
    "camera.png": "by Lav Varshney, CC0",
    "astronaut.png": "Eileen Collins, by NASA, public domain",
    "rocket.jpg": "by SpaceX, public domain",
    "clock_motion.png": "by Stefan van der Walt, public domain",
    "coins.png": "Greek coins from Pompeii, Brooklyn Museum, no known copyright restrictions",
    "hubble_deep_field.jpg": "by NASA, public domain",
}
"""Photographs of scikit-image, and what it says about their rights (`skimage/data/_fetchers.py`)."""
READ, LARGE, SMALL = 400, 260, 140  # pixels on the longer side: as read, of a picture on the page, of a word's map
ACROSS, MOST_BYTES = 5, 150_000  # of the small picture: maps in a row, and its size
STRIP_SIDES = (220, 200, 180, 160, 140, 120, 100, 80)  # of its maps, the first that is small enough
GAP, LINE = 8, 22  # its pixels between maps, and for a line of text


class Photo(NamedTuple):
    """A picture to describe."""

    path: str
    credit: str = ""  # who made it and under which licence; "" if that is not known
    references: Sequence[str] = ()  # captions by people

    @property
    def given(self) -> InferenceInput:
        """As an input of a run."""
        return InferenceInput(self.path, (self.path,))

    @property
    def name(self) -> str:
        """Its file's name."""
        return Path(self.path).name


class Described(NamedTuple):
    """A picture with its caption by the run."""

    photo: Photo
    image: ImageArray
    facts: dict[str, Any]  # of the caption, as in JSON
    attentive: str  # the caption by the net, to which the maps belong; "" without attention
    maps: list[tuple[str, ImageArray]]  # its words, and the picture with what was looked at for each


def sample_photos() -> list[Photo]:
    """The photographs of scikit-image."""
    found = find_spec("skimage")  # its folder, without importing it
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The photographs come with scikit-image: pip install scikit-image. Or give --data.")
    folder = Path(found.submodule_search_locations[0]) / "data"
    return [Photo(str(folder / name), credit) for name, credit in SAMPLES.items()]


def photos_of(run: Seq2SeqRun, data: Path, count: int) -> list[Photo]:
    """`count` images of a table of captions, evenly spaced, with all their captions; or of a folder of images."""
    captions = find_caption_file(data) or data
    references: dict[str, list[str]] = {}
    if is_table(captions):
        table = open_table(captions, run.reader.options)
        for row in table.rows([*run.known.columns.inputs, *run.outputs]):
            (path,), caption = resolve_paths(row.cells[:1], table.path.parent), row.cells[1]
            own = references.setdefault(str(path), [])
            if caption is not None:
                own.append(str(caption))
    else:
        references = {given.name: [] for given in run.read_input(str(data)) or ()}
    paths = list(references)
    kept = [paths[number * len(paths) // count] for number in range(min(count, len(paths)))]
    return [Photo(path, references=references[path]) for path in kept]


def describe(run: Seq2SeqRun, photos: Sequence[Photo], top: int) -> list[Described]:
    """The captions of these pictures; those that cannot be read are left out, with a line about each."""
    found = []
    given = [photo.given for photo in photos]
    predictions = run.predict(given, top=top)
    # where captions of similar images were selected, the net has another caption, and looks at the picture for it
    looks = run.predict(given, show_attention=True) if run.settings.attention != "none" else iter(())
    for photo, prediction in zip(photos, predictions, strict=True):
        looked = next(looks, None)
        if prediction.error:
            print(prediction.error)
            continue
        image, facts = run.picture(photo.given, READ), prediction.to_dict()["outputs"][run.name]
        text = None if looked is None else looked.texts[run.name]
        pairs = [] if text is None or text.attention is None else text.attention.by_word()
        maps = [(word, overlay(image, one.weights, one.frame)) for word, one in pairs]
        found.append(Described(photo, image, facts, "" if text is None else text.text, maps))
    return found


def write_page(run: Seq2SeqRun, described: Sequence[Described], about: str) -> str:
    """The page, with all pictures in it."""
    sections = []
    for one in described:
        text = one.facts["prediction"] or "(no text)"
        first = Thumbnail.of(one.image, [text, *lines_about(one)], text, LARGE)
        maps = [Thumbnail.of(looked, [word], word, SMALL) for word, looked in one.maps]
        sections.append(GallerySection(one.photo.name, [first, *maps]))
    lines = [
        f"{about} Below each caption: its probability per word, and the next best captions.",
        run_line(run),
        "Beside each picture: where the net looked for each word. Bright places count most: black, violet, red, "
        "orange, yellow."
        if any(one.maps for one in described)
        else "The net has no attention: it reads the picture as one vector.",
    ]
    return write_gallery("Captions", lines, sections)


def lines_about(one: Described) -> list[str]:
    """What stands below a picture's caption."""
    lines = [measure_of(one.facts)]
    if (confidence := one.facts.get("confidence")) is not None:
        lines[0] += f", confidence {confidence:.0%}"
    lines += [f"or: {other['text']} ({measure_of(other)})" for other in one.facts["alternatives"][1:]]
    if one.attentive and one.attentive != one.facts["prediction"]:
        lines.append(f"The net, which the maps belong to: {one.attentive}")
    lines += [f"by a person: {reference}" for reference in one.photo.references]
    return [*lines, f"Photograph: {one.photo.credit}."] if one.photo.credit else lines


def measure_of(facts: dict[str, Any]) -> str:
    """How good a caption is to the model: probability per word, or for one of another picture, similarity."""
    probability = facts["word_probability"]
    return f"similarity {facts['score']:.2f}" if probability is None else f"{probability:.2f} per word"


def run_line(run: Seq2SeqRun) -> str:
    """The model, and its scores on its own test split."""
    line = f"The model: {run.selected[0]} with attention {run.settings.attention}, {run.parameters:,} parameters."
    scores = run.facts.get("scores", {}).get("outputs", {}).get(run.name, {})
    names = {"plain_bleu_1": "BLEU-1", "plain_bleu_4": "BLEU-4", "cider_d": "CIDEr-D"}
    said = [f"{name} {scores[key]:.3g}" for key, name in names.items() if key in scores]
    return f"{line} On its {scores.get('split', 'test')} split: {', '.join(said)}." if said else line


def draw_strip(one: Described) -> bytes:
    """A png below 150 kB: the picture with its caption above, then a map for each word, in rows of five. Marks that
    stand alone are no words."""
    panels = [("", one.image), *((word, looked) for word, looked in one.maps if any(map(str.isalnum, word)))]
    for side in STRIP_SIDES:
        small = [(word, to_pillow(fit_image(image, side))) for word, image in panels]
        wide, high = (max(sizes) for sizes in zip(*(image.size for _, image in small), strict=True))
        across = min(ACROSS, len(small))
        size = across * (wide + GAP) + GAP, math.ceil(len(small) / across) * (high + LINE + GAP) + LINE + 2 * GAP
        drawn = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(drawn)
        pen.text((GAP, GAP), one.attentive or one.facts["prediction"], "black", ImageFont.load_default(18))
        for number, (word, image) in enumerate(small):
            left = GAP + number % across * (wide + GAP)
            top = LINE + 2 * GAP + number // across * (high + LINE + GAP)
            drawn.paste(image, (left, top))
            pen.text((left, top + image.height), word, "black", ImageFont.load_default(14))
        file = BytesIO()
        drawn.quantize(256).save(file, "png", optimize=True)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, help="a table or file of captions, or a folder of images")
    parser.add_argument("--count", type=int, default=24, help="images of --data")
    parser.add_argument("--top", type=int, default=3, help="captions per picture")
    parser.add_argument(
        "--out", type=Path, help="the page; default docs/eight-captions.html, with --data ./captions.html"
    )
    parser.add_argument("--strip", type=Path, help="a small png of one picture")
    parser.add_argument("--of", help="the name of this picture; default: the one with the most confident caption")
    args = parser.parse_args(arguments)
    try:
        run = unrolled.load(args.run)
        if not isinstance(run, Seq2SeqRun) or not run.has_pictures:
            parser.error(f"{args.run} does not describe images")
        photos = sample_photos() if args.data is None else photos_of(run, args.data, args.count)
        described = describe(run, photos, args.top)
    except UnrolledError as error:
        raise SystemExit(str(error)) from None
    about = (
        "Photographs that come with the package scikit-image, and that the model has not seen in training."
        if args.data is None
        else f"{len(described)} images of {args.data.name}, evenly spaced."
    )
    out = args.out or (
        Path(__file__).with_name("eight-captions.html") if args.data is None else Path("captions.html")
    )
    out.write_text(write_page(run, described, about), encoding="utf-8")
    print(f"{out}: {len(described)} pictures, {out.stat().st_size / 1e6:.1f} MB")
    if args.strip is not None:
        chosen = {one.photo.name: one for one in described}
        if args.of is not None and args.of not in chosen:
            parser.error(f"--of {args.of}: there are {shlex.join(chosen)}")
        best = max(described, key=lambda one: float(one.facts.get("confidence") or one.facts["score"]))
        one = best if args.of is None else chosen[args.of]
        args.strip.write_bytes(draw_strip(one))
        credit = f" Photograph: {one.photo.credit}." if one.photo.credit else ""
        print(f"{args.strip}, {args.strip.stat().st_size // 1000} kB. Its text for who cannot see it:")
        caption = (one.attentive or one.facts["prediction"]).rstrip(" .")
        print(f"A photograph, and the caption that the model gives it: {caption}.{credit}")


if __name__ == "__main__":
    main()
