"""What is known of every file by its path, size and mtime: nothing is decoded twice.

One SQLite file in `runs/ingest`. It is no output: without it everything is measured again, with the same result.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.files import DiskFullError, FoundFile
from stages.ingest.pool import Probed
from stages.ingest.probe import VERSION, AudioFacts, LyricsFacts

FILE = "cache.sqlite"
_SCHEMA = """
create table if not exists audio(
    path text primary key, size integer, mtime_ns integer, version text, facts text, words blob, keys blob
) without rowid;
create table if not exists lyrics(
    path text primary key, size integer, mtime_ns integer, version text, facts text
) without rowid;
"""
_FRESH = "path = ? and size = ? and mtime_ns = ? and version = ?"
_COMMIT_EVERY = 200


class Cache:
    """A writer at a time. Facts of files that could not be read are kept for this run only."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        self._unsaved = 0
        self._passing: dict[str, Any] = {}
        try:
            self._db = _open(self._path)
        except sqlite3.DatabaseError:
            self._path.unlink()
            self._db = _open(self._path)

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(DiskFullError):
            self.commit()
        self._db.close()

    def has(self, table: str, file: FoundFile) -> bool:
        return self._db.execute(f"select 1 from {table} where {_FRESH}", _where(file)).fetchone() is not None

    def audio(self, file: FoundFile) -> AudioFacts | None:
        if file.path in self._passing:
            return self._passing[file.path]
        row = self._db.execute(f"select facts from audio where {_FRESH}", _where(file)).fetchone()
        return None if row is None else AudioFacts(**json.loads(row[0]))

    def lyrics(self, file: FoundFile) -> LyricsFacts | None:
        if file.path in self._passing:
            return self._passing[file.path]
        row = self._db.execute(f"select facts from lyrics where {_FRESH}", _where(file)).fetchone()
        return None if row is None else LyricsFacts(**json.loads(row[0]))

    def words(self, file: FoundFile) -> np.ndarray:
        row = self._db.execute(f"select words from audio where {_FRESH}", _where(file)).fetchone()
        return np.frombuffer(row[0] if row else b"", "<u4")

    def keys(self, file: FoundFile) -> tuple[np.ndarray, np.ndarray]:
        """(keys, the frames they stand at)."""
        row = self._db.execute(f"select keys from audio where {_FRESH}", _where(file)).fetchone()
        both = np.frombuffer(row[0] if row else b"", "<u4")
        return both[: len(both) // 2], both[len(both) // 2 :].view("<i4")

    def put(self, probed: Probed) -> None:
        file = probed.task.file
        if probed.passing:
            self._passing[file.path] = probed.audio or probed.lyrics
        elif probed.audio is not None:
            words, keys = b"", b""
            if probed.fingerprint is not None:
                words = probed.fingerprint.words.astype("<u4").tobytes()
                keys = probed.fingerprint.keys.astype("<u4").tobytes()
                keys += probed.fingerprint.frames.astype("<i4").tobytes()
            self._put("audio", (*_where(file), _json(probed.audio), words, keys))
        elif probed.lyrics is not None:
            self._put("lyrics", (*_where(file), _json(probed.lyrics)))

    def _put(self, table: str, row: tuple[object, ...]) -> None:
        with _disk_full(self._path):
            self._db.execute(f"insert or replace into {table} values ({', '.join('?' * len(row))})", row)
        self._unsaved += 1
        if self._unsaved >= _COMMIT_EVERY:
            self.commit()

    def commit(self) -> None:
        with _disk_full(self._path):
            self._db.commit()
        self._unsaved = 0


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    try:
        db.execute("pragma journal_mode = delete")  # no shared memory: works on network file systems
        db.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        db.close()
        raise OSError(None, f"{path}: {error}; is another ingest running?") from error
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _where(file: FoundFile) -> tuple[str, int, int, str]:
    """Names that are no UTF-8 are never put here."""
    return str(Path(file.path).absolute()), file.size, file.mtime_ns, VERSION


def _json(facts: AudioFacts | LyricsFacts) -> str:
    return json.dumps(asdict(facts), ensure_ascii=False)


@contextlib.contextmanager
def _disk_full(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" not in str(error):
            raise
        why = f"the disk is full, {path} was not written; free some space and run the command again"
        raise DiskFullError(28, why) from error
