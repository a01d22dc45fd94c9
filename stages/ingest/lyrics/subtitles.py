"""SubRip (.srt) and WebVTT (.vtt): cues of a time line and text lines."""

import re

from stages.ingest.lyrics.model import Line, Parsed

_DELIMITER = r"[:,.，．。：]"  # what tools and people put between the fields
_SRT_TIME = rf"(\d+){_DELIMITER}(\d+){_DELIMITER}(\d+)(?:{_DELIMITER}(\d*))?"
_VTT_TIME = r"(?:(\d+):)?(\d+):(\d+)\.(\d+)"
_INDEX = re.compile(r"\s*-?\d+(\.\d+)?\s*$")
_SPEAKER_DASH = re.compile(r"^\s*[-–—]\s+")


def parse_srt(text: str) -> Parsed:
    """Blank lines inside a cue are allowed: a cue ends where the next begins."""
    return _parse(text.split("\n"), re.compile(rf"\s*{_SRT_TIME}\s*-->\s*{_SRT_TIME}"), blank_ends_cue=False)


def parse_vtt(text: str) -> Parsed:
    return _parse(text.split("\n"), re.compile(rf"\s*{_VTT_TIME}\s*-->\s*{_VTT_TIME}"), blank_ends_cue=True)


def _parse(lines: list[str], arrow: re.Pattern[str], blank_ends_cue: bool) -> Parsed:
    arrows = [(number, match) for number, line in enumerate(lines) if (match := arrow.match(line))]
    # An arrow whose times do not read: its text stays, untimed.
    broken = [n for n, line in enumerate(lines) if "-->" in line and not arrow.match(line)]
    cues: list[Line] = []
    heads = sorted([*arrows, *((n, None) for n in broken)], key=lambda head: head[0])
    ends = [*(number for number, _ in heads[1:]), len(lines)]
    for (number, match), end in zip(heads, ends, strict=True):
        text = _cue_text(lines[number + 1 : end], last=end == len(lines), blank_ends_cue=blank_ends_cue)
        if match is None:
            cues.append(Line(text))
            continue
        start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        cues.append(Line(text, start_s, end_s if end_s > start_s else None))
    notes = (f"broken times ignored on {len(broken)} of {len(cues)} lines",) if broken else ()
    return Parsed(tuple(cues), notes=notes)


def _seconds(fields: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(value or 0) for value in fields)
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _cue_text(lines: list[str], last: bool, blank_ends_cue: bool) -> str:
    """The text between two time lines, less the second one's index or name."""
    if blank_ends_cue:
        blank = next((n for n, line in enumerate(lines) if not line.strip()), None)
        if blank is not None:
            lines = lines[:blank]
        elif not last:
            lines = lines[:-1]
    elif not last and lines and _INDEX.match(lines[-1]):
        lines = lines[:-1]
    return " ".join(_SPEAKER_DASH.sub("", line).strip() for line in lines if line.strip())
