"""Captions of similar images in a run: the baseline of captions, selected where it is better than the net."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from caption_data import COLOURS, write_captions
from commands import Unroll

from unrolled.errors import OptionError, RunError
from unrolled.run import GenerationConfig, load
from unrolled.run.training import Training
from unrolled.tasks.pretrained import PACKAGE
from unrolled.tasks.seq2seq.predictor import Seq2SeqRun

pytestmark = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")

pytest.importorskip("PIL.Image", reason="needs the extra vision")


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions"))


def train(path: Path, out: Path, **options: Any) -> Training:
    training = Training(path, out=str(out), steps=2, threads=1, **{"valid": "0.5", "test": "0.1"} | options)
    list(training)
    return training


@pytest.fixture(scope="module")
def trained(captions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train(captions, out)
    return out


def images(captions: Path, count: int = 8) -> list[str]:
    return [str(captions.parent / f"{number}.png") for number in range(count)]


def test_an_untrained_net_is_worse_so_retrieval_is_selected_and_used(trained: Path, captions: Path) -> None:
    run = load(trained)
    assert run.facts["selected"] == ["retrieval"]
    assert run.folder.settings.attention == "multihead", "the default for features of images, recorded"
    assert run.facts["baseline"]["name"].startswith("captions of the most similar images, BLEU-1 ")
    for found, colour in zip(run.predict(images(captions)), list(COLOURS) * 2, strict=True):
        text = found.texts["caption"]
        assert text.text.startswith((f"A large {colour} square at ", f"The {colour} thing, "))
        assert 0 < text.score <= 1 and text.word_probability is None
    (several,) = run.predict(images(captions, 1), top=3)
    found_texts = several.texts["caption"].alternatives
    assert found_texts is not None and len({one.text for one in found_texts}) == 3
    scores = run.facts["scores"]
    assert scores["selected"] == "captions of the most similar images"
    assert scores["validation"]["captions of the most similar images"] > scores["validation"]["greedy"]
    assert scores["outputs"]["caption"]["plain_bleu_1"] > 60


def test_options_of_generation_ask_the_net(trained: Path, captions: Path) -> None:
    run = load(trained)
    by_net = [one.texts["caption"] for one in run.predict(images(captions, 2), generation=GenerationConfig(1))]
    assert all(text.score < 0 for text in by_net)
    (attended,) = run.predict(images(captions, 1), show_attention=True)
    assert attended.texts["caption"].attention is not None


def test_a_beam_may_be_ranked_by_captions_of_similar_images(trained: Path, captions: Path, tmp_path: Path) -> None:
    scores = load(trained).facts["scores"]
    ranked = "a beam of 5, ranked by captions of similar images"
    assert ranked in scores["validation"] and ranked in scores["outputs"]["caption"]["others"]
    path = shutil.copytree(trained, tmp_path / "run")
    load(path).folder.write_facts(selected=["lstm"], beam=4, image_weight=1e6)
    run, some = load(path), images(captions, 4)
    assert isinstance(run, Seq2SeqRun) and run.retrieval is not None
    plain = [one.texts["caption"].alternatives for one in run.predict(some, generation=GenerationConfig(4), top=4)]
    for name, beam, found in zip(some, plain, run.predict(some, top=4), strict=True):
        own = found.texts["caption"].alternatives
        assert own is not None and beam is not None
        assert {one.text for one in own} == {one.text for one in beam}
        (item,) = [run.reader.take(one) for one in run.read_input(name) or ()]
        (similarity,) = run.retrieval.similarities([item], [[one.text for one in own]])
        assert similarity == sorted(similarity, reverse=True), "with so large a weight nothing else counts"
        (alone,) = run.predict([name])
        assert alone.texts["caption"].text == own[0].text
    assert (
        run.evaluate(captions)
        .to_dict()["outputs"]["caption"]["generation"]
        .endswith("ranked by captions of similar images")
    )
    (path / "retrieval.safetensors").unlink()
    with pytest.raises(RunError, match=r"retrieval\.safetensors is missing: the run is damaged"):
        next(iter(load(path).predict(some)))


def test_captions_have_a_confidence_and_doubtful_ones_are_hedged(
    trained: Path, captions: Path, tmp_path: Path, unroll: Unroll
) -> None:
    run = load(trained)
    assert run.facts["confidence"]["points"]
    found = [one.texts["caption"] for one in run.predict(images(captions))]
    assert all(text.confidence is not None and 0 <= text.confidence <= 1 for text in found)
    (by_net,) = run.predict(images(captions, 1), generation=GenerationConfig(1))
    assert by_net.texts["caption"].confidence is None and "confidence" not in str(by_net.to_dict())

    doubtful = change_confidence(shutil.copytree(trained, tmp_path / "doubtful"), [0.1, 0.24])
    sure = change_confidence(shutil.copytree(trained, tmp_path / "sure"), [0.1, 0.25], points=[-1e9, -1e8])
    for path, start in ((doubtful, "perhaps "), (sure, "")):
        result = unroll("predict", path, images(captions, 1)[0], "--hedge")
        assert result.err == "caption\tscore\tprobability per word\tconfidence\ttext\n"
        caption, _, per_word, confidence, _ = result.out.split("\t")
        text = found[0].text
        assert caption == (start + text[:1].lower() + text[1:] if start else text)
        assert per_word == "" and (float(confidence) < 0.25) is bool(start)
    (several,) = load(doubtful).predict(images(captions, 1), top=2, hedge=True)
    assert all(one.text.startswith("perhaps ") for one in several.texts["caption"].alternatives or ())


def change_confidence(path: Path, shares: list[float], points: Sequence[float] = (0.0, 1.0)) -> Path:
    """Give a run another confidence. Figures of texts are from -1e8 to 0: they have its last or first share."""
    run = load(path).folder
    run.write_facts(confidence={"points": list(points), "shares": shares})
    return path


def test_hedging_where_no_caption_is_doubtful_is_refused(trained: Path, captions: Path, tmp_path: Path) -> None:
    certain = change_confidence(shutil.copytree(trained, tmp_path / "certain"), [0.25, 0.9])
    with pytest.raises(OptionError, match=r"under 25%, and the least of .*certain is 25%\.\n.*--valid 0\.3"):
        next(iter(load(certain).predict(images(captions, 1), hedge=True)))


def test_hedging_without_a_confidence_is_refused(trained: Path, captions: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--hedge needs a confidence.*\n.*Leave out --beam"):
        doubtful = change_confidence(shutil.copytree(trained, tmp_path / "doubtful"), [0.1, 0.24])
        next(iter(load(doubtful).predict(images(captions, 1), generation=GenerationConfig(2), hedge=True)))
    run = shutil.copytree(trained, tmp_path / "run")
    load(run).folder.write_facts(confidence=None)
    with pytest.raises(
        OptionError, match="--hedge needs a confidence, which is calibrated on at least 50 validation images"
    ):
        next(iter(load(run).predict(images(captions, 1), hedge=True)))
    load(run).folder.write_facts(confidence={"points": [], "shares": []})
    with pytest.raises(RunError, match="confidence of this run is damaged"):
        load(run)


def test_evaluate_scores_the_selected_baseline_and_the_net(trained: Path, captions: Path, unroll: Unroll) -> None:
    result = unroll("evaluate", trained, "--quiet")
    assert result.code == 0
    assert result.out.startswith("caption, test, captions of the most similar images: ")
    assert "Not selected: lstm, " in result.out and "reference texts: " in result.out
    assert load(trained).evaluate(captions).to_dict()["others"]


@pytest.mark.slow
def test_a_model_that_was_named_is_kept_whatever_its_score(captions: Path, tmp_path: Path) -> None:
    train(captions, tmp_path / "run", model="gru", valid="0.2")
    run = load(tmp_path / "run")
    assert run.facts["selected"] == ["gru"]
    assert [one.texts["caption"].score < 0 for one in run.predict(images(captions, 1))] == [True]
    lines = run.evaluate().lines
    assert any(line.startswith("Baseline: captions of the most similar images BLEU-1 ") for line in lines)


def test_a_missing_or_damaged_baseline_is_an_error(trained: Path, captions: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "retrieval.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"retrieval\.safetensors is damaged"):
        next(iter(load(run).predict(images(captions, 1))))
    (run / "retrieval.safetensors").unlink()
    with pytest.raises(RunError, match=r"retrieval\.safetensors is missing"):
        next(iter(load(run).predict(images(captions, 1))))


def test_a_resumed_training_reads_the_baseline_again(captions: Path, trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = (run / "retrieval.safetensors").read_bytes()
    list(Training.resume(run, steps=1))
    assert load(run).facts["selected"] == ["retrieval"]
    assert (run / "retrieval.safetensors").read_bytes() == before


def test_evaluate_reports_how_well_captions_find_their_images(trained: Path, captions: Path) -> None:
    evaluation = load(trained).evaluate(captions)
    finding = evaluation.to_dict()["finding"]
    assert (finding["texts"], finding["images"]) == (216, 108)
    assert finding["median_rank"] < 27  # those of one colour are a quarter
    assert evaluation.lines[-1].startswith("Finding: recall at 1 / 5 / 10 of 216 captions among 108 images: ")
    assert "by chance 0.9%, 4.6%, 9.3%" in evaluation.lines[-1]
    assert load(trained).facts["scores"]["finding"]["images"] == 11
