"""A manifest instead of a folder: CSV (any of , ; tab) with a header, or JSONL with one object per line.

Columns: `audio` (needed), `lyrics` (a file) or `text` (the lyrics themselves), `title`, `singer`, `language`, `split`,
`vocals`, `accompaniment`. Paths are taken from the manifest's folder. Other columns are not read.
"""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.contract.files import FoundFile, found
from stages.contract.records import SPLITS
from stages.ingest.lyrics import PARSERS
from stages.ingest.lyrics.charset import decode
from stages.ingest.sources import STEM_NAMES, Source, readable, relative
from stages.lib.cli import UserError

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_COLUMNS = {
    "audio": "audio", "path": "audio", "file": "audio", "song": "audio",
    "lyrics": "lyrics", "lyrics_path": "lyrics", "text": "text",
    "title": "title", "singer": "singer", "artist": "singer", "language": "language", "lang": "language",
    "split": "split", **STEM_NAMES,
}  # fmt: skip
_DECLARED = ("title", "singer", "language", "split", "text")


def read_manifest(path: Path) -> list[Source]:
    """Its songs in order of path. Raises UserError naming file, line and remedy where it is no manifest."""
    text, _ = decode(path.read_bytes())
    if text is None:
        raise UserError(f"{path}: not text; a manifest is CSV or JSONL")
    rows = _csv_rows(path, text) if path.suffix.lower() in (".csv", ".tsv") else _jsonl_rows(path, text)
    sources: dict[str, Source] = {}
    for number, row in rows:
        source = _source(path, number, row)
        sources.setdefault(source.name, source)  # a song listed twice is one song
    if not sources:
        raise UserError(f"{path}: no songs in it")
    return [sources[name] for name in sorted(sources)]


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count))
    names = [_COLUMNS.get(name.strip().lower(), "") for name in next(reader, [])]
    if "audio" not in names:
        raise UserError(f"{path}: line 1: no column `audio`; the header needs one, and may have {_others()}")
    for row in reader:
        if any(row):
            yield reader.line_num, {name: value for name, value in zip(names, row, strict=False) if name}


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}: line {number}: not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number}: not a JSON object with a field `audio`")
        yield number, {_COLUMNS[key.lower()]: _plain(value) for key, value in row.items() if key.lower() in _COLUMNS}


def _plain(value: Any) -> str:
    """A list of lines is a text."""
    if isinstance(value, list):
        return "\n".join(map(_plain, value))
    return "" if value is None else str(value)


def _others() -> str:
    return ", ".join(sorted(set(_COLUMNS.values()) - {"audio"}))


def _source(path: Path, number: int, row: dict[str, str]) -> Source:
    row = {name: value.strip() for name, value in row.items() if value.strip()}
    if "audio" not in row:
        raise UserError(f"{path}: line {number}: no `audio`; name the song's file or remove the line")

    def file(name: str) -> FoundFile:
        return found(os.path.normpath(path.parent / row[name]))

    audio = file("audio")
    name = readable(relative(audio.path, path.parent))
    declared = {key: row[key] for key in _DECLARED if key in row}
    problem = _problem(row)
    if problem:
        return Source(name, audio, error=f"manifest, line {number}: {problem}")
    stems = {part: file(part) for part in sorted(set(STEM_NAMES.values())) if part in row}
    return Source(name, audio, (file("lyrics"),) if "lyrics" in row else (), tuple(stems.items()), declared)


def _problem(row: dict[str, str]) -> str | None:
    if row.get("split", SPLITS[0]) not in SPLITS:
        return f"split {row['split']!r} is none of {', '.join(SPLITS)}"
    if "lyrics" in row and Path(row["lyrics"]).suffix.lower() not in PARSERS:
        return f"lyrics {row['lyrics']!r} is none of {', '.join(PARSERS)}"
    return None
