"""The `generate` section of params.yaml."""

from pydantic import Field

from stages.lib.config import StageConfig


class GenerateConfig(StageConfig):
    """How songs are made. Sampling by default as in the paper (§4.1): top-k 50 at temperature 0.9."""

    items_per_task: int = Field(default=3, ge=1, description="test clips generated for each task")
    max_s: float = Field(default=8.0, gt=1, le=30, description="seconds a test item lasts at most (whole sentences)")
    prompt_s: float = Field(default=3.0, gt=0, le=10, description="seconds of a prompt; the paper's are usually 5")
    batch: int = Field(default=4, ge=1, description="items decoded together")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of every draw; every item has its own from it")
    top_k: int = Field(default=50, ge=1, description="tokens to draw from (§4.1)")
    temperature: float = Field(default=0.9, gt=0, description="sampling temperature (§4.1)")
    sample_song: bool = Field(default=False, description="draw the song decoder's tokens too; false: argmax (ours)")
    n_steps: int = Field(default=20, ge=1, le=1000, description="diffusion sampling steps (ours)")
    guidance: float = Field(default=2.0, ge=1, description="classifier-free guidance scale; 1 is none (ours)")
    crossfade_s: float = Field(default=0.02, ge=0, le=0.5, description="seconds of crossfade at an edit's seams (ours)")
    context_s: float = Field(default=1.0, ge=0, le=30, description="seconds rendered around a new part (ours)")
    song_s: float = Field(default=30.0, gt=0, le=300, description="seconds a song lasts at most, if it does not end")
