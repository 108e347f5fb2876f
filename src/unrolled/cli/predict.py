"""`unroll predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.bridge import Device, Json, Quiet, SkipEmpty, Threads, any_number, seed_number, whole_number
from unrolled.cli.output import note, print_json, say
from unrolled.cli.score import read_lines
from unrolled.errors import DataError, OptionError
from unrolled.escaping import one_line

if TYPE_CHECKING:
    from unrolled.run import Answer, Choice, Given, Run


def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] INPUT", help="a run (the newest under runs/), and a file of lines, a table, or -"
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="a text to answer about; may be given several times")
    ] = None,
    top: Annotated[
        int | None, typer.Option(parser=whole_number("--top"), help="the N likeliest labels, not the first alone")
    ] = None,
    every: Annotated[bool, typer.Option("--every", help="the answer so far after each step of a line")] = False,
    beam: Annotated[
        int | None,
        typer.Option("--beam", parser=whole_number("--beam"), help="of texts: follow the N likeliest beginnings"),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", parser=any_number("--temperature"), help="of texts: draw, below 1 safer"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", parser=seed_number, help="of --temperature: the same, the same text"),
    ] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="of texts, with --json: how much each step read weighed")
    ] = False,
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
    if top is not None and top < 1:
        raise OptionError(f"--top is a whole number of at least 1; got {top}.")
    run, source = _told_apart(paths or [], bool(text))
    from unrolled.run import load

    model = load(run, device, threads)
    if model.kind == "writings":
        if top is not None or every:
            raise OptionError(
                f"{'--every' if every else '--top'} is of labels and tags, and this run writes texts. Try --beam 5."
            )
        choice = _choice(beam, temperature, seed)
        if attention and not json:
            raise OptionError("--attention is weights, a table for each text: it takes --json.")
        _write(model, source, text or [], choice, attention, skip_empty, json, quiet)
        return
    model.check_kind("answers")
    given = {"--beam": beam, "--temperature": temperature, "--seed": seed, "--attention": attention or None}
    if refused := [name for name, value in given.items() if value is not None]:
        raise OptionError(f"{refused[0]} is of runs that write texts, and {model.path} answers. Leave it out.")
    conllu = source is not None and Path(source).suffix.lower() == ".conllu"
    if source is not None and conllu and model.predictor.known.each and not (json or every or top):
        for line in model.predictor.tag_conllu(source):
            say(line)
        return
    _answer(model, source, text or [], top, every, skip_empty, json, quiet)


def _choice(beam: int | None, temperature: float | None, seed: int | None) -> Choice | None:
    """How texts are written, where it was said. Raises OptionError."""
    from unrolled.run import Choice

    if beam is not None and temperature is not None:
        raise OptionError("--beam looks for the likeliest text, --temperature draws one. Leave one of them out.")
    if beam is not None and beam < 1:
        raise OptionError(f"--beam is a whole number of at least 1; got {beam}.")
    if temperature is not None and not 0 < temperature < inf:
        raise OptionError(f"--temperature is a number above 0; got {temperature:g}. For the likeliest: --beam 1")
    if seed is not None and temperature is None:
        raise OptionError("--seed is what texts are drawn from: it takes --temperature, such as --temperature 1.")
    if temperature is not None:
        return Choice(temperature=temperature, seed=seed or 0)
    return None if beam is None else Choice(beam)


def _answer(
    model: Run, source: str | None, texts: list[str], top: int | None, every: bool, skip_empty: bool, json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Answers about what was given, a line each."""
    outputs = model.predictor.known.outputs
    lines = _lines(model.predictor.read_input, source, texts)
    if not json:
        sure = {name: "interval" if output.kind == "value" else "chance" for name, output in outputs.items()}
        note("\t".join(f"{name}\t{sure[name]}" for name in outputs) + "\ttext", quiet)
    for answer in _in_place(_answers(model, lines, top, every), skip_empty, json, quiet):
        if json:
            print_json(answer.as_dict())
        elif answer.empty or answer.error:
            say("\t\t" * len(outputs) + _in_line(answer.text))
        else:
            say(_line(answer, outputs, 1 if top is None else top))


def _write(
    model: Run, source: str | None, texts: list[str], choice: Choice | None, attention: bool, skip_empty: bool,
    json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Texts about what was given, a line each."""
    name, lines = model.writer.name, _lines(model.writer.read_input, source, texts)
    if not json:
        note(f"{name}\tscore\ttext", quiet)
    for answer in _in_place(model.write(lines, choice, attention), skip_empty, json, quiet):
        if json:
            print_json(answer.as_dict())
            continue
        if answer.empty or answer.error:
            say("\t\t" + _in_line(answer.text))
            continue
        written = answer.texts[name]
        parts = (written.text, f"{written.score:.3f}", answer.text)
        say("\t".join(map(_in_line, parts)))


def _lines(
    read_input: Callable[[str], Iterable[Given] | None], source: str | None, texts: list[str]
) -> Iterable[Given | str]:
    """What is to be answered: a table's rows or a folder's files, else lines as they come."""
    if source is None:
        return texts
    found = read_input(source)
    if found is None and Path(source).is_file():
        from unrolled.data.text import file_of_text

        file_of_text(Path(source), source, any_bytes=False)  # what is no text has no lines
    return read_lines(source) if found is None else found


def _told_apart(paths: list[str], has_text: bool) -> tuple[str | None, str | None]:
    """(run, input) of what was named."""
    from unrolled.given import check_path
    from unrolled.run import is_run

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
    if paths and is_run(paths[0]):
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


def _answers(model: Run, lines: Iterable[Given | str], top: int | None, every: bool) -> Iterator[Answer]:
    if not every:
        yield from model.predict(lines, top)
        return
    for line in lines:
        yield from model.predictor.answer_as_read(line, top)


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
