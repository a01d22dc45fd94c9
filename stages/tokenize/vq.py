"""The learned codebook (PAPER A.1): an encoder's features -> codes.

Shapes: N frames, D features of the encoder, F mel bands, E dimensions of a code, V codes.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from stages.tokenize.config import SavedCodebookConfig

DISTANCES_AT_ONCE = 1 << 24  # frames x codes held in memory: 64 MB
RIDGE = 1e-3  # of the first projections, as a share of the features' variance


class Losses(NamedTuple):
    """Mean squared errors of the standardised features and log-mels (1: no better than their means), and the pull
    towards the codes, with its weight."""

    features: Tensor
    mel: Tensor
    commitment: Tensor


class Codebook(nn.Module, PyTorchModelHubMixin):
    """Standardise, project down, take the nearest code. `encode` is what the tokenizer uses; `forward` trains."""

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
        self.mel_head = nn.Linear(c.width, c.n_mels)

    @property
    def n_codes(self) -> int:
        return self.config.n_codes

    @property
    def codes_VE(self) -> Tensor:
        return self.vq.codebook

    def standardise(self, features_ND: Tensor) -> Tensor:
        return (features_ND - self.feature_mean_D) / self.feature_std_D

    def forward(self, features_ND: Tensor, mel_NF: Tensor) -> Losses:
        """Quantize and reconstruct features and standardised log-mels; in training mode the codes move too."""
        x_ND = self.standardise(features_ND)
        quantized, _, commitment = self.vq(x_ND[None])
        return Losses(F.mse_loss(quantized[0], x_ND), F.mse_loss(self.mel_head(quantized[0]), mel_NF), commitment)

    def weighted(self, losses: Losses) -> Tensor:
        c = self.config
        return c.feature_weight * losses.features + c.mel_weight * losses.mel + losses.commitment

    @torch.no_grad()
    def encode(self, features_ND: Tensor) -> Tensor:
        """N codes. The same as the library's forward in eval mode, without its one-hot over all codes."""
        codes_VE = self.codes_VE
        half_square_V = codes_VE.square().sum(-1) / 2
        parts = self.standardise(features_ND).split(max(1, DISTANCES_AT_ONCE // self.n_codes))
        return torch.cat([(self.vq.project_in(part) @ codes_VE.T - half_square_V).argmax(-1) for part in parts])

    @torch.no_grad()
    def decode(self, codes_N: Tensor) -> tuple[Tensor, Tensor]:
        """What a code stands for: standardised features ND and log-mels NF."""
        x_ND = self.vq.project_out(self.codes_VE[codes_N])
        return x_ND, self.mel_head(x_ND)

    @torch.no_grad()
    def fit_projections(self, features_ND: Tensor, mel_NF: Tensor) -> None:
        """Measure mean and deviation, and begin where codes without end would end: at the projection of E dimensions
        from which features and log-mels, by their weights, are best told (reduced-rank regression; ours)."""
        self.feature_mean_D.copy_(features_ND.mean(0))
        self.feature_std_D.copy_(features_ND.std(0).clamp_min(1e-5))
        x_ND, c = self.standardise(features_ND).double(), self.config
        mel_NF = mel_NF.double()
        if self.vq.has_projections:
            wanted = [(x_ND, c.feature_weight / c.width), (mel_NF - mel_NF.mean(0), c.mel_weight / c.n_mels)]
            down_DE = reduced_rank(x_ND, torch.cat([y * weight**0.5 for y, weight in wanted], 1), c.codebook_dim)
            _set(self.vq.project_in, down_DE, torch.zeros(c.codebook_dim))
            x_ND = _regress_into(self.vq.project_out, x_ND @ down_DE, x_ND)
        _regress_into(self.mel_head, x_ND, mel_NF)


def reduced_rank(x_ND: Tensor, y_NY: Tensor, rank: int) -> Tensor:
    """D x rank: the projection of x from which y is best told linearly; both have mean 0. With y = x, the principal
    components."""
    coefficients_DY = _ridge(x_ND, y_NY)
    told_NY = x_ND @ coefficients_DY
    _, vectors_YY = torch.linalg.eigh(told_NY.T @ told_NY)  # ascending
    down_DE = coefficients_DY @ vectors_YY[:, -rank:]
    signs_E = torch.sign(down_DE.gather(0, down_DE.abs().argmax(0, keepdim=True)))  # eigh leaves signs open
    return down_DE * signs_E / (x_ND @ down_DE).std().clamp_min(1e-12)


def _ridge(x_ND: Tensor, y_NY: Tensor) -> Tensor:
    ridge_DD = RIDGE * len(x_ND) * torch.eye(x_ND.shape[1]).to(x_ND)
    return torch.linalg.solve(x_ND.T @ x_ND + ridge_DD, x_ND.T @ y_NY)


def _regress_into(layer: nn.Module, x_ND: Tensor, y_NY: Tensor) -> Tensor:
    """Set a linear layer to the regression of y on x (mean 0), and return what it says."""
    weight_DY, bias_Y = _ridge(x_ND, y_NY), y_NY.mean(0)
    _set(layer, weight_DY, bias_Y)
    return x_ND @ weight_DY + bias_Y


def _set(layer: nn.Module, weight_DY: Tensor, bias_Y: Tensor) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight.copy_(weight_DY.T)
    layer.bias.copy_(bias_Y)
