"""Inputs of rows: the kind is detected, cells are converted, errors name their row, and numbers are scaled."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import read_rows, write_jsonl, write_lines, write_wav

from unrolled.data.cells.written_numbers import all_numbers, is_number
from unrolled.data.dataset.batches import ExampleBatches, RowBatch
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.detect_input import detect_input
from unrolled.data.dataset.item_store import Arrays
from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.modalities.audio import AudioInput
from unrolled.data.modalities.base import Modality, StepOptions
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.table import featurizer_from_json, modality_from_json
from unrolled.data.modalities.text import TextInput
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError, MediaError, OptionError, RunError

RATE = 8_000
GENERATOR = np.random.default_rng


def found(path: Path, read: str | None = None, **names: str) -> Modality:
    table = open_table(path)
    return detect_input(table, choose_columns(table, names.get("input"), names.get("output")), read)


SPELLED: dict[str, tuple[str, list[str], Modality]] = {
    "words": ("text,label", ["a film,1", "12,0"], TextInput()),
    "numbers in one column": ("x,label", ["1.5,a", "-2e3,b"], VectorInput(1)),
    "numbers in several columns": ("width,height,label", ["1,2.5,a", "3,4,b"], VectorInput(2)),
    "a series": ("x1,x2,x3,label", ["1,2,3,a", "4,5,6,b"], VectorInput(1, series=True)),
    "a series that begins late": ("t7,t8,label", ["1,2,a", "4,5,b"], VectorInput(1, series=True)),
    "numbers that do not follow": ("x1,x3,label", ["1,2,a", "4,5,b"], VectorInput(2)),
    "numbers of two stems": ("x1,y2,label", ["1,2,a", "4,5,b"], VectorInput(2)),
}


@pytest.mark.parametrize("case", SPELLED)
def test_the_input_type_of_a_csv_is_detected(case: str, tmp_path: Path) -> None:
    header, rows, expected = SPELLED[case]
    assert found(write_lines(tmp_path / "t.csv", header, rows)) == expected


LISTED: dict[str, tuple[list[Any], Modality]] = {
    "lists": ([[1, 2.5, 3], [4]], VectorInput(1)),
    "lists of lists": ([[[1, 2], [3, 4]], [[5, 6]]], VectorInput(2)),
    "plain numbers": ([1, 2.5], VectorInput(1)),
    "lists of words": ([["a", "cat"], ["sat"]], TextInput()),
    "lists of numbers in quotes": ([["1", "2"], ["3"]], TextInput()),
    "truths": ([True, False], TextInput()),
    "an empty list among others": ([[], [1, 2]], VectorInput(1)),
}


@pytest.mark.parametrize("case", LISTED)
def test_the_input_type_of_a_jsonl_is_detected(case: str, tmp_path: Path) -> None:
    cells, expected = LISTED[case]
    rows = [{"x": cell, "y": "ab"[number % 2]} for number, cell in enumerate(cells)]
    if case == "an empty list among others":
        rows = rows[::-1]
    assert found(write_jsonl(tmp_path / "t.jsonl", rows)) == expected


STACKED: dict[str, tuple[np.ndarray[Any, Any], Modality]] = {
    "numbers of one axis": (np.zeros(3), VectorInput(1)),
    "steps of one number": (np.zeros((3, 4)), VectorInput(1)),
    "steps of vectors": (np.zeros((3, 4, 2)), VectorInput(2)),
    "bytes of one axis a row": (np.zeros((3, 4), np.uint8), VectorInput(1)),
    "grey pictures": (np.zeros((3, 6, 5), np.uint8), ImageInput(6, 5, grey=True)),
    "coloured pictures": (np.zeros((3, 6, 5, 3), np.uint8), ImageInput(6, 5, grey=False)),
    "bytes of two colours": (np.zeros((3, 6, 5, 2), np.uint8), VectorInput(10)),
}


@pytest.mark.parametrize("case", STACKED)
def test_the_input_type_of_arrays_is_detected(case: str, tmp_path: Path) -> None:
    stack, expected = STACKED[case]
    np.savez(tmp_path / "t.npz", x=stack, y=np.arange(3))
    assert found(tmp_path / "t.npz") == expected


def test_the_input_type_of_paths_follows_from_their_endings(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pytest.importorskip("soundfile")
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", np.zeros(400), 11_025)
        pillow.fromarray(np.full((6, 8), number, np.uint8)).save(tmp_path / f"{number}.png")
    sounds = write_lines(tmp_path / "s.csv", "clip,label", [f"sounds/{number}.wav,a" for number in range(3)])
    assert found(sounds) == AudioInput(11_025)
    pictures = write_lines(tmp_path / "p.csv", "file,label", [f"{number}.png,a" for number in range(3)])
    assert found(pictures) == ImageInput(6, 8, grey=True)


def test_a_requested_input_type_overrules_detection(tmp_path: Path) -> None:
    numbers = write_lines(tmp_path / "t.csv", "x,label", ["1,a", "2,b"])
    assert found(numbers, "text") == TextInput()
    np.savez(tmp_path / "t.npz", x=np.zeros((3, 6, 5), np.uint8), y=np.arange(3))
    assert found(tmp_path / "t.npz", "vectors") == VectorInput(5)
    np.savez(tmp_path / "f.npz", x=np.full((3, 6, 5), 255.0), y=np.arange(3))
    assert found(tmp_path / "f.npz") == VectorInput(5)
    assert found(tmp_path / "f.npz", "image") == ImageInput(6, 5, grey=True)


def test_the_input_type_is_restored_from_json() -> None:
    for kind in (TextInput(), VectorInput(3, series=True), AudioInput(RATE), ImageInput(4, 5, grey=True)):
        assert modality_from_json(json.loads(json.dumps(kind.to_json()))) == kind


def test_columns_are_a_series_or_a_step() -> None:
    assert VectorInput(1, series=True).read_item(("1", "2"), "").tolist() == [[1], [2]]
    assert VectorInput(2).read_item(("1", "2"), "").tolist() == [[1, 2]]
    assert VectorInput(1).read_item(([1, 2, 3],), "").tolist() == [[1], [2], [3]]
    assert VectorInput(3).read_item(([1, 2], [[3, 4], [5, 6]]), "").tolist() == [[1, 3, 4], [2, 5, 6]]


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "ragged": ([[[1, 2]], [[1, 2], [3]]], {}, r"row 2: '\[\[1, 2\], \[3\]\]' where numbers were expected, the same"),
    "another width": ([[[1, 2]], [[1, 2, 3]]], {}, r"row 2: 3 numbers per step; 2 were expected, as in the other"),
    "an empty list": ([[1.0], []], {}, r"row 2: an empty list; a row needs at least one step"),
    "not finite": ([[1.0], [math.inf]], {}, r"row 2: a number that is not finite\. Correct it, or leave the row out"),
    "beyond 64 bits": ([1, 10**400], {}, r"row 2: '1000+ …' where numbers were expected.*\nA number has about 308"),
    "beyond 64 bits in a list": ([[1], [10**400]], {}, r"row 2: '1000+ …' where numbers were expected"),
    "nothing in a list": ([[1], [None]], {}, r"row 2: 'nan' where numbers were .*\n.*--skip-empty"),
    "a word": (
        [1, "many"],
        {"input_type": "vectors"},
        r"row 2: 'many' where numbers were expected.*\n.*\n.*--input-type text",
    ),
    "a missing cell": ([[1.0], None], {}, r"row 2: 'x' is empty\. A row needs an input and a target"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_row_is_named(case: str, tmp_path: Path) -> None:
    cells, options, words = REFUSED[case]
    cells = [cells[0], cells[1], *[cells[0]] * 18]
    rows = [{"x": cell, "y": "ab"[number % 2]} for number, cell in enumerate(cells)]
    with pytest.raises(DataError, match=r"t\.jsonl, " + words):
        read_rows(write_jsonl(tmp_path / "t.jsonl", rows), **options)


def test_columns_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    rows = [{"a": [1, 2], "b": [1, 2, 3], "word": "w", "y": "ab"[number % 2]} for number in range(20)]
    path = write_jsonl(tmp_path / "t.jsonl", rows)
    with pytest.raises(DataError, match=r"row 1: columns of 2, 3 numbers; all need the same length, one"):
        read_rows(path, input="a,b", output="y")
    with pytest.raises(DataError, match=r"not all of the columns a, word are numbers.*\n.*--input"):
        read_rows(path, input="a,word", output="y")
    pictures = np.zeros((20, 4, 4), np.uint8)
    np.savez(tmp_path / "t.npz", a=pictures, b=pictures, y=np.arange(20) % 2)
    with pytest.raises(OptionError, match=r"An input of kind image is one column; --input names 2 columns"):
        read_rows(tmp_path / "t.npz", input="a,b", output="y")


def test_arrays_that_are_no_images_are_refused() -> None:
    taken = ImageInput(2, 2, grey=True)
    assert taken.read_item((np.full((2, 2), 7.0),), "t, row 1").dtype == np.uint8
    with pytest.raises(DataError, match=r"t, row 1: an image of shape \(3, 2, 1\); \(2, 2, 1\) was expected"):
        taken.read_item((np.zeros((3, 2), np.uint8),), "t, row 1")
    with pytest.raises(DataError, match=r"t, row 1: numbers that are not bytes.*\n.*astype\(numpy\.uint8\)"):
        taken.read_item((np.full((2, 2), 0.5),), "t, row 1")
    with pytest.raises(DataError, match=r"t, row 1: an array of shape \(4,\); an image has height, width"):
        taken.read_item((np.zeros(4, np.uint8),), "t, row 1")
    with pytest.raises(DataError, match=r"t, row 1: an array of numbers, where a text was expected"):
        TextInput().read_item((np.zeros(4),), "t, row 1")
    for kind, name in ((AudioInput(RATE), "no.wav"), (taken, "no.png")):
        with pytest.raises(MediaError, match=rf"t, row 1: there is no file '{name}'\. Paths are relative to the"):
            kind.read_item((name,), "t, row 1")


# a table with one row per step


def write_steps(path: Path, tags: str, ids: str | None = None, values: str | None = None) -> Path:
    """Sequences of three steps; the letters of `tags` are the targets of each, in a cycle."""
    rows = []
    for number in range(20):
        for step in range(3):
            name = f"s{number}" if ids is None else ids
            rows.append(f"{name},{number + step},{tags[(number % 2) * 3 + step]}")
    return write_lines(path, "id,x,label", rows if values is None else [*rows, values])


def test_an_output_that_is_constant_in_a_sequence_is_a_label_else_tags(tmp_path: Path) -> None:
    fixed = read_rows(write_steps(tmp_path / "fixed.csv", "aaabbb"), sequence="id")
    assert fixed.targets["label"].output == LabelOutput(("a", "b"))
    assert len(fixed.numbers) == 20
    assert fixed.items[0].tolist() == [[0], [1], [2]]  # type: ignore[union-attr]
    tagged = read_rows(write_steps(tmp_path / "tags.csv", "aababb"), sequence="id")
    assert tagged.targets["label"].output == LabelOutput(("a", "b"), each=True)
    assert tagged.targets["label"].of(np.array([0, 1])).tolist() == [0, 0, 1, 0, 1, 1]


def test_an_output_that_changes_in_one_table_is_tags_in_all(tmp_path: Path) -> None:
    train = write_steps(tmp_path / "train.csv", "aaabbb")
    valid = write_steps(tmp_path / "valid.csv", "aababb")
    found = read_rows(train, sequence="id", valid=str(valid), test="none")
    assert found.targets["label"].each
    assert found.count("validation") == 20
    assert found.targets["label"].of(found.splits["training"][:1]).tolist() == [0, 0, 0]


def test_wrong_sequences_are_refused(tmp_path: Path) -> None:
    again = write_steps(tmp_path / "again.csv", "aaabbb", values="s3,1,a")
    with pytest.raises(DataError, match=r"again\.csv, row 62: 'id' s3 begins again here.*\n?.*sort the table"):
        read_rows(again, sequence="id")
    empty = write_steps(tmp_path / "empty.csv", "aaabbb", values=",1,a")
    with pytest.raises(DataError, match=r"empty\.csv, row 62: 'id' is empty: the step has no sequence"):
        read_rows(empty, sequence="id")
    varying = write_steps(tmp_path / "varying.csv", "123456")
    with pytest.raises(
        DataError, match=r"'label' changes within a sequence and was taken as numbers.*\n.*--task tagging"
    ):
        read_rows(varying, sequence="id", task="regression")
    with pytest.raises(DataError, match=r"'x' changes within a sequence; a sequence has one group.*\n.*--group"):
        read_rows(write_steps(tmp_path / "g.csv", "aaabbb"), sequence="id", group="x", input="label", output="x")


# scaling


def test_numbers_are_scaled_by_the_training_split_alone(tmp_path: Path) -> None:
    generator = GENERATOR(0)
    rows = [f"{5 + 3 * generator.normal()},{1e-9 * generator.normal()},7,{'ab'[n % 2]}" for n in range(100)]
    others = [f"{1000 * n},{n},{n},{'ab'[n % 2]}" for n in range(20)]
    train = write_lines(tmp_path / "t.csv", "wide,tiny,same,label", rows)
    valid = write_lines(tmp_path / "v.csv", "wide,tiny,same,label", others)
    found = read_rows(train, valid=str(valid), test="none")
    steps = np.concatenate([found.featurizer.encode(item) for item in found.split_items("training")])
    assert steps.mean(0) == pytest.approx([0, 0, 0], abs=1e-4)
    assert steps.std(0) == pytest.approx([1, 1, 0], abs=1e-4)
    assert isinstance(found.featurizer, NumericFeaturizer)
    assert found.featurizer.std[2] == 1, "what never changes is left in its own unit"
    (far,) = found.featurizer.encode(found.split_items("validation")[3])
    assert far[0] == pytest.approx((3000 - found.featurizer.mean[0]) / found.featurizer.std[0])
    assert far[2] == 3 - 7


def test_an_image_is_scaled_as_a_whole() -> None:
    pictures = [np.full((2, 2, 1), level, np.uint8) for level in (0, 255)]
    pictures[1][0] = 0
    features = ImageInput(2, 2, grey=True).learn_featurizer(pictures, StepOptions())
    assert len(set(features.mean.tolist())) == len(set(features.std.tolist())) == 1
    assert features.mean[0] == pytest.approx(0.25)
    patches = ImageInput(2, 2, grey=True).learn_featurizer(pictures, StepOptions(stem="patches"))
    assert patches.encode(pictures[1]).shape == (1, 16)


NUMERIC_FEATURIZERS: dict[str, tuple[Modality, bool]] = {
    "vectors": (VectorInput(3), False),
    "audio": (AudioInput(RATE), False),
    "rows": (ImageInput(32, 32, grey=False), False),
    "patches": (ImageInput(32, 32, grey=False), True),
}


def item_of(kind: Modality) -> Any:
    generator = GENERATOR(7)
    if isinstance(kind, VectorInput):
        return generator.normal(size=(5, kind.width)).astype(np.float32)
    if isinstance(kind, AudioInput):
        return generator.integers(-20_000, 20_000, 4_000).astype(np.int16)
    return generator.integers(0, 256, (32, 32, 3), np.uint8)


@pytest.mark.parametrize("name", NUMERIC_FEATURIZERS)
def test_a_featurizer_is_restored_from_json(name: str) -> None:
    kind, patches = NUMERIC_FEATURIZERS[name]
    features = kind.learn_featurizer([item_of(kind)], StepOptions(stem="patches" if patches else "auto"))
    assert features.kind == name
    again = featurizer_from_json(json.loads(json.dumps(features.to_json())))
    assert again.step_description == features.step_description
    assert np.array_equal(again.encode(item_of(kind)), features.encode(item_of(kind)))
    assert features.encode(item_of(kind)).shape[1] == features.width


def changed(**facts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda whole: whole.update(facts)


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no mean": lambda facts: facts.pop("mean"),
    "no input": lambda facts: facts.pop("input"),
    "another kind": changed(kind="tastes"),
    "another kind of input": changed(kind="rows"),
    "an input in words": changed(input="vectors"),
    "an unknown input": changed(input={"kind": "tastes"}),
    "an input without width": changed(input={"kind": "vectors"}),
    "too few means": changed(mean=[0.0]),
    "a mean of none": changed(mean=[None, 0.0, 0.0]),
    "a mean in words": changed(mean="many"),
    "a mean that is not finite": changed(mean=[float("nan"), 0.0, 0.0]),
    "a deviation of 0": changed(std=[1.0, 0.0, 1.0]),
    "a deviation below 0": changed(std=[1.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_features_are_refused(case: str) -> None:
    facts = VectorInput(3).learn_featurizer([item_of(VectorInput(3))], StepOptions()).to_json()
    featurizer_from_json(facts)
    DAMAGE[case](facts)
    with pytest.raises(RunError, match=r"vocabulary\.json.* is damaged: (it lacks the scaling|'width' is missing)"):
        featurizer_from_json(facts)


@pytest.mark.parametrize("name", ["audio", "rows", "patches"])
def test_augmentation_depends_on_the_generator_alone(name: str) -> None:
    kind, patches = NUMERIC_FEATURIZERS[name]
    item = item_of(kind)
    features = kind.learn_featurizer([item], StepOptions(stem="patches" if patches else "auto"))
    assert features.augments
    plain = features.encode(item)
    torch.manual_seed(1)
    first = features.augment(item, GENERATOR(3))
    torch.manual_seed(2)
    assert np.array_equal(features.augment(item, GENERATOR(3)), first)
    others = [features.augment(item, GENERATOR(seed)) for seed in range(4, 8)]
    assert any(other.shape != first.shape or not np.array_equal(other, first) for other in others)
    assert any(other.shape != plain.shape or not np.array_equal(other, plain) for other in others)
    assert np.array_equal(features.encode(item), plain), "and reading as it is never varies"
    assert np.array_equal(item, item_of(kind)), "nor is the item changed"


def test_vectors_are_never_augmented() -> None:
    features = VectorInput(3).learn_featurizer([item_of(VectorInput(3))], StepOptions())
    assert not features.augments
    assert np.array_equal(
        features.augment(item_of(VectorInput(3)), GENERATOR(0)), features.encode(item_of(VectorInput(3)))
    )


# files


def write_pitches(folder: Path, count: int, bad: int, missing: int = 0) -> Path:
    """A csv with paths, relative to its own folder, to this number of audio files; the first is unreadable or
    missing."""
    rows = []
    for number in range(count):
        name = f"sounds/{number}.wav"
        tone = 9_000 * np.sin(np.arange(400) * (0.3, 0.8)[number % 2] + number)
        write_wav(folder / name, tone)
        if number < bad:
            (folder / name).write_bytes(b"RIFF, and no sound at all" * 9)
        elif number < bad + missing:
            (folder / name).unlink()
        rows.append(f"{name},{'ab'[number % 2]}")
    return write_lines(folder / "t.csv", "sound,label", rows)


def test_a_few_unreadable_audio_files_are_left_out_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("soundfile")
    path = write_pitches(tmp_path, 40, 2, 1)
    monkeypatch.chdir("/")
    found = read_rows(path)
    assert len(found.numbers) == 37
    assert len(found.unreadable) == 3
    assert "3 unreadable files left out (" in found.description
    assert "sounds/0.wav" in found.description
    assert "there is no file" in found.unreadable[2]
    assert "row 4: " in found.unreadable[2]
    assert found.numbers[0] == 5


def test_many_unreadable_audio_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    path = write_pitches(tmp_path, 40, 5)
    told = r"t\.csv: 5 of 40 cannot be read:\n(.*row \d.*wav.*\n){3}and 2 more\.\nUp to 10% would be left out\."
    with pytest.raises(DataError, match=told):
        read_rows(path)


def test_arrays_beyond_their_budget_are_made_again() -> None:
    made: list[int] = []

    def again(number: int) -> Callable[[], np.ndarray[Any, Any]]:
        def make() -> np.ndarray[Any, Any]:
            made.append(number)
            return np.full((4, 5), number, np.int16)

        return make

    arrays = Arrays(budget=100)  # two of 40 bytes
    for number in range(4):
        arrays.add(np.full((4, 5), number, np.int16), again(number))
    arrays.add(np.full((3, 5), 4, np.int16))  # which could not be made again
    assert len(arrays) == 5
    assert arrays.lengths.tolist() == [4, 4, 4, 4, 3]
    for number in (3, 0, 2, 4, 1, 3):
        assert np.array_equal(arrays[number], np.full((3 if number == 4 else 4, 5), number))
    assert made == [3, 2, 3]


def test_audio_beyond_the_budget_gives_the_same_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("soundfile")
    path = write_pitches(tmp_path, 20, 0)
    kept = read_rows(path)
    monkeypatch.setattr("unrolled.data.dataset.read_rows.Arrays", lambda: Arrays(budget=1))
    anew = read_rows(path)
    assert kept.lengths.tolist() == anew.lengths.tolist()
    assert kept.fingerprints == anew.fingerprints
    for row in range(20):
        assert np.array_equal(np.asarray(kept.items[row]), np.asarray(anew.items[row]))
    (tmp_path / "sounds" / "7.wav").unlink()
    assert len(kept.items[7]) == 400
    with pytest.raises(MediaError, match=r"there is no file"):
        anew.items[7]


def same(one: RowBatch, other: RowBatch) -> bool:
    tensors = [[batch.inputs, batch.lengths, *batch.targets.values()] for batch in (one, other)]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(*tensors, strict=True))


@pytest.mark.parametrize("augmented", [False, True])
def test_a_batch_depends_on_seed_and_number_alone(augmented: bool, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    whole = read_rows(write_pitches(tmp_path, 40, 0))
    batches = ExampleBatches(whole, "training", 5, 3, augmented)
    assert batches.batches_per_epoch == 7
    forward = [batches.batch(k) for k in range(9)]
    again = ExampleBatches(whole, "training", 5, 3, augmented)
    for k in (8, 2, 7, 0, 2):
        assert same(again.batch(k), forward[k])
    assert not same(ExampleBatches(whole, "training", 5, 4, augmented).batch(0), forward[0])
    assert same(ExampleBatches(whole, "training", 5, 3).batch(0), forward[0]) is not augmented
    assert sum(int((batch.lengths > 0).sum()) for batch in forward[:7]) == whole.count("training")


@pytest.mark.parametrize(
    "cell",
    ["1", " 2.5 ", "-3e4", ".5", "5.", "1_000", "nan", "inf", "-Infinity", "1e400", "x", "", "3,14", "٣", "1 2",
     "0x1", "9" * 60_000, 1, 2.5, 10**400, math.nan, math.inf, True, None, [1], np.zeros(2)],
    ids=lambda cell: str(cell)[:12],
)  # fmt: skip
def test_columns_of_numbers_are_converted_at_once(cell: Any) -> None:
    found, expected = all_numbers(["7", cell, 0.5]), is_number(cell)
    assert (found is not None) == expected
    if found is not None:
        assert found.tolist() == [7.0, float(cell), 0.5]


def test_one_odd_cell_among_very_many_columns_is_named_with_its_row(tmp_path: Path) -> None:
    rows = [["1.5"] * 20_000 for _ in range(6)]
    rows[4][17_000] = "1_000"
    header = ",".join(f"c{number}" for number in range(20_000))
    path = tmp_path / "wide.csv"
    path.write_text("\n".join([f"{header},label", *(",".join([*row, "ab"[n % 2]]) for n, row in enumerate(rows))]))
    with pytest.raises(DataError, match="row 6, column 'c17000': '1_000' where numbers were expected"):
        read_examples(path, DatasetOptions())
