"""The `evaluate` section of params.yaml: how much is measured, and the settings that a figure depends on."""

from pydantic import Field

from stages.lib.config import StageConfig


class McdConfig(StageConfig):
    """Mel-cepstral distortion. The paper gives no recipe: all of this is ours, and printed with the figure."""

    sample_rate_hz: int = Field(default=24_000, ge=8_000, le=48_000, description="audio is resampled to this first")
    frame_s: float = Field(default=0.005, gt=0, le=0.05, description="seconds between two frames")
    order: int = Field(default=24, ge=1, le=60, description="cepstral coefficients 1..order; c0, loudness, is left out")
    alpha: float = Field(default=0.466, gt=0, lt=1, description="frequency warping: near the mel scale at 24 kHz")
    silence_db: float = Field(default=-50.0, lt=0, description="frames this far below the loudest one are masked")
    floor_db: float = Field(default=-80.0, lt=0, description="spectra are floored this far below their own maximum")


class EvaluateConfig(StageConfig):
    """How much of the test split is measured."""

    seed: int = Field(default=0, ge=0, description="of the bootstrap and of every draw")
    n_bootstrap: int = Field(default=500, ge=10, description="resamples behind each 95 % interval")
    max_clips: int = Field(default=12, ge=1, description="test clips measured for each model's own figures, at most")
    clip_s: float = Field(default=8.0, gt=0.5, le=30, description="seconds of each of them")
    probe_clips: int = Field(default=40, ge=1, description="clips of each split behind the tokens' probes, at most")
    fad_reference_s: float = Field(default=240.0, gt=1, description="seconds of true audio per stream behind FAD")
    mcd: McdConfig = McdConfig()
