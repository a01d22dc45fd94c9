"""`separate` in params.yaml, and the numbers of the small separator's training."""

from pydantic import Field

from stages.lib.config import StageConfig


class SeparateConfig(StageConfig):
    """What decides the stems."""

    model: str = Field(
        "htdemucs",
        min_length=1,
        description="A model demucs knows by name (it downloads it at first use; htdemucs, htdemucs_ft, hf://...), or "
        " a folder with one bag of weights: NAME.yaml beside SIG.safetensors, or SIG-CHECKSUM.th as demucs saves.",
    )
    overlap: float = Field(
        0.25, ge=0.0, lt=1.0, description="Part of a model segment shared with the next one (demucs' default 0.25)."
    )
    known_stems: bool = Field(True, description="Use stems that lie beside a song instead of separating it.")


class TrainerConfig(StageConfig):
    """What decides the small separator's weights; the command line's flags."""

    segment_s: float = Field(3.0, gt=0.5, le=8.0, description="Length of a training excerpt in seconds.")
    batch: int = Field(3, ge=1, description="Excerpts per step.")
    learning_rate: float = Field(3e-3, gt=0, description="Peak of the warm-up and cosine schedule (Adam).")
    warmup: int = Field(30, ge=1, description="Steps of linear warm-up.")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="Decay per step of the averaged weights that are kept.")
    clip_norm: float = Field(5.0, gt=0, description="Gradients above this norm are scaled down to it.")
    cross_share: float = Field(0.5, ge=0, le=1, description="Part of the mixtures made across songs.")
    gain_db: float = Field(4.0, ge=0, description="Stems' levels vary by a uniform draw within this many dB.")
    seed: int = Field(0, ge=0, description="Seed of weights and mixtures.")
