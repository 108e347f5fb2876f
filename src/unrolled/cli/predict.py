"""`unroll predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.bridge import Device, Json, Quiet, SkipEmpty, Threads, takes
from unrolled.cli.output import note, print_json, say
from unrolled.cli.score import read_lines
from unrolled.errors import DataError, OptionError
from unrolled.escaping import one_line
from unrolled.settings import PredictSettings

if TYPE_CHECKING:
    from unrolled.run import Answer, Choice, Given, Run

SURE = {"label": "chance", "labels": "chance", "tags": "chance", "value": "interval", "text": "score"}
"""Kind of an output -> what stands beside its answer: how sure it is."""


@takes(PredictSettings)
def predict(
    settings: PredictSettings,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] INPUT", help="a run (the newest under runs/), and a file of lines, a table, or -"
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="a text to answer about; may be given several times")
    ] = None,
    skip_empty: SkipEmpty = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answers, or texts, about texts, sounds, pictures or numbers, a line each, in the order in which they come.

    Columns between tabs: for each output its label and the label's chance, then the text; of tags, those of all words
    and the least chance of them; of numbers, the interval that holds 95% of right ones; of a text that is written,
    the sum of its symbols' log-chances. A sound or a picture is given as a path, a folder of them, or a table with a
    column of paths; numbers as a table, or as lines: 0.5 1.2 3. Of a .conllu file its own lines come, with the tags
    in their column. An empty cell or line has an empty answer in its place. Lines that wait are answered together;
    one that comes alone is answered at once, so that a pipe stays alive.

    \b
    Examples:
      unroll predict runs/reviews new.txt
      unroll predict --text "a fine film" --top 3
      unroll predict runs/digits recordings/
      unroll predict runs/de-en german.txt --beam 5
      unroll predict runs/names --text Italian --temperature 0.8 --seed 3
      tail -f comments.txt | unroll predict runs/reviews - --json
    """
    run, source = _told_apart(paths or [], bool(text))
    from unrolled.run import has_tags, load, tag_conllu

    model = load(run, device, threads)
    model.check_can("predict")
    model.check_options(**settings.to_json())
    generation = _generation(settings)
    if settings.attention and not json:
        raise OptionError("--attention is weights, a table for each text: it takes --json.")
    conllu = source is not None and Path(source).suffix.lower() == ".conllu"
    if source is not None and conllu and has_tags(model) and not (json or settings.every or settings.top):
        for line in tag_conllu(model, source):
            say(line)
        return
    answers = model.predict(
        _lines(model, source, text or []),
        top=settings.top, every=settings.every, generation=generation, attention=settings.attention,
    )  # fmt: skip
    if not json:
        note("\t".join(f"{name}\t{SURE[output.kind]}" for name, output in model.outputs.items()) + "\ttext", quiet)
    for answer in _in_place(answers, skip_empty, json, quiet):
        if json:
            print_json(answer.as_dict())
        elif answer.empty or answer.error:
            say("\t\t" * len(model.outputs) + _in_line(answer.text))
        else:
            say(_line(answer, model.outputs, settings.top or 1))


def _generation(settings: PredictSettings) -> Choice | None:
    """How texts are written, where it was said. Raises OptionError for options that do not go together."""
    from unrolled.run import Choice

    if settings.beam is not None and settings.temperature is not None:
        raise OptionError("--beam looks for the likeliest text, --temperature draws one. Leave one of them out.")
    if settings.temperature is not None:
        return Choice(temperature=settings.temperature, seed=settings.seed or 0)
    if settings.seed is not None:
        raise OptionError("--seed is what texts are drawn from: it takes --temperature, such as --temperature 1.")
    return None if settings.beam is None else Choice(settings.beam)


def _lines(model: Run, source: str | None, texts: list[str]) -> Iterable[Given | str]:
    """What is to be answered: a table's rows or a folder's files, else lines as they come."""
    if source is None:
        return texts
    found = model.read_input(source)
    if found is None and Path(source).is_file():
        from unrolled.data.text import file_of_text

        file_of_text(Path(source), source, any_bytes=False)  # what is no text has no lines
    return read_lines(source) if found is None else found


def _told_apart(paths: list[str], has_text: bool) -> tuple[str | None, str | None]:
    """(run, input) of what was named."""
    from unrolled.given import check_path
    from unrolled.rundir.own_files import is_run, runs_held

    for path in paths:
        check_path(path, "A run or an input")
    if len(paths) > (1 if has_text else 2):
        raise OptionError(
            f"A run and an input were expected; {len(paths)} paths came: {' '.join(paths)}.\n"
            "unroll predict RUN INPUT, an input at a time."
        )
    if has_text:
        return (paths[0] if paths else None), None  # the newest run where none is named
    if len(paths) == 2:
        return paths[0], paths[1]
    if paths and (is_run(paths[0]) or runs_held(paths[0])):
        return paths[0], "-"
    return None, paths[0] if paths else "-"


def _in_place(answers: Iterable[Answer], skip_empty: bool, json: bool, quiet: bool) -> Iterator[Answer]:
    """All answers in their order; of what could not be read a note says why, and in JSON its object. Empty ones are
    left out on request, and counted at the end. Raises DataError where nothing could be read."""
    bad = read = empty = 0
    held: list[Answer] = []  # what could not be read, until something could: if nothing can, that is all there is
    for answer in answers:
        bad, empty = bad + bool(answer.error), empty + answer.empty
        read += not answer.error and not answer.empty
        if not (skip_empty and answer.empty):
            held.append(answer)
        if json or read or not bad:
            yield from _noted(held, json)
            held = []
    faults = [answer.error for answer in held if answer.error]
    if bad and not read:
        if len(faults) == 1:
            raise DataError(faults[0])
        for fault in faults:
            note(fault.splitlines()[0])
        raise DataError(f"{bad:,} of {bad:,} could not be read, and have no answer. See why above.")
    if bad:
        note(f"{bad:,} of {bad + read:,} could not be read, and have no answer.")
    if empty and skip_empty:
        note("1 that is empty was left out." if empty == 1 else f"{empty:,} that are empty were left out.", quiet)
    elif empty == 1:
        note("1 is empty, and so is the answer in its place; --skip-empty leaves it out.", quiet)
    elif empty:
        note(f"{empty:,} are empty, and so are the answers in their places; --skip-empty leaves them out.", quiet)


def _noted(answers: Iterable[Answer], json: bool) -> Iterator[Answer]:
    """The same answers; a note says why one could not be read."""
    for answer in answers:
        if answer.error and not json:
            note(answer.error.splitlines()[0])
        yield answer


def _line(answer: Answer, outputs: Iterable[str], top: int) -> str:
    from unrolled.data.written_numbers import write_number

    said = []
    for name in outputs:
        if name in answer.values:
            found = answer.values[name]
            scales = [one.high - one.low for one in found]
            values, lows, highs = (
                [write_number(getattr(one, end), scale) for one, scale in zip(found, scales, strict=True)]
                for end in ("value", "low", "high")
            )
            intervals = ", ".join(f"{low} to {high}" for low, high in zip(lows, highs, strict=True))
            said.append(f"{' '.join(values)}\t{intervals}")
        elif name in answer.texts:
            said.append(f"{_in_line(answer.texts[name].text)}\t{answer.texts[name].score:.3f}")
        elif name in answer.tags:
            words = answer.tags[name]
            least = min((ranked[0][1] for ranked in words), default=1.0)
            said.append(
                f"{' '.join('|'.join(_in_line(label) for label, _ in ranked[:top]) for ranked in words)}\t{least:.3f}"
            )
        else:
            kept = answer.sets[name][: len(answer.chosen(name))] if name in answer.sets else answer.labels[name][:top]
            said.append(
                "\t".join((", ".join(_in_line(label) for label, _ in kept), ", ".join(f"{c:.3f}" for _, c in kept)))
            )
    return "\t".join([*said, _in_line(answer.text)])


def _in_line(text: str) -> str:
    """A text of any number of lines within a line of columns."""
    return one_line(" ".join(text.splitlines()))
