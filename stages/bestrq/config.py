"""Section `bestrq` of params.yaml, and what the saved encoder is built from. Knows no torch."""

from typing import Self

from pydantic import Field, model_validator

from stages.contract.tokens import FRAME_RATE_HZ
from stages.lib.config import StageConfig


class EncoderConfig(StageConfig):
    """The log-mel, the Conformer and the random-projection quantizer: all that is in the checkpoint.

    From the paper: 24 kHz, 80 bands, hop 480, width 1024, 1024 random codes. From the libraries it built on: 24
    layers, 16 heads, kernel 5, random codes of 16 dimensions. Ours: the rest.
    """

    sample_rate_hz: int = Field(default=24_000, ge=8_000, le=48_000, description="what the audio is resampled to, Hz")
    n_mels: int = Field(default=80, ge=8, le=256, description="mel bands")
    n_fft: int = Field(
        default=1024, ge=64, le=8192, description="window of the spectrum, samples; wider resolves pitch finer"
    )
    hop: int = Field(
        default=480, ge=1, description="samples per frame; sample_rate_hz / hop must be 50, the token rate"
    )
    floor_db: float = Field(
        default=-80.0, ge=-140, le=-20, description="quieter mels count as this; a full-scale sine is 0 dB"
    )
    width: int = Field(default=128, ge=8, le=4096, description="features per frame")
    n_layers: int = Field(default=3, ge=1, le=64, description="Conformer blocks")
    n_heads: int = Field(
        default=4, ge=1, le=64, description="attention heads; width / n_heads must be even (rotary positions)"
    )
    ffn_multiple: int = Field(default=4, ge=1, le=8, description="inner width of a feed-forward, in widths")
    conv_kernel: int = Field(default=5, ge=1, le=63, description="frames that the depthwise convolution sees, odd")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="after every sub-layer")
    n_targets: int = Field(default=1024, ge=2, le=65_536, description="random codes to predict")
    target_dim: int = Field(
        default=16, ge=1, le=256, description="dimensions that a mel frame is randomly projected to"
    )
    window_s: float = Field(
        default=10.0, gt=0.5, le=120, description="audio encoded at once: the training crop as well, s"
    )
    margin_s: float = Field(default=1.0, ge=0, le=10, description="context on each side of a window in longer audio, s")
    mel_mean: tuple[float, ...] = Field(
        default=(), description="mean log-mel per band, measured by the training command"
    )
    mel_std: tuple[float, ...] = Field(default=(), description="its standard deviation, measured likewise")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sample_rate_hz != self.hop * FRAME_RATE_HZ:
            raise ValueError(f"hop must be sample_rate_hz / {FRAME_RATE_HZ}, got {self.hop} of {self.sample_rate_hz}")
        if self.n_fft < self.hop or (self.n_fft - self.hop) % 2:
            raise ValueError(f"n_fft must be at least hop and differ from it by an even number, got {self.n_fft}")
        if self.width % (2 * self.n_heads):
            raise ValueError(f"width must be a multiple of 2 x n_heads, got {self.width} and {self.n_heads} heads")
        if self.conv_kernel % 2 == 0:
            raise ValueError(f"conv_kernel must be odd, got {self.conv_kernel}")
        if 3 * self.margin_s >= self.window_s:
            raise ValueError(f"margin_s must stay under a third of window_s, got {self.margin_s} of {self.window_s}")
        if any(len(values) not in (0, self.n_mels) for values in (self.mel_mean, self.mel_std)):
            raise ValueError("mel_mean and mel_std are measured, one value per band: leave them out of params.yaml")
        return self

    @property
    def window_frames(self) -> int:
        return round(self.window_s * FRAME_RATE_HZ)

    @property
    def margin_frames(self) -> int:
        return round(self.margin_s * FRAME_RATE_HZ)


class BestRQConfig(StageConfig):
    """How the encoder is trained. The paper gives no recipe: masks are BEST-RQ's own, numbers ours."""

    encoder: EncoderConfig = Field(default=EncoderConfig(), description="the model")
    masked_fraction: float = Field(default=0.4, gt=0, lt=1, description="share of frames under a mask")
    mask_span_s: float = Field(default=0.4, ge=0.02, le=5, description="length of one mask, s (BEST-RQ: 0.4)")
    mask_noise_std: float = Field(default=0.1, ge=0, le=1, description="noise under the mask, in deviations of the mel")
    unmasked_weight: float = Field(
        default=0.0, ge=0, le=10, description="weight of the same loss at frames without a mask; 0: BEST-RQ's own"
    )
    batch_size: int = Field(default=8, ge=1, le=4096, description="windows per step and process")
    n_steps: int = Field(default=400, ge=1, description="optimizer steps")
    learning_rate: float = Field(default=1e-3, gt=0, le=0.1, description="peak of the schedule")
    warmup_steps: int = Field(default=40, ge=0, description="steps of linear warm-up; a cosine to zero follows")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="AdamW's")
    grad_clip: float = Field(default=1.0, gt=0, description="largest norm of a step's gradient")
    seed: int = Field(default=0, ge=0, description="of weights, crops and masks")
    precision: str = Field(default="32-true", description="Lightning Fabric's, on a GPU; a CPU trains in 32-true")
    n_statistics_clips: int = Field(default=400, ge=1, description="clips that the mel statistics are measured on")
    cache_gb: float = Field(default=2.0, ge=0, description="log-mels kept in memory by each loader, GB")
    n_workers: int = Field(default=0, ge=0, le=256, description="loader processes; 0 loads between steps")
    log_every: int = Field(default=10, ge=1, description="steps between two lines of metrics")
    n_valid_batches: int = Field(default=8, ge=1, description="batches of the valid split measured at the end")
    min_targets_used: float = Field(
        0.05, ge=0, le=1, description="share of the random codes that the data must reach, else training is refused"
    )
    checkpoint_interval_s: float = Field(default=60.0, ge=0, description="seconds between two saved states")

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> Self:
        if self.warmup_steps > self.n_steps:
            raise ValueError(f"warmup_steps must not exceed n_steps, got {self.warmup_steps} of {self.n_steps}")
        return self

    @property
    def mask_span_frames(self) -> int:
        return max(1, round(self.mask_span_s * FRAME_RATE_HZ))
