"""Parsed lines -> sentences: what is sung, in order, with times where the file has credible ones.

Rules (ours): a line ends where the next begins, at the latest MAX_LINE_S after its start. Of several lines with one
start the first counts, the others are translations. Where most lines share one start the times are placeholders.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

from stages.contract.records import Sentence
from stages.ingest.lyrics.marks import tidy, without_marks
from stages.ingest.lyrics.model import Line, Lyrics, Parsed

MAX_LINE_S = 10.0
MAX_TIME_S = 86_400.0
_SAME_START_S = 0.01
_MIN_PLACEHOLDERS = 3
_LONG_LINE = 200  # characters: nobody sings that in one breath
_STOP = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])")


def finish(parsed: Parsed) -> Lyrics:
    notes = list(parsed.notes)
    lines = [_Sung.of(line) for line in parsed.lines]
    if _are_placeholders(lines):
        lines = [replace(line, start_s=None, end_s=None) for line in lines]
        notes.append("times ignored: most lines share one start")
    lines = _in_order(lines)
    lines, n_translations = _without_translations(lines)
    if n_translations:
        notes.append(f"{n_translations} translated lines left out")
    sentences = tuple(_sentences(lines))
    if parsed.lines and not sentences:
        notes.append("no line of the lyrics is sung text")
    tags = {name: text for name, value in parsed.tags.items() if (text := tidy(value))}
    return Lyrics(sentences, tags, tuple(notes))


def fit(lyrics: Lyrics, duration_s: float) -> Lyrics:
    """Times inside a song of `duration_s`: what begins behind its end loses its times; where most lines do, the
    times belong to another recording and all are dropped."""
    beyond = sum(s.start_s is not None and s.start_s >= duration_s for s in lyrics.sentences)
    if not beyond:
        return replace(lyrics, sentences=tuple(_clipped(s, duration_s) for s in lyrics.sentences))
    drop_all = beyond * 2 > lyrics.n_timed
    sentences = tuple(
        replace(s, start_s=None, end_s=None)
        if s.start_s is not None and (drop_all or s.start_s >= duration_s)
        else _clipped(s, duration_s)
        for s in lyrics.sentences
    )
    what = "all times ignored" if drop_all else "those times ignored"
    note = f"{beyond} of {lyrics.n_timed} lines begin after the song's end: {what}"
    return replace(lyrics, sentences=sentences, notes=(*lyrics.notes, note))


def _clipped(sentence: Sentence, duration_s: float) -> Sentence:
    if sentence.end_s is None or sentence.end_s <= duration_s:
        return sentence
    return replace(sentence, end_s=round(duration_s, 3))


@dataclass(frozen=True)
class _Sung:
    """A line less its marks. text "" marks a moment at which the line before it has ended."""

    text: str
    times: int
    start_s: float | None
    end_s: float | None

    @classmethod
    def of(cls, line: Line) -> "_Sung":
        text, times = without_marks(tidy(line.text))
        timed = line.start_s is not None and line.start_s < MAX_TIME_S
        start_s, end_s = (line.start_s, line.end_s) if timed else (None, None)
        return cls(text, 1 if timed else times, start_s, end_s)


def _are_placeholders(lines: list[_Sung]) -> bool:
    starts = Counter(line.start_s for line in lines if line.text and line.start_s is not None)
    most = max(starts.values(), default=0)
    return most >= _MIN_PLACEHOLDERS and most * 2 > starts.total()


def _in_order(lines: list[_Sung]) -> list[_Sung]:
    """By time; an untimed line stays behind the line it follows in the file."""
    keyed, last_s = [], -1.0
    for position, line in enumerate(lines):
        last_s = last_s if line.start_s is None else line.start_s
        keyed.append((last_s, position, line))
    return [line for _, _, line in sorted(keyed, key=lambda item: item[:2])]


def _without_translations(lines: list[_Sung]) -> tuple[list[_Sung], int]:
    kept: list[_Sung] = []
    last: _Sung | None = None  # the last timed line with words
    n_translations = 0
    for line in lines:
        if line.text and line.start_s is not None:
            if last is not None and last.start_s is not None and line.start_s - last.start_s < _SAME_START_S:
                n_translations += line.text != last.text
                continue
            last = line
        kept.append(line)
    return kept, n_translations


def _sentences(lines: list[_Sung]) -> list[Sentence]:
    """From the last line to the first, so that each knows where the next begins."""
    found: list[Sentence] = []
    next_s = math.inf
    for line in reversed(lines):
        if line.start_s is None:
            found += reversed([Sentence(part) for _ in range(line.times) for part in _parts(line.text)])
            continue
        start_s = round(line.start_s, 3)
        if line.text:
            found.append(Sentence(line.text, start_s, _end(line, start_s, next_s)))
        next_s = start_s
    return found[::-1]


def _end(line: _Sung, start_s: float, next_s: float) -> float:
    """The file's own end where it has one; else the next start, capped."""
    if line.end_s is not None and line.end_s > start_s + _SAME_START_S:
        return round(line.end_s, 3)
    latest_s = start_s + MAX_LINE_S
    return round(min(next_s, latest_s) if next_s > start_s + _SAME_START_S else latest_s, 3)


def _parts(text: str) -> list[str]:
    """A line too long to be one sentence falls apart at its full stops."""
    if len(text) <= _LONG_LINE:
        return [text] if text else []
    return [part.strip() for part in _STOP.split(text) if any(char.isalnum() for char in part)]
