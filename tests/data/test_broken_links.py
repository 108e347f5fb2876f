"""Broken links in a folder are named: otherwise a label behind them would be missing without a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.errors import DataError
from unrolled.run import info_data


def make(folder: Path, labels: str) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(20):
            (folder / label / f"{number}.txt").write_text(f"a text of {label} number {number}")
    return folder


def test_a_label_folder_that_is_a_broken_link_is_named(tmp_path: Path) -> None:
    path = make(tmp_path / "d", "ab")
    (path / "c").symlink_to("/nope")
    assert "one of 2 labels (a, b)" in info_data(path)["description"]
    assert "1 broken link is left out: c" in info_data(path)["description"]
    (path / "a" / "x.txt").symlink_to("gone.txt")
    assert "2 broken links are left out: a/x.txt, c" in info_data(path)["description"]


def test_broken_links_in_a_folder_of_texts_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("a text of some length. " * 40)
    (tmp_path / "2.txt").symlink_to(tmp_path / "none.txt")
    assert "1 broken link is left out: 2.txt" in info_data(tmp_path)["description"]


def test_one_label_next_to_a_broken_link_is_refused(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    (tmp_path / "a").mkdir()
    for number in range(12):
        pil.new("L", (8, 8), number * 20).save(tmp_path / "a" / f"{number}.png")
    (tmp_path / "c").symlink_to("/nope")
    with pytest.raises(DataError, match=r"in 1 folder\..*\n.*\n1 broken link is left out: c"):
        info_data(tmp_path)


def test_working_links_are_followed(tmp_path: Path) -> None:
    path = make(tmp_path / "d", "ab")
    make(tmp_path / "other", "c")
    (path / "c").symlink_to(tmp_path / "other" / "c")
    (path / ".hidden").symlink_to("/nope")
    told = info_data(path)["description"]
    assert "one of 3 labels (a, b, c)" in told
    assert "link" not in told
