"""The `dslm` section of params.yaml. Defaults are the paper's where it has one."""

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.lib.config import StageConfig


class ModelConfig(StageConfig):
    """Sizes (paper Table 12). There is no longest sequence: positions are rotary."""

    width: int = Field(default=1024, ge=8, le=8192, description="channels of every layer")
    n_heads: int = Field(default=16, ge=1, le=128, description="attention heads; width / n_heads must be even")
    hidden: int = Field(default=4096, ge=8, le=65536, description="channels inside a feed-forward")
    lyrics_layers: int = Field(default=4, ge=0, le=64, description="layers of the lyrics encoder")
    decoder_layers: int = Field(default=8, ge=1, le=64, description="DSLM layers of each of the two decoders")
    song_layers: int = Field(default=4, ge=0, le=64, description="layers of the song decoder")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of channels dropped after each sublayer (ours)")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % (2 * self.n_heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 * n_heads = {2 * self.n_heads}")
        return self


class DSLMConfig(ModelConfig):
    """All that a DSLM is built from: its sizes, and what it was trained to read."""

    n_codes: int = Field(ge=2, le=2**16 - 6, description="codes of the semantic tokens' codebook")
    phonemes: str = Field(description="who read the lyrics it was trained on: espeak or spelling")


class Mixture(StageConfig):
    """Shares of the three training objectives (§3.4; equal thirds are ours)."""

    lyrics_to_song: float = Field(default=1 / 3, ge=0, description="weight: both streams from lyrics")
    given_track: float = Field(default=1 / 3, ge=0, description="weight: one stream given whole, the other predicted")
    editing: float = Field(default=1 / 3, ge=0, description="weight: the other two, the target's end in front")

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.lyrics_to_song + self.given_track + self.editing <= 0:
            raise ValueError("lyrics_to_song, given_track and editing must not all be 0")
        return self


class ExamplesConfig(StageConfig):
    """How clips become training examples (§3.4)."""

    mixture: Mixture = Mixture()
    br_share: float = Field(default=0.8, ge=0, le=1, description="of lyrics-to-song with BR; the rest without BCA")
    lyrics_dropped: float = Field(default=0.2, ge=0, le=1, description="examples whose lyrics are left out whole")
    given_masked: float = Field(default=0.2, ge=0, le=1, description="of a given (NC) stream's input tokens")
    given_loss: Literal["all", "masked"] = Field(default="all", description="targets of a given stream; all: the paper")
    prompt_share: float = Field(default=0.5, ge=0, le=1, description="of examples, per stream that may have a prompt")
    prompt_s: float = Field(default=5.0, gt=0, le=30, description="seconds; a prompt is between half of this and this")
    max_clip_s: float = Field(default=30.0, gt=0, le=30, description="seconds; longer training clips are cut")


class TrainingConfig(StageConfig):
    """The training run (§4.1). Warm-up, clipping and smoothing are ours."""

    seed: int = Field(default=0, ge=0, description="of everything random")
    n_steps: int = Field(default=500_000, ge=1, description="optimizer steps")
    warmup_steps: int = Field(default=4000, ge=1, description="steps until Noam's learning rate peaks")
    noam_factor: float = Field(default=1.0, gt=0, description="learning rate = factor * Noam's")
    clips_per_batch: int = Field(default=8, ge=1, description="clips per step and GPU, at most")
    frames_per_batch: int = Field(default=14_016, ge=64, description="token frames per step and GPU, at most, padded")
    clip_gradient: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="of the cross-entropy in training")
    attention: Literal["dense", "flex"] = Field(default="dense", description="SDPA with masks, or FlexAttention (GPU)")
    precision: Literal["32-true", "bf16-mixed"] = Field(default="32-true", description="Lightning Fabric's, on a GPU")
    log_every: int = Field(default=50, ge=1, description="steps between two lines of metrics")
    n_workers: int = Field(default=0, ge=0, description="processes that make batches, per GPU; 0: none beside the loop")
    valid_every: int = Field(default=5000, ge=1, description="steps between two looks at the valid split")
    valid_clips: int = Field(default=64, ge=1, description="clips of the valid split measured each time, at most")
    checkpoint_s: float = Field(default=600.0, ge=0, description="seconds between checkpoints")


class Config(StageConfig):
    model: ModelConfig = ModelConfig()
    examples: ExamplesConfig = ExamplesConfig()
    training: TrainingConfig = TrainingConfig()
