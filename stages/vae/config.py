"""params.yaml's sections `vae` and `latents`. Rates are hertz, times seconds, lengths samples at 44.1 kHz."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.config import StageConfig

Width = Annotated[int, Field(ge=1)]
Units = Annotated[int, Field(ge=0, le=4)]
Stride = Annotated[int, Field(ge=2, le=16, multiple_of=2)]


class AutoencoderConfig(StageConfig):
    """What the model is built from; saved as its config.json. Lists run from the sample rate down."""

    latent_width: int = Field(default=32, ge=1, description="Numbers per latent frame (paper: 32).")
    strides: tuple[Stride, ...] = Field(
        default=(4, 4, 8, 8), min_length=1, description="Even; their product is the hop."
    )
    encoder_widths: tuple[Width, ...] = Field(
        default=(128, 256, 512, 1024, 2048),
        description="Channels at each level, one more than strides (paper: from 128).",
    )
    decoder_widths: tuple[Width, ...] = Field(
        default=(96, 192, 384, 768, 1536),
        description="Channels at each level, one more than strides (paper: 1536 at the top).",
    )
    encoder_units: tuple[Units, ...] = Field(
        default=(3, 3, 3, 3), description="Residual units per level, 0..4 (paper: 3)."
    )
    decoder_units: tuple[Units, ...] = Field(
        default=(3, 3, 3, 3), description="Residual units per level, 0..4 (paper: 3)."
    )
    weight_norm: bool = Field(
        default=True, description="Weights as direction and length; off in a finished model (ours)."
    )
    latent_mean: tuple[float, ...] = Field(default=(), description="Per channel, measured at the end of training.")
    latent_std: tuple[float, ...] = Field(default=(), description="Per channel, measured at the end of training.")

    @property
    def hop(self) -> int:
        """Samples per latent frame (paper: 1024)."""
        return math.prod(self.strides)

    @property
    def latent_rate_hz(self) -> float:
        return SAMPLE_RATE_HZ / self.hop

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n = len(self.strides)
        for name, length in (
            ("encoder_widths", n + 1),
            ("decoder_widths", n + 1),
            ("encoder_units", n),
            ("decoder_units", n),
        ):
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} needs {length} values for {n} strides, got {len(getattr(self, name))}")
        for name in ("latent_mean", "latent_std"):
            if len(getattr(self, name)) not in (0, self.latent_width):
                raise ValueError(f"{name} needs {self.latent_width} values or none, got {len(getattr(self, name))}")
        return self


class DiscriminatorConfig(StageConfig):
    """DAC's discriminators (PAPER A.3)."""

    periods: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        default=(2, 3, 5, 7, 11), description="Of the multi-period one."
    )
    period_widths: tuple[Width, ...] = Field(
        default=(32, 128, 512, 1024, 1024), description="Channels of its layers (DAC's)."
    )
    fft_sizes: tuple[Annotated[int, Field(ge=64)], ...] = Field(
        default=(2048, 1024, 512), description="Samples; of the multi-band STFT one."
    )
    band_edges: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(0.0, 0.1, 0.25, 0.5, 0.75, 1.0), min_length=2, description="Where its bands part, as parts of Nyquist."
    )
    band_width: Width = Field(default=32, description="Channels of its layers.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.band_edges) != sorted(set(self.band_edges)):
            raise ValueError(f"band_edges must rise, got {self.band_edges}")
        return self


class LossConfig(StageConfig):
    """Weights of the generator's losses (DAC's and Stable Audio's, PAPER A.3) and the scales of the mel loss."""

    mel: float = Field(default=15.0, ge=0, description="Log-mel L1 in decades, sum over scales.")
    waveform: float = Field(
        default=0.0, ge=0, description="L1 of samples over the batch's mean magnitude (ours; paper: none)."
    )
    kl: float = Field(default=1e-6, ge=0, description="Divergence of the latents from the standard normal.")
    adversarial: float = Field(
        default=1.0, ge=0, description="Least-squares adversarial loss, sum over discriminators."
    )
    features: float = Field(default=2.0, ge=0, description="L1 between the discriminators' features, sum over layers.")
    mel_fft_sizes: tuple[Annotated[int, Field(ge=16)], ...] = Field(
        default=(32, 64, 128, 256, 512, 1024, 2048), min_length=1, description="Samples; hop is a quarter."
    )
    mel_bands: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        default=(5, 10, 20, 40, 80, 160, 320), min_length=1, description="Mel bands at each of those sizes."
    )

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.mel_fft_sizes) != len(self.mel_bands):
            raise ValueError(f"mel_bands needs {len(self.mel_fft_sizes)} values, as mel_fft_sizes has")
        return self


class VaeConfig(StageConfig):
    """Section `vae`. Defaults are the paper's sizes; params.yaml holds the tiny ones."""

    model: AutoencoderConfig = AutoencoderConfig()
    discriminators: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    n_steps: int = Field(default=400_000, ge=1, description="Generator steps.")
    adversarial_from_step: int = Field(
        default=0, ge=0, description="First step with discriminators; n_steps or more: never."
    )
    batch_size: int = Field(default=72, ge=1, description="Crops per step and process (DAC: 72 in all).")
    crop_samples: int = Field(
        default=16_384, ge=2048, description="Length of a crop; a multiple of the hop (DAC: 0.38 s)."
    )
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="Peak, of both sides (DAC: 1e-4).")
    warmup_steps: int = Field(default=1000, ge=0, description="Linear rise to the peak (ours).")
    final_learning_rate: float = Field(default=1e-5, ge=0, lt=1, description="At the end of the cosine (ours).")
    betas: tuple[float, float] = Field(default=(0.8, 0.99), description="AdamW's (DAC).")
    gradient_clip: float = Field(default=1e3, gt=0, description="Largest norm of the generator's gradient (DAC: 1e3).")
    ema_decay: float = Field(default=0.999, ge=0, lt=1, description="Of the averaged weights that are saved (ours).")
    block_clips: int = Field(default=64, ge=1, description="Clips held in memory at a time, 5 MB each at 30 s (ours).")
    block_steps: int = Field(default=200, ge=1, description="Steps before they are exchanged for others (ours).")
    log_every_steps: int = Field(default=50, ge=1, description="Steps between two rows of metrics.")
    checkpoint_every_s: float = Field(default=600, gt=0, description="Seconds between two checkpoints.")
    precision: str = Field(default="bf16-mixed", description="Lightning Fabric's word, on GPUs; CPUs use 32-true.")
    seed: int = Field(default=0, ge=0, description="Of everything random.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.crop_samples % self.model.hop:
            raise ValueError(f"crop_samples must be a multiple of the hop {self.model.hop}, got {self.crop_samples}")
        return self


class LatentsConfig(StageConfig):
    """Section `latents`."""

    chunk_s: float = Field(
        default=10.0, gt=0, le=60, description="Seconds encoded at a time; bounds memory, not the result."
    )
