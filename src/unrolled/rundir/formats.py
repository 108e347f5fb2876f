"""Converts the files of run folders made before format 4 to today's names.

Format 1 had no checksums; up to format 2, the resolved settings stood under `asked`; up to format 3, options, keys
and tensors had other names. Each function takes the contents of a file and returns them with the names of format 4.
Contents with today's names are returned as they are, so an interrupted conversion can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

FORMAT = 4
FIRST_WITH_CHECKSUMS, FIRST_WITH_SETTINGS = 2, 3
VOCABULARY, OLD_VOCABULARY = "vocabulary.json", "symbols.json"

Value = TypeVar("Value")

KINDS = {"language": "language-modeling", "answers": "prediction", "writings": "seq2seq"}
OUTPUT_KINDS = {
    "label": "classification", "labels": "multilabel", "tags": "tagging", "value": "regression", "text": "seq2seq",
}  # fmt: skip
INPUT_KINDS = {"label": "category", "sound": "audio", "picture": "image"}
OPTION_NAMES = {
    "kind": "task", "symbols": "tokenizer", "size": "hidden_size", "depth": "layers", "batch": "batch_size",
    "rate": "learning_rate", "gradient": "bptt", "from_run": "init_from", "read": "input_type", "inlet": "stem",
    "reader": "attention", "balance": "class_weights",
}  # fmt: skip
OPTION_VALUES: dict[str, dict[Any, Any]] = {
    "task": OUTPUT_KINDS | {"language": "language-modeling"},
    "input_type": INPUT_KINDS,
    "direction": {"both": "bidirectional", "ahead": "causal"},
    "attention": {"context": "none"},
    "class_weights": {True: "balanced", False: None},
}
FACT_NAMES = {"asked": "options", "legs": "sessions", "left": "selected"}
SCORE_NAMES = {
    "split": "split_method", "part": "split", "rows_of_part": "rows_of_split", "test_symbols": "test_tokens",
}  # fmt: skip
PLAN_NAMES = {
    "size": "hidden_size", "depth": "layers", "embed": "embedding_size", "batch": "batch_size",
    "rate": "learning_rate", "matrix_rate": "matrix_learning_rate", "gradient": "bptt", "most": "max_updates",
}  # fmt: skip
REPORT_NAMES = {"rate": "learning_rate", "symbols": "tokens", "symbols_a_second": "tokens_per_second"}
MODEL_FACT_NAMES = {"symbols": "tokens", "border": "eos"}
KIND_OF_TENSOR = r"^((?:weights|averaged|momentum|adam\.\w+|state)\.)?"  # in a checkpoint
TENSORS = tuple(
    (re.compile(KIND_OF_TENSOR + old), r"\g<1>" + new)
    for old, new in (
        (r"writer\.inlet\.", "encoder_decoder.source_embedding."),
        (r"writer\.front\.", "encoder_decoder.stem."),
        (r"writer\.", "encoder_decoder."),
        (r"(encoder_decoder\.decoder\.(?:.*\.)?)reader\.", r"\g<2>cross_attention."),
        (r"inlet\.", "embedding."),
        (r"front\.", "stem."),
        (r"(level\d+)\.symbols$", r"\g<2>.tokens"),
        (r"deviation$", "std"),
    )
)
"""Patterns at the beginning of tensor names, and their replacements."""


def upgraded_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of run.json, `format` and checksums apart."""
    new = _renamed(facts, FACT_NAMES)
    new["kind"] = KINDS.get(new["kind"], new["kind"])
    for name in ("options", "settings"):
        if isinstance(new.get(name), dict):
            new[name] = _upgraded_options(new[name])
    if isinstance(new.get("scores"), dict) and "asked" in facts:
        new["scores"] = _renamed(new["scores"], SCORE_NAMES)
        if isinstance(new["scores"].get("test"), dict):
            new["scores"]["test"] = _renamed(new["scores"]["test"], {"symbols": "tokens"})
    return new


def upgraded_plan(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of plan.jsonl."""
    new = _renamed(line, PLAN_NAMES)
    return new | ({"bptt": _upgraded_bptt(new["bptt"])} if "bptt" in new else {})


def upgraded_report(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of log.jsonl."""
    return _renamed(line, REPORT_NAMES)


def upgraded_vocabulary(value: Any) -> Any:
    """The contents of vocabulary.json: a text's vocabulary, or the columns, featurizer and outputs of rows."""
    if not isinstance(value, dict) or "columns" not in value:
        return value
    new = _renamed(value, {"intake": "featurizer", "tokens": "featurizer"})
    if isinstance(new["columns"], dict):
        new["columns"] = {"sequence": None, "time": None} | new["columns"]
        if "input" in new["columns"]:  # until several columns could be read
            new["columns"]["inputs"] = [new["columns"].pop("input")]
    if new.get("began") in KINDS:
        new["began"] = KINDS[new["began"]]
    if isinstance(featurizer := new.get("featurizer"), dict):
        new["featurizer"] = _upgraded_kind(_renamed(featurizer, {"deviation": "std"}), INPUT_KINDS)
        if isinstance(featurizer.get("input"), dict):
            new["featurizer"]["input"] = _upgraded_kind(featurizer["input"], INPUT_KINDS)
    if "labels" in new and isinstance(new["labels"], dict):  # until there were outputs of other kinds
        each = new.pop("each", ())
        new["outputs"] = {
            name: {"kind": "tags" if name in each else "label", "names": names}
            for name, names in new.pop("labels").items()
        }
    if isinstance(new.get("outputs"), dict):
        new["outputs"] = {
            name: _upgraded_kind(_renamed(one, {"deviation": "std", "table": "vocabulary"}), OUTPUT_KINDS)
            if isinstance(one, dict)
            else one
            for name, one in new["outputs"].items()
        }
    return new


def upgraded_tensors(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Tensors of a model, a baseline or a checkpoint, by name."""
    return {_upgraded_tensor(name): tensor for name, tensor in tensors.items()}


def upgraded_model_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts next to the tensors in a safetensors file."""
    new = _renamed(facts, MODEL_FACT_NAMES)
    if isinstance(new.get("kinds"), dict):  # of a linear model's outputs
        new["kinds"] = {name: OUTPUT_KINDS.get(kind, kind) for name, kind in new["kinds"].items()}
    return new


def _upgraded_tensor(name: str) -> str:
    for pattern, new in TENSORS:
        name = pattern.sub(new, name)
    return name


def _upgraded_options(options: Mapping[str, Any]) -> dict[str, Any]:
    new = _renamed(options, OPTION_NAMES)
    for name, values in OPTION_VALUES.items():
        if isinstance(new.get(name), str | bool):
            new[name] = values.get(new[name], new[name])
    return new | ({"bptt": _upgraded_bptt(new["bptt"])} if "bptt" in new else {})


def _upgraded_bptt(strategy: Any) -> Any:
    return strategy.replace("stretch=", "segment=") if isinstance(strategy, str) else strategy


def _upgraded_kind(facts: dict[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    kind = facts.get("kind")
    return facts | {"kind": kinds.get(kind, kind)} if isinstance(kind, str) else facts


def _renamed(values: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, Value]:
    return {names.get(name, name): value for name, value in values.items()}
