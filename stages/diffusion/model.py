"""The latent diffusion model: a U-Net over latents beside embedded tokens.

Shapes: B batch, T token frames (50 Hz), N latent frames (43.07 Hz), C channels, Z latent width, E token width.
"""

import math
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from stages.contract.tokens import SAMPLES_PER_TOKEN
from stages.diffusion.config import LdmConfig
from stages.diffusion.unet import Unet


def n_latents(n_tokens: int, hop: int) -> int:
    """Latent frames that cover n_tokens tokens."""
    return math.ceil(n_tokens * SAMPLES_PER_TOKEN / hop)


def alignment(n_tokens: int, hop: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """(left_N, right_N, weight_N): the tokens on either side of each latent frame's centre, and how much the right
    one counts (linear interpolation from 50 Hz to 43.07 Hz; the ends are held)."""
    centre_N = (torch.arange(n_latents(n_tokens, hop), device=device, dtype=torch.float64) + 0.5) * hop
    position_N = (centre_N / SAMPLES_PER_TOKEN - 0.5).clamp(0, n_tokens - 1)
    left_N = position_N.floor().long()
    return left_N, (left_N + 1).clamp(max=n_tokens - 1), (position_N - left_N).float()


class LatentDiffusion(nn.Module, PyTorchModelHubMixin):
    """Predicts v from noisy latents, time and tokens. One model for the three streams (paper)."""

    def __init__(self, config: LdmConfig | dict[str, Any]):
        super().__init__()
        self.config = config = LdmConfig.model_validate(config)
        self.embedding = nn.Embedding(config.n_codes + 1, config.unet.token_width)
        self.unet = Unet(config.unet, config.latent_width + config.unet.token_width, config.latent_width)

    @property
    def null(self) -> int:
        """The id that stands for no token, for guidance."""
        return self.config.n_codes

    def forward(self, z_BZN: Tensor, t_B: Tensor, left_BN: Tensor, right_BN: Tensor, weight_BN: Tensor) -> Tensor:
        """v_BZN; tokens as `alignment` lays them beside the latents."""
        condition_BNE = torch.lerp(self.embedding(left_BN), self.embedding(right_BN), weight_BN[:, :, None])
        return self.unet(torch.cat([z_BZN, condition_BNE.transpose(1, 2)], 1), t_B)

    @torch.no_grad()
    def begin_embedding(self, mean_VZ: Tensor, seen_V: Tensor) -> None:
        """Let each code's embedding begin with the mean latent of the frames that carry it in the training data
        (ours): the U-Net then starts from a rough guess of the answer. `seen_V`: codes that occur there."""
        n = min(self.config.latent_width, self.config.unet.token_width)
        self.embedding.weight[: self.config.n_codes, :n] = torch.where(seen_V[:, None], mean_VZ, 0.0)[:, :n]
        self.embedding.weight[self.null, :n] = 0
