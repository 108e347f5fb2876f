"""The cache of image features: kept for the next training, shared by processes, and never a reason to fail."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from caption_data import draw_square

from unrolled.run.training import Training
from unrolled.tasks.feature_cache import FeatureCache, cache_path
from unrolled.tasks.pretrained import PACKAGE

KEY = bytes(32)


def test_features_are_found_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "net.sqlite"
    FeatureCache(path).write({KEY: b"features", b"b" * 32: b"others"})
    found = FeatureCache(path)
    assert found.read([KEY, b"c" * 32]) == {KEY: b"features"}
    assert found.note == f"features are stored in {path} (1 MB)" and not found.fault


def test_thousands_of_keys_are_read_at_once(tmp_path: Path) -> None:
    cache, keys = FeatureCache(tmp_path / "net.sqlite"), [number.to_bytes(32, "big") for number in range(1700)]
    cache.write({key: key[-2:] for key in keys})
    assert cache.read(keys) == {key: key[-2:] for key in keys}


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net.sqlite"

    def write(number: int) -> str:
        cache = FeatureCache(path)
        for place in range(20):
            cache.write({bytes([number, place]) * 16: b"value" * 100, KEY: b"shared"})
        return cache.fault

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [""] * 4
    assert len(FeatureCache(path).read([bytes([n, p]) * 16 for n in range(4) for p in range(20)])) == 80


def test_a_folder_that_cannot_be_written_is_said_and_features_stay_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = FeatureCache(tmp_path / "file" / "net.sqlite")
    assert "features are not stored" in cache.note and "--cache" in cache.note
    cache.write({KEY: b"features"})
    assert cache.read([KEY]) == {KEY: b"features"}


def test_a_damaged_file_is_put_aside_once_and_a_new_one_written(tmp_path: Path) -> None:
    path, aside = tmp_path / "net.sqlite", tmp_path / "net.sqlite.damaged"
    path.write_bytes(b"something else" * 100)
    (tmp_path / "net.sqlite-journal").write_bytes(b"of the damaged file")
    cache = FeatureCache(path)
    cache.write({KEY: b"features"})
    assert cache.aside == aside and not cache.fault
    assert aside.read_bytes() == b"something else" * 100
    assert not (tmp_path / "net.sqlite-journal").exists()  # it would be applied to the new file
    again = FeatureCache(path)
    assert again.read([KEY]) == {KEY: b"features"} and again.aside is None
    path.write_bytes(b"damaged again" * 100)
    assert cache.read([KEY]) == {}  # by the same training: something is wrong with the disk
    assert "not a database; delete the file, and its features are computed again" in cache.note
    assert path.read_bytes() == b"damaged again" * 100


def cut_short(path: Path) -> None:
    """A file of features, cut in its middle: it opens, and fails where it is read or written."""
    FeatureCache(path).write({number.to_bytes(32, "big"): bytes(5000) for number in range(100)})
    path.write_bytes(path.read_bytes()[:200_000])


def test_a_file_that_was_cut_is_put_aside_when_it_is_read(tmp_path: Path) -> None:
    path, keys = tmp_path / "net.sqlite", [number.to_bytes(32, "big") for number in range(100)]
    cut_short(path)
    cache = FeatureCache(path)
    assert len(cache.read(keys)) < 100
    assert cache.aside == tmp_path / "net.sqlite.damaged" and not cache.fault
    cache.write(dict.fromkeys(keys, b"new"))
    assert FeatureCache(path).read(keys) == dict.fromkeys(keys, b"new")


def test_several_processes_put_a_damaged_file_aside_once_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net.sqlite"
    cut_short(path)
    damaged = path.read_bytes()
    caches = [FeatureCache(path) for _ in range(4)]

    def use(number: int) -> str:
        cache = caches[number]
        for place in range(20):
            cache.read([place.to_bytes(32, "big"), KEY])
            cache.write({bytes([number, place]) * 16: b"value" * 100})
        return cache.fault

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [""] * 4
    assert sum(cache.aside is not None for cache in caches) == 1
    assert (tmp_path / "net.sqlite.damaged").read_bytes() == damaged
    assert len(FeatureCache(path).read([bytes([n, p]) * 16 for n in range(4) for p in range(20)])) == 80


def test_a_flipped_bit_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "net.sqlite"
    FeatureCache(path).write({KEY: b"features"})
    with sqlite3.connect(path) as database:
        (value,) = database.execute("SELECT value FROM features").fetchone()
        database.execute("UPDATE features SET value = ?", (value[:-1] + bytes([value[-1] ^ 1]),))
    assert FeatureCache(path).read([KEY]) == {}


def test_a_full_disk_is_said_and_features_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FeatureCache(tmp_path / "net.sqlite")
    before = FeatureCache._connect

    def with_few_pages(self: FeatureCache) -> sqlite3.Connection:
        database = before(self)
        database.execute("PRAGMA max_page_count = 4")  # "database or disk is full" beyond
        return database

    monkeypatch.setattr(FeatureCache, "_connect", with_few_pages)
    cache.write({KEY: bytes(100_000)})
    assert "full" in cache.note
    assert cache.read([KEY]) == {KEY: bytes(100_000)}


def test_the_folder_is_the_users_or_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digest = "0123456789abcdef" * 4
    name = "resnet50-width-0.5-224-0123456789abcdef.sqlite"
    assert cache_path(None, "resnet50:width=0.5", 224, digest) == tmp_path / "unrolled" / "features" / name
    assert cache_path(str(tmp_path / "mine"), "resnet50:width=0.5", 224, digest) == tmp_path / "mine" / name


def test_a_linear_model_names_the_cache_and_a_fault_of_it_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("PIL.Image", reason="needs the extra vision")
    if find_spec(PACKAGE) is None:
        pytest.skip("needs the extra vision")
    for number in range(24):
        (tmp_path / "photos" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        draw_square(tmp_path / "photos" / f"{number % 2}" / f"{number}.png", ("red", "blue")[number % 2], number)
    options: dict[str, Any] = {"model": "linear", "minutes": 1.0, "threads": 1}
    training = Training(tmp_path / "photos", out=str(tmp_path / "a"), cache=str(tmp_path / "cache"), **options)
    assert f"(features are stored in {tmp_path / 'cache'}" in training.plan_line
    list(training)
    assert training.task.closing_notes == []
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    file.write_bytes(b"damaged" * 100)
    third = Training(tmp_path / "photos", out=str(tmp_path / "c"), cache=str(tmp_path / "cache"), **options)
    assert "(features are stored in" in third.plan_line
    list(third)
    assert third.task.closing_notes == [
        f"The file of features was damaged and is now {file}.damaged; a new one is {file}."
    ]

    def full(self: FeatureCache) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    other = Training(tmp_path / "photos", out=str(tmp_path / "b"), cache=str(tmp_path / "other"), **options)
    monkeypatch.setattr(FeatureCache, "_connect", full)
    list(other)
    (said,) = other.task.closing_notes
    assert said.startswith(f"Features are not stored: {tmp_path / 'other'}") and "database or disk is full" in said
