"""A VAE small enough for tests: hop 32, a few thousand parameters."""

from stages.vae.config import AutoencoderConfig, DiscriminatorConfig, LossConfig, VaeConfig

MODEL = AutoencoderConfig(
    latent_width=4,
    strides=(4, 8),
    encoder_widths=(4, 8, 16),
    decoder_widths=(4, 8, 16),
    encoder_units=(1, 2),
    decoder_units=(1, 2),
)
DISCRIMINATORS = DiscriminatorConfig(
    periods=(2, 3), period_widths=(4, 8), fft_sizes=(128,), band_edges=(0, 0.3, 1), band_width=4
)
CONFIG = VaeConfig(
    model=MODEL,
    discriminators=DISCRIMINATORS,
    losses=LossConfig(mel_fft_sizes=(512, 128), mel_bands=(20, 8)),
    n_steps=6,
    adversarial_from_step=2,
    batch_size=2,
    crop_samples=2048,
    learning_rate=2e-3,
    warmup_steps=2,
    final_learning_rate=1e-4,
    block_clips=2,
    block_steps=3,
    log_every_steps=1,
)
