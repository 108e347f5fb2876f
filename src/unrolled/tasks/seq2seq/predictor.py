"""A seq2seq run: it generates texts for inputs, streaming, or for a table with reference texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.dataset.outputs import TextOutput
from unrolled.data.modalities.base import Ids, Item
from unrolled.decoding.beam import Hypothesis
from unrolled.errors import DataError, OptionError, RunError
from unrolled.metrics.confidence import DOUBTFUL, LEAST, Confidence, hedge
from unrolled.metrics.finding import FindingScore
from unrolled.metrics.n_grams import chrf, count_characters
from unrolled.metrics.text import TextScore
from unrolled.opening import CURE
from unrolled.options import DEFAULT_MODEL
from unrolled.registry import RETRIEVAL
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import load_best, recorded_plans
from unrolled.tasks.build import build_teacher_forced
from unrolled.tasks.error_pages import WrongRow, check_pictures, name_files
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.requests import InferenceInput
from unrolled.tasks.results import Alternative, AttentionWeights, GeneratedText, RowPrediction, word_probability
from unrolled.tasks.rows_run import RowsRun
from unrolled.tasks.run import Data, EvaluateOptions, PredictOptions, ReadAgain
from unrolled.tasks.seq2seq.baselines import (
    ImageRetrieval,
    baseline_texts,
    first_texts,
    load_retrieval,
    score_finding,
)
from unrolled.tasks.seq2seq.generate import Generator
from unrolled.tasks.seq2seq.references import distinct_rows, reference_texts
from unrolled.tasks.seq2seq.summary import (
    GREEDY,
    ReferenceCost,
    equal_texts_note,
    figure_of,
    figure_of_text,
    score_rows,
    shown_score,
)
from unrolled.tasks.seq2seq.task import Seq2Seq, in_line
from unrolled.threads import single_thread, torch_threads

PROBED, PROBED_TOKENS = 16, 8  # rows, and tokens per row, with which numbers of threads are compared


@dataclass(frozen=True)
class Seq2SeqEvaluation(Evaluation):
    """The scores of a run's generated texts on a table, or on its own test split."""

    columns: ClassVar[tuple[str, ...]] = ("file", "row", "output", "target", "prediction", "chrf", "text")
    order: ClassVar[str] = "the lowest chrF"

    name: str  # the output
    generation: str  # how texts were generated
    score: TextScore
    cost: ReferenceCost
    baselines: Mapping[str, TextScore]  # of the baseline; empty if its training rows are gone
    others: Mapping[str, TextScore]  # of the net, if it was not selected
    figure: str
    sameness: str = ""  # a sentence if texts are empty or all the same
    finding: FindingScore | None = None  # of images by their captions, with the retrieval baseline

    @property
    def score_lines(self) -> list[str]:
        score = self.score.format_line(self.figure == "bleu")
        cost = "" if self.others else f"; {self.cost.line}"
        return [f"{self.name}, {self.split}, {self.generation}: {score}{cost}", *self.score.caption_lines]

    @property
    def lines(self) -> list[str]:
        lines = self.score_lines
        for one in self.score.by_length if self.figure == "bleu" else ():
            to = f"{one.shortest} to {one.longest}" if one.longest is not None else f"{one.shortest} and more"
            lines.append(f"  inputs of {to} words: BLEU {one.bleu:.1f} ({one.rows:,} rows)")
        lines += [self.sameness] if self.sameness else []
        lines += [f"Baseline: {name} {shown_score(score, self.figure)}" for name, score in self.baselines.items()]
        for name, score in self.others.items():
            lines.append(f"Not selected: {name}: {shown_score(score, self.figure)}; {self.cost.line}")
        lines += [] if self.finding is None else [self.finding.line]
        return lines + self.unreadable_lines

    def to_dict(self) -> dict[str, Any]:
        figures = {"nats": self.cost.nats, "perplexity": self.cost.perplexity, "generation": self.generation}
        return {
            "split": self.split,
            "outputs": {self.name: {**self.score.to_dict(), **figures}},
            "baselines": {name: score.to_dict() for name, score in self.baselines.items()},
            **({"others": {name: score.to_dict() for name, score in self.others.items()}} if self.others else {}),
            **({} if self.finding is None else {"finding": self.finding.to_dict()}),
            **self.unreadable_facts,
        }


class Seq2SeqRun(RowsRun):
    """A run of the seq2seq task: one output, a text, and its encoder-decoder."""

    kind, does = Seq2Seq.kind, "generates texts"
    accepts = frozenset(
        {"errors", "skip_empty", "top", "beam", "temperature", "seed", "generation", "show_attention"}
    )

    def __init__(self, folder: RunFolder, reread: ReadAgain, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        self.net = self.settings.model or DEFAULT_MODEL
        self.selected = folder.facts.get("selected") or [self.net]
        self.name, output = next(iter(self.outputs.items()))
        tables = folder.read_vocabulary()
        plan = recorded_plans(folder, device=self.device)[0]
        teacher_forced = load_best(folder, plan, lambda plan: build_teacher_forced(plan, self.settings, tables))
        teacher_forced.requires_grad_(False)
        if not isinstance(output, TextOutput):
            raise RunError(f"{folder.path}/vocabulary.json is damaged: its output is not a text. Train again.")
        self._parameters = sum(p.numel() for p in teacher_forced.parameters())
        self.generator = Generator(teacher_forced.encoder_decoder, self.known.featurizer, output, self._similarities)
        # a run that was stopped early generates greedily
        facts = folder.facts
        self.preferred = GenerationConfig(facts.get("beam", 1), image_weight=facts.get("image_weight", 0.0))
        known = folder.facts.get("confidence")
        self.confidence = None if known is None else Confidence.from_json(known)
        if self.confidence is not None:
            self.accepts = self.accepts | {"hedge"}

    def check_options(self, **given: Any) -> None:
        if given.get("hedge") and self.confidence is None and self.retrieval is not None:
            raise OptionError(
                f"--hedge needs a confidence, which is calibrated on at least {LEAST} validation images; {self.path} "
                "described fewer.\nTrain to the end with more images, more time, or a larger share: --valid 0.3"
            )
        if given.get("hedge") and self.confidence is not None and self.confidence.least >= DOUBTFUL:
            raise OptionError(
                f"--hedge is for captions with a confidence under {DOUBTFUL:.0%}, and the least of {self.path} is "
                f"{self.confidence.least:.0%}.\nMore validation images tell more of them apart: --valid 0.3"
            )
        super().check_options(**given)

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def other_commands(self) -> tuple[str, ...]:
        return ("find",) if self.retrieval is not None else ()

    @cached_property
    def retrieval(self) -> ImageRetrieval | None:
        """The retrieval baseline, for images with features."""
        return load_retrieval(self.folder, self.known.featurizer)

    @property
    def by_retrieval(self) -> ImageRetrieval | None:
        """The retrieval baseline, if it was selected. Raises RunError if it is missing."""
        return self._needed_retrieval() if self.selected == [RETRIEVAL] else None

    def _needed_retrieval(self) -> ImageRetrieval:
        if self.retrieval is None:
            raise RunError(f"{self.folder.baseline_file(RETRIEVAL)} is missing: the run is damaged. {CURE}")
        return self.retrieval

    def _similarities(self, items: Sequence[Item], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return self._needed_retrieval().similarities(items, texts)

    def _predict(self, rows: Iterator[InferenceInput | str], options: PredictOptions) -> Iterator[RowPrediction]:
        if options.generation is not None:
            options.generation.check_top(options.top)
            if options.generation.image_weight and self.retrieval is None:
                raise OptionError(
                    "image_weight ranks by captions of similar images; this run has none. Leave it out."
                )
        if options.hedge and not self._as_selected(options):
            raise OptionError(
                "--hedge needs a confidence, which is known for captions as they were selected on validation.\n"
                "Leave out --beam, --temperature and --show-attention."
            )
        return self._in_place(rows, lambda some, first: self._predict_batch(some, first, options))

    def _predict_batch(
        self, some: Sequence[tuple[str, Item]], first: int, options: PredictOptions
    ) -> Iterator[RowPrediction]:
        """A text for each (name, item): as selected on validation, or by the net if its options or its attention are
        requested. first: the number of the first item, which seeds sampling."""
        items, config = [item for _, item in some], options.generation or self.preferred
        retrieval = self.by_retrieval
        if retrieval is not None and self._as_selected(options):
            for (name, _), captions in zip(some, retrieval.captions(items, options.top or 1), strict=True):
                texts_of_row = [Alternative(one.text, one.score, None) for one in captions]
                yield self._row(name, texts_of_row, [one.score for one in captions], options)
            return
        if options.top is None:
            texts = [[text] for text in self._generate(items, config, first)]
        else:
            with torch_threads(self._faster_threads(items)):
                texts = self.generator.alternatives(items, config, options.top)
        for (name, item), found in zip(some, texts, strict=True):
            with single_thread():  # a single row
                attention = self.generator.attention(item, found[0]) if options.show_attention else None
            texts_of_row = [self._alternative(text) for text in found]
            yield self._row(name, texts_of_row, [figure_of_text(text, config) for text in found], options, attention)

    def _as_selected(self, options: PredictOptions) -> bool:
        """Whether texts are those that were selected on validation, and not those that options ask of the net."""
        return options.generation is None and (self.selected != [RETRIEVAL] or not options.show_attention)

    def _row(
        self, name: str, texts: Sequence[Alternative], figures: Sequence[float], options: PredictOptions,
        attention: AttentionWeights | None = None,
    ) -> RowPrediction:  # fmt: skip
        """The prediction for a row; its texts, the best first. figures: those from which their confidence follows."""
        if self.confidence is not None and self._as_selected(options):
            shares = self.confidence.of(figures).tolist()
            texts = [
                one._replace(
                    text=hedge(one.text) if options.hedge and share < DOUBTFUL else one.text, confidence=share
                )
                for one, share in zip(texts, shares, strict=True)
            ]
        best, ranked = texts[0], None if options.top is None else tuple(texts)
        text = GeneratedText(best.text, best.score, best.word_probability, attention, ranked, best.confidence)
        return RowPrediction(name, texts={self.name: text})

    def _alternative(self, text: Hypothesis) -> Alternative:
        written = self.generator.decode(text)
        return Alternative(written, text.score, word_probability(written, text.score, text.ended))

    def _generate(self, items: Sequence[Item], config: GenerationConfig, first: int = 0) -> list[Hypothesis]:
        """Texts for items, on the faster number of threads."""
        with torch_threads(self._faster_threads(items)):
            return self.generator.generate(items, config, first)

    def _faster_threads(self, items: Sequence[Item]) -> int:
        """The faster number of threads for such items."""
        return self.threads.choose(lambda: self.generator.generate(items[:PROBED], GREEDY, length=PROBED_TOKENS))

    def _evaluate(self, data: Data | None, options: EvaluateOptions) -> Seq2SeqEvaluation:
        if options.error_page:
            check_pictures()
        own: Examples | None
        if data is None:
            examples = own = self._read(Seq2Seq, None).examples
        else:
            examples, own = self._read(Seq2Seq, data, options.skip_empty).examples, self._own()
        split, shown_as = self._split_of(examples, data)
        rows = distinct_rows(examples, split)
        items = list(SplitItems(examples.items, rows))
        texts = by_net = [self.generator.decode(text) for text in self._generate(items, self.preferred)]
        generation, retrieval = self.preferred.name, self.by_retrieval
        with torch_threads(self._faster_threads(items)):
            cost = ReferenceCost.of(*self.generator.reference_nats(examples, examples.splits[split]))
        baselines: dict[str, TextScore] = {}
        others: dict[str, TextScore] = {}
        if retrieval is not None:
            texts, generation = first_texts(retrieval.captions(items)), retrieval.model.name
            others[f"{self.net}, {self.preferred.name}"] = score_rows(examples, split, rows, by_net)
        elif own is not None or self.retrieval is not None:
            name, found = baseline_texts(examples, rows, self.retrieval, own)
            baselines[name] = score_rows(examples, split, rows, found)
        listed = options.errors or options.error_page
        wrong = list_furthest(self.name, examples, split, rows, texts) if listed else []
        evaluation = Seq2SeqEvaluation(
            shown_as, self.name, generation, score_rows(examples, split, rows, texts), cost, baselines, others,
            figure_of(examples), equal_texts_note(texts),
            None if self.retrieval is None else score_finding(examples, split, rows, self.retrieval),
            errors=[one.facts for one in wrong], unreadable=() if data is None else examples.unreadable_lines,
        )  # fmt: skip
        return evaluation.with_page(str(self.path), examples, wrong) if options.error_page else evaluation

    def _own(self) -> Examples | None:
        """The run's own rows; None if they are missing or have changed."""
        try:
            return self._read(Seq2Seq, None).examples
        except DataError:
            return None


def list_furthest(name: str, examples: Examples, split: str, rows: Ids, texts: list[str]) -> list[WrongRow]:
    """The rows of a split whose text differs from all its references, the lowest chrF first. Each is listed with its
    most similar reference."""
    found = []
    for row, text, references in zip(rows.tolist(), texts, reference_texts(examples, split, rows), strict=True):
        each = [chrf(counts) for counts in count_characters([text] * len(references), [[one] for one in references])]
        score, reference = max(zip(each, references, strict=True), key=lambda pair: pair[0])
        if text.strip() not in map(str.strip, references):
            item = examples.items[row]
            source = in_line(item) if isinstance(item, str) else ""
            file, number = examples.located(row)
            facts: dict[str, Any] = {
                "file": file, "row": number, "output": name, "target": in_line(reference),
                "prediction": in_line(text), "chrf": round(score, 2), "text": source,
            }  # fmt: skip
            lines = facts["prediction"] or "(no text)", f"target: {facts['target']}", f"chrF {score:.1f}"
            found.append((score, WrongRow(row, facts, lines)))
    return name_files(examples, [one for _, one in sorted(found, key=lambda pair: pair[0])])
