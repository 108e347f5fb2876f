"""The cache of image features: a SQLite file for each net, in the user's cache folder or the folder of `--cache`.

Several processes may use it at once. What cannot be stored, for whatever reason, is kept in memory instead. A damaged
file is put aside once, and a new one is written.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock

from unrolled.errors import MissingExtra, install_extra
from unrolled.model.image_features import MemoryStore

NO_CACHE = "none"  # value of --cache
WAIT = 30.0  # seconds for which another process may write
TOGETHER = 500  # keys of a query
CHECK_BYTES = 4  # of the checksum before each value
DAMAGED, JOURNAL, LOCK = ".damaged", "-journal", ".lock"  # endings after the file's name; the second is SQLite's
MADE = "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, value BLOB NOT NULL)"


class FeatureCache:
    """Features in a file. A `FeatureStore`."""

    def __init__(self, path: Path) -> None:
        """path: of the file. Nothing is raised: where it cannot be used, `fault` says why."""
        self.path, self.fault = path, ""
        self.aside: Path | None = None  # where a damaged file was put
        self._memory = MemoryStore()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._renewing(self._make)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    @property
    def note(self) -> str:
        """Where features are kept, and the size of the file; or why they are not."""
        if self.fault:
            return f"features are not stored: {self.path}: {self.fault}; or name another folder with --cache"
        try:
            size = self.path.stat().st_size
        except OSError:
            size = 0
        return f"features are stored in {self.path} ({max(1, round(size / 1e6)):,} MB)"

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found = self._memory.read(keys)
        if self.fault:
            return found

        def look() -> None:
            with closing(self._connect()) as database:
                for start in range(0, len(keys), TOGETHER):
                    some = [key for key in keys[start : start + TOGETHER] if key not in found]
                    places = ",".join("?" * len(some))
                    query = f"SELECT key, value FROM features WHERE key IN ({places})"
                    for key, value in database.execute(query, some):
                        if isinstance(value, bytes) and value[:CHECK_BYTES] == _checksum(value[CHECK_BYTES:]):
                            found[key] = value[CHECK_BYTES:]

        try:
            self._renewing(look)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        return found

    def write(self, values: Mapping[bytes, bytes]) -> None:
        def insert() -> None:
            with self._lock(), closing(self._connect()) as database, database:
                database.executemany(
                    "INSERT OR REPLACE INTO features VALUES (?, ?)",
                    [(key, _checksum(value) + value) for key, value in values.items()],
                )

        if not self.fault:
            try:
                self._renewing(insert)
                return
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
        self._memory.write(values)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=WAIT)

    def _lock(self) -> FileLock:
        """The lock that who writes holds, so that no file is put aside below a process that writes to it."""
        return FileLock(f"{self.path}{LOCK}", timeout=WAIT)

    def _make(self) -> None:
        with closing(self._connect()) as database, database:
            database.execute(MADE)

    def _renewing(self, action: Callable[[], None]) -> None:
        """Call `action`. If it finds the file damaged, the file is put aside, and it is called once more."""
        seen = self._file_number()
        try:
            action()
            return
        except sqlite3.DatabaseError as error:
            if not _is_damage(error) or self.aside is not None:
                raise
        with self._lock():
            if self._file_number() == seen:  # else another process has put it aside
                aside = Path(f"{self.path}{DAMAGED}")
                with suppress(FileNotFoundError):  # first: SQLite would apply it to a new file of that name
                    Path(f"{self.path}{JOURNAL}").replace(f"{aside}{JOURNAL}")
                self.path.replace(aside)
                self.aside = aside
            self._make()
        action()

    def _file_number(self) -> int | None:
        """The number that the file system gives the file; None if there is none."""
        try:
            return self.path.stat().st_ino
        except OSError:
            return None

    def _give_up(self, error: Exception) -> None:
        if _is_damage(error):
            self.fault = f"{error}; delete the file, and its features are computed again"
            return
        self.fault = getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_damage(error: Exception) -> bool:
    """Whether an error says that the content of the file is damaged, or no database; not, say, that it is locked."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def _checksum(value: bytes) -> bytes:
    return zlib.crc32(value).to_bytes(CHECK_BYTES, "big")


def cache_path(folder: str | None, net: str, size: int, digest: str) -> Path:
    """The file for a net's features. folder: of `--cache`; None: the user's cache folder. digest: of the features.
    Raises MissingExtra."""
    try:
        from platformdirs import user_cache_path
    except ImportError:
        raise MissingExtra(
            f"The cache of image features needs platformdirs, which is not installed: {install_extra('vision')}."
        ) from None
    name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in net)
    folder_path = Path(folder) if folder else user_cache_path("unrolled") / "features"
    return folder_path / f"{name}-{size}-{digest[:16]}.sqlite"
