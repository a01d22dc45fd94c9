"""The `demo_songs` section of params.yaml."""

from typing import Literal

from pydantic import Field, model_validator

from stages.demo_songs.genres import SECTIONS
from stages.lib.config import StageConfig


class DemoSongsConfig(StageConfig):
    """Every song depends on `seed`, its number and these fields, never on how many songs there are."""

    n_songs: int = Field(24, ge=1, le=100_000, description="How many songs (count, 1 to 100000).")
    seed: int = Field(1, ge=0, le=2**31 - 1, description="What all songs are drawn from (0 to 2^31 - 1).")
    mandarin_every: int = Field(6, ge=0, description="Every n-th song is in Mandarin (songs; 0: none).")
    min_duration_s: float = Field(60.0, ge=0, description="Shortest song (seconds, 0 or more).")
    max_duration_s: float = Field(90.0, gt=0, le=600, description="Longest song (seconds, up to 600).")
    timed_share: float = Field(0.5, ge=0, le=1, description="Share of songs with timed lyrics, .lrc (0 to 1).")
    band: Literal["auto", "soundfont", "numpy"] = Field(
        "auto",
        description="Who plays: sampled instruments (extra `demo`), our synthesis, or the first that is installed.",
    )
    form: tuple[str, ...] = Field(
        (), description="Sections of every song, in order (letters of I V C B O); empty: the genre's own forms."
    )
    lines_per_section: int = Field(4, ge=1, le=8, description="Sung lines in a verse or chorus (count, 1 to 8).")

    @model_validator(mode="after")
    def _check(self) -> "DemoSongsConfig":
        if self.min_duration_s > self.max_duration_s:
            raise ValueError("min_duration_s exceeds max_duration_s")
        if unknown := [letter for letter in self.form if letter not in SECTIONS]:
            raise ValueError(f"form: no section {unknown[0]!r}; sections are {' '.join(SECTIONS)}")
        return self
