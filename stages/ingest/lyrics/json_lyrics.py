"""JSON: `{"title", "singer", "language", "sentences": [{"text", "start_s", "end_s"}]}`, and what transcribers write
(`segments` with `start` and `end`). A file without sentences still lends its title, singer and language."""

import json
import math
from typing import Any

from stages.ingest.lyrics.model import LANGUAGE, SINGER, TITLE, Line, Parsed

# first key that is present wins
_LIST_KEYS = ("sentences", "segments", "lines", "lyrics", "text")
_TEXT_KEYS = ("text", "sentence", "line", "lyric", "words")
_START_KEYS = ("start_s", "start", "begin", "time")
_END_KEYS = ("end_s", "end", "stop")
_TAG_KEYS = {TITLE: ("title",), SINGER: ("singer", "artist"), LANGUAGE: ("language", "lang")}


def parse(text: str) -> Parsed:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        return Parsed(notes=(f"lyrics are not valid JSON ({error}): read as no lyrics",))
    if isinstance(value, list):
        value = {"sentences": value}
    if not isinstance(value, dict):
        return Parsed(notes=("lyrics in JSON are neither an object nor a list: read as no lyrics",))
    tags = {tag: found for tag, keys in _TAG_KEYS.items() if isinstance(found := _first(value, keys), str) and found}
    listed = _first(value, _LIST_KEYS)
    if isinstance(listed, str):
        return Parsed(tuple(Line(line) for line in listed.splitlines() if line.strip()), tags)
    lines = [line for item in listed if (line := _line(item))] if isinstance(listed, list) else []
    return Parsed(tuple(lines), tags)


def _first(value: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _line(item: Any) -> Line | None:
    if isinstance(item, str):
        return Line(item)
    if not isinstance(item, dict):
        return None
    text = _first(item, _TEXT_KEYS)
    if not isinstance(text, str):
        return None
    start_s, end_s = _time(_first(item, _START_KEYS)), _time(_first(item, _END_KEYS))
    if start_s is None or (end_s is not None and end_s <= start_s):
        end_s = None
    return Line(text, start_s, end_s)


def _time(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
