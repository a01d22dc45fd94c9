"""A latent diffusion model small enough for tests."""

from stages.diffusion.config import DiffusionConfig, LdmConfig, UnetConfig

UNET = UnetConfig(
    channels=8, multipliers=(1, 2, 2), factors=(1, 2), blocks=(1, 1), attentions=(0, 1, 1), heads=2, groups=4,
    token_width=6,
)  # fmt: skip
LDM = LdmConfig(unet=UNET, n_codes=10, latent_width=4, hop=1024, window=16)
CONFIG = DiffusionConfig(
    unet=UNET,
    window=16,
    n_steps=6,
    batch_size=4,
    learning_rate=2e-3,
    warmup_steps=2,
    block_clips=2,
    block_steps=3,
    log_every_steps=1,
)
