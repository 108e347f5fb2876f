"""`unroll find`."""

from __future__ import annotations

from typing import Annotated

import typer

from unrolled.cli.new_files import check_new_file, is_page, write_new_file
from unrolled.cli.options import Device, Json, Quiet, Threads
from unrolled.cli.output import note, print_json, say
from unrolled.errors import OptionError
from unrolled.escaping import one_line

SHOWN_FAULTS = 5  # files that cannot be read, that are named


def find(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [TEXT]", help="a run on captions (the newest under runs/), and a text"),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="FOLDER",
            help="the images to search: a folder, a table, or a file of paths, one a line (those of the run)",
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option("--like", metavar="IMAGE", help="find images that are similar to this one")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="number of images")] = 10,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="also write a page of the images, named .html")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find images by a text, or by another image.

    Needs a run on captions of images, whose features are those of a pretrained net. Prints one line per image, the
    best first: the similarity, at most 1, and the file. A text is compared by its words, as captions use them, in any
    order.

    \b
    Examples:
      unroll find runs/captions "a dog in the snow"
      unroll find runs/captions "two people at a table" --in photos/ --top 20 --out found.html
      unroll find --like photo.jpg --in photos/
    """
    from unrolled.given import check_path
    from unrolled.run import ImageFinder, find_images, load

    run, text = _split_words(words or [], like is not None)
    for path, what in ((within, "--in"), (like, "--like"), (out, "--out")):
        check_path(path, what)
    if top < 1:
        raise OptionError(f"--top is a whole number of at least 1; got {top}.")
    if out is not None:
        if not is_page(out):
            raise OptionError(f"--out {out} is a page: give it a name that ends in .html.")
        check_new_file("--out", out)
    model = load(run, device, threads)
    found = find_images(model, text, like=like, within=within, top=top)
    silent = quiet or json
    if found.unknown:
        note(f"Not in the captions of this run: {', '.join(map(one_line, found.unknown))}.", silent)
    if found.unreadable:
        count = len(found.unreadable)
        note(f"{count:,} file{'s' if count > 1 else ''} could not be read.")
        for fault in found.unreadable[:SHOWN_FAULTS]:
            note(fault.splitlines()[0])
    note("similarity\timage", silent)
    for one in found.images:
        if json:
            print_json({"image": one.name, "similarity": one.similarity})
        else:
            say(f"{one.similarity:.3f}\t{one_line(one.name)}")
    if out is not None:
        title = f"Images like {like}" if text is None else f"Images of: {text}"
        said = [f"The best {len(found.images):,} of {found.searched:,} images, by {model.path}."]
        page = ImageFinder(model).page(title, found, said)
        write_new_file("--out", out, page.encode(errors="backslashreplace"))
        note(f"The page is {out}.", silent)


def _split_words(words: list[str], has_image: bool) -> tuple[str | None, str | None]:
    """(run, text) from the arguments that were typed."""
    from unrolled.rundir.own_files import is_run, runs_held

    most = 1 if has_image else 2
    if len(words) > most:
        if has_image and len(words) == 2:
            raise OptionError(
                f"--like finds images like an image, and a text came too: '{words[1]}'. Give one of the two."
            )
        expected = (
            "a run was expected, because --like names an image" if has_image else "a run and a text were expected"
        )
        raise OptionError(
            f"{len(words)} words came, and {expected}.\n"
            'Put a text of several words in quotes: unroll find RUN "a dog in the snow"'
        )
    if has_image:
        return (words[0] if words else None), None
    if len(words) == 2:
        return words[0], words[1]
    if not words or is_run(words[0]) or runs_held(words[0]):
        raise OptionError(
            'Give a text, or an image with --like: unroll find RUN "a dog in the snow"\n'
            "or: unroll find RUN --like photo.jpg"
        )
    return None, words[0]
