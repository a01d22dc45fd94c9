"""The `report` section of params.yaml."""

from pydantic import Field

from stages.lib.config import StageConfig


class ReportConfig(StageConfig):
    """How large the page is."""

    curves_points: int = Field(default=200, ge=10, le=5000, description="points of a training curve at most")
    mp3_quality: float = Field(default=0.6, ge=0, le=1, description="of the players' MP3s: 0 best, 1 smallest")
    listed_songs: int = Field(default=40, ge=0, description="dropped and failed songs named on the page, at most")
