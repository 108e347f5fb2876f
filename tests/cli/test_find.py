"""`unroll find`: images of a text, and images like an image."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from caption_data import COLOURS, draw_square, write_captions
from commands import Unroll

from unrolled.errors import OptionError
from unrolled.run import find_images, load
from unrolled.run.training import Training
from unrolled.tasks.pretrained import PACKAGE

pytestmark = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")

pytest.importorskip("PIL.Image", reason="needs the extra vision")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on captions, and a folder photos/ of other images beside it."""
    folder = tmp_path_factory.mktemp("find")
    list(Training(write_captions(folder, 48), out=str(folder / "run"), steps=1, threads=1))
    (folder / "photos").mkdir()
    for number in range(16):
        colour = list(COLOURS)[number % 4]
        draw_square(folder / "photos" / f"{colour} {number}.png", colour, 1000 + number)
    (folder / "photos" / "broken.png").write_bytes(b"no image")
    return folder / "run"


def test_a_text_finds_the_images_that_it_describes(run: Path, unroll: Unroll) -> None:
    result = unroll("find", run, "something green", "--in", run.parent / "photos", "--top", "4")
    assert result.code == 0
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert all(Path(name).name.startswith("green ") for _, name in lines) and len(lines) == 4
    assert [float(value) for value, _ in lines] == sorted((float(value) for value, _ in lines), reverse=True)
    assert "Not in the captions of this run: something." in result.err
    assert "1 file could not be read." in result.err and "broken.png" in result.err
    assert result.err.splitlines()[-1] == "similarity\timage"


def test_an_image_finds_others_like_it_and_not_itself(run: Path, unroll: Unroll) -> None:
    photos = run.parent / "photos"
    result = unroll("find", run, "--like", photos / "red 0.png", "--in", photos, "--top", "3", "--json")
    names = [json.loads(line)["image"] for line in result.out.splitlines()]
    colours = [Path(name).name.split()[0] for name in names]
    assert colours.count("red") >= 2 and str(photos / "red 0.png") not in names and len(set(names)) == 3


def test_the_images_may_be_listed_in_a_file_of_lines(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    photos = run.parent / "photos"
    names = [str(photos / "green 1.png"), "", str(photos / "red 0.png"), str(photos / "green 1.png")]
    (tmp_path / "list.txt").write_text("\n".join([*names, "missing.png"]))
    result = unroll("find", run, "green", "--in", tmp_path / "list.txt")
    assert [line.split("\t")[1] for line in result.out.splitlines()] == [names[0], names[2]]
    assert "1 file could not be read." in result.err and "missing.png" in result.err


def test_a_run_on_captions_names_find_among_its_commands(run: Path, unroll: Unroll) -> None:
    result = unroll("sample", run)
    assert result.code == 2 and "unroll predict, unroll evaluate, unroll info, unroll find" in result.err


def test_without_a_folder_the_images_of_the_run_are_searched_once_each(run: Path) -> None:
    found = find_images(load(run), "a blue square")
    assert found.searched == 48 and len(found.images) == 10 and not found.unreadable
    numbers = [int(Path(one.name).stem) for one in found.images]
    assert all(number % 4 == 2 for number in numbers) and len(set(numbers)) == 10


def test_a_page_shows_the_images_and_is_never_over_another_file(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    page = tmp_path / "found.html"
    photos = run.parent / "photos"
    assert unroll("find", run, "black <b>wall</b>", "--in", photos, "--top", "5", "--out", page).code == 0
    text = page.read_text()
    assert text.count("<figure") == 5 and text.count("data:image/") == 5
    assert "black &lt;b&gt;wall&lt;/b&gt;" in text and "The best 5 of 16 images" in text
    again = unroll("find", run, "black", "--out", page)
    assert again.code == 2 and "exists" in again.err
    named = unroll("find", run, "black", "--out", tmp_path / "found.txt")
    assert named.code == 2 and "ends in .html" in named.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "zeppelin"], "none of these words is in the captions"),
        (["RUN"], "Give a text, or an image with --like"),
        (["RUN", "a", "dog"], "Put a text of several words in quotes"),
        (["RUN", "dog", "--like", "x.png"], "a text came too: 'dog'. Give one of the two."),
        (["RUN", "a", "dog", "--like", "x.png"], "--like names an image"),
        (["RUN", "red", "--top", "0"], "--top is a whole number of at least 1; got 0."),
        (["RUN", "red", "--in", "nowhere"], "nowhere: no such file or folder."),
        (["RUN", "red", "--in", "EMPTY"], "holds no "),
        (["RUN", "--like", "nowhere.png"], "nowhere.png"),
    ],
)
def test_what_cannot_be_found_is_refused(
    run: Path, tmp_path: Path, unroll: Unroll, arguments: list[str], message: str
) -> None:
    places = {"RUN": str(run), "EMPTY": str(tmp_path)}
    result = unroll("find", *(places.get(one, one) for one in arguments))
    assert result.code == 2 and message in result.err and not result.out


def test_a_run_without_its_space_is_damaged(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    lacking = shutil.copytree(run, tmp_path / "run")
    (lacking / "retrieval.safetensors").unlink()
    result = unroll("find", lacking, "red")
    assert result.code == 2 and "retrieval.safetensors is missing: the run is damaged" in result.err


def test_a_folder_of_damaged_images_and_a_text_beside_an_image_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copy(run.parent / "photos" / "broken.png", tmp_path)
    with pytest.raises(OptionError, match="give one of them"):
        find_images(load(run), "red", like=run.parent / "0.png")
    with pytest.raises(Exception, match="holds no image that can be read"):
        find_images(load(run), "red", within=tmp_path)


def test_a_run_without_captions_cannot_find(tmp_path: Path, unroll: Unroll) -> None:
    rows = "".join(f"a{n} b,b a{n}\n" for n in range(60))
    (tmp_path / "turned.csv").write_text("text,turned\n" + rows)
    options = {"task": "seq2seq", "input_type": "text", "steps": 1, "threads": 1}
    list(Training(tmp_path / "turned.csv", out=str(tmp_path / "run"), **options))  # type: ignore[arg-type]
    result = unroll("find", tmp_path / "run", "a dog")
    assert result.code == 2 and "images are found by a run on captions" in result.err
