"""Damaged data files for tests/fuzzing.py: a corpus of every format that is read, and how it is damaged.

A case takes one file of its target's corpus, damages it in one to three ways, and runs a command on it, or on the
folder or table that contains it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import shutil
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

ROWS = 30
RUN = "run"  # a small run on the corpus, with which `predict` and `evaluate` are run
WORDS = ("akaski", "dagoton", "brücke", "café", "слово", "東京", "a b", "x, y", 'the "best"', "naïve")
SHORT = ["--steps", "1", "--hidden-size", "4", "--batch-size", "4", "--threads", "1", "--quiet"]
TEXT = " ".join(WORDS)


# Corpora


def make_texts(corpus: Path) -> None:
    """Plain text in several encodings."""
    text = "\n".join(f"{number} {TEXT}." for number in range(60))
    western = "\n".join(f"{number} naïve café, brücke." for number in range(60))
    for name, encoding in (("utf8", "utf-8"), ("bom", "utf-8-sig"), ("utf16", "utf-16"), ("utf32", "utf-32")):
        (corpus / f"{name}.txt").write_text(text, encoding=encoding)
    for encoding in ("cp1252", "utf-16-le"):
        (corpus / f"{encoding}.txt").write_text(western, encoding=encoding)
    (corpus / "packed.txt").write_bytes(gzip.compress(text.encode()))


def make_tables(corpus: Path) -> None:
    """Text formats of tables: csv, tsv, json, jsonl, conllu; a run on one of them."""
    rows = [[WORDS[number % 10] + str(number), str(number % 7), "ab"[number % 2]] for number in range(ROWS)]
    header = ["text", "size", "label"]
    for name, delimiter, begin, encoding in (
        ("a.csv", ",", "", "utf-8"), ("b.csv", ";", "sep=;\n", "utf-8"), ("c.csv", "|", "", "utf-8-sig"),
        ("d.tsv", "\t", "", "utf-8"), ("e.csv", ",", "", "utf-16"),
    ):  # fmt: skip
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
        (corpus / name).write_text(begin + written.getvalue(), encoding=encoding)
    numbers = "\n".join(f"{number % 7}.5,{number % 5},{number % 2}" for number in range(ROWS))
    (corpus / "numbers.csv").write_text(f"a,b,label\n{numbers}\n")
    objects = [dict(zip(header, row, strict=True)) for row in rows]
    (corpus / "a.json").write_text(json.dumps(objects, ensure_ascii=False, indent=1))
    (corpus / "a.jsonl").write_text("\n".join(map(json.dumps, objects)))
    lists = [{"x": [number % 3, 1.5, [2, 3][number % 2]], "label": number % 2} for number in range(ROWS)]
    (corpus / "lists.jsonl").write_text("\n".join(map(json.dumps, lists)))
    words = "\n".join(f"{n}\t{word}\t_\t{'AB'[n % 2]}\t_\t_\t0\t_\t_\t_" for n, word in enumerate(WORDS, start=1))
    (corpus / "a.conllu").write_text("\n\n".join(f"# sent_id = {number}\n{words}" for number in range(12)) + "\n\n")
    _train(corpus / "a.csv", corpus / RUN, "--output", "label")


def make_arrays(corpus: Path) -> None:
    """Tables of arrays: npz, npy, idx plain and compressed, parquet; a run on one of them."""
    import polars

    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(ROWS, 4)).astype(np.float32), np.arange(ROWS) % 2
    np.savez(corpus / "a.npz", x=x, y=y)
    np.savez_compressed(corpus / "packed.npz", x=generator.integers(0, 255, (ROWS, 8, 8)).astype(np.uint8), y=y)
    np.save(corpus / "a.npy", np.column_stack([x, y]))
    pictures = generator.integers(0, 255, (ROWS, 8, 8)).astype(np.uint8)
    idx = b"\0\0\x08\x03" + np.array([ROWS, 8, 8], ">i4").tobytes() + pictures.tobytes()
    labels = b"\0\0\x08\x01" + np.array([ROWS], ">i4").tobytes() + y.astype(np.uint8).tobytes()
    (corpus / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (corpus / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    (corpus / "plain").mkdir()
    (corpus / "plain/train-images-idx3-ubyte").write_bytes(idx)
    (corpus / "plain/train-labels-idx1-ubyte").write_bytes(labels)
    texts = [f"{WORDS[number % 10]}{number}" for number in range(ROWS)]
    polars.DataFrame({"text": texts, "label": y}).write_parquet(corpus / "a.parquet")
    polars.DataFrame({"x": x.tolist(), "label": y}).write_parquet(corpus / "lists.parquet")
    _train(corpus / "a.npz", corpus / RUN)


def make_folders(corpus: Path) -> None:
    """Folders of texts, audio and images, also with split folders; a run on one of them, and tables of their
    paths."""
    for number in range(12):
        label, split = "ab"[number % 2], ("train", "test")[number % 4 == 3]
        for folder in (f"texts/{label}", f"split/{split}/{label}"):
            (corpus / folder).mkdir(parents=True, exist_ok=True)
            (corpus / folder / f"{number}.txt").write_text(f"{TEXT} {number}")
        for kind, endings in (("sounds", ("wav", "flac", "ogg")), ("pictures", ("png", "jpeg", "gif"))):
            (corpus / kind / label).mkdir(parents=True, exist_ok=True)
            path = corpus / kind / label / f"{number}.{endings[number // 2 % 3]}"
            _write_sound(path, number) if kind == "sounds" else _write_picture(path, number)
    for kind in ("sounds", "pictures"):
        paths = sorted(str(path.relative_to(corpus)) for path in (corpus / kind).rglob("*.*"))
        (corpus / f"{kind}.csv").write_text("path,label\n" + "\n".join(f"{one},{one.split('/')[1]}" for one in paths))
    _train(corpus / "pictures", corpus / RUN)


def _write_sound(path: Path, number: int) -> None:
    samples = (np.sin(np.arange(1600) * (0.05 + 0.02 * number)) * 9000).astype(np.int16)
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(samples.tobytes())
    else:
        import soundfile

        soundfile.write(path, samples, 8000)


def _write_picture(path: Path, number: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(number).integers(0, 255, (12, 12, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def _train(data: Path, out: Path, *more: str) -> None:
    from unrolled.cli import main

    assert main(["train", str(data), "--out", str(out), *more, *SHORT]) == 0, data


# Damage


def damage_data(here: Path, draw: random.Random) -> tuple[str, list[str]]:
    """Damages a file and chooses a command, mostly on that file, or on the folder or table that contains it."""
    files = sorted(path for path in here.rglob("*") if path.is_file() and RUN not in path.relative_to(here).parts[:1])
    path = draw.choice(files)
    name = str(path.relative_to(here))
    done = []
    for _ in range(draw.choice([1, 1, 2, 3])):
        how = draw.choice([one for one in DAMAGE if path.suffix in BYTES_ONLY.get(one, (path.suffix,))])
        path.write_bytes(DAMAGE[how](path.read_bytes(), draw))
        done.append(how)
    if draw.random() < 0.1:
        how = draw.choice(list(PLACES))
        PLACES[how](path)
        done.append(how)
    data = name.split("/")[0]
    return f"{name}: {', '.join(done)}", _command(here, data, draw)


def _command(here: Path, data: str, draw: random.Random) -> list[str]:
    """Mostly `info` on the data; `predict` and `evaluate` only if the run may read such data."""
    if data in ("sounds", "pictures") and draw.random() < 0.3:
        data += ".csv"  # the table of paths
    drawn = draw.random()
    if drawn < 0.5:
        return ["info", data]
    media = (here / "pictures").exists()
    if drawn < 0.75 or not (here / RUN).exists() or (media and not data.startswith("pictures")):
        option = ["--tokenizer", "byte"] if data.endswith(".txt") else ["--skip-empty"]
        return ["train", data, "--out", "new", *draw.choice([[], [] if data == "texts" else option]), *SHORT]
    return draw.choice([["predict", RUN, data, "--json"], ["evaluate", RUN, data, "--quiet"]])


def _flip(was: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(was)
    for _ in range(draw.choice([1, 3, 30]) if was else 0):
        flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    return bytes(flipped)


def _insert(was: bytes, draw: random.Random) -> bytes:
    odd = draw.choice(ODD)
    place = draw.randrange(len(was) + 1)
    return was[:place] + odd + was[place:]


def _lines(was: bytes, draw: random.Random) -> bytes:
    """A line is repeated, removed or moved."""
    lines = was.splitlines(keepends=True)
    if not lines:
        return was
    line = lines[draw.randrange(len(lines))]
    if draw.random() < 0.5:
        lines.remove(line)
    lines.insert(draw.randrange(len(lines) + 1), line * draw.choice([1, 1, 50]))
    return b"".join(lines)


def _huge(was: bytes, draw: random.Random) -> bytes:
    """Some bytes of the first 64 become a huge, or a negative, number."""
    number = draw.choice([b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0\0\0\x80", b"999999999"])
    place = draw.randrange(min(64, len(was)) + 1)
    return was[:place] + number + was[place + len(number) :]


def _swap(was: bytes, draw: random.Random) -> bytes:
    one, other = draw.sample(DELIMITERS, 2)
    return was.replace(one, other, draw.choice([-1, 1, 5]))


def _bomb(was: bytes, draw: random.Random) -> bytes:
    """A small archive that unpacks to a large size."""
    if draw.random() < 0.5:
        return gzip.compress(was[:64] + b"\0" * (200 << 20), 1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        header = b"\x93NUMPY\x01\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (30, 7000000), }"
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, header.ljust(127) + b"\n" + b"\0" * (210 * 10**6))
    return packed.getvalue()


def _inside(was: bytes, draw: random.Random) -> bytes:
    """Packed content is damaged and packed again with fitting checksums: gz, npz, the size of a png."""
    damage = draw.choice([_flip, _huge, _insert])
    with suppress(OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        if was.startswith(b"\x1f\x8b"):
            return gzip.compress(damage(gzip.decompress(was), draw), 1)
        if was.startswith(b"\x89PNG") and len(was) > 33:
            header = b"IHDR" + struct.pack(">II", draw.choice(SIDES), draw.choice(SIDES)) + was[24:29]
            return was[:12] + header + struct.pack(">I", zlib.crc32(header)) + was[33:]
        if was.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(was)) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
            name = draw.choice(sorted(members))
            members[name] = damage(members[name], draw)
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for name, member in members.items():
                    archive.writestr(name, member)
            return packed.getvalue()
    return _flip(was, draw)


SIDES = (0, 1, 12, 5_000, 30_000, 1 << 31)  # pixels, as declared in the header of a png
ODD = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\n\n", b"\r", b"nan", b"1e400", b"9" * 5000, b"\xc3",
    b"[" * 2000, b"{}", b"null", b'{"x": 1}\n', b"\\ud800", b"\x1b[2J", b"../../thesis.txt", b",,,,",
    b"a" * 100_000, b"-" * 3,
)  # fmt: skip
DELIMITERS = (b",", b";", b"\t", b"|", b"\n", b'"', b":", b" ")
DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": _flip,
    "cut short": lambda was, draw: was[: draw.randrange(len(was) + 1)],
    "its beginning cut": lambda was, draw: was[draw.randrange(min(300, len(was)) + 1) :],
    "something in it": _insert,
    "lines moved": _lines,
    "a huge number": _huge,
    "delimiters swapped": _swap,
    "twice": lambda was, draw: was + was,
    "empty": lambda was, draw: b"",
    "noise": lambda was, draw: draw.randbytes(draw.choice([1, 100, 10_000])),
    "a bomb": _bomb,
    "damaged inside": _inside,
}
BYTES_ONLY = {
    "a bomb": (".npz", ".gz", ".npy"),
    "damaged inside": (".npz", ".gz", ".png"),
}  # only for files of these endings; a .txt is never unpacked


def _to_link(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.symlink_to(path.with_name("kept"))


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _to_loop(path: Path) -> None:
    shutil.copy(path, path.with_name("beside" + path.suffix))
    path.unlink()
    path.symlink_to(path.parent)


PLACES: dict[str, Callable[[Path], object]] = {
    "a link": _to_link,
    "a folder": _to_folder,
    "a link to /dev/zero": _to_endless,
    "a link to its folder": _to_loop,
}
