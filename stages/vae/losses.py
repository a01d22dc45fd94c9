"""What the autoencoder is trained on (PAPER A.3: DAC's losses). Pure functions.

Shapes: B batch, T samples. Discriminators give, for each of them, a list of features with the judgement last.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.lib.audio import log_mel

Judged = Sequence[Sequence[Tensor]]


def mel_distance(made_BT: Tensor, true_BT: Tensor, fft_sizes: Sequence[int], n_bands: Sequence[int]) -> Tensor:
    """L1 between log-mels in decades (floor 1e-5), summed over scales, hops a quarter of the window, as DAC has it."""
    scales = []
    for fft_size, bands in zip(fft_sizes, n_bands, strict=True):
        made_BFN, true_BFN = log_mel(
            torch.cat([made_BT, true_BT]).float(), n_fft=fft_size, hop=fft_size // 4, n_mels=bands
        ).chunk(2)
        scales.append(F.l1_loss(made_BFN, true_BFN))
    return sum(scales[1:], scales[0]) / math.log(10)


def waveform_distance(made_BT: Tensor, true_BT: Tensor) -> Tensor:
    """L1 of samples relative to the batch's mean magnitude."""
    return F.l1_loss(made_BT, true_BT) / true_BT.abs().mean().clamp_min(1e-3)


def discriminator_loss(true: Judged, made: Judged) -> Tensor:
    """Least squares, summed over discriminators: the true to 1, the made to 0."""
    losses = [(1 - t[-1]).square().mean() + m[-1].square().mean() for t, m in zip(true, made, strict=True)]
    return sum(losses[1:], losses[0])


def adversarial_loss(made: Judged) -> Tensor:
    """Least squares, summed over discriminators: the made to 1."""
    losses = [(1 - features[-1]).square().mean() for features in made]
    return sum(losses[1:], losses[0])


def feature_loss(true: Judged, made: Judged) -> Tensor:
    """L1 between features, summed over layers and discriminators; the judgement is no feature."""
    losses = [
        F.l1_loss(m, t.detach())
        for true_layers, made_layers in zip(true, made, strict=True)
        for t, m in zip(true_layers[:-1], made_layers[:-1], strict=True)
    ]
    return sum(losses[1:], losses[0])
