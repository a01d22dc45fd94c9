"""UltraStar .txt: karaoke songs, notes of syllables on a beat grid. Duet parts are read as one, in order of time."""

import re
from dataclasses import dataclass, field

from stages.ingest.lyrics.model import LANGUAGE, SINGER, TITLE, Line, Parsed

_HEADER = re.compile(r"#([A-Z0-9]+)\s*:(.*)$")
_NOTE = re.compile(r"[:*FRG]\s*(-?\d+)\s+(\d+)\s+(-?\d+) ?(.*)$")
_BREAK = re.compile(r"-\s*(-?\d+)?(?:\s+(-?\d+))?\s*$")
_PART = re.compile(r"P\s*\d")
_TAGS = {"TITLE": TITLE, "ARTIST": SINGER, "LANGUAGE": LANGUAGE}
_BEATS_PER_NAMED_BEAT = 4  # the format counts quarter beats


def parse(text: str) -> Parsed:
    header: dict[str, str] = {}
    body: list[str] = []
    for line in text.split("\n"):
        if match := _HEADER.match(line.strip()):
            header.setdefault(match[1], match[2].strip())
        else:
            body.append(line.lstrip())
    clock = _Clock.from_header(header)
    notes: tuple[str, ...] = ()
    if clock is None:
        notes = (f"broken times ignored: #BPM is {header.get('BPM', 'missing')!r}",)
    lines = _lines(body, clock, header.get("RELATIVE", "").upper() == "YES")
    tags = {_TAGS[key]: value for key, value in header.items() if key in _TAGS and value}
    return Parsed(tuple(lines), tags, notes)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


@dataclass
class _Clock:
    gap_s: float
    beat_s: float

    @classmethod
    def from_header(cls, header: dict[str, str]) -> "_Clock | None":
        bpm = _number(header.get("BPM", ""))
        if bpm is None or not 1 <= bpm <= 10_000:
            return None
        return cls((_number(header.get("GAP", "0")) or 0.0) / 1000, 60 / (bpm * _BEATS_PER_NAMED_BEAT))

    def at(self, beat: int) -> float:
        return max(self.gap_s + beat * self.beat_s, 0.0)


@dataclass
class _Phrase:
    """The syllables since the last line break."""

    text: str = ""
    first: int | None = None
    last: int = 0
    lines: list[tuple[int, int, str]] = field(default_factory=list)  # first beat, beat after the last, text

    def add(self, beat: int, length: int, syllable: str) -> None:
        self.first = beat if self.first is None else self.first
        self.last = max(self.last, beat + length)
        self.text += "" if syllable.strip() == "~" else syllable.replace("~", "")

    def close(self) -> None:
        if self.first is not None and self.text.strip():
            self.lines.append((self.first, self.last, self.text))
        self.text, self.first, self.last = "", None, 0


def _lines(body: list[str], clock: _Clock | None, relative: bool) -> list[Line]:
    phrase, shift = _Phrase(), 0
    for line in body:
        if match := _NOTE.match(line):
            phrase.add(int(match[1]) + shift, int(match[2]), match[4])
        elif match := _BREAK.match(line):
            phrase.close()
            if relative:
                shift += int(match[2] or match[1] or 0)
        elif _PART.match(line):  # the second singer of a duet counts from the start again
            phrase.close()
            shift = 0
        elif line.strip() == "E":
            break
    phrase.close()
    found = sorted(phrase.lines, key=lambda item: item[:2]) if clock else phrase.lines
    if clock is None:
        return [Line(text) for _, _, text in found]
    return [Line(text, clock.at(first), clock.at(last)) for first, last, text in found]
