"""Names of files and folders whose bytes are not UTF-8: every data format is described, trained on and predicted."""

from __future__ import annotations

import os
import subprocess
import wave
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from commands import Unroll

from unrolled.compare import Comparison
from unrolled.compare_options import CompareSettings

NAME = os.fsdecode(b"a\xff")
ROWS = 24
SHORT = ["--steps", "1", "--hidden-size", "4", "--batch-size", "4", "--threads", "1", "--quiet"]


def write_csv(folder: Path) -> Path:
    lines = [f"word{row % 5} {'ab'[row % 2]} {row},{'ab'[row % 2]}" for row in range(ROWS)]
    (folder / f"{NAME}.csv").write_text("\n".join(["text,label", *lines]))
    return folder / f"{NAME}.csv"


def write_json(folder: Path) -> Path:
    lines = [f'{{"text": "word {row}", "label": "{"ab"[row % 2]}"}}' for row in range(ROWS)]
    (folder / f"{NAME}.jsonl").write_text("\n".join(lines))
    return folder / f"{NAME}.jsonl"


def write_conllu(folder: Path) -> Path:
    blank = "\t_" * 6
    rows = [f"1\tw{row}\t_\tA{blank}\n2\tv\t_\tB{blank}\n" for row in range(ROWS)]
    (folder / f"{NAME}.conllu").write_text("\n".join(rows))
    return folder / f"{NAME}.conllu"


def write_npz(folder: Path) -> Path:
    np.savez(folder / f"{NAME}.npz", x=np.random.default_rng(0).normal(size=(ROWS, 4)), label=np.arange(ROWS) % 2)
    return folder / f"{NAME}.npz"


def write_npy(folder: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(ROWS, 4))
    np.save(folder / f"{NAME}.npy", np.column_stack([x, np.arange(ROWS) % 2]))
    return folder / f"{NAME}.npy"


def write_idx(folder: Path) -> Path:
    pictures = np.random.default_rng(0).integers(0, 255, (ROWS, 8, 8)).astype(np.uint8)
    labels = (np.arange(ROWS) % 2).astype(np.uint8)
    path = folder / f"{NAME}-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x03" + np.array([ROWS, 8, 8], ">i4").tobytes() + pictures.tobytes())
    (folder / f"{NAME}-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + np.array([ROWS], ">i4").tobytes() + labels.tobytes()
    )
    return path


def write_parquet(folder: Path) -> Path:
    polars = pytest.importorskip("polars")
    rows = {"text": [f"word {row}" for row in range(ROWS)], "label": ["ab"[row % 2] for row in range(ROWS)]}
    with (folder / f"{NAME}.parquet").open("wb") as file:
        polars.DataFrame(rows).write_parquet(file)
    return folder / f"{NAME}.parquet"


def write_folders(folder: Path, ending: str, write: Callable[[Path, int], object]) -> Path:
    """Two label folders. One of them, and every file, has such a name."""
    for row in range(ROWS):
        here = folder / NAME / ("b", f"{NAME}c")[row % 2]
        here.mkdir(parents=True, exist_ok=True)
        write(here / f"{NAME}{row}{ending}", row)
    return folder / NAME


def write_sounds(folder: Path) -> Path:
    pytest.importorskip("soundfile")

    def write(path: Path, row: int) -> None:
        with path.open("wb") as opened, wave.open(opened, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((np.sin(np.arange(800) * (0.05 + 0.01 * row)) * 9000).astype("<i2").tobytes())

    return write_folders(folder, ".wav", write)


def write_pictures(folder: Path) -> Path:
    image = pytest.importorskip("PIL.Image")

    def write(path: Path, row: int) -> None:
        image.fromarray(np.random.default_rng(row).integers(0, 255, (8, 8)).astype(np.uint8)).save(path)

    return write_folders(folder, ".png", write)


FORMS = {
    "csv": write_csv, "jsonl": write_json, "conllu": write_conllu, "npz": write_npz, "npy": write_npy,
    "idx": write_idx, "parquet": write_parquet, "sounds": write_sounds, "pictures": write_pictures,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_file_whose_name_is_not_utf8_is_described_trained_on_and_predicted(
    form: str, tmp_path: Path, unroll: Unroll
) -> None:
    path = FORMS[form](tmp_path)
    told = unroll("info", path)
    assert told.code == 0, told.err
    assert f"{ROWS} rows of" in told.out
    trained = unroll("train", path, "--out", tmp_path / "run", *SHORT)
    assert trained.code == 0, trained.err
    assert "step 1" in (tmp_path / "run" / "samples.txt").read_text(encoding="utf-8")
    given = unroll("predict", tmp_path / "run", path, "--quiet")
    assert given.code == 0, given.err
    assert len(given.out.splitlines()) >= ROWS
    wrong = unroll("evaluate", tmp_path / "run", path, "--errors", tmp_path / "wrong.csv", "--quiet")
    assert wrong.code == 0 or "--errors lists rows" in wrong.err, wrong.err


def test_a_text_with_such_a_name_is_trained_on(tmp_path: Path, unroll: Unroll) -> None:
    path = tmp_path / f"{NAME}.txt"
    path.write_text("the cat sat on the mat. " * 60)
    assert unroll("info", path).code == 0
    trained = unroll("train", path, "--out", tmp_path / "run", *SHORT)
    assert trained.code == 0, trained.err
    assert unroll("evaluate", tmp_path / "run", path, "--quiet").code == 0


def test_a_broken_audio_file_with_such_a_name_is_named(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    from unrolled.data.media.audio import read_audio
    from unrolled.errors import MediaError

    path = tmp_path / f"{NAME}.wav"
    path.write_bytes(b"no sound" * 20)
    with pytest.raises(MediaError, match=r"cannot be read as audio: Error opening the file: ") as raised:
        read_audio(path, 8000)
    assert str(raised.value).startswith(str(path))


def test_the_page_of_a_comparison_escapes_such_names(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"{NAME} it's.txt"
    path.write_text("the cat sat on the mat. " * 60)
    comparison = Comparison(path, CompareSettings(models="ngram", steps=2, out=str(tmp_path / "my out")))
    page = comparison.write_page(comparison.command)
    assert page is not None
    html = page.read_text(encoding="utf-8")
    assert "<h1>Compared on a\\udcff it&#x27;s.txt</h1>" in html
    command = unescape(html[html.index("<pre>") + 5 : html.index("</pre>")])
    words = subprocess.run(["bash", "-c", f'unroll() {{ printf "%s\\0" "$@"; }}; {command}'], capture_output=True)
    assert list(map(os.fsdecode, words.stdout.split(b"\0")))[:-1] == [
        "compare", str(path), "--models", "ngram", "--steps", "2", "--out", str(tmp_path / "my out"),
    ]  # fmt: skip
