"""The learned codebook (PAPER A.1): an encoder's features -> codes.

Shapes: N frames, D features of the encoder, E dimensions of a code, V codes.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from stages.tokenize.config import SavedCodebookConfig

FRAMES_AT_ONCE = 1 << 24  # distances to all codes held at once: 64 MB


class Losses(NamedTuple):
    """Per-feature mean squared error of the standardised features (1: no better than their mean), the commitment
    term with its weight, and the codes."""

    reconstruction: Tensor
    commitment: Tensor
    codes_N: Tensor


class Codebook(nn.Module, PyTorchModelHubMixin):
    """Standardise, project down, take the nearest code."""

    feature_mean_D: Tensor
    feature_std_D: Tensor

    def __init__(self, config: SavedCodebookConfig | dict[str, Any]):
        super().__init__()
        self.config = c = SavedCodebookConfig.model_validate(config)
        self.register_buffer("feature_mean_D", torch.zeros(c.width))
        self.register_buffer("feature_std_D", torch.ones(c.width))
        self.vq = VectorQuantize(
            dim=c.width,
            codebook_size=c.n_codes,
            codebook_dim=c.codebook_dim,
            kmeans_init=True,
            kmeans_iters=c.kmeans_iters,
            decay=c.decay,
            threshold_ema_dead_code=c.dead_code_threshold,
            commitment_weight=c.commitment_weight,
        )

    @property
    def n_codes(self) -> int:
        return self.config.n_codes

    @property
    def codes_VE(self) -> Tensor:
        return self.vq.codebook

    def standardise(self, features_ND: Tensor) -> Tensor:
        return (features_ND - self.feature_mean_D) / self.feature_std_D

    @torch.no_grad()
    def fit_projections(self, features_ND: Tensor) -> None:
        """Measure mean and deviation, and begin from the principal components: in and out are then transposes, and
        nothing that 's projection keeps is lost before training starts (ours)."""
        self.feature_mean_D.copy_(features_ND.mean(0))
        self.feature_std_D.copy_(features_ND.std(0).clamp_min(1e-5))
        if not self.vq.has_projections:
            return
        x_ND = self.standardise(features_ND).double()
        _, vectors_DD = torch.linalg.eigh(x_ND.T @ x_ND)  # ascending
        top_DE = vectors_DD[:, -self.config.codebook_dim :].float()
        signs_E = torch.sign(top_DE.gather(0, top_DE.abs().argmax(0, keepdim=True)))[0]  # eigh leaves signs open
        top_DE = top_DE * signs_E
        for layer, weight in ((self.vq.project_in, top_DE.T), (self.vq.project_out, top_DE)):
            layer.weight.copy_(weight)
            layer.bias.zero_()

    def forward(self, features_ND: Tensor) -> Losses:
        """Quantize and reconstruct; in training mode the codes move too."""
        x_ND = self.standardise(features_ND)
        quantized, codes, commitment = self.vq(x_ND[None])
        return Losses(F.mse_loss(quantized[0], x_ND), commitment, codes[0])

    @torch.no_grad()
    def encode(self, features_ND: Tensor) -> Tensor:
        """N codes. The same as the library's forward in eval mode, without its one-hot over all codes."""
        codes_VE = self.codes_VE
        half_square_V = codes_VE.square().sum(-1) / 2
        parts = self.standardise(features_ND).split(max(1, FRAMES_AT_ONCE // self.n_codes))
        return torch.cat([(self.vq.project_in(part) @ codes_VE.T - half_square_V).argmax(-1) for part in parts])

    @torch.no_grad()
    def decode(self, codes_N: Tensor) -> Tensor:
        """The features a code stands for, ND."""
        return self.vq.project_out(self.codes_VE[codes_N]) * self.feature_std_D + self.feature_mean_D
