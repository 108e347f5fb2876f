"""`unroll predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.attention import AttentionFile, map_lines
from unrolled.cli.options import Device, Json, Quiet, SkipEmpty, Threads, takes
from unrolled.cli.output import note, print_json, say
from unrolled.cli.score import lines_to_score
from unrolled.errors import DataError, OptionError
from unrolled.escaping import one_line
from unrolled.registry import RETRIEVAL
from unrolled.settings import PredictSettings

if TYPE_CHECKING:
    from unrolled.run import GenerationConfig, InferenceInput, RowPrediction, Run
    from unrolled.tasks.results import Alternative, Estimate, GeneratedText

CONFIDENCE: dict[str, tuple[str, ...]] = {
    "classification": ("probability",), "multilabel": ("probability",), "tagging": ("probability",),
    "regression": ("interval",), "seq2seq": ("score", "probability per word"),
}  # fmt: skip
"""Kind of an output -> heads of the columns after its predictions."""


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
        list[str] | None, typer.Option("--text", help="a text to predict for; may be given several times")
    ] = None,
    skip_empty: SkipEmpty = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict for texts, audio, images or numbers.

    Prints one line per input, in the order of the input. Columns are separated by tabs: for each output its label and
    the label's probability, then the input. Tags: the tags of all words and the lowest of their probabilities.
    Numbers: the value and its 95% interval. Generated texts: the text, the sum of its tokens' log-probabilities, and
    the geometric mean of its words' probabilities; with --top a line for each of the best texts.
    For a .conllu file, its own lines are printed with the tags in their column. An empty cell or line gets an empty
    prediction.

    Audio files and images are given as a path, a folder of them, or a table with a column of paths. Numbers are given
    as a table, or as lines: 0.5 1.2 3. Waiting lines are processed in one batch. A single line is processed at once,
    so a pipe is not held up.

    \b
    Examples:
      unroll predict runs/reviews new.txt
      unroll predict --text "a fine film" --top 3
      unroll predict runs/digits recordings/
      unroll predict runs/de-en german.txt --beam 5
      unroll predict runs/names --text Italian --temperature 0.8 --seed 3
      tail -f comments.txt | unroll predict runs/reviews - --json
    """
    run, source = _split_paths(paths or [], bool(text), settings.show_attention == "")
    from unrolled.run import has_tags, load, tag_conllu

    model = load(run, device, threads)
    model.check_can("predict")
    model.check_options(**settings.to_json())
    generation = _generation(settings)
    shows = settings.show_attention
    file = AttentionFile(shows, model) if shows else None
    if shows == "" and not json and any(output.kind == "seq2seq" for output in model.outputs.values()):
        more = " Add --json, or a file: --show-attention page.html" if model.has_pictures else " Add --json."
        raise OptionError(f"--show-attention prints a table of weights for each text.{more}")
    conllu = source is not None and Path(source).suffix.lower() == ".conllu"
    if source is not None and conllu and has_tags(model) and not (json or settings.every or settings.top):
        for line in tag_conllu(model, source):
            say(line)
        return
    if (shows is not None or generation is not None) and RETRIEVAL in model.selected:
        note("These captions are by the net; selected on validation were captions of the most similar images.", quiet)
    given = _lines(model, source, text or [])
    predictions = model.predict(
        given if file is None else file.inputs(given),
        top=settings.top, every=settings.every, generation=generation, show_attention=shows is not None,
        hedge=settings.hedge, stop_when_sure=settings.stop_when_sure,
    )  # fmt: skip
    if file is not None:
        predictions = file.add_all(predictions)
    heads = [head for name, output in model.outputs.items() for head in (name, *CONFIDENCE[output.kind])]
    confidence = model.facts.get("confidence") is not None
    heading = "\t".join([*heads, *(["confidence"] if confidence else []), "text"])
    for prediction in _in_order(predictions, heading, skip_empty, json, quiet):
        if json:
            print_json(prediction.to_dict())
        elif prediction.empty or prediction.error:
            say("\t" * (len(heads) + confidence) + _in_line(prediction.text))
        else:
            for line in _lines_of(prediction, model.outputs, settings.top or 1, confidence):
                say(line)
            for line in map_lines(prediction) if shows == "" else ():
                say(line)
    if file is not None:
        note(file.write(), quiet or json)


def _generation(settings: PredictSettings) -> GenerationConfig | None:
    """The generation settings, if any were typed. Raises OptionError for options that conflict."""
    from unrolled.run import GenerationConfig

    if settings.beam is not None and settings.temperature is not None:
        raise OptionError("--beam searches for the likeliest text, --temperature samples one. Leave one of them out.")
    if settings.temperature is not None:
        return GenerationConfig(temperature=settings.temperature, seed=settings.seed or 0)
    if settings.seed is not None:
        raise OptionError("--seed is the seed of sampling and needs --temperature, such as --temperature 1.")
    return None if settings.beam is None else GenerationConfig(settings.beam)


def _lines(model: Run, source: str | None, texts: list[str]) -> Iterable[InferenceInput | str]:
    """The inputs: the rows of a table or the files of a folder, else lines, streaming."""
    if source is None:
        return texts
    found = model.read_input(source)
    if found is None and Path(source).is_file():
        from unrolled.data.files.look import open_text_file

        open_text_file(Path(source), source, any_bytes=False)  # raises for a file that is not text
    return lines_to_score(source) if found is None else found


def _split_paths(paths: list[str], has_text: bool, shows_attention: bool) -> tuple[str | None, str | None]:
    """(run, input) from the paths that were typed. shows_attention: --show-attention was typed without a file."""
    from unrolled.given import check_path
    from unrolled.rundir.own_files import is_run, runs_held

    for path in paths:
        check_path(path, "A run or an input")
    if len(paths) > (1 if has_text else 2):
        raise OptionError(
            f"A run and an input were expected; {len(paths)} paths came: {' '.join(paths)}.\n"
            "Give one input at a time: unroll predict RUN INPUT"
            + ("\nThe file of --show-attention ends in .png or .html." if shows_attention else "")
        )
    if has_text:
        return (paths[0] if paths else None), None  # None: the newest run
    if len(paths) == 2:
        return paths[0], paths[1]
    if paths and (is_run(paths[0]) or runs_held(paths[0])):
        return paths[0], "-"
    return None, paths[0] if paths else "-"


def _in_order(
    predictions: Iterable[RowPrediction], heading: str, skip_empty: bool, json: bool, quiet: bool
) -> Iterator[RowPrediction]:
    """All predictions in order. The heading is printed before the first, so not where the input is refused.

    An input that could not be read gets a note with the reason, or an object in JSON. Empty inputs are left out on
    request, and counted at the end. Raises DataError where nothing could be read.
    """
    quiet_heading = quiet or json
    bad = read = empty = 0
    held: list[RowPrediction] = []  # unreadable inputs before the first readable one
    for prediction in predictions:
        bad, empty = bad + bool(prediction.error), empty + prediction.empty
        read += not prediction.error and not prediction.empty
        if not (skip_empty and prediction.empty):
            held.append(prediction)
        if held and (json or read or not bad):
            note(heading, quiet_heading)
            quiet_heading = True
            yield from _with_notes(held, json)
            held = []
    faults = [prediction.error for prediction in held if prediction.error]
    if bad and not read:
        if len(faults) == 1:
            raise DataError(faults[0])
        for fault in faults:
            note(fault.splitlines()[0])
        raise DataError(f"None of the {bad:,} inputs could be read. The reasons are above.")
    if bad:
        note(f"{bad:,} of {bad + read:,} inputs could not be read and have no prediction.")
    if empty and skip_empty:
        note("1 empty input was left out." if empty == 1 else f"{empty:,} empty inputs were left out.", quiet)
    elif empty == 1:
        note("1 input is empty and has an empty prediction; --skip-empty leaves it out.", quiet)
    elif empty:
        note(f"{empty:,} inputs are empty and have empty predictions; --skip-empty leaves them out.", quiet)


def _with_notes(predictions: Iterable[RowPrediction], json: bool) -> Iterator[RowPrediction]:
    """The same predictions; a note gives the reason where an input could not be read."""
    for prediction in predictions:
        if prediction.error and not json:
            note(prediction.error.splitlines()[0])
        yield prediction


def _lines_of(prediction: RowPrediction, outputs: Iterable[str], top: int, confidence: bool) -> list[str]:
    """The line of a prediction; a line for each of several texts. confidence: whether these have that column."""
    name = _in_line(prediction.text)
    if prediction.texts:  # then it is the only output
        (text,) = prediction.texts.values()
        best = text.alternatives or (text,)
        return ["\t".join([*_cells_of_text(one, confidence), name]) for one in best]
    return ["\t".join([*(cell for output in outputs for cell in _cells(prediction, output, top)), name])]


def _cells_of_text(text: GeneratedText | Alternative, confidence: bool) -> list[str]:
    cells = [_in_line(text.text), f"{text.score:.3f}", _shown(text.word_probability)]
    return [*cells, _shown(text.confidence)] if confidence else cells


def _shown(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.3f}"


def _cells(prediction: RowPrediction, name: str, top: int) -> tuple[str, str]:
    """The cell of an output, and the one after it, see CONFIDENCE. top: number of labels."""
    if name in prediction.values:
        return _number_cells(prediction.values[name])
    if name in prediction.tags:
        words = prediction.tags[name]
        tags = ["|".join(_in_line(label) for label, _ in ranked[:top]) for ranked in words]
        least = min((ranked[0][1] for ranked in words), default=1.0)
        return " ".join(tags), f"{least:.3f}"
    if name in prediction.sets:
        labels = prediction.sets[name][: len(prediction.predicted_labels(name))]
    else:
        labels = prediction.labels[name][:top]
    return ", ".join(_in_line(label) for label, _ in labels), ", ".join(f"{p:.3f}" for _, p in labels)


def _number_cells(numbers: Sequence[Estimate]) -> tuple[str, str]:
    """The numbers, one per step or a single one, and their intervals."""
    from unrolled.data.cells.written_numbers import write_number

    values, intervals = [], []
    for one in numbers:
        value, low, high = (write_number(number, one.high - one.low) for number in (one.value, one.low, one.high))
        values.append(value)
        intervals.append(f"{low} to {high}")
    return " ".join(values), ", ".join(intervals)


def _in_line(text: str) -> str:
    """A text of any number of lines as one cell of a line of columns."""
    return one_line(" ".join(text.splitlines()))
