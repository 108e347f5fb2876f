"""What a training takes over from a run: all options (`--plan`), or the sizes of its model (`--init-from`)."""

from __future__ import annotations

from typing import Any

from unrolled.data.vocabulary.subwords import SubwordVocabulary, WordVocabulary
from unrolled.errors import OptionError, RunError
from unrolled.options import (
    DEFAULT_MODEL,
    LanguageModelingSettings,
    PredictionSettings,
    Seq2SeqSettings,
    TrainOptions,
    canonical_order,
)
from unrolled.registry import LINEAR, UNTRAINED
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import recorded_plans
from unrolled.settings import option_name
from unrolled.tasks.model_names import counted


def options_of_plan(recorded: RunFolder, options: TrainOptions) -> TrainOptions:
    """The options of a recorded run, with this command's folder, threads and device.

    All other options come from the recorded run, so that the result is the same. Raises OptionError for an option
    that contradicts the run, RunError.
    """
    theirs = recorded.settings
    if theirs.model in UNTRAINED:
        raise RunError(f"{recorded.path} is a {counted(theirs.model)}: it has no plan to follow. Name a trained run.")
    own = ("minutes", "steps", "out", "threads", "device", "plan")
    for name, value in options.given().items():
        value = canonical_order(value) if name == "model" else value
        if name not in own and value not in (getattr(theirs, name, None), getattr(recorded.options, name)):
            raise OptionError(
                f"--plan {recorded.path} repeats that run exactly; {option_name(name)} {value} would change it.\n"
                "Leave it out, or leave out --plan."
            )
    mine = {name: getattr(options, name) for name in ("out", "threads", "device", "plan")}
    return TrainOptions(**theirs.to_json() | {"minutes": None} | mine)


def other_data(recorded: RunFolder, path: str, why: str) -> RunError:
    """The error where the options of a recorded plan do not apply to the data."""
    return RunError(
        f"--plan {recorded.path} repeats a run of kind '{recorded.facts['kind']}' with its options, and {path} is "
        f"not data for it:\n{why}"
    )


def options_of_source(source: RunFolder, options: TrainOptions, text: bool) -> dict[str, Any]:
    """The options that a training takes from the run it starts from: sizes, and how rows are read.

    text: whether it trains a language model too. Raises OptionError if a different value was typed, RunError.
    """
    own = source.settings
    if own.model in UNTRAINED:
        raise RunError(
            f"{source.path} is a {counted(own.model)}: it has no weights to start from. Name a trained run."
        )
    theirs = recorded_plans(source)[0]
    has_memory = isinstance(own, Seq2SeqSettings) or getattr(own, "encoder", None) is None  # else a net for images
    sizes = {name: getattr(theirs, name) for name in ("model", "hidden_size", "layers")} if has_memory else {}
    for name, value in sizes.items():
        mine = getattr(options.trained_member_settings(), name)
        if mine not in (value, None):
            raise OptionError(
                f"--init-from {source.path} starts from a {theirs.model} of {theirs.layers} x {theirs.hidden_size}; "
                f"{option_name(name)} {getattr(options, name)} does not match.\n"
                "Leave it out, or leave out --init-from."
            )
    if isinstance(own, LanguageModelingSettings) and not text:
        return _from_language_model(source, options, sizes)
    if options.tokenizer not in ("auto", own.tokenizer):
        raise OptionError(
            f"--init-from {source.path} has a vocabulary of its own; "
            f"--tokenizer {options.tokenizer} does not match.\nLeave it out, or leave out --init-from."
        )
    given, direction = options.given(), getattr(own, "direction", None)
    encoder = getattr(own, "encoder", None)
    if given.get("encoder", encoder) != encoder:
        raise OptionError(
            f"--init-from {source.path} starts from a model with {f'--encoder {encoder}' if encoder else 'no net'}"
            f" for images;\n--encoder {options.encoder} does not match. Leave it out, or leave out --init-from."
        )
    if given.get("direction", direction) != direction:
        raise OptionError(
            f"--init-from {source.path} starts from a model of --direction {direction or 'as planned'};\n"
            f"--direction {options.direction} does not match. Leave it out, or leave out --init-from."
        )
    kept = [
        name
        for name in ("encoder", "pool", "direction", "stem", "attention")
        if name not in given and hasattr(own, name)
    ]
    return sizes | {"model": options.model or own.model} | {name: getattr(own, name) for name in kept}


def _from_language_model(source: RunFolder, options: TrainOptions, sizes: dict[str, Any]) -> dict[str, Any]:
    """The options that a prediction task takes from a language model: the vocabulary, and the causal direction if it
    takes the memory."""
    taken = takes_memory(source, options)
    kind = "causal language model" if taken else "language model"
    given = options.given()
    for name in ("direction", "tokenizer") if taken else ("tokenizer",):
        if given.get(name, "causal") != "causal":
            raise OptionError(
                f"--init-from {source.path} starts from a {kind} with a vocabulary of its own;\n"
                f"{option_name(name)} {given[name]} does not match. Leave it out, or leave out --init-from."
            )
    usual = None if sizes["model"] == DEFAULT_MODEL else f"{sizes['model']}+{LINEAR}"
    return sizes | {"model": options.model or usual} | ({"direction": "causal"} if taken else {})


def takes_memory(source: RunFolder, settings: PredictionSettings) -> bool:
    """Whether a prediction task takes the memory of the language model that it starts from. From a model of words or
    subwords it takes co-occurrence vectors of its text instead, unless `--freeze` keeps the weights."""
    return settings.freeze is not None or source.read_vocabulary()["kind"] not in (
        WordVocabulary.kind,
        SubwordVocabulary.kind,
    )
