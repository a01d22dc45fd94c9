"""The latent diffusion model: semantic tokens to VAE latents, one model for song, vocals and accompaniment (A.3)."""
