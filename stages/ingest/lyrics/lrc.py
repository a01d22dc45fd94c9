"""LRC: `[mm:ss.xx]line`, several stamps to a line, `[tag:value]` lines, and the word-level form `<mm:ss.xx>word`.

`[offset:+500]` makes the lyrics come 500 ms sooner, as players do it. A stamp that is no time is ignored and its
line kept without times.
"""

import re
from dataclasses import dataclass, field

from stages.ingest.lyrics.model import LANGUAGE, SINGER, TITLE, Line, Parsed

_TIME = r"(?:(\d{1,2}):(?=\d{1,2}:\d{1,2}[.,]))?(\d{1,3}):(\d{1,2})(?:[.,:](\d+))?"
_STAMP = re.compile(rf"\s*\[\s*{_TIME}\s*\]")
_WORD_STAMP = re.compile(rf"<\s*{_TIME}\s*>|\[\s*{_TIME}\s*\]")
_TAG = re.compile(
    r"\s*\[\s*(?:(ti|ar|al|au|by|re|ve|la|lang|language|offset|length)\s*:(.*)|([A-Za-z#_]+):[^\]]*)\]\s*$", re.I
)
# Short fields around colons or dots, whatever they hold ([xx:yy.zz], [00:75.00], [0O:12.3]), or a lost bracket.
_BROKEN_STAMP = re.compile(r"\s*(?:\[[\w\-]{0,3}[:;.][\w\-]{1,3}(?:[:;.,]\w{0,6})*\]|\[\d+:[\d.,:]+)")
_TAGS = {"ti": TITLE, "ar": SINGER, "la": LANGUAGE, "lang": LANGUAGE, "language": LANGUAGE}


def parse(text: str) -> Parsed:
    reader = _Reader()
    for line in text.split("\n"):
        reader.read(line)
    notes = []
    if reader.n_broken:
        notes.append(f"broken times ignored on {reader.n_broken} of {len(reader.lines)} lines")
    return Parsed(tuple(reader.shifted()), reader.tags, tuple(notes))


def _seconds(match: re.Match[str], first: int = 1) -> float | None:
    """None where the fields are no time of day: 75 seconds in a minute."""
    hours, minutes, seconds, fraction = match.group(*range(first, first + 4))
    if int(seconds) > 59:
        return None
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


@dataclass
class _Reader:
    lines: list[Line] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    offset_s: float = 0.0
    n_broken: int = 0

    def read(self, line: str) -> None:
        if tag := _TAG.match(line):
            self._tag((tag[1] or "").lower(), (tag[2] or "").strip())
            return
        starts, broken, rest = self._stamps(line)
        words = [s for m in _WORD_STAMP.finditer(rest) if (s := _seconds(m, 1 if m[2] else 5)) is not None]
        ends_with_stamp = bool(words) and rest.rstrip().endswith((">", "]"))
        text = _WORD_STAMP.sub("", rest)
        if not starts and words:
            starts = words[:1]
        if broken and not starts:
            self.n_broken += 1
        end_s = words[-1] if ends_with_stamp and len(starts) == 1 and words[-1] > starts[0] else None
        # Latest first: a line without a time that follows is then sorted behind this line's first singing.
        for start_s in sorted(starts, reverse=True):
            self.lines.append(Line(text, start_s, end_s))
        if not starts and text.strip():
            self.lines.append(Line(text))

    def _stamps(self, line: str) -> tuple[list[float], bool, str]:
        """The times a line begins with, whether one of them was broken, and what follows them."""
        starts: list[float] = []
        broken = False
        while stamp := _STAMP.match(line) or _BROKEN_STAMP.match(line):
            start_s = _seconds(stamp) if stamp.re is _STAMP else None
            if start_s is None:
                broken = True
            else:
                starts.append(start_s)
            line = line[stamp.end() :]
        return starts, broken, line

    def _tag(self, name: str, value: str) -> None:
        if name == "offset":
            match = re.fullmatch(r"([+-]?)\s*(\d{1,9})", value)
            if match:
                self.offset_s = int(match[1] + match[2]) / 1000
        elif name in _TAGS and value:
            self.tags[_TAGS[name]] = value

    def shifted(self) -> list[Line]:
        def shift(time_s: float | None) -> float | None:
            return None if time_s is None else max(time_s - self.offset_s, 0.0)

        return [Line(line.text, shift(line.start_s), shift(line.end_s)) for line in self.lines]
