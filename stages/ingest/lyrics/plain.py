"""Plain text: one line, one sentence, no times."""

from stages.ingest.lyrics.model import Line, Parsed


def parse(text: str) -> Parsed:
    return Parsed(tuple(Line(line) for line in text.split("\n") if line.strip()))
