"""What parsers hand over (`Parsed`) and what the rest of ingest sees (`Lyrics`)."""

from dataclasses import dataclass, field

from stages.contract.records import Sentence

TITLE, SINGER, LANGUAGE = "title", "singer", "language"


@dataclass(frozen=True)
class Line:
    """One line as it stands in the file. An empty text with a start closes the line before it."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Parsed:
    """A file's lines in file order, the tags it carries (TITLE, SINGER, LANGUAGE) and what was wrong with it."""

    lines: tuple[Line, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lyrics:
    """Sentences in the order they are sung."""

    sentences: tuple[Sentence, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(sentence.text for sentence in self.sentences)

    @property
    def n_timed(self) -> int:
        return sum(sentence.is_timed for sentence in self.sentences)
