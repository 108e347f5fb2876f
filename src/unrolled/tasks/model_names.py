"""Check the names of models and BPTT strategies, and the options that apply to each."""

from __future__ import annotations

from functools import cache

import torch

from unrolled.arguments import Count, checked
from unrolled.data.dataset.sampling import SAMPLINGS
from unrolled.errors import OptionError
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.laws import CONSTRUCTOR_LAWS, MEMORY_LAWS, check
from unrolled.memory import MEMORIES, Memory
from unrolled.memory.own import is_user_class, not_registered
from unrolled.model.encoders.glimpse import is_glimpse, make_glimpse
from unrolled.options import DEFAULT_MODEL, EARLY, FRAMES, TrainOptions
from unrolled.registry import UNTRAINED, build, choose, parse_component, trained_member
from unrolled.settings import option_name
from unrolled.tasks.pretrained import is_pretrained

NEURAL_ONLY = (
    "steps", "hidden_size", "layers", "batch_size", "window", "learning_rate", "dropout", "bptt", "device",
    "init_from", "plan", "encoder", "stem", "pool", "direction", "class_weights", "sampling", "augment", "freeze",
    "attention",
    "fine_tune",
)  # fmt: skip
WIDE = 27_720  # a width that is divisible by any number of heads up to 12


def check_model_names(settings: TrainOptions) -> None:
    """Raise OptionError for an unknown model or BPTT strategy, or an option that does not apply to the model."""
    model = settings.model or DEFAULT_MODEL
    if model == settings.encoder:  # the net for images alone
        model = DEFAULT_MODEL
    if settings.is_ensemble:
        members = model.split("+")
        if sum(member not in UNTRAINED for member in members) != 1 or len(set(members)) < len(members):
            raise OptionError(
                f"An ensemble has one trained model and the n-gram, as in lstm+ngram or lstm/attention+ngram; "
                f"for a table also the linear model: lstm+linear or lstm+linear+ngram. Got '{model}'."
            )
        model = trained_member(model) or ""
    names = model.split("/")
    if model in UNTRAINED:
        name, how = UNTRAINED[model]
        for field in settings.given():
            if field in NEURAL_ONLY and not (field == "encoder" and settings.encoder == FRAMES):
                raise OptionError(f"The {name} has no {option_name(field)}: it is {how}, not trained. Leave it out.")
    for name in names:
        kind, options = parse_component(name)
        if is_user_class(kind) and kind not in MEMORIES:
            raise not_registered(kind)
        choose("model", {**MEMORIES, **UNTRAINED}, kind)
        if kind in UNTRAINED and (options or len(names) > 1):
            raise OptionError(
                f"The {UNTRAINED[kind][0]} takes no options and is not stacked; got '{settings.model}'.\n"
                f"To combine it with a trained model: lstm+{kind}."
            )
        if wrong := [option for option in options if option in ("size", "depth", "input_size")]:
            raise OptionError(
                f"{name}: set the width and the number of layers with --hidden-size and --layers, not {wrong[0]}=…."
            )
        if is_user_class(kind):
            check_own(name)
        elif kind not in UNTRAINED:
            with torch.device("meta"):  # checks the options without computing anything
                build("memory", MEMORIES, name, WIDE, settings.hidden_size or WIDE)
    build("bptt", BPTT_STRATEGIES, settings.bptt)
    build("sampling", SAMPLINGS, settings.sampling)
    if settings.encoder is not None:
        if "frames" in (given := parse_component(settings.encoder)[1]):
            raise OptionError(
                f"--encoder {settings.encoder}: the frames of a clip are an option of their own: --frames"
            )
        for option in ("classes", "channels"):
            if option in given:
                raise OptionError(
                    f"--encoder {settings.encoder}: the data decide the {option} of the net. Leave {option}=… out."
                )
        check_glimpse(settings)


def check_glimpse(settings: TrainOptions) -> None:
    """Raise OptionError for options of a fovea that it does not have, or that do not apply to one."""
    if not is_glimpse(settings.encoder):
        return
    if is_pretrained(settings.init_from):
        raise OptionError(
            f"--init-from {settings.init_from} holds weights of a net for whole images, and --encoder "
            f"{settings.encoder} looks by glimpses.\nLeave one of them out, or name a run that looks by glimpses."
        )
    if settings.freeze == EARLY:
        raise OptionError(
            f"--freeze {EARLY} keeps the first half of a net for whole images; --encoder {settings.encoder} has no "
            "such half.\nName a component: --freeze encoder"
        )
    if settings.task == "seq2seq":
        raise OptionError(
            f"--encoder {settings.encoder} predicts labels and numbers, not texts. Leave it out for --task seq2seq."
        )
    with torch.device("meta"):  # checks the options without computing anything
        make_glimpse(settings.encoder or "", 1)


@cache
def check_own(name: str) -> None:
    """Raise OptionError if the user's own memory breaks a law, with the smallest input that shows it."""

    @checked
    def make(input_size: Count, size: Count) -> Memory:
        return build("memory", MEMORIES, name, input_size, size)

    count = len(MEMORY_LAWS) + len(CONSTRUCTOR_LAWS)
    if broken := check(make):
        raise OptionError(
            f"{name} breaks {len(broken)} of the {count} laws that a memory keeps. The first:\n"
            f"{broken[0]}\n"
            "All of them, from Python: unrolled.laws.check. Nothing was trained."
        )


def counted(model: str) -> str:
    """The description of an untrained model: "counted n-gram"."""
    name, how = UNTRAINED[model]
    return f"{how} {name}"
