"""Transformer parts of the DSLM: its lyrics encoder, its two decoders and its song decoder are built from these.

Every weight carries a leading stream axis. S networks of one shape, each with weights of its own, run as one batched
product; an ordinary network is S = 1. The two decoders thus cost one launch per operation, not two.

    S streams   B batch   N rows, S * B, stream-major   T Q K time (any, queries, keys)
    D width   E any output width   H heads   C width of one head

Pre-norm, RMSNorm, GELU, rotary positions, no biases: ours, the paper (Table 12) gives sizes only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ALL = slice(None)
Rotation = tuple[Tensor, Tensor]  # cos_N1TC, sin_N1TC; N is 1 where all rows stand at the same positions
KeysValues = tuple[Tensor, Tensor]  # k_NHKC, v_NHKC


class Veil(NamedTuple):
    """A mask under which some queries see no key at all: those get zeros. What SDPA gives them depends on the kernel,
    so they are let see everything, and what they gather is thrown away."""

    seen_N1QK: Tensor
    sees_N1Q1: Tensor

    @classmethod
    def over(cls, mask_N1QK: Tensor) -> "Veil":
        sees_N1Q1 = mask_N1QK.any(-1, keepdim=True)
        return cls(mask_N1QK | ~sees_N1Q1, sees_N1Q1)


# None: all see all; a boolean N1QK, True where the query sees the key, every query at least one; a Veil where some see
# none; or a FlexAttention BlockMask.
Mask = Any


def stream_product(x_SBTD: Tensor, weight_SED: Tensor) -> Tensor:
    """x_SBTE: each stream times its own matrix."""
    if len(weight_SED) == 1:
        return F.linear(x_SBTD, weight_SED[0])
    return torch.bmm(x_SBTD.flatten(1, 2), weight_SED.mT).unflatten(1, x_SBTD.shape[1:3])


class StreamLinear(nn.Module):
    """x_SBTD -> x_SBTE, each stream by its own matrix. `streams` picks the matrices when x holds fewer streams."""

    def __init__(self, n_streams: int, n_in: int, n_out: int, gain: float = 1.0):
        super().__init__()
        self.weight_SED = nn.Parameter(torch.empty(n_streams, n_out, n_in))
        nn.init.normal_(self.weight_SED, std=gain * n_in**-0.5)

    def forward(self, x_SBTD: Tensor, streams: slice = ALL) -> Tensor:
        return stream_product(x_SBTD, self.weight_SED[streams])


class RMSNorm(nn.Module):
    """Root mean square norm with a gain per stream and channel (arXiv 1910.07467)."""

    def __init__(self, n_streams: int, width: int):
        super().__init__()
        self.gain_S11D = nn.Parameter(torch.ones(n_streams, 1, 1, width))

    def forward(self, x_SBTD: Tensor, streams: slice = ALL) -> Tensor:
        return F.rms_norm(x_SBTD, x_SBTD.shape[-1:]) * self.gain_S11D[streams]


def rotation(positions_NT: Tensor, head_width: int, base: float = 10_000.0) -> Rotation:
    """cos and sin of the angles by which rotary positions (arXiv 2104.09864) turn each pair of channels; the sign of
    the sine is that of the rotated half. Positions may be any integers: there is no longest sequence."""
    half = torch.arange(0, head_width, 2, device=positions_NT.device, dtype=torch.float32) / head_width
    angles_NTC = positions_NT[..., None].float() * base**-half
    cos, sin = angles_NTC.cos()[:, None], angles_NTC.sin()[:, None]
    return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


def rotate(x_NHTC: Tensor, by: Rotation) -> Tensor:
    cos_N1TC, sin_N1TC = by
    swapped_NHTC = x_NHTC.roll(x_NHTC.shape[-1] // 2, -1)
    return torch.addcmul(x_NHTC * cos_N1TC, swapped_NHTC, sin_N1TC).to(x_NHTC.dtype)


def sinusoids(n: int, width: int, device: torch.device | None = None) -> Tensor:
    """Absolute positions 0..n-1 as sines and cosines, TD (Vaswani et al. 2017, §3.5)."""
    half = torch.arange(0, width, 2, device=device, dtype=torch.float32) / width
    angles = torch.arange(n, device=device)[:, None] * 10_000.0**-half
    return torch.cat((angles.sin(), angles.cos()), -1)


def attend(q_NHQC: Tensor, k_NHKC: Tensor, v_NHKC: Tensor, mask: Mask = None) -> Tensor:
    """Scaled dot-product attention."""
    if mask is None or isinstance(mask, Tensor):
        return F.scaled_dot_product_attention(q_NHQC, k_NHKC, v_NHKC, attn_mask=mask)
    if isinstance(mask, Veil):
        return attend(q_NHQC, k_NHKC, v_NHKC, mask.seen_N1QK) * mask.sees_N1Q1
    return _flex_attention(q_NHQC.is_cuda)(q_NHQC, k_NHKC, v_NHKC, block_mask=mask)


_COMPILED: dict[bool, Any] = {}


def _flex_attention(compiled: bool) -> Any:
    """FlexAttention; eager on CPU, where it serves tests only (it has no backward there)."""
    if compiled not in _COMPILED:
        from torch.nn.attention.flex_attention import flex_attention

        _COMPILED[compiled] = torch.compile(flex_attention) if compiled else flex_attention
    return _COMPILED[compiled]


class Attention(nn.Module):
    """Multi-head attention in three steps (queries, keys and values, attend), so that a decoder can keep keys and
    values of the past and of what never changes.

    Q, K and V share one matrix: self-attention makes all three in one product, cross-attention uses its parts.
    """

    def __init__(self, n_streams: int, width: int, n_heads: int, out_gain: float = 1.0):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = StreamLinear(n_streams, width, 3 * width)
        self.out = StreamLinear(n_streams, width, width, out_gain)

    def _project(self, x_SBTD: Tensor, parts: slice, streams: slice, by: Rotation | None, rotated: int) -> list[Tensor]:
        """`parts` of Q, K, V (as 0, 1, 2) of x, each NHTC; the first `rotated` of them turned to their positions."""
        width = x_SBTD.shape[-1]
        x_SBTE = stream_product(x_SBTD, self.qkv.weight_SED[streams, parts.start * width : parts.stop * width])
        heads = x_SBTE.flatten(0, 1).unflatten(-1, (-1, width // self.n_heads)).transpose(1, 2)
        if by is not None:
            n_turned = rotated * self.n_heads
            turned = rotate(heads[:, :n_turned], by)
            return [*turned.split(self.n_heads, 1), *heads[:, n_turned:].split(self.n_heads, 1)]
        return list(heads.split(self.n_heads, 1))

    def queries_keys_values(self, x_SBTD: Tensor, by: Rotation | None = None, streams: slice = ALL) -> list[Tensor]:
        return self._project(x_SBTD, slice(0, 3), streams, by, rotated=2)

    def queries(self, x_SBQD: Tensor, by: Rotation | None = None, streams: slice = ALL) -> Tensor:
        return self._project(x_SBQD, slice(0, 1), streams, by, rotated=1)[0]

    def keys_values(self, x_SBKD: Tensor, by: Rotation | None = None, streams: slice = ALL) -> KeysValues:
        k_NHKC, v_NHKC = self._project(x_SBKD, slice(1, 3), streams, by, rotated=1)
        return k_NHKC, v_NHKC

    def attend(self, q_NHQC: Tensor, keys_values: KeysValues, mask: Mask = None, streams: slice = ALL) -> Tensor:
        """SBQD: what the queries gather, projected out."""
        x_NHQC = attend(q_NHQC, *keys_values, mask)
        n_streams = len(range(*streams.indices(len(self.out.weight_SED))))
        return self.out(x_NHQC.transpose(1, 2).flatten(2).unflatten(0, (n_streams, -1)), streams)


class FeedForward(nn.Module):
    """D -> hidden -> D with GELU between."""

    def __init__(self, n_streams: int, width: int, hidden: int, out_gain: float = 1.0):
        super().__init__()
        self.up = StreamLinear(n_streams, width, hidden)
        self.down = StreamLinear(n_streams, hidden, width, out_gain)

    def forward(self, x_SBTD: Tensor, streams: slice = ALL) -> Tensor:
        return self.down(F.gelu(self.up(x_SBTD, streams), approximate="tanh"), streams)


class Encoder(nn.Module):
    """A stack of pre-norm self-attention layers over a sequence seen whole; S = 1."""

    def __init__(self, n_layers: int, width: int, n_heads: int, hidden: int, dropout: float = 0.0):
        super().__init__()
        gain = (2 * max(n_layers, 1)) ** -0.5  # GPT-2: the residual stream keeps its size at the start, however deep
        self.layers = nn.ModuleList(EncoderLayer(width, n_heads, hidden, gain, dropout) for _ in range(n_layers))
        self.norm = RMSNorm(1, width)
        self.head_width = width // n_heads

    def forward(self, x_1BTD: Tensor, valid_BT: Tensor | None, positions_NT: Tensor) -> Tensor:
        mask = None if valid_BT is None else valid_BT[:, None, None]
        by = rotation(positions_NT, self.head_width)
        for layer in self.layers:
            x_1BTD = layer(x_1BTD, mask, by)
        return self.norm(x_1BTD)


class EncoderLayer(nn.Module):
    def __init__(self, width: int, n_heads: int, hidden: int, out_gain: float, dropout: float):
        super().__init__()
        self.attention = Attention(1, width, n_heads, out_gain)
        self.feed_forward = FeedForward(1, width, hidden, out_gain)
        self.norms = nn.ModuleList(RMSNorm(1, width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_1BTD: Tensor, mask: Mask, by: Rotation) -> Tensor:
        q, k, v = self.attention.queries_keys_values(self.norms[0](x_1BTD), by)
        x_1BTD = x_1BTD + self.dropout(self.attention.attend(q, (k, v), mask))
        return x_1BTD + self.dropout(self.feed_forward(self.norms[1](x_1BTD)))


class KeyValueCache:
    """Keys and values of the past of one attention, in a buffer that doubles when it is full."""

    def __init__(self) -> None:
        self.length = 0
        self._buffers: Sequence[Tensor] = ()

    def extend(self, keys_values: KeysValues) -> KeysValues:
        """Append; return all so far, as views."""
        start, self.length = self.length, self.length + keys_values[0].shape[2]
        if not self._buffers or self._buffers[0].shape[2] < self.length:
            self._buffers = [self._grown(new, i, start) for i, new in enumerate(keys_values)]
        for buffer, new in zip(self._buffers, keys_values, strict=True):
            buffer[:, :, start : self.length] = new
        k_NHTC, v_NHTC = (buffer[:, :, : self.length] for buffer in self._buffers)
        return k_NHTC, v_NHTC

    def _grown(self, new_NHTC: Tensor, i: int, n_kept: int) -> Tensor:
        n, h, _, c = new_NHTC.shape
        buffer = new_NHTC.new_empty(n, h, max(2 * self.length, 64), c)
        if n_kept:
            buffer[:, :, :n_kept] = self._buffers[i][:, :, :n_kept]
        return buffer
