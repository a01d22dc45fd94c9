"""The section `ingest` of params.yaml."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from stages.contract.digests import digest
from stages.lib.config import StageConfig

# Where the songs are and how many fill a shard changes no song's record.
_NOT_SCIENCE = {"songs", "shard_size"}


class IngestConfig(StageConfig):
    """Where the songs are, and the rules by which one is left out."""

    songs: Path = Field(Path("data/demo_songs"), description="Folder of songs, or a CSV or JSONL manifest.")
    shard_size: int = Field(8, ge=1, le=100_000, description="Songs that fill a shard; 512 for a large corpus.")
    valid_fraction: float = Field(0.1, ge=0, lt=1, description="Share of songs held out for validation (0 to 1).")
    test_fraction: float = Field(0.2, ge=0, lt=1, description="Share of songs held out for tests (0 to 1).")

    min_s: float = Field(5.0, ge=0.1, description="A shorter song is dropped (seconds).")
    max_s: float = Field(1200.0, gt=0, description="A longer file is dropped: no single song (seconds).")
    min_sample_rate_hz: int = Field(16_000, ge=1, description="A lower sample rate is dropped (hertz).")
    min_level_dbfs: float = Field(
        -50.0, ge=-120, le=0, description="Silence: a song whose loudest 0.4 s stays under this RMS level (dBFS)."
    )
    max_silent_fraction: float = Field(
        0.8, ge=0, le=1, description="Mostly silence: more of the song than this lies under -60 dBFS (0 to 1)."
    )
    max_clipped_fraction: float = Field(
        0.02, ge=0, le=1, description="Clipping: more samples than this stand at full scale in a row (0 to 1)."
    )
    languages: tuple[str, ...] = Field(
        (), description="Languages of lyrics to keep, as codes ([en, zh]); empty: all. Songs without lyrics stay."
    )
    language_probability: float = Field(
        0.9, ge=0, le=1, description="How sure the detector must be to contradict the declared language (0 to 1)."
    )
    language_letters: int = Field(
        100, ge=20, description="Letters of lyrics from which on the detector may contradict the declared language."
    )
    near_duplicates: bool = Field(True, description="Drop other copies of a recording, found by fingerprint.")
    near_duplicate_error: float = Field(
        0.3, ge=0, le=0.5, description="Fingerprints with fewer unequal bits are one recording (0 to 0.5 = chance)."
    )
    near_duplicate_overlap: float = Field(
        0.5, gt=0, le=1, description="Share of the shorter recording that must lie within the longer (0 to 1)."
    )
    near_duplicate_length: float = Field(
        0.5, ge=0, le=1, description="A recording shorter than this share of the other is an excerpt, and stays."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_s <= self.min_s:
            raise ValueError(f"max_s ({self.max_s:g}) must be larger than min_s ({self.min_s:g})")
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction and test_fraction must leave songs to train on: their sum is 1 or more")
        return self

    @property
    def science(self) -> dict[str, Any]:
        """What decides a song's record."""
        return self.model_dump(mode="json", exclude=_NOT_SCIENCE)

    @property
    def digest(self) -> str:
        return digest(self.science)
