"""`--init-from`: initialize a training with the components of another run's model that fit, by name, or with the
pretrained weights of a net for images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unrolled.data.modalities.image_grid import GridFeaturizer
from unrolled.errors import OptionError
from unrolled.model.encoder_decoder import PRETRAINED
from unrolled.model.weights import by_component, load_components
from unrolled.options import TrainOptions
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.base import StartingWeights, Task
from unrolled.tasks.build import READING, frozen_components
from unrolled.tasks.pretrained import IMAGENET, Pretrained, is_pretrained, load_pretrained, net_of, read_pretrained
from unrolled.tasks.rows_task import RowTask
from unrolled.tasks.table import TASKS

if TYPE_CHECKING:
    from torch import nn

    from unrolled.training.loop import TrainingState
    from unrolled.training.plan import Plan


class Start(NamedTuple):
    """What a training starts from: a run, pretrained weights, or neither."""

    source: RunFolder | None = None
    pretrained: Pretrained | None = None


def open_start(options: TrainOptions) -> tuple[TrainOptions, Start]:
    """What --init-from names, and the options with the net that it implies. Raises OptionError, RunError."""
    if is_pretrained(options.init_from):
        name = options.init_from or ""
        return replace(options, encoder=net_of(name, options.encoder)), Start(pretrained=read_pretrained(name))
    if options.init_from and options.init_from.lower() == IMAGENET and not Path(options.init_from).exists():
        raise OptionError(
            f"--init-from {options.init_from}: did you mean '{IMAGENET}'? It is written in small letters."
        )
    return options, Start(source=RunFolder.open(options.init_from)) if options.init_from else Start()


def plan_in_time(
    task: Task, options: TrainOptions, device: str, threads: int, seconds: float | None
) -> tuple[Plan | None, str]:
    """The plan of the task's net. None, and the reason, where the time is too short for a net that the data chose:
    then a model without updates is fitted instead. Raises OptionError where the options chose it."""
    try:
        return task.make_plan(device, threads, seconds), ""
    except OptionError as error:
        if task.fallback_model is None or not has_unasked_net(task, options):
            raise
        return None, f"there is no time for a net: {str(error).splitlines()[0].rstrip('.')}"


def has_unasked_net(task: Task, options: TrainOptions) -> bool:
    """Whether a pretrained net was chosen by the data, not by the options."""
    return task.settings.init_from is not None and options.init_from is None and options.plan is None


def load_initial_weights(start: Start, task: Task, training_state: TrainingState) -> list[str]:
    """Loads weights into the trained model and its average; returns notes about it. Raises OptionError where nothing
    fits, or a component to be frozen does not."""
    _check_freeze(task, training_state.model)
    init_from = task.settings.init_from
    if is_pretrained(init_from):
        pretrained = start.pretrained or read_pretrained(init_from or "")
        attended = isinstance(task, RowTask) and isinstance(task.examples.featurizer, GridFeaturizer)
        other = "--stem conv" if attended else "--model lstm"  # of captions, --model is the decoder
        why = "" if start.pretrained else f"They suit images that are large or few; without them: {other}."
        if attended:
            return [f"Images are described by {pretrained.source}. {why}".strip()]
        models = training_state.model, training_state.optimiser.averaged
        return [f"{load_pretrained(pretrained, models)} {why}".strip()]
    return [] if start.source is None else _load_components(start.source, task, training_state)


def _load_components(source: RunFolder, task: Task, training_state: TrainingState) -> list[str]:
    """Loads the components of a run that fit; returns a note that names them and those that are newly initialized."""
    initial = task.starting_components(source, TASKS[source.facts["kind"]].task_class)
    loaded, new = load_components(training_state.model, initial.components)
    new = [name for name in new if name != PRETRAINED]  # it has its weights already
    load_components(training_state.optimiser.averaged, initial.components)
    if not set(READING) & set(loaded):
        raise OptionError(
            f"--init-from {source.path}: no component of that run fits; this training needs "
            f"{_listed(new, initial)}.\nName another run, or leave out --init-from."
        )
    freeze = getattr(task.settings, "freeze", None)
    if freeze is not None and (unfit := [name for name in new if name in frozen_components(freeze)]):
        raise OptionError(
            f"--freeze {freeze} keeps the weights of {source.path}; these components do not fit here: "
            f"{_listed(unfit, initial)}.\nLeave out --freeze: then all components are trained."
        )
    if not new:
        return [f"Loaded from {source.path}: all components ({', '.join(loaded)})."]
    return [f"Loaded from {source.path}: {', '.join(loaded)}; newly initialized: {_listed(new, initial)}."]


def _check_freeze(task: Task, model: nn.Module) -> None:
    """Raise OptionError if --freeze names a component that the model lacks, or one without weights."""
    freeze = getattr(task.settings, "freeze", None)
    if freeze is None or frozen_components(freeze) == READING:  # every model has a memory or an encoder
        return
    own = by_component(model, dict(model.named_parameters()))
    if freeze not in own:
        others = " or ".join(name for name in READING if name in own)
        raise OptionError(
            f"--freeze {freeze}: this model has no {freeze} with weights. Name a component that it has: {others}."
        )


def _listed(components: Sequence[str], initial: StartingWeights) -> str:
    """Components, each with the reason why it was not loaded, where that is known."""
    why = dict.fromkeys(initial.components, "of another shape") | dict(initial.skipped)
    return ", ".join(f"{name} ({why[name]})" if name in why else name for name in components)
