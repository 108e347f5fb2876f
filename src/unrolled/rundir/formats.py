"""Converts the files of older run folders, folds and comparisons to today's names.

Format 1 had no checksums; up to format 2, the resolved settings stood under `asked`; up to format 3, options, keys
and tensors had other names; up to format 4, keys of scores and reports had. Each function takes the contents of a
file and returns them with the names of format 5. Contents with today's names are returned as they are, so an
interrupted conversion can be repeated. Contents of a wrong type are left to the check of whoever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

FORMAT = 5
FIRST_WITH_CHECKSUMS, FIRST_WITH_SETTINGS, FIRST_WITH_VOCABULARY = 2, 3, 4
COMPARISON_FORMAT = 2  # of compare.json and results.jsonl
VOCABULARY, OLD_VOCABULARY = "vocabulary.json", "symbols.json"

Value = TypeVar("Value")

TASK_KINDS = {"language": "language-modeling", "answers": "prediction", "writings": "seq2seq"}
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
FACT_NAMES = {
    "asked": "options", "legs": "sessions", "left": "selected", "ranks": "surprise_quantiles",
    "reaches": "interval_half_widths",
}  # fmt: skip
FORMAT_3_SCORE_NAMES = {"split": "split_method", "part": "split"}
SCORE_NAMES = {
    "rows_of_part": "rows_of_split", "test_symbols": "test_tokens", "copied_share": "memorised_share",
    "copied_longest": "memorised_longest", "copied_of": "searched_share", "learnt": "trained_model",
    "parts": "members", "fitted": "fitted_tokens", "test_begun": "test_truncated",
}  # fmt: skip
METRIC_NAMES = {
    "held": "coverage", "exact": "exact_match", "exact_interval": "exact_match_interval",
    "resampled": "bootstrap_samples", "confusion": "confusion_matrix", "confused": "most_confused",
}  # fmt: skip
CONFUSED_NAMES = {"right": "target", "answer": "prediction"}
BASELINES = ("linear", "ngram")  # among the models of a prediction run
FOLD_FIGURE_NAMES = {"deviation": "std", "least": "min", "greatest": "max"}
PLAN_NAMES = {
    "size": "hidden_size", "depth": "layers", "embed": "embedding_size", "batch": "batch_size",
    "rate": "learning_rate", "matrix_rate": "matrix_learning_rate", "gradient": "bptt", "most": "max_updates",
}  # fmt: skip
REPORT_NAMES = {
    "rate": "learning_rate", "symbols": "tokens", "symbols_a_second": "tokens_per_second",
    "copied_share": "memorised_share", "copied_longest": "memorised_longest",
}  # fmt: skip
REACH_NAMES = {"nats_whole": "nats_full", "lost_error": "loss_error", "gradient": "gradient_norms"}
RESULT_NAMES = {
    "ms_a_symbol": "ms_per_token", "symbols_a_second": "tokens_per_second", "chance": "chance_accuracy",
    "size": "hidden_size", "depth": "layers",
}  # fmt: skip
MEDIA_COLUMN = re.compile(r"rows of (?:folders|idx): (sound|picture) \(")  # in the description of a run's data
SENTENCES = tuple(
    (re.compile(old), new)
    for old, new in (
        (r"(?:otherwise|to change this): --input --output --as(?: --read)?(?![-\w ])",
         "to change this: --input --output --task --input-type"),
        (r"stand in the training part too", "are in the training split too"),
        (r"(\d+\.\d%) of (\S+) right", r"\2 accuracy \1"),
        (r"(\S+) (\d+\.\d%) right", r"\1 accuracy \2"),
        (r"the text of the row with the likest (\w+)", r"nearest neighbour by n-grams of \1"),
    )
)  # fmt: skip
"""Patterns in the descriptions of the data and of the baseline, and their replacements."""
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
    new["kind"] = TASK_KINDS.get(new["kind"], new["kind"])
    columns = _media_columns(facts)
    for name in ("options", "settings"):
        if isinstance(new.get(name), dict):
            new[name] = options = _upgraded_options(new[name])
            if isinstance(options.get("input"), str):
                options["input"] = columns.get(options["input"], options["input"])
    if isinstance(new.get("scores"), dict):
        if "asked" in facts:
            new["scores"] = _renamed(new["scores"], FORMAT_3_SCORE_NAMES)
        new["scores"] = _upgraded_scores(new["scores"])
        _upgrade_sentence(new["scores"], "baseline_name")
    for name, key in (("data", "description"), ("baseline", "name")):
        if isinstance(new.get(name), dict):
            new[name] = dict(new[name])
            _upgrade_sentence(new[name], key)
    return new


def _upgrade_sentence(facts: dict[str, Any], key: str) -> None:
    """Replace the words of older versions in a sentence for the user."""
    if isinstance(facts.get(key), str):
        for pattern, new in SENTENCES:
            facts[key] = pattern.sub(new, facts[key])


def upgraded_folds(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of folds.json, `format` apart."""
    new, before = _renamed(facts, FACT_NAMES), "asked" in facts
    if isinstance(new.get("options"), dict):
        new["options"] = _upgraded_options(new["options"])
    if isinstance(folds := new.get("folds"), dict):
        names = FORMAT_3_SCORE_NAMES if before else {}
        new["folds"] = _each_dict(folds, lambda scores: _upgraded_scores(_renamed(scores, names)))
    if isinstance(table := new.get("table"), dict):
        new["table"] = _each_dict(
            table,
            lambda figures: _each_dict(_renamed(figures, METRIC_NAMES), lambda one: _renamed(one, FOLD_FIGURE_NAMES)),
        )
    return new


def upgraded_comparison(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of compare.json, `format` apart."""
    new = _renamed(facts, FACT_NAMES)
    if isinstance(new.get("options"), dict):
        new["options"] = _upgraded_options(_renamed(new["options"], {"gradients": "bptt"}))
    return new


def upgraded_result(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of results.jsonl, the results of a comparison."""
    new = dict(line)
    if isinstance(cell := new.get("cell"), dict):
        cell = _renamed(cell, {"gradient": "bptt"})
        new["cell"] = cell | ({"bptt": upgraded_bptt(cell["bptt"])} if "bptt" in cell else {})
    if isinstance(result := new.get("result"), dict):
        result = _renamed(result, RESULT_NAMES)
        new["result"] = result | ({"reach": upgraded_reach(result["reach"])} if "reach" in result else {})
    return new


def upgraded_reach(value: Any) -> Any:
    """A measured reach, as in reach.json and in the results of a comparison."""
    return _renamed(value, REACH_NAMES) if isinstance(value, dict) else value


def upgraded_plan(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of plan.jsonl."""
    new = _renamed(line, PLAN_NAMES)
    return new | ({"bptt": upgraded_bptt(new["bptt"])} if "bptt" in new else {})


def upgraded_report(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of log.jsonl."""
    return _renamed(line, REPORT_NAMES)


def upgraded_vocabulary(value: Any, facts: Mapping[str, Any]) -> Any:
    """The contents of vocabulary.json: a text's vocabulary, or the columns, featurizer and outputs of rows.

    facts: the contents of run.json. Where the data was a folder of audio files or images, or an idx file, the
    column of the input has the name that such data has now; a column of a table keeps its name.
    """
    if not isinstance(value, dict) or "columns" not in value:
        return value
    new = _renamed(value, {"intake": "featurizer", "tokens": "featurizer"})
    if isinstance(new["columns"], dict):
        new["columns"] = {"sequence": None, "time": None} | new["columns"]
        if "input" in new["columns"]:  # until several columns could be read
            new["columns"]["inputs"] = [new["columns"].pop("input")]
        if isinstance(inputs := new["columns"].get("inputs"), list):
            names = _media_columns(facts)
            new["columns"]["inputs"] = [names.get(one, one) if isinstance(one, str) else one for one in inputs]
    if isinstance(kind := new.pop("began", None), str):  # of the run whose weights were taken over
        new["init_task"] = TASK_KINDS.get(kind, kind)
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
    return new | ({"bptt": upgraded_bptt(new["bptt"])} if "bptt" in new else {})


def upgraded_bptt(strategy: Any) -> Any:
    """A BPTT strategy, or the name of the folder of a comparison's run, which contains it."""
    return strategy.replace("stretch=", "segment=") if isinstance(strategy, str) else strategy


def _upgraded_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a run, in run.json and in folds.json."""
    new = _renamed(scores, SCORE_NAMES)
    if isinstance(new.get("test"), dict):
        new["test"] = _renamed(new["test"], {"symbols": "tokens"})
    if isinstance(new.get("outputs"), dict):
        if isinstance(new.get("baseline"), str):  # of a text, `baseline` is a number
            new["baseline_name"] = new.pop("baseline")
        validation = new.get("validation")
        known = validation if isinstance(validation, dict) else {}
        new["outputs"] = _each_dict(new["outputs"], lambda one: _upgraded_output_scores(one, known))
    if isinstance(beam := new.get("beam"), int):  # only the net generated texts
        new.setdefault("selected", "greedy" if beam == 1 else f"a beam of {beam}")
    return new


def _upgraded_output_scores(scores: Mapping[str, Any], validation: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of an output. validation: the validation score of each candidate, from which baselines of generated
    texts are told: they are no candidates."""
    new = _upgraded_metrics(scores) | {"metric": scores.get("metric", scores.get("figure", "accuracy"))}
    new.pop("figure", None)
    if isinstance(beside := new.pop("beside", {}), dict) and "baselines" not in new:
        new["baselines"], new["others"] = {}, {}
        for name, one in beside.items():
            baseline = name in BASELINES or (bool(validation) and name not in validation)
            new["baselines" if baseline else "others"][name] = (
                _upgraded_metrics(one) if isinstance(one, dict) else one
            )
    if isinstance(constant := new.pop("constant", None), dict):
        new["constant_baseline"] = _renamed(constant, {"answer": "name"})
    if isinstance(frequent := new.pop("most_frequent", None), dict):
        name = f"always '{frequent.get('label')}'"
        new["constant_baseline"] = {"name": name, "accuracy": frequent.get("accuracy")}
    return new


def _upgraded_metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    new = _renamed(scores, METRIC_NAMES)
    if isinstance(confused := new.get("most_confused"), list):
        new["most_confused"] = [_renamed(one, CONFUSED_NAMES) if isinstance(one, dict) else one for one in confused]
    return new


def _media_columns(facts: Mapping[str, Any]) -> dict[str, str]:
    """The input columns that have another name since format 4: those of folders of audio files or images, and of
    idx files."""
    data = facts.get("data")
    found = MEDIA_COLUMN.search(str(data.get("description"))) if isinstance(data, dict) else None
    return {} if found is None else {found[1]: INPUT_KINDS[found[1]]}


def _each_dict(values: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    return {name: change(value) if isinstance(value, dict) else value for name, value in values.items()}


def _upgraded_kind(facts: dict[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    kind = facts.get("kind")
    return facts | {"kind": kinds.get(kind, kind)} if isinstance(kind, str) else facts


def _renamed(values: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, Value]:
    return {names.get(name, name): value for name, value in values.items()}
