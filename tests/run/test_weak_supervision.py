"""Weak supervision: a training on free tags, then a second one on a few clean labels that starts from it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import opened
from training_runs import check_same_bytes, finish
from video_files import write_video

from unrolled.data.moving_shapes import NOUNS, render_film
from unrolled.errors import OptionError
from unrolled.model.weights import named_tensors
from unrolled.run import Training
from unrolled.tasks.pretrained import find_imagenet

TINY: dict[str, Any] = {"steps": 4, "batch_size": 8, "threads": 1}
WRITTEN = ("#{}", "#{} #shape", "#{}#Photo")


def write_images(folder: Path, tagged: bool, count: int = 60) -> Path:
    """A folder of images of shapes, and a table that gives each free tags, or its noun in a column of labels."""
    image = pytest.importorskip("PIL.Image")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    path = folder / ("tagged.csv" if tagged else "target.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "tags" if tagged else "label"))
        for number in range(count):
            noun = NOUNS[number % 4]
            name = f"images/{'weak' if tagged else 'clean'}{number}.png"
            image.fromarray(render_film(0, number, "moves up", noun, frames=1).frames[0]).save(folder / name)
            spelling = noun.upper() if number % 3 else noun
            writer.writerow((name, WRITTEN[number % 3].format(spelling) if tagged else f"a {noun}"))
    return path


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on free tags of images."""
    folder = tmp_path_factory.mktemp("weak")
    training = Training(
        write_images(folder, tagged=True), task="multilabel", loss="softmax", sampling="sqrt", encoder="lenet5",
        model="lenet5", out=str(folder / "run"), **TINY,
    )  # fmt: skip
    assert "tags, any of 6 tags (circle, cross, photo, shape, square, triangle)" in training.description
    return finish(training).folder


@pytest.mark.slow
def test_tags_of_images_are_predicted_with_probabilities_that_sum_to_one(weak: Path) -> None:
    run = opened(weak)
    (found,) = run.predict([str(weak.parent / "images" / "weak0.png")])
    probabilities = found.to_dict()["outputs"]["tags"]["probabilities"]
    assert sum(probabilities.values()) == pytest.approx(1)
    most = max(probabilities.values())
    assert found.predicted_labels("tags") == [name for name, one in probabilities.items() if one > most / 2]
    score = run.evaluate().scores["tags"].to_dict()
    assert 0 < score["mean_average_precision"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [None, "encoder"])
def test_a_target_whose_labels_the_run_never_saw_gets_a_new_head(weak: Path, freeze: str | None) -> None:
    path = write_images(weak.parent, tagged=False, count=40)
    training = Training(path, init_from=str(weak), freeze=freeze, out=str(weak.parent / f"target-{freeze}"), **TINY)
    notes = next(iter(training)).notes
    assert f"Loaded from {weak}: encoder; newly initialized: head 'label' (a new output)." in "\n".join(notes)
    finish(training)
    before, after = (
        {name: tensor for name, tensor in named_tensors(opened(run).net).items() if name.startswith("memory.")}
        for run in (weak, training.folder)
    )
    same = [torch.equal(before[name], after[name]) for name in before]
    assert all(same) == (freeze == "encoder")


@pytest.mark.slow
def test_films_with_free_tags_are_learnt_in_the_same_two_commands(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    if find_imagenet() is None:
        pytest.skip("needs the extra video")
    for name, cell in (("tagged", "#{verb} #{noun}"), ("target", "{verb}")):
        rows = []
        for number in range(40):
            film = render_film(len(name), number, ("turns", "grows")[number % 2], NOUNS[number // 2 % 2], side=48)
            write_video(tmp_path / f"{name}{number}.mp4", list(film.frames))
            rows.append(f"{name}{number}.mp4,{cell.format(verb=film.verb, noun=film.noun)}\n")
        header = "file,tags" if name == "tagged" else "file,label"
        (tmp_path / f"{name}.csv").write_text(header + "\n" + "".join(rows))
    given: dict[str, Any] = {
        "model": "lstm",
        "hidden_size": 8,
        "frames": 4,
        "image_size": 32,
        "cache": "none",
        **TINY,
    }
    weak = finish(
        Training(
            tmp_path / "tagged.csv", task="multilabel", loss="softmax", out=str(tmp_path / "weak"), **given
        )
    )  # fmt: skip
    assert "tags, any of 4 tags (circle, grows, square, turns)" in weak.description
    del given["model"], given["hidden_size"]
    target = Training(
        tmp_path / "target.csv", init_from=str(weak.folder), freeze="encoder", out=str(tmp_path / "target"), **given
    )
    notes = next(iter(target)).notes
    assert "newly initialized: head 'label' (a new output)" in "\n".join(notes)
    finish(target)


@pytest.mark.slow
def test_tags_that_the_run_does_not_know_get_a_new_head_and_known_ones_keep_it(weak: Path, tmp_path: Path) -> None:
    write_images(tmp_path, tagged=True, count=40)
    for change, kept in (("#blue", False), ("#Photo", True)):
        path = tmp_path / f"{change[1:]}.csv"
        path.write_text((tmp_path / "tagged.csv").read_text().replace("#shape", change))
        given: dict[str, Any] = {
            "task": "multilabel",
            "loss": "softmax",
            "init_from": str(weak),
            "out": str(tmp_path / change[1:]),
        }
        notes = next(iter(Training(path, **given, **TINY))).notes
        assert ("head 'tags' (other labels)" in "\n".join(notes)) == (not kept)
    notes = next(iter(Training(path, **given | {"loss": "sigmoid", "out": str(tmp_path / "b")}, **TINY))).notes
    assert "head 'tags' (softmax loss before, sigmoid now)" in "\n".join(notes)


@pytest.mark.slow
def test_a_resumed_training_on_sampled_rows_ends_with_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"word {n % 7} of {n},#{'odd' if n % 5 == 0 else 'even'} #all" for n in range(80)]
    path.write_text("text,tags\n" + "\n".join(rows))
    given: dict[str, Any] = {
        "task": "multilabel", "loss": "softmax", "sampling": "capped:rows=9", "model": "lstm", "hidden_size": 8,
        **TINY,
    }  # fmt: skip
    whole = finish(Training(path, out=str(tmp_path / "whole"), **given))
    cut = Training(path, out=str(tmp_path / "cut"), **given)
    for report in cut:
        if report.step >= 2:
            cut.stop()
    finish(Training.resume(cut.folder))
    check_same_bytes(whole.folder, cut.folder)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "softmax"}, "--loss softmax is for any number of labels per row, and here there is none such"),
        ({"fold_tags": "yes"}, "--fold-tags yes is for any number of labels"),
        ({"min_count": 3}, "--min-count 3 is for any number of labels"),
        ({"sampling": "sqrt", "class_weights": "balanced"}, "both raise rare labels. Leave one of them out"),
        ({"sampling": "sqrt", "output": "number"}, "--sampling sqrt draws rows by their labels; the outputs here"),
        ({"sampling": "root"}, "Unknown sampling 'root'"),
        ({"sampling": "sqrt", "model": "linear"}, "The linear model has no --sampling"),
    ],
)
def test_options_that_do_not_apply_are_refused(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label,number\n" + "".join(f"word {n},{'ab'[n % 2]},{n * 0.7}\n" for n in range(40)))
    options: dict[str, Any] = {"input": "text", "output": "label", "out": str(tmp_path / "run"), "steps": 1} | given
    if given.get("model"):
        del options["steps"]
    with pytest.raises(OptionError, match=message):
        Training(path, **options)
    assert not (tmp_path / "run").exists()
