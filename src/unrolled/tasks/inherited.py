"""What a training takes over from a run: all of its options, to follow its plan, or the sizes of its model."""

from __future__ import annotations

from typing import Any

from unrolled.data.pieces import PieceTable, WordTable
from unrolled.errors import OptionError, RunError
from unrolled.options import DEFAULT_MODEL, AnswerSettings, LanguageSettings, TrainOptions, in_order
from unrolled.registry import LINEAR, UNTRAINED
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import recorded_plans
from unrolled.settings import option_name
from unrolled.tasks.model_names import counted


def as_recorded(recorded: RunFolder, options: TrainOptions) -> TrainOptions:
    """The options of a recorded run, with this command's folder, threads and device. Raises OptionError, RunError.

    All else comes from the recorded run, or it would not come out the same; an option that says otherwise is refused.
    """
    theirs = recorded.settings
    if theirs.model in UNTRAINED:
        raise RunError(f"{recorded.path} is a {counted(theirs.model)}: it has no plan to follow. Name a trained run.")
    own = ("minutes", "steps", "out", "threads", "device", "plan")
    for name, value in options.given().items():
        value = in_order(value) if name == "model" else value
        if name not in own and value not in (getattr(theirs, name, None), getattr(recorded.asked, name)):
            raise OptionError(
                f"--plan {recorded.path} repeats that run exactly; {option_name(name)} {value} would change it.\n"
                "Leave it out, or leave out --plan."
            )
    mine = {name: getattr(options, name) for name in ("out", "threads", "device", "plan")}
    return TrainOptions(**theirs.to_json() | {"minutes": None} | mine)


def started_from(source: RunFolder, options: TrainOptions, text: bool) -> dict[str, Any]:
    """What a training has to take from the run whose weights are its start: sizes, and how rows are read. text:
    whether it learns a text, too. Raises OptionError where another was typed, RunError."""
    own = source.settings
    if own.model in UNTRAINED:
        raise RunError(
            f"{source.path} is a {counted(own.model)}: it has no weights to start from. Name a trained run."
        )
    theirs = recorded_plans(source)[0]
    sizes = {name: getattr(theirs, name) for name in ("model", "size", "depth")}
    for name, value in sizes.items():
        mine = getattr(options.of_learnt(), name)
        if mine not in (value, None):
            raise OptionError(
                f"--from {source.path} starts from a {theirs.model} of {theirs.depth} x {theirs.size}; "
                f"--{name} {getattr(options, name)} does not match.\nLeave it out, or leave out --from."
            )
    if isinstance(own, LanguageSettings) and not text:
        return _as_begun(source, options, sizes)
    if options.symbols not in ("auto", own.symbols):
        raise OptionError(
            f"--from {source.path} has a vocabulary of its own; --symbols {options.symbols} does not match.\n"
            "Leave it out, or leave out --from."
        )
    given, direction = options.given(), getattr(own, "direction", None)
    if given.get("direction", direction) != direction:
        raise OptionError(
            f"--from {source.path} starts from a model of --direction {direction or 'as planned'};\n"
            f"--direction {options.direction} does not match. Leave it out, or leave out --from."
        )
    kept = [name for name in ("pool", "direction", "inlet", "reader") if name not in given and hasattr(own, name)]
    return sizes | {"model": options.model or own.model} | {name: getattr(own, name) for name in kept}


def _as_begun(source: RunFolder, options: TrainOptions, sizes: dict[str, Any]) -> dict[str, Any]:
    """What answers about rows take from a language model that they start from: they read by its symbols, and ahead
    where they take its memory."""
    taken = takes_memory(source, options)
    kind = "causal language model" if taken else "language model"
    given = options.given()
    for name in ("direction", "symbols") if taken else ("symbols",):
        if given.get(name, "ahead") != "ahead":
            raise OptionError(
                f"--from {source.path} starts from a {kind} with a vocabulary of its own;\n"
                f"{option_name(name)} {given[name]} does not match. Leave it out, or leave out --from."
            )
    usual = None if sizes["model"] == DEFAULT_MODEL else f"{sizes['model']}+{LINEAR}"
    return sizes | {"model": options.model or usual} | ({"direction": "ahead"} if taken else {})


def takes_memory(source: RunFolder, settings: AnswerSettings) -> bool:
    """Whether what answers about rows takes the memory of the language model that it starts from. Where that reads
    words, it takes what these stand together with instead, unless all is to stay as it was learnt."""
    return settings.freeze is not None or source.read_symbols()["kind"] not in (WordTable.kind, PieceTable.kind)
