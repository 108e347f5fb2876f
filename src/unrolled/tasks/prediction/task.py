"""The prediction task: labels, tags or numbers for each row of a table."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import seeds
from unrolled.data.dataset.batches import ExampleBatches, groups_by_length, has_target, make_batch
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.sampling import SAMPLINGS, Natural, row_shares
from unrolled.data.dataset.targets import LabelTargets, count_labels
from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.data.modalities.text import TOKENS
from unrolled.data.modalities.video_clips import ClipFeaturizer
from unrolled.data.vocabulary.base import tokens_before
from unrolled.data.vocabulary.table import vocabulary_from_json
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError
from unrolled.model.encoders.glimpse import is_glimpse
from unrolled.model.heads import balanced_weights
from unrolled.model.predictor import Member, NetMember
from unrolled.model.word_vectors import cooccurrence_vectors
from unrolled.options import PredictionSettings
from unrolled.registry import COUNTED, LINEAR, UNTRAINED, build
from unrolled.tasks.base import Baseline, Concluded, Evaluated, StartingWeights, Task, Terms
from unrolled.tasks.build import LANGUAGE_MODELING, build_prediction_net
from unrolled.tasks.dataset import (
    check_row_options,
    drop_mismatched,
    shown_row,
)
from unrolled.tasks.image_features import frozen_of
from unrolled.tasks.prediction.baselines import (
    baseline_names,
    best_baseline,
    check_baselines,
    fit_baselines,
    load_baseline,
    save_baselines,
)
from unrolled.tasks.prediction.check_options import check_encoder, check_label_options
from unrolled.tasks.prediction.linear_start import start_heads
from unrolled.tasks.prediction.metrics import calibrated_nats, metric_of
from unrolled.tasks.prediction.rows import AT_ONCE, most_rows
from unrolled.tasks.prediction.summary import (
    FITTING_SHARE,
    TEST_SHARE,
    VALIDATION_SHARE,
    summarise_prediction,
    summarise_single,
)
from unrolled.tasks.pretrained import is_pretrained
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.rows_task import FEATURES_SHARE, RowTask
from unrolled.tasks.trend import trend_of
from unrolled.training.measure import time_updates
from unrolled.training.planning_rows import TAGGING, TableSize, shape_rows

if TYPE_CHECKING:
    from unrolled.data.text.corpus import Corpus
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.loop import Batch, BatchSource
    from unrolled.training.plan import Clock, Plan

CLOSING, CLOSING_SHARE = 0.3, 0.08  # seconds, and largest share of a budget, for selecting and scoring
SECONDS_A_ROW, MANY_LABELS = 0.0002, 200  # seconds to score a row; twice as many with this many labels
FITTED_ALONE = 0.5  # largest share of the time for fitting, without a net to train
SHOWN = 8  # validation rows in the samples during training
PROBED_SHARE = 8  # a batch is this many times as large as the one by which a net for images is timed
LEAST_UPDATES = 10  # for which there has to be time
UPDATING_SHARE = 0.5  # of a budget, for updates of a slow net; validation and checkpoints take as long
LOOKED_AT = 16  # batches on which the share of padding is measured


class Prediction(RowTask):
    """Rows of a table with targets; the net is compared with baselines."""

    kind, settings_class = "prediction", PredictionSettings
    baseline_share = 0.08
    settings: PredictionSettings
    _baseline_seconds = 0.0  # seconds of the baselines for `AT_ONCE` rows, with scores
    terms = Terms("nats per prediction", "rows", "linear model", "predicted", "predicts", "predict")

    def __init__(
        self, examples: Examples, settings: PredictionSettings, init_task: str | None = None,
        embed: int | None = None, read_text: Callable[[], Corpus] | None = None,
    ) -> None:  # fmt: skip
        """init_task: the task of the run that it started from, if another kind. embed: embedding width of that run.
        read_text: reads the text of the language model, if its word vectors (not its memory) are the start."""
        self.examples, self.settings, self.init_task, self.embed = examples, settings, init_task, embed
        self._read_text = read_text
        check_row_options(examples, settings)
        check_encoder(settings, examples.featurizer)
        if frozen_of(examples.featurizer) is not None:
            self.baseline_share = FEATURES_SHARE
        check_baselines(examples, settings.model)
        if settings.class_weights and not all(isinstance(one, LabelTargets) for one in examples.targets.values()):
            raise OptionError(
                "--class-weights balanced gives each label the same weight; the outputs here are not single "
                "labels. Leave it out."
            )
        check_label_options(settings, [target.output for target in examples.targets.values()])
        if settings.pool == "last" and settings.direction != "causal":
            raise OptionError(
                "--pool last needs --direction causal: in a bidirectional encoder the last step has read almost\n"
                "nothing backwards. Add --direction causal, or pool by mean or attention."
            )
        if settings.direction != "causal" and settings.bptt != "full":
            raise OptionError(
                f"--bptt {settings.bptt} backpropagates segment by segment; a bidirectional encoder needs "
                "whole rows.\nLeave it out, or add --direction causal."
            )

    @classmethod
    def of_examples(cls, examples: Examples, settings: Any, tables: Mapping[str, Any]) -> Prediction:
        return cls(examples, settings, tables.get("init_task"))

    @property
    def trained(self) -> bool:
        return self.settings.model not in UNTRAINED

    @property
    def fallback_model(self) -> str | None:
        return LINEAR

    @property
    def untrained(self) -> float:
        return sum(target.output.untrained for target in self.examples.targets.values())

    @property
    def selection_note(self) -> str:
        if self.settings.model is None:
            baselines = " and ".join(f"the {UNTRAINED[name][0]}" for name in baseline_names(self.examples))
            return f"; at the end combined with {baselines}, and the best on validation is selected"
        return f"; at the end combined as {self.settings.model}" if self.settings.is_ensemble else ""

    def items(self, split: str) -> int:
        return self.examples.count(split)

    def tables(self) -> dict[str, Any]:
        return super().tables() | ({} if self.init_task is None else {"init_task": self.init_task})

    def _size(self) -> TableSize:
        # with a language model's memory, words need as many epochs as characters (docs/results/pretraining.md)
        featurizer = self.examples.featurizer
        recipe = TOKENS if self.init_task is not None else featurizer.recipe
        if is_pretrained(self.settings.init_from) and isinstance(featurizer, PixelFeaturizer | ClipFeaturizer):
            recipe = featurizer.fine_tuning
        if is_glimpse(self.settings.encoder) and isinstance(featurizer, PixelFeaturizer):
            recipe = featurizer.glimpses
        if any(target.each for target in self.examples.targets.values()):
            recipe = TAGGING
        rows = self.examples.count("training")
        return TableSize(rows, self._mean_steps(), recipe, self._rehearse, self.padding_share, self.embed)

    def _check_pace(self, size: TableSize, device: str, threads: int, seconds: float) -> None:
        """Judges a net for images by updates of a few images. Half of the threads are tried first: beside other
        processes an update with all of them can take a hundred times as long."""
        if self.settings.encoder is None:
            return
        plan = shape_rows(self.settings, size, device, threads)
        few, needed = max(1, plan.batch_size // PROBED_SHARE), math.inf
        for some in [threads] if self.settings.threads else sorted({max(1, threads // 2), threads}):
            probe = dataclasses.replace(plan, batch_size=few, threads=some)
            pace = min(islice(time_updates(probe, self._rehearse), 2)) * plan.batch_size / few  # the first is slower
            needed = min(needed, LEAST_UPDATES * pace / UPDATING_SHARE)
            if needed <= seconds:
                break
        else:
            pace = needed / LEAST_UPDATES * UPDATING_SHARE
            raise OptionError(
                f"--encoder {self.settings.encoder} needs about {pace:.1f} seconds for an update of "
                f"{plan.batch_size} {self.examples.featurizer.input.noun} here.\n"
                "That leaves no time to train it. Give --minutes "
                f"{math.ceil(needed / 6) / 10:g}, a smaller net (unroll nets lists them), or a smaller --batch-size."
            )

    def padding_share(self, batch: int) -> float:
        """The share of padding in batches of this many rows."""
        if self.settings.encoder is not None:  # one image, or clip, of each row; not decoded to count that
            return 0.0
        return ExampleBatches(self.examples, "training", batch, self.settings.seed).padding_share(LOOKED_AT)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Batch]:
        return self.make_model(plan), self._batches(plan, 0).batch(0)

    def _batches(self, plan: Plan, seed: int) -> ExampleBatches:
        return ExampleBatches(
            self.examples, "training", plan.batch_size, seed, self.augmented, plan.twice, self._shares
        )

    @cached_property
    def _shares(self) -> NDArray[np.float64] | None:
        """How often each training row is drawn; None: once an epoch."""
        sampling = build("sampling", SAMPLINGS, self.settings.sampling)
        if isinstance(sampling, Natural):
            return None
        return row_shares(sampling, list(self.examples.targets.values()), self.examples.splits["training"])

    def make_model(self, plan: Plan) -> nn.Module:
        weights = None
        if self.settings.class_weights:
            weights = {
                name: balanced_weights(count_labels(labels, self.examples.splits["training"]))
                for name, labels in self.examples.targets.items()
                if isinstance(labels, LabelTargets)
            }
        return build_prediction_net(plan, self.settings, self.tables(), weights)

    @classmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        settings: Any = run.settings
        return build_prediction_net(plan, settings, run.read_vocabulary())

    def starting_components(self, source: RunFolder, theirs: type[Task]) -> StartingWeights:
        started = super().starting_components(source, theirs)
        if source.facts["kind"] != LANGUAGE_MODELING:
            return drop_mismatched(started, self.examples, source)
        featurizer: Any = self.examples.featurizer
        components = {"memory": started.components["memory"]}
        vectors = started.components["embedding"]["weight"]  # (V, E)
        if self._read_text is not None:
            components = {}
            vectors = cooccurrence_vectors(
                self._read_text(), vectors.shape[1], seeds.number(self.settings.seed, "vectors")
            )
        before = torch.from_numpy(tokens_before(vocabulary_from_json(source.read_vocabulary()), featurizer.table))
        padded = torch.cat([torch.zeros_like(vectors[:1]), vectors[before]])
        return StartingWeights({"embedding": {"embedding.weight": padded}} | components)

    def make_batches(self, plan: Plan) -> BatchSource:
        return self._batches(plan, self.settings.seed)

    def evaluate(self, model: nn.Module, split: str, limit: int, deadline: Deadline = UNLIMITED) -> Evaluated:
        """Nats per prediction, at the best temperature for the split."""
        predictions, targets, read = self._predictions_of(model, split, limit, deadline)
        nats = [
            calibrated_nats(self.examples.targets[name].output, found, targets[name], deadline)
            for name, found in predictions.items()
        ]
        return Evaluated(sum(nats), read)

    @torch.no_grad()
    def _predictions_of(
        self, model: Any, split: str, limit: int, deadline: Deadline
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
        read = 0
        found: dict[str, list[Tensor]] = {name: [] for name in self.examples.targets}
        right: dict[str, list[Tensor]] = {name: [] for name in self.examples.targets}
        together = min(AT_ONCE, self.examples.featurizer.rows_at_once)
        for rows in groups_by_length(self.examples, split, together, min(limit, most_rows(self.examples, split))):
            if read and deadline.passed():
                break
            read += len(rows)
            batch = make_batch(self.examples, rows, len(rows))
            for name, predictions in model.to_predictions(model.predict(batch.inputs, batch.lengths)).items():
                known = has_target(batch.targets[name])
                found[name].append(predictions.cpu()[known])
                right[name].append(batch.targets[name][known])
        joined = {n: torch.cat(parts) for n, parts in found.items()}
        return joined, {n: torch.cat(parts) for n, parts in right.items()}, read

    def sample_outputs(self, model: nn.Module) -> str:
        examples = self.examples
        rows = examples.splits["validation" if self.items("validation") else "training"][:SHOWN].tolist()
        found = NetMember(model, examples.featurizer).predict([examples.items[row] for row in rows])  # type: ignore[arg-type]
        lines: list[list[str]] = [[] for _ in rows]
        for name, predictions in found.items():
            target, place = examples.targets[name], 0
            for number, row in enumerate(rows):
                places = target.indices(np.array([row]))
                own = predictions[place : place + len(places)]
                place += len(places)
                lines[number].append(metric_of(target.output).show(target, int(places[0]), own) if len(own) else "")
        return "\n".join(
            f"{shown_row(examples, row)} -> {'; '.join(shown)}" for row, shown in zip(rows, lines, strict=True)
        )

    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        baselines = fit_baselines(self.examples, baseline_names(self.examples), self.settings.seed, deadline)
        save_baselines(run, baselines)
        started = time.monotonic()
        best, rows = best_baseline(self.examples, baselines, deadline)
        self._baseline_seconds = (time.monotonic() - started) * min(1.0, AT_ONCE / max(1, rows))
        return best

    def start_from_baseline(self, run: RunFolder, models: tuple[nn.Module, ...]) -> None:
        if is_pretrained(self.settings.init_from):
            featurizer = self.examples.featurizer
            start_heads(load_baseline(run, LINEAR, featurizer), featurizer, models)

    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        if clock.budget is None:
            return ConclusionCost()
        widest = max(target.output.width for target in self.examples.targets.values())
        validation, test = (
            min(self.items(split), most_rows(self.examples, split)) for split in ("validation", "test")
        )
        started = time.monotonic()
        *_, read = self._predictions_of(model, "validation", AT_ONCE, clock.deadline())
        reading = (time.monotonic() - started) * AT_ONCE / max(1, read) + self._baseline_seconds
        scoring = (validation + test) * SECONDS_A_ROW * (1 + widest / MANY_LABELS)
        all_rows = (
            reading
            / AT_ONCE
            * max(validation / VALIDATION_SHARE, (validation + test / TEST_SHARE) / (1 - FITTING_SHARE))
        )
        least = 2 * reading  # this many validation and test rows are scored however little time is left
        return ConclusionCost(max(least, min(CLOSING_SHARE * clock.budget, CLOSING + scoring + all_rows)))

    def kept_baselines(self, run: RunFolder) -> list[str]:
        names = baseline_names(self.examples)
        if run.baseline_file(COUNTED).exists():
            return names
        return [name for name in names if name != COUNTED]  # the run is older than the n-grams of labels

    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        deadline = record.deadline
        names, featurizer = baseline_names(self.examples), self.examples.featurizer
        if COUNTED in names and COUNTED not in self.kept_baselines(run):
            save_baselines(run, fit_baselines(self.examples, [COUNTED], self.settings.seed, deadline.share(0.2)))
        members: dict[str, Member] = {record.plan.model: NetMember(record.model, featurizer)}
        members |= {name: load_baseline(run, name, featurizer) for name in names}
        trend = trend_of(run.log.read_reports())
        summary, selected = summarise_prediction(
            self.examples, members, self.settings, trend, baseline.name, deadline
        )
        run.write_facts(**selected.facts())
        return summary

    def fit_without_net(self, run: RunFolder, clock: Clock) -> Baseline:
        deadline = self._deadline = clock.deadline()
        names = [self.settings.model or LINEAR]
        self._baselines = fit_baselines(self.examples, names, self.settings.seed, deadline.share(FITTED_ALONE))
        baseline, _ = best_baseline(self.examples, self._baselines, deadline.share(0.3))
        save_baselines(run, self._baselines)
        return baseline

    def conclude_without_net(self, run: RunFolder, baseline: Baseline) -> Concluded:
        net = self.settings.net_options(longer=run.options.model is None)
        summary, selected = summarise_single(self.examples, self._baselines, net, baseline.name, self._deadline)
        run.write_facts(**selected.facts())
        return summary
