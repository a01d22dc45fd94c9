"""The records that travel through the pipeline: Song -> Clip -> TokenClip, and the Sentences they hold.

Every record checks itself when it is built, so a bad one dies where it was made, with the field's name.
Units stand in the names: `_s` seconds, `_hz` hertz, `n_frames` token frames at 50 Hz.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

STREAMS = ("song", "vocals", "accompaniment")
SPLITS = ("train", "valid", "test")
MAX_CLIP_S = 30.0  # PAPER §4.1: clips of at most 30 s


class RecordError(ValueError):
    """A record that breaks the contract: the message names the record, the field and what it must be."""


def _require(holds: bool, record: object, field: str, must: str) -> None:
    if not holds:
        raise RecordError(f"{type(record).__name__}.{field} {must}, got {getattr(record, field)!r}")


def _is_time(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


class _Json:
    """To and from the JSON that lies in the shards: sorted keys, no white space, so equal records are equal bytes."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        return cls.from_dict(json.loads(data))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise RecordError(f"{cls.__name__} has no field {', '.join(unknown)}")
        return cls(**values)


@dataclass(frozen=True)
class Sentence(_Json):
    """One line of lyrics. Times are seconds from the start of its song or clip, both None when not known."""

    text: str
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None  # of the times, 0..1; None where nobody measured it

    def __post_init__(self) -> None:
        _require(bool(self.text.strip()), self, "text", "must not be empty")
        if self.start_s is not None:
            _require(_is_time(self.start_s), self, "start_s", "must be a time in seconds")
        if self.end_s is not None:
            _require(_is_time(self.end_s) and self.start_s is not None, self, "end_s", "must be a time with a start")
            _require(self.end_s > (self.start_s or 0.0), self, "end_s", "must come after start_s")
        if self.confidence is not None:
            _require(0 <= self.confidence <= 1, self, "confidence", "must lie in 0..1")

    @property
    def is_timed(self) -> bool:
        return self.start_s is not None


def _sentences(values: Any) -> tuple[Sentence, ...]:
    return tuple(value if isinstance(value, Sentence) else Sentence.from_dict(value) for value in values)


@dataclass(frozen=True)
class Song(_Json):
    """A song as ingest accepted it. `id` is the digest of its decoded samples; `path` and `stems` are relative
    to the songs folder (or absolute, from a manifest)."""

    id: str
    path: str
    title: str
    duration_s: float
    sample_rate_hz: int
    n_channels: int
    split: str
    language: str | None = None
    singer: str | None = None
    sentences: tuple[Sentence, ...] = ()
    stems: dict[str, str] | None = None  # {"vocals": path, "accompaniment": path} where the user has them

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", _sentences(self.sentences))
        _require(bool(self.id), self, "id", "must not be empty")
        _require(self.duration_s > 0, self, "duration_s", "must be positive")
        _require(self.sample_rate_hz > 0, self, "sample_rate_hz", "must be positive")
        _require(self.n_channels > 0, self, "n_channels", "must be positive")
        _require(self.split in SPLITS, self, "split", f"must be one of {SPLITS}")
        if self.stems is not None:
            _require(set(self.stems) <= {"vocals", "accompaniment"}, self, "stems", "may name vocals, accompaniment")


@dataclass(frozen=True)
class Clip(_Json):
    """At most 30 s of a song with the whole sentences it holds, times relative to the clip's start.

    Its audio lies beside it: `ID.vocals.flac` and `ID.accompaniment.flac`, mono 44.1 kHz 16 bit; the song is
    their sum, exactly.
    """

    id: str
    song_id: str
    split: str
    start_s: float  # within the song
    duration_s: float
    language: str | None = None
    singer: str | None = None
    sentences: tuple[Sentence, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", _sentences(self.sentences))
        _require(self.id.startswith(self.song_id + "-"), self, "id", "must begin with its song's id")
        _require(self.split in SPLITS, self, "split", f"must be one of {SPLITS}")
        _require(_is_time(self.start_s), self, "start_s", "must be a time in seconds")
        _require(0 < self.duration_s <= MAX_CLIP_S + 1e-6, self, "duration_s", f"must lie in 0..{MAX_CLIP_S:g} s")
        for sentence in self.sentences:
            inside = sentence.is_timed and sentence.end_s is not None and sentence.end_s <= self.duration_s + 1e-3
            _require(inside, self, "sentences", "must all be timed and end inside the clip")

    @property
    def lyrics(self) -> tuple[str, ...]:
        return tuple(sentence.text for sentence in self.sentences)


@dataclass(frozen=True)
class TokenClip(Clip):
    """A clip as semantic tokens: `ID.song.npy`, `ID.vocals.npy`, `ID.accompaniment.npy`, uint16, all n_frames long."""

    n_frames: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.n_frames > 0, self, "n_frames", "must be positive")
