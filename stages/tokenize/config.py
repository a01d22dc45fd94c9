"""Sections `codebook` and `tokenize` of params.yaml, and what the saved codebook is built from. Knows no torch."""

from typing import Self

from pydantic import Field, model_validator

from stages.contract.tokens import SpecialTokens
from stages.lib.config import StageConfig


class QuantizerConfig(StageConfig):
    """The learned VQ. The paper: layer 14 of 24, 16384 codes of 32 dimensions; how it was trained is ours."""

    layer: int = Field(default=2, ge=0, le=64, description="Conformer blocks before the features that are quantized")
    n_codes: int = Field(default=256, ge=2, le=65_530, description="codes: the vocabulary of the language model")
    codebook_dim: int = Field(default=16, ge=1, le=1024, description="dimensions of a code")
    decay: float = Field(default=0.95, ge=0, lt=1, description="memory of the codes' moving average, per step")
    dead_code_threshold: float = Field(
        default=2.0, ge=0, description="a code with fewer frames per step, by moving average, moves onto a frame"
    )
    kmeans_iters: int = Field(default=20, ge=1, le=1000, description="rounds of k-means for the first codes")
    feature_weight: float = Field(default=1.0, ge=0, description="of the features' reconstruction in the loss")
    mel_weight: float = Field(
        default=0.0,
        ge=0,
        description="of the log-mel's; a codebook over a short-trained encoder needs it",
    )
    commitment_weight: float = Field(default=0.25, ge=0, description="pull of a frame towards its code, in the loss")

    @model_validator(mode="after")
    def _fits_uint16(self) -> Self:
        SpecialTokens(self.n_codes)
        if self.feature_weight + self.mel_weight == 0:
            raise ValueError("feature_weight and mel_weight must not both be 0")
        return self


class CodebookConfig(QuantizerConfig):
    """Section `codebook`: the VQ and its training."""

    n_clips: int = Field(default=400, ge=1, description="clips of the train split that are listened to")
    n_features: int = Field(default=100_000, ge=1, description="frames kept of them, drawn evenly: the reservoir")
    kmeans_frames: int = Field(default=30_000, ge=1, description="frames that k-means looks at (memory: x n_codes)")
    batch_size: int = Field(default=4096, ge=1, description="frames per step")
    n_steps: int = Field(default=150, ge=1, description="optimizer steps after k-means")
    learning_rate: float = Field(default=1e-3, gt=0, le=0.1, description="peak, for the projections; cosine to zero")
    windows_per_batch: int = Field(default=8, ge=1, le=4096, description="windows encoded at once")
    seed: int = Field(default=0, ge=0, description="of clips, frames and first codes")
    precision: str = Field(default="32-true", description="Lightning Fabric's, on a GPU; a CPU trains in 32-true")
    log_every: int = Field(default=10, ge=1, description="steps between two lines of metrics")

    @model_validator(mode="after")
    def _enough_features(self) -> Self:
        if min(self.n_features, self.kmeans_frames) < self.n_codes:
            raise ValueError(f"n_features and kmeans_frames must be at least n_codes ({self.n_codes})")
        return self


class SavedCodebookConfig(QuantizerConfig):
    """`models/codebook/config.json`."""

    width: int = Field(ge=1, description="features per frame of the encoder that it belongs to")
    n_mels: int = Field(ge=1, description="mel bands of that encoder")


class TokenizeConfig(StageConfig):
    """Section `tokenize`."""

    windows_per_batch: int = Field(default=8, ge=1, le=4096, description="windows encoded at once")
