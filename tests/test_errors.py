"""Commands that messages advise can be typed as printed, whatever a path is called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from unrolled.errors import command, shell_quote

NAMES = ["poems.txt", "my poems.txt", "it's.txt", "Gedichte ö.txt", "a\nb.txt", "\x1b[31m.txt", "$HOME `x` \"q\".txt",
         "back\\slash\x01'.txt", os.fsdecode(b"caf\xe9.txt"), "-x.txt", "--valid.txt", "-", "*?.txt", ""]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_read_back_by_bash(name: str) -> None:
    shown = subprocess.run(
        ["bash", "-c", f"printf %s {shell_quote(Path(name))}"], capture_output=True, check=True
    ).stdout
    assert shell_quote(Path(name)).isprintable()
    wanted = str(Path(name))
    assert os.fsdecode(shown) == (f"./{wanted}" if wanted.startswith("-") and wanted != "-" else wanted)


def test_a_command_keeps_its_options_and_marks_paths_that_look_like_some() -> None:
    assert command("train", "-x.txt", "--valid", Path("--valid"), "--minutes", 2) == (
        "unroll train ./-x.txt --valid ./--valid --minutes 2"
    )
    assert command("train", "-") == "unroll train -"
    assert command("info", "\ud800") == "unroll info $'?'"
