"""The `segment` section of params.yaml."""

from typing import Literal

from pydantic import Field, model_validator

from stages.contract.records import MAX_CLIP_S
from stages.lib.config import StageConfig


class SegmentConfig(StageConfig):
    """What decides where clips begin and end, and which sentences they hold."""

    vad: str = Field(
        "pyannote/voice-activity-detection",
        min_length=1,
        description="A pyannote pipeline of the hub, or a folder with config.yaml or pytorch_model.bin.",
    )
    vad_digest: str = Field(
        "",
        pattern="^([0-9a-f]{64})?$",
        description="SHA-256 of a local vad folder's weights, which are a pickle; without it none is loaded.",
    )
    vad_onset: float = Field(0.5, gt=0, lt=1, description="A region of voice begins above this probability.")
    vad_offset: float = Field(0.4, gt=0, lt=1, description="It ends below this one (at most vad_onset).")
    vad_min_on_s: float = Field(0.1, ge=0, le=1, description="Shorter regions of voice are dropped (seconds).")
    vad_min_off_s: float = Field(0.1, ge=0, le=1, description="Shorter silences are filled (seconds).")
    vad_gate_db: float = Field(
        -30.0, ge=-90, le=0, description="Singing this far below the song's loud singing is leakage (dB)."
    )
    vad_step_s: float = Field(2.5, gt=0, le=5, description="Hop of the VAD's window (seconds), for a model folder.")

    aligner: str = Field(
        "uniform",
        min_length=1,
        description="Who times untimed lyrics: a folder with a model of ours (train_aligner); mms_fa or wav2vec2 "
        "(torchaudio's, downloaded); whisper:NAME (needs stable-ts); uniform: by length over the singing, never sure.",
    )
    star: float = Field(1.5, gt=0, le=20, description="Price of a frame of singing that is not in the lyrics (nats).")
    skip: float = Field(2.5, gt=0, le=50, description="Price of a line that is not sung, per phone (nats).")
    min_confidence: float = Field(
        0.3, ge=0, le=1, description="Sentences aligned with less confidence are dropped; 0 keeps all."
    )
    min_matched: float = Field(
        0.3, ge=0, le=1, description="Share of a song's sentences that must be found; below, its lyrics do not match."
    )
    mismatch: Literal["keep_audio", "drop"] = Field(
        "keep_audio", description="A song whose lyrics do not match keeps its clips without lyrics, or is dropped."
    )
    timed_agreement: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Given times are trusted where they cover singing, and it them, to this degree (F1).",
    )

    max_clip_s: float = Field(MAX_CLIP_S, ge=2, le=MAX_CLIP_S, description="Longest clip (seconds, paper: 30).")
    min_clip_s: float = Field(2.0, ge=0.5, le=10, description="Shorter rests of a song make no clip (seconds).")
    min_gap_s: float = Field(0.15, ge=0.02, le=2, description="Shortest silence that invites a cut (seconds).")
    max_unexplained: float = Field(
        0.5, ge=0, le=1, description="A clip with a larger share of singing outside its sentences loses them."
    )

    @model_validator(mode="after")
    def _check(self) -> "SegmentConfig":
        if self.vad_offset > self.vad_onset:
            raise ValueError("vad_offset exceeds vad_onset")
        if self.min_clip_s * 2 > self.max_clip_s:
            raise ValueError("min_clip_s must be at most half of max_clip_s")
        return self
