"""The ledger as a table: a row per song, then totals per reason."""

import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TextIO

from stages.contract.ledger import SHARDED, Line, kind_of
from stages.contract.shards import OUTCOMES, Entry

_NAME_WIDTH = 44
_STAGE_WIDTH = max(map(len, SHARDED))
_OUTCOME_WIDTH = max(map(len, OUTCOMES))


def print_table(lines: Iterable[Line], stage: str | None, out: TextIO) -> None:
    """Streams: nothing but the totals is kept. On a terminal rows are cut to its width."""
    width = shutil.get_terminal_size().columns if out.isatty() else None
    counts: Counter[tuple[str, str, str]] = Counter()
    hours: dict[tuple[str, str, str], float] = defaultdict(float)
    _row(out, width, "song", "stage", "outcome", "reason, or what was noted")
    for line in lines:
        at, entry = line.last if stage is None else (stage, line.entries[stage])
        _row(out, width, line.name, at, entry.outcome, entry.reason or notes_of(line))
        way = (at, str(entry.outcome), kind_of(entry.reason))
        counts[way] += 1
        hours[way] += entry.audio_s / 3600
    out.write("\n")
    places = {name: place for place, name in enumerate((*SHARDED, *OUTCOMES))}
    for way in sorted(counts, key=lambda way: (places[way[0]], places[way[1]], way[2])):
        _row(out, width, f"{counts[way]} songs", way[0], way[1], way[2] or f"{hours[way]:.2f} h of audio")
    if not counts:
        out.write("no song\n")


def notes_of(line: Line) -> str:
    """What a stage noted about a song it kept."""
    return "; ".join(note for entry in line.entries.values() for note in _notes(entry))


def _notes(entry: Entry) -> list[str]:
    notes = entry.facts.get("notes") or entry.facts.get("note") or []
    return [notes] if isinstance(notes, str) else list(notes)


def _row(out: TextIO, width: int | None, name: str, stage: str, outcome: str, reason: str) -> None:
    row = f"{padded(name, _NAME_WIDTH)}  {stage:<{_STAGE_WIDTH}}  {outcome:<{_OUTCOME_WIDTH}}  {reason}".rstrip()
    out.write((row if width is None else cut(row, width)) + "\n")


def columns(char: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def padded(text: str, width: int) -> str:
    """A longer text is left whole."""
    return text + " " * max(width - sum(map(columns, text)), 0)


def cut(text: str, width: int) -> str:
    if sum(map(columns, text)) <= width:
        return text
    room = width - 1
    for position, char in enumerate(text):
        room -= columns(char)
        if room < 0:
            return text[:position] + "…"
    return text
