"""params.yaml's section `diffusion`. Lengths are latent frames (43.07 a second) unless the name says otherwise."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from stages.lib.config import StageConfig

Multiplier = Annotated[int, Field(ge=1, le=32)]


class UnetConfig(StageConfig):
    """The U-Net's shape. Defaults are Stable Audio 1.0's (PAPER A.3); one multiplier more than factors: the first is
    that of the level in front of all downsampling."""

    channels: int = Field(default=256, ge=4, description="Width that the multipliers multiply (paper: 256).")
    multipliers: tuple[Multiplier, ...] = Field(default=(4, 4, 4, 5, 5), min_length=2, description="Of the width.")
    factors: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        default=(1, 2, 2, 4), min_length=1, description="By which each level shortens time."
    )
    blocks: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        default=(2, 2, 2, 2), min_length=1, description="Residual blocks per level, on the way down (Stable Audio: 2)."
    )
    attentions: tuple[Annotated[int, Field(ge=0, le=16)], ...] = Field(
        default=(1, 3, 3, 3, 3), min_length=2, description="Transformer blocks per level, and in the middle."
    )
    heads: int = Field(default=16, ge=1, description="Attention heads (paper: 16).")
    groups: int = Field(default=16, ge=1, description="Of group norm (Stable Audio: 16); divides every width.")
    token_width: int = Field(default=256, ge=1, description="Width of a semantic token's embedding (ours).")

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(self.channels * multiplier for multiplier in self.multipliers)

    @property
    def shortening(self) -> int:
        """Latent frames per frame of the lowest level: lengths must be multiples of it."""
        product = 1
        for factor in self.factors:
            product *= factor
        return product

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n = len(self.factors)
        for name, length in (("multipliers", n + 1), ("attentions", n + 1), ("blocks", n)):
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} needs {length} values for {n} factors, got {len(getattr(self, name))}")
        for width in self.widths:
            if width % self.groups or width % self.heads:
                raise ValueError(f"channels x multiplier = {width} must be divisible by groups and by heads")
        return self


class LdmConfig(StageConfig):
    """What the model is built from; saved as its config.json."""

    unet: UnetConfig = UnetConfig()
    n_codes: int = Field(default=16_384, ge=1, description="Semantic tokens; one more id stands for none.")
    latent_width: int = Field(default=32, ge=1, description="Numbers per latent frame (paper: 32).")
    hop: int = Field(default=1024, ge=1, description="Samples at 44.1 kHz per latent frame (paper: 1024).")
    window: int = Field(default=1292, ge=16, description="Latent frames that it was trained on at a time.")


class DiffusionConfig(StageConfig):
    """Section `diffusion`. Defaults are the paper's sizes where it names them, else ours; params.yaml is tiny."""

    unet: UnetConfig = UnetConfig()
    window: int = Field(default=1292, ge=16, description="Latent frames per training example (1292: 30 s).")
    condition_dropout: float = Field(default=0.1, ge=0, le=1, description="Share trained without tokens (ours).")
    n_steps: int = Field(default=500_000, ge=1, description="Training steps.")
    batch_size: int = Field(default=16, ge=1, description="Examples per step and process.")
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="Peak.")
    final_learning_rate: float = Field(default=1e-6, ge=0, lt=1, description="At the end of the cosine.")
    warmup_steps: int = Field(default=1000, ge=0, description="Linear rise to the peak.")
    betas: tuple[float, float] = Field(default=(0.9, 0.99), description="AdamW's.")
    weight_decay: float = Field(default=1e-2, ge=0, le=1, description="AdamW's.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    ema_decay: float = Field(default=0.9995, ge=0, lt=1, description="Of the averaged weights that are saved.")
    block_clips: int = Field(default=4096, ge=1, description="Clips held in memory at a time, 0.3 MB each at 30 s.")
    block_steps: int = Field(default=1000, ge=1, description="Steps before they are exchanged for others.")
    log_every_steps: int = Field(default=50, ge=1, description="Steps between two rows of metrics.")
    checkpoint_every_s: float = Field(default=600, gt=0, description="Seconds between two checkpoints.")
    precision: str = Field(default="bf16-mixed", description="Lightning Fabric's word, on GPUs; CPUs use 32-true.")
    seed: int = Field(default=0, ge=0, description="Of everything random.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.window % self.unet.shortening:
            raise ValueError(f"window must be a multiple of the factors' product {self.unet.shortening}")
        return self
