"""The cosine schedule in continuous time and v-prediction (Salimans and Ho, arXiv 2202.00512; the paper is silent).

z_t = alpha x + sigma e, v = alpha e - sigma x, with alpha = cos(pi t / 2), sigma = sin(pi t / 2): t = 0 is clean,
t = 1 is noise. Shapes: B batch, C channels, N latent frames.
"""

import math

import torch
from torch import Tensor


def alpha_sigma(t: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cos(t * (math.pi / 2)), torch.sin(t * (math.pi / 2))


def add_noise(x_BCN: Tensor, noise_BCN: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
    """(z_BCN at time t, the v_BCN to predict)."""
    alpha_B11, sigma_B11 = alpha_sigma(t_B[:, None, None])
    return alpha_B11 * x_BCN + sigma_B11 * noise_BCN, alpha_B11 * noise_BCN - sigma_B11 * x_BCN


def clean_from_v(z: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """x = alpha z - sigma v."""
    alpha, sigma = alpha_sigma(t)
    return alpha * z - sigma * v


def stratified_times(n: int, generator: torch.Generator) -> Tensor:
    """n times in 0..1, one in each n-th part, shifted together: uniform each, with less variance as a batch (ours)."""
    return (torch.arange(n) / n + torch.rand(1, generator=generator)) % 1
