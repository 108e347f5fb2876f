"""The options of `unroll compare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.options import TrainOptions
from unrolled.registry import parse_list
from unrolled.settings import Settings, check_choice, check_count, check_seed

MOST_SEEDS, MOST_PARAMETERS, MOST_LAG = 1000, 10**12, 10**6


@checked
@dataclass(frozen=True)
class CompareSettings(Settings):
    """The options of `unroll compare`. None means the default of `unroll train`."""

    models: Annotated[str, "models, with commas between them"] = "lstm,gru,transformer,mingru,ngram"
    bptt: Annotated[str, "BPTT strategies, with commas; each model is trained with each"] = "full"
    lag: Annotated[str | None, "for a diagnostic task: lags in steps, with commas (10,50,200)"] = None
    minutes: Annotated[float | None, "minutes for each training (2; 0.5 for a task)"] = None
    steps: Annotated[int | None, "updates for each training, instead of minutes"] = None
    parameters: Annotated[int | None, "parameters of each model, within 3% (left out: sizes as planned)"] = None
    seeds: Annotated[int, "trainings of each model, with consecutive seeds"] = 3
    hidden_size: Annotated[int | None, "width of each layer, in units"] = None
    layers: Annotated[int | None, "number of layers"] = None
    out: Annotated[str | None, "the comparison's folder (a new one under compare/ if left out)"] = None
    documents: Annotated[
        str, "what a document is: file, line, blank (blocks between blank lines), or row (of a table's text)"
    ] = "file"
    no_header: Annotated[bool, "csv, tsv: the first row is data"] = False
    task: Annotated[
        str | None, "language-modeling: read labelled folders, or a table, as one text (left out: they are refused)"
    ] = None
    tokenizer: Annotated[str, "tokens: auto, char, byte, word or bpe"] = "auto"
    seed: Annotated[int, "the first seed"] = 0
    threads: Annotated[int | None, "processor threads (all)"] = None
    device: Annotated[str, "auto, cpu, cuda or mps"] = "auto"

    def check(self) -> None:
        """Raises OptionError for the first invalid value."""
        parse_list("--models", self.models)
        parse_list("--bptt", self.bptt)
        if self.lag is not None:
            self.lags()
        if self.parameters is not None:
            check_count("--parameters", self.parameters, MOST_PARAMETERS)
        if self.parameters is not None and self.hidden_size is not None:
            raise OptionError("--parameters determines the size, and --hidden-size sets it. Leave one of them out.")
        check_count("--seeds", self.seeds, MOST_SEEDS)
        check_seed(self.seed)
        if self.task is not None:
            check_choice("--task", self.task, ("language-modeling",))
        shared = (
            "minutes", "steps", "out", "hidden_size", "layers", "documents", "no_header", "task", "tokenizer",
            "threads", "device",
        )  # fmt: skip
        TrainOptions(**{name: getattr(self, name) for name in shared}).check()

    def lags(self) -> list[int]:
        """The lags of --lag; by default [10, 50, 200]. Raises OptionError."""
        lags = []
        for text in parse_list("--lag", "10,50,200" if self.lag is None else self.lag):
            if not text.isdecimal() or not text.strip("0"):
                raise OptionError(f"--lag is in steps, whole numbers of at least 1 with commas; got '{text}'.")
            if len(text) >= len(str(MOST_LAG)):
                raise OptionError(f"--lag is in steps, below {MOST_LAG:,}; got '{text:.80}'.")
            lags.append(int(text))
        return lags
