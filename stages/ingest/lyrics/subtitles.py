"""SubRip (.srt) and WebVTT (.vtt): cues of a time line and text lines."""

import re

from stages.ingest.lyrics import plain
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
    heads = [number for number, line in enumerate(lines) if "-->" in line]
    if not heads:
        return plain.parse("\n".join(lines))
    cues: list[Line] = []
    n_broken = 0
    for number, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        text = _cue_text(lines[number + 1 : end], last=end == len(lines), blank_ends_cue=blank_ends_cue)
        if match := arrow.match(lines[number]):
            start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
            cues.append(Line(text, start_s, end_s if end_s > start_s else None))
        else:  # times that do not read: the text stays, untimed
            n_broken += 1
            cues.append(Line(text))
    return Parsed(tuple(cues), notes=(f"broken times ignored on {n_broken} of {len(cues)} lines",) * bool(n_broken))


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
