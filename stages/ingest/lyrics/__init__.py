"""Lyrics as people keep them -> sentences. A table leads from suffix to parser; content may overrule it."""

import re
from collections.abc import Callable
from pathlib import PurePath

from stages.ingest.lyrics import json_lyrics, lrc, plain, subtitles, ultrastar
from stages.ingest.lyrics.charset import decode
from stages.ingest.lyrics.model import Lyrics, Parsed
from stages.ingest.lyrics.sentences import finish

Parser = Callable[[str], Parsed]

# In this order one of several files beside a song is chosen; the first that holds sentences wins.
PARSERS: dict[str, Parser] = {
    ".json": json_lyrics.parse,
    ".lrc": lrc.parse,
    ".srt": subtitles.parse_srt,
    ".vtt": subtitles.parse_vtt,
    ".txt": plain.parse,
}

# What the first lines give away, whatever the suffix says.
_SNIFFED: tuple[tuple[re.Pattern[str], Parser], ...] = (
    (re.compile(r"\s*WEBVTT"), subtitles.parse_vtt),
    (re.compile(r"\s*(?:#[A-Z0-9]+:[^\n]*\n\s*)*#(?:TITLE|ARTIST|BPM|GAP):"), ultrastar.parse),
    (re.compile(r"\s*(?:\d+\s*\n)?\s*\d+:\d+:\d+[,.]\d+\s*-->"), subtitles.parse_srt),
    (re.compile(r"(?ms).*?^\s*\[\d+:\d+[.:]\d+\]"), lrc.parse),
)


def parser_for(name: str, text: str) -> Parser:
    """The parser of a file called `name` that holds `text`."""
    own = PARSERS[PurePath(name).suffix.lower()]
    if own is json_lyrics.parse:
        return own
    return next((parser for pattern, parser in _SNIFFED if pattern.match(text)), own)


def read_lyrics(name: str, data: bytes) -> Lyrics:
    """Sentences, tags and notes of one file. Dirt becomes a note, never an error."""
    text, charset = decode(data)
    if text is None:
        return Lyrics(notes=(f"{PurePath(name).name} is not text: read as no lyrics",))
    notes = () if charset in ("utf-8", "utf-16") else (f"lyrics are not UTF-8: read as {charset}",)
    lyrics = finish(parser_for(name, text)(text))
    return Lyrics(lyrics.sentences, lyrics.tags, (*notes, *lyrics.notes))


def read_text(text: str) -> Lyrics:
    """Lyrics that stand in a manifest's column: plain lines, or LRC where they begin like one."""
    return finish(parser_for("lyrics.txt", text)(text))
