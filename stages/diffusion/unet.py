"""The 1-D U-Net of Stable Audio 1.0 in shape (PAPER A.3), written anew.

Shapes: B batch, C channels, N latent frames, M mapping (what time t becomes), D width of attention.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.diffusion.config import UnetConfig

_SKIP_SCALE = 2**-0.5


class TimeFeatures(nn.Module):
    """t in 0..1 -> sines of random fixed frequencies -> a mapping vector for every residual block."""

    def __init__(self, width: int, n_frequencies: int = 64):
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, 3, n_frequencies, base=math.e))
        self.mlp = nn.Sequential(nn.Linear(2 * n_frequencies + 1, width), nn.GELU(), nn.Linear(width, width), nn.GELU())

    frequencies: Tensor

    def forward(self, t_B: Tensor) -> Tensor:
        angle_BF = t_B[:, None] * self.frequencies
        return self.mlp(torch.cat([t_B[:, None], angle_BF.sin(), angle_BF.cos()], 1))


class ResidualBlock(nn.Module):
    """Norm, SiLU, convolution, twice; time scales and shifts between. The second convolution begins at zero (ours)."""

    def __init__(self, n_in: int, n_out: int, mapping: int, groups: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(groups, n_in), n_in)
        self.conv1 = nn.Conv1d(n_in, n_out, 3, padding=1)
        self.time = nn.Linear(mapping, 2 * n_out)
        self.norm2 = nn.GroupNorm(math.gcd(groups, n_out), n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 3, padding=1)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv1d(n_in, n_out, 1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x_BCN: Tensor, m_BM: Tensor) -> Tensor:
        h_BCN = self.conv1(F.silu(self.norm1(x_BCN)))
        scale_BC1, shift_BC1 = self.time(m_BM)[:, :, None].chunk(2, 1)
        h_BCN = self.norm2(h_BCN) * (scale_BC1 + 1) + shift_BC1
        return self.shortcut(x_BCN) + self.conv2(F.silu(h_BCN))


class TransformerBlock(nn.Module):
    """Self-attention over time and a feed-forward, both with norm before; no positions, as in Stable Audio 1.0."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        shrink = nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), shrink)
        for last in (self.out, shrink):
            nn.init.zeros_(last.weight)

    def forward(self, x_BCN: Tensor) -> Tensor:
        x_BND = x_BCN.transpose(1, 2)
        batch, length, width = x_BND.shape
        qkv = self.qkv(self.norm1(x_BND)).view(batch, length, 3, self.heads, width // self.heads)
        q_BHNK, k_BHNK, v_BHNK = qkv.permute(2, 0, 3, 1, 4)
        a_BHNK = F.scaled_dot_product_attention(q_BHNK, k_BHNK, v_BHNK)
        x_BND = x_BND + self.out(a_BHNK.transpose(1, 2).reshape(batch, length, width))
        return (x_BND + self.mlp(self.norm2(x_BND))).transpose(1, 2)


class _Down(nn.Module):
    """Shorten, residual blocks, attention; every block's output is a skip for the way up."""

    def __init__(self, n_in: int, n_out: int, factor: int, blocks: int, attentions: int, mapping: int, c: UnetConfig):
        super().__init__()
        self.shorten = nn.Conv1d(n_in, n_out, 2 * factor + 1, stride=factor, padding=factor)
        self.blocks = nn.ModuleList(ResidualBlock(n_out, n_out, mapping, c.groups) for _ in range(blocks))
        self.attentions = nn.Sequential(*(TransformerBlock(n_out, c.heads) for _ in range(attentions)))

    def forward(self, x_BCN: Tensor, m_BM: Tensor) -> tuple[Tensor, list[Tensor]]:
        x_BCN, skips = self.shorten(x_BCN), []
        for block in self.blocks:
            x_BCN = block(x_BCN, m_BM)
            skips.append(x_BCN)
        if len(self.attentions):
            x_BCN = self.attentions(x_BCN)
            skips.append(x_BCN)
        return x_BCN, skips


class _Up(nn.Module):
    """The mirror: residual blocks, each joined by a skip, attention, lengthen."""

    def __init__(self, n_in: int, n_out: int, factor: int, blocks: int, attentions: int, mapping: int, c: UnetConfig):
        super().__init__()
        n_skips = blocks + bool(attentions)
        self.blocks = nn.ModuleList(ResidualBlock(2 * n_in, n_in, mapping, c.groups) for _ in range(n_skips))
        self.attentions = nn.Sequential(*(TransformerBlock(n_in, c.heads) for _ in range(attentions)))
        self.lengthen: nn.Module = (
            nn.Conv1d(n_in, n_out, 3, padding=1)
            if factor == 1
            else nn.ConvTranspose1d(n_in, n_out, 2 * factor, stride=factor, padding=factor // 2 + factor % 2,
                                    output_padding=factor % 2)
        )  # fmt: skip

    def forward(self, x_BCN: Tensor, skips: list[Tensor], m_BM: Tensor) -> Tensor:
        for block, skip_BCN in zip(self.blocks, reversed(skips), strict=True):
            x_BCN = block(torch.cat([x_BCN, skip_BCN * _SKIP_SCALE], 1), m_BM)
        return self.lengthen(self.attentions(x_BCN))


class Unet(nn.Module):
    """x_BCN of n_in channels and time t_B in 0..1 -> n_out channels of the same length, any N."""

    def __init__(self, config: UnetConfig, n_in: int, n_out: int):
        super().__init__()
        self.config = config
        widths, groups = config.widths, config.groups
        mapping = 4 * config.channels
        self.time = TimeFeatures(mapping)
        self.first = ResidualBlock(n_in, widths[0], mapping, groups)
        levels = list(zip(config.factors, config.blocks, config.attentions[:-1], strict=True))
        n = len(levels)
        self.down = nn.ModuleList(_Down(widths[i], widths[i + 1], *levels[i], mapping, config) for i in range(n))
        self.middle1 = ResidualBlock(widths[-1], widths[-1], mapping, groups)
        self.middle = nn.Sequential(*(TransformerBlock(widths[-1], config.heads) for _ in range(config.attentions[-1])))
        self.middle2 = ResidualBlock(widths[-1], widths[-1], mapping, groups)
        self.up = nn.ModuleList(_Up(widths[i + 1], widths[i], *levels[i], mapping, config) for i in reversed(range(n)))
        self.last = ResidualBlock(widths[0], n_out, mapping, groups)

    def forward(self, x_BCN: Tensor, t_B: Tensor) -> Tensor:
        length, m_BM = x_BCN.shape[2], self.time(t_B)
        h_BCN = self.first(F.pad(x_BCN, (0, -length % self.config.shortening)), m_BM)
        skips = []
        for down in self.down:
            h_BCN, level = down(h_BCN, m_BM)
            skips.append(level)
        h_BCN = self.middle2(self.middle(self.middle1(h_BCN, m_BM)), m_BM)
        for up in self.up:
            h_BCN = up(h_BCN, skips.pop(), m_BM)
        return self.last(h_BCN, m_BM)[:, :, :length]
