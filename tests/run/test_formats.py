"""Run folders of formats 3 and 4 load, predict and resume; they are converted to today's names of files, keys and
tensors.

`format3/` and `format4/` hold small runs made by the code of that time, with their data beside them: those of format
3 were stopped after three of eight updates, those of format 4 are finished.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import unrolled
from unrolled.errors import RunError
from unrolled.fileio import with_checksum
from unrolled.options import PredictionSettings, Seq2SeqSettings
from unrolled.run import Training
from unrolled.rundir import folder as rundir_folder
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.formats import FORMAT, upgraded_facts, upgraded_tensors, upgraded_vocabulary
from unrolled.rundir.listing import runs as list_runs
from unrolled.training.checkpoint import load_newest, load_tensors

HERE = Path(__file__).parent
RUNS = {"verses": "verses.txt", "films": "films.csv", "pairs": "pairs.tsv"}
FORMAT4_RUNS = {"verses": "verses.txt", "reviews": "reviews.csv", "pairs": "pairs.tsv"}
ALL = [*((3, name) for name in RUNS), *((4, name) for name in FORMAT4_RUNS)]
OLD_NAMES = (
    "asked", "legs", "symbols", "size", "depth", "batch", "gradient", "inlet", "front", "writer", "reader",
    "intake", "deviation", "border", "symbols_a_second", "stretch", "context",
)  # fmt: skip
OLD_KEYS = (
    "beside", "constant", "figure", "held", "exact", "exact_interval", "confusion", "confused", "resampled", "ranks",
    "reaches", "learnt", "parts", "fitted", "copied_share", "copied_longest", "copied_of", "test_begun", "answer",
)  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs of format 3, beside their data, in the current folder: their paths are relative."""
    return enter(3, tmp_path, monkeypatch)


@pytest.fixture
def older(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of the runs of all formats, beside its data, in the current folder."""
    number, name = request.param
    return enter(int(number), tmp_path, monkeypatch) / str(name)


each_run = pytest.mark.parametrize("older", ALL, indirect=True, ids=[f"{name}-{number}" for number, name in ALL])


def enter(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(HERE / f"format{number}", tmp_path / "f")
    monkeypatch.chdir(tmp_path / "f")
    return tmp_path / "f"


def predictions(run: Path) -> Any:
    loaded = unrolled.load(run)
    if run.name == "verses":
        return list(loaded.score(["a lamp in the hall", "rain"])), "".join(loaded.sample(length=30, seed=1))
    return [prediction.to_dict() for prediction in loaded.predict(["a dull film", "the hall was warm"])]


def convert(path: Path) -> RunFolder:
    run = RunFolder.open(path)
    run.lock()
    run.release()
    return run


def words_of(value: Any) -> set[str]:
    """All keys of JSON objects, all parts of dotted keys, and all strings without spaces."""
    if isinstance(value, dict):
        return {part for key in value for part in str(key).split(".")}.union(*map(words_of, value.values()), set())
    if isinstance(value, list):
        return set().union(*map(words_of, value))
    return {value} if isinstance(value, str) and " " not in value else set()


def keys_of(value: Any) -> set[str]:
    """All keys of JSON objects."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()), set())
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def files_of(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


@each_run
def test_reading_an_older_run_changes_no_file(older: Path) -> None:
    before = files_of(older)
    assert predictions(older)
    unrolled.load(older).info()
    assert files_of(older) == before


@each_run
def test_a_converted_run_predicts_the_same_and_holds_no_old_name(older: Path) -> None:
    before = predictions(older)
    run = convert(older)
    assert predictions(older) == before
    assert run.facts["format"] == json.loads((older / "run.json").read_text())["format"] == FORMAT
    assert (older / "vocabulary.json").exists() and not (older / "symbols.json").exists()
    written = [run.facts, run.read_vocabulary(), run.log.read_plans(), run.log.read_reports()]
    found = words_of(written)
    checkpoint = load_newest(run.checkpoints)
    found |= words_of([checkpoint.facts, dict.fromkeys(checkpoint.tensors)])
    for file in older.glob("*.safetensors"):
        tensors, facts = load_tensors(file)
        found |= words_of([facts, dict.fromkeys(tensors)])
    assert found & set(OLD_NAMES) == set()
    assert keys_of(written) & set(OLD_KEYS) == set()


@pytest.mark.parametrize("name", RUNS)
def test_an_older_run_resumes_where_it_stopped(name: str, runs: Path) -> None:
    training = Training.resume(runs / name)
    assert [report.step for report in training] == [3, 4, 5, 6, 7, 8]
    assert training.run.facts["status"] == "finished"
    same = Training(runs / RUNS[name], plan=str(runs / name), out=str(runs / "again"))
    list(same)
    (resumed, _), (again, _) = (one.run.read_model() for one in (training, same))
    assert resumed.keys() == again.keys()
    for key in resumed:  # as if it had never been stopped or converted; its first updates were on another processor
        torch.testing.assert_close(resumed[key], again[key], rtol=0.0, atol=2e-4)


@pytest.mark.parametrize("name", FORMAT4_RUNS)
def test_a_finished_run_of_format_4_is_trained_further(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = enter(4, tmp_path, monkeypatch) / name
    training = Training.resume(path, steps=2)
    assert [report.step for report in training][-1] == 8
    scores = training.run.facts["scores"]
    before = upgraded_facts(json.loads((HERE / "format4" / name / "run.json").read_text()))["scores"]
    assert set(scores) == set(before) | ({"compared", "scored"} if name == "pairs" else set()), "newer than the run"


def test_the_scores_of_format_4_have_the_names_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = enter(4, tmp_path, monkeypatch)
    before = {name: json.loads((here / name / "run.json").read_text()) for name in FORMAT4_RUNS}
    verses, reviews, pairs = (RunFolder.open(here / name).facts for name in FORMAT4_RUNS)
    old = before["verses"]["scores"]
    assert verses["scores"] == {
        key: value for key, value in old.items()
        if key not in ("copied_share", "copied_longest", "copied_of", "learnt", "parts", "fitted", "test_begun")
    } | {
        "memorised_share": 0.0, "memorised_longest": 4, "searched_share": 1.0, "trained_model": "lstm",
        "members": old["parts"], "fitted_tokens": 70, "test_truncated": False,
    }  # fmt: skip
    assert verses["surprise_quantiles"] == before["verses"]["ranks"]
    assert reviews["interval_half_widths"] == before["reviews"]["reaches"] != {}
    old = before["reviews"]["scores"]["outputs"]
    label, stars = (reviews["scores"]["outputs"][name] for name in ("label", "stars"))
    assert (label["metric"], stars["metric"]) == ("accuracy", "mae")
    assert label["constant_baseline"] == {"name": "always 'yes'", "accuracy": 1.0}
    assert label["confusion_matrix"] == old["label"]["confusion"]
    assert (set(stars["baselines"]), set(stars["others"])) == ({"linear"}, {"lstm"})
    assert (stars["coverage"], stars["baselines"]["linear"]["mae"]) == (
        old["stars"]["held"], old["stars"]["beside"]["linear"]["mae"],
    )  # fmt: skip
    assert reviews["scores"]["baseline_name"] == before["reviews"]["scores"]["baseline"]
    target, old = pairs["scores"]["outputs"]["target"], before["pairs"]["scores"]["outputs"]["target"]
    assert set(target["baselines"]) == {"nearest neighbour by n-grams of words"}
    assert set(target["others"]) == {"a beam of 5"}
    assert (target["exact_match"], target["exact_match_interval"]) == (old["exact"], old["exact_interval"])
    assert "the best of them" not in pairs["scores"]["baseline_name"]
    reports = RunFolder.open(here / "verses").log.read_reports()
    assert any("memorised_longest" in report for report in reports)


def test_an_older_run_is_evaluated_with_its_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = enter(4, tmp_path, monkeypatch)
    evaluation = unrolled.load(here / "reviews").evaluate()
    facts, old = evaluation.to_dict(), json.loads((here / "reviews" / "run.json").read_text())["scores"]["outputs"]
    assert facts["outputs"]["stars"]["mae"] == pytest.approx(old["stars"]["mae"])
    assert facts["baselines"] == {
        f"{output}: {name}": value
        for output in old
        for name, value in [
            *((other, score[old[output]["figure"]]) for other, score in old[output]["beside"].items()),
            (old[output]["constant"]["answer"], old[output]["constant"][old[output]["figure"]]),
        ]
    }
    (row,) = (one for one in list_runs(here) if Path(one["path"]).name == "reviews")
    assert row["accuracy"] == 1.0


def test_scores_of_the_first_formats_get_a_metric_and_a_constant_baseline() -> None:
    facts = {"kind": "answers", "scores": {"outputs": {"label": {
        "accuracy": 0.5, "most_frequent": {"label": "yes", "accuracy": 0.4}, "beside": {"linear": {"accuracy": 0.6}},
        "confused": [{"right": "a", "answer": "b", "rows": 3}],
    }}}}  # fmt: skip
    assert upgraded_facts(facts)["scores"]["outputs"]["label"] == {
        "accuracy": 0.5, "metric": "accuracy", "baselines": {"linear": {"accuracy": 0.6}}, "others": {},
        "constant_baseline": {"name": "always 'yes'", "accuracy": 0.4},
        "most_confused": [{"target": "a", "prediction": "b", "rows": 3}],
    }  # fmt: skip


@each_run
def test_converting_again_changes_nothing(older: Path) -> None:
    facts = upgraded_facts(json.loads((older / "run.json").read_text()))
    assert upgraded_facts(facts) == facts


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("text -> label; otherwise: --input --output --as", "text -> label; to change this: --input --output --task "
         "--input-type"),
        ("a; to change this: --input --output --as --read; not read: x", "a; to change this: --input --output --task "
         "--input-type; not read: x"),
        ("a; 8 rows of validation and test stand in the training part too",
         "a; 8 rows of validation and test are in the training split too"),
        ("linear on 284 n-grams of characters, 100.0% of kind right",
         "linear on 284 n-grams of characters, kind accuracy 100.0%"),
        ("linear on 504 n-grams of characters, label 55.6% right",
         "linear on 504 n-grams of characters, label accuracy 55.6%"),
        ("the text of the row with the likest characters, BLEU 10.0", "nearest neighbour by n-grams of characters, "
         "BLEU 10.0"),
    ],
)  # fmt: skip
def test_sentences_for_the_user_have_the_words_of_today(old: str, new: str) -> None:
    facts = {"kind": "prediction", "data": {"description": old}, "baseline": {"name": old},
             "scores": {"baseline_name": old, "outputs": {}}}  # fmt: skip
    found = upgraded_facts(facts)
    assert [found["data"]["description"], found["baseline"]["name"], found["scores"]["baseline_name"]] == [new] * 3
    assert upgraded_facts(found) == found and facts["data"] == {"description": old}


def test_options_have_the_names_and_values_of_today(runs: Path) -> None:
    films, pairs, verses = (RunFolder.open(runs / name).settings for name in ("films", "pairs", "verses"))
    assert isinstance(films, PredictionSettings) and isinstance(pairs, Seq2SeqSettings)
    assert (films.direction, films.class_weights, films.tokenizer) == ("causal", "balanced", "char")
    assert (pairs.attention, pairs.model, pairs.hidden_size, pairs.batch_size) == ("none", "gru", 4, 8)
    assert verses.bptt == "checkpointed:slots=3,segment=2"


@each_run
def test_a_conversion_that_was_killed_is_done_again(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = predictions(older)
    number = json.loads((older / "run.json").read_text())["format"]
    written = 0

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for function in ("write_json", "with_checksum"):  # of the vocabulary of format 3, then of run.json
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(rundir_folder, function, killed)
            run = RunFolder.open(older)
            try:
                run.lock()
            finally:
                run.release()
        written += 1
        assert json.loads((older / "run.json").read_text())["format"] == number
    assert written == 2
    convert(older)
    assert predictions(older) == before


def test_a_damaged_older_run_is_refused_and_stays_as_it_is(runs: Path) -> None:
    path = runs / "films" / "symbols.json"
    path.write_text(path.read_text().replace("yes", "yas"))
    before = files_of(runs / "films")
    with pytest.raises(RunError, match=r"symbols\.json is damaged: its checksum is not the one in run\.json"):
        unrolled.load(runs / "films")
    facts = json.loads((runs / "pairs" / "run.json").read_text())
    facts.pop("checksum")
    facts["asked"]["size"] = -1
    (runs / "pairs" / "run.json").write_text(json.dumps(with_checksum(facts)))
    with pytest.raises(RunError, match=r"'options' is invalid. --hidden-size is a whole number of at least 1"):
        unrolled.load(runs / "pairs")
    assert files_of(runs / "films") == before


def test_scores_of_a_wrong_type_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = enter(4, tmp_path, monkeypatch) / "reviews" / "run.json"
    facts = json.loads(path.read_text())
    facts.pop("checksum")
    for place, value in (("scores", 3), ("outputs", []), ("label", "yes"), ("beside", 1), ("constant", {"name": 1})):
        wrong = json.loads(json.dumps(facts))
        scores, outputs = wrong["scores"], wrong["scores"]["outputs"]
        at = {"scores": wrong, "outputs": scores, "label": outputs}.get(place, outputs["label"])
        at[place] = value
        path.write_text(json.dumps(with_checksum(wrong)))
        with pytest.raises(RunError, match=r"run\.json is damaged: '(scores|metric|baselines|.*label)"):
            RunFolder.open(path.parent)


def test_a_users_own_module_keeps_its_names() -> None:
    names = ["memory.front.weight", "weights.memory.writer.x", "inlet.embedding.weight", "adam.exp_avg.front.bias"]
    assert list(upgraded_tensors(dict.fromkeys(names, 0))) == [
        "memory.front.weight", "weights.memory.writer.x", "embedding.embedding.weight", "adam.exp_avg.stem.bias",
    ]  # fmt: skip


def test_a_vocabulary_that_is_no_object_is_not_converted() -> None:
    assert upgraded_vocabulary([1], {}) == [1]
    assert upgraded_vocabulary({"kind": "char", "letters": ["a"], "rarest": "a"}, {}) == {
        "kind": "char", "letters": ["a"], "rarest": "a",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["language", "language-modeling"])
def test_the_task_of_the_run_whose_weights_were_taken_over_is_known(kind: str) -> None:
    columns = {"inputs": ["text"], "outputs": ["label"], "group": None}
    new = upgraded_vocabulary({"columns": columns, "featurizer": {}, "outputs": {}, "began": kind}, {})
    assert new["init_task"] == "language-modeling" and "began" not in new
