"""The seq2seq task: a text for each row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.dataset.seq2seq_batches import PairBatches, target_texts_of
from unrolled.data.modalities.base import Featurizer, Recipe
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.image_grid import GridFeaturizer
from unrolled.data.modalities.video_clips import ClipFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError, RunError
from unrolled.metrics.confidence import LEAST
from unrolled.model.cross_attention import CROSS_ATTENTIONS
from unrolled.model.encoder_decoder import TeacherForced
from unrolled.model.encoders.glimpse import is_glimpse
from unrolled.model.net_end import NetEnd
from unrolled.model.weights import copy_tensors
from unrolled.options import Seq2SeqSettings
from unrolled.registry import RETRIEVAL, UNTRAINED, build
from unrolled.tasks.base import Baseline, Concluded, Evaluated, StartingWeights, Task, Terms
from unrolled.tasks.build import attention_of, build_teacher_forced
from unrolled.tasks.dataset import (
    advice_for_images,
    check_row_options,
    drop_mismatched,
    evenly_spaced,
    shown_row,
    tables_of_rows,
)
from unrolled.tasks.image_features import frozen_of, lacking
from unrolled.tasks.pretrained import IMAGENET, encoder_as_given, is_pretrained, read_pretrained
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.rows_task import FEATURES_SHARE, PLANNED_ROWS, RowTask
from unrolled.tasks.seq2seq.baselines import (
    ImageRetrieval,
    baseline_texts,
    fit_image_retrieval,
    has_retrieval,
    load_retrieval,
)
from unrolled.tasks.seq2seq.generate import Generator
from unrolled.tasks.seq2seq.references import distinct_rows
from unrolled.tasks.seq2seq.summary import (
    GREEDY,
    MOST_SCORED,
    JudgedTask,
    figure_of,
    score_rows,
    shown_score,
    summarise_seq2seq,
)
from unrolled.tasks.trend import trend_of
from unrolled.training.planning_rows import FEW_ROWS, TableSize, seq2seq_recipe

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.loop import Batch, BatchSource
    from unrolled.training.plan import Clock, Plan

NAMED = 4  # tensors that a message names, at most
SHOWN, SHOWN_TOKENS = 4, 60  # validation rows in the samples during training, and most tokens of each
LOOKED_AT = 16  # batches on which the share of padding is measured
CLOSING, CLOSING_SHARE = 2.0, 0.07  # seconds, and share of a budget, for selecting greedy or beam and for scores
WIDE = 27_720  # a width that is divisible by any number of heads up to 12


class Seq2Seq(RowTask):
    """Rows of a table, each with a text to generate."""

    kind, settings_class = "seq2seq", Seq2SeqSettings
    baseline_share = 0.03
    settings: Seq2SeqSettings
    terms = Terms("nats per character", "tokens", "nearest neighbour", "wrote", "writes", "predict")

    def __init__(self, examples: Examples, settings: Seq2SeqSettings) -> None:
        self.examples, self.settings = examples, settings
        check_row_options(examples, settings)
        check_seq2seq(settings)
        check_grid(settings, examples.featurizer)
        check_fine_tune(settings, examples.featurizer)
        if frozen_of(examples.featurizer) is not None:
            self.baseline_share = FEATURES_SHARE
        self.written = target_texts_of(examples)
        self.name = next(iter(examples.targets))
        self._tokens: dict[str, int] = {}

    @classmethod
    def of_examples(cls, examples: Examples, settings: Any, tables: Mapping[str, Any]) -> Seq2Seq:
        return cls(examples, settings)

    @property
    def trained(self) -> bool:
        return True

    @property
    def untrained(self) -> float:
        return self.written.output.untrained

    @property
    def selection_note(self) -> str:
        return f"; cross-attention: {attention_of(self.settings)}"

    def items(self, split: str) -> int:
        if split not in self._tokens:
            rows = self.examples.splits[split]
            self._tokens[split] = int(self.written.target_lengths(rows, len(rows)).sum())
        return self._tokens[split]

    def _size(self) -> TableSize:
        rows = self.examples.splits["training"]
        tokens = self.written.target_lengths(rows[:PLANNED_ROWS], min(PLANNED_ROWS, len(rows)))
        recipe = seq2seq_recipe(len(rows), self.written.output.vocabulary.kind in ("bpe", "word"))
        if isinstance(self.examples.featurizer, GridFeaturizer) and len(rows) >= FEW_ROWS:
            recipe = self.examples.featurizer.recipe
        return TableSize(
            len(rows), self._mean_steps(), recipe, self._rehearse, self.padding_share,
            target_tokens=float(tokens.mean()), fine_tune=self._fine_tune(recipe),
            additive=attention_of(self.settings) == "additive",
        )  # fmt: skip

    def _fine_tune(self, recipe: Recipe) -> str:
        """Whether the last layers of a pretrained net are trained too: yes, no, or auto, if there is time, for many
        captions and a net that no run has trained yet."""
        featurizer, requested = self.examples.featurizer, self.settings.fine_tune
        if not isinstance(featurizer, GridFeaturizer) or requested != "auto":
            return "no" if requested == "auto" else requested
        fresh = recipe is featurizer.recipe and is_pretrained(self.settings.init_from)
        return "auto" if fresh and featurizer.can_have_early else "no"

    def _examples_for(self, plan: Plan) -> Examples:
        """The examples, with images as the model of this plan reads them."""
        featurizer = self.examples.featurizer
        if plan.tuned_from is None or not isinstance(featurizer, GridFeaturizer):
            return self.examples
        return replace(self.examples, featurizer=featurizer.with_early())

    def padding_share(self, batch: int) -> float:
        """The share of padding, in inputs and outputs, in batches of this many rows."""
        return PairBatches(self.examples, "training", batch, self.settings.seed).padding_share(LOOKED_AT)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Batch]:
        examples = self._examples_for(plan)
        return self._build(plan, examples), PairBatches(examples, "training", plan.batch_size, 0).batch(0)

    def make_model(self, plan: Plan) -> nn.Module:
        self.examples = self._examples_for(plan)
        return self._build(plan, self.examples)

    def _build(self, plan: Plan, examples: Examples) -> TeacherForced:
        model = build_teacher_forced(plan, self.settings, tables_of_rows(examples))
        end, net = model.encoder_decoder.source_embedding, frozen_of(examples.featurizer)
        if isinstance(end, NetEnd) and net is not None:
            copy_tensors(end.net, net.end_tensors())
        return model

    @classmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        settings: Any = run.settings
        return build_teacher_forced(plan, settings, run.read_vocabulary())

    def starting_components(self, source: RunFolder, theirs: type[Task]) -> StartingWeights:
        return drop_mismatched(super().starting_components(source, theirs), self.examples, source)

    def make_batches(self, plan: Plan) -> BatchSource:
        return PairBatches(self.examples, "training", plan.batch_size, self.settings.seed, self.augmented)

    def evaluate(self, model: nn.Module, split: str, limit: int, deadline: Deadline = UNLIMITED) -> Evaluated:
        """Nats per character on rows with about `limit` tokens."""
        rows = self.examples.splits[split]
        some = evenly_spaced(rows, max(1, len(rows) * limit // max(1, self.items(split))))
        nats, tokens, characters = self._generator_of(model).reference_nats(self.examples, some, deadline)
        return Evaluated(nats / max(1, characters), tokens)

    def sample_outputs(self, model: nn.Module) -> str:
        rows = distinct_rows(self.examples, "validation" if self.examples.count("validation") else "training")[:SHOWN]
        generator = self._generator_of(model)
        texts = generator.generate(list(SplitItems(self.examples.items, rows)), GREEDY, length=SHOWN_TOKENS)
        return "\n".join(
            f"{shown_row(self.examples, row)} -> {in_line(generator.decode(text))}"
            + (
                ""
                if generator.decode(text) == self.written.texts[row]
                else f" (correct: {in_line(self.written.texts[row])})"
            )
            for row, text in zip(rows.tolist(), texts, strict=True)
        )

    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        rows = evenly_spaced(distinct_rows(self.examples, "validation"), MOST_SCORED)
        fitting = deadline.share(0.8)
        retrieval = fit_image_retrieval(self.examples, fitting)
        if retrieval is not None:
            retrieval.save(run)
        name, texts = baseline_texts(self.examples, rows, retrieval, deadline=deadline.share(0.8))
        if retrieval is not None and fitting.passed():
            name += ", fitted in less time than it needs"
        score = score_rows(self.examples, "validation", rows[: len(texts)], texts, deadline.within(0.0))
        return Baseline(f"{name}, {shown_score(score, figure_of(self.examples))}", None, None)

    def kept_baselines(self, run: RunFolder) -> list[str]:
        return [RETRIEVAL] if has_retrieval(run) else []

    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        return ConclusionCost(CLOSING + CLOSING_SHARE * (clock.budget or 0.0))

    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        deadline, model = record.deadline.within(record.cost.seconds), record.plan.model
        attention = attention_of(self.settings).replace("none", "no")
        judged = JudgedTask(
            self.name, f"{model} with {attention} attention", self.examples, self._may_select_baseline(run)
        )
        retrieval = load_retrieval(run, self.examples.featurizer)
        summary = summarise_seq2seq(
            judged, self._generator_of(record.model, retrieval), retrieval, deadline,
            trend_of(run.log.read_reports()), baseline.name,
        )  # fmt: skip
        run.write_facts(
            selected=[RETRIEVAL if summary.by_baseline else model], beam=summary.way.beam,
            image_weight=summary.way.image_weight,
        )  # fmt: skip
        if summary.confidence is not None or "confidence" in run.facts:
            run.write_facts(confidence=None if summary.confidence is None else summary.confidence.to_json())
        return summary

    def _may_select_baseline(self, run: RunFolder) -> bool:
        """Whether the baseline is selected if it is better: no model was requested; and where the net has learnt from
        another run too, a few images do not decide."""
        enough = len(distinct_rows(self.examples, "validation")) >= LEAST
        goes_on = run.options.init_from is not None and not is_pretrained(run.options.init_from)
        return run.options.model is None and (enough or not goes_on)

    def fit_without_net(self, run: RunFolder, clock: Clock) -> Baseline:
        raise RunError("Only nets generate texts; there is nothing to fit.")

    def conclude_without_net(self, run: RunFolder, baseline: Baseline) -> Concluded:
        raise RunError("Only nets generate texts; nothing was fitted.")

    def _generator_of(self, model: nn.Module, retrieval: ImageRetrieval | None = None) -> Generator:
        if not isinstance(model, TeacherForced):
            raise TypeError("an encoder-decoder was expected")
        fit = None if retrieval is None else retrieval.similarities
        return Generator(model.encoder_decoder, self.examples.featurizer, self.written.output, fit)


def check_seq2seq(settings: Seq2SeqSettings) -> None:
    """Raise OptionError for options that do not apply to seq2seq."""
    if settings.model in UNTRAINED or settings.is_ensemble:
        raise OptionError(
            f"--model {settings.model}: the linear model predicts labels or numbers, the n-gram labels; "
            "the output here is a text.\n"
            "Try --model lstm, gru or transformer; or, if there are only a few different texts: --task "
            "classification."
        )
    if settings.bptt != "full":
        raise OptionError(
            f"--bptt {settings.bptt} backpropagates segment by segment; a generated text is one segment:\n"
            "all of it depends on the input. Leave it out."
        )
    with torch.device("meta"):  # checks the options without computing anything
        build("attention", CROSS_ATTENTIONS, attention_of(settings), WIDE, WIDE, settings.hidden_size or WIDE)


def check_grid(settings: Seq2SeqSettings, featurizer: Featurizer) -> None:
    """Raise OptionError where `--encoder` does not apply to the input, or has no pretrained weights."""
    if settings.encoder is None or isinstance(featurizer, GridFeaturizer):
        return
    if isinstance(featurizer, ClipFeaturizer):
        raise OptionError(
            f"{encoder_as_given(settings)} predicts labels and numbers of videos, and the output here is a text.\n"
            "Leave it out."
        )
    if featurizer.input.name != ImageInput.name:
        raise OptionError(
            f"{encoder_as_given(settings)} reads images, and the input here is {featurizer.step_description}.\n"
            f"{advice_for_images(featurizer)}"
        )
    if is_glimpse(settings.encoder):
        raise OptionError(
            f"--encoder {settings.encoder} predicts labels and numbers, and the output here is a text. Leave it out."
        )
    missing = ""
    if is_pretrained(settings.init_from):
        names = lacking(read_pretrained(settings.init_from or ""), settings.encoder)
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        missing = f"\n{settings.init_from} lacks {', '.join(names[:NAMED])}{more}, or has them in another shape."
    raise OptionError(
        f"--encoder {settings.encoder} describes images by the features of a pretrained net, so it needs all of its "
        f"weights:\n--init-from {IMAGENET}, or a file of weights of this net.{missing}"
    )


def check_fine_tune(settings: Seq2SeqSettings, featurizer: Featurizer) -> None:
    """Raise OptionError where `--fine-tune` has nothing to train."""
    if settings.fine_tune == "auto":
        return
    wants = f"--fine-tune {settings.fine_tune} is about the last layers of a pretrained net for images"
    if not isinstance(featurizer, GridFeaturizer):
        raise OptionError(f"{wants}, and the input here is {featurizer.step_description}.\nLeave it out.")
    if settings.fine_tune == "yes" and not featurizer.can_have_early:
        raise OptionError(
            f"{wants}, and {settings.encoder} has none that can be trained by themselves.\n"
            "Leave it out, or try --encoder efficientnet-lite0, a resnet or a vgg."
        )


def in_line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())
