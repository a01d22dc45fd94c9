"""Oobleck: encoder, diagonal Gaussian, decoder (PAPER A.3).

Shapes: B batch, T samples, N latent frames (one per hop), C channels, Z latent width (32).

Widths and numbers of residual units are given per level, from the sample rate down, so that a small model can spend
its work where it is cheap: work per second of audio goes with rate x width^2. The paper's model has three units at
every level, and widths that double from 128 (encoder) or 96 (decoder) to 2048 and 1536.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.vae.layers import Snake, channels_last, conv, down, residual_units, up

# Ours: music's RMS of about 0.1 comes in as 1 and goes out as 0.1; the Gaussian's std begins near 0.05, below the
# latents' own, so that the decoder hears them from the first step on.
INPUT_GAIN, OUTPUT_GAIN, SCALE_BIAS = 10.0, 0.1, -3.0


class Gaussian(NamedTuple):
    """A diagonal Gaussian over latents: mean and std, both of shape BZN."""

    mean_BZN: Tensor
    std_BZN: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Drawn on the generator's device, so that a seed means the same draw on every machine."""
        device = generator.device if generator else self.mean_BZN.device
        noise_BZN = torch.randn(self.mean_BZN.shape, generator=generator, device=device)
        return self.mean_BZN + self.std_BZN * noise_BZN.to(self.mean_BZN)

    def kl(self) -> Tensor:
        """Twice the divergence from the standard normal, as Stable Audio has it: summed over Z, mean over B and N."""
        variance_BZN = self.std_BZN.square()
        return (self.mean_BZN.square() + variance_BZN - variance_BZN.log() - 1).sum(1).mean()


class Encoder(nn.Module):
    """Audio to the parameters of the Gaussian.

    widths  channels at the sample rate and after each downsampling: one more than strides and n_units
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[int], n_units: Sequence[int], latent_width: int):
        super().__init__()
        self.first = conv(1, widths[0], 7, gain=INPUT_GAIN)
        self.levels = nn.ModuleList(
            nn.Sequential(*residual_units(n_in, units), Snake(n_in), down(n_in, n_out, stride))
            for n_in, n_out, stride, units in zip(widths[:-1], widths[1:], strides, n_units, strict=True)
        )
        parameters = conv(widths[-1], 2 * latent_width, 3)
        assert parameters.bias is not None
        nn.init.constant_(parameters.bias[latent_width:], SCALE_BIAS)
        self.last = nn.Sequential(Snake(widths[-1]), parameters)

    def forward(self, x_BT: Tensor) -> Gaussian:
        h_BC1T = self.first(x_BT[:, None, None, :]).contiguous(memory_format=torch.channels_last)
        for level in self.levels:
            h_BC1T = level(h_BC1T)
        mean_BZN, scale_BZN = self.last(h_BC1T).squeeze(2).chunk(2, dim=1)
        return Gaussian(mean_BZN, F.softplus(scale_BZN) + 1e-4)


class Decoder(nn.Module):
    """Latents to audio: the encoder's mirror, residual units after each upsampling; no tanh at the end.

    widths  as the encoder's: from the sample rate down
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[int], n_units: Sequence[int], latent_width: int):
        super().__init__()
        self.first = conv(latent_width, widths[-1], 7)
        rows = list(zip(widths[1:], widths[:-1], strides, n_units, strict=True))
        self.levels = nn.ModuleList(
            nn.Sequential(Snake(n_in), up(n_in, n_out, stride), *residual_units(n_out, units))
            for n_in, n_out, stride, units in reversed(rows)
        )
        self.last = nn.Sequential(Snake(widths[0]), conv(widths[0], 1, 7, bias=False, gain=OUTPUT_GAIN))

    def forward(self, z_BZN: Tensor) -> Tensor:
        h_BC1T = self.first(channels_last(z_BZN))
        for level in self.levels:
            h_BC1T = level(h_BC1T)
        return self.last(h_BC1T)[:, 0, 0, :]


def encoder_context(strides: Sequence[int], n_units: Sequence[int]) -> int:
    """Samples on either side that an encoder's output can depend on, at most."""
    reach, step = 3, 1
    for stride, units in zip(strides, n_units, strict=True):
        reach += step * sum(3 * 3**unit for unit in range(units))
        reach += step * (2 * stride)
        step *= stride
    return reach + step


def decoder_context(strides: Sequence[int], n_units: Sequence[int]) -> int:
    """Latent frames on either side that a decoder's output can depend on, at most."""
    step = 1
    for stride in strides:
        step *= stride
    hop, reach = step, 3 * step
    for stride, units in zip(reversed(strides), reversed(n_units), strict=True):
        reach += step  # an upsampling sees one frame on
        step //= stride
        reach += step * sum(3 * 3**unit for unit in range(units))
    return -(-(reach + 3) // hop)
