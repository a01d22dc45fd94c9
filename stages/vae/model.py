"""The autoencoder as stages use it: audio to normalised latents and back, at any length in bounded memory.

Shapes: B batch, T samples, N latent frames, Z latent width. N = ceil(T / hop); audio is padded with zeros to whole
frames. `z` are latents of zero mean and unit variance per channel, as the diffusion model sees them.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from stages.vae.config import AutoencoderConfig
from stages.vae.layers import bake_weight_norm
from stages.vae.oobleck import Decoder, Encoder, Gaussian, decoder_context, encoder_context


class Autoencoder(nn.Module, PyTorchModelHubMixin):
    """Oobleck. `Autoencoder(config)`, or `Autoencoder.from_pretrained("models/vae")`."""

    mean_1Z1: Tensor
    std_1Z1: Tensor

    def __init__(self, config: AutoencoderConfig | dict[str, Any]):
        super().__init__()
        self.config = config = AutoencoderConfig.model_validate(config)
        self.encoder = Encoder(config.encoder_widths, config.strides, config.encoder_units, config.latent_width)
        self.decoder = Decoder(config.decoder_widths, config.strides, config.decoder_units, config.latent_width)
        if not config.weight_norm:
            bake_weight_norm(self)
        mean, std = config.latent_mean or [0.0] * config.latent_width, config.latent_std or [1.0] * config.latent_width
        self.register_buffer("mean_1Z1", torch.tensor(mean)[None, :, None], persistent=False)
        self.register_buffer("std_1Z1", torch.tensor(std)[None, :, None], persistent=False)

    def forward(self, x_BT: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Gaussian]:
        """Reconstruction from a sample of the posterior, and the posterior; T a multiple of the hop (training)."""
        posterior = self.encoder(x_BT)
        return self.decoder(posterior.sample(generator)), posterior

    def n_latents(self, n_samples: int) -> int:
        return math.ceil(n_samples / self.config.hop)

    @torch.inference_mode()
    def encode(self, x_BT: Tensor, chunk_frames: int = 512) -> Tensor:
        """z_BZN: normalised posterior means. Chunk by chunk, with enough context that the chunks cannot be told."""
        hop, n_frames = self.config.hop, self.n_latents(x_BT.shape[1])
        context = math.ceil(encoder_context(self.config.strides, self.config.encoder_units) / hop)
        x_BT = F.pad(x_BT, (0, n_frames * hop - x_BT.shape[1]))
        parts = []
        for begin in range(0, n_frames, chunk_frames):
            left, end = max(begin - context, 0), min(begin + chunk_frames, n_frames)
            mean_BZN = self.encoder(x_BT[:, left * hop : (end + context) * hop]).mean_BZN
            parts.append(mean_BZN[:, :, begin - left : end - left])
        return (torch.cat(parts, 2) - self.mean_1Z1) / self.std_1Z1

    @torch.inference_mode()
    def decode(self, z_BZN: Tensor, chunk_frames: int = 512) -> Tensor:
        """x_BT, T = N x hop. Chunk by chunk, like `encode`."""
        hop, n_frames = self.config.hop, z_BZN.shape[2]
        context = decoder_context(self.config.strides, self.config.decoder_units)
        z_BZN = z_BZN * self.std_1Z1 + self.mean_1Z1
        parts = []
        for begin in range(0, n_frames, chunk_frames):
            left, end = max(begin - context, 0), min(begin + chunk_frames, n_frames)
            x_BT = self.decoder(z_BZN[:, :, left : end + context])
            parts.append(x_BT[:, (begin - left) * hop : (end - left) * hop])
        return torch.cat(parts, 1)
