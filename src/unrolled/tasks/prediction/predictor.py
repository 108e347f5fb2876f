"""A run that predicts labels, tags or numbers: for inputs, streaming, or for a table with targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unrolled.data.cells.words import given_words
from unrolled.data.dataset.batches import pad_items
from unrolled.data.dataset.item_store import iterate
from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, ValueOutput
from unrolled.data.modalities.base import Item
from unrolled.errors import RunError
from unrolled.metrics.regression import NORMAL
from unrolled.model.likelihoods import LABEL_SETS, LIKELIHOODS
from unrolled.model.predictor import EnsemblePredictor, Member, NetMember
from unrolled.model.row_net import PredictionNet
from unrolled.registry import UNTRAINED
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import load_best, recorded_plans
from unrolled.tasks.build import build_prediction_net
from unrolled.tasks.dataset import check_labels
from unrolled.tasks.error_pages import check_pictures
from unrolled.tasks.prediction.attention import MapMaker, map_maker
from unrolled.tasks.prediction.baselines import load_baseline
from unrolled.tasks.prediction.evaluation import PredictionEvaluation, find_unknown, list_errors
from unrolled.tasks.prediction.gaze import check_stopping, gaze_paths, gazing_member
from unrolled.tasks.prediction.metrics import HalfWidths, ValueMetric, metric_of
from unrolled.tasks.prediction.rows import rows_in_memory
from unrolled.tasks.prediction.task import Prediction
from unrolled.tasks.requests import InferenceInput, MissingItem, input_name
from unrolled.tasks.results import Estimate, GazePath, Ranked, RowPrediction
from unrolled.tasks.rows_run import RowsRun
from unrolled.tasks.run import Data, EvaluateOptions, PredictOptions, ReadAgain
from unrolled.threads import single_thread, torch_threads

PROBED = 32  # items with which numbers of threads are compared


class PredictionRun(RowsRun):
    """A run of the prediction task: a net, a linear model, n-grams, or an ensemble of them."""

    kind, does = Prediction.kind, "predicts labels, tags or numbers"
    accepts = frozenset({"errors", "skip_empty", "top", "every"})

    def __init__(self, folder: RunFolder, reread: ReadAgain, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        # a run that was stopped early predicts with its net alone
        self.selected = folder.facts.get("selected") or [self.settings.net_name]
        weights: dict[str, list[float]] = folder.facts.get("weights") or {name: [1.0] for name in self.outputs}
        self.half_widths: dict[str, HalfWidths] = folder.facts.get("interval_half_widths") or {}
        self.net: PredictionNet | None = None
        members: list[Member] = []
        tables = folder.read_vocabulary()
        for name in self.selected:
            if name in UNTRAINED:
                members.append(load_baseline(folder, name, self.known.featurizer))
                continue
            plan = recorded_plans(folder, device=self.device)[0]
            self.net = load_best(folder, plan, lambda plan: build_prediction_net(plan, self.settings, tables))
            self.net.requires_grad_(False)
            members.append(NetMember(self.net, self.known.featurizer))
        if set(weights) != set(self.outputs) or any(len(each) != len(members) for each in weights.values()):
            raise RunError(
                f"{folder.path}/run.json is damaged: its ensemble weights do not match its members. "
                "Resume the run, or train again."
            )
        self.ensemble = EnsemblePredictor(
            members, weights, {name: LIKELIHOODS[one.likelihood] for name, one in self.outputs.items()}
        )
        if gazing_member(self.ensemble) is not None:
            self.accepts = self.accepts | {"stop_when_sure"}

    @property
    def parameters(self) -> int:
        return 0 if self.net is None else sum(p.numel() for p in self.net.parameters())

    def _predict(self, rows: Iterator[InferenceInput | str], options: PredictOptions) -> Iterator[RowPrediction]:
        maker = None
        if options.stop_when_sure is not None:
            check_stopping(self.ensemble, self.outputs, self.selected)
        if options.show_attention and gazing_member(self.ensemble) is None:
            maker = map_maker(self.ensemble.members, self.selected, self.known.featurizer, options.every)
        if options.every:
            net = self._streaming_net()
            return (one for given in rows for one in self._predict_while_reading(net, given, options.top))
        return self._in_place(rows, lambda some, _: self._predict_batch(some, options, maker))

    def _predict_batch(
        self, some: Sequence[tuple[str, Item]], options: PredictOptions, maker: MapMaker | None
    ) -> Iterator[RowPrediction]:
        """The predictions for each (name, item). maker: makes maps of attention too, if requested."""
        items = [item for _, item in some]
        predictions, paths = self._predictions(items, options.stop_when_sure)
        places = dict.fromkeys(predictions, 0)
        for (name, item), path in zip(some, paths, strict=True):
            own = {}
            for out, found in predictions.items():
                count = self._count(item) if self.outputs[out].each else 1
                own[out] = found[places[out] : places[out] + count]
                places[out] += count
            prediction = replace(self._row_prediction(name, own, options.top), gaze=path)
            if maker is not None:
                prediction = replace(prediction, maps=maker.maps(item, own, self.outputs))
            yield prediction

    def _predictions(
        self, items: Sequence[Item], sure: float | None = None
    ) -> tuple[dict[str, Tensor], Sequence[GazePath | None]]:
        """Predictions for items, on the faster number of threads, and of a fovea the paths of its gaze. sure: as
        `gaze_paths`."""
        fovea = gazing_member(self.ensemble)
        with torch_threads(self.threads.choose(lambda: self.ensemble.predict(items[:PROBED]))):
            if fovea is None:
                return self.ensemble.predict(items), [None] * len(items)
            stopped, paths = gaze_paths(self.ensemble, fovea, items, sure)
            return self.ensemble.predict(items) if sure is None else stopped, paths

    def _count(self, item: Item) -> int:
        """Number of steps of an item, each with a prediction."""
        return len(given_words(item)) if isinstance(item, str) else len(item)

    def _row_prediction(self, name: str, predictions: Mapping[str, Tensor], top: int | None) -> RowPrediction:
        """The predictions for a row, (A, O) per output, as a `RowPrediction`."""
        labels, tags, sets, thresholds, values = {}, {}, {}, {}, {}
        for out, found in predictions.items():
            output = self.outputs[out]
            if isinstance(output, LabelOutput):
                probabilities, order = found.exp().sort(1, descending=True)
                ranked = [
                    self._named(output.names, *pair)
                    for pair in zip(order[:, :top].tolist(), probabilities[:, :top].tolist(), strict=True)
                ]
                if output.each:
                    tags[out] = ranked
                else:
                    labels[out] = ranked[0]
            elif isinstance(output, MultilabelOutput):
                family = LABEL_SETS[output.likelihood]
                probabilities, order = family.probabilities(found[:1])[0].sort(descending=True)
                thresholds[out] = float(family.thresholds(probabilities[None]))
                kept = max(top or len(probabilities), int((probabilities > thresholds[out]).sum()))
                sets[out] = self._named(output.names, order[:kept].tolist(), probabilities[:kept].tolist())
            elif isinstance(output, ValueOutput):
                means, stds = ValueMetric(output).in_units(found)
                half_widths = stds[0] * torch.tensor(list(self.half_widths.get(out) or [NORMAL])).double()
                pairs = zip(means[0].tolist(), half_widths.tolist(), strict=True)
                values[out] = [Estimate(mean, mean - half, mean + half) for mean, half in pairs]
        return RowPrediction(name, labels, tags, sets, values, thresholds=thresholds)

    def _named(self, names: Sequence[str], order: Sequence[int], probabilities: Sequence[float]) -> Ranked:
        return [(names[label], probability) for label, probability in zip(order, probabilities, strict=True)]

    def _streaming_net(self) -> PredictionNet:
        """The net, if it can predict at every step and is the only model. Raises RunError."""
        net = self.net
        if net is None or not net.streams or len(self.ensemble.members) > 1:
            both_ways = net is not None and not net.streams and self.settings.encoder is None
            raise RunError(
                f"{self.path} predicts only at the end of a row: it is {'+'.join(self.selected)}, "
                f"{'bidirectional' if both_ways else 'which needs whole rows'}.\n"
                "For a prediction at every step: unroll train DATA --model lstm --direction causal"
            )
        return net

    @torch.no_grad()
    def _predict_while_reading(
        self, net: PredictionNet, given: InferenceInput | str, top: int | None
    ) -> Iterator[RowPrediction]:
        """The net's prediction after each step of a row, in constant memory."""
        (item,) = self.reader.take_all([given])
        if isinstance(item, MissingItem):
            yield self._empty_prediction(input_name(given), item)
            return
        inputs, lengths = pad_items(self.known.featurizer, [item])
        state = net.start(1)
        for t in range(int(lengths[0])):
            with single_thread():  # a step of one row is too small to parallelise
                outputs, state = net.step(inputs[:, t], state)
            predictions = {
                name: self.ensemble.likelihoods[name].combine(
                    found[None].double(), torch.tensor(self.ensemble.weights[name])
                )
                for name, found in net.to_predictions(outputs).items()
            }
            yield self._row_prediction(input_name(given), predictions, top)

    def _evaluate(self, data: Data | None, options: EvaluateOptions) -> PredictionEvaluation:
        if options.error_page:
            check_pictures()
        examples = self._read(Prediction, data, options.skip_empty).examples
        if data is not None:
            check_labels(examples, str(self.path), "every prediction would be wrong", "name another run")
        split, shown_as = self._split_of(examples, data)
        found: dict[str, list[Tensor]] = {name: [] for name in self.outputs}
        for items in iterate(examples.split_items(split), rows_in_memory(examples)):
            for name, predictions in self._predictions(items)[0].items():
                found[name].append(predictions)
        whole = {name: torch.cat(each) for name, each in found.items()}
        rows = examples.splits[split]
        scores = {}
        for name, predictions in whole.items():
            reach = self.half_widths.get(name) or ()
            scores[name] = metric_of(self.outputs[name]).score(examples.targets[name], rows, predictions, reach)
        wrong = list_errors(examples, split, whole) if options.errors or options.error_page else []
        baselines = None if data is not None else self._baselines()
        evaluation = PredictionEvaluation(
            shown_as, scores, baselines, find_unknown(examples, rows), errors=[one.facts for one in wrong],
            unreadable=() if data is None else examples.unreadable_lines,
        )  # fmt: skip
        return evaluation.with_page(str(self.path), examples, wrong) if options.error_page else evaluation

    def _baselines(self) -> dict[str, tuple[str, float]]:
        """The baselines of the summary: the name of the figure, and its value."""
        baselines: dict[str, tuple[str, float]] = {}
        for name, facts in self.facts["scores"].get("outputs", {}).items():
            prefix = f"{name}: " if len(self.outputs) > 1 else ""
            figure, constant = facts["metric"], facts["constant_baseline"]
            scores = facts["others"] | facts["baselines"] | {constant["name"]: constant}
            baselines |= {prefix + other: (figure, score[figure]) for other, score in scores.items()}
        return baselines
